import re
import shutil

import numpy as np
import pytest
from bound import Bound, quick

from ciutils import artifacts, data
from reproduction import __main__ as commands
from reproduction import verification


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A published run of the digits, with a plane."""
    run = quick(tmp_path_factory.mktemp("published"))
    run.ego()
    run.space("3-8", sigma=0.1, points=5, images=60)
    run.space("random", sigma=0.1, points=3, images=60, random=True)
    for extra in {*run.folder.glob("*.lock"), run.folder / "ego.safetensors"}:
        extra.unlink()  # what is published are results alone
    return run.own


@pytest.fixture
def results(published, tmp_path):
    """A copy of it that may be damaged."""
    return shutil.copytree(published, tmp_path / "runs")


def failed(folder):
    return [check.what for check in verification.verify(folder) if check.passed is False]


def left(folder):
    return {check.what: check.found for check in verification.verify(folder) if check.passed is None}


@pytest.fixture
def two_runs(results, tmp_path):
    """Another published run beside the first, with its class gradients' norms and no plane."""
    other = quick(tmp_path / "other", setup="big-lr")
    other.ego()
    (other.folder / "ego.safetensors").unlink()
    other.folder.rename(results / other.name)
    return results


def changed(path, change):
    """Rewrite an artifact with other contents and a digest that fits them."""
    artifacts.save_dataset(change(artifacts.load_dataset(path).copy(deep=True)), path)


def test_what_was_published_is_found_again(results):
    checks = list(verification.verify(results))
    assert all(check.passed for check in checks), checks
    points = [check for check in checks if "point" in check.what]
    assert [check.found for check in points] == ["the published counts"] * 3
    assert sum(check.found == "whole" for check in checks) == 6


def test_a_plane_may_have_another_precision_than_its_training(tmp_path):
    run = quick(tmp_path, precision="fp32")
    run.space("3-8", sigma=0.1, points=3, images=60)
    (run.folder / "ego.safetensors").unlink()
    assert failed(run.folder) == []


def test_one_run_can_be_verified_alone_and_before_it_is_published(results):
    run = next(results.iterdir())
    (run / "history.nc.lock").touch()
    (run / "ego.nc.resume.note").touch()
    (run / "aside").mkdir()
    (run / "aside" / "20261126T000000.0-run.json").write_text("{")
    assert failed(run) == []


def test_every_run_is_recomputed_as_far_as_can_be_afforded(two_runs, monkeypatch):
    found = [check.what for check in verification.verify(two_runs)]
    runs = sorted(folder.name for folder in two_runs.iterdir())
    for run in runs:
        assert {f"{run}, CCTM", f"{run}, predictions of test images", f"{run}, norms of the class gradients"} <= {
            *found
        }
    assert sum("point (" in what for what in found) == 3
    assert left(two_runs) == {}
    monkeypatch.setattr(verification, "AFFORDABLE", 0.0)
    assert list(left(two_runs)) == [f"{run}, class gradients and points of a plane" for run in runs]
    assert all(re.fullmatch(r"would take about \d+ s here", why) for why in left(two_runs).values())
    assert failed(two_runs) == []


def test_what_is_not_affordable_for_one_run_may_be_for_another(two_runs, monkeypatch):
    """The first has a plane too: of costs 2 and 1, where 1 can be spent, the second is paid."""
    monkeypatch.setattr(verification, "_cost", lambda measured, _: float(len(measured)))
    monkeypatch.setattr(verification.time, "monotonic", iter(range(100)).__next__)
    monkeypatch.setattr(verification, "AFFORDABLE", 1.0)
    (with_a_plane,) = (path.parent.name for path in two_runs.glob("*/space-3-8-*.nc"))
    assert list(left(two_runs)) == [f"{with_a_plane}, class gradients and points of a plane"]
    assert failed(two_runs) == []


def test_the_cost_is_in_passes_over_the_images(results):
    """1200 training and 597 test images: three passes over the first for gradients, three points of 60 images."""
    folder = next(results.iterdir())
    (plane,) = folder.glob("space-3-8-*.nc")
    images = data.load("digits")
    assert verification._cost([folder / "ego.nc", plane], images) == (3 * 1200 + 3 * 60) / (2 * 597)
    assert verification._cost([folder / "ego.nc"], images) == 3 * 1200 / (2 * 597)
    assert verification._cost([], images) == 0


def test_a_run_without_published_weights_is_counted_and_said_not_to_be_recomputed(results):
    (path,) = results.glob("*/weights.safetensors")
    path.unlink()
    assert left(results) == {f"{path.parent.name}, recomputed": "its weights are not published"}
    assert failed(results) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"configuration": {"dataset": "digits"}}'])
def test_a_damaged_record_is_named(results, content):
    (path,) = results.glob("*/run.json")
    path.write_text(content)
    assert failed(results) == [f"{path.parent.name}/run.json"]


def test_a_missing_history_is_named(results):
    (path,) = results.glob("*/history.nc")
    path.unlink()
    assert failed(results) == [f"{path.parent.name}/history.nc"]


def test_a_damaged_file_is_named_and_nothing_is_recomputed(results, monkeypatch):
    path = next(results.glob("*/ego.nc"))
    path.write_bytes(path.read_bytes()[:-50])
    monkeypatch.setattr(verification, "_recomputed", lambda *_: pytest.fail("recomputed from damaged files"))
    assert failed(results) == [f"{path.parent.name}/ego.nc"]


def test_a_run_on_changed_data_is_found_again(tmp_path):
    """A record holds lists, where a run has tuples."""
    run = quick(tmp_path, classes=("3", "8", "5"), swapped=("3", "8", 0.5))
    run.history()
    assert all(check.passed for check in verification.verify(run.folder))


def test_an_artifact_of_another_run_is_named(results, tmp_path):
    path = next(results.glob("*/history.nc"))
    other = quick(tmp_path / "other", setup="big-lr")
    other.history()
    path.write_bytes((other.folder / "history.nc").read_bytes())
    (check,) = [check for check in verification.verify(results) if check.passed is False]
    assert (check.what, check.found) == (f"{path.parent.name}/history.nc", "of another run: setup differ")


def test_counts_that_the_weights_do_not_give_are_found(results):
    def one_more_mistake(history):
        history["test_counts"][-1, 0, 0] -= 1
        history["test_counts"][-1, 0, 1] += 1
        return history

    path = next(results.glob("*/history.nc"))
    changed(path, one_more_mistake)
    assert failed(results) == [f"{path.parent.name}/history.nc, counts of its predictions", f"{path.parent.name}, CCTM"]


def test_predictions_that_are_not_the_networks_are_found(results):
    """The counts are changed with them: only the network itself tells."""

    def another_answer(history):
        label, answer = int(history["test_labels"][0]), int(history["test_predictions"][-1, 0])
        history["test_predictions"][-1, 0] = (answer + 1) % 10
        history["test_counts"][-1, label, answer] -= 1
        history["test_counts"][-1, label, (answer + 1) % 10] += 1
        return history

    path = next(results.glob("*/history.nc"))
    changed(path, another_answer)
    name = path.parent.name
    assert failed(results) == [f"{name}, CCTM", f"{name}, predictions of test images"]


@pytest.mark.parametrize(("images", "passes"), [(0, True), (60, False)])
def test_predictions_beside_an_older_history_are_counted(results, images, passes, tmp_path):
    path = next(results.glob("*/history.nc"))
    old = artifacts.load_dataset(path)[["running_counts", "test_counts", "seconds"]]
    old = old.rename(running_counts="train_counts").assign_attrs(train_counts="running", precision="fp32")
    artifacts.save_dataset(old, path)
    run = Bound(quick(tmp_path).run, tmp_path / "own", results)
    found = run.predictions()
    found["test_predictions"][:images] = (found["test_labels"][:images].values + 1) % 10
    artifacts.save_dataset(found, path.parent / "predictions.nc")
    (check,) = [check for check in verification.verify(results) if check.what.endswith("predictions.nc, its counts")]
    assert check.passed == passes


def test_a_plane_that_the_weights_do_not_give_is_found(results):
    def another_corner(space):
        space["counts"][0, -1, 0, 0] += 1
        return space

    path = next(results.glob("*/space-3-8-*.nc"))
    changed(path, another_corner)
    assert failed(results) == [f"{path.name}, point (0, 4)"]


@pytest.mark.parametrize(("tolerance", "passes"), [(0.05, True), (0.005, False)])
def test_machines_of_another_kind_may_round_differently(results, monkeypatch, tolerance, passes):
    """One mistake of 60 images, 0.017, is within the one tolerance and beyond the other."""
    path = next(results.glob("*/space-3-8-*.nc"))

    def elsewhere(space):
        space.attrs["provenance"] = space.attrs["provenance"].replace('"device_name": "', '"device_name": "other ')
        corner = space["counts"].values[0, -1]
        true = int(np.argmax(np.diagonal(corner)))
        corner[true, true] -= 1
        corner[true, (true + 1) % 10] += 1
        return space

    changed(path, elsewhere)
    monkeypatch.setattr(verification, "TOLERANCE", tolerance)
    (check,) = [check for check in verification.verify(results) if check.what.endswith("(0, 4)")]
    assert "made on other" in check.found
    assert check.passed == passes


def test_the_command_prints_each_check_and_fails_if_one_does(results, capsys):
    assert commands.main(["verify", str(results)]) == 0
    told = capsys.readouterr().out
    assert told.count("\nok     ") + told.startswith("ok     ") == told.count("\n") - 1
    assert "all checks passed" in told
    (next(results.glob("*/run.json")).parent / "stray.txt").write_text("")
    assert commands.main(["verify", str(results)]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_a_folder_without_runs_is_one_line(tmp_path, capsys):
    assert commands.main(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: no run in {tmp_path}: give results, or the folder of one run\n"

import numpy as np
import pytest
from bound import Bound, quick

from ciutils import artifacts
from reproduction import __main__ as commands
from reproduction import verification


@pytest.fixture
def results(tmp_path):
    """A published run of the digits, with a plane."""
    run = quick(tmp_path)
    run.ego()
    run.space("3-8", sigma=0.1, points=5, images=60)
    run.space("random", sigma=0.1, points=3, images=60, random=True)
    for extra in {*run.folder.glob("*.lock"), run.folder / "ego.safetensors"}:
        extra.unlink()  # what is published are results alone
    return run.own


def failed(folder):
    return [check.what for check in verification.verify(folder) if not check.passed]


def changed(path, change):
    """Rewrite an artifact with other contents and a digest that fits them."""
    artifacts.save_dataset(change(artifacts.load_dataset(path).copy(deep=True)), path)


def test_what_was_published_is_found_again(results):
    checks = list(verification.verify(results))
    assert all(check.passed for check in checks), checks
    points = [check for check in checks if "point" in check.what]
    assert [check.found for check in points] == ["the published counts"] * 3
    assert sum(check.found == "whole" for check in checks) == 6


def test_one_run_can_be_verified_alone_and_before_it_is_published(results):
    run = next(results.iterdir())
    (run / "history.nc.lock").touch()
    assert failed(run) == []


def test_a_damaged_file_is_named_and_nothing_is_recomputed(results, monkeypatch):
    path = next(results.glob("*/ego.nc"))
    path.write_bytes(path.read_bytes()[:-50])
    monkeypatch.setattr(verification, "_recomputed", lambda *_: pytest.fail("recomputed from damaged files"))
    assert failed(results) == [f"{path.parent.name}/ego.nc"]


def test_an_artifact_of_another_run_is_named(results, tmp_path):
    path = next(results.glob("*/history.nc"))
    other = quick(tmp_path / "other", setup="big-lr")
    other.history()
    path.write_bytes((other.folder / "history.nc").read_bytes())
    (check,) = [check for check in verification.verify(results) if not check.passed]
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
    assert "all checks passed" in capsys.readouterr().out
    (next(results.glob("*/run.json")).parent / "stray.txt").write_text("")
    assert commands.main(["verify", str(results)]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_a_folder_without_runs_is_one_line(tmp_path, capsys):
    assert commands.main(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: no run in {tmp_path}: give results, or the folder of one run\n"

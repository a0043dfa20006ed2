import dataclasses
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from bound import quick
from PIL import Image

from ciutils import artifacts, choices, code, data, files, measure, provenance, store, train
from ciutils.analyse import confusion
from ciutils.classes import class_pair
from reproduction import chapters, results, runs
from reproduction.records import records
from reproduction.results import Results


@pytest.fixture
def run(tmp_path):
    return quick(tmp_path)


@pytest.fixture
def trained(run):
    run.history()
    return run


def published_in_the_older_form(run, kind, folder):
    """Publish what `run` has, its history with one kind of counts of training images and no predictions."""
    made = run.folder
    shutil.copytree(made, run.published / folder, ignore=shutil.ignore_patterns("*.lock"))
    history = artifacts.load_dataset(made / "history.nc")
    old = history[[f"{kind}_counts", "test_counts", "train_loss", "learning_rate", "seconds"]]
    old = old.rename({f"{kind}_counts": "train_counts"}).assign_attrs(train_counts=kind)
    artifacts.save_dataset(old, run.published / folder / "history.nc")
    return history


def never(*_, **__):
    raise AssertionError("this must be loaded, not computed")


OTHERS = {
    "dataset": "fashion-mnist",
    "network": "vgg19",
    "setup": "big-lr",
    "epochs": 2,
    "width": 0.03,
    "batch_size": 64,
    "seed": 1,
    "augment": "none",
    "normalisation": "public-code",
    "precision": "fp32",
}


def test_every_setting_is_in_the_record_and_in_the_name(run):
    """A setting that changed nothing, or shared a folder with another, would be a lie."""
    run = run.run
    assert set(run.configuration) == set(OTHERS)
    names = {run.name}
    for key, value in OTHERS.items():
        other = dataclasses.replace(run, **{key: value})
        assert other.configuration[key] == value
        names.add(other.name)
    assert len(names) == len(OTHERS) + 1


def test_folders_of_the_same_name_are_told_apart(run, tmp_path):
    one, two = (dataclasses.replace(run.run, dataset=f"folder:{tmp_path / parent / 'pets'}") for parent in "ab")
    assert one.name != two.name
    assert "/" not in one.name


def test_a_folder_with_a_long_name_has_a_run_that_a_folder_can_be_called(run, tmp_path):
    one, two = (dataclasses.replace(run.run, dataset=f"folder:{tmp_path / ('x' * 254)}{end}").name for end in "ab")
    assert one != two
    (tmp_path / one).mkdir()


def test_a_run_is_computed_once_and_then_loaded(trained, monkeypatch):
    monkeypatch.setattr(train, "train", never)
    history = trained.history()
    assert history.test_counts.sum() == len(trained.images.test)
    folder = trained.folder
    assert {file.name for file in folder.iterdir()} == {
        "history.nc",
        "weights.safetensors",
        "run.json",
        "history.nc.lock",
    }


def test_the_loaded_network_gives_the_recorded_counts(trained):
    counts = measure.counts(trained.model(), trained.images.test, device="cpu")
    xr.testing.assert_equal(counts.drop_attrs(), trained.history().test_counts.isel(epoch=-1, drop=True))


def test_a_published_artifact_is_preferred_and_never_written(trained, monkeypatch):
    trained = trained.publish()
    monkeypatch.setattr(train, "train", never)
    before = {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}
    trained.history()
    trained.model()
    assert before == {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}
    assert not trained.own.exists() or not any(trained.own.iterdir())


def test_what_is_published_without_its_weights_is_loaded_and_nothing_is_trained(trained, monkeypatch):
    def all_of(run):
        return run.history(), run.ego(), run.space("3-8", 0.1, 3, 50), run.random_sigma("3-8", 0.1)

    before = all_of(trained)
    trained = trained.publish()
    (trained.published / trained.name / "weights.safetensors").unlink()
    monkeypatch.setattr(train, "train", never)
    for one, other in zip(before, all_of(trained.fresh(compute=False)), strict=True):
        assert one == other if isinstance(one, float) else store.as_published(one).identical(other)
    with pytest.raises(FileNotFoundError, match="weights.safetensors is neither in .* nor in .*: compute it first"):
        trained.fresh(compute=False).model()


def test_weights_that_were_not_published_are_trained_anew(trained):
    digest = provenance.of(trained.history())["weights_sha256"]
    trained = trained.publish()
    (trained.published / trained.name / "weights.safetensors").unlink()
    trained.model()
    assert artifacts.tensors_sha256(trained.folder / "weights.safetensors") == digest


def test_weights_that_are_not_those_of_a_published_history_are_refused(trained):
    trained.ego()
    trained = trained.publish()
    for file in ("weights.safetensors", "ego.safetensors"):
        (trained.published / trained.name / file).unlink()
    history = trained.history()
    made = json.loads(history.attrs["provenance"]) | {"weights_sha256": 64 * "0"}
    path = trained.published / trained.name / "history.nc"
    artifacts.save_dataset(history.assign_attrs(provenance=json.dumps(made)), path)
    for measured in (trained.model, trained.directions, functools.partial(trained.space, "3-8", 0.1, 3, 50)):
        with pytest.raises(ValueError, match=r"is of other weights \(00000000\) than there are here .* another seed$"):
            measured()


def test_nothing_is_added_to_published_artifacts_of_other_data(tmp_path):
    rng = np.random.default_rng(0)
    for part, name in itertools.product(("train", "test"), ("cat", "dog")):
        (tmp_path / "d" / part / name).mkdir(parents=True)
        for place in range(4):
            pixels = rng.integers(256, size=(8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "d" / part / name / f"{place}.png")
    run = quick(tmp_path, dataset=f"folder:{tmp_path / 'd'}", batch_size=4)
    run.history()
    run = run.publish()
    before = run.space("cat-dog", 0.1, 3)
    Image.new("RGB", (8, 8)).save(tmp_path / "d" / "train" / "cat" / "more.png")
    run = run.fresh()
    with pytest.raises(ValueError, match="is of other data"):
        run.space("cat-dog", 0.2, 3)
    assert before["counts"].sum("predicted").max() == 4


def test_settings_are_names_of_their_own_where_classes_hold_a_plus():
    given = [("a+b", "c"), ("a", "b+c"), ("a", "b", "c")]
    names = {runs.Run("digits", "vgg19", "big-lr", 1, 0.1, classes=classes).name for classes in given}
    assert len(names) == 3
    assert runs.Run("digits", "vgg19", "big-lr", 1, 0.1, classes=given[-1]).name.endswith("-classes=a+b+c")


def test_an_artifact_of_another_configuration_is_refused(trained, tmp_path):
    other = quick(tmp_path, seed=1)
    trained.folder.rename(other.folder)
    with pytest.raises(ValueError, match="of another configuration: seed is 0 there, 1 here; move it away") as error:
        other.history()
    assert "\n" not in str(error.value)


def test_a_damaged_published_artifact_is_refused(trained):
    trained = trained.publish()
    path = trained.published / trained.name / "history.nc"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="history.nc"):
        trained.history()


def test_provenance_is_complete_and_the_same_in_every_artifact(trained):
    folder = trained.folder
    made = json.loads((folder / "run.json").read_text())
    assert provenance.of(trained.history()) == made
    weights = folder / "weights.safetensors"
    in_weights = json.loads(artifacts.load_tensors(weights)[1]["provenance"])
    assert in_weights | {"weights_sha256": artifacts.tensors_sha256(weights)} == made
    assert made["configuration"] == trained.run.configuration
    assert made["data_sha256"] == trained.images.sha256
    assert set(made["versions"]) == {"python", "torch", "torchvision", "numpy", "xarray"}
    assert made["versions"]["torch"] == metadata.version("torch")
    assert made["device"] == "cpu"
    assert made["seconds"] > 0
    assert made["peak_memory_bytes"] > 1 << 20
    assert re.fullmatch("[0-9a-f]{40}|unknown", made["git_commit"])


def test_provenance_line_names_what_made_a_figure(trained):
    line = provenance.line(trained.history(), trained.history())
    for part in (
        "resnet18",
        "anneal-lr",
        "1 epochs",
        "width 0.02",
        "seed 0",
        "digits",
        trained.images.sha256[:8],
        f"torch {metadata.version('torch')}",
    ):
        assert part in line
    assert "\n" not in line
    took = provenance.duration(provenance.of(trained.history())["seconds"])
    assert f"; {took} in all; " in line  # the same artifact twice


def test_an_artifact_without_provenance_is_refused():
    with pytest.raises(ValueError, match="carries no provenance"):
        provenance.of(xr.Dataset())


def test_the_seed_changes_weights_and_order(run, tmp_path):
    first, second = run.model(), quick(tmp_path, seed=1).model()
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_public_code_normalisation_changes_the_spread_only(monkeypatch, tmp_path):
    split = data.Split(
        torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), (0.5,) * 3, (0.2,) * 3
    )
    images = data.ImageData("colours", split, split)
    monkeypatch.setattr(data, "load", lambda name: images)
    found = quick(tmp_path, dataset="cifar10", normalisation="public-code").images
    assert (found.std, found.mean) == ((0.2023, 0.1994, 0.2010), images.mean)


def test_public_code_normalisation_is_for_colour_images(tmp_path):
    with pytest.raises(ValueError, match="normalisation 'public-code' is for 3 channels, not 1"):
        _ = quick(tmp_path, normalisation="public-code").images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "cifar"}, "unknown dataset 'cifar'.*did you mean 'cifar10'"),
        ({"network": "vgg"}, "unknown network 'vgg'.*did you mean 'vgg19'"),
        ({"setup": "annealed-lr"}, "unknown setup 'annealed-lr'.*did you mean 'anneal-lr'"),
        ({"epochs": 0}, "epochs = 0: give a whole number of at least 1"),
        ({"width": -1}, "width = -1: give a number above 0 and at most 10"),
        ({"width": 1000}, "width = 1000: give a number above 0 and at most 10"),
        ({"seed": -1}, "seed = -1: give a whole number of at least 0"),
        ({"seed": 2**50}, "seed = 1125899906842624: give a whole number of at least 0 and at most 4294967295"),
        ({"dataset": None}, "dataset = None: give a name, or a folder of images as 'folder:PATH'"),
        ({"dataset": Path("/data/x")}, "dataset = PosixPath.'/data/x'.: give a name, or a folder of images as"),
        ({"dataset": "folder:~nobody-of-this-name/x"}, "nobody-of-this-name/x' leads to no folder: "),
        ({"augment": "flip"}, "unknown augment 'flip'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'.*did you mean"),
    ],
)
def test_bad_settings_get_one_line_before_anything_is_computed(change, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        quick(tmp_path, **change)
    assert "\n" not in str(error.value)


def test_numpys_numbers_make_the_same_run(run):
    numbers = {"epochs": np.int64(1), "seed": np.uint8(0), "batch_size": np.int32(256), "width": np.float64(0.02)}
    assert dataclasses.replace(run.run, **numbers) == run.run
    assert json.loads(json.dumps(dataclasses.replace(run.run, **numbers).configuration)) == run.run.configuration


@pytest.mark.parametrize("width", [0.0200000001, 0.02 + 2**-50, np.float32(0.02), 1 / 3, 1e-7])
def test_different_widths_have_different_names(run, width):
    other = dataclasses.replace(run.run, width=width)
    assert other.width != run.run.width
    assert float(re.search("-w(.*)-e1-", other.name)[1]) == other.width
    assert "-w0.02-e1-" in run.run.name


def test_a_run_on_changed_data_is_another_run_and_all_others_stay_what_they_were(run, tmp_path):
    plain = run.run
    assert not {"classes", "swapped"} & plain.configuration.keys()
    two = dataclasses.replace(plain, classes=["3", "8"])
    noisy = dataclasses.replace(plain, swapped=["3", "8", 0.25])
    assert [each.name.removeprefix(f"{plain.name}-") for each in (two, noisy)] == ["classes=3+8", "swapped=3+8+0.25"]
    for each in (two, noisy):
        assert runs.Run(**json.loads(json.dumps(each.configuration))) == each
    fresh = Results(store.Store(tmp_path / "own", tmp_path / "published"))
    assert fresh.data(two).classes == ("3", "8")
    found = fresh.predictions(two)
    assert found["predicted"].values.tolist() == ["3", "8"]
    assert found.sizes["test_image"] == int(np.isin(data.load("digits").test.labels, (3, 8)).sum())
    changed = fresh.data(noisy).train.labels != fresh.data(plain).train.labels
    assert fresh.data(plain).train.labels[changed].unique().tolist() == [3, 8]
    other = dataclasses.replace(noisy, seed=1)  # one process may hold the labels of several seeds
    assert not torch.equal(fresh.data(other).train.labels, fresh.data(noisy).train.labels)


def test_long_names_of_folders_fit_into_a_file_system(run):
    far = dataclasses.replace(run.run, dataset=f"folder:/data/{'x' * 255}")
    assert len(far.name) < 120


WRONG_PLANES = [
    ({"pair": "3-88"}, "unknown class '88': choose from 0, 1"),
    ({"pair": "cat-dog"}, "unknown class 'cat': choose from 0, 1"),
    ({"points": 4}, "points = 4: give an odd number, so that the network itself is the middle point"),
    ({"points": 1}, "points = 1: give a whole number of at least 3"),
    ({"images": 1201}, "images = 1201: digits has 1200 training images; give 0 for all"),
    ({"images": -5}, "images = -5: give a whole number of at least 0"),
    ({"sigma": -1}, "sigma = -1: give a number above 0"),
    ({"sigma": float("nan")}, "sigma = nan: give a number above 0"),
    ({"shards": 0}, "shards = 0: give a whole number of at least 1"),
    ({"shard": (2, 2)}, r"shard = .2, 2.: give .i, n. with 0 <= i < n"),
    ({"scale": "../../x"}, "unknown scale '../../x': choose from gradient, unit, filter"),
    ({"bn": "froozen"}, "unknown bn 'froozen': choose from frozen, recalibrated, augmented; did you mean 'frozen'"),
    ({"signs": "paper"}, "unknown option 'signs': choose from scale, sign, bn, precision; did you mean 'sign'"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_PLANES)
def test_a_wrong_plane_is_refused_before_its_network_is_trained(change, message, run, monkeypatch):
    monkeypatch.setattr(train, "train", never)
    with pytest.raises(ValueError, match=message) as caught:
        run.space(**({"pair": "3-8", "sigma": 0.1, "points": 3} | change))
    assert "\n" not in str(caught.value)
    assert not run.own.exists()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.sigma(["3-8", "3-x"]), "unknown class 'x'"),
        (lambda run: run.sigma(["3-8"], level=1.5), "level = 1.5: give a number above 0 and below 1"),
        (lambda run: run.sigma(["3-8"], images=9999), "images = 9999: digits has 1200 training images"),
        (lambda run: run.random_sigma("3-x", 0.1), "unknown class 'x'"),
        (lambda run: run.random_sigma("3-8", 0.1, scale="x"), "unknown scale 'x'"),
        (lambda run: run.random_sigma("3-8", -0.1), "sigma = -0.1: give a number above 0"),
    ],
)
def test_a_wrong_half_side_is_refused_before_its_network_is_trained(ask, message, run, monkeypatch):
    monkeypatch.setattr(train, "train", never)
    with pytest.raises(ValueError, match=message):
        ask(run)
    assert not run.own.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 1}, "batch_size = 1: of 1200 training images one is alone in its batch"),
        ({"normalisation": "public-code"}, "normalisation 'public-code' is for 3 channels, not 1"),
        ({"dataset": "folder:/nowhere"}, "no folder /nowhere"),
        ({"dataset": "fashion-mnist"}, "no fashion-mnist"),
    ],
)
def test_a_run_that_cannot_be_trained_leaves_no_folder(change, message, tmp_path, monkeypatch):
    monkeypatch.setattr(data.sources, "_read_torchvision", unreachable)
    run = quick(tmp_path, **change)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run.history()
    assert not run.own.exists()


def unreachable(name, *_):
    raise FileNotFoundError(f"no {name}: no network")


def test_images_of_one_class_are_refused_before_training(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / part / "cat" / f"{number}.png")
    run = quick(tmp_path, dataset=f"folder:{tmp_path}")
    with pytest.raises(ValueError, match="has one class, 'cat': interference takes two or more"):
        run.history()
    assert not run.own.exists()


def test_a_device_that_is_not_there_is_said_at_once():
    with pytest.raises(ValueError, match="unknown device 'gpu'"):
        Results(device="gpu")


def test_numpys_numbers_measure_the_same_plane(trained, monkeypatch):
    space = trained.space("3-5", 0.5, points=3, images=200)
    monkeypatch.setattr(measure, "interference_space", never)
    again = trained.space("3-5", np.float64(0.5), points=np.int64(3), images=np.int32(200), shards=np.int64(1))
    xr.testing.assert_identical(again, space)


def test_a_folder_of_runs_in_ones_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CIUTILS_RUNS", "~/my runs")
    assert Results().store.own == tmp_path / "my runs"


def test_profiles_hold_the_papers_networks_and_setups():
    for name in ("digits", "laptop", "paper"):
        profile = runs.profile(name)
        assert profile.networks == ("vgg19", "resnet18", "googlenet", "dla", "simple-dla")
        assert profile.setups["vgg19"] == profile.setups["resnet18"] == ("anneal-lr", "big-lr", "small-lr")
    paper = runs.profile("paper").run("vgg19", "big-lr")
    assert (paper.dataset, paper.epochs, paper.width, paper.batch_size) == ("cifar10", 200, 1.0, 128)
    assert runs.profile("digits").run("vgg19", seed=4, epochs=2).seed == 4


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ValueError, match="unknown profile 'labtop'.*did you mean 'laptop'"):
        runs.profile("labtop")


# --- egos and spaces


def test_egos_are_those_of_the_trained_network(trained):
    found = trained.ego()
    expected = measure.ego_directions(trained.model(), trained.images.train, device="cpu")
    xr.testing.assert_allclose(found["norms"], expected.norms)
    xr.testing.assert_allclose(found["cosine"], expected.cosine)
    assert found.attrs["weight_norm"] == pytest.approx(expected.weight_norm)
    assert provenance.of(found)["configuration"]["network"] == "resnet18"


def test_a_space_is_measured_once_and_then_loaded(trained, monkeypatch):
    space = trained.space("3-5", 0.5, points=3, images=200)
    assert space["counts"].sum(("true", "predicted")).values.tolist() == [[200] * 3] * 3
    assert (space["standard_error"] > 0).any()
    made = provenance.of(space)["configuration"]
    assert (made["pair"], made["sigma"], made["points"], made["images"]) == ("3-5", 0.5, 3, 200)
    monkeypatch.setattr(measure, "interference_space", never)
    xr.testing.assert_identical(trained.space("3-5", 0.5, points=3, images=200), space)
    assert not list(trained.folder.glob("*.resume"))


def test_a_published_history_of_the_older_form_names_its_counts(trained):
    new = published_in_the_older_form(trained, "running", trained.name)
    history = trained.history()
    assert {"running_counts", "test_counts"} == {name for name in choices.COUNTS if name in history}
    assert history["running_counts"].equals(new["running_counts"])


def test_counts_at_the_end_come_from_the_same_training_made_once_more(trained):
    new = published_in_the_older_form(trained, "running", trained.name)
    published_in_the_older_form(trained, "end", f"{trained.name}-train_counts=end")
    history = trained.history()
    for name in choices.COUNTS:
        assert history[name].equals(new[name])
    assert list(records([trained.run], trained.results)["artifact"]) == ["history.nc", "history.nc (counts at the end)"]


def test_counts_at_the_end_of_another_training_are_refused(trained):
    published_in_the_older_form(trained, "running", trained.name)
    published_in_the_older_form(trained, "end", f"{trained.name}-train_counts=end")
    path = trained.published / f"{trained.name}-train_counts=end" / "history.nc"
    other = artifacts.load_dataset(path)
    other["test_counts"][0, 0] = other["test_counts"][0, 0].values[::-1]
    artifacts.save_dataset(other, path)
    with pytest.raises(ValueError, match="is not the same training once more"):
        trained.history()


def test_predictions_are_the_histories_or_computed_from_the_weights(trained, monkeypatch):
    held = trained.predictions()
    assert held["test_probabilities"].shape == (len(trained.images.test), 10)
    assert held.attrs["precision"] in ("fp32", "bf16")
    published_in_the_older_form(trained, "running", trained.name)
    computed = trained.predictions()
    assert (trained.folder / "predictions.nc").exists()
    names = ["train_labels", "test_labels", "train_predictions", "test_predictions"]
    xr.testing.assert_equal(computed[names], held[names].drop_vars(set(held.coords) - set(computed.coords)))
    for name in ("test_probabilities", "train_losses"):
        xr.testing.assert_allclose(computed[name], held[name], rtol=2e-3, atol=1e-3)
    monkeypatch.setattr(measure, "of_trained", never)
    assert trained.predictions().identical(computed)


def test_images_are_those_at_their_positions_and_are_read_where_the_data_are_not(trained, monkeypatch):
    test, chosen = trained.images.test, np.array([3, 0, 11])
    found = trained.test_images(chosen)
    assert list(found["test_image"]) == [3, 0, 11]
    np.testing.assert_array_equal(found["images"], test.images[chosen].permute(0, 2, 3, 1))
    assert list(trained.test_images(np.array([3, 0, 12]))["test_image"]) == [3, 0, 12]
    published = trained.publish()
    monkeypatch.setattr(data, "load", never)
    xr.testing.assert_identical(published.test_images(chosen), store.as_published(found))


def test_controls_and_second_order_of_a_pair_are_artifacts(trained, monkeypatch):
    """With random signs the plane is another one through the same network; derivatives are those of `measure`."""
    half = 0.5
    own, signs = (trained.space("3-5", half, 3, 200, random=random) for random in (False, "signs"))
    assert own["counts"][1, 1].equals(signs["counts"][1, 1])
    assert not own["counts"].equals(signs["counts"])
    assert [signs.attrs[name] for name in ("norm1", "norm2")] == pytest.approx(
        [own.attrs[name] for name in ("norm1", "norm2")]
    )
    augmented = trained.space("3-5", half, 3, 200, bn="augmented")
    settings = json.loads(augmented.attrs["configuration"])
    assert (settings["bn"], len(settings["statistics"])) == ("recalibrated", 64)
    assert augmented.attrs["statistics_largest_error"] >= 0
    found = trained.curvature("3-5", 200)
    expected = measure.plane_derivatives(
        trained.model(), trained.data().train.stratified(200), trained.directions(), "3-5", device="cpu"
    )
    np.testing.assert_allclose(found["hessian"], expected["hessian"], rtol=1e-4, atol=1e-7)
    published = trained.publish()
    for name in ("interference_space", "plane_derivatives"):
        monkeypatch.setattr(measure, name, never)
    assert published.curvature("3-5", 200)["hessian"].equals(found["hessian"])
    assert published.space("3-5", half, 3, 200, random="signs")["counts"].equals(signs["counts"])


def test_every_setting_of_a_space_has_its_own_file(trained, monkeypatch):
    asked = []

    def remember(self, run, file, settings, compute):
        asked.append((file, json.dumps(settings)))

    monkeypatch.setattr(Results, "_measured", remember)
    base = {"pair": "3-5", "sigma": 0.5, "points": 3, "images": 200}
    changes = [{}, {"pair": "3-8"}, {"sigma": 0.25}, {"points": 5}, {"images": 0}, {"random": True}, {"scale": "unit"}]
    changes += [{"sign": "paper"}, {"bn": "recalibrated"}, {"bn": "augmented"}, {"precision": "fp32"}]
    for change in changes:
        trained.space(**base | change)
    assert len({file for file, _ in asked}) == len({settings for _, settings in asked}) == len(changes)


NAMES = [
    "cat-dog",
    "Cat-dog",
    "кот-пёс",
    "猫-犬",
    "a b-c",
    "a_b-c",
    "a-b-c",
    "x" * 100 + "-y",
    "x" * 99 + "-yz",
    "$\\-|",
]


@pytest.mark.parametrize(
    "pairs", [[[name] for name in NAMES], [["a-b", "c"], ["a", "b-c"], ["a-b-c"], [("a", "b-c")], [("a-b", "c")]]]
)
def test_pairs_of_any_script_length_and_spelling_have_files_of_their_own(pairs):
    parts = [results._file_part(*each).lower() for each in pairs]  # some file systems take A for a
    assert len(set(parts)) == len(pairs)
    assert all(re.fullmatch(r"[a-z0-9.-]{1,80}", part) for part in parts)
    assert results._file_part("cat-dog", "truck-car", "horse-ship") == "cat-dog-truck-car-horse-ship"


def test_an_interrupted_space_resumes_in_its_folder(trained, monkeypatch):
    whole = trained.space("3-5", 0.5, points=3, images=100)
    folder = trained.folder
    next(folder.glob("space-3-5*.nc")).unlink()
    write, writes = artifacts.save_dataset, []

    def second_write_fails(dataset, path):
        writes.append(path)
        if len(writes) == 2:
            raise OSError("No space left on device")
        write(dataset, path)

    monkeypatch.setattr(artifacts, "save_dataset", second_write_fails)
    with pytest.raises(OSError, match="No space left"):
        trained.space("3-5", 0.5, points=3, images=100)
    monkeypatch.setattr(artifacts, "save_dataset", write)
    assert [int(artifacts.load_dataset(path)["done"].sum()) for path in folder.glob("*.resume")] == [1]
    again = trained.space("3-5", 0.5, points=3, images=100)
    xr.testing.assert_identical(again.drop_attrs(), whole.drop_attrs())


def without_provenance(artifact):
    return artifact.drop_attrs(deep=False).assign_attrs(
        {key: value for key, value in artifact.attrs.items() if key not in ("provenance", "seconds")}
    )


def test_shards_gathered_are_the_whole_space(trained, tmp_path):
    plane = {"pair": "3-5", "sigma": 0.5, "points": 5, "images": 100}
    whole = trained.space(**plane)
    (trained.folder / "space-3-5-s0.5-p5-n100.nc").rename(tmp_path / "whole.nc")
    parts = [trained.space(**plane, shard=(i, 3)) for i in range(2)]  # the third is left to the gathering
    assert [int(part["done"].sum()) for part in parts] == [2, 2]
    gathered = trained.space(**plane, shards=3)
    xr.testing.assert_identical(without_provenance(gathered), without_provenance(whole))
    made = provenance.of(gathered)
    assert made["configuration"] == provenance.of(whole)["configuration"]
    assert made["seconds"] >= sum(provenance.of(part)["seconds"] for part in parts)
    assert not list(trained.folder.glob("*.part-*.nc"))


def test_a_shard_of_a_space_that_exists_is_not_measured(trained, monkeypatch):
    plane = {"pair": "3-5", "sigma": 0.5, "points": 3, "images": 100}
    whole = trained.space(**plane)
    monkeypatch.setattr(measure, "interference_space", never)
    xr.testing.assert_identical(trained.space(**plane, shard=(0, 2)), whole)


# --- renewing, as the workflow asks for


@pytest.fixture
def renew(monkeypatch):
    monkeypatch.setenv(store.RENEW, "1")


def aside(run):
    return sorted(file.name.split("-", 1)[1] for file in run.folder.glob("aside/*"))


@pytest.mark.usefixtures("renew")
def test_what_is_whole_and_true_is_not_renewed(trained, monkeypatch):
    made = trained.ego(), trained.space("3-5", 0.5, points=3, images=100)
    for module, name in ((train, "train"), (measure, "ego_directions"), (measure, "interference_space")):
        monkeypatch.setattr(module, name, never)
    xr.testing.assert_identical(trained.ego(), made[0])
    xr.testing.assert_identical(trained.space("3-5", 0.5, points=3, images=100), made[1])
    assert aside(trained) == []


@pytest.mark.usefixtures("renew")
@pytest.mark.parametrize("file", ["history.nc", "weights.safetensors", "ego.nc", "ego.safetensors"])
def test_a_damaged_file_is_put_aside_and_computed_again(trained, file):
    before = without_provenance(trained.ego()), trained.model().state_dict()
    path = trained.folder / file
    damaged = path.read_bytes()[:-100]
    path.write_bytes(damaged)
    xr.testing.assert_identical(without_provenance(trained.ego()), before[0])
    trained.directions()
    assert all(torch.equal(value, before[1][name]) for name, value in trained.model().state_dict().items())
    assert aside(trained) == [file]
    assert next(trained.folder.glob("aside/*")).read_bytes() == damaged


@pytest.mark.usefixtures("renew")
def test_other_code_renews_what_depends_on_it(trained, monkeypatch):
    trained.ego()
    real, other = code.digest, {code.MEASUREMENTS: "edited"}
    monkeypatch.setattr(code, "digest", lambda rooms: other.get(rooms) or real(rooms))
    monkeypatch.setattr(train, "train", never)
    trained.ego()
    assert aside(trained) == ["ego.nc", "ego.safetensors"]


@pytest.mark.usefixtures("renew")
def test_artifacts_of_other_weights_are_renewed(trained):
    trained.ego()
    folder = trained.folder
    tensors, metadata_ = artifacts.load_tensors(folder / "weights.safetensors")
    artifacts.save_tensors(
        {name: value * 2 for name, value in tensors.items()}, folder / "weights.safetensors", metadata_
    )
    trained.ego()
    assert aside(trained) == ["ego.nc", "ego.safetensors"]


def test_work_begun_by_other_code_is_not_continued(run, monkeypatch):
    folder = run.folder
    folder.mkdir(parents=True)
    (folder / "history.nc.resume").mkdir()
    (folder / "history.nc.resume" / "state.pt").write_bytes(b"half of another training")
    (folder / "history.nc.resume.note").write_text('{"code": "another"}')
    run.history()
    assert aside(run) == ["history.nc.resume"]
    assert not list(folder.glob("*resume*"))


def test_what_killed_writers_left_is_removed(run):
    folder = run.folder
    folder.mkdir(parents=True)
    left = [folder / f".{name}.abc.part" for name in ("history.nc", "weights.safetensors")]
    for file in left:
        file.write_bytes(b"half")
    run.history()
    assert not list(folder.glob(".*.part"))


@pytest.mark.usefixtures("renew")
def test_published_artifacts_are_never_renewed(trained, monkeypatch):
    trained.ego()
    trained = trained.publish()
    before = {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}
    monkeypatch.setattr(code, "digest", lambda rooms: "edited")
    monkeypatch.setattr(train, "train", never)
    trained.history()
    trained.ego()
    assert before == {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}


def test_a_random_plane_is_spanned_by_random_directions(trained):
    space = trained.space("random", 0.1, points=3, images=100, random=True, scale="filter")
    assert (space.attrs["first"], space.attrs["second"]) == ("random1", "random2")
    expected = measure.rescaled(measure.random_directions(trained.model()), "filter", trained.model())
    assert space.attrs["norm1"] == pytest.approx(float(expected.norms[0]))


def test_sigma_is_found_once_and_short_enough_for_a_name(trained, monkeypatch):
    found = trained.sigma(["3-5"], images=200, level=0.5)
    assert float(f"{found:.2g}") == found
    monkeypatch.setattr(measure, "find_sigma", never)
    assert trained.sigma(["3-5"], images=200, level=0.5) == found


@pytest.mark.parametrize(("value", "expected"), [(0.1234, 0.13), (12.0, 12.0), (1.21e-7, 1.3e-7), (99.5, 100.0)])
def test_rounding_up_to_two_digits(value, expected):
    assert files.rounded_up(value) == pytest.approx(expected)


def test_pairs_without_a_profiles_own_come_from_the_confusion_matrix(trained):
    table = confusion.pair_shares(trained.history().test_counts.isel(epoch=-1))
    pairs = chapters.pairs_of(runs.profile("digits"), trained.run, trained.results)
    assert pairs[0] == f"{table['first'][0]}-{table['second'][0]}"
    assert len(set(pairs)) == 3
    laptop = runs.profile("laptop")
    assert chapters.pairs_of(laptop, laptop.run("vgg19"), trained.results) == ["cat-dog", "truck-car", "horse-ship"]
    assert chapters.pairs_of(laptop, trained.run, trained.results) == pairs  # digits have no cats


def test_two_classes_have_one_pair(trained, monkeypatch):
    counts = xr.DataArray([[[5, 1], [2, 4]]], dims=("epoch", "true", "predicted"), coords={"true": ["a", "b"]})
    history = xr.Dataset({"test_counts": counts.assign_coords(predicted=["a", "b"])})
    monkeypatch.setattr(Results, "history", lambda *_: history)
    assert chapters.pairs_of(runs.profile("digits"), trained.run, trained.results) == ["a-b"]


def counted(names, errors):
    """What has a history of one epoch: `errors` by (true, predicted), and ten right of each class."""
    cells = xr.DataArray(10 * np.eye(len(names), dtype=int)[None], dims=("epoch", "true", "predicted"))
    cells = cells.assign_coords(true=list(names), predicted=list(names))
    for (true, predicted), count in errors.items():
        cells.loc[{"true": true, "predicted": predicted}] = count
    return types.SimpleNamespace(history=lambda _: xr.Dataset({"test_counts": cells}))


@pytest.mark.parametrize(
    ("names", "errors", "pairs", "positions"),
    [
        (
            ("apple", "apple-scab", "leaf", "scab-leaf"),
            {("apple", "scab-leaf"): 9, ("leaf", "apple"): 8},
            [("apple", "scab-leaf"), "apple-leaf", "leaf-scab-leaf"],
            [(0, 3), (0, 2), (2, 3)],
        ),
        (("no", "yes"), {("no", "yes"): 2}, ["no-yes"], [(0, 1)]),
    ],
)
def test_pairs_that_are_found_lead_back_to_their_classes(run, names, errors, pairs, positions):
    found = chapters.pairs_of(runs.profile("digits"), run.run, counted(names, errors))
    assert found == pairs
    assert [class_pair(names, pair) for pair in found] == positions


def test_a_pair_may_be_given_as_two_names(trained):
    space = trained.space(["3", "5"], 0.5, points=3, images=100)
    assert space["counts"].equals(trained.space("3-5", 0.5, points=3, images=100)["counts"])
    assert json.loads(space.attrs["configuration"])["pair"] == ["3", "5"]
    assert trained.fresh(compute=False).space(["3", "5"], 0.5, points=3, images=100).identical(space)


def test_two_processes_that_want_the_same_run_train_it_once(run):
    code = (
        "from ciutils.store import Store; from reproduction.results import Results; "
        "from reproduction.runs import Run; from pathlib import Path; "
        f"results = Results(Store(Path({str(run.own)!r}), Path({str(run.published)!r})), 'cpu'); "
        f"print(results.history(Run(**{run.run.configuration!r})).attrs['provenance'])"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0] for process in both)
    assert first == second != ""


def test_a_store_that_may_not_compute_only_loads(trained, tmp_path):
    loading = trained.fresh(compute=False)
    assert loading.history().identical(trained.history())
    for missing in (loading.ego, loading.directions, lambda: loading.space("3-8", 0.1, 3)):
        with pytest.raises(FileNotFoundError, match="is neither in .* nor in .*: compute it first"):
            missing()
    with pytest.raises(FileNotFoundError, match="history.nc"):
        quick(tmp_path, seed=1).fresh(compute=False).history()


@pytest.mark.parametrize(("setup", "expected"), [("big-lr", 0.37), ("small-lr", 0.037), ("anneal-lr", 3.7)])
def test_planes_of_the_setups_have_the_papers_ratios(tmp_path, monkeypatch, setup, expected):
    asked = []
    monkeypatch.setattr(Results, "sigma", lambda self, run, *_: asked.append(run.setup) or 0.37)
    assert quick(tmp_path, setup=setup).paper_sigma(["3-8"]) == expected
    assert asked == ["big-lr"]


def test_records_name_each_artifact_and_what_it_took(trained, tmp_path):
    trained.ego()
    trained.space("3-8", 0.1, 3, 60)
    untrained = quick(tmp_path, seed=1)
    table = records([trained.run, untrained.run], trained.results).set_index("kind")
    assert list(table["artifact"]) == ["ego.nc", "history.nc", "space-3-8-s0.1-p3-n60.nc"]
    assert set(table.index) == {"training", "class gradients", "planes"}
    assert set(table["run"]) == {trained.name}
    assert table.loc["training", "seconds"] == provenance.of(trained.history())["seconds"]
    assert table.loc["training", "precision"] in ("fp32", "bf16")
    assert table.loc["planes", "precision"] in ("fp32", "bf16")
    assert not untrained.folder.exists()


# --- own data that change


def written(folder, value=0):
    """Twelve images of two classes, told apart by brightness; `value` is that of one pixel."""
    for part in ("train", "test"):
        for name, level in (("dark", 40), ("light", 200)):
            (folder / part / name).mkdir(parents=True, exist_ok=True)
            for number in range(6):
                pixels = np.full((8, 8, 3), level + number, np.uint8)
                pixels[0, 0, 0] = value
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    return folder


def another_image(folder):
    Image.fromarray(np.full((8, 8, 3), 100, np.uint8)).save(folder / "train" / "dark" / "new.png")


def another_pixel(folder):
    """Under the same name, size and time."""
    path = folder / "train" / "dark" / "0.png"
    times, length = path.stat(), path.stat().st_size
    for value in range(1, 256):
        written(folder, value)
        if path.stat().st_size == length:
            break
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("change", [another_image, another_pixel])
@pytest.mark.parametrize("link", [False, True])
def test_data_that_have_changed_are_noticed_in_any_notebook(tmp_path, change, link):
    folder = written(tmp_path / "images")
    if link:
        (tmp_path / "link").symlink_to(folder)
        folder = tmp_path / "link"
    run = quick(tmp_path, dataset=f"folder:{folder}")
    before = run.ego()
    change(folder)
    after = run.fresh().ego()
    assert provenance.of(before)["data_sha256"] != provenance.of(after)["data_sha256"]
    assert "ego.nc" in aside(run)
    assert "history.nc" in aside(run)
    assert run.fresh().ego().identical(after)


def test_one_folder_is_one_data_set_however_it_is_written(tmp_path, monkeypatch):
    folder = written(tmp_path / "images")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    ways = [str(folder), f"{folder}/", "images", "./images/", "~/images", "images/../images", "link", "link/."]
    assert len({quick(tmp_path, dataset=f"folder:{way}").name for way in ways}) == 1


def test_the_line_under_a_figure_says_when_other_code_made_it(trained, monkeypatch):
    assert "other code" not in provenance.line(trained.history())
    monkeypatch.setattr(code, "digest", lambda rooms: "edited")
    assert provenance.line(trained.history()).endswith("made by other code than is here now")


def test_published_artifacts_are_of_the_code_at_their_commit(monkeypatch):
    """Whoever measured these copied them from a folder of his own, so their files name rooms."""
    monkeypatch.setattr(code, "digest", lambda rooms: "edited")
    run, published = runs.profile("laptop").run("resnet18", dataset="fashion-mnist", epochs=15), Results().loading
    assert "rooms" in provenance.of_file(published.store.published / run.name / "ego.nc")
    for artifact in (published.history(run), published.ego(run)):
        assert "other code" not in provenance.line(artifact)
        assert provenance.of(artifact)["git_commit"]

import dataclasses
import json
import shutil
import subprocess
import sys
from importlib import metadata

import pytest
import torch
import xarray as xr

from ciutils import confusion, ego, experiments, interference, predictions, storage, training

QUICK = {
    "dataset": "digits",
    "setup": "anneal-lr",
    "network": "resnet18",
    "epochs": 1,
    "width": 0.02,
    "batch_size": 256,
    "device": "cpu",
}


@pytest.fixture
def run(tmp_path):
    return experiments.Run(**QUICK, runs=tmp_path / "runs", published=tmp_path / "results")


@pytest.fixture
def trained(run):
    run.history()
    return run


def published_in_the_older_form(run, kind, folder):
    """Publish what `run` has, its history with one kind of counts of training images and no predictions."""
    made = run.runs / run.name
    shutil.copytree(made, run.published / folder, ignore=shutil.ignore_patterns(".lock"))
    history = storage.load_dataset(made / "history.nc")
    old = history[[f"{kind}_counts", "test_counts", "train_loss", "learning_rate", "seconds"]]
    old = old.rename({f"{kind}_counts": "train_counts"}).assign_attrs(train_counts=kind)
    storage.save_dataset(old, run.published / folder / "history.nc")
    return history


def never(*_, **__):
    raise AssertionError("this must be loaded, not computed")


OTHERS = {"dataset": "fashion-mnist", "network": "vgg19", "setup": "big-lr", "epochs": 2, "width": 0.03,
          "batch_size": 64, "seed": 1, "augment": "none", "normalisation": "public-code",
          "precision": "fp32"}  # fmt: skip


def test_every_setting_is_in_the_record_and_in_the_name(run):
    """A setting that changed nothing, or shared a folder with another, would be a lie."""
    assert set(run.configuration) == set(OTHERS)
    names = {run.name}
    for key, value in OTHERS.items():
        other = dataclasses.replace(run, **{key: value})
        assert other.configuration[key] == value
        names.add(other.name)
    assert len(names) == len(OTHERS) + 1


def test_folders_of_the_same_name_are_told_apart(run, tmp_path):
    one, two = (dataclasses.replace(run, dataset=f"folder:{tmp_path / parent / 'pets'}") for parent in "ab")
    assert one.name != two.name
    assert "/" not in one.name


def test_a_run_is_computed_once_and_then_loaded(trained, monkeypatch):
    monkeypatch.setattr(training, "train", never)
    history = trained.history()
    assert history.test_counts.sum() == len(trained.data.test)
    folder = trained.runs / trained.name
    assert {file.name for file in folder.iterdir()} == {"history.nc", "weights.safetensors", "run.json", ".lock"}


def test_the_loaded_network_gives_the_recorded_counts(trained):
    counts = confusion.counts(trained.model(), trained.data.test, device="cpu")
    xr.testing.assert_equal(
        counts.drop_attrs(),
        trained.history().test_counts.isel(epoch=-1, drop=True),
    )


def test_a_published_artifact_is_preferred_and_never_written(trained, monkeypatch):
    (trained.runs / trained.name).rename(trained.published.mkdir() or trained.published / trained.name)
    monkeypatch.setattr(training, "train", never)
    before = {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}
    trained.history()
    trained.model()
    assert before == {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}
    assert not trained.runs.exists() or not any(trained.runs.iterdir())


def test_what_is_published_without_its_weights_is_loaded_and_nothing_is_trained(trained, monkeypatch):
    def all_of(run):
        return run.history(), run.ego(), run.space("3-8", 0.1, 3, 50), run.random_sigma("3-8", 0.1)

    before = all_of(trained)
    (trained.runs / trained.name).rename(trained.published.mkdir() or trained.published / trained.name)
    (trained.published / trained.name / "weights.safetensors").unlink()
    monkeypatch.setattr(training, "train", never)
    for one, other in zip(before, all_of(dataclasses.replace(trained, compute=False)), strict=True):
        assert one == other if isinstance(one, float) else one.identical(other)
    with pytest.raises(FileNotFoundError, match="weights.safetensors is neither in .* nor in .*: compute it first"):
        dataclasses.replace(trained, compute=False).model()


def test_weights_that_were_not_published_are_trained_anew(trained):
    digest = experiments.provenance_of(trained.history())["weights_sha256"]
    (trained.runs / trained.name).rename(trained.published.mkdir() or trained.published / trained.name)
    (trained.published / trained.name / "weights.safetensors").unlink()
    trained.model()
    assert storage.weights_sha256(trained.runs / trained.name / "weights.safetensors") == digest


def test_an_artifact_of_another_configuration_is_refused(trained):
    other = dataclasses.replace(trained, seed=1)
    (trained.runs / trained.name).rename(other.runs / other.name)
    with pytest.raises(ValueError, match="of another configuration: seed is 0 there, 1 here; move it away") as error:
        other.history()
    assert "\n" not in str(error.value)


def test_a_damaged_artifact_is_refused(trained):
    path = trained.runs / trained.name / "history.nc"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="history.nc"):
        trained.history()


def test_provenance_is_complete_and_the_same_in_every_artifact(trained):
    folder = trained.runs / trained.name
    made = json.loads((folder / "run.json").read_text())
    assert experiments.provenance_of(trained.history()) == made
    weights = folder / "weights.safetensors"
    in_weights = json.loads(storage.load_weights(weights)[1]["provenance"])
    assert in_weights | {"weights_sha256": storage.weights_sha256(weights)} == made
    assert made["configuration"] == trained.configuration
    assert made["data_sha256"] == trained.data.sha256
    assert set(made["versions"]) == {"python", "torch", "torchvision", "numpy", "xarray"}
    assert made["versions"]["torch"] == metadata.version("torch")
    assert made["device"] == "cpu"
    assert made["seconds"] > 0
    assert made["peak_memory_bytes"] > 1 << 20
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=experiments.REPOSITORY, capture_output=True, text=True)
    if commit.returncode == 0:
        assert made["git_commit"] == commit.stdout.strip()


def test_provenance_line_names_what_made_a_figure(trained):
    line = experiments.provenance_line(trained.history(), trained.history())
    for part in ("resnet18", "anneal-lr", "1 epochs", "width 0.02", "seed 0", "digits", trained.data.sha256[:8],
                 f"torch {metadata.version('torch')}"):  # fmt: skip
        assert part in line
    assert "\n" not in line


def test_an_artifact_without_provenance_is_refused():
    with pytest.raises(ValueError, match="carries no provenance"):
        experiments.provenance_of(xr.Dataset())


def test_the_seed_changes_weights_and_order(run):
    first, second = run.model(), dataclasses.replace(run, seed=1).model()
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_public_code_normalisation_changes_the_spread_only():
    split = experiments.datasets.Split(
        torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), (0.5,) * 3, (0.2,) * 3
    )
    data = experiments.datasets.ImageData("colours", split, split)
    run = experiments.Run(**QUICK | {"dataset": "cifar10", "normalisation": "public-code"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiments.datasets, "load", lambda name: data)
        assert run.data.std == experiments.datasets.PUBLIC_CODE_STD
        assert run.data.mean == data.mean


def test_public_code_normalisation_is_for_colour_images(run):
    with pytest.raises(ValueError, match="normalisation 'public-code' is for 3 channels, not 1"):
        _ = dataclasses.replace(run, normalisation="public-code").data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "cifar"}, "unknown dataset 'cifar'.*did you mean 'cifar10'"),
        ({"network": "vgg"}, "unknown network 'vgg'.*did you mean 'vgg19'"),
        ({"setup": "annealed-lr"}, "unknown setup 'annealed-lr'.*did you mean 'anneal-lr'"),
        ({"epochs": 0}, "epochs = 0: give a whole number of at least 1"),
        ({"width": -1}, "width = -1: give a number above 0"),
        ({"seed": -1}, "seed = -1: give a whole number of at least 0"),
        ({"augment": "flip"}, "unknown augment 'flip'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'.*did you mean"),
    ],
)
def test_bad_settings_get_one_line_before_anything_is_computed(change, message):
    with pytest.raises(ValueError, match=message) as error:
        experiments.Run(**QUICK | change)
    assert "\n" not in str(error.value)


def test_profiles_hold_the_papers_networks_and_setups():
    for name in ("digits", "laptop", "paper"):
        profile = experiments.profile(name)
        assert profile.networks == ("vgg19", "resnet18", "googlenet", "dla", "simple-dla")
        assert profile.setups["vgg19"] == profile.setups["resnet18"] == ("anneal-lr", "big-lr", "small-lr")
    paper = experiments.profile("paper").run("vgg19", "big-lr")
    assert (paper.dataset, paper.epochs, paper.width, paper.batch_size) == ("cifar10", 200, 1.0, 128)
    assert experiments.profile("digits").run("vgg19", seed=4, epochs=2).seed == 4


def test_an_unknown_profile_names_the_nearest():
    with pytest.raises(ValueError, match="unknown profile 'labtop'.*did you mean 'laptop'"):
        experiments.profile("labtop")


# --- egos and spaces


def test_egos_are_those_of_the_trained_network(trained):
    found = trained.ego()
    expected = ego.ego_directions(trained.model(), trained.data.train, device="cpu")
    xr.testing.assert_allclose(found["norms"], expected.norms)
    xr.testing.assert_allclose(found["cosine"], expected.cosine)
    assert found.attrs["weight_norm"] == pytest.approx(expected.weight_norm)
    assert experiments.provenance_of(found)["configuration"]["network"] == "resnet18"


def test_a_space_is_measured_once_and_then_loaded(trained, monkeypatch):
    space = trained.space("3-5", 0.5, points=3, images=200)
    assert space["counts"].sum(("true", "predicted")).values.tolist() == [[200] * 3] * 3
    assert (space["standard_error"] > 0).any()
    made = experiments.provenance_of(space)["configuration"]
    assert (made["pair"], made["sigma"], made["points"], made["images"]) == ("3-5", 0.5, 3, 200)
    monkeypatch.setattr(interference, "interference_space", never)
    xr.testing.assert_identical(trained.space("3-5", 0.5, points=3, images=200), space)
    assert not list((trained.runs / trained.name).glob("*.rows.nc"))


def test_a_published_history_of_the_older_form_names_its_counts(trained):
    new = published_in_the_older_form(trained, "running", trained.name)
    history = trained.history()
    assert {"running_counts", "test_counts"} == {name for name in confusion.COUNTS if name in history}
    assert history["running_counts"].equals(new["running_counts"])


def test_counts_at_the_end_come_from_the_same_training_made_once_more(trained):
    new = published_in_the_older_form(trained, "running", trained.name)
    published_in_the_older_form(trained, "end", f"{trained.name}-train_counts=end")
    history = trained.history()
    for name in confusion.COUNTS:
        assert history[name].equals(new[name])
    assert list(experiments.records([trained])["artifact"]) == ["history.nc", "history.nc (counts at the end)"]


def test_counts_at_the_end_of_another_training_are_refused(trained):
    published_in_the_older_form(trained, "running", trained.name)
    published_in_the_older_form(trained, "end", f"{trained.name}-train_counts=end")
    path = trained.published / f"{trained.name}-train_counts=end" / "history.nc"
    other = storage.load_dataset(path)
    other["test_counts"][0, 0] = other["test_counts"][0, 0].values[::-1]
    storage.save_dataset(other, path)
    with pytest.raises(ValueError, match="is not the same training once more"):
        trained.history()


def test_predictions_are_the_histories_or_computed_from_the_weights(trained, monkeypatch):
    held = trained.predictions()
    assert held["test_probabilities"].shape == (len(trained.data.test), 10)
    assert held.attrs["precision"] in ("fp32", "bf16")
    published_in_the_older_form(trained, "running", trained.name)
    computed = trained.predictions()
    assert (trained.runs / trained.name / "predictions.nc").exists()
    names = ["train_labels", "test_labels", "train_predictions", "test_predictions"]
    xr.testing.assert_equal(computed[names], held[names].drop_vars(set(held.coords) - set(computed.coords)))
    for name in ("test_probabilities", "train_losses"):
        xr.testing.assert_allclose(computed[name], held[name], rtol=2e-3, atol=1e-3)
    monkeypatch.setattr(predictions, "of_trained", never)
    assert trained.predictions().identical(computed)


def test_every_setting_of_a_space_has_its_own_file(trained, monkeypatch):
    asked = []

    def remember(file, settings, compute):
        asked.append((file, json.dumps(settings)))

    monkeypatch.setattr(experiments.Run, "_artifact", lambda self, *given: remember(*given))
    base = {"pair": "3-5", "sigma": 0.5, "points": 3, "images": 200}
    changes = [{}, {"pair": "3-8"}, {"sigma": 0.25}, {"points": 5}, {"images": 0}, {"random": True}, {"scale": "unit"},
               {"sign": "paper"}, {"bn": "recalibrated"}, {"precision": "fp32"}]  # fmt: skip
    for change in changes:
        trained.space(**base | change)
    assert len({file for file, _ in asked}) == len({settings for _, settings in asked}) == len(changes)


def test_an_interrupted_space_resumes_in_its_folder(trained, monkeypatch):
    whole = trained.space("3-5", 0.5, points=3, images=100)
    folder = trained.runs / trained.name
    next(folder.glob("space-3-5*.nc")).unlink()
    write, writes = storage.save_dataset, []

    def second_write_fails(dataset, path):
        writes.append(path)
        if len(writes) == 2:
            raise OSError("No space left on device")
        write(dataset, path)

    monkeypatch.setattr(storage, "save_dataset", second_write_fails)
    with pytest.raises(OSError, match="No space left"):
        trained.space("3-5", 0.5, points=3, images=100)
    monkeypatch.setattr(storage, "save_dataset", write)
    assert [int(storage.load_dataset(path)["done"].sum()) for path in folder.glob("*.rows.nc")] == [1]
    again = trained.space("3-5", 0.5, points=3, images=100)
    xr.testing.assert_identical(again.drop_attrs(), whole.drop_attrs())


def without_provenance(artifact):
    return artifact.drop_attrs(deep=False).assign_attrs(
        {key: value for key, value in artifact.attrs.items() if key not in ("provenance", "seconds")}
    )


def test_shards_gathered_are_the_whole_space(trained, tmp_path):
    plane = {"pair": "3-5", "sigma": 0.5, "points": 5, "images": 100}
    whole = trained.space(**plane)
    (trained.runs / trained.name / "space-3-5-s0.5-p5-n100.nc").rename(tmp_path / "whole.nc")
    parts = [trained.space(**plane, shard=(i, 3)) for i in range(2)]  # the third is left to the gathering
    assert [int(part["done"].sum()) for part in parts] == [2, 2]
    gathered = trained.space(**plane, shards=3)
    xr.testing.assert_identical(without_provenance(gathered), without_provenance(whole))
    made = experiments.provenance_of(gathered)
    assert made["configuration"] == experiments.provenance_of(whole)["configuration"]
    assert made["seconds"] >= sum(experiments.provenance_of(part)["seconds"] for part in parts)
    assert not list((trained.runs / trained.name).glob("*.part-*.nc"))


def test_a_shard_of_a_space_that_exists_is_not_measured(trained, monkeypatch):
    plane = {"pair": "3-5", "sigma": 0.5, "points": 3, "images": 100}
    whole = trained.space(**plane)
    monkeypatch.setattr(interference, "interference_space", never)
    xr.testing.assert_identical(trained.space(**plane, shard=(0, 2)), whole)


# --- renewing, as the workflow asks for


@pytest.fixture
def renew(monkeypatch):
    monkeypatch.setenv(experiments.RENEW, "1")


def aside(run):
    return sorted(file.name.split("-", 1)[1] for file in (run.runs / run.name).glob("aside/*"))


@pytest.mark.usefixtures("renew")
def test_what_is_whole_and_true_is_not_renewed(trained, monkeypatch):
    made = trained.ego(), trained.space("3-5", 0.5, points=3, images=100)
    for module, name in ((training, "train"), (ego, "ego_directions"), (interference, "interference_space")):
        monkeypatch.setattr(module, name, never)
    xr.testing.assert_identical(trained.ego(), made[0])
    xr.testing.assert_identical(trained.space("3-5", 0.5, points=3, images=100), made[1])
    assert aside(trained) == []


@pytest.mark.usefixtures("renew")
@pytest.mark.parametrize("file", ["history.nc", "weights.safetensors", "ego.nc", "ego.safetensors"])
def test_a_damaged_file_is_put_aside_and_computed_again(trained, file):
    before = without_provenance(trained.ego()), trained.model().state_dict()
    path = trained.runs / trained.name / file
    damaged = path.read_bytes()[:-100]
    path.write_bytes(damaged)
    xr.testing.assert_identical(without_provenance(trained.ego()), before[0])
    trained.directions()
    assert all(torch.equal(value, before[1][name]) for name, value in trained.model().state_dict().items())
    assert aside(trained) == [file]
    assert next((trained.runs / trained.name).glob("aside/*")).read_bytes() == damaged


@pytest.mark.usefixtures("renew")
def test_other_code_renews_what_depends_on_it(trained, monkeypatch):
    trained.ego()
    real = experiments.sources.of_artifact
    other = {experiments.sources.MEASURING: "edited"}
    monkeypatch.setattr(experiments.sources, "of_artifact", lambda roots: other.get(roots) or real(roots))
    monkeypatch.setattr(training, "train", never)
    trained.ego()
    assert aside(trained) == ["ego.nc", "ego.safetensors"]


@pytest.mark.usefixtures("renew")
def test_artifacts_of_other_weights_are_renewed(trained):
    trained.ego()
    folder = trained.runs / trained.name
    tensors, metadata_ = storage.load_weights(folder / "weights.safetensors")
    storage.save_weights(
        {name: value * 2 for name, value in tensors.items()}, folder / "weights.safetensors", metadata_
    )
    trained.ego()
    assert aside(trained) == ["ego.nc", "ego.safetensors"]


@pytest.mark.usefixtures("renew")
def test_work_begun_by_other_code_is_not_continued(run, monkeypatch):
    folder = run.runs / run.name
    folder.mkdir(parents=True)
    (folder / "resume").mkdir()
    (folder / "resume" / "state.pt").write_bytes(b"half of another training")
    (folder / "resume.code").write_text("another")
    run.history()
    assert aside(run) == ["resume"]
    assert not list(folder.glob("resume*"))


def test_what_killed_writers_left_is_removed(run):
    folder = run.runs / run.name
    folder.mkdir(parents=True)
    left = [folder / f".{name}.abc.part" for name in ("history.nc", "weights.safetensors")]
    for file in left:
        file.write_bytes(b"half")
    run.history()
    assert not list(folder.glob(".*.part"))


@pytest.mark.usefixtures("renew")
def test_published_artifacts_are_never_renewed(trained, monkeypatch):
    trained.ego()
    (trained.runs / trained.name).rename(trained.published.mkdir() or trained.published / trained.name)
    before = {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}
    monkeypatch.setattr(experiments.sources, "of_artifact", lambda roots: "edited")
    monkeypatch.setattr(training, "train", never)
    trained.history()
    trained.ego()
    assert before == {file: file.stat().st_mtime_ns for file in trained.published.rglob("*")}


def test_a_random_plane_is_spanned_by_random_directions(trained):
    space = trained.space("random", 0.1, points=3, images=100, random=True, scale="filter")
    assert (space.attrs["first"], space.attrs["second"]) == ("random1", "random2")
    expected = ego.rescaled(ego.random_directions(trained.model()), "filter", trained.model())
    assert space.attrs["norm1"] == pytest.approx(float(expected.norms[0]))


def test_sigma_is_found_once_and_short_enough_for_a_name(trained, monkeypatch):
    found = trained.sigma(["3-5"], images=200, level=0.5)
    assert float(f"{found:.2g}") == found
    monkeypatch.setattr(interference, "find_sigma", never)
    assert trained.sigma(["3-5"], images=200, level=0.5) == found


@pytest.mark.parametrize(("value", "expected"), [(0.1234, 0.13), (12.0, 12.0), (1.21e-7, 1.3e-7), (99.5, 100.0)])
def test_rounding_up_to_two_digits(value, expected):
    assert experiments._rounded_up(value) == pytest.approx(expected)


def test_pairs_without_a_profiles_own_come_from_the_confusion_matrix(trained):
    table = confusion.pair_shares(trained.history().test_counts.isel(epoch=-1))
    pairs = experiments.profile("digits").pairs_of(trained)
    assert pairs[0] == f"{table['first'][0]}-{table['second'][0]}"
    assert len(set(pairs)) == 3
    assert experiments.profile("laptop").pairs_of(trained) == ("cat-dog", "truck-car", "horse-ship")


def test_two_processes_that_want_the_same_run_train_it_once(run, tmp_path):
    code = (
        "import sys; from pathlib import Path; from ciutils import experiments; "
        f"run = experiments.Run(**{QUICK!r}, runs=Path({str(run.runs)!r}), published=Path({str(run.published)!r})); "
        "print(run.history().attrs['provenance'])"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0] for process in both)
    assert first == second != ""


def test_a_run_that_may_not_compute_only_loads(trained):
    loading = dataclasses.replace(trained, compute=False)
    assert loading.history().identical(trained.history())
    for missing in (loading.ego, loading.directions, lambda: loading.space("3-8", 0.1, 3)):
        with pytest.raises(FileNotFoundError, match="is neither in .* nor in .*: compute it first"):
            missing()
    with pytest.raises(FileNotFoundError, match="history.nc"):
        dataclasses.replace(loading, seed=1).history()


@pytest.mark.parametrize(("setup", "expected"), [("big-lr", 0.37), ("small-lr", 0.037), ("anneal-lr", 3.7)])
def test_planes_of_the_setups_have_the_papers_ratios(run, monkeypatch, setup, expected):
    asked = []
    monkeypatch.setattr(experiments.Run, "sigma", lambda self, *_: asked.append(self.setup) or 0.37)
    assert dataclasses.replace(run, setup=setup).paper_sigma(["3-8"]) == expected
    assert asked == ["big-lr"]


def test_records_name_each_artifact_and_what_it_took(trained):
    trained.ego()
    trained.space("3-8", 0.1, 3, 60)
    untrained = dataclasses.replace(trained, seed=1)
    table = experiments.records([trained, untrained]).set_index("kind")
    assert list(table["artifact"]) == ["ego.nc", "history.nc", "space-3-8-s0.1-p3-n60.nc"]
    assert set(table.index) == {"training", "class gradients", "space"}
    assert set(table["run"]) == {trained.name}
    assert table.loc["training", "seconds"] == experiments.provenance_of(trained.history())["seconds"]
    assert table.loc["training", "precision"] in ("fp32", "bf16")
    assert table.loc["space", "precision"] in ("fp32", "bf16")
    assert not (trained.runs / untrained.name).exists()

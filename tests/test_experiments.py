import dataclasses
import json
import subprocess
import sys
from importlib import metadata

import pytest
import torch
import xarray as xr

from ciutils import confusion, experiments, storage, training

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


def never(*_, **__):
    raise AssertionError("this must be loaded, not computed")


OTHERS = {"dataset": "fashion-mnist", "network": "vgg19", "setup": "big-lr", "epochs": 2, "width": 0.03,
          "batch_size": 64, "seed": 1, "augment": "none", "train_counts": "end", "normalisation": "public-code",
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
    assert json.loads(storage.load_weights(folder / "weights.safetensors")[1]["provenance"]) == made
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


def test_two_processes_that_want_the_same_run_train_it_once(run, tmp_path):
    code = (
        "import sys; from pathlib import Path; from ciutils import experiments; "
        f"run = experiments.Run(**{QUICK!r}, runs=Path({str(run.runs)!r}), published=Path({str(run.published)!r})); "
        "print(run.history().attrs['provenance'])"
    )
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0] for process in both)
    assert first == second != ""

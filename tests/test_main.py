import json
import os
import re
from pathlib import Path

import pytest

from ciutils import __main__ as commands
from ciutils import experiments, interference, training

RUN = ["--profile", "digits", "--network", "resnet18", "--epochs", "1", "--width", "0.02"]
GIVEN = {"profile": "digits", "network": "resnet18", "epochs": 1, "width": 0.02, "points": 3, "images": 100}
CHAPTER = ["notebooks/classwise_losses.ipynb", "--parameters", json.dumps(GIVEN)]
ONE = ["--network", "resnet18"]


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(experiments.REPOSITORY)


def made(file):
    """The files that a command named, each at the size it named."""
    found = json.loads(file.read_text())
    assert all(Path(path).stat().st_size == size for path, size in found.items())
    return {Path(path).name.split("-")[0] for path in found}


def test_the_steps_of_a_chapter_one_after_the_other(tmp_path, monkeypatch):
    done = tmp_path / "done.json"
    run = experiments.profile("digits").run("resnet18", epochs=1, width=0.02)
    steps = [
        (["train", *RUN], {"history.nc", "weights.safetensors", "run.json"}),
        (["ego", *RUN], {"ego.nc", "ego.safetensors"}),
        (["sigma", *CHAPTER], {"sigma"}),
        (["spaces", *CHAPTER, *ONE, "--shard", "0", "2"], set()),
        (["spaces", *CHAPTER, *ONE, "--shard", "1", "2"], set()),
    ]
    for words, files in steps:
        assert commands.main([*words, "--done", str(done)]) == 0
        assert made(done) == files
    for module, name in ((training, "train"), (interference, "interference_space"), (interference, "find_sigma")):
        monkeypatch.setattr(module, name, None)
    assert commands.main(["spaces", *CHAPTER, *ONE, "--gather", "2", "--done", str(done)]) == 0
    assert made(done) == {"space"}
    assert Path(os.environ["CIUTILS_RUNS"]) == run.runs
    assert len(list((run.runs / run.name).glob("space-*.nc"))) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", *RUN, "--network", "resnet"], "unknown network 'resnet'.*did you mean 'resnet18'"),
        (["train", *RUN, "--epochs", "0"], "epochs = 0: give a whole number of at least 1"),
        (["sigma", "notebooks/cctn.ipynb"], "no notebook at notebooks/cctn.ipynb: choose from cctm"),
        (["sigma", "notebooks/cctm.ipynb"], "notebooks/cctm.ipynb has no planes of its own"),
        (["spaces", *CHAPTER, "--network", "vgg19"], "vgg19-anneal-lr is not in this chapter: .*resnet18-anneal-lr"),
        (["sigma", CHAPTER[0], "--parameters", '{"point": 3}'], "unknown parameter 'point'.*did you mean 'points'"),
    ],
)
def test_a_mistake_gets_one_line(words, message, capsys):
    assert commands.main(words) == 2
    told = capsys.readouterr().err
    assert re.search(message, told)
    assert told.count("\n") == 1

import json
import re

import pytest

from ciutils import measure, train
from reproduction import __main__ as commands
from reproduction import chapters, runs
from reproduction.results import Results

RUN = ["--profile", "digits", "--network", "resnet18", "--epochs", "1", "--width", "0.02"]
GIVEN = {"profile": "digits", "network": "resnet18", "epochs": 1, "width": 0.02, "points": 3, "images": 100}
CHAPTER = ["classwise_losses", "--parameters", json.dumps(GIVEN)]


def test_the_wants_of_a_chapter_one_after_the_other(monkeypatch):
    results = Results()
    folder = results.store.own / runs.profile("digits").run("resnet18", epochs=1, width=0.02).name
    steps = [want.step for want in chapters.wants("classwise_losses", GIVEN)]
    assert steps == ["history", "ego", "sigma", "space", "space"]
    for place, files in enumerate(["history.nc", "ego.nc", "sigma-*.nc"]):
        assert commands.main(["make", *CHAPTER, "--want", str(place)]) == 0
        assert list(folder.glob(files))
    for shard in "01":
        assert commands.main(["make", *CHAPTER, "--want", "3", "--shard", shard, "2"]) == 0
    assert len(list(folder.glob("space-*.part-*.nc"))) == 2
    for module, name in ((train, "train"), (measure, "interference_space"), (measure, "find_sigma")):
        monkeypatch.setattr(module, name, None)
    assert commands.main(["make", *CHAPTER, "--want", "3", "--shards", "2"]) == 0
    assert len(list(folder.glob("space-*.nc"))) == 1


def test_all_wants_at_once():
    assert commands.main(["make", *CHAPTER]) == 0
    assert all(chapters.have(want, Results()) for want in chapters.wants("classwise_losses", GIVEN))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", *RUN, "--network", "resnet"], "unknown network 'resnet'.*did you mean 'resnet18'"),
        (["train", *RUN, "--epochs", "0"], "epochs = 0: give a whole number of at least 1"),
        (["make", "cctn"], "no notebook at .*cctn.ipynb: choose from cctm"),
        (["make", "machines"], "machines wants nothing that could be made beforehand"),
        (["make", *CHAPTER, "--want", "9"], "classwise_losses has no want 9: it has 5"),
        (["make", *CHAPTER, "--want", "-1"], "want = -1: give a whole number of at least 0"),
        (["make", CHAPTER[0], "--parameters", '{"point": 3}'], "unknown parameter 'point'.*did you mean 'points'"),
    ],
)
def test_a_mistake_gets_one_line(words, message, capsys):
    assert commands.main(words) == 2
    told = capsys.readouterr().err
    assert re.search(message, told)
    assert told.count("\n") == 1

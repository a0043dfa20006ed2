import json
import re
import sys

import papermill
import pytest

import reproduction
from ciutils import measure, train
from reproduction import __main__ as commands
from reproduction import chapters, runs
from reproduction.results import Results

GIVEN = {"profile": "digits", "network": "resnet18", "epochs": 1, "width": 0.02, "points": 3, "images": 100}
TRAINING = {"profile": "digits", "networks": ["resnet18"], "epochs": 1, "width": 0.02}
CHAPTER = ["classwise_losses", "--parameters", json.dumps(GIVEN)]


def test_the_wants_of_a_chapter_one_after_the_other(monkeypatch):
    results = Results()
    folder = results.store.own / runs.profile("digits").run("resnet18", epochs=1, width=0.02).name
    steps = [want.step for want in chapters.wants("classwise_losses", GIVEN)]
    assert steps == ["history", "ego", "sigma", *["space"] * 4]
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


def training(**given):
    """The command that trains one network."""
    return ["make", "cctm", "--parameters", json.dumps(TRAINING | given)]


HOSTILE = ("<img src=x onerror=alert(1)>", "`touch x`", "$(touch x)", "a b", "'; rm", "{x}", "../x", "猫", "", "a\nb")
WRONG = [
    ([], "the following arguments are required: COMMAND"),
    (["train"], "invalid choice: 'train'"),
    (["make", "cctm", "--bits", "3"], "unrecognized arguments: --bits 3"),
    (training(epochs="x"), "parameter epochs = 'x': give int"),
    (training(dataset="folder:\0x"), r"'folder:.x00x' leads to no folder: embedded null"),
    (training(dataset="folder:~nobody-of-this-name"), "nobody-of-this-name' leads to no folder: "),
    (["page", "your_networt", "x.html"], "unknown notebook 'your_networt'.*did you mean 'your_network'"),
    (["page", "your_network", "/nowhere/x.html"], "/nowhere/x.html cannot be written: name a file in a folder"),
    (["page", "your_network", "x.html", "-p", "netwrk", "a"], "unknown parameter 'netwrk'.*did you mean 'network'"),
    (["page", "your_network", "x.html", "-p", "points", "many"], "parameter points = 'many': give int"),
    (["page", "your_network", "x.html", *2 * ["-p", "points", "5"]], "parameter points is given twice; give it once"),
    (["page", "your_network", "x.html", "-p", "points", "4"], "points = 4: give an odd number"),
    (["page", "your_network", "x.html", "-p", "level", "5"], "level = 5.0: give a number above 0 and below 1"),
    (["page", "your_network", "x.html", "-p", "arguments", "[1]"], """give dict, such as '{"width": 16}'"""),
    (["page", "your_network", "x.html", "-p", "pairs", "a-b"], """pairs = 'a-b': give list, such as '.+-.+'"""),
    (["page", "your_network", "x.html", "-p", "pairs", '["cat"]'], "pairs = 'cat': give each pair as 'cat-dog' or as"),
    (
        ["page", "your_network", "x.html", "-p", "mean", "0.5"],
        "mean = '0.5': give list.float., such as '.0.49, 0.48, 0.45.'",
    ),
    *(
        (["page", "your_network", "x.html", "-p", "mean", mean, "-p", "std", std], message)
        for mean, std, message in (
            ("[0.5]", "[]", r"mean = \[0.5\], std = \[\]: give both, a number for each channel, such as"),
            ("[0.5]", "[0.5, 0.5]", "give both, a number for each channel"),
            ("[120]", "[50]", r"mean = \[120.0\]: give a number from 0 to 1 for each channel, of images scaled to"),
            ("[NaN]", "[1]", r"mean = \[nan\]: give a number from 0 to 1"),
            ("[0]", "[0]", r"std = \[0.0\]: give a number from 0 to 1, above 0, for each channel"),
        )
    ),
    (["page", "your_network", "x.html", "-p", "network", "no.py:net"], "no file no.py: give package.module:function"),
    (["page", "your_network", "x.html", "-p", "network", "nope:net"], "'nope:net': no package nope is installed: mend"),
    (["page", "your_network", "x.html", "-p", "network", "mine.py"], "unknown network 'mine.py': .*file.py:function"),
    (["page", "your_network", "x.html", "-p", "weights", "no.pt"], "weights = 'no.pt': no file /.*/no.pt"),
    (["page", "your_network", "x.html", "-p", "dataset", "no.py"], "unknown dataset 'no.py': .*, file.py:function"),
    (["page", "your_network", "x.html", "-p", "augment", "flip"], "unknown augment 'flip': .*did you mean 'crop-flip'"),
    (["page", "your_network", "x.html", "-p", "saved", f"{__file__}/x"], "/test_main.py is no folder that you can"),
    (["make"], "the following arguments are required: chapter"),
    (["make", "cctn"], "unknown notebook 'cctn': choose from agreement.*did you mean 'cctm'"),
    (["make", "machines"], "machines wants nothing that could be made beforehand"),
    (["make", *CHAPTER, "--want", "9"], "classwise_losses has no want 9: it has 7"),
    (["make", *CHAPTER, "--want", "-1"], "want = -1: give a whole number of at least 0"),
    (["make", *CHAPTER, "--want", "0", "--shard", "0", "2"], "want 0 of classwise_losses is a history: planes alone"),
    (["make", *CHAPTER, "--want", "3", "--shard", "2", "2"], r"shard = .2, 2.: give .i, n. with 0 <= i < n"),
    (["make", *CHAPTER, "--want", "3", "--shard", "-1", "2"], r"shard = .-1, 2.: give .i, n. with 0 <= i < n"),
    (["make", *CHAPTER, "--want", "3", "--shards", "0"], "shards = 0: give a whole number of at least 1"),
    (["make", *CHAPTER, "--shard", "1"], "argument --shard: expected 2 arguments"),
    (["make", CHAPTER[0], "--parameters", '{"point": 3}'], "unknown parameter 'point'.*did you mean 'points'"),
    (["make", CHAPTER[0], "--parameters", '{"points": "x"}'], "parameter points = 'x': give int"),
    (["make", CHAPTER[0], "--parameters", '{"pairs": ["3-x"]}'], "unknown class 'x'"),
    (["make", CHAPTER[0], "--parameters", '{"seed": 1, "seed": 2}'], "seed is given twice; give it once"),
    (["make", CHAPTER[0], "--parameters", '{"points": 1000000001}'], "points = 1000000001: .* and at most 1001"),
    (["make", "claims", "--parameters", '{"profile": 3}'], "parameter profile = 3: give str"),
    *((["make", CHAPTER[0], "--parameters", text], "is no JSON object") for text in ("{", "[1]", "3", "[" * 10**5)),
    (["verify"], "the following arguments are required: folder"),
    (["verify", "/nowhere"], "no run in /nowhere: give results, or the folder of one run"),
    (["verify", "~nobody-of-this-name"], "there is no such home folder"),
    *((training(setup=text), "unknown setup") for text in HOSTILE),
    *((training(networks=[text]), "unknown networks") for text in HOSTILE),
    *((training(dataset=text), "unknown dataset") for text in HOSTILE if text),
    *((["make", text], "unknown notebook") for text in HOSTILE),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_a_mistake_gets_one_line(words, message, capsys, monkeypatch):
    monkeypatch.setattr(train, "train", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(papermill, "execute_notebook", lambda *_, **__: pytest.fail("started a kernel"))
    assert commands.main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert re.search(message, told)
    assert told.count("\n") == 1


def test_a_package_that_is_not_there_gets_one_line(monkeypatch, capsys):
    """As in the light environment, in which one reads and explores what is published."""
    for name in [each for each in sys.modules if each.startswith(("myst_nb", "reproduction.page"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(reproduction, "page", raising=False)
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    assert commands.main(["page", "your_network", "x.html"]) == 2
    what = "which this command takes: `make install` installs all that it needs"
    assert capsys.readouterr().err == f"error: there is no myst_nb here, {what}\n"


def test_a_folder_of_runs_that_cannot_be_written_to_gets_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CIUTILS_RUNS", str(tmp_path / "file"))
    assert commands.main(training()) == 2
    told = capsys.readouterr().err
    assert re.match(
        r"error: .*cannot write to .*/file/.*; set \$CIUTILS_RUNS to a folder that you can write to\n$", told
    )

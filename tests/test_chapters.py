"""What a chapter declares is all that it needs, and found as it says."""

import dataclasses
import itertools
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
import yaml
from PIL import Image
from test_notebooks import TINY

from ciutils import train
from ciutils.analyse import confusion
from ciutils.data import folders
from reproduction import chapters, runs
from reproduction.results import RANDOM, REPOSITORY, Results

NOTEBOOKS = REPOSITORY / "notebooks"
CHAPTERS = yaml.safe_load((REPOSITORY / "workflow" / "chapters.yaml").read_text())["chapters"]
PUBLISHED = [
    name
    for name, given in CHAPTERS.items()
    if given.get("profile", "digits") != "digits" and name.partition("-")[0] in chapters.CHAPTERS
]


def arguments(chapter, given):
    """What each space of a chapter is measured with, by the last parts of its key: (pair's place, times closer,
    batch-norm), or (name,)."""
    results = Results()
    listed = (want for want in chapters.wants(chapter, given) if want.step == "space")
    return {want.key[2:]: want.arguments(results) for want in listed}


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_that_a_published_chapter_wants_is_published(name, tmp_path, monkeypatch):
    for variable in ("CIUTILS_RUNS", "CIUTILS_DATA"):  # as in a clean clone, where nothing can be computed
        monkeypatch.setenv(variable, str(tmp_path))
    for want in chapters.wants(name.partition("-")[0], CHAPTERS[name]):
        found = want.get(Results())
        if want.step == "history":
            assert found.sizes["epoch"] == want.run.epochs
        if want.step == "space":
            assert found.sizes["theta1"] == want.points
            assert int(found["counts"][0, 0].sum()) == want.images
    assert not list(tmp_path.rglob("*.nc"))


@pytest.mark.usefixtures("paper_chapters")
@pytest.mark.parametrize(("size", "planes"), [("laptop", 3 + 1 + 1), ("long", 3 * 6), ("paper", 3 * 6)])
def test_all_that_a_size_wants_is_known_before_anything_exists(size, planes, tmp_path, monkeypatch):
    monkeypatch.setenv("CIUTILS_RUNS", str(tmp_path))
    steps = [want.step for want in chapters.of_profile(size)]
    trainings = sum(map(len, runs.profile(size).setups.values()))
    spaces = 6 * (planes + 2) + 2 * 2  # with two controls each, and the two of one network in both readings
    assert [steps.count(step) for step in ("history", "ego", "curvature", "space")] == [trainings, 6, 6 * 3, spaces]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", runs.PROFILES)
def test_a_size_wants_its_own_data_alone(size):
    """Else the page on costs counts trainings on other data as the paper's."""
    assert {want.run.dataset for want in chapters.of_profile(size)} == {runs.profile(size).dataset}


def test_a_notebook_that_declares_nothing_wants_nothing():
    assert chapters.wants("machines", {}) == []
    with pytest.raises(ValueError, match="points = 4"):  # looked at though there is nothing to make
        chapters.wants("your_network", {"points": 4})


def test_a_misspelt_parameter_is_found_before_anything_runs():
    with pytest.raises(ValueError, match="unknown parameter 'network'.*did you mean 'networks'"):
        chapters.wants("cctm", {"network": "vgg19"})


def first_of(chapter, given):
    """What a notebook does first with its values: the check of all of them, then the trainings."""
    return chapters.fetch(chapters.wants(chapter, TINY[chapter] | given), "history", Results())


PLANES = ("sharpness", "classwise_losses")
WRONG = [
    *(
        (chapter, {"profile": "digit"}, "unknown profile 'digit'.*did you mean 'digits'")
        for chapter in chapters.CHAPTERS
    ),
    *((chapter, {"epochs": -1}, "epochs = -1: give a whole number of at least 1") for chapter in chapters.CHAPTERS),
    *((chapter, {"width": -0.5}, "width = -0.5: give a number above 0") for chapter in chapters.CHAPTERS),
    *((chapter, {"width": 1e9}, "width = 1000000000.0: give a number above 0 and") for chapter in chapters.CHAPTERS),
    *((chapter, {"seed": 2**50}, "seed = 1125899906842624: give a whole number") for chapter in chapters.CHAPTERS),
    *((chapter, {"seed": -1}, "seed = -1: give a whole number of at least 0") for chapter in chapters.CHAPTERS),
    ("sharing", {"repeats": 0}, "repeats = 0: give a whole number of at least 1"),
    ("sharing", {"updates": 0}, "updates = 0: give a whole number of at least 1"),
    ("sharing", {"pairs": ["3-x"]}, "unknown class 'x': choose from 0, 1"),
    ("doses", {"rates": [0.1, 1.0]}, "rates = 1.0: give a number above 0 and below 1"),
    ("doses", {"pair": "3-x"}, "unknown class 'x': choose from 0, 1"),
    ("doses", {"early": [0]}, "early = 0: give a whole number of at least 1"),
    *((chapter, {"pairs": ["3-5", "3-58"]}, "unknown class '58': choose from 0, 1") for chapter in PLANES),
    *((chapter, {"pairs": ["cat-dgo"]}, "unknown class 'cat': choose from 0, 1") for chapter in PLANES),
    *((chapter, {"pairs": ["3-3"]}, "a class has no interference space with itself") for chapter in PLANES),
    *((chapter, {"pairs": ["3-5", "3-5"]}, "3-5 is given twice; give it once") for chapter in PLANES),
    *((chapter, {"pairs": ["3-5", ["3", "5"]]}, r"pairs '3-5' and .'3', '5'. are of the same") for chapter in PLANES),
    *((chapter, {"pairs": ["3-5", "8-9", ["5", "3"]]}, r"'3-5' and .'5', '3'. are of the s") for chapter in PLANES),
    *((chapter, {"pairs": [3]}, "pairs = 3: give each pair as 'cat-dog' or as") for chapter in PLANES),
    *((chapter, {"pairs": [["3"]]}, "pairs = .'3'.: give each pair as 'cat-dog' or as") for chapter in PLANES),
    *((chapter, {"pairs": "3-8"}, "pairs = '3-8': give list") for chapter in PLANES),
    *((chapter, {"points": 4}, "points = 4: give an odd number") for chapter in PLANES),
    *((chapter, {"points": -3}, "points = -3: give a whole number of at least 3") for chapter in PLANES),
    *((chapter, {"images": -5}, "images = -5: give a whole number of at least 1") for chapter in PLANES),
    *((chapter, {"images": 1201}, "images = 1201: digits has 1200 training images") for chapter in PLANES),
    *((chapter, {"sigma": -1.0}, "sigma = -1.0: give a number above 0 and at most") for chapter in PLANES),
    *((chapter, {"sigma": 1e308}, r"sigma = 1e\+308: give a number above 0 and at most 1e\+30") for chapter in PLANES),
    *((chapter, {"sigma": float("nan")}, "sigma = nan: give a number above 0") for chapter in PLANES),
    *((chapter, {"level": 1.0}, "level = 1.0: give a number above 0 and below 1") for chapter in PLANES),
    ("sharpness", {"networks": []}, r"networks = \[\]: give at least one"),
    ("sharpness", {"setups": []}, r"setups = \[\]: give at least one"),
    ("sharpness", {"setups": ["big"]}, "unknown setups 'big': choose from big-lr.*did you mean 'big-lr'"),
    ("sharpness", {"scale": "units"}, "unknown scale 'units'.*did you mean 'unit'"),
    ("sharpness", {"precision": "fp16"}, "unknown precision 'fp16'"),
    ("sharpness", {"tolerance": 0.0}, "tolerance = 0.0: give a number above 0 and below 1"),
    ("sharpness", {"tolerance": 5.0}, "tolerance = 5.0: give a number above 0 and below 1"),
    ("cctm", {"networks": ["vgg19", "vgg"]}, "unknown networks 'vgg'.*did you mean 'vgg19'"),
    ("cctm", {"networks": ["vgg19", "vgg19"]}, "vgg19 is given twice; give it once"),
    ("cctm", {"width": float("nan")}, "width = nan: give a number above 0"),
    ("cctm", {"setup": "annealed"}, "unknown setup 'annealed'"),
    ("cctm", {"threshold": 1.0}, "threshold = 1.0: give a share from 0 up to 1"),
    ("cctm", {"threshold": float("nan")}, "threshold = nan: give a share from 0 up to 1"),
    ("label_dancing", {"network": "vgg"}, "unknown network 'vgg'.*did you mean 'vgg19'"),
    ("label_dancing", {"pair": "cat-dgo"}, "unknown class 'cat': choose from 0, 1"),
    ("label_dancing", {"classes": ["3", "x"]}, "unknown class 'x': choose from 0, 1"),
    ("label_dancing", {"counts": "counts"}, "unknown counts 'counts': choose from running_counts"),
    ("label_dancing", {"dataset": "digit"}, "unknown dataset 'digit'.*did you mean 'digits'"),
    ("label_dancing", {"dataset": "folder:/nowhere"}, "no folder /nowhere that holds train/ and test/"),
    ("label_dancing", {"dataset": "folder:"}, "'folder:' names no folder: give 'folder:PATH'"),
]


def test_a_cell_may_be_looked_at_from_both_sides(monkeypatch):
    monkeypatch.setattr(Results, "history", lambda *_: pytest.fail("trained"))
    for pair, looked in (("3-5", "5-3"), ("3-5", "3-5")):
        for want in chapters.wants("images", {"pair": pair, "looked": looked}):
            want.check(Results())


@pytest.mark.parametrize(("chapter", "given", "message"), WRONG)
def test_a_wrong_value_is_refused_before_anything_is_trained(chapter, given, message, monkeypatch):
    monkeypatch.setattr(train, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        first_of(chapter, given)
    assert "\n" not in str(caught.value)
    assert not Path(os.environ["CIUTILS_RUNS"]).exists()


def test_published_networks_are_loaded_where_their_data_are_not(monkeypatch):
    """Nothing is trained for them, so nothing is asked of their data."""
    monkeypatch.setattr(train, "train", lambda *_, **__: pytest.fail("trained"))
    given = {"profile": "laptop", "networks": ["vgg19"], "setups": ["big-lr"], "pairs": ["cat-dog"]}
    wants = chapters.wants("sharpness", given)
    assert set(chapters.fetch(wants, "history", Results())) == {("vgg19", "big-lr")}


def test_classes_are_looked_for_before_any_image_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_decode", lambda _: pytest.fail("decoded"))
    for part, name in itertools.product(("train", "test"), ("airplane", "cat")):
        (tmp_path / "cifar10" / part / name).mkdir(parents=True)
        (tmp_path / "cifar10" / part / name / "0.png").touch()
    monkeypatch.setenv("CIUTILS_DATA", str(tmp_path))
    for pair, message in (("3-5", "unknown class '3'"), ("cat-plane", "decoded")):
        with pytest.raises((ValueError, pytest.fail.Exception), match=message):
            first_of("label_dancing", {"dataset": "cifar10", "pair": pair})


def test_pairs_are_compared_with_the_classes_of_ones_own_images(tmp_path, monkeypatch):
    for part, name in itertools.product(("train", "test"), ("猫", "<b>", "a b")):
        (tmp_path / part / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / part / name / f"{number}.png")
    monkeypatch.setattr(train, "train", lambda *_, **__: pytest.fail("trained"))
    given = {"dataset": f"folder:{tmp_path}", "pair": "猫-<b>"}
    with pytest.raises(pytest.fail.Exception, match="trained"):
        first_of("label_dancing", given)
    with pytest.raises(ValueError, match="unknown class '犬': choose from <b>, a b, 猫"):
        first_of("label_dancing", given | {"pair": "猫-犬"})


def test_wants_come_in_the_order_in_which_they_can_be_had():
    steps = [want.step for want in chapters.wants("sharpness", TINY["sharpness"])]
    assert steps == sorted(steps, key=chapters.STEPS.index)


@pytest.mark.parametrize("scale", ["gradient", "unit", "filter"])
def test_the_random_plane_reaches_as_far_as_the_first_pairs(scale):
    given = TINY["sharpness"] | {"setups": ["anneal-lr"], "scale": scale}
    spaces = {want.key[2:]: want for want in chapters.wants("sharpness", given) if want.step == "space"}
    pair, random = (spaces[key].get(Results()) for key in ((0, 1, "frozen"), (RANDOM,)))
    reach = [float(space["distance1"][-1] + space["distance2"][-1]) / 2 for space in (pair, random)]
    assert reach[1] == pytest.approx(reach[0], rel=0.006)  # half sides are kept to three digits


@pytest.mark.parametrize("size", ["FEW_PLANES", "ALL_PLANES"])
def test_a_profiles_planes_are_of_its_first_pairs_so_many_times_closer(size, monkeypatch):
    kinds = getattr(runs, size)
    monkeypatch.setitem(runs.PROFILES, "digits", dataclasses.replace(runs.profile("digits"), planes=kinds))
    found = arguments("sharpness", TINY["sharpness"] | {"setups": ["big-lr"], "sigma": 0.3})
    own = {key: asked for key, asked in found.items() if len(key) == 3}
    assert set(own) == {(place, *kind) for kind, count in kinds.items() for place in range(count or 3)}
    for (place, closer, bn), asked in own.items():
        widest = own[place, 1, "frozen"]
        assert asked["sigma"] == pytest.approx(0.3 / closer)
        assert asked == widest | {"sigma": asked["sigma"]} | ({} if bn == "frozen" else {"bn": bn})
    assert found["signs",] == own[0, 1, "frozen"] | {"random": "signs"}


def test_planes_are_named_by_how_close_they_are_and_how_batch_norm_is_read():
    space = xr.Dataset(attrs={"first": "cat", "second": "dog"})
    run = ("vgg19", "big-lr")
    found = {(*run, 0, 1, "frozen"): space, (*run, RANDOM): space, (*run, 0, 10, runs.AUGMENTED): space}
    names = [(*run, "cat-dog", 10, "recalibrated"), (*run, "cat-dog", 1, "frozen")]
    assert list(chapters.planes(found)) == names


def test_other_networks_and_setups_stand_beside_a_dance():
    given = {"profile": "long", "network": "vgg19", "beside": ["resnet18", "vgg19 big-lr", "vgg19"]}
    found = [
        (want.step, *want.key, want.run.network, want.run.setup) for want in chapters.wants("label_dancing", given)
    ]
    expected = [("vgg19", "anneal-lr"), ("resnet18", "anneal-lr"), ("vgg19", "big-lr")]
    assert found == [("history", *key, *key) for key in expected]
    for wrong, line in {
        "vgg19 big": "unknown setup of beside 'big'.*did you mean",
        "vgg": "unknown beside 'vgg'",
    }.items():
        with pytest.raises(ValueError, match=line):
            chapters.wants("label_dancing", given | {"beside": [wrong]})


def test_planes_that_are_only_compared_are_on_the_profiles_smaller_number_of_images(monkeypatch):
    digits = dataclasses.replace(runs.profile("digits"), images=100, control_images=50)
    monkeypatch.setitem(runs.PROFILES, "digits", digits)
    given = TINY["sharpness"] | {"setups": ["anneal-lr"], "sigma": 0.3}

    def images(given: dict) -> dict[tuple, int]:
        asked = {name: found["images"] for name, found in arguments("sharpness", given).items()}
        declared = chapters.wants("sharpness", given)
        assert asked == {want.key[2:]: want.images for want in declared if want.step == "space"}
        return asked

    of_profile = images(given | {"images": 0})
    widest = {(place, 1, "frozen") for place in range(3)}
    assert {key for key, number in of_profile.items() if number == 100} == widest
    assert {number for key, number in of_profile.items() if key not in widest} == {50}
    assert set(images(given | {"images": 60}).values()) == {60}


def test_half_sides_are_found_on_the_profiles_smaller_number_of_images(monkeypatch):
    digits = dataclasses.replace(runs.profile("digits"), images=100, control_images=50)
    monkeypatch.setitem(runs.PROFILES, "digits", digits)
    for notebook in ("sharpness", "classwise_losses"):
        for images, searched in ((0, 50), (60, 60)):
            wants = chapters.wants(notebook, TINY[notebook] | {"images": images, "sigma": 0.0})
            assert {want.arguments(Results())["images"] for want in wants if want.step == "sigma"} == {searched}


def trained_on(names, errors=()):
    """Results whose only history ends with test counts of classes `names`, with one error for each cell of `errors`."""
    counts = np.eye(len(names), dtype=int)[None] * 9
    for cell in errors:
        counts[0, *cell] += 1
    coordinates = {"epoch": [1], "true": list(names), "predicted": list(names)}
    history = xr.Dataset({"test_counts": (("epoch", "true", "predicted"), counts)}, coords=coordinates)
    return SimpleNamespace(history=lambda run: history)


@pytest.mark.parametrize(
    ("names", "errors", "pairs"),
    [
        ("ab", [(0, 1)], ["a-b"]),
        ("ab", [], ["a-b"]),
        ("abc", [(1, 2), (2, 1), (0, 2)], ["b-c", "a-c", "a-b"]),
        ("abcd", [(1, 2), (2, 1), (0, 2)], ["b-c", "a-c", "c-d"]),
    ],
)
def test_pairs_are_found_among_those_that_there_are(names, errors, pairs):
    size = runs.profile("digits")
    assert chapters.pairs_of(size, size.run("resnet18"), trained_on(names, errors)) == pairs


def test_a_profiles_pairs_are_of_its_own_data():
    size = runs.profile("laptop")
    run = size.run("resnet18", dataset="digits")
    assert chapters.pairs_of(size, size.run("resnet18"), trained_on("ab")) == ["cat-dog", "truck-car", "horse-ship"]
    assert chapters.pairs_of(size, run, trained_on("ab")) == ["a-b"]


@pytest.mark.parametrize(
    ("classes", "given", "level"), [(10, 0.0, 0.5), (2, 0.0, 0.278), (100, 0.0, 0.55), (2, 0.4, 0.4)]
)
def test_a_planes_border_is_at_a_share_of_what_guessing_errs(classes, given, level):
    names = [str(each) for each in range(classes)]
    run = runs.profile("digits").run("resnet18")
    assert chapters.level_of({"level": given}, run, trained_on(names)) == level


def test_with_two_classes_every_plane_is_of_their_pair(tmp_path, monkeypatch):
    (tmp_path / "train").mkdir()
    given = TINY["sharpness"] | {"dataset": f"folder:{tmp_path}", "setups": ["anneal-lr"], "sigma": 0.3}
    monkeypatch.setattr(Results, "history", lambda *_: trained_on("ab").history(None))
    wants = [want for want in chapters.wants("sharpness", given) if want.step in ("space", "curvature")]
    own = [want.arguments(Results())["pair"] for want in wants if RANDOM not in want.key]
    assert (len(own), set(own)) == (3 + 5 + 1, {"a-b"})


def test_of_each_pair_there_are_networks_at_equal_epochs_and_at_equal_updates():
    given = {"profile": "laptop", "network": "vgg19", "epochs": 10, "seed": 1, "repeats": 2}
    wants = chapters.wants("sharing", given)
    assert len(wants) == 2 * (1 + 12 * 2)
    found = {want.key: want.run for want in wants}
    assert found["cat-dog", 1, 2] == runs.profile("laptop").run("vgg19", epochs=10, seed=2, classes=("cat", "dog"))
    assert found["cat-dog", 5, 2] == dataclasses.replace(found["cat-dog", 1, 2], epochs=50)
    assert found["all", 1, 1].classes == ()
    assert chapters.wants("sharing", {"profile": "paper"}) == []


def test_the_pairs_with_networks_of_their_own_are_those_that_the_published_networks_confuse():
    size, results = runs.profile("laptop"), Results().loading
    counts = sum(results.history(size.run(name))["test_counts"].isel(epoch=-1) for name in size.networks)
    table = confusion.pair_shares(counts)
    ranked = list(zip(table["first"], table["second"], strict=True))
    assert list(size.sharing) == [*ranked[:6], *ranked[9::7]]


def test_doses_differ_in_their_labels_alone_and_lie_on_one_plane():
    given = {"profile": "digits", "network": "resnet18", "rates": [0.1, 0.4], "sigma": 0.3, "early": [1]}
    wants = chapters.wants("doses", given)
    steps = [(want.step, want.key) for want in wants]
    doses = [(0.0,), (0.1,), (0.4,)]
    assert [key for step, key in steps if step == "space"] == doses
    assert [key for step, key in steps if step == "ego"] == [*doses, ("early", 1)]
    planes = [want for want in wants if want.step == "space"]
    assert [want.run.swapped for want in planes] == [(), ("1", "8", 0.1), ("1", "8", 0.4)]
    assert len({dataclasses.replace(want.run, swapped=()) for want in planes}) == 1
    assert {want.arguments(Results())["sigma"] for want in planes} == {0.3}
    early = {want.key: want.run for want in wants if want.key[0] == "early"}
    assert early["early", 1] == dataclasses.replace(early["early", 12], epochs=1)
    assert early["early", 1].setup == "big-lr"


def test_the_setting_of_a_chapter_is_told_in_a_line_and_how_the_papers_differ():
    line = chapters.setting(chapters.wants("sharpness", {"profile": "laptop"}))
    assert line == (
        "VGG19 and ResNet18 on CIFAR-10, a quarter of the full width, 30 epochs, seed 0; "
        "the paper: CIFAR-10, the full width, 200 epochs"
    )
    assert chapters.setting(chapters.wants("cctm", {"profile": "paper", "networks": ["dla"]})) == (
        "DLA on CIFAR-10, the full width, 200 epochs, seed 0"
    )
    own = chapters.wants("cctm", {"profile": "laptop", "networks": ["vgg19"], "width": 0.3, "dataset": "fashion-mnist"})
    assert chapters.setting(own).startswith("VGG19 on Fashion-MNIST, 0.3 of the full width, 30 epochs")
    broken_off = chapters.wants("doses", {"profile": "laptop", "width": 0.125, "early": [3, 1, 10]})
    assert chapters.setting(broken_off).startswith(
        "VGG19 on CIFAR-10, an eighth of the full width, 1, 3, 10 and 30 epochs"
    )

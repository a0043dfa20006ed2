import html
import json
import re

import numpy as np
import pytest
import xarray as xr
from test_claims import space_of

from ciutils import artifacts
from ciutils.analyse import confusion, surfaces
from ciutils.counts import CELLS
from ciutils.show import explorer
from reproduction.results import REPOSITORY

SLOPED = space_of("cat-dog", 2.0, lambda a, b: 0.1 + 0.4 * np.abs(a) + 0.1 * np.abs(b))
"""Mistake rates that rise from 10% in the middle to 50% at CAT's edge, and to 20% at DOG's."""

FLAT = space_of("truck-car", 1.0)


def given(shown):
    """What a figure says there is to choose."""
    return json.loads(html.unescape(re.search(r'data-figure="([^"]*)"', shown.data)[1]))


def files(shown):
    """The data in a figure, by name."""
    found = re.findall(r'<script type="application/json" data-name="(\w+)">(.*?)</script>', shown.data, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def whole(text):
    return [int(each or 0) for each in text.split(",")]


@pytest.mark.parametrize("key", ["mine", ("mine", "3-8")])
def test_planes_have_three_names_each(key):
    with pytest.raises(ValueError, match=r"spaces has the key .*mine.*: give \(network, setup, plane\), three texts"):
        explorer.planes({key: SLOPED})


def test_a_plane_holds_the_counts_of_its_space():
    shown = explorer.planes({("net", "big-lr", "sloped"): SLOPED})
    (data,) = files(shown).values()
    place = 18 * 19 + 9  # theta1 at its end, theta2 in the middle
    assert (data["theta1"][18], data["theta2"][9]) == (2.0, 0.0)
    assert data["mistakes"][place] / data["images"] == pytest.approx(0.5)
    assert whole(data["counts"][place]) == SLOPED["counts"].values[18, 9].ravel().tolist()
    assert whole(data["totals"]) == SLOPED["counts"].values[0, 0].sum(-1).tolist()
    assert data["losses"][place] == [1.0] * 10
    assert (data["names"], data["classes"]) == (["cat", "dog"], SLOPED["true"].values.tolist())


def test_every_number_of_a_published_plane_is_kept():
    space = artifacts.load_dataset(next((REPOSITORY / "results").glob("*vgg19-anneal*-s0/space-cat-dog-s0.24-*.nc")))
    shown = explorer.planes({("vgg19", "anneal-lr", "cat-dog"): space})
    (data,) = files(shown).values()
    counts = np.array([whole(each) for each in data["counts"]]).reshape(space["counts"].shape)
    np.testing.assert_array_equal(counts, space["counts"])
    rates = np.array(data["mistakes"]).reshape(19, 19) / data["images"]
    np.testing.assert_allclose(rates, surfaces.mistake_rate(space), atol=1e-12)
    losses = np.array(data["losses"], float).reshape(19, 19, 10)
    np.testing.assert_allclose(losses, surfaces.class_loss(space), rtol=1e-5)
    norms = [space.attrs[name] / space.attrs["weight_norm"] for name in ("norm1", "norm2")]
    np.testing.assert_allclose([*data["distance"], data["cosine"]], [*norms, space.attrs["cosine"]], rtol=1e-5)
    assert max(map(len, re.findall(r"<script.*?</script>", shown.data, re.DOTALL))) < 300_000


def test_a_point_without_a_finite_output_has_no_number():
    space = SLOPED.copy(deep=True)
    space["undefined"][3, 4] = 7
    (data,) = files(explorer.planes({("net", "big-lr", "sloped"): space})).values()
    place = 3 * 19 + 4
    assert data["mistakes"][place] is data["counts"][place] is None
    assert data["losses"][place] == [None] * 10
    assert [k for k, each in enumerate(data["mistakes"]) if each is None] == [place]


def test_a_plane_offers_what_was_measured():
    spaces = {("net", "big-lr", "sloped"): SLOPED, ("net", "small-lr", "flat"): FLAT}
    shown = explorer.planes(spaces, {("net", "small-lr", "flat"): SLOPED})
    first, second = given(shown)["spaces"]
    assert (first["plane"], second["setup"]) == ("sloped", "small-lr")
    assert "recalibrated" not in first
    assert second["recalibrated"] == first["frozen"]  # the same data are kept once
    assert files(shown).keys() == {first["frozen"], second["frozen"]}
    assert re.search(r'hidden>network<select name="network">', shown.data)  # one network is no choice
    assert re.search(r'"choice">setup<select name="setup">', shown.data)


def many(classes, points=3):
    """A space of so many classes, in which only "c70" is taken for "c30"."""
    counts = np.zeros((points, points, classes, classes), int) + 9 * np.eye(classes, dtype=int)
    counts[..., 70, 30] = 5
    names, grid = [f"c{each}" for each in range(classes)], np.linspace(-1, 1, points)
    return xr.Dataset(
        {
            "counts": (("theta1", "theta2", *CELLS), counts),
            "loss_sum": (("theta1", "theta2", "true"), counts.sum(-1).astype(float)),
            "undefined": (("theta1", "theta2"), np.zeros((points, points), int)),
            "done": ("theta1", np.ones(points, bool)),
        },
        coords={"theta1": grid, "theta2": grid, "true": names, "predicted": names},
        attrs={"first": "c99", "second": "c98", "norm1": 1.0, "norm2": 1.0, "cosine": 0.0, "weight_norm": 1.0},
    )


def test_of_many_classes_the_planes_own_and_the_most_confused_are_shown():
    shown = explorer.planes({("net", "big-lr", "c99-c98"): many(100, 19)})
    (data,) = files(shown).values()
    assert (len(data["classes"]), data["of"]) == (20, 100)
    assert {"c98", "c99", "c70", "c30"} <= set(data["classes"])
    row, column = (data["classes"].index(name) for name in ("c70", "c30"))
    assert whole(data["counts"][0])[20 * row + column] == 5
    assert data["mistakes"][0] / data["images"] == 5 / 905
    assert whole(data["totals"])[row] == 14
    assert max(map(len, re.findall(r"<script.*?</script>", shown.data, re.DOTALL))) < 300_000


def history_of(*epochs, **more):
    coordinates = {"epoch": np.arange(1, len(epochs) + 1), "true": ["a", "b"], "predicted": ["a", "b"]}
    counts = xr.DataArray(np.array(epochs), dims=("epoch", *CELLS), coords=coordinates)
    return xr.Dataset({"test_counts": counts} | {name: counts + number for name, number in more.items()})


def test_a_dance_holds_the_counts_of_each_epoch_as_they_were_counted():
    one, other = history_of([[1, 9], [0, 10]], [[8, 2], [2, 8]], end_counts=5), history_of([[6, 4], [5, 5]])
    shown = explorer.dance({"one": one, "other": other}, ("b", "a"))
    data = {run["name"]: files(shown)[run["file"]] for run in given(shown)["runs"]}
    assert data["one"]["counts"]["test_counts"] == ["1,9,,10", "8,2,2,8"]
    assert data["one"]["totals"]["end_counts"] == ["20,20", "20,20"]
    assert data["other"]["counts"].keys() == {"test_counts"}
    assert (data["one"]["epochs"], data["one"]["classes"]) == ([1, 2], ["a", "b"])
    assert [word for word in explorer._SAID if word in shown.data.split("<script")[0]] == ["end_counts", "test_counts"]
    assert re.search(r'class a<select name="a"><option value="0">a</option><option value="1" selected>b', shown.data)


def test_trainings_of_the_same_classes_in_another_order_are_put_in_one():
    one = history_of([[1, 9], [0, 10]])
    other = one.isel(true=[1, 0], predicted=[1, 0])
    assert len(files(explorer.dance({"one": one, "other": other}, ("a", "b")))) == 1  # the same data


def test_of_many_classes_the_pair_and_the_most_confused_are_played():
    history = many(100)["counts"].isel(theta1=0, drop=True).rename(theta2="epoch").to_dataset(name="test_counts")
    (data,) = files(explorer.dance({"one": history}, ("c0", "c1"))).values()
    assert (len(data["classes"]), data["of"]) == (20, 100)
    assert {"c0", "c1", "c70", "c30"} <= set(data["classes"])
    counts = np.array(whole(data["counts"]["test_counts"][2])).reshape(20, 20)
    assert counts[data["classes"].index("c70"), data["classes"].index("c30")] == 5


def test_counts_and_classes_that_are_missing_are_one_line():
    with pytest.raises(ValueError, match="counts='end_counts': this history holds test_counts; give one"):
        explorer.dance({"one": history_of([[1, 9], [5, 5]])}, ("a", "b"), "end_counts")
    with pytest.raises(ValueError, match="unknown class 'c'"):
        explorer.dance({"one": history_of([[1, 9], [5, 5]])}, ("a", "c"))
    strange = history_of([[1, 9], [5, 5]]).assign_coords(true=["a", "x"], predicted=["a", "x"])
    with pytest.raises(ValueError, match="other is of other classes than one"):
        explorer.dance({"one": history_of([[1, 9], [5, 5]]), "other": strange}, ("a", "b"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("epochs", [[[[5, 0], [0, 5]]], [[[5, 0], [0, 0]]], [[[0, 0], [0, 0]]]])
def test_a_training_without_errors_or_images_is_played(epochs):
    (data,) = files(explorer.dance({"one": history_of(*epochs)}, ("a", "b"))).values()
    assert whole(data["counts"]["test_counts"][0]) == np.ravel(epochs).tolist()


def test_what_is_shown_needs_nothing_from_another_host():
    shown = explorer.planes({("net", "big-lr", "flat"): FLAT}).data
    assert not re.findall(r'(?:src|href)\s*=\s*[\'"]https?:', shown)
    assert "https://" not in shown.replace("http://www.w3.org/", "")


def test_a_walk_shows_the_point_where_its_sliders_stand():
    walk = explorer.walk(SLOPED)
    along_cat, along_dog, report, _ = walk.children
    assert along_cat.description == "theta, cat"
    assert report.value.startswith("10.0%")
    along_cat.value = SLOPED.sizes["theta1"] - 1
    assert report.value.startswith("50.0%")
    along_dog.value = 0
    assert report.value.startswith("60.0%")
    rate = confusion.cctm(SLOPED["counts"].isel(theta1=-1, theta2=0)).sel(true="cat", predicted="cat")
    assert float(rate) == pytest.approx(0.4)

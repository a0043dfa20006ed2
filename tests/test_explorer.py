import re

import numpy as np
import pytest
import xarray as xr
from test_claims import space_of

from ciutils.show import explorer

SLOPED = space_of("cat-dog", 2.0, lambda a, b: 0.1 + 0.4 * np.abs(a) + 0.1 * np.abs(b))
"""Mistake rates that rise from 10% in the middle to 50% at CAT's edge, and to 20% at DOG's."""

FLAT = space_of("truck-car", 1.0)


def test_a_surface_stands_on_its_axes():
    figure = explorer.planes({"sloped": SLOPED})
    surface = figure.data[0]
    right = list(surface.x).index(2.0)
    middle = list(surface.y).index(0.0)
    assert np.array(surface.z)[middle, right] == pytest.approx(50, abs=0.1)  # z is rows of y
    assert np.array(surface.z)[right, middle] == pytest.approx(20, abs=0.1)
    assert figure.layout.scene.xaxis.title.text == "theta, cat"
    assert figure.layout.scene.yaxis.title.text == "theta, dog"


def test_every_step_of_the_slider_shows_its_cut_of_every_plane():
    figure = explorer.planes({"sloped": SLOPED, "flat": FLAT}, step=45)
    steps = figure.layout.sliders[0].steps
    assert [step.args[0][0] for step in steps] == [frame.name for frame in figure.frames] == ["0", "45", "90", "135"]
    along_cat, along_dog = (np.array(figure.frames[number].data[1].y) for number in (0, 2))
    np.testing.assert_allclose(along_cat, 10 + 40 * np.abs(np.linspace(-1, 1, 41)), atol=0.1)
    np.testing.assert_allclose(along_dog, 10 + 10 * np.abs(np.linspace(-1, 1, 41)), atol=0.1)
    line = figure.frames[3].data[0]
    np.testing.assert_allclose(line.x, -np.array(line.y), atol=1e-12)  # one ego up, the other down
    for frame in figure.frames:
        assert [figure.data[trace].type for trace in frame.traces] == [each.type for each in frame.data]
        np.testing.assert_allclose(frame.data[3].y, 5, atol=0.1)


def test_the_menu_shows_one_plane_and_names_its_classes():
    figure = explorer.planes({"sloped": SLOPED, "flat": FLAT})
    assert [trace.visible for trace in figure.data] == [True] * 3 + [False] * 3
    second = figure.layout.updatemenus[0].buttons[1]
    assert second.label == "flat"
    visible, titles = second.args
    assert visible["visible"] == [False] * 3 + [True] * 3
    assert titles == {"scene.xaxis.title.text": "theta, truck", "scene.yaxis.title.text": "theta, car"}


def history_of(*epochs):
    coordinates = {"epoch": np.arange(1, len(epochs) + 1), "true": ["a", "b"], "predicted": ["a", "b"]}
    counts = xr.DataArray(np.array(epochs), dims=("epoch", *("true", "predicted")), coords=coordinates)
    return xr.Dataset({"test_counts": counts})


def test_the_cctm_is_played_epoch_by_epoch_on_one_scale():
    figure = explorer.epochs(history_of([[1, 9], [5, 5]], [[6, 4], [2, 8]], [[8, 2], [1, 9]]))
    assert [frame.name for frame in figure.frames] == ["1", "2", "3"]
    np.testing.assert_allclose(np.array(figure.frames[0].data[0].z, float), [[np.nan, 90], [50, np.nan]])
    np.testing.assert_allclose(np.array(figure.frames[1].data[0].z, float), [[np.nan, 40], [20, np.nan]])
    assert {frame.data[0].zmax for frame in figure.frames} == {40}  # twice the last epoch's largest


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("epochs", [[[[5, 0], [0, 5]]], [[[5, 0], [0, 0]]], [[[0, 0], [0, 0]]]])
def test_epochs_without_errors_or_images_are_played(epochs):
    figure = explorer.epochs(history_of(*epochs))
    assert figure.data[0].zmax == 100
    assert not np.nan_to_num(np.array(figure.data[0].z, float)).any()


def test_classes_stand_where_their_names_are_even_if_these_are_numbers():
    history = history_of([[1, 9], [5, 5]]).assign_coords(true=["10", "2020-01-01"], predicted=["10", "2020-01-01"])
    figure = explorer.epochs(history)
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("category", "category")
    assert list(figure.data[0].x) == ["10", "2020-01-01"]


def test_of_many_classes_the_most_confused_are_played():
    values = np.eye(100, dtype=int)[None] * 9 + np.zeros((3, 1, 1), int)
    values[2, 70, 30] = 5
    names = [f"c{each}" for each in range(100)]
    coordinates = {"epoch": [1, 2, 3], "true": names, "predicted": names}
    history = xr.Dataset({"test_counts": (("epoch", "true", "predicted"), values)}, coords=coordinates)
    figure = explorer.epochs(history)
    row, column = (list(figure.data[0].x).index(name) for name in ("c70", "c30"))
    assert len(figure.data[0].x) == 20
    assert figure.frames[2].data[0].z[row][column] == pytest.approx(100 * 5 / 14, abs=0.01)


def test_counts_that_are_missing_are_one_line():
    with pytest.raises(ValueError, match="counts='end_counts': this history holds test_counts; give one"):
        explorer.epochs(history_of([[1, 9], [5, 5]]), "end_counts")


def test_a_walk_shows_the_point_where_its_sliders_stand():
    walk = explorer.walk(SLOPED)
    along_cat, along_dog, report, _ = walk.children
    assert along_cat.description == "theta, cat"
    assert report.value.startswith("10.0%")
    along_cat.value = SLOPED.sizes["theta1"] - 1
    assert report.value.startswith("50.0%")
    along_dog.value = 0
    assert report.value.startswith("60.0%")


def test_what_is_shown_needs_nothing_from_another_host(monkeypatch):
    shown = []
    monkeypatch.setattr(explorer, "display", lambda *each, **_: shown.append(each[0]))
    monkeypatch.setattr(explorer.page.provenance, "line", lambda *_: "commit " + "0" * 40)
    explorer.show(explorer.planes({"flat": FLAT}), 'a "flat" plane', FLAT)
    bundle, line = shown
    page = bundle["text/html"]
    assert 'aria-label="a &quot;flat&quot; plane"' in page
    assert not re.findall(r'(?:src|href)\s*=\s*[\'"]https?:', page)
    assert bundle["application/vnd.plotly.v1+json"]["data"][0]["type"] == "surface"
    assert "0" * 40 in line.data

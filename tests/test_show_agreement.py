"""Pictures of what networks, epochs and humans have in common."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.colors import to_rgb

from ciutils.show import agreement as pictures


def test_bars_stand_beside_what_chance_would_give():
    table = pd.DataFrame(
        {"images": [7000, 25], "low": [6900.0, 20], "high": [7050.0, 31], "independent": [7024.6, 0.43]}
    )
    _, ax = pictures.missed_by(table)
    assert [patch.get_height() for patch in ax.patches] == [7000, 25, 7024.6, 0.43]
    assert [text.get_text() for text in ax.texts] == ["7,000", "25", "7,025", "0.4"]
    (whiskers,) = (each for each in ax.collections if len(each.get_segments()) == 2)
    np.testing.assert_allclose([segment[:, 1] for segment in whiskers.get_segments()], [[6900, 7050], [20, 31]])
    assert ax.get_yscale() == "log"


CLASSES = ("a", "b", "c")


def answers(*rows, names=("one", "two")):
    return xr.DataArray(np.array(rows), dims=("network", "image"), coords={"network": list(names)})


LABELS = xr.DataArray([0, 0, 0, 0, 1, 0], dims="image")


def test_a_strip_shows_the_missed_images_of_its_class_most_missed_first():
    """Of class a, image 0 is right in both rows; 1 is missed once; 2 and 5 twice as c and b; 3 once."""
    predictions = answers([0, 1, 2, 0, 0, 1], [0, 0, 2, 2, 0, 1])
    _, (ax,) = pictures.strips({"$A$": ("a", predictions)}, LABELS, CLASSES)
    np.testing.assert_array_equal(ax.images[0].get_array(), [[1, 2, 1, 0], [1, 2, 0, 2]])
    assert ax.get_title(loc="left") == "$A$: 4 of 5 images"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]


def test_a_strip_colours_wrong_names_and_leaves_the_right_one_pale():
    both = answers([0, 1, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1])
    figure, (first, second) = pictures.strips({"A": ("a", both), "B": ("b", both)}, LABELS, CLASSES)
    for ax, true in ((first, 0), (second, 1)):
        image = ax.images[0]
        assert to_rgb(image.cmap(image.norm(true))) == to_rgb(pictures.RIGHT)
        assert len({to_rgb(image.cmap(image.norm(label))) for label in range(3)}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["right", "a", "b"]


def test_a_strip_of_many_rows_names_some_of_them_and_one_without_errors_is_empty():
    epochs = xr.DataArray(np.zeros((200, 6), int), dims=("epoch", "image"), coords={"epoch": np.arange(1, 201)})
    _, (ax,) = pictures.strips({"A": ("a", epochs)}, LABELS, CLASSES)
    assert [label.get_text() for label in ax.get_yticklabels()] == [str(1 + 20 * k) for k in range(10)]
    assert ax.get_title(loc="left") == "A: 0 of 5 images"


def test_visits_are_stacked_by_epoch():
    table = pd.DataFrame({"stayed": [0, 1], "returned": [0, 2], "new": [4, 3]}, index=[1, 2])
    _, (ax,) = pictures.visits({"A called $B$": table})
    bars = {
        (bar.get_x() + bar.get_width() / 2, bar.get_y()): bar.get_height() for bar in ax.patches if bar.get_height()
    }
    assert bars == {(1, 0): 4, (2, 0): 1, (2, 1): 2, (2, 3): 3}
    assert ax.get_title(loc="left") == "A called $B$"


def test_forgetting_counts_images_by_their_events():
    _, ax = pictures.forgetting({"net": pd.Series([0, 0, 2, 0, 2, 5]), "other": pd.Series([1])})
    np.testing.assert_array_equal(ax.lines[0].get_data(), [[0, 2, 5], [3, 2, 1]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["net", "other"]

"""Pictures of tables of confusion side by side."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_likeness import HAND, table

from ciutils.show import likeness as pictures


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    plt.close("all")


FLAT = table(np.full((3, 3), 5))


def test_shares_are_of_all_errors_of_a_table_on_one_scale():
    """HAND has 21 errors, FLAT 30."""
    _, (one, other) = pictures.shares({"$hand$": table(HAND), "flat": FLAT})
    expected = 100 * np.array([[np.nan, 6, 4], [1, np.nan, 3], [5, 2, np.nan]]) / 21
    np.testing.assert_allclose(np.ma.filled(one.images[0].get_array(), np.nan), expected)
    assert np.nansum(np.ma.filled(other.images[0].get_array(), np.nan)) == pytest.approx(100)
    assert one.images[0].get_clim() == other.images[0].get_clim() == (0, pytest.approx(600 / 21))
    assert [label.get_text() for label in one.get_yticklabels()] == ["a", "b", "c"]
    assert (one.get_title(), one.get_xlabel(), one.get_ylabel()) == (r"\$hand\$", "called", "true class")


def test_each_cell_is_a_dot_at_its_two_rates_and_some_are_named():
    hand = table(HAND) / 100
    other = hand.copy(data=hand.values.T)
    _, (ax,) = pictures.cells(("hand", hand), {"turned": other}, [("a", "b"), ("c", "b")])
    dots = {tuple(place) for place in np.round(ax.collections[0].get_offsets(), 6).tolist()}
    assert dots == {(6, 1), (4, 5), (1, 6), (3, 2), (5, 4), (2, 3)}
    assert {text.get_text(): text.xy for text in ax.texts} == {
        "A called B": (pytest.approx(6), pytest.approx(1)),
        "C called B": (pytest.approx(2), pytest.approx(3)),
    }
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == ("hand, percent", "turned, percent", "log")


def test_a_rate_of_zero_has_a_place_on_the_log_scale():
    hand = table(HAND) / 100
    _, (ax,) = pictures.cells(("hand", hand), {"none": 0 * hand}, [("a", "b")])
    heights = ax.collections[0].get_offsets()[:, 1]
    assert (heights > ax.get_ylim()[0]).all()
    assert np.isfinite(heights).all()


def test_directions_join_the_two_rates_of_a_pair():
    _, (ax,) = pictures.directions({"hand": table(HAND) / 100}, [("a", "b"), ("c", "a")])
    filled, hollow = (each.get_offsets() for each in ax.collections[1:])
    np.testing.assert_allclose(filled, [[6, 0], [5, 1]])
    np.testing.assert_allclose(hollow, [[1, 0], [4, 1]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A, B", "C, A"]
    assert ax.yaxis_inverted()


def test_likeness_over_epochs_has_a_colour_for_each_setup_and_the_ceiling():
    line = pd.Series([0.1, 0.5], index=[1, 2])
    lines = {("vgg19", "big"): line, ("dla", "big"): line + 0.1, ("vgg19", "small"): line}
    (figure,), (ax,) = pictures.over_epochs({"humans": lines}, ceiling=0.8)
    drawn = ax.lines
    np.testing.assert_allclose(drawn[1].get_data(), [[1, 2], [0.2, 0.6]])
    assert drawn[0].get_color() == drawn[1].get_color() != drawn[2].get_color()
    assert set(drawn[3].get_ydata()) == {0.8}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["big", "small", "one group of humans with the other"]

"""Pictures of tables of confusion side by side."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from test_likeness import HAND, table

from ciutils.show import likeness as pictures
from ciutils.show.axes import DARK, in_the_dark

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


def test_names_of_cells_stay_within_the_frame_and_apart():
    """Even at the largest rates, and several cells at one place."""
    hand = table(np.full((3, 3), 30)) / 100
    (figure,), (ax,) = pictures.cells(("hand", hand), {"other": hand}, [("a", "b"), ("b", "a"), ("c", "a")])
    figure.draw_without_rendering()
    frame, boxes = ax.get_window_extent(), [Text.get_window_extent(text) for text in ax.texts]
    assert all(frame.x0 < box.x0 < box.x1 < frame.x1 and frame.y0 < box.y0 < box.y1 < frame.y1 for box in boxes)
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


def contrast(colour, ground):
    """Of WCAG 2."""
    lights = []
    for each in (colour, ground):
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(each)]
        lights.append(np.dot([0.2126, 0.7152, 0.0722], linear) + 0.05)
    return max(lights) / min(lights)


def test_dots_and_lines_are_seen_on_both_grounds():
    """At 3 : 1 at least, which WCAG 2 asks of what is no text."""
    hand = table(HAND) / 100
    drawn = pictures.cells(("hand", hand), {"other": hand}, [("a", "b")])
    for (figure,), (ax,) in (drawn, pictures.directions({"hand": hand}, [("a", "b")])):
        mark = ax.collections[0]

        def seen(ground, mark=mark):
            *colour, alpha = mark.get_edgecolor()[0] if len(mark.get_edgecolor()) else mark.get_facecolor()[0]
            return contrast(alpha * np.array(colour) + (1 - alpha) * np.array(to_rgb(ground)), ground)

        assert seen("white") >= 3
        with in_the_dark(figure):
            assert seen(DARK) >= 3


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


def test_directions_of_all_tables_have_one_scale_which_holds_all_rates():
    hand = table(HAND) / 100
    _, axes = pictures.directions({"hand": hand, "less": hand / 10}, [("a", "b"), ("c", "a")])
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert axes[0].get_xlim()[1] > 6


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

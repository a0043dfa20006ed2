import base64
import html
import io
import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgb, to_rgba
from PIL import Image
from test_names import artifact as artifact_of

from ciutils import show
from ciutils.analyse import confusion, dancing
from ciutils.analyse.agreement import Estimate
from ciutils.analyse.flat import Bounds
from ciutils.counts import CELLS
from ciutils.show import doses, explorer, page
from ciutils.show.axes import DARK, in_the_dark
from ciutils.show.text import brief, rounded
from reproduction import claims
from reproduction.claims import table as verdict_table
from reproduction.records import times


def counts(values, classes="abc"):
    names = list(classes)
    return xr.DataArray(np.array(values), dims=CELLS, coords={"true": names, "predicted": names})


def cctm(values, classes="abc"):
    return confusion.cctm(counts(values, classes))


HAND = cctm([[7, 2, 1], [0, 4, 1], [5, 0, 15]])
RECALL = confusion.recall(counts([[7, 2, 1], [0, 4, 1], [5, 0, 15]]))


def test_heat_map_puts_true_classes_on_rows_and_leaves_the_diagonal_out():
    _, ax = show.cctm_heatmap(HAND, title="net")
    shown = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(shown, [[np.nan, 20, 10], [0, np.nan, 20], [25, 0, np.nan]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "c"]
    assert (ax.get_ylabel(), ax.get_xlabel(), ax.get_title()) == ("true class", "predicted class", "net")
    written = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert written == {(0, 1): "20.0", (0, 2): "10.0", (1, 2): "20.0", (2, 0): "25.0"}


@pytest.mark.parametrize(("names", "written"), [("abc", {"0.1"}), ("abcdefghijklmn", {"1"})])
def test_a_cell_that_rounds_to_zero_is_empty_as_one_of_no_errors(names, written):
    shares = np.eye(len(names), dtype=int) * 10_000
    shares[0, 1], shares[1, 2] = (60, 40) if len(names) > 12 else (6, 4)
    _, ax = show.cctm_heatmap(cctm(shares, list(names)))
    assert {text.get_text() for text in ax.texts} == written


def test_text_is_legible_on_its_cell():
    """WCAG 2: a contrast of at least 4.5 between text and background."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgba(colour)[:3]]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    shares = np.diag([1] * 12)
    shares[0, 1:] = np.linspace(1, 50, 11).astype(int)
    _, ax = show.cctm_heatmap(cctm(shares, [f"c{each}" for each in range(12)]))
    image = ax.images[0]
    assert len(ax.texts) == 11
    for text in ax.texts:
        behind = luminance(image.cmap(image.norm(float(image.get_array()[0, round(text.get_position()[0])]))))
        lighter, darker = sorted((luminance(text.get_color()), behind), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_heat_maps_share_one_colour_scale():
    _, axes = show.cctm_heatmaps({"one": HAND, "two": cctm([[9, 1, 0], [0, 9, 1], [4, 0, 6]]), "three": HAND})
    scales = {ax.images[0].get_clim() for ax in axes}
    assert [ax.get_title() for ax in axes] == ["one", "two", "three"]
    assert scales == {(0.0, 40.0)}


def test_absent_class_stays_empty_in_the_heat_map():
    _, ax = show.cctm_heatmap(cctm([[3, 1, 0], [0, 0, 0], [1, 0, 4]]))
    assert np.ma.getmaskarray(np.ma.masked_invalid(ax.images[0].get_array()))[1].all()


MANY = [f"c{each}" for each in range(100)]


def two_groups():
    """Counts of 100 classes: 17, 40 and 90 are confused with each other, 3 with 60, 5 with many, 8 has no images."""
    values = np.eye(100, dtype=int) * 900
    values[5, :50] += 1
    for true, predicted, errors in ((17, 90, 80), (90, 17, 70), (17, 40, 60), (40, 90, 50), (3, 60, 90), (60, 3, 40)):
        values[true, predicted] = errors
    values[8] = 0
    return counts(values, MANY)


def names_on(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_of_many_classes_the_largest_cells_are_drawn_with_the_groups_side_by_side():
    _, ax = show.cctm_heatmap(confusion.cctm(two_groups()))
    names = names_on(ax.yaxis)
    assert len(names) == 20 == len(set(names))
    places = {name: names.index(name) for name in ("c3", "c60", "c17", "c40", "c90")}
    assert abs(places["c3"] - places["c60"]) == 1
    assert (
        max(places[each] for each in ("c17", "c40", "c90")) - min(places[each] for each in ("c17", "c40", "c90")) == 2
    )
    row, column = places["c17"], places["c90"]
    assert ax.images[0].get_array()[row, column] == pytest.approx(100 * 80 / 1040)
    assert {text.get_text() for text in ax.texts if text.get_position() == (column, row)} == {
        "8"
    }  # 7.7; of so many classes cells have room for whole percents
    assert ax.get_xlabel().replace("\n", "") == "predicted class (20 of 100: those of the largest cells)"


def test_heat_maps_of_many_classes_show_the_same_ones():
    other = counts(np.eye(100, dtype=int) * 9 + np.eye(100, k=1, dtype=int), MANY)
    _, axes = show.cctm_heatmaps({"one": confusion.cctm(two_groups()), "other": confusion.cctm(other)})
    assert names_on(axes[0].yaxis) == names_on(axes[1].yaxis) == names_on(axes[1].xaxis)


def test_of_many_classes_the_lowest_recalls_are_drawn():
    recall = confusion.recall(two_groups())
    _, ax = show.recall_dots({"net": recall})
    assert names_on(ax.xaxis)[:4] == ["c17", "c3", "c90", "c40"]  # 900 of 1040, 990, 970, 950 right
    assert len(names_on(ax.xaxis)) == 20
    assert "c8" not in names_on(ax.xaxis)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.sort(100 * recall.values)[:20])


def test_of_many_classes_the_largest_correlations_are_drawn():
    values = np.zeros((100, 100))
    values[70, 30] = values[30, 70] = -0.9
    _, ax = show.matrix(
        xr.DataArray(values, dims=("true", "other"), coords={"true": MANY, "other": MANY}), "correlation"
    )
    assert {"c30", "c70"} < set(names_on(ax.xaxis))
    assert len(names_on(ax.xaxis)) == 20


def test_of_many_classes_the_most_frequent_notes_have_a_line_and_the_rest_one_together():
    song = np.full((60, 100), -2)
    song[:40, 0] = np.arange(40) // 2 + 50  # twenty notes, twice each
    song[40:44, 0] = 7
    song[44, 0] = 99
    notes = xr.DataArray(song, dims=("epoch", "true"), coords={"epoch": np.arange(1, 61), "true": MANY})
    _, (staff,) = show.notes_score(notes, ["c0"])
    names = names_on(staff.yaxis)
    assert (names[:2], names[-1], len(names)) == (["none", "c7"], "other", 22)
    heights = {(int(x), int(y)) for line in staff.lines for x, y in zip(*line.get_data(), strict=True)}
    assert {(41, 0), (1, 1), (45, 20), (60, -2)} < heights


def test_many_pairs_are_a_line_without_markers():
    _, ax = show.error_share({"net": np.linspace(0, 1, 499_500)}, 1 / 499_500)
    assert ax.lines[0].get_marker() == ""


def test_counts_are_no_rates():
    for draw in (show.cctm_heatmap, lambda each: show.cctm_heatmaps({"net": each})):
        with pytest.raises(ValueError, match=r"rates reach from 0 to 901: give confusion.cctm\(counts\)"):
            draw(two_groups())


def test_networks_of_other_classes_are_not_drawn_together():
    other = RECALL.assign_coords(true=["a", "b", "z"])
    with pytest.raises(ValueError, match="other is of other classes than net: give those of one data set"):
        show.recall_dots({"net": RECALL, "other": other})
    _, ax = show.recall_dots({"net": RECALL, "other": RECALL[::-1]})
    np.testing.assert_allclose(ax.lines[1].get_ydata(), ax.lines[0].get_ydata())


@pytest.mark.parametrize(
    "values",
    [[[3]], [[3, 0], [0, 5]], [[3, 1], [0, 5]], [[0, 0], [0, 5]], [[0, 0], [0, 0]]],
    ids=["one class", "no errors", "two classes", "a class without images", "no images"],
)
@pytest.mark.filterwarnings("error")
def test_small_matrices_are_drawn(values):
    classes = "ab"[: len(values)]
    made = cctm(values, classes)
    for figure in (
        show.cctm_heatmap(made)[0],
        *show.cctm_heatmaps({"net": made})[0],
        show.recall_dots({"net": confusion.recall(counts(values, classes))})[0],
        show.error_share({"net": confusion.pair_shares(counts(values, classes))["cumulative"].to_numpy()}, 1.0)[0],
        show.matrix(made.where(made < 2), "rate")[0],
    ):
        figure.draw_without_rendering()


def test_recall_dots_show_every_network_and_the_published_values():
    _, ax = show.recall_dots({"net": RECALL, "other": RECALL}, {"net": RECALL - 0.1})
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["net", "net, the paper", "other"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [70, 80, 75])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [60, 70, 65])


def test_error_share_is_drawn_beside_an_even_spread():
    _, ax = show.error_share({"net": np.array([0.6, 0.9, 1.0])}, even=1 / 3)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [60, 90, 100])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [100 / 3, 200 / 3, 100])


@pytest.fixture
def artifact():
    return artifact_of("digits")


def test_a_shown_figure_stands_above_its_provenance_and_nowhere_else(artifact, displayed):
    figure, _ = show.cctm_heatmap(HAND)
    assert show.display(figure, artifact, alt="what <it> shows") is None  # else a notebook shows it once more
    shown = displayed[0]
    ((address, text),) = re.findall(r'alt="(.*?)".*src="(.*?)"', shown.data)
    assert (address, text[:22]) == ("what &lt;it&gt; shows", "data:image/png;base64,")
    assert "abacus" in displayed[1].data
    assert len(displayed) == 2
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("value", "told"),
    [(2483.2, "2,480"), (-8.76e-6, "0"), (-0.372, "−0.372"), (9.0, "9"), (0.0625, "0.0625"), (math.nan, "undefined")],
)
def test_a_number_of_three_digits_has_no_exponent(value, told):
    assert rounded(value) == told


def test_what_is_shown_under_a_name_is_kept_for_other_pages(artifact, displayed, monkeypatch):
    kept = {}
    monkeypatch.setattr(page, "tell", lambda **values: kept.update(values))
    show.display(pd.DataFrame({"column": [1]}), artifact, name="table")
    show.display(pd.DataFrame({"column": [2]}), artifact)
    assert kept == {"table": displayed[0]}


def test_several_figures_lie_side_by_side_each_with_its_text(artifact, displayed):
    show.display(show.cctm_heatmaps({"one": HAND, "<two>": HAND})[0], artifact, alt="Heat maps")
    shown = displayed[0]
    assert 'role="group" aria-label="Heat maps" style="display: flex; flex-wrap: wrap;' in shown.data
    alternatives = re.findall('<img class="figure" alt="(.*?)"', shown.data)
    assert alternatives == ["one", "&lt;two&gt;", "Colours: share of the true class, percent, from 0 to 25"]
    assert plt.get_fignums() == []


def test_the_text_of_a_colour_bar_has_no_more_digits_than_are_seen():
    *_, bar = show.cctm_heatmaps({"one": HAND.copy(data=HAND.values * 0.384435)})[0]
    assert bar.get_label() == "Colours: share of the true class, percent, from 0 to 9.61"


def test_what_is_folded_lies_with_its_source_below_a_line(artifact, displayed):
    show.display(pd.DataFrame({"column": ["entry"]}), artifact, fold="<more>")
    (shown,) = displayed
    assert shown.data.startswith('<details class="folded"><summary>&lt;more&gt;</summary>')
    assert "<td>entry</td>" in shown.data
    assert "abacus" in shown.data


def test_in_the_dark_ink_is_light_and_colours_and_what_lies_on_a_map_stay():
    figure, ax = show.cctm_heatmap(HAND)
    line = figure.add_subplot()
    line.plot([0, 1], color="C0", label="blue")
    line.plot([1, 0], color="0.25", label="grey")
    black, white, blue = (to_rgb(each) for each in ("black", "white", "C0"))
    on_a_pale_cell = next(each for each in ax.texts if to_rgb(each.get_color()) == black)
    inks = (ax.yaxis.label, on_a_pale_cell, line.title, *line.lines)
    before = [to_rgb(each.get_color()) for each in inks]
    with in_the_dark(figure):
        dark = [to_rgb(each.get_color()) for each in inks]
    assert before == [black, black, black, blue, (0.25,) * 3]
    assert dark == [white, black, white, blue, (0.75,) * 3]
    assert [to_rgb(each.get_color()) for each in inks] == before
    plt.close(figure)


def test_a_figure_is_there_for_light_pages_and_hidden_for_dark_ones():
    figure, _ = show.cctm_heatmap(HAND)
    pictures = re.findall(
        '<img class="(.*?)".*?style="(.*?)" src="data:image/png;base64,(.*?)"', page.pictures([figure], "").data
    )
    assert [kind for kind, _, _ in pictures] == ["figure", "figure dark"]
    assert ["display: none" in style for _, style, _ in pictures] == [False, True]
    grounds = [Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").getpixel((0, 0)) for *_, png in pictures]
    assert grounds == [(255, 255, 255), (0x12, 0x12, 0x12)]


def test_a_figure_tells_how_small_its_text_is():
    figure, ax = plt.subplots(figsize=(4, 3))
    for size, text in ((8, "small"), (2, " "), (10, r"10$^{-3}$")):
        ax.text(0, 0, text, fontsize=size)
    told = [float(re.search('data-smallest-text="(.*?)"', page.pictures([figure], "").data)[1])]
    ax.texts[-1].set_visible(False)
    told.append(float(re.search('data-smallest-text="(.*?)"', page.pictures([figure], "").data)[1]))
    assert told == [pytest.approx(7 / 72 / 4, abs=5e-5), pytest.approx(8 / 72 / 4, abs=5e-5)]


def test_a_picture_of_few_colours_looks_the_same():
    """Of 256 steps, no part of a colour is more than 8 from its own."""
    for figure in (show.cctm_heatmap(HAND)[0], show.contours({("a",): ASYMMETRIC}, 0.05)[0][0]):
        content = io.BytesIO()
        figure.savefig(content)
        few, every = (np.asarray(Image.open(png).convert("RGB"), int) for png in (page._few_colours(content), content))
        assert np.abs(few - every).max() <= 8


def test_a_picture_of_few_colours_keeps_its_ground():
    """Of many colours that are nearly black the ground would become one."""
    content = io.BytesIO()
    show.surfaces({("a",): rate(np.linspace(0, 1, 361).reshape(19, 19))})[0][0].savefig(content, facecolor=DARK)
    corners = [Image.open(png).convert("RGB").getpixel((0, 0)) for png in (content, page._few_colours(content))]
    assert corners == [(0x12, 0x12, 0x12)] * 2


def test_a_table_of_numbers_is_coloured_and_its_ink_is_readable():
    shown = show.heat_table(
        pd.DataFrame({"<a>": [1.0, -2], "b": [0.5, np.nan]}, index=["x", "<y>"]), "+.1f", "<c>"
    ).data
    colours = plt.get_cmap("PuOr_r")
    for value, ink in ((1.0, "black"), (-2, "white"), (0.5, "black")):
        assert f"background: {to_hex(colours(0.5 + value / 4))};\n  color: {ink}" in shown
    entries = re.findall("<td[^>]*>(.*?)</td>", shown)
    assert entries == ["+1.0", "+0.5", "−2.0", "undefined"]
    assert all(f"&lt;{name}&gt;" in shown and f"<{name}>" not in shown for name in "ayc")


def test_an_artifact_is_no_figure(artifact, displayed):
    with pytest.raises(ValueError, match="shown is a Dataset: give figures, a DataFrame or HTML, artifacts after them"):
        show.display(artifact)
    assert displayed == []


def test_a_shown_table_is_whole_and_hides_an_index_that_only_counts(artifact, displayed):
    long = "x" * 300
    for table in (
        pd.DataFrame({"column": [long]}),
        pd.DataFrame({"column": [1]}),
        pd.DataFrame({"column": [1]}, index=["cat"]),
    ):
        show.display(table, artifact)
    whole, counted, named = (each.data for each in displayed[::2])
    assert long in whole
    assert "<th>0</th>" not in counted
    assert "<th>cat</th>" in named


def test_only_a_table_of_short_entries_keeps_them_whole(artifact, displayed):
    """The stylesheet forbids line breaks in the class `whole-entries`; a long entry must be able to break."""
    short, long = pd.DataFrame({"setup": ["anneal-lr", "7e-08"]}), pd.DataFrame({"names": ["anneal-lr", "a " * 40]})
    for table in (short, long):
        show.display(table, artifact)
    assert re.search('class="[^"]*whole-entries"', displayed[0].data)
    assert "whole-entries" not in displayed[2].data
    assert "whole-entries" in (Path(__file__).parents[1] / "book/static/book.css").read_text()


def test_no_line_ends_within_a_name_or_a_number(artifact, displayed):
    text = "a sentence about cat-dog that may end a line wherever it likes to"
    show.display(
        pd.DataFrame(
            {
                "p-value": [
                    text,
                    "cat-dog",
                    "<a-b>",
                    "7 ± 1",
                    "14.0% (11.9 to 16.2)",
                    "−0.04 (p = 0.62)",
                    "94%, 1: truck",
                ]
            },
            index=["big-lr", "b", "c", "d", "e", "f", "g"],
        ),
        artifact,
    )
    kept = re.findall('<t[dh][^>]* class="whole">([^<]*)<', displayed[0].data)
    assert kept == ["p-value", "big-lr", "cat-dog", "&lt;a-b&gt;", "7 ± 1", "14.0% (11.9 to 16.2)", "−0.04 (p = 0.62)"]


def test_on_a_phone_entries_of_a_table_of_long_text_tell_their_heads(artifact, displayed):
    table = pd.DataFrame({"<claim>": ["C1", "C2"], "rule": ["a " * 40, "short"], "answer": ["yes", "no"]})
    show.display(table, artifact)
    assert re.search('class="[^"]*long-entries"', displayed[0].data)
    heads = re.findall('<td data-head="(.*?)">', displayed[0].data)
    assert heads == ["&lt;claim&gt;", "rule", "answer"] * 2
    assert 'aria-label="table: &lt;claim&gt;, rule, answer"' in displayed[0].data


def test_on_a_phone_numbers_beside_long_names_stay_a_table(artifact, displayed):
    plane = "ResNet18, anneal-lr, horse-ship, recalibrated"
    show.display(pd.DataFrame({"plane": [plane], "area": ["140 (43 to 320)"], "its angle": ["93"]}), artifact)
    show.display(pd.DataFrame({"value": ["a " * 40]}, index=["the only column"]), artifact)
    assert not re.search('class="[^"]*(long|whole)-entries"', displayed[0].data + displayed[2].data)


def rate(values, first="cat", second="dog"):
    points = {"theta1": np.linspace(-1, 1, len(values)), "theta2": np.linspace(-2, 2, len(values[0]))}
    return xr.DataArray(
        np.array(values), dims=("theta1", "theta2"), coords=points, attrs={"first": first, "second": second}
    )


ASYMMETRIC = rate([[0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.1, 0.1, 0.1, 0.1], [0.9, 0.8, 0.7, 0.6, 0.5]])
"""Three points along cat, five along dog."""


def test_contours_put_the_first_ego_on_the_horizontal_axis():
    _, (ax,) = show.contours({("net", "cat-dog"): ASYMMETRIC}, tolerance=0.05)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("theta, cat", "theta, dog")
    mesh = ax.collections[0]
    corners = mesh.get_coordinates()
    drawn = np.ma.filled(mesh.get_array(), np.nan).reshape(5, 3)
    np.testing.assert_allclose(drawn[:, 2], [90, 80, 70, 60, 50])  # theta of cat is 1: the right column, upwards
    assert corners[0, -1, 0] > 1 > corners[0, 0, 0]
    assert mesh.get_clim() == (0, 90)


def test_surfaces_are_as_high_as_the_rates():
    _, (ax,) = show.surfaces({("net", "cat-dog"): ASYMMETRIC})
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlim()) == ("theta, cat", "theta, dog", (0, 90))


def test_panels_are_figures_named_by_their_keys_and_have_one_colour_bar():
    keys = [("one", "cat-dog"), ("one", "truck-car"), ("two", "big-lr", "truck-car")]
    figures, axes = show.contours(dict.fromkeys(keys, ASYMMETRIC))
    assert [ax.figure for ax in axes] == figures[:-1]
    names = ["one, cat-dog", "one, truck-car", "two, big-lr, truck-car"]
    assert [ax.get_title() for ax in axes] == names
    assert [figure.get_label() for figure in figures] == [*names, "Colours: mistakes, percent, from 0 to 90"]
    (bar,) = figures[-1].axes
    assert (bar.get_xlim(), bar.get_xlabel()) == ((0, 90), "mistakes, percent")


def test_a_key_that_is_a_text_is_its_own_title():
    for draw in (show.contours, show.surfaces):
        _, (ax,) = draw({"vgg19": ASYMMETRIC})
        assert ax.get_title() == "vgg19"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: show.cctm_heatmap(HAND.values), r"rates are a ndarray: give a DataArray \(true, predicted\), as conf"),
        (lambda: show.cctm_heatmap(HAND.expand_dims("epoch")), r"rates have dims .*: give \(true, predicted\)"),
        (lambda: show.cctm_heatmaps({}), "networks are none: give a dict of at least one, by name"),
        (lambda: show.cctm_heatmaps([HAND]), "networks are a list: give a dict of at least one, by name"),
        (lambda: show.cctm_heatmaps({"net": HAND.values}), "values of net are a ndarray: give a DataArray"),
        (lambda: show.recall_dots({}), "recalls are none: give a dict of at least one, by name"),
        (lambda: show.recall_dots({"net": HAND}), r"values of net have dims .*: give \(true\)"),
        (lambda: show.matrix(HAND.values, "cosine"), "values are a ndarray: give a DataArray"),
        (lambda: show.matrix(HAND[:2], "cosine"), r"values have dims .*: give \(class, class\), equally many of both"),
        (lambda: show.contours(ASYMMETRIC.to_dataset(name="rate").expand_dims("x")), "rates of rate have dims"),
        (lambda: show.contours(ASYMMETRIC.values), "rates are a ndarray: give a dict of at least one, by name"),
        (lambda: show.contours([ASYMMETRIC]), "rates are a list: give a dict of at least one, by name"),
        (lambda: show.contours({}), "rates are none: give a dict of at least one, by name"),
        (
            lambda: show.surfaces({("net", "cat-dog"): [[0.1]]}),
            r"rates of \('net', 'cat-dog'\) are a list: give a Data",
        ),
        (lambda: show.sensitivities({}), "cuts are none: give a dict of at least one, by name"),
        (lambda: show.class_maps(ASYMMETRIC, "loss"), r"losses have dims .*: give \(theta1, theta2, true\), as surf"),
        (
            lambda: show.class_maps(
                np.nan * ASYMMETRIC.expand_dims(true=["a"], axis=2).assign_attrs(first="a"), "loss"
            ),
            "losses are known of no class: give those of a space that was measured",
        ),
        (lambda: explorer.planes({}), "spaces are none: give a dict of at least one, by name"),
        (lambda: explorer.dance({}, "a-b"), "histories are none: give a dict of at least one, by name"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line_and_leaves_no_figure(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
    assert not plt.get_fignums()


def test_a_flat_map_has_no_rim():
    _, (ax,) = show.contours({("net", "cat-dog"): rate(np.full((3, 3), 0.2))}, tolerance=0.05)
    assert len(ax.collections) == 1


@pytest.mark.parametrize("count", [3, 10, 12, 20, 100])
@pytest.mark.parametrize("name", ["c{}", "a long name of class number {}"])
def test_values_in_the_cells_of_a_matrix_do_not_run_together(count, name):
    names = [name.format(each) for each in range(count)]
    coords = {"direction": names, "other": names}
    figure, ax = show.matrix(xr.DataArray(np.full((count, count), -0.12), dims=[*coords], coords=coords), "cosine")
    figure.draw_without_rendering()
    boxes = {text.get_position(): text.get_window_extent() for text in ax.texts}
    assert len(boxes) == {("c{}", 3): 6, ("c{}", 10): 90, (name, 3): 6}.get((name, count), 0)
    for (column, row), box in boxes.items():
        assert (column + 1, row) not in boxes or boxes[column + 1, row].x0 > box.x1 + 1


@pytest.mark.parametrize("name", ["Hund & dog", "golden retriever", "a bird that sings at night"])
def test_labels_of_small_panels_lie_inside_them(name):
    plane = rate(np.eye(3)).assign_coords(theta1=[-0.025, 0, 0.025], theta2=[-0.025, 0, 0.025])
    plane.attrs = {"first": name, "second": name}
    maps, axes = show.contours({(str(each), "net"): plane for each in range(4)})
    losses, more = show.class_maps(plane.expand_dims(true=["a", "b"], axis=2), "loss")
    for figure, ax in zip(maps[:-1] + losses[:-1], axes + more, strict=True):
        figure.savefig(io.BytesIO())
        for label in (ax.xaxis.label, ax.yaxis.label):
            drawn, room = label.get_window_extent(), figure.bbox
            assert room.x0 <= drawn.x0 < drawn.x1 <= room.x1
            assert room.y0 <= drawn.y0 < drawn.y1 <= room.y1


def test_sensitivities_draw_a_line_for_each_pair():
    values = xr.DataArray([0.1, 0.2], dims="angle", coords={"angle": [0, 90]})
    _, axes = show.sensitivities({"big": {"cat-dog": values, "truck-car": 2 * values}, "small": {"cat-dog": values}})
    np.testing.assert_allclose(axes[0].lines[1].get_ydata(), [20, 40])
    assert [ax.get_title() for ax in axes] == ["big", "small"]


def test_matrix_leaves_its_diagonal_out():
    cosine = xr.DataArray(
        [[1, -0.5], [0.25, 1]], dims=("direction", "other"), coords={"direction": ["a", "b"], "other": ["a", "b"]}
    )
    _, ax = show.matrix(cosine, "cosine")
    written = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert written == {(0, 1): "−.50", (1, 0): ".25"}


def test_class_panels_show_every_class_on_one_scale():
    values = xr.DataArray(
        np.arange(27.0).reshape(3, 3, 3),
        dims=("theta1", "theta2", "true"),
        coords={"theta1": [-1, 0, 1], "theta2": [-2, 0, 2], "true": ["a", "b", "c"]},
        attrs={"first": "a", "second": "b"},
    )
    _, axes = show.class_maps(values, "loss", highest=20)
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    assert {ax.collections[0].get_clim() for ax in axes} == {(0, 20)}
    mesh = axes[1].collections[0]
    corners, drawn = mesh.get_coordinates(), np.ma.filled(mesh.get_array(), np.nan).reshape(3, 3)
    for i, j in np.ndindex(3, 3):  # the cell that is drawn around (theta1, theta2) has its value
        theta1, theta2 = corners[i : i + 2, j : j + 2].reshape(-1, 2).mean(0)
        assert drawn[i, j] == values.sel(true="b").sel(theta1=theta1, theta2=theta2, method="nearest")
    _, solid = show.class_surfaces(values, "loss")
    assert {ax.get_zlim() for ax in solid} == {(0, float(np.percentile(values, 95)))}


@pytest.mark.filterwarnings("error")
def test_a_class_without_images_has_no_panel_and_is_named():
    grid = {"theta1": [-1, 0, 1], "theta2": [-2, 0, 2], "true": ["a", "b", "c"]}
    values = xr.DataArray(np.zeros((3, 3, 3)), dims=tuple(grid), coords=grid, attrs={"first": "a", "second": "c"})
    values[:, :, 1] = np.nan
    for draw in (show.class_maps, show.class_surfaces):
        figures, axes = draw(values, "loss")
        assert [ax.get_title() for ax in axes] == ["a", "c"]
        assert figures[-1].axes[0].get_xlabel() == "loss; without images: b"
        for figure in figures:
            figure.draw_without_rendering()


def test_of_many_classes_the_planes_own_and_those_that_vary_most_have_panels():
    grid = {"theta1": [-1, 0, 1], "theta2": [-2, 0, 2], "true": MANY}
    values = xr.DataArray(
        np.linspace(0, 1, 9).reshape(3, 3, 1) * np.arange(100),
        dims=tuple(grid),
        coords=grid,
        attrs={"first": "c3", "second": "c0"},
    )
    figures, axes = show.class_maps(values, "loss")
    assert [ax.get_title() for ax in axes] == ["c0", "c3", *MANY[82:]]
    assert "20 of 100" in figures[-1].axes[0].get_xlabel().replace("\n", "")


def counts_over_epochs(rows):
    names = ["a", "b", "c"]
    counts = np.array([[row, [100 - right, right, 0], [0, 0, 100]] for row, right in rows])
    cells = ("epoch", "true", "predicted")
    epochs = range(1, len(rows) + 1)
    return xr.Dataset({"end_counts": (cells, counts)}, coords={"epoch": epochs, "true": names, "predicted": names})


def test_a_dance_draws_recalls_the_row_and_an_arrow_for_each_moment():
    history = counts_over_epochs([([80, 15, 5], 80), ([70, 25, 5], 95), ([85, 10, 5], 90)])
    _, (above, below) = show.dance(history, "a", "b")
    np.testing.assert_allclose(above.lines[0].get_ydata(), [80, 70, 85])
    np.testing.assert_allclose(above.lines[1].get_ydata(), [80, 95, 90])
    assert [(text.xy, text.arrow_patch.get_edgecolor()) for text in above.texts] == [((2, 70.0), to_rgba("red"))]
    assert [line.get_label() for line in below.lines] == ["a called b", "a called c"]


def contrast(colour, ground):
    """As WCAG 2 has it."""

    def luminance(each):
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(each)]
        return np.dot((0.2126, 0.7152, 0.0722), linear)

    dark, light = sorted(luminance(each) + 0.05 for each in (colour, ground))
    return light / dark


def test_labels_of_a_surface_stay_away_from_its_corners():
    plane = rate(np.full((5, 5), 0.3)).assign_coords(theta1=np.linspace(-0.041, 0.041, 5))
    _, (ax,) = show.surfaces({"one": plane})
    np.testing.assert_allclose(ax.get_xticks(), [-0.02, 0.02])
    np.testing.assert_allclose(ax.get_yticks(), [-1, 1])


def test_arrows_are_seen_on_light_and_dark_pages():
    red, blue = ([70, 25, 5], 95), ([75, 5, 20], 85)
    history = counts_over_epochs([([80, 15, 5], 80), red, ([85, 10, 5], 90), blue, ([85, 10, 5], 90)])
    _, (above, _) = show.dance(history, "a", "b")
    colours = {text.arrow_patch.get_edgecolor() for text in above.texts}
    assert len(colours) == 2
    assert min(contrast(each, ground) for each in colours for ground in ("white", DARK)) > 3


@pytest.mark.parametrize(("a", "b"), [("airplane", "automobile"), ("plane", "Car"), (0, 1)])
def test_a_dance_is_of_the_classes_that_names_or_positions_mean(a, b):
    history = counts_over_epochs([([80, 15, 5], 80), ([70, 25, 5], 95), ([85, 10, 5], 90)])
    names = {"true": ["airplane", "automobile", "c"], "predicted": ["airplane", "automobile", "c"]}
    _, (above, below) = show.dance(history.assign_coords(names), a, b)
    np.testing.assert_allclose(above.lines[0].get_ydata(), [80, 70, 85])
    np.testing.assert_allclose(above.lines[1].get_ydata(), [80, 95, 90])
    assert [line.get_label() for line in below.lines] == ["airplane called automobile", "airplane called c"]
    _, (staff,) = show.notes_score(dancing.notes(history.assign_coords(names)), [a])
    assert staff.get_title(loc="left") == "notes of airplane"
    assert {int(y) for line in staff.lines for y in line.get_ydata()} == {1}


def test_dancers_may_be_named_as_everywhere():
    history = counts_over_epochs([([80, 15, 5], 80)] * 3)
    _, (above, _) = show.dance(history, "A", 1)
    assert [line.get_label() for line in above.lines] == ["recall of a", "recall of b"]
    _, axes = show.notes_score(dancing.notes(history), ["C", 0])
    assert [ax.get_title(loc="left") for ax in axes] == ["notes of c", "notes of a"]


@pytest.mark.filterwarnings("error")
def test_one_epoch_can_be_seen():
    history = counts_over_epochs([([80, 15, 5], 80)] * 3).isel(epoch=[0])
    figure, (above, below) = show.dance(history, "a", "b")
    assert all(line.get_marker() not in ("", "None", None) for line in (*above.lines, *below.lines))
    figure.canvas.draw()


def test_a_score_has_a_staff_for_each_class_and_a_note_for_each_epoch():
    history = counts_over_epochs([([80, 15, 5], 100), ([80, 5, 15], 100), ([100, 0, 0], 100)])
    _, axes = show.notes_score(dancing.notes(history), ["a", "c"])
    drawn = {(int(x), int(y)) for line in axes[0].lines for x, y in zip(*line.get_data(), strict=True)}
    assert drawn == {(1, 1), (2, 2), (3, -2)}
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["none", "a", "b", "c"]


def test_marks_are_the_papers_and_the_same_in_both_figures():
    """Figures 6 and 7 of the paper: DOG a red cross, BIRD a black rectangle, CAT pink."""
    names = ["plane", "car", "bird", "cat", "deer", "dog"]
    cat_rows = [[0, 0, 0, 80, 0, 20], [0, 0, 20, 80, 0, 0], [0, 0, 0, 80, 0, 20]]
    counts = np.repeat(np.array(cat_rows)[:, None], 6, axis=1)
    table = xr.DataArray(counts, dims=("epoch", *CELLS), coords={"true": names, "predicted": names})
    history = xr.Dataset({"end_counts": table}).assign_coords(epoch=[1, 2, 3])
    _, (_, below) = show.dance(history, "cat", "dog", interferers=2)
    dance = {line.get_label().split()[-1]: (line.get_marker(), line.get_color()) for line in below.lines}
    assert dance == {"dog": ("x", "red"), "bird": ("s", "black")}
    _, (staff,) = show.notes_score(dancing.notes(history), ["cat"])
    score = {names[int(line.get_ydata()[0])]: (line.get_marker(), line.get_color()) for line in staff.lines}
    assert score == dance


def test_tiles_lead_to_their_claims_in_a_row_for_each_chapter():
    comes_to = {"C01": "mostly supported", "C02": "depends on batch-norm", "C06": "contradicted"}
    over = {"C01": "holds in some readings measured", "C06": "depends on unit"}
    shown = verdict_table.tiles(pd.Series(comes_to), pd.Series(over), "claims.html").data
    rows = re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", shown)
    assert [(chapter, re.findall(r'href="(.*?)"', row)) for chapter, row in rows] == [
        ("the CCTM", ["claims.html#C01", "claims.html#C02"]),
        ("flat or sharp", ["claims.html#C06"]),
    ]
    told = re.findall('title="(.*?)">(.*?) (.)</a>', shown)
    assert [(title.split(": ")[0], *tile) for title, *tile in told] == [
        ("C01, mostly supported", "C01", "✓"),
        ("C02, depends on batch-norm", "C02", "⇄"),
        ("C06, contradicted; depends on unit", "C06", "✗"),
    ]
    assert re.findall('<a class="turned" href="claims.html#(.*?)"', shown) == ["C06"]
    assert all(html.escape(claims.CLAIMS[id].statement) in title for title, id, _ in told)
    assert len(set(re.findall("<a [^>]*background:(#[0-9a-f]+)", shown))) == 3


def test_the_table_of_claims_shows_parts_numbers_and_links_and_escapes_text(monkeypatch):
    said = replace(claims.CLAIMS["C01"], statement="statement <C01>")
    monkeypatch.setitem(claims.CLAIMS, "C01", said)
    row = dict.fromkeys(("counts", "batch_norm", "unit", "range", "own_classes"), "") | {"claim": "C01", "epochs": "30"}
    known = {"answer": "supported", "value": 9.0, "low": 7.4, "high": 10.9, "smallest": "rate", "seeds": 3}
    known |= {"note": "lowest in 9% of the drawings"}
    missing = known | dict.fromkeys(("value", "low", "high"), np.nan) | {"answer": "not there"}
    bounded = known | {"value": np.nan, "low": -np.inf, "answer": "undecided", "seeds": 1, "note": ""}
    named = {"vgg19": known, "dla": missing, "resnet18": bounded}
    parts = pd.DataFrame([row | {"what": name} | told for name, told in named.items()])
    comes_to, over = pd.Series({"C01": "mixed"}), pd.Series({"C01": "holds in none"})
    shown = verdict_table.claims_table(parts, comes_to, over, "cifar10")
    assert '<a href="cctm-cifar10.html#which-classes-are-recognised-worst">C01</a>' in shown.data
    assert "statement &lt;C01&gt;" in shown.data
    assert "≈ mixed" in shown.data
    assert "<summary>1 supported, 1 undecided, 1 not there</summary>" in shown.data
    assert "VGG19 (30 epochs): supported; 9 (7.4 to 10.9) percentage points, held against 0.5" in shown.data
    assert "held against 0.5, 3 seeds; lowest in 9% of the drawings" in shown.data
    assert "<li>DLA (30 epochs): not there</li>" in shown.data
    assert "ResNet18 (30 epochs): undecided; at most 10.9 percentage points, held against 0.5</li>" in shown.data
    assert "By the earlier rules: reproduced." in shown.data


def test_times_are_stacked_by_what_they_were_spent_on():
    table = pd.DataFrame(
        {
            "run": ["a", "a", "a", "b"],
            "kind": ["training", "space", "space", "training"],
            "seconds": [600, 60, 120, 1200.0],
        }
    )
    _, ax = times(table)
    lengths = {(bar.get_y() + bar.get_height() / 2, bar.get_x()): bar.get_width() for bar in ax.patches}
    assert lengths == {(0.0, 0.0): 10.0, (0.0, 10.0): 3.0, (1.0, 0.0): 20.0, (1.0, 20.0): 0.0}
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


@pytest.mark.parametrize("count", [3, 10, 20, 40])
def test_long_names_of_classes_neither_overlap_nor_leave_the_figure(count):
    names = [f"ankle boot with laces and a heel, number {each}" for each in range(count)]
    coords = {"direction": names, "other": names}
    for figure, ax in (
        show.cctm_heatmap(cctm(np.ones((count, count), int), names)),
        show.matrix(xr.DataArray(np.eye(count), dims=[*coords], coords=coords), "cosine"),
        show.recall_dots({"net": xr.DataArray(np.ones(count), dims="true", coords={"true": names})}),
    ):
        figure.draw_without_rendering()
        across = [label.get_window_extent() for label in ax.get_xticklabels()]
        assert all(one.x1 <= other.x0 for one, other in itertools.pairwise(across))
        down = [label.get_window_extent() for label in ax.get_yticklabels()]
        assert all(one.y0 >= other.y1 or one.y1 <= other.y0 for one, other in itertools.pairwise(down))
        room = figure.bbox
        for box in (*across, *down, ax.xaxis.label.get_window_extent()):
            assert room.x0 <= box.x0 <= box.x1 <= room.x1
            assert room.y0 <= box.y0 <= box.y1 <= room.y1
        assert len({label.get_text() for label in ax.get_xticklabels()}) == len(across)


def test_a_brief_name_has_the_ends_of_a_long_one():
    assert [brief("ankle boot with laces", widest) for widest in (21, 20, 14)] == [
        "ankle boot with laces",
        "ankle boot…ith laces",
        "ankle b…laces",
    ]
    assert brief("$5 and $10 apiece", 8) == r"\$5 a…ece"


@pytest.mark.parametrize("count", [2, 10, 20, 40])
def test_numbers_have_room_in_their_cells(count):
    values = np.full((count, count), -0.25)
    matrix = xr.DataArray(values, dims=("direction", "other"), coords={"direction": list(map(str, range(count)))})
    for figure, ax in (
        show.matrix(matrix, "cosine"),
        show.cctm_heatmap(cctm(np.ones((count, count), int), range(count))),
    ):
        figure.canvas.draw()
        cell = ax.transData.transform((1, 0))[0] - ax.transData.transform((0, 0))[0]
        assert max((text.get_window_extent().width for text in ax.texts), default=0) <= 0.95 * cell


def test_responses_draw_what_is_known_of_each_dose():
    known = [Estimate(1, 0.5, 2), Estimate(3, math.nan, math.nan), Estimate(math.nan, math.nan, math.nan)]
    areas = [Bounds(2, 1, 4), Bounds(math.nan, 5, math.inf), Bounds(math.nan, 0, math.inf)]
    _, (one, other) = doses.responses([0, 0.1, 0.4], {"called": known, "flat area": areas})
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for ax in (one, other) for line in ax.lines]
    assert drawn == [([0, 10], [1, 3]), ([0], [2])]
    assert [[arrow.xyann for arrow in ax.texts] for ax in (one, other)] == [[], [(10, 5)]]
    bars = [[segment.tolist() for segment in ax.collections[0].get_segments()] for ax in (one, other)]
    assert bars == [[[[0, 0.5], [0, 2]]], [[[0, 1], [0, 4]]]]


def test_ticks_of_a_plane_are_short_and_alike_on_both_sides():
    rates = xr.DataArray(np.zeros((3, 3)), dims=("theta1", "theta2"), attrs={"first": "a", "second": "b"})
    rates = rates.assign_coords(theta1=[-1e-3, 0, 1e-3], theta2=[-1e-3, 0, 1e-3])
    _, (ax,) = show.contours({"plane": rates})
    told = [ax.xaxis.get_major_formatter()(value, 0) for value in (-2.5e-3, 2.5e-3, 0, -5e-4, 2.5e-4, 12.5)]
    assert told == ["−0.0025", "0.0025", "0", "−5e−4", "2.5e−4", "12.5"]

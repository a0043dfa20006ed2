"""What a user names is text in every figure and page: it adds no element, no attribute and no math."""

import html
import io
import json
import re
import xml.etree.ElementTree as ET
from base64 import b64decode
from html.parser import HTMLParser
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from IPython.core.interactiveshell import InteractiveShell
from myst_nb.core.variables import format_plain_text

from ciutils import show
from ciutils.analyse import confusion, dancing
from ciutils.counts import CELLS
from ciutils.show import explorer, likeness, page, sharing, text
from reproduction.claims import table as verdict_table

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    r"$\frac{",
    "$a$ and $b$",
    "a_b*c*",
    "_hidden",
    "`backticks`",
    "[x](javascript:alert(1))",
    "{name} %{x}",
    """both " and ' quotes""",
    "</script><script>alert(1)</script>",
    "seventy-three characters of a name that goes on and on until it ends here",
    "שלום עולם",
    "猫と犬",
    "&lt;b&gt;",
)
PLAIN = tuple(f"class {each}" for each in range(len(HOSTILE)))


def cells(names, epochs=None):
    shape = (len(names), len(names)) if epochs is None else (epochs, len(names), len(names))
    counts = np.random.default_rng(0).integers(1, 50, shape)
    dims = CELLS if epochs is None else ("epoch", *CELLS)
    return xr.DataArray(counts, dims=dims, coords={"true": list(names), "predicted": list(names)})


def history(names):
    return xr.Dataset({"end_counts": cells(names, 8), "test_counts": cells(names, 8)}).assign_coords(epoch=range(1, 9))


def plane(names, classes=False):
    grid = {"theta1": np.linspace(-1, 1, 5), "theta2": np.linspace(-1, 1, 5)} | (
        {"true": list(names)} if classes else {}
    )
    values = np.random.default_rng(1).random([len(each) for each in grid.values()])
    return xr.DataArray(values, dims=tuple(grid), coords=grid, attrs={"first": names[0], "second": names[1]})


def space(names):
    counts = np.random.default_rng(2).integers(1, 9, (5, 5, len(names), len(names)))
    grid = ("theta1", "theta2")
    return xr.Dataset(
        {
            "counts": ((*grid, *CELLS), counts),
            "loss_sum": ((*grid, "true"), counts.sum(-1) / 2),
            "undefined": (grid, np.zeros((5, 5), int)),
            "done": ("theta1", np.ones(5, bool)),
        },
        coords=dict(plane(names).coords) | {"true": list(names), "predicted": list(names)},
        attrs=dict.fromkeys(("norm1", "norm2", "weight_norm"), 1.0)
        | {"cosine": 0.1, "first": names[0], "second": names[1]},
    )


def by_pair(names, made):
    return {(names[0], f"{one}-{other}"): made for one, other in zip(names[::2], names[1::2], strict=True)}


def lines(names):
    angles = xr.DataArray([0.1, 0.2], dims="angle", coords={"angle": [0, 90]})
    return {names[0]: dict.fromkeys(names, angles), names[1]: dict.fromkeys(names, angles)}


def rates(names):
    values = np.broadcast_to(np.linspace(0.1, 0.9, len(names))[:, None], (20, len(names), 3))
    return xr.DataArray(
        values, dims=("draw", "pair", "rate"), coords={"pair": list(names), "rate": ["shared", "own", "both"]}
    )


def similar(names):
    values = np.random.default_rng(3).random((len(names), len(names)))
    return xr.DataArray(values, dims=("true", "other"), coords={"true": list(names), "other": list(names)})


FIGURES = {
    "cctm_heatmap": lambda names: show.cctm_heatmap(confusion.cctm(cells(names)), title=names[0]),
    "cctm_heatmaps": lambda names: show.cctm_heatmaps({names[0]: confusion.cctm(cells(names))}),
    "recall_dots": lambda names: show.recall_dots(dict.fromkeys(names[:2], confusion.recall(cells(names)))),
    "error_share": lambda names: show.error_share(dict.fromkeys(names, np.array([0.5, 1.0])), 0.5),
    "matrix": lambda names: show.matrix(similar(names), "cosine", names[0]),
    "dance": lambda names: show.dance(history(names), names[0], names[1], interferers=len(names)),
    "notes_score": lambda names: show.notes_score(dancing.notes(history(names)), names[:3]),
    "surfaces": lambda names: show.surfaces(by_pair(names, plane(names))),
    "contours": lambda names: show.contours(by_pair(names, plane(names)), 0.05),
    "class_surfaces": lambda names: show.class_surfaces(plane(names, True), "loss"),
    "class_maps": lambda names: show.class_maps(plane(names, True), "loss"),
    "sensitivities": lambda names: show.sensitivities(lines(names)),
    "likeness.shares": lambda names: likeness.shares(dict.fromkeys(names, confusion.cctm(cells(names)))),
    "likeness.cells": lambda names: likeness.cells(
        (names[0], confusion.cctm(cells(names))), {names[1]: confusion.cctm(cells(names))}, list(pairwise(names))
    ),
    "likeness.directions": lambda names: likeness.directions(
        {names[0]: confusion.cctm(cells(names))}, list(pairwise(names))
    ),
    "sharing.dumbbells": lambda names: sharing.dumbbells({1: rates(names), 5: rates(names)}),
}
"""Every figure of `show`, given names."""


def svg_of(figures):
    """The kinds of elements and attributes of figures as SVG, and all their text, without what breaks lines."""
    elements = []
    for figure in figures if isinstance(figures, list) else [figures]:
        content = io.BytesIO()
        with plt.rc_context({"svg.fonttype": "none"}):
            figure.savefig(content, format="svg")
        elements += ET.fromstring(content.getvalue()).iter()
    kinds = {(each.tag, attribute) for each in elements for attribute in ("", *each.attrib)}
    return kinds, squeezed("".join(each.text or "" for each in elements))


def squeezed(text):
    return "".join(text.split())


def test_every_figure_is_tried():
    drawn = set(show.__all__) - {"counted", "display", "heat_table", "in_figure", "number", "pictures", "tell"}
    assert {name for name in FIGURES if "." not in name} == drawn


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.parametrize("name", FIGURES)
def test_names_are_text_in_every_figure(name):
    kinds, shown = svg_of(FIGURES[name](HOSTILE)[0])
    expected, _ = svg_of(FIGURES[name](PLAIN)[0])
    assert kinds == expected
    for each in HOSTILE:
        assert any(form in shown.upper() for form in forms(each)), each


def forms(name):
    """How figures may write it: in capitals or not, whole, or its beginning and end where there is no room for all."""
    whole = squeezed(name).upper()
    ends = range(4, len(whole) - 4)
    return [whole, *(f"{whole[:one]}…{whole[-other:]}" for one in ends for other in ends if one + other < len(whole))]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_read_on_a_phone(name):
    """Its text is at least 9 pixels high on a page of 358."""
    figures, _ = FIGURES[name](PLAIN)
    shown = page.pictures(figures if isinstance(figures, list) else [figures], name).data
    told = re.findall('width="(.*?)".*?data-smallest-text="(.*?)"', shown)
    assert told
    assert min(min(358, int(width)) * float(share) for width, share in told) >= 9


INTERACTIVE = {
    "planes": lambda names: explorer.planes({(names[0], names[1], names[2]): space(names)}),
    "dance": lambda names: explorer.dance({names[0]: history(names), names[1]: history(names)}, (0, 1)),
}


@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.parametrize("name", INTERACTIVE)
def test_names_are_text_in_interactive_figures(name):
    """What the script makes of them is tested in a browser."""
    hostile, plain = (Elements(INTERACTIVE[name](names).data) for names in (HOSTILE, PLAIN))
    assert hostile.found == plain.found
    assert {each for element in hostile.found for each in element} & {"onerror", "onclick"} == set()
    shown = hostile.text + html.unescape(INTERACTIVE[name](HOSTILE).data)
    assert all(each in shown or json.dumps(each)[1:-1] in shown for each in HOSTILE[:3])


class Elements(HTMLParser):
    """The elements of a page with their attributes' names, and its text."""

    def __init__(self, content):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, *(key for key, _ in attrs)))

    def handle_data(self, data):
        self.text += data


def artifact(name):
    made = {
        "configuration": {"network": "net", "setup": "big-lr", "epochs": 3, "width": 1, "seed": 0, "dataset": name},
        "data_sha256": "d" * 64,
        "git_commit": "c" * 40,
        "git_dirty": False,
        "device_name": "abacus",
        "versions": {"torch": "2"},
        "seconds": 3.0,
        "started": "2020-01-01T00:00:00+00:00",
    }
    return xr.Dataset(attrs={"provenance": json.dumps(made)})


def test_names_are_text_in_tables_and_in_the_line_below(displayed):
    def shown(names):
        as_long = 40 * "x "  # tables of short and of long entries are drawn otherwise
        table = pd.DataFrame({each: {other: f"{each}, {other}, {as_long}" for other in names} for each in names})
        show.display(table, artifact(f"folder:/data/{names[0]}"))
        return Elements("".join(each.data for each in displayed[-2:]))

    hostile, plain = shown(HOSTILE), shown(PLAIN)
    assert hostile.found == plain.found
    assert all(each in hostile.text for each in HOSTILE)
    assert f"folder:/data/{HOSTILE[0]}" in hostile.text
    assert all(
        set(each._repr_mimebundle_() if hasattr(each, "_repr_mimebundle_") else ()) == set() for each in displayed
    )


def test_math_in_names_is_not_typeset(displayed):
    """MathJax, in a page of the book as in a notebook, leaves elements of these classes alone."""
    show.display(pd.DataFrame({"a": ["$x$"]}), artifact("$x$"))
    for each in displayed:
        assert "mathjax_ignore" in each.data
        assert "tex2jax_ignore" in each.data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_prose_quotes_is_that_name(name):
    """What `tell` keeps is a text's plain form; the book puts it into a page as text."""
    kept, _ = InteractiveShell().display_formatter.format(name)
    assert set(kept) == {"text/plain"}
    assert format_plain_text(kept["text/plain"], "s") == name


def test_a_figure_whose_characters_no_font_here_has_is_drawn_with_the_readers(displayed, recwarn):
    def address(names):
        show.display(show.matrix(similar(names), "cosine")[0], artifact("digits"))
        return re.search('src="(.*?)"', displayed[-2].data)[1]

    assert address("ab").startswith("data:image/png;base64,")
    kind, _, content = address(["猫", "\U0001f98a"]).partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert {"猫", "\U0001f98a"} <= {each.text for each in ET.fromstring(b64decode(content)).iter()}
    assert not recwarn.list


def test_names_are_text_in_the_table_of_claims():
    def table(names):
        row = {"claim": "C01", "epochs": "30", "answer": "supported", "value": 2.0, "low": 1.0, "high": 3.0, "seeds": 1}
        row |= {"smallest": "rate"} | dict.fromkeys(("counts", "batch_norm", "unit", "range", "own_classes"), "")
        parts = pd.DataFrame([row | {"what": each, "note": each} for each in names])
        shown = verdict_table.claims_table(parts, pd.Series({"C01": "mixed"}), pd.Series({"C01": "holds in none"}), "x")
        return Elements(shown.data)

    assert table(HOSTILE).found == table(PLAIN).found
    assert all(each in table(HOSTILE).text for each in HOSTILE)


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (25.6, ".1f", "25.6"),
        (-0.256, ".2f", "−0.26"),
        (-0.001, ".2f", "0.00"),
        (-0.0, "+.1f", "0.0"),
        (-2e-7, ".1g", "−2e−07"),
        (np.nan, ".1f", "undefined"),
        (np.inf, ".1f", "undefined"),
    ],
)
def test_numbers_have_a_true_minus_and_what_is_none_is_called_undefined(value, form, shown):
    assert show.number(value, form) == shown


@pytest.mark.parametrize(("count", "told"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs")])
def test_one_thing_is_told_apart_from_many(count, told):
    assert show.counted(count, "epoch") == told


def test_two_long_names_stay_apart():
    first, second = (text.in_figure("a" * 70 + each) for each in "bc")
    assert first != second
    assert max(map(len, first.split("\n"))) <= text.WIDEST

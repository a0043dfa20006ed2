"""Show figures and tables in a notebook, each with a line on where its artifacts come from."""

from __future__ import annotations

import html
import io
import itertools
import math
import re
import warnings
from collections.abc import Sequence
from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython import display as ipython
from IPython.core.formatters import format_display_data
from IPython.display import HTML
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ciutils import provenance
from ciutils.show import text
from ciutils.show.axes import DARK, in_the_dark, readable_on

_GLUED = "application/papermill.record/"
"""Of what myst-nb reads from a page, and another page, by its name; see its `glue`, which takes Sphinx."""

LONGEST_WHOLE, LONGEST_NAME, LONGEST_SHORT = 16, 24, 30
"""Characters of a table's longest entry up to which no entry is broken into lines; of an entry with a hyphen, or of a
number and its uncertainty, up to which it is not; of the longest entry beside the names of a table's rows beyond which
a phone shows a list."""


def display(
    shown: Figure | Sequence[Figure] | pd.DataFrame | HTML,
    *artifacts: xr.Dataset | xr.DataArray,
    alt: str = "",
    name: str = "",
    fold: str = "",
) -> None:
    """Display figures or a table in a notebook, and under it one line on where its `artifacts` come from: published
    ones, or anybody's own.

    alt: what figures show, for those who do not see them. Several figures lie side by side as far as a page is wide.
    name: with one, `tell` keeps what was displayed, so that another page can show the same. fold: a line below which
    all of it is folded; in print it is open. A table's entries are text, whatever is in them; its index is shown unless
    it only counts rows; one that is wider than the page scrolls. Nothing is returned, which a notebook would show once
    more. Raises ValueError for what is none of these. Book: every chapter.
    """
    if isinstance(shown, HTML):
        rendered = shown
    elif isinstance(shown, pd.DataFrame):
        rendered = _table(shown)
    else:
        figures = [shown] if isinstance(shown, Figure) else list(shown)
        if not figures or not all(isinstance(each, Figure) for each in figures):
            raise ValueError(
                f"shown is a {type(shown).__name__}: give figures, a DataFrame or HTML, artifacts after them"
            )
        rendered = pictures(figures, alt)
    told = source(*artifacts)
    if fold:
        inside = f"<summary>{html.escape(fold)}</summary>{rendered.data}{told.data}"
        ipython.display(HTML(f'<details class="folded">{inside}</details>'))
    else:
        ipython.display(rendered, told)
    if name:
        tell(**{name: rendered})


def heat_table(values: pd.DataFrame, form: str, caption: str) -> HTML:
    """A table of numbers in the format `form`, coloured by them: violet below zero, white at it, orange above."""
    highest = max(values.abs().max().max(), 1e-9)
    colours = plt.get_cmap("PuOr_r")

    def style(value: float) -> str:
        colour = colours(0.5 + 0.5 * value / highest)
        return f"background: {to_hex(colour)}; color: {readable_on(colour)}" if math.isfinite(value) else ""

    styled = values.style.map(style).format(lambda value: text.number(value, form)).hide(names=True)
    for axis in (0, 1):
        styled = styled.format_index(escape="html", axis=axis)
    styled = styled.set_caption(html.escape(caption))
    return _scrolling(styled.to_html(table_attributes=f'class="dataframe heat {text.PLAIN}"'), caption)


def _table(table: pd.DataFrame) -> HTML:
    lengths = table.astype(str).map(len).to_numpy()
    index = not isinstance(table.index, pd.RangeIndex)
    told = lengths if index else lengths[:, 1:]  # beside the names of rows, which may be long above short entries
    whole = lengths.max(initial=0) <= LONGEST_WHOLE
    listed = told.shape[1] > 1 and told.max(initial=0) > LONGEST_SHORT  # one column has room to break lines
    kind = "whole-entries" if whole else "long-entries" if listed else None
    with pd.option_context("display.max_colwidth", None, "display.html.use_mathjax", False):
        drawn = table.to_html(index=index, border=0, index_names=False, classes=kind)
    if kind == "long-entries":
        heads = itertools.cycle(html.escape(str(head)) for head in table.columns)
        drawn = re.sub("<td>", lambda _: f'<td data-head="{next(heads)}">', drawn)
    return _scrolling(_BREAKABLE.sub(_unbroken, drawn), ", ".join(map(str, table.columns)))


_BREAKABLE = re.compile("<(t[dh])([^>]*)>([^<]*[-±][^<]*|[−≥≤]?[0-9][^<]*)<")


def _unbroken(cell: re.Match[str]) -> str:
    """Browsers break lines at hyphens and spaces: "anneal-lr", "7e-08", "167 ± 18", "14.0% (11.9 to 16.2)". A list,
    "94.7%, 2: truck, ship", may be broken."""
    one = len(html.unescape(cell[3])) <= LONGEST_NAME and ", " not in cell[3]
    return f'<{cell[1]}{cell[2]} class="whole">{cell[3]}<' if one else cell[0]


def _scrolling(table: str, what: str) -> HTML:
    return HTML(f'<div class="wide" tabindex="0" role="group" aria-label="table: {html.escape(what)}">{table}</div>')


def source(*artifacts: xr.Dataset | xr.DataArray) -> HTML:
    """The line on where `artifacts` come from, folded."""
    told = text.in_page(provenance.line(*artifacts))
    return HTML(f'<details class="source"><summary>where from</summary>{told}</details>')


def pictures(figures: Sequence[Figure], alt: str) -> HTML:
    """Figures as images that lie side by side as far as a page is wide.

    Of several, `alt` says what they are together, and the label of each what it is by itself. Book: every chapter.
    """
    if len(figures) == 1:
        return HTML(_picture(figures[0], alt, _ALONE))
    each = "".join(_picture(figure, str(figure.get_label()), _BESIDE) for figure in figures)
    style = "display: flex; flex-wrap: wrap; align-items: flex-start; gap: 10px"
    return HTML(f'<div role="group" aria-label="{html.escape(alt)}" style="{style}">{each}</div>')


_ALONE, _BESIDE = 110, 80
"""Pixels of the page that an inch of a figure takes, as far as the page has them."""


def _picture(figure: Figure, alt: str, scale: int) -> str:
    """The figure twice, for a light page and, seen only where the book's style shows it, for a dark one.

    Both carry how high the smallest text is, as a share of the width.
    """
    plt.close(figure)  # else a notebook shows it once more
    width, height = (round(scale * inches) for inches in figure.get_size_inches())
    known = (
        f'alt="{html.escape(alt)}" width="{width}" height="{height}" data-smallest-text="{_smallest_text(figure):.4f}" '
        'style="max-width: 100%; height: auto'
    )
    light = f'<img class="figure" {known}" src="{_drawn(figure, scale, "white")}">'
    layout = figure.get_layout_engine()
    figure.set_layout_engine("none")  # nothing moves for another colour; to find it again takes as long as to draw
    with in_the_dark(figure):
        dark = _drawn(figure, scale, DARK)
    figure.set_layout_engine(layout)
    return f'{light}<img class="figure dark" loading="lazy" {known}; display: none" src="{dark}">'


def _drawn(figure: Figure, scale: int, ground: str) -> str:
    """The address of the figure on a ground of this colour, as PNG, or as SVG, drawn with the reader's own fonts, if
    none here has all of its characters."""
    content, kind = io.BytesIO(), "png"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph .* missing from font")
        try:
            figure.savefig(content, format="png", dpi=2 * scale, facecolor=ground, transparent=True)
            content = _few_colours(content)
        except UserWarning:
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            content, kind = io.BytesIO(), "svg+xml"
            with plt.rc_context({"svg.fonttype": "none"}):
                figure.savefig(content, format="svg", facecolor=ground, transparent=True)
    return text.address(content.getvalue(), kind)


def _few_colours(png: io.BytesIO) -> io.BytesIO:
    """The same picture in 256 colours, which takes a third of the bytes; its ground keeps its own."""
    small, corner = io.BytesIO(), (0, 0)
    every = Image.open(png).convert("RGB")
    few = every.quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette, ground = few.getpalette() or [], 3 * cast(int, few.getpixel(corner))
    palette[ground : ground + 3] = cast(tuple, every.getpixel(corner))
    few.putpalette(palette)
    few.save(small, "PNG", optimize=True)
    return small


def _smallest_text(figure: Figure) -> float:
    """The size of the smallest text, an exponent's being 0.7 of its line's, over the figure's width."""
    points = [
        float(each.get_fontsize()) * (0.7 if each.get_parse_math() and is_math_text(each.get_text()) else 1)
        for each in cast(list[Text], figure.findobj(Text))
        if each.get_visible() and each.get_text().strip()
    ]
    return min(points, default=72) / 72 / float(figure.get_size_inches()[0])


def tell(**values: object) -> None:
    """Keep numbers, texts and pictures under their names, for the text of this page and of others.

    Book: every chapter.
    """
    for name, value in values.items():
        shown, metadata = format_display_data(value.item() if isinstance(value, np.generic) else value)
        told = {f"{_GLUED}{kind}": content for kind, content in shown.items()}
        ipython.display(told, raw=True, metadata=metadata | {"scrapbook": {"name": name, "mime_prefix": _GLUED}})

"""What the pictures share: axes, panels, colours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, to_rgba_array
from matplotlib.figure import Figure

from ciutils.analyse.responses import grouped
from ciutils.show.text import brief, in_figure, rounded

INTERFERENCE_COLOURS = "magma_r"
"""Perceptually uniform, dark where interference is high, as in the paper's heat maps."""

LEFT_OUT = "#b0b0b0"
"""Of cells without a value: a grey that is none of these colours, on a light ground and on a dark one."""


def cell_colours(name: str = INTERFERENCE_COLOURS) -> Colormap:
    """The colours called `name`; a cell without a value is `LEFT_OUT`."""
    return plt.get_cmap(name).with_extremes(bad=LEFT_OUT)


WIDEST, SMALLEST = 4.8, 9
"""Inches of a figure's width, and points of its text, with which it is read on a phone's page of 358 pixels."""


def panels(
    titles: Iterable[str | tuple[str, ...]], size: tuple[float, float], projection: str | None = None
) -> tuple[list[Figure], list[Axes]]:
    """A figure of `size` inches with one panel for each of `titles`, texts or tuples of them; pages lay them side by
    side as far as they fit."""
    figures, axes = [], []
    for each in titles:
        title = ", ".join(map(str, each)) if isinstance(each, tuple) else str(each)
        figure = Figure(figsize=size, layout="constrained", label=title)
        ax = figure.subplots(subplot_kw={"projection": projection})
        ax.set_title(in_figure(title, int(10 * size[0])), fontsize=10)
        figures.append(figure)
        axes.append(ax)
    return figures, axes


def colour_bar(drawn: ScalarMappable, label: str, extend: str = "neither") -> Figure:
    """The one colour scale of several panels, as a figure of its own."""
    low, high = drawn.get_clim()
    scale = ScalarMappable(drawn.norm, drawn.cmap)
    text = in_figure(label, 40)
    height = 0.75 + 0.15 * (1 + text.count("\n"))
    figure = Figure(
        figsize=(3.15, height), layout="constrained", label=f"Colours: {label}, from {rounded(low)} to {rounded(high)}"
    )
    bar = figure.colorbar(scale, cax=figure.subplots(), orientation="horizontal", extend=extend)
    bar.set_label(text)
    return figure


def one_height(axes: Sequence[Axes]) -> None:
    """Give all of `axes` the same vertical scale."""
    lowest, highest = zip(*(ax.get_ylim() for ax in axes), strict=True)
    for ax in axes:
        ax.set_ylim(min(lowest), max(highest))


READABLE = 20
"""Classes up to which a figure shows all; of more it shows those of which most is to be seen, and says so."""


def most_confused(matrices: Collection[np.ndarray]) -> np.ndarray:
    """Positions of the classes that a picture of `matrices` (class, class) shows: all of them, or the `READABLE` that
    the largest cells off their diagonals are of, those with large cells between them beside each other."""
    cells = np.fmax.reduce([off_diagonal(each) for each in matrices])
    if len(cells) <= READABLE:
        return np.arange(len(cells))
    largest = np.argsort(np.nan_to_num(-cells, nan=np.inf), axis=None, kind="stable")[: READABLE**2]
    members = np.column_stack(np.unravel_index(largest, cells.shape)).ravel().tolist()
    chosen = np.array(list(dict.fromkeys(members))[:READABLE])
    return chosen[grouped(cells[chosen][:, chosen])]


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    """`matrix` (class, class) with NaN on its diagonal."""
    return np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)


def name_cells(ax: Axes, names: Iterable[object]) -> None:
    """Name the rows and columns of a drawn matrix, each in one line, as a second would lie on the next name; the more
    there are, the shorter."""
    listed = list(names)
    labels = [brief(name, max(14, min(28, 200 // len(listed)))) for name in listed]
    ax.set_xticks(range(len(labels)), labels, rotation=90, fontsize=SMALLEST)
    ax.set_yticks(range(len(labels)), labels, fontsize=SMALLEST)


def out_of(chosen: Collection[int], classes: Collection[object], why: str) -> str:
    """What an axis says of classes that were chosen: how many of how many, and `why`; nothing if all were."""
    return f" ({len(chosen)} of {len(classes)}: {why})" if len(chosen) < len(classes) else ""


def theta_labels(rate: xr.DataArray, widest: int) -> dict[str, str]:
    """Axis labels that name the directions of a plane, in lines of at most `widest` characters. Raises ValueError if
    `rate` does not tell them."""
    if not {"first", "second"} <= {*rate.attrs}:
        raise ValueError("rates of a plane do not tell its directions: give those of surfaces.mistake_rate(space)")
    named = {"x": rate.attrs["first"], "y": rate.attrs["second"]}
    return {f"{axis}label": in_figure(f"theta, {name}", widest) for axis, name in named.items()}


def readable_on(colour: Sequence[float] | np.ndarray) -> str:
    """Black or white text, whichever has more contrast on `colour` by WCAG 2: at least 4.5."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return "black" if np.dot([0.2126, 0.7152, 0.0722], linear) > 0.179 else "white"


DARK = "#121212"
"""The ground of the book's pages in the dark."""


@contextmanager
def in_the_dark(figure: Figure) -> Iterator[None]:
    """Have `figure` drawn for a dark ground: what has no hue changes places, black with white. What lies on a map of
    colours stays as it is, and so do all colours, which the text may speak of."""
    _turn_ink(figure)
    try:
        yield
    finally:
        _turn_ink(figure)


def _turn_ink(figure: Figure) -> None:
    maps = [ax for ax in figure.axes if ax.images or any(isinstance(each, QuadMesh) for each in ax.collections)]
    legends = [legend for legend in (*figure.legends, *(ax.get_legend() for ax in maps)) if legend and maps]
    kept: set[Artist | None] = {each for ax in maps for each in (*ax.images, *ax.texts, *ax.lines, *ax.collections)}
    kept |= {each for legend in legends for each in legend.legend_handles}
    for artist in set(figure.findobj()) - kept:
        for name, ink in {name: _turned(artist, name) for name in _INKS}.items():
            if ink is not None:
                getattr(artist, f"set_{name}")(ink)


_INKS = "color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"


def _turned(artist: Artist, name: str) -> np.ndarray | None:
    """What a colour of `artist` changes to; None if it has none of this name, or one that its values give."""
    given = getattr(artist, f"get_{name}", lambda: "none")()
    rgba = to_rgba_array(given)
    if not len(rgba) or getattr(artist, "get_array", lambda: None)() is not None:
        return None
    hueless = np.ptp(rgba[:, :3], axis=1) == 0
    rgba[hueless, :3] = 1 - rgba[hueless, :3]
    return rgba if len(rgba) > 1 else rgba[0]

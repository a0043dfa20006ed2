"""Pictures of CCTMs, recalls and shares of errors. Every function returns (figure, axes), or lists of both."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ciutils import checks
from ciutils.counts import CELLS
from ciutils.show.axes import (
    READABLE,
    SMALLEST,
    WIDEST,
    cell_colours,
    colour_bar,
    most_confused,
    name_cells,
    off_diagonal,
    out_of,
    panels,
    readable_on,
)
from ciutils.show.text import brief, in_figure, number

_LARGEST = "those of the largest cells"
_SIZE = WIDEST, 4.5
_ROOMY = 12
"""Classes up to which a cell has room for three digits."""


def cctm_heatmap(cctm: xr.DataArray, title: str = "") -> tuple[Figure, Axes]:
    """Heat map of a CCTM (true, predicted) in percent, its diagonal left out; of the rest the largest is the darkest.

    The text turns white on dark cells; what rounds to zero is left out. Rows without test objects (NaN) stay empty.
    Of more than `axes.READABLE` classes those of the largest cells are shown, grouped by clustering.
    Raises ValueError for what is no rates, such as counts.

    Source: arXiv:2211.01370, Figures 1 and 8. Book: *CCTM*.
    """
    chosen = most_confused([_rates(cctm)])
    figure, ax = plt.subplots(figsize=_SIZE, layout="constrained")
    _draw_cctm(ax, cctm, chosen, _highest([cctm]))
    ax.set_title(in_figure(title), fontsize=10)
    return figure, ax


def cctm_heatmaps(cctms: Mapping[str, xr.DataArray]) -> tuple[list[Figure], list[Axes]]:
    """Heat maps of several CCTMs of the same classes, named by their keys, with one colour scale and choice of classes
    for all: a figure and axes for each, and last of the figures the colour bar. Errors as in `cctm_heatmap`."""
    classes = same_classes(cctms, CELLS)
    chosen = most_confused([_rates(cctm) for cctm in cctms.values()])
    highest = _highest(cctms.values())
    figures, axes = panels(cctms, _SIZE)
    for cctm, ax in zip(cctms.values(), axes, strict=True):
        _draw_cctm(ax, cctm.sel(true=classes, predicted=classes), chosen, highest)
    return [*figures, colour_bar(axes[0].images[0], "share of the true class, percent")], axes


def recall_dots(
    recalls: Mapping[str, xr.DataArray], published: Mapping[str, xr.DataArray] | None = None
) -> tuple[Figure, Axes]:
    """Recall of each class (true) in percent, a marker for each network; published values as hollow markers.

    All of the same classes, in any order. Of more than `axes.READABLE` classes those of the lowest recalls are shown.
    """
    theirs = {f"{name}, the paper": each for name, each in (published or {}).items()}
    classes = same_classes({**checks.by_name(recalls, "recalls"), **theirs}, ("true",))
    figure, ax = plt.subplots(figsize=(WIDEST, 4.6), layout="constrained")
    every = np.stack([recall.sel(true=classes).values for recall in recalls.values()])
    chosen = np.arange(len(classes))
    if len(classes) > READABLE:
        chosen = np.argsort(np.fmin.reduce(every), kind="stable")[:READABLE]
    for position, (name, recall) in enumerate(zip(recalls, every, strict=True)):
        shift = (position - (len(recalls) - 1) / 2) * 0.12
        places = np.arange(len(chosen)) + shift
        (points,) = ax.plot(places, 100 * recall[chosen], "o", ms=6, label=in_figure(name))
        if published and name in published:
            label, colour = in_figure(f"{name}, the paper"), points.get_color()
            values = published[name].sel(true=classes).values[chosen]
            ax.plot(places, 100 * values, "o", ms=6, mfc="none", color=colour, label=label)
    labels = [brief(classes[each], 20) for each in chosen]
    ax.set_xticks(range(len(labels)), labels, rotation=0 if sum(map(len, labels)) <= 40 else 90)
    said = "true class" + out_of(chosen, classes, "those of the lowest recalls")
    ax.set(ylabel="recall, percent", xlabel=in_figure(said, 40))
    ax.grid(axis="y", alpha=0.3)
    ax.legend(ncols=2, fontsize=SMALLEST, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure, ax


def error_share(shares: Mapping[str, np.ndarray], even: float) -> tuple[Figure, Axes]:
    """Cumulative share of all errors held by the first k class pairs, most erring first, for each network.

    shares: (pairs,) cumulative, as `confusion.pair_shares` gives. even: share of one pair if errors spread evenly.
    """
    figure, ax = plt.subplots(figsize=(WIDEST, 3.6), layout="constrained")
    count = max(map(len, shares.values()))
    for name, cumulative in shares.items():
        marker = "." if count <= READABLE**2 else ""
        ax.plot(np.arange(1, len(cumulative) + 1), 100 * np.asarray(cumulative), marker=marker, label=in_figure(name))
    pairs = np.arange(1, count + 1)
    ax.plot(pairs, 100 * even * pairs, "--", color="gray", label="errors spread evenly")
    ax.set(xlabel="class pairs, most errors first", ylabel="share of all errors, percent", ylim=(0, 102))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=SMALLEST, loc="lower right")
    return figure, ax


def matrix(values: xr.DataArray, label: str, title: str = "") -> tuple[Figure, Axes]:
    """Heat map of a matrix of cosines or correlations (class, class), -1 to 1; the diagonal is left out. Of few
    classes the values are written in, where their names leave the room. Of more than `axes.READABLE` classes those of
    the largest values of either sign are shown."""
    checks.array(values, "values", (...,), "responses.shape_similarity")
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(f"values have dims {dict(values.sizes)}: give (class, class), equally many of both")
    names = values[values.dims[0]].values
    chosen = most_confused([np.abs(values.values)])
    figure, ax = plt.subplots(figsize=(WIDEST, 5.0), layout="constrained")
    shown = off_diagonal(values.values)[chosen][:, chosen]
    image = ax.imshow(shown, cmap=cell_colours("PuOr"), vmin=-1, vmax=1)
    if len(chosen) <= _ROOMY:
        # without the zero before the point, for which negative numbers leave no room
        _write_cells(ax, image, shown, lambda value: number(value, ".2f").replace("0.", "."))
    name_cells(ax, names[chosen])
    ax.set_title(in_figure(title, 50), fontsize=10)
    ax.set_xlabel(out_of(chosen, names, _LARGEST))
    figure.colorbar(image, ax=ax, label=label, location="bottom", shrink=0.8, ticks=[-1, -0.5, 0, 0.5, 1])
    _unless_crowded(ax)
    return figure, ax


def _highest(cctms: Iterable[xr.DataArray]) -> float:
    """The largest rate beside the diagonals, which is the dark end of the colours."""
    return max(float(np.nanmax(off_diagonal(cctm.values), initial=0.0)) for cctm in cctms)


def _draw_cctm(ax: Axes, cctm: xr.DataArray, chosen: np.ndarray, highest: float) -> None:
    classes = cctm["true"].values
    rates = 100 * off_diagonal(cctm.values)[chosen][:, chosen]
    image = ax.imshow(rates, cmap=cell_colours(), vmin=0, vmax=max(100 * highest, 1e-9))
    digits = 1 if len(chosen) <= _ROOMY else 0
    written = np.where(rates.round(digits) > 0, rates, np.nan)
    _write_cells(ax, image, written, lambda rate: number(rate, f".{digits}f"))
    name_cells(ax, classes[chosen])
    ax.set(xlabel=in_figure("predicted class" + out_of(chosen, classes, _LARGEST), 40), ylabel="true class")
    _unless_crowded(ax)


def _write_cells(ax: Axes, image: AxesImage, values: np.ndarray, told: Callable[[float], str]) -> None:
    """The values into their cells, as `told`, as far as they are defined."""
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = readable_on(image.cmap(image.norm(value)))
            ax.text(column, row, told(value), ha="center", va="center", fontsize=SMALLEST, color=colour)


def _unless_crowded(ax: Axes) -> None:
    """Leave what is written in cells out if some of it is wider than they are: two would read as one."""
    with warnings.catch_warnings():  # of letters that no font has here: who displays the figure sees to them
        warnings.simplefilter("ignore")
        ax.figure.draw_without_rendering()  # type: ignore[union-attr]  # of no subfigure; it finds the layout
    cell = ax.get_window_extent().width / len(ax.get_xticks())
    if max((text.get_window_extent().width for text in ax.texts), default=0) > 0.9 * cell:
        for text in list(ax.texts):
            text.remove()


def _rates(cctm: xr.DataArray) -> np.ndarray:
    checks.array(cctm, "rates", CELLS, "confusion.cctm")
    if ((cctm < 0) | (cctm > 1)).any():
        raise ValueError(
            f"rates reach from {float(cctm.min()):g} to {float(cctm.max()):g}: give confusion.cctm(counts)"
        )
    return cctm.values


def same_classes(measured: Mapping[str, xr.DataArray], dims: tuple[str, ...]) -> list:
    """The classes of all that is `measured`, each of dimensions `dims`, in the order of the first."""
    first = next(iter(checks.by_name(measured, "networks")))
    for name, each in measured.items():
        checks.array(each, f"values of {name}", dims, "analyse.confusion")
        if set(each["true"].values) != set(measured[first]["true"].values):
            raise ValueError(f"{name} is of other classes than {first}: give those of one data set")
    return list(measured[first]["true"].values)

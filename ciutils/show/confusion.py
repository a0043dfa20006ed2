"""Pictures of CCTMs, recalls and shares of errors. Every function returns (figure, axes)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ciutils.show.axes import INTERFERENCE_COLOURS, figure_and_axes, names_as_written, readable_on


@names_as_written
def cctm_heatmap(
    cctm: xr.DataArray, highest: float | None = None, title: str = "", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Heat map of a CCTM (true, predicted) in percent, its diagonal left out.

    highest: the rate at the dark end of the colours; by default the largest off-diagonal one. Give one value to
    several heat maps to make their colours comparable. Rates are written into cells of up to 20 classes; the text
    turns white on dark cells. Rows without test objects (NaN) stay empty.

    Source: arXiv:2211.01370, Figures 1 and 8. Book: chapter *CCTM*.
    """
    figure, ax = figure_and_axes(ax, (5.6, 5.2))
    classes = cctm["true"].values
    rates = 100 * cctm.values
    np.fill_diagonal(rates := rates.copy(), np.nan)
    top = 100 * highest if highest is not None else np.nanmax(rates, initial=0.0)
    image = ax.imshow(rates, cmap=INTERFERENCE_COLOURS, vmin=0, vmax=max(top, 1e-9))
    ax.set_xticks(range(len(classes)), classes, rotation=90)
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="predicted class", ylabel="true class", title=title)
    if len(classes) <= 20:
        for (row, column), rate in np.ndenumerate(rates):
            if np.isfinite(rate) and rate > 0:
                ax.text(
                    column,
                    row,
                    f"{rate:.1f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=readable_on(image.cmap(image.norm(rate))),
                )
    return figure, ax


@names_as_written
def cctm_heatmaps(cctms: dict[str, xr.DataArray], columns: int = 2) -> tuple[Figure, np.ndarray]:
    """Heat maps of several CCTMs, named by their keys, with one colour scale for all; returns an axes for each."""
    highest = max(float(np.nanmax(_off_diagonal(cctm), initial=0.0)) for cctm in cctms.values())
    columns = min(columns, len(cctms))
    rows = -(-len(cctms) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.9 * columns + 0.8, 4.9 * rows), squeeze=False, layout="constrained"
    )
    drawn, empty = axes.flat[: len(cctms)], axes.flat[len(cctms) :]
    for (name, cctm), ax in zip(cctms.items(), drawn, strict=True):
        cctm_heatmap(cctm, highest, name, ax)
    for ax in empty:
        ax.remove()
    figure.colorbar(drawn[0].images[0], ax=list(drawn), label="share of the true class, percent", shrink=0.7)
    return figure, drawn


@names_as_written
def recall_dots(
    recalls: dict[str, xr.DataArray], published: dict[str, xr.DataArray] | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Recall of each class (true) in percent, a marker for each network; published values as hollow markers."""
    figure, ax = figure_and_axes(ax, (7.2, 4.0))
    classes = next(iter(recalls.values()))["true"].values
    for position, (name, recall) in enumerate(recalls.items()):
        shift = (position - (len(recalls) - 1) / 2) * 0.12
        places = np.arange(len(classes)) + shift
        (points,) = ax.plot(places, 100 * recall.values, "o", ms=6, label=name)
        if published and name in published:
            ax.plot(
                places,
                100 * published[name].values,
                "o",
                ms=6,
                mfc="none",
                color=points.get_color(),
                label=f"{name}, the paper",
            )
    ax.set_xticks(range(len(classes)), classes)
    ax.set(ylabel="recall, percent", xlabel="true class")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(ncols=len(recalls), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure, ax


def error_share(shares: dict[str, np.ndarray], even: float, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Cumulative share of all errors held by the first k class pairs, most erring first, for each network.

    shares: (pairs,) cumulative, as `confusion.pair_shares` gives. even: share of one pair if errors spread evenly.
    """
    figure, ax = figure_and_axes(ax, (7.2, 4.0))
    for name, cumulative in shares.items():
        ax.plot(np.arange(1, len(cumulative) + 1), 100 * np.asarray(cumulative), marker=".", label=name)
    pairs = np.arange(1, max(map(len, shares.values())) + 1)
    ax.plot(pairs, 100 * even * pairs, "--", color="gray", label="errors spread evenly")
    ax.set(xlabel="class pairs, most errors first", ylabel="share of all errors, percent", ylim=(0, 102))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return figure, ax


@names_as_written
def matrix(values: xr.DataArray, label: str, title: str = "", ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Heat map of a matrix of cosines or correlations, -1 to 1 with its values written in; diagonal left out."""
    figure, ax = figure_and_axes(ax, (6.0, 5.2))
    shown = np.where(np.eye(len(values), dtype=bool), np.nan, values.values)
    image = ax.imshow(shown, cmap="PuOr", vmin=-1, vmax=1)
    rows, columns = (list(values[dim].values) for dim in values.dims)
    ax.set_xticks(range(len(columns)), columns, rotation=90)
    ax.set_yticks(range(len(rows)), rows)
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            ax.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=7,
                color=readable_on(image.cmap(image.norm(value))),
            )
    ax.set_title(title)
    figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    return figure, ax


def _off_diagonal(cctm: xr.DataArray) -> np.ndarray:
    return np.where(np.eye(cctm.shape[-1], dtype=bool), np.nan, cctm.values)

"""Pictures of tables of confusion side by side, networks' and humans'. Every function returns lists of figures
and of axes.

Tables are (true, predicted) of the same classes; the diagonal has no part in what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ciutils.show.axes import SMALLEST, WIDEST, cell_colours, colour_bar, name_cells, off_diagonal, one_height, panels
from ciutils.show.images import called
from ciutils.show.text import in_figure

_SIZE = 3.15, 3.3
"""Of a panel: three lie side by side on a wide page."""
_PLAIN, _NAMED = "#767676", "#d0561b"
"""The first has a contrast of 4.5 on white, and, turned, of more on the dark ground."""
_LEAST = 0.01
"""Percent; a smaller rate is drawn here on a log scale, which has no place for 0."""


def shares(tables: Mapping[str, xr.DataArray]) -> tuple[list[Figure], list[Axes]]:
    """Where errors fall: the share that each cell has of all errors of its table, in percent, on one colour scale,
    whose bar is the last of the figures.

    tables: by title, counts or rates; they may be of many errors or of few. Book: *Humans*.
    """
    parts = {}
    for title, table in tables.items():
        errors = off_diagonal(table.values)
        parts[title] = 100 * errors / np.nansum(errors)
    figures, axes = panels(tables, _SIZE)
    for (title, part), ax in zip(parts.items(), axes, strict=True):
        image = ax.imshow(part, cmap=cell_colours(), vmin=0, vmax=max(map(np.nanmax, parts.values())))
        name_cells(ax, tables[title]["true"].values)
        ax.set(xlabel="called", ylabel="true class")
    return [*figures, colour_bar(image, "percent of all errors")], axes


def cells(
    across: tuple[str, xr.DataArray], upwards: Mapping[str, xr.DataArray], named: Sequence[tuple[str, str]]
) -> tuple[list[Figure], list[Axes]]:
    """Each cell as a dot at its rates in two tables, in percent on log scales; equal rates lie on the dashed line.

    across: the name and rates of the table along the horizontal axis; upwards: those of the others, a panel each.
    named: cells (true, predicted) that get their names, in the corner that a rising band leaves empty.
    Book: *Humans*.
    """
    label, table = across
    figures, axes = panels(upwards, (WIDEST, WIDEST))
    apart = ~np.eye(len(table), dtype=bool)
    x = (100 * table).clip(min=_LEAST)
    for (title, other), ax in zip(upwards.items(), axes, strict=True):
        y = (100 * other).clip(min=_LEAST)
        ax.scatter(x.values[apart], y.values[apart], s=16, color=_PLAIN, alpha=0.8, lw=0)
        ax.axline((1, 1), (2, 2), ls="--", lw=1, color=_PLAIN)
        places = {cell: [float(each.sel(true=cell[0], predicted=cell[1])) for each in (x, y)] for cell in named}
        for line, (cell, (right, up)) in enumerate(sorted(places.items(), key=lambda item: -item[1][1])):
            ax.scatter(right, up, s=26, color=_NAMED, lw=0)
            ax.annotate(
                in_figure(called(*cell)),
                (right, up),
                (0.03, 0.96 - 0.065 * line),
                textcoords="axes fraction",
                va="center",
                fontsize=SMALLEST,
                arrowprops={"arrowstyle": "-", "color": _PLAIN, "lw": 0.8, "relpos": (1, 0.5)},
            )
        ax.set(
            xscale="log",
            yscale="log",
            xlabel=f"{in_figure(label)}, percent",
            ylabel=f"{in_figure(title)}, percent",
            aspect="equal",
        )
        ax.set(xlim=(_LEAST / 2, 100), ylim=(_LEAST / 2, 100))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter("{x:g}")  # powers have exponents in small print
        ax.grid(alpha=0.3)
    return figures, axes


def directions(tables: Mapping[str, xr.DataArray], pairs: Sequence[tuple[str, str]]) -> tuple[list[Figure], list[Axes]]:
    """Both directions of `pairs` in each table of rates, in percent: (a, b) filled for a called b, hollow for b called
    a, joined by a line, which is short where confusion runs both ways alike. All tables have one scale. Book: *Humans*.
    """
    figures, axes = panels(tables, (_SIZE[0], 3.6))
    largest = max(
        100 * float(table.sel(true=one, predicted=two))
        for table in tables.values()
        for pair in pairs
        for one, two in (pair, pair[::-1])
    )
    heights = np.arange(len(pairs))
    for figure, table, ax in zip(figures, tables.values(), axes, strict=True):
        there, back = (
            np.array([100 * float(table.sel(true=one, predicted=two)) for one, two in ways])
            for ways in (pairs, [pair[::-1] for pair in pairs])
        )
        ax.hlines(heights, there, back, color=_PLAIN, lw=2)
        ax.scatter(there, heights, s=40, color=_NAMED, zorder=2, label="first called second")
        ax.scatter(back, heights, s=40, facecolor="white", edgecolor=_NAMED, zorder=2, label="second called first")
        ax.set(xlabel="percent", xlim=(0, 1.05 * largest))
        ax.grid(axis="x", alpha=0.3)
        named = [f"{one.upper()}, {two.upper()}" for one, two in pairs]
        ax.set_yticks(heights, named, fontsize=SMALLEST, parse_math=False)
        ax.invert_yaxis()
        figure.legend(loc="outside lower center", frameon=False, fontsize=SMALLEST)
    return figures, axes


def over_epochs(
    tracks: Mapping[str, Mapping[tuple[str, str], pd.Series]], ceiling: float
) -> tuple[list[Figure], list[Axes]]:
    """How like humans each network is, epoch by epoch, a colour for each setup.

    tracks: by group of humans and by (network, setup), likeness by epoch. ceiling: the likeness of the two groups of
    humans to each other. Book: *Humans*.
    """
    figures, axes = panels(tracks, (WIDEST, 4.2))
    for figure, lines, ax in zip(figures, tracks.values(), axes, strict=True):
        setups = list(dict.fromkeys(setup for _, setup in lines))
        for (_, setup), line in lines.items():
            ax.plot(line.index, line, lw=1.2, alpha=0.8, color=f"C{setups.index(setup)}", label=setup)
        ax.axhline(ceiling, ls="--", lw=1.5, color="black", label="one group of humans with the other")
        ax.set(xlabel="epoch", ylabel="rank correlation with humans")
        ax.grid(alpha=0.3)
        handles = dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))  # one for each setup, not each line
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=2, frameon=False, fontsize=SMALLEST)
    one_height(axes)
    return figures, axes

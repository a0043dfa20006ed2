"""What the pictures share: axes, panels, colours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ciutils.analyse.responses import grouped
from ciutils.show.text import in_figure

Panels = dict[tuple[str, str], Axes]


INTERFERENCE_COLOURS = "magma_r"
"""Perceptually uniform, dark where interference is high, as in the paper's heat maps."""


def grid(
    keys: Mapping[tuple[str, str], object], size: float, subplot_kw: dict[str, Any] | None = None
) -> tuple[Figure, Panels]:
    """A figure with a panel for each (row, column) of `keys`, and the panels by these."""
    rows, columns = (list(dict.fromkeys(key[part] for key in keys)) for part in (0, 1))
    figure, axes = plt.subplots(
        len(rows),
        len(columns),
        figsize=(size * len(columns) + 0.8, size * len(rows)),
        squeeze=False,
        layout="constrained",
        subplot_kw=subplot_kw,
    )
    panels = {(row, column): axes[i, j] for i, row in enumerate(rows) for j, column in enumerate(columns)}
    for key in panels.keys() - keys.keys():
        panels[key].remove()
    return figure, panels


READABLE = 20
"""Classes up to which a figure shows all; of more it shows those of which most is to be seen, and says so."""


def most_confused(matrices: Collection[np.ndarray]) -> np.ndarray:
    """Positions of the classes that a picture of `matrices` (class, class) shows: all of them, or the `READABLE` that
    the largest cells off their diagonals are of, those with large cells between them beside each other."""
    cells = np.fmax.reduce([np.where(np.eye(len(each), dtype=bool), np.nan, each) for each in matrices])
    if len(cells) <= READABLE:
        return np.arange(len(cells))
    largest = np.argsort(np.nan_to_num(-cells, nan=np.inf), axis=None, kind="stable")[: READABLE**2]
    members = np.column_stack(np.unravel_index(largest, cells.shape)).ravel().tolist()
    chosen = np.array(list(dict.fromkeys(members))[:READABLE])
    return chosen[grouped(cells[chosen][:, chosen])]


def out_of(chosen: Collection[int], classes: Collection[object], why: str) -> str:
    """What an axis says of classes that were chosen: how many of how many, and `why`; nothing if all were."""
    return f" ({len(chosen)} of {len(classes)}: {why})" if len(chosen) < len(classes) else ""


def axes_of(panels: Panels, keys: Mapping[tuple[str, str], object]) -> np.ndarray:
    """The panels of `keys`, in their order."""
    return np.array([panels[key] for key in keys], dtype=object)


def theta_labels(rate: xr.DataArray) -> dict[str, str]:
    """Axis labels that name the directions of a plane."""
    return {f"{axis}label": in_figure(f"theta, {rate.attrs[name]}") for axis, name in (("x", "first"), ("y", "second"))}


def readable_on(colour: Sequence[float] | np.ndarray) -> str:
    """Black or white text, by the background's luminance."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def figure_and_axes(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """The figure of `ax`, or a new one of `size` inches."""
    if ax is not None:
        return cast(Figure, ax.figure), ax  # nothing here draws into a SubFigure
    return plt.subplots(figsize=size, layout="constrained")

"""What the pictures share: axes, panels, colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Panels = dict[tuple[str, str], Axes]


INTERFERENCE_COLOURS = "magma_r"
"""Perceptually uniform, dark where interference is high, as in the paper's heat maps."""


names_as_written = mpl.rc_context({"text.parse_math": False})
"""Decorator of pictures: a dollar sign in a class's name begins no formula."""


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


def axes_of(panels: Panels, keys: Mapping[tuple[str, str], object]) -> np.ndarray:
    """The panels of `keys`, in their order."""
    return np.array([panels[key] for key in keys], dtype=object)


def theta_labels(rate: xr.DataArray) -> dict[str, str]:
    """Axis labels that name the directions of a plane."""
    return {"xlabel": f"theta, {rate.attrs['first']}", "ylabel": f"theta, {rate.attrs['second']}"}


def readable_on(colour: Sequence[float] | np.ndarray) -> str:
    """Black or white text, by the background's luminance."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def figure_and_axes(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """The figure of `ax`, or a new one of `size` inches."""
    if ax is not None:
        return cast(Figure, ax.figure), ax  # nothing here draws into a SubFigure
    return plt.subplots(figsize=size, layout="constrained")

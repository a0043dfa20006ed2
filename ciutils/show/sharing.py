"""Pictures of what two classes lose by sharing a network. Every function returns (figure, axes)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ciutils.analyse.agreement import estimate
from ciutils.show.axes import SMALLEST, WIDEST
from ciutils.show.text import in_figure

_ALL, _OWN = "#2f6db3", ("#e0762f", "#7d4fa8")


def dumbbells(rates: Mapping[int, xr.DataArray]) -> tuple[Figure, Axes]:
    """Error rates of each pair, in percent, a line for each: networks of all classes filled, the pair's own hollow.

    rates: by how many times the epochs of the networks of all classes a pair's own have, as from
    `analyse.sharing.shared_and_own`. Bars are 95% intervals over images. Book: *Interference or difficulty?*
    """
    first = next(iter(rates.values()))
    pairs = [str(name) for name in first["pair"].values]
    figure, ax = plt.subplots(figsize=(WIDEST, 0.36 * len(pairs) + 1.8), layout="constrained")
    marks = [("all classes", _ALL, "o", _ALL, first.sel(rate="shared"), 0.0)]
    for (times, found), colour, mark, shift in zip(rates.items(), _OWN, "s^", (-0.16, 0.16), strict=False):
        label = f"own network, {'as many epochs' if times == 1 else f'{times} times the epochs'}"
        marks.append((label, colour, mark, "none", found.sel(rate="own"), shift))
    for label, colour, mark, face, values, shift in marks:
        estimates = [estimate(100 * values.isel(pair=place).values) for place in range(len(pairs))]
        middle = np.array([each.value for each in estimates])
        spread = [middle - [each.low for each in estimates], np.array([each.high for each in estimates]) - middle]
        places = np.arange(len(pairs)) + shift
        ax.errorbar(middle, places, xerr=spread, fmt=mark, color=colour, mfc=face, ms=7, lw=1.2, label=label)
    ax.set_yticks(range(len(pairs)), [in_figure(pair.upper()) for pair in pairs])
    ax.set_ylim(len(pairs) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.set_xlabel("test images given the other's name, percent")
    ax.grid(axis="x", alpha=0.3)
    ax.legend(fontsize=SMALLEST, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure, ax

"""Pictures of what measures say of planted interference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ciutils.analyse.agreement import Estimate
from ciutils.analyse.flat import Bounds
from ciutils.show.axes import WIDEST, panels

_UP = {"arrowstyle": "->", "color": "#2f6db3", "linestyle": "--", "shrinkA": 0, "shrinkB": 0}


def responses(
    doses: Sequence[float], measured: Mapping[str, Sequence[Estimate | Bounds]]
) -> tuple[list[Figure], list[Axes]]:
    """A figure for each measure over the doses, in percent, with a bar where an interval is known.

    An arrow starts where it is known only that it is at least so much; what is not known at all is left out.
    Book: *Dose and response*.
    """
    figures, axes = panels(measured, (WIDEST, 2.9))
    for found, ax in zip(measured.values(), axes, strict=True):
        value, low, high = np.array([[each.value, each.low, each.high] for each in found], float).T
        at, known = 100 * np.asarray(doses), np.isfinite(value)
        bars = np.isfinite(low) & np.isfinite(high) & known
        ax.vlines(at[bars], low[bars], high[bars], color="#2f6db3", lw=1)
        ax.plot(at[known], value[known], "o-", color="#2f6db3")
        for dose, least in zip(at[~known & (low > 0)], low[~known & (low > 0)], strict=True):
            ax.update_datalim([(dose, least)])
            ax.annotate(
                "", (dose, 0.97), (dose, least), xycoords=("data", "axes fraction"), textcoords="data", arrowprops=_UP
            )
        ax.autoscale_view()
        ax.set_xlim(-3, 103 * max(doses))
        ax.set_xlabel("swapped labels, percent")
        ax.grid(alpha=0.3)
    return figures, axes

"""Pictures of what measures say of planted interference."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ciutils.show.axes import WIDEST, panels


def responses(measured: pd.DataFrame) -> tuple[list[Figure], list[Axes]]:
    """A figure for each column of `measured` over the doses, which are its index, in percent; what is NaN is left out.

    Book: *Dose and response*.
    """
    figures, axes = panels(measured.columns, (WIDEST, 2.9))
    for name, ax in zip(measured.columns, axes, strict=True):
        ax.plot(100 * measured.index, measured[name], "o-", color="#2f6db3")
        ax.set_xlabel("swapped labels, percent")
        ax.grid(alpha=0.3)
    return figures, axes

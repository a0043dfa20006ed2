"""A picture of what measures say of planted interference. Returns (figure, axes)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ciutils.show.text import in_figure


def responses(measured: pd.DataFrame) -> tuple[Figure, np.ndarray]:
    """A panel for each column of `measured` over the doses, which are its index, in percent; what is NaN is left out.

    Book: *Dose and response*.
    """
    columns = min(2, measured.shape[1])
    rows = -(-measured.shape[1] // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.6 * columns, 2.4 * rows), squeeze=False, layout="constrained")
    for ax, name in zip(axes.flat, measured.columns, strict=False):
        ax.plot(100 * measured.index, measured[name], "o-", color="#2f6db3")
        ax.set_title(in_figure(name), fontsize=11, loc="left")
        ax.grid(alpha=0.3)
    for ax in axes.flat[measured.shape[1] :]:
        ax.remove()
    for ax in axes[-1]:
        ax.set_xlabel("swapped labels, percent")
    return figure, axes.flat[: measured.shape[1]]

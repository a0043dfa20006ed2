"""What a sweep's parameters do to its numbers: a figure for each parameter that takes several values."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from ciutils.show import text

MOST_NUMBERS = 24
"""Panels of a figure; of more numbers the first are drawn."""


def varied(table: pd.DataFrame, parameters: Sequence[str]) -> list[str]:
    """Those of `parameters` that take several values, without the seed, over which the others are summed up."""
    several = [name for name in parameters if name != "seed" and table[name].astype(str).nunique() > 1]
    return [name for name in several if table[name].notna().all()]


def numbers(table: pd.DataFrame) -> list[str]:
    """Columns of glued numbers that are not the same in all runs."""
    glued = [name for name in table if name.startswith("glued.") and pd.api.types.is_numeric_dtype(table[name])]
    return [name for name in glued if table[name].nunique() > 1]


def over_seeds(values: pd.Series) -> pd.Series:
    """Mean of a number over seeds, and half of its 95% interval by Student's t: NaN of a single seed."""
    known = values.dropna()
    count = len(known)
    half = stats.t.ppf(0.975, count - 1) * known.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return pd.Series({"mean": known.mean(), "half": half})


def figure(table: pd.DataFrame, parameter: str, others: Sequence[str]) -> Figure:
    """Each of the sweep's numbers against `parameter`; a line for each combination of the `others`."""
    shown = numbers(table)[:MOST_NUMBERS]
    rows = -(-len(shown) // 3)
    drawn, axes = plt.subplots(rows, min(3, len(shown)), figsize=(9, 2.6 * rows), squeeze=False, layout="constrained")
    by = [table[name].astype(str) for name in others]
    for number, ax in zip(shown, axes.flat, strict=False):
        for line, runs in table.groupby(by) if by else [((), table)]:
            told = runs.groupby(runs[parameter].map(_place), sort=True)[number].apply(over_seeds).unstack()
            label = text.in_figure(", ".join(line)) or None
            ax.errorbar(told.index, told["mean"], told["half"], marker="o", capsize=3, label=label)
        ax.set_xlabel(text.in_figure(parameter))
        ax.set_title(text.in_figure(number.removeprefix("glued.")), fontsize=9)
    for ax in axes.flat[len(shown) :]:
        ax.remove()
    if by:
        axes[0, 0].legend(fontsize=7)
    return drawn


def _place(value: object) -> object:
    """A number as it is, any other value as text."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text.in_figure(str(value))


def address(drawn: Figure) -> str:
    """The figure as a picture in a page's own text."""
    content = io.BytesIO()
    drawn.savefig(content, format="png", dpi=110)
    plt.close(drawn)
    return text.address(content.getvalue())

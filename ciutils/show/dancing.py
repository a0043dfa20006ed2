"""Pictures of trainings. Every function returns (figure, axes)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ciutils.analyse import confusion, dancing
from ciutils.classes import class_index, class_pair
from ciutils.show.axes import names_as_written


@names_as_written
def dance(
    history: xr.Dataset, a: str | int, b: str | int, counts: str = "end_counts", interferers: int = 4
) -> tuple[Figure, np.ndarray]:
    """The label dance of class a with class b: their recalls above, the row of a in the CCTM below, by epoch.

    Arrows mark the moments of `dancing.moments`. Of the row, the `interferers` largest on average are drawn.
    Source: arXiv:2211.01370, Figure 6. Book: chapter *Label dancing*.
    """
    recall, moments = dancing.recalls(history, counts), dancing.moments(history, a, b, counts)
    classes = [str(name) for name in history["true"].values]
    a, b = (classes[position] for position in class_pair(classes, (a, b)))
    figure, (above, below) = plt.subplots(2, 1, figsize=(8.4, 6.2), sharex=True, layout="constrained")
    epochs = history["epoch"].values
    above.plot(epochs, 100 * recall.sel(true=a), color="black", label=f"recall of {a}")
    above.plot(epochs, 100 * recall.sel(true=b), color="darkcyan", ls="--", label=f"recall of {b}")
    for kind, group in moments.groupby("kind"):
        for epoch, height in group[["epoch", "recall_a"]].drop_duplicates().itertuples(index=False):
            above.annotate(
                "",
                (epoch, 100 * height),
                xytext=(0, -22),
                textcoords="offset points",
                arrowprops={"arrowstyle": "->", "color": kind, "lw": 1.5},
            )
    row = confusion.cctm(history[counts]).sel(true=a).drop_sel(predicted=a)
    for name in row.mean("epoch").to_series().sort_values().index[::-1][:interferers]:
        below.plot(
            epochs,
            100 * row.sel(predicted=name),
            ms=4,
            lw=0.8,
            label=f"{a} called {name}",
            **_mark(classes.index(name)),
        )
    above.set_ylabel("percent")
    below.set(xlabel="epoch", ylabel=f"percent of {a}")
    for ax in (above, below):
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    return figure, np.array([above, below])


_MARKS = (
    ("o", "tab:blue"),
    ("D", "tab:orange"),
    ("s", "black"),
    ("P", "hotpink"),
    ("v", "tab:brown"),
    ("x", "red"),
    ("^", "tab:green"),
    ("<", "tab:olive"),
    (">", "tab:cyan"),
    ("*", "tab:purple"),
)
"""Marker and colour of each label as an interferer; BIRD's, CAT's and DOG's are those of the paper's Figures 6, 7."""


def _mark(label: int) -> dict[str, str]:
    marker, colour = ("|", "gray") if label == dancing.NO_NOTE else _MARKS[label % len(_MARKS)]
    return {"marker": marker, "color": colour}


@names_as_written
def notes_score(notes: xr.DataArray, classes: Sequence[str | int]) -> tuple[Figure, np.ndarray]:
    """Dancing notes as a score: a staff for each of `classes`, a note for each epoch at its label.

    notes: (epoch, true) as `dancing.notes` gives. Source: arXiv:2211.01370, Figure 7. Book: chapter *Label dancing*.
    """
    names = [str(name) for name in notes["true"].values]
    figure, axes = plt.subplots(
        len(classes), 1, figsize=(8.4, 1.9 * len(classes) + 0.4), sharex=True, squeeze=False, layout="constrained"
    )
    for ax, position in zip(axes.flat, (class_index(names, each) for each in classes), strict=True):
        line = notes.isel(true=position)
        for label in np.unique(line):
            sounding = line["epoch"].values[line.values == label]
            ax.plot(sounding, np.full(len(sounding), label), ls="none", ms=5, **_mark(int(label)))
        ax.set_yticks([dancing.NO_NOTE, *range(len(names))], ["none", *names], fontsize=7)
        ax.set_ylim(dancing.NO_NOTE - 0.7, len(names) - 0.3)
        ax.set_title(f"notes of {names[position]}", fontsize=10, loc="left")
        ax.grid(axis="y", alpha=0.3)
    axes[-1, 0].set_xlabel("epoch")
    return figure, axes[:, 0]

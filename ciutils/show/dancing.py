"""Pictures of trainings. Every function returns (figure, axes)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ciutils.analyse import confusion, dancing
from ciutils.classes import class_index, class_pair
from ciutils.show.axes import READABLE, SMALLEST, WIDEST
from ciutils.show.text import brief, in_figure


def dance(
    history: xr.Dataset, a: str, b: str, counts: str = "end_counts", interferers: int = 4
) -> tuple[Figure, np.ndarray]:
    """The label dance of class a with class b: their recalls above, the row of a in the CCTM below, by epoch.

    Arrows mark the moments of `dancing.moments`. Of the row, the `interferers` largest on average are drawn.
    Source: arXiv:2211.01370, Figure 6. Book: *Label dancing*.
    """
    recall, moments = dancing.recalls(history, counts), dancing.moments(history, a, b, counts)
    classes = list(history["true"].values)
    a, b = (classes[position] for position in class_pair(classes, (a, b)))
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDEST, 6.2), sharex=True, layout="constrained")
    epochs = history["epoch"].values
    every = max(1, len(epochs) // _MARKED)
    thin = 0.6 if every > 1 else 1.0  # of many epochs each line and arrow has less room
    for name, drawn in ((a, {"color": "black"}), (b, {"color": "darkcyan", "ls": "--"})):
        values = 100 * recall.sel(true=name)
        above.plot(
            epochs, values, marker=".", ms=3 * thin, lw=1.5 * thin, label=in_figure(f"recall of {name}"), **drawn
        )
    for kind, group in moments.groupby("kind"):
        for epoch, height in group[["epoch", "recall_a"]].drop_duplicates().itertuples(index=False):
            above.annotate(
                "",
                (epoch, 100 * height),
                xytext=(0, -22 * thin),
                textcoords="offset points",
                arrowprops={"arrowstyle": "->", "color": _ARROWS[kind], "lw": 1.5 * thin},
            )
    row = confusion.cctm(history[counts]).sel(true=a).drop_sel(predicted=a)
    for name in row.mean("epoch").to_series().sort_values(ascending=False, kind="stable").index[:interferers]:
        below.plot(
            epochs,
            100 * row.sel(predicted=name),
            ms=4,
            lw=0.8,
            markevery=every,
            label=in_figure(f"{a} called {name}"),
            **_mark(classes.index(name)),
        )
    above.set_ylabel("percent")
    below.set(xlabel="epoch", ylabel=in_figure(f"percent of {a}"))
    for ax, place in ((above, "lower right"), (below, "upper right")):  # the best would be sought among all points
        ax.legend(fontsize=SMALLEST, loc=place)
        ax.grid(alpha=0.3)
    return figure, np.array([above, below])


_ARROWS = {"red": "red", "blue": "dodgerblue"}
"""Colours of the moments' arrows, seen on a light ground and on a dark one."""

_MARKED = 40
"""Points of a line that carry a marker, at most twice as many."""

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


def notes_score(notes: xr.DataArray, classes: Sequence[str]) -> tuple[Figure, np.ndarray]:
    """Dancing notes as a score: a staff for each of `classes`, a note for each epoch at its label.

    notes: (epoch, true) as `dancing.notes` gives. Of more than `axes.READABLE` classes the most frequent notes have a
    line each, and all others one together. Source: arXiv:2211.01370, Figure 7. Book: *Label dancing*.
    """
    names = list(notes["true"].values)
    classes = [names[class_index(names, each)] for each in classes]
    shown = notes.sel(true=classes)
    kept = _kept(shown.values, len(names))
    ticks = {dancing.NO_NOTE: "none"} | {line: brief(names[label], 20) for line, label in enumerate(kept)}
    if not set(np.unique(shown)) <= {dancing.NO_NOTE, *kept}:
        ticks[len(kept)] = "other"
    lines = {dancing.NO_NOTE: dancing.NO_NOTE} | {label: line for line, label in enumerate(kept)}
    height = (0.15 * len(ticks) + 0.4) * len(classes) + 0.4
    figure, axes = plt.subplots(
        len(classes), 1, figsize=(WIDEST, height), sharex=True, squeeze=False, layout="constrained"
    )
    for ax, name in zip(axes.flat, classes, strict=True):
        song = shown.sel(true=name)
        for label in np.unique(song):
            sounding = song["epoch"].values[song.values == label]
            places = np.full(len(sounding), lines.get(label, len(kept)))
            ax.plot(sounding, places, ls="none", ms=5 if song.size <= 60 else 3, **_mark(int(label)))
        ax.set_yticks(list(ticks), list(ticks.values()), fontsize=SMALLEST)
        ax.set_ylim(dancing.NO_NOTE - 0.7, max(ticks) + 0.7)
        ax.set_title(in_figure(f"notes of {name}", 50), fontsize=10, loc="left")
        ax.grid(axis="y", alpha=0.3)
    axes[-1, 0].set_xlabel("epoch")
    return figure, axes[:, 0]


def _kept(shown: np.ndarray, number: int) -> list[int]:
    """The labels that have a line of their own on a staff: all, or the most frequent ones of `shown`, in order."""
    if number <= READABLE:
        return list(range(number))
    labels, times = np.unique(shown[shown != dancing.NO_NOTE], return_counts=True)
    return sorted(labels[np.argsort(-times, kind="stable")][:READABLE].tolist())

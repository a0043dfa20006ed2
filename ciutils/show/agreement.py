"""Pictures of what several networks, and humans, have in common. Every function returns (figure, axes)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ciutils.show.axes import SMALLEST, WIDEST

RIGHT = "#efefef"
"""Colour of a right answer where only errors matter."""


def missed_by(table: pd.DataFrame) -> tuple[Figure, Axes]:
    """How many images none, one, ..., all networks miss, beside the numbers of independent networks, on a log scale.

    table: as from `analyse.agreement.missed_by`. Book: *The same images?*
    """
    figure, ax = plt.subplots(figsize=(WIDEST, 4.2), layout="constrained")
    places = np.arange(len(table))
    errors = np.abs(table[["low", "high"]].to_numpy() - table[["images"]].to_numpy()).T
    bars = ax.bar(places - 0.2, table["images"], 0.38, yerr=errors, color="#2f6db3", capsize=3, label="networks")
    chance = ax.bar(
        places + 0.2, table["independent"], 0.38, color="none", edgecolor="gray", hatch="///", label="if independent"
    )
    said = [f"{count:,}" for count in table["images"]]
    said_of_chance = [f"{count:,.{1 if count < 10 else 0}f}" for count in table["independent"]]
    for drawn, labels in ((bars, said), (chance, said_of_chance)):
        ax.bar_label(drawn, labels, fontsize=SMALLEST, rotation=90, padding=4)
    _logarithmic(ax)
    ax.set(xlabel="networks that miss an image", ylabel="test images", xticks=places)
    ax.set_ylim(0.3, 12 * table[["images", "independent"]].to_numpy().max())
    ax.legend(frameon=False, fontsize=SMALLEST, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure, ax


def strips(
    panels: Mapping[str, tuple[str, xr.DataArray]], labels: xr.DataArray, classes: Sequence[str]
) -> tuple[Figure, np.ndarray]:
    """For each panel, a class and what its images are called, a strip: a row for each network or epoch, a column for
    each image that is missed in any row, coloured by the wrong names.

    panels: by title, (class, predictions (row, image) as positions in `classes`). labels: (image). Images that most
    rows miss come first, and of these those that are mostly given the same name stand together.
    Book: *The same images?*, *Who dances?*
    """
    names = [str(name) for name in classes]
    colours = [plt.get_cmap("tab10")(label % 10) for label in range(len(names))]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(WIDEST, 2.3 * len(panels) + 1.2), squeeze=False, layout="constrained"
    )
    met: set[int] = set()
    for (title, (name, predictions)), ax in zip(panels.items(), axes.flat, strict=True):
        true = names.index(name)
        mine = predictions.values[:, labels.values == true]
        shown = mine[:, _most_missed(mine, true)]
        palette = ListedColormap([RIGHT if label == true else colour for label, colour in enumerate(colours)])
        if shown.size:
            ax.imshow(shown, aspect="auto", interpolation="nearest", cmap=palette, vmin=-0.5, vmax=len(names) - 0.5)
        rows = predictions[predictions.dims[0]].values
        ticks = range(0, len(rows), -(-len(rows) // 10))
        ax.set_yticks(ticks, [str(rows[tick]) for tick in ticks], fontsize=SMALLEST)
        ax.set_ylabel(predictions.dims[0])
        told = textwrap.fill(f"{title}: {shown.shape[1]:,} of {mine.shape[1]:,} images", 48)
        ax.set_title(told, fontsize=10, loc="left", parse_math=False)
        met |= set(np.unique(shown).tolist()) - {true}
    axes[-1, 0].set_xlabel("missed images, those that most rows miss first")
    wrong = [Patch(color=colours[label], label=names[label]) for label in sorted(met)]
    legend = [Patch(color=RIGHT, label="right"), *wrong]
    figure.legend(handles=legend, loc="outside lower center", ncols=5, frameon=False, fontsize=SMALLEST)
    return figure, axes[:, 0]


def visits(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, np.ndarray]:
    """By epoch, the images that are called by another class's name: those that were so in the epoch before, those that
    were so earlier, and new ones. panels: by title, as from `analyse.learning.visits`. Book: *Who dances?*"""
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(WIDEST, 2.4 * len(panels) + 0.8), sharex=True, squeeze=False, layout="constrained"
    )
    said = {
        "stayed": "so in the epoch before",
        "returned": "so earlier, not in the epoch before",
        "new": "never before",
    }
    for (title, table), ax in zip(panels.items(), axes.flat, strict=True):
        bottom = np.zeros(len(table))
        for (part, words), colour in zip(said.items(), ("#2f6db3", "#6ba3d6", "#f2b56b"), strict=True):
            # Without seams between the bars, which would be stripes of 200 epochs.
            ax.bar(table.index, table[part], 1.0, bottom, color=colour, label=words, antialiased=False)
            bottom += table[part].to_numpy()
        ax.set_title(title, fontsize=10, loc="left", parse_math=False)
        ax.set_ylabel("images")
    axes[-1, 0].set_xlabel("epoch")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", frameon=False, fontsize=SMALLEST)
    return figure, axes[:, 0]


def forgetting(events: Mapping[str, pd.Series]) -> tuple[Figure, Axes]:
    """How many images are forgotten so many times, a line for each network, on a log scale. events: (image), as from
    `analyse.learning.forgetting`. Book: *Who dances?*"""
    figure, ax = plt.subplots(figsize=(WIDEST, 3.6), layout="constrained")
    for name, each in events.items():
        counts = each.value_counts().sort_index()
        ax.plot(counts.index, counts, marker="o", ms=4, label=name)
    _logarithmic(ax)
    ax.set(xlabel="times that an image is forgotten", ylabel="images")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="upper right")
    return figure, ax


def _logarithmic(ax: Axes) -> None:
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:,g}")  # powers have exponents in small print


def _most_missed(answers: np.ndarray, true: int) -> np.ndarray:
    """Columns of `answers` (row, image) with any error, most errors first, then by the most frequent wrong name."""
    wrong = answers != true
    names = np.array([(answers == label).sum(0) for label in range(answers.max(initial=true) + 1)])
    names[true] = 0
    order = np.lexsort((names.argmax(0), -wrong.sum(0)))
    return order[: int(wrong.any(0).sum())]

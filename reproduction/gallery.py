"""Which test images a chapter shows. One rule for the page and for the few images that are published with it."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ciutils.analyse import agreement, confusion
from ciutils.classes import class_pair
from ciutils.counts import from_predictions
from ciutils.show.images import called
from reproduction.results import Pair

FEW, ROW, SHEET, GUESS = 5, 6, 12, 6
"""Images of every cell; of a network's largest cell; of a cell that is looked at; to guess, of either class."""

Tables = dict[str, dict[Any, pd.DataFrame]]


def tables(said: xr.Dataset, pair: Pair, looked: Pair) -> Tables:
    """The tables of images of each part of the chapter, as `agreement.behind` gives them, by their titles.

    said: as from `agreement.joined`. pair, looked: as "cat-dog"; both directions of the first, and the cell (true,
    predicted) of the second.

    Raises ValueError if no network misses any image.

    guess, certain: one table each: of the pair's images, both ways, those that follow the ones of its cells, whose
    labels a reader sees; the most certain errors of all. pair, looked: of their cells. largest: of each network's
    largest cell, what it is most certain of. cells: of every cell that has any, by (true, predicted).
    """
    classes = [str(name) for name in said["predicted"].values]
    behind = {cell: agreement.behind(said, *cell) for cell in permutations(classes, 2)}
    if not any(map(len, behind.values())):
        raise ValueError("no network misses a test image: there is no confusion to look at")
    first, second = (classes[place] for place in class_pair(classes, pair))
    ways = [(first, second), (second, first)]
    true, predicted = (classes[place] for place in class_pair(classes, looked))
    certain = pd.concat(behind.values()).sort_values(["networks", "probability"], ascending=False, kind="stable")
    largest = {}
    for network in said["network"].values:
        answers = said["test_predictions"].sel(network=network)
        counts = from_predictions(said["test_labels"].values, answers.values, classes)
        row, column = confusion.pairs(counts).loc[0, ["true", "predicted"]]
        largest[f"{network}: {called(row, column)}"] = agreement.behind(said, row, column, str(network)).head(ROW)
    return {
        "guess": {"": pd.concat([behind[way].head(SHEET + GUESS).tail(GUESS) for way in ways])},
        "certain": {"The most certain errors": certain.head(2 * SHEET)},
        "pair": {called(*way): behind[way].head(SHEET) for way in ways},
        "looked": {called(true, predicted): behind[true, predicted].head(SHEET)},
        "largest": largest,
        "cells": {cell: table.head(FEW) for cell, table in behind.items() if len(table)},
    }


def positions(tables: Tables) -> np.ndarray:
    """Positions of all images of `tables`, each once, in their order."""
    return np.unique(np.concatenate([table.index for part in tables.values() for table in part.values()]))

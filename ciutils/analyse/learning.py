"""When is each image learned, when forgotten, and who dances? What predictions of every epoch say, image by image.

Predictions are (epoch, image), labels (image), both whole numbers, positions of classes: a history's
`train_predictions` with `train_labels`, or `test_predictions` with `test_labels`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ciutils import checks
from ciutils.analyse.agreement import Estimate, check_answers, estimate, ratio, resampled
from ciutils.classes import class_index


def forgetting(predictions: xr.DataArray, labels: xr.DataArray) -> pd.DataFrame:
    """One row for each image: events, how often it was right in an epoch and wrong in the next; first, the epoch in
    which it was right for the first time (NaN: never); learned, the epoch since which it is right (NaN: wrong at the
    end).

    Source: Toneva et al. 2019, arXiv:1812.05159, who look at an image when it is trained on, not at the end of epochs.
    Book: *Who dances?*
    """
    _check(predictions, labels)
    right = predictions.values == labels.values
    epochs = np.append(predictions["epoch"].values.astype(float), np.nan)
    after_last_wrong = np.where(right.all(0), 0, len(right) - (~right[::-1]).argmax(0))
    return pd.DataFrame(
        {
            "events": (right[:-1] & ~right[1:]).sum(0),
            "first": epochs[np.where(right.any(0), right.argmax(0), len(right))],
            "learned": epochs[after_last_wrong],
        }
    )


def flows(predictions: xr.DataArray, labels: xr.DataArray, classes: Sequence[str], true: str | int) -> xr.DataArray:
    """How many images of the class `true`, a name or a position, went from one name to another between two epochs:
    (epoch, before, after) int64, from the second epoch on; epoch is that of `after`. Raises ValueError if `classes` are
    not those of the predictions. Book: *Who dances?*"""
    _check(predictions, labels)
    names, count = list(classes), len(classes)
    if predictions.max() >= count:
        raise ValueError(
            f"predictions name class {int(predictions.max())}, of {count} classes: give all, in their order"
        )
    mine = predictions.values[:, labels.values == class_index(names, true)].astype(np.int64)
    steps = [np.bincount(before * count + after, minlength=count**2) for before, after in itertools.pairwise(mine)]
    coords = {"epoch": predictions["epoch"].values[1:], "before": names, "after": names}
    found = np.reshape(steps, (-1, count, count)).astype(np.int64)
    return xr.DataArray(found, dims=("epoch", "before", "after"), coords=coords, name="flows")


def visits(predictions: xr.DataArray, labels: xr.DataArray, true: int, predicted: int) -> pd.DataFrame:
    """The images of class `true` that are called `predicted` (both as positions), by epoch: stayed, those that were
    called so in the epoch before too; returned, those that were so before, but not then; new, those never so before.

    Book: *Who dances?*
    """
    called = _called(predictions, labels, true, predicted)
    last = np.vstack([np.zeros_like(called[:1]), called[:-1]])
    ever = np.logical_or.accumulate(last)
    found = {"stayed": called & last, "returned": called & ever & ~last, "new": called & ~ever}
    epochs = pd.Index(predictions["epoch"].values, name="epoch")
    return pd.DataFrame({name: each.sum(1) for name, each in found.items()}, epochs)


@dataclass(frozen=True)
class Dancers:
    """Who is called by another class's name, over some epochs.

    ever: images that are called so in any of them. most: in the fullest. fresh: how many would be if each epoch drew
    as many as it has at random. turnover = (ever - most) / (fresh - most): 0 if they are always the same, 1 if each
    epoch has its own. stay: the share of those called so in an epoch that were so in the one before; chance: that share
    if each epoch drew its own. NaN where nobody, or everybody, is called so.
    """

    ever: int
    most: int
    fresh: float
    turnover: Estimate
    stay: Estimate
    chance: float


def dancers(
    predictions: xr.DataArray, labels: xr.DataArray, true: int, predicted: int, draws: int = 1000, seed: int = 0
) -> Dancers:
    """Whether the images of class `true` that are called `predicted` (both as positions) are the same in every epoch.

    With m_e of the class's N images called so in epoch e, fresh = N (1 - product over e of (1 - m_e / N)), and chance =
    sum of m_e m_(e-1) / (N sum of m_e). Intervals are over images. Source: this book. Book: *Who dances?*
    """
    called = _called(predictions, labels, true, predicted)
    epochs, size = called.shape
    both = called[1:] & called[:-1]
    values = np.vstack([called, called.any(0), both.sum(0)])
    totals, _ = resampled(values, np.zeros(size, int), draws, seed)
    each, ever, stayed = totals[:, 0, :epochs], totals[:, 0, epochs], totals[:, 0, epochs + 1]
    most, fresh = each.max(1), size * (1 - np.prod(1 - each / size, axis=1))
    later = each[:, 1:].sum(1)
    chance = ratio((each[:, 1:] * each[:, :-1]).sum(1), size * later)
    turnover = ratio(ever - most, np.round(fresh - most, 9))  # mere rounding is no difference
    stay = ratio(stayed, later)
    return Dancers(int(ever[0]), int(most[0]), float(fresh[0]), estimate(turnover), estimate(stay), float(chance[0]))


def _called(predictions: xr.DataArray, labels: xr.DataArray, true: int, predicted: int) -> np.ndarray:
    """Whether each image of class `true` is called `predicted`: (epoch, image of the class)."""
    _check(predictions, labels)
    largest = int(max(labels.max(), predictions.max()))
    for what, position in (("true", true), ("predicted", predicted)):
        checks.whole(position, what, at_least=0, at_most=largest)
    mine = labels.values == true
    if not mine.any():
        raise ValueError(f"no image is of class {true}: give the position of a class that has some")
    return predictions.values[:, mine] == predicted


def _check(predictions: xr.DataArray, labels: xr.DataArray) -> None:
    check_answers(predictions, labels, "train.train")
    checks.array(predictions, "predictions", ("epoch", *labels.dims), "train.train")

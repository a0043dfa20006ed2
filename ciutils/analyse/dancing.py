"""Interference during training: label dances between two recalls, and dancing notes, from a history of counts.

A history is what `train.train` returns: confusion counts (epoch, true, predicted) of every epoch, counted in one or
more of the ways of `choices.COUNTS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.signal import find_peaks, savgol_filter

from ciutils import checks
from ciutils.analyse import confusion
from ciutils.choices import COUNTS
from ciutils.classes import class_index, class_pair
from ciutils.counts import CELLS

NO_NOTE = -2
"""The note of a class that no class interferes with above the threshold; the paper's own value."""
_SILENCE = "none"  # what it is called
BLOCK = 5
"""Epochs whose signs are drawn together in the test of a dance. Neighbouring residuals are alike, because they
share a fitted trend: with shorter blocks the test finds too many dances by chance."""
_SHORTEST = 5  # epochs to which a trend can be fitted


def counts_of(history: xr.Dataset, counts: str = "end_counts") -> xr.DataArray:
    """The counts of that name in a history: (epoch, true, predicted). Raises ValueError if it holds none."""
    history = checks.dataset(history, "history", "train.train")
    held = [name for name in COUNTS if name in history]
    if counts not in held:
        raise ValueError(
            f"counts={counts!r}: this history holds {', '.join(held) or 'no counts'}; give one that it holds"
        )
    return checks.array(history[counts], counts, ("epoch", *CELLS), "train.train")


def recalls(history: xr.Dataset, counts: str = "end_counts") -> xr.DataArray:
    """Recall of each class in each epoch: (epoch, true)."""
    return confusion.recall(counts_of(history, counts))


def moments(history: xr.Dataset, a: str | int, b: str | int, counts: str = "end_counts") -> pd.DataFrame:
    """The moments that the paper marks with arrows in the dance of class a with class b.

    red: b's recall has a peak, a's recall drops, and CCTM(a, b) has a peak. blue: both recalls drop, and CCTM(a, c) of
    a third class c has a peak (one row for each such c). A value drops in an epoch if it is below that before. It peaks
    if it is above the last different value before and above the next different one after it; on a plateau the first
    epoch counts. So the first and the last epoch never peak, nor do those beside an epoch without the class.

    One row a moment: epoch, kind ("red", "blue"), interferer, recall_a, recall_b, interference = CCTM(a, interferer).
    Source: arXiv:2211.01370, Section 4.2, Figure 6. Book: *Label dancing*.
    """
    table = counts_of(history, counts)
    classes = list(table["true"].values)
    first, second = class_pair(classes, (a, b))
    cctm = confusion.cctm(table).values
    recall_a, recall_b = cctm[:, first, first], cctm[:, second, second]
    drop_a, drop_b = _drops(recall_a), _drops(recall_b)
    rows = []
    for other, name in enumerate(classes):
        if other == first:
            continue
        together = _peaks(recall_b) if other == second else drop_b
        for epoch in np.flatnonzero(drop_a & together & _peaks(cctm[:, first, other])):
            kind = "red" if other == second else "blue"
            rows.append(
                (
                    int(table["epoch"][epoch]),
                    kind,
                    str(name),
                    recall_a[epoch],
                    recall_b[epoch],
                    cctm[epoch, first, other],
                )
            )
    columns = ["epoch", "kind", "interferer", "recall_a", "recall_b", "interference"]
    return pd.DataFrame(rows, columns=columns).sort_values("epoch", kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Dance:
    """How opposed two recalls move. score: minus the correlation of the detrended recalls, from -1 to 1; p_value: the
    probability of such a score, or a higher one, if they moved independently."""

    score: float
    p_value: float


def dance_score(
    history: xr.Dataset, a: str | int, b: str | int, counts: str = "end_counts", draws: int = 2000, seed: int = 0
) -> Dance:
    """Test whether the recalls of a and b move against each other, beyond the trend that all recalls share.

    Each recall is taken relative to its trend (a parabola fitted over a tenth of the epochs around each, but 7 to 21)
    and to what all other classes do (the part of the residual that the mean of theirs explains). Under the null
    hypothesis the two residuals are independent and each is as likely up as down, so the signs of blocks of
    `BLOCK` epochs of one are drawn at random, `draws` times: unlike a permutation of blocks this keeps the large
    movements at the start of training where they are. A short history cannot give a small p-value; see
    `least_p_value`. NaN for fewer than 5 epochs, an absent class, or a recall that does not move.

    Source: this book; the claim is arXiv:2211.01370, Section 4.2. Book: *Label dancing*.
    """
    recall = recalls(history, counts)
    first, second = class_pair(list(recall["true"].values), (a, b))
    signs = _signs(recall.sizes["epoch"], draws, seed)
    (score,), (p_value,) = _danced(_residuals(recall.values), first, np.array([second]), *signs)
    return Dance(float(score), float(p_value))


def least_p_value(epochs: int) -> float:
    """The smallest p-value that `dance_score` can give after so many epochs: one order of signs among all, 2^-blocks.

    >>> least_p_value(15)
    0.125

    Book: *Does it hold elsewhere?*
    """
    return 0.5 ** -(-checks.whole(epochs, "epochs") // BLOCK)


def opposed(history: xr.Dataset, a: str | int, b: str | int, counts: str = "end_counts") -> np.ndarray:
    """What is left of the recalls of a and b when trends and what all other classes do are taken out, as in
    `dance_score`, whose score is minus the correlation of the two: (2, epoch)."""
    recall = recalls(history, counts)
    first, second = class_pair(list(recall["true"].values), (a, b))
    return np.concatenate(_apart(_residuals(recall.values), first, np.array([second])), axis=1).T


def dance_scores(history: xr.Dataset, counts: str = "end_counts", draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Every pair of classes with its dance: first, second, score, p_value, the most opposed first."""
    recall = recalls(history, counts)
    classes, number = recall["true"].values, recall.sizes["true"]
    residuals, signs = _residuals(recall.values), _signs(recall.sizes["epoch"], draws, seed)
    rows = [_danced(residuals, first, np.arange(first + 1, number), *signs) for first in range(number)]
    first, second = np.triu_indices(number, 1)
    score, p_value = np.concatenate(rows, axis=1)
    table = pd.DataFrame({"first": classes[first], "second": classes[second], "score": score, "p_value": p_value})
    return table.sort_values("score", ascending=False, kind="stable", ignore_index=True)


def notes(history: xr.Dataset, threshold: float = 0.001, counts: str = "end_counts") -> xr.DataArray:
    """The dancing notes: each class's largest interferer in each epoch, as its label: (epoch, true) int64.

    `NO_NOTE` where no class takes more than `threshold` of the class's images, or the class has none. Among equal
    interferers the one with the lowest label. Source: arXiv:2211.01370, Section 4.2, Figure 7. Book: *Label dancing*.
    """
    threshold = checks.below_one(threshold, "threshold")
    cctm = confusion.cctm(counts_of(history, counts))
    rates = np.where(np.eye(cctm.sizes["true"], dtype=bool), -np.inf, cctm.fillna(0).values)
    found = np.where(rates.max(-1) > threshold, rates.argmax(-1), NO_NOTE)
    return cctm.isel(predicted=0, drop=True).copy(data=found).rename("notes")


def note_spells(notes: xr.DataArray) -> pd.DataFrame:
    """Spells of the same note: class, note (name, or "none"), start, end (epochs, both in), length.

    Raises ValueError if a class is called "none" itself.
    """
    classes, epochs = _singers(notes), notes["epoch"].values
    rows = []
    for position, name in enumerate(classes):
        line = notes.values[:, position]
        starts = np.flatnonzero(np.r_[True, line[1:] != line[:-1]])
        ends = np.r_[starts[1:], len(line)] - 1
        for start, end in zip(starts, ends, strict=True):
            note = _SILENCE if line[start] == NO_NOTE else classes[line[start]]
            rows.append((name, note, int(epochs[start]), int(epochs[end]), int(end - start + 1)))
    return pd.DataFrame(rows, columns=["class", "note", "start", "end", "length"])


def note_shares(notes: xr.DataArray) -> pd.DataFrame:
    """Share of the epochs that each note holds (class x note); "none" last.

    Raises ValueError if a class is called "none" itself.
    """
    names = _singers(notes)
    shares = {label: (notes == label).mean("epoch").values for label in (*range(len(names)), NO_NOTE)}
    return pd.DataFrame(np.stack([*shares.values()], axis=1), index=names, columns=[*names, _SILENCE])


@dataclass(frozen=True)
class TakeOver:
    """The note that a class ends with, and the epoch since which it has been there without a break."""

    note: str
    epoch: int


def take_over(notes: xr.DataArray, name: str | int) -> TakeOver:
    """When the lasting interferer of class `name` took over. Source: arXiv:2211.01370, Section 4.2 (epoch 118)."""
    classes, spells = _singers(notes), note_spells(notes)
    last = spells[spells["class"] == classes[class_index(classes, name)]].iloc[-1]
    return TakeOver(last["note"], int(last["start"]))


def _singers(notes: xr.DataArray) -> list[str]:
    """The classes' names, none of which is the note of no class."""
    notes = checks.array(notes, "notes", ("epoch", "true"), "dancing.notes")
    names = [str(name) for name in notes["true"].values]
    if _SILENCE in names:
        raise ValueError(f"a class is called {_SILENCE!r}, as the note of no class is: give it another name")
    return names


def _drops(values: np.ndarray) -> np.ndarray:
    return np.r_[False, values[1:] < values[:-1]]


def _peaks(values: np.ndarray) -> np.ndarray:
    found = np.zeros(len(values), bool)
    found[find_peaks(values, plateau_size=1)[1]["left_edges"]] = True  # NaN is neither above nor below anything
    return found


def _still(movement: np.ndarray) -> np.ndarray:
    """`movement` without what is mere rounding."""
    return np.where(np.abs(movement) < 1e-12, 0.0, movement)


def _residuals(recall: np.ndarray) -> np.ndarray:
    """Recalls (epoch, class) relative to their trends; NaN for a class that has none."""
    known = np.isfinite(recall).all(0) & (len(recall) >= _SHORTEST)
    if not known.any():
        return np.full(recall.shape, np.nan)
    window = min(max(len(recall) // 10, 7), 21, len(recall))
    moving = recall[:, known]
    residuals = np.full(recall.shape, np.nan)
    # A window is odd.
    residuals[:, known] = _still(moving - savgol_filter(moving, window - 1 + window % 2, polyorder=2, axis=0))
    return residuals


def _signs(epochs: int, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The signs of blocks that are drawn: the different ones (draw, block), and how often each."""
    shape = checks.whole(draws, "draws"), -(-epochs // BLOCK)
    signs = checks.generator(seed).choice([-1.0, 1.0], size=shape)
    return np.unique(signs, axis=0, return_counts=True)


def _apart(residuals: np.ndarray, first: int, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the class `first` and of each of `second`, without what the others have in common: (epoch, pair)."""
    present = np.nan_to_num(residuals)
    one, other = present[:, [first]], present[:, second]
    common = _still(present.sum(1, keepdims=True) - one - other)  # of all other classes; only its direction matters
    size = (common**2).sum(0)
    one, other = (_still(each - common * (each * common).sum(0) / np.where(size > 0, size, 1)) for each in (one, other))
    return one, other


def _danced(
    residuals: np.ndarray, first: int, second: np.ndarray, signs: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and p-values of the class `first` with each of `second`, from the residuals of all (epoch, class)."""
    one, other = _apart(residuals, first, second)
    strength = np.sqrt((one**2).sum(0) * (other**2).sum(0))
    defined = (strength > 0) & np.isfinite(residuals[0, second] + residuals[0, first])
    product = -one * other / np.where(strength > 0, strength, 1)
    blocks = np.add.reduceat(product, np.arange(0, len(product), BLOCK))
    score = product.sum(0)
    # A drawn score equal to the observed one but for rounding counts as reaching it.
    as_high = times.astype(float) @ (signs @ blocks >= score - 1e-12)
    return np.where(defined, score, np.nan), np.where(defined, (1 + as_high) / (1 + times.sum()), np.nan)

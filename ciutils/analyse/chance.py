"""What chance gives: classes in another order, and tables that are drawn from how hard classes are; and how far beyond
it a number is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import xarray as xr
from scipy import stats

from ciutils import checks
from ciutils.analyse.agreement import Estimate, ratio

_ROUNDING = 1e-12  # within which a drawn number counts as reaching the observed one
_HELD = 200_000  # of permuted tables that are held at once


@dataclass(frozen=True)
class Correlation:
    """A rank correlation, and its p-value by permutation of classes. NaN where nothing varies."""

    correlation: float
    p_value: float


def orders(classes: int, draws: int, seed: int) -> np.ndarray:
    """Orders of the classes: (order, class). Their own is the first; all others follow where there are no more than
    `draws`, and else `draws` random ones."""
    own, random = np.arange(classes), checks.generator(seed)
    if math.factorial(classes) - 1 <= checks.whole(draws, "draws"):
        return np.array(list(permutations(own)))
    return np.concatenate([own[None], random.permuted(np.tile(own, (draws, 1)), axis=1)])


def p_value(values: np.ndarray) -> float:
    """The share of values that are as high as the first, which counts: that of all orders, or
    (1 + draws that are as high) / (1 + draws)."""
    return float((values >= values[0] - _ROUNDING).mean())


def cell_ranks(table: np.ndarray) -> np.ndarray:
    """Ranks of the cells beside the diagonal, less their mean: (..., class, class), 0 on the diagonal. Ties share their
    mean rank."""
    ranks, apart = np.zeros(table.shape), ~np.eye(table.shape[-1], dtype=bool)
    ranks[..., apart] = stats.rankdata(table[..., apart], axis=-1) - (apart.sum() + 1) / 2
    return ranks


def correlated(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two tables, of their `cell_ranks`: (...), and NaN where all cells of one are equal."""
    norm = np.sqrt((one**2).sum((-2, -1)) * (two**2).sum((-2, -1)))
    return ratio((one * two).sum((-2, -1)), norm)


def mantel(one: np.ndarray, two: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Spearman's correlation of two tables (class, class) over the cells beside the diagonal, with the classes of the
    second in each of `orders`, its rows and columns alike: (order), the first as they are.

    Permuting classes, not cells, keeps what the cells of a row, of a column and of a pair have in common.
    Source: Mantel 1967; Hubert and Schultz 1976 (quadratic assignment).
    """
    ranks, others = cell_ranks(one), cell_ranks(two)
    norm = np.sqrt((ranks**2).sum() * (others**2).sum())  # which no permutation changes
    listed = orders(len(one), draws, seed)
    parts = np.array_split(listed, 1 + listed.size * len(one) // _HELD)
    products = [np.einsum("ij,nij->n", ranks, others[part[:, :, None], part[:, None, :]]) for part in parts]
    return ratio(np.concatenate(products), norm)


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """The rank correlation of two lists of numbers; 0 where one of them is the same everywhere, so that nothing goes
    with it."""
    return float(stats.spearmanr(one, other).statistic) if np.ptp(one) and np.ptp(other) else 0.0


def beyond_chance(value: float, chance: np.ndarray) -> Estimate:
    """How far a value is beyond those that chance, or others, give; the interval is the middle 95% of theirs, so that
    it excludes 0 where a test at 5% would."""
    low, high = np.percentile(chance, [2.5, 97.5])
    return Estimate(float(value - np.mean(chance)), float(value - high), float(value - low))


def of_difficulty(wrong: np.ndarray) -> np.ndarray:
    """The errors (draw, true, predicted) that there would be if classes differed only in how often they are missed and
    how often others are called by their name: (missed) x (called), the same sums over rows and columns."""
    fitted = np.broadcast_to(1.0 - np.eye(wrong.shape[-1]), wrong.shape)
    for _ in range(50):
        for axis in (-1, -2):
            fitted = fitted * ratio(wrong.sum(axis, keepdims=True), fitted.sum(axis, keepdims=True), otherwise=0.0)
    return fitted


def few_interferers(rates: xr.DataArray, objects: np.ndarray | int, threshold: float, draws: int = 1000) -> Estimate:
    """How much more negative the rank correlation of the number of interferers with recall is, over classes, than in
    tables drawn from one profile of errors for all classes, with the middle 95% of these.

    rates: one CCTM (true, predicted). objects: test images of each class. A class that is missed more often has more
    cells above any `threshold`, whoever it is taken for, so a strong correlation alone says nothing. Book: *CCTM*.
    """

    def correlation(table: np.ndarray) -> float:
        wrong = table * apart
        return spearman((wrong > threshold).sum(1), 1 - wrong.sum(1))

    apart = ~np.eye(len(rates), dtype=bool)
    profile = of_difficulty(rates.values[None] * apart)[0]
    profile = profile / np.maximum(profile.sum(1, keepdims=True), 1)  # of a class that is always missed it may be more
    profile += np.diag((1 - profile.sum(1)).clip(0))
    random, each = np.random.default_rng(0), np.broadcast_to(objects, len(profile))
    chance = [correlation(random.multinomial(each, profile) / each[:, None]) for _ in range(draws)]
    return beyond_chance(-correlation(rates.values), -np.array(chance))

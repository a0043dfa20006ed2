"""Confusion and groups of classes: those that are found in a matrix, and those that somebody named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ciutils import checks
from ciutils.analyse.chance import orders, p_value
from ciutils.analyse.confusion import cctm, one_matrix


def blocks(counts: xr.DataArray, number: int) -> pd.Series:
    """`number` groups of classes, at most, that are confused with each other more than with others: by class, the name
    of its group, which is that of its class with the most errors.

    Clustering with average linkage; two classes are the nearer, the more of both one's images are called the other.
    counts: (true, predicted). Book: *CCTM*.
    """
    number = checks.whole(number, "number")
    rates = cctm(one_matrix(counts)).fillna(0).values
    names = [str(name) for name in counts["true"].values]
    if len(names) == 1:
        return pd.Series(names, index=names, name="group")
    confused = (rates + rates.T) * ~np.eye(len(names), dtype=bool)
    distances = squareform(confused.max() - confused, checks=False)
    found = fcluster(linkage(distances, "average"), number, "maxclust")
    heads = {each: max(np.flatnonzero(found == each), key=lambda place: confused[place].sum()) for each in set(found)}
    return pd.Series([names[heads[each]] for each in found], index=names, name="group")


@dataclass(frozen=True)
class Within:
    """share: of all errors, that of those between classes of one group; NaN without errors. even: what it is if every
    wrong name is as likely as any other. p_value: how often it is as large, or larger, when classes change places."""

    share: float
    even: float
    p_value: float


def within(counts: xr.DataArray, groups: Mapping[str, str] | pd.Series, draws: int = 5000, seed: int = 0) -> Within:
    """The share of errors that stay within groups of classes, such as CIFAR-100's superclasses.

    counts: (true, predicted). groups: the group of each class. The p-value is of drawing at random which classes are in
    which group, `draws` times or in every way, sizes kept; groups that were found in the same counts would have a small
    one by themselves. Raises ValueError if a class has no group, and for what are no counts. Book: *CCTM*.
    """
    counts = one_matrix(counts)
    if not isinstance(groups, Mapping | pd.Series):
        raise ValueError(f"groups are a {type(groups).__name__}: give a dict, the group of each class by its name")
    names = [str(name) for name in counts["true"].values]
    missing = [name for name in names if groups.get(name) is None]
    if missing:
        raise ValueError(f"class {missing[0]!r} has no group: give one for each of {len(names)} classes")
    wrong = counts.values * ~np.eye(len(names), dtype=bool)
    _, group = np.unique([groups[name] for name in names], return_inverse=True)
    total = wrong.sum()
    if not total:
        return Within(np.nan, np.nan, np.nan)

    def share(order: np.ndarray) -> float:
        return float(wrong[group[order][:, None] == group[order]].sum() / total)

    shares = np.array([share(order) for order in orders(len(names), draws, seed)])
    mates = np.bincount(group)[group] - 1
    even = float((wrong.sum(1) * mates).sum() / total / (len(names) - 1))
    return Within(float(shares[0]), even, p_value(shares))

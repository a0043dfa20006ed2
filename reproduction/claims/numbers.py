"""Numbers that parts of claims rest on, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import xarray as xr
from statsmodels.stats import proportion

from ciutils.analyse.flat import flat_area
from ciutils.analyse.responses import WAYS, class_response
from reproduction.claims.judging import Number, Part

UNITS = ("theta", "distance")


TOLERANCE = 0.05  # a flat area's: within this of the network's own mistake rate


def cell(counts: xr.DataArray, true: str, predicted: str) -> int:
    """Count of one cell."""
    return int(counts.sel(true=true, predicted=predicted))


def right(counts: xr.DataArray) -> tuple[int, int]:
    """(right, all) objects."""
    return int(np.trace(counts.values)), int(counts.sum())


def more_accurate(first: xr.DataArray, second: xr.DataArray) -> tuple[bool, list[Number]]:
    """Whether the first accuracy exceeds the second beyond its 95% interval."""
    difference = difference_of("difference", right(first), right(second))
    return difference.low > 0, [difference]


def share_of(name: str, hits: int, trials: int, unit: str = "%") -> Number:
    """A share in percent, with Wilson's interval."""
    low, high = proportion.proportion_confint(hits, trials, method="wilson") if trials else (math.nan, math.nan)
    return Number(name, 100 * hits / trials if trials else math.nan, 100 * low, 100 * high, unit)


def recall_of(counts: xr.DataArray, name: str) -> Number:
    """Recall of a class, with Wilson's interval."""
    return share_of(name, cell(counts, name, name), int(counts.sel(true=name).sum()))


def difference_of(name: str, first: tuple[int, int], second: tuple[int, int]) -> Number:
    """A difference of two shares (hits, trials) in percent points, with Newcombe's interval."""
    low, high = proportion.confint_proportions_2indep(*first, *second, compare="diff", method="newcomb")
    value = first[0] / first[1] - second[0] / second[1]
    return Number(name, 100 * value, 100 * low, 100 * high, " points")


def with_error(name: str, value: float, space: xr.Dataset) -> Number:
    """A mean of mistake rates in percent points, +- two standard errors: those of one point, which bound the mean's."""
    error = 2 * float(space["standard_error"].max()) if "standard_error" in space else 0.0
    return Number(name, 100 * value, 100 * (value - error), 100 * (value + error), " points")


def higher(first: Number, second: Number) -> bool:
    """Whether the first exceeds the second by more than two standard errors of the difference."""
    half = math.hypot(first.high - first.value, second.high - second.value)
    return first.value - second.value > half + 1e-9  # a difference that is mere rounding is none


def compared_areas(unit: str, holds: Callable[[Number, Number], bool]) -> Callable[..., tuple[bool, list[Number]]]:
    """A rule that compares the flat areas of two spaces."""

    def rule(first: xr.Dataset, second: xr.Dataset) -> tuple[bool, list[Number]]:
        numbers = [area_of(space, unit) for space in (first, second)]
        return holds(*numbers), numbers

    return rule


def area_of(space: xr.Dataset, unit: str) -> Number:
    """A flat area; where the grid only bounds it from below, its interval is open above."""
    area = getattr(flat_area(space, TOLERANCE), unit)
    if area.low > 0 and math.isinf(area.high):
        return Number("at least", area.low, area.low, area.high)
    return Number("area", area.value, area.low, area.high)


def responses_of(space: xr.Dataset, name: str, *ways: Mapping[str, int]) -> list[Number]:
    """Change of the loss of class `name` at the edge, each way given by class: 1 descends on it, -1 ascends."""
    response = class_response(space)
    first, second = space.attrs["first"], space.attrs["second"]
    key_of = {step: key for key, step in WAYS.items()}
    found = []
    for way in ways:
        value = float(response.sel(way=key_of[way.get(first, 0), way.get(second, 0)], true=name))
        label = " ".join(("+" if step > 0 else "-") + each for each, step in way.items())
        found.append(Number(f"{name}'s rise, {label}", value))
    return found


def most_frequent(shares: pd.DataFrame, name: str, expected: set[str], after: int = 0) -> Part:
    """Whether the notes of class `name` at places after + 1, ... are the expected ones; each must have sounded."""
    ranked = shares.loc[name].drop("none").sort_values(ascending=False, kind="stable")
    found = ranked.iloc[after : after + len(expected)]
    found = found[found > 0]
    numbers = tuple(Number(str(note), 100 * value, unit="% of epochs") for note, value in found.items())
    order = "next" if after else "most frequent"
    return Part(f"{name}'s {order}: {', '.join(sorted(expected))}", set(found.index) == expected, numbers)


def longest(spells: pd.DataFrame, name: str, note: str) -> int:
    """Length of the longest spell of a note, 0 if it never sounded."""
    lengths = spells.loc[(spells["class"] == name) & (spells["note"] == note), "length"]
    return int(lengths.max()) if len(lengths) else 0


def mean_of_pairs(similar: pd.DataFrame) -> float:
    """Mean over pairs of different classes."""
    return float(similar.values[np.triu_indices(len(similar), 1)].mean())

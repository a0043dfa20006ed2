"""Answers: one of four for each part of a claim, from its effect with its 95% interval; and what they add up to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ciutils.analyse.agreement import Estimate
from ciutils.analyse.flat import Bounds
from reproduction.readings import SMALLEST

SUPPORTED, CONTRADICTED, UNDECIDED, NOT_COMPARABLE = ANSWERS = (
    "supported",
    "contradicted",
    "undecided",
    "not comparable here",
)
NOT_THERE = "not there"
"""What a part is whose artifacts nobody has made."""

SUMMARIES = (
    *("supported", "mostly supported", "mixed", "mostly contradicted", "contradicted"),
    *(UNDECIDED, NOT_COMPARABLE, NOT_THERE),
)
STANDS, FALLS = SUMMARIES[:2], SUMMARIES[3:5]

UNKNOWN = Estimate(math.nan, math.nan, math.nan)

BLOCK, MOST_BLOCKS = 5, 20
"""Epochs in a block that the jackknife leaves out, at least, and how many blocks it makes, at most."""

ROUNDING = 1e-9
"""Of an effect that is as large as the smallest that would matter, as a share of it."""

FEWEST_SEEDS = 3
"""Below that the spread over seeds is not estimated; the shown run is judged alone."""


@dataclass(frozen=True)
class Part:
    """One thing that a claim says.

    effect: signed so that the claim is that it exceeds, or stays within, the smallest one that would matter, which
    `smallest` names in `SMALLEST`; None if artifacts are missing. comparable: whether the size of our experiment lets
    it be held against the paper's. note: numbers beside it. everywhere: whether it is the same in all readings of the
    choices that concern its claim, as what rests on no plane is; it counts once.
    """

    what: str
    smallest: str
    effect: Estimate | Bounds | None = None
    comparable: bool = True
    note: str = ""
    everywhere: bool = False

    @property
    def answer(self) -> str:
        """One of `ANSWERS`, or `NOT_THERE`."""
        if self.effect is None:
            return NOT_THERE
        return answer(self.effect, self.smallest) if self.comparable else NOT_COMPARABLE


def part(
    what: str,
    smallest: str,
    effect: Callable[..., Estimate | Bounds | tuple[Estimate, str]],
    *artifacts: object,
    comparable: bool = True,
    everywhere: bool = False,
) -> Part:
    """The part whose effect, and perhaps note, are those of the artifacts, unless one of them is missing (None)."""
    if any(artifact is None for artifact in artifacts):
        return Part(what, smallest, everywhere=everywhere)
    found = effect(*artifacts)
    value, note = found if isinstance(found, tuple) else (found, "")
    return Part(what, smallest, value, comparable, note, everywhere)


def answer(effect: Estimate | Bounds, smallest: str) -> str:
    """Supported if the whole interval is beyond the smallest effect that would matter, on the side that is claimed;
    contradicted if none of it is; else undecided, as it is without an interval. Where the claim is that there is no
    effect, supported if the whole interval is within the smallest, contradicted if none of it is."""
    held, low, high = SMALLEST[smallest], effect.low, effect.high
    if held.within:  # how far from 0 the effect may be: at least, at most
        low, high = (-max(abs(low), abs(high)), -max(low, -high, 0.0))
    bound = -held.value if held.within else held.value
    rounding = ROUNDING * abs(bound)  # ten of twenty are half, however a quotient of them is rounded
    return SUPPORTED if low > bound + rounding else CONTRADICTED if high < bound - rounding else UNDECIDED


def summary(answers: Iterable[str]) -> str:
    """What a claim's answers add up to, one of `SUMMARIES`. Undecided if that is half of them, or more; else supported
    or contradicted if all are, mostly so if two thirds are, and mixed. What is not comparable does not count."""
    found = list(answers)
    yes, no, open_ = (found.count(each) for each in ANSWERS[:3])
    counted = yes + no + open_
    if not counted:
        return NOT_COMPARABLE if NOT_COMPARABLE in found else NOT_THERE
    if 2 * open_ >= counted:
        return UNDECIDED
    most, name = max((yes, SUPPORTED), (no, CONTRADICTED))
    if most == counted:
        return name
    return f"mostly {name}" if 3 * most >= 2 * counted else "mixed"


def side(found: str) -> str:
    """Whether a claim that comes to this "stands", "falls" or is "open"."""
    return "stands" if found in STANDS else "falls" if found in FALLS else "open"


def over_seeds(effects: Sequence[Estimate | Bounds]) -> Estimate:
    """The mean of the same effect in trainings with several seeds, with the uncertainty from the images, which all of
    them share, and from the seeds (Student's t), added in quadrature."""
    seeds = students([each.value for each in effects])
    below = float(np.mean([each.value - each.low for each in effects]))
    above = float(np.mean([each.high - each.value for each in effects]))
    low, high = math.hypot(below, seeds.value - seeds.low), math.hypot(above, seeds.high - seeds.value)
    return Estimate(seeds.value, seeds.value - low, seeds.value + high)


def jackknife(statistic: Callable[[np.ndarray], float], count: int, limits: tuple[float, float]) -> Estimate:
    """A statistic of `count` epochs in a row, with the interval (Student's t) from leaving out one block of them at a
    time: neighbouring epochs are alike. statistic: takes the positions that are kept. limits: the least and the most
    that it can be, where the interval ends. Unknown if there are less than three blocks. Source: Kunsch 1989; Efron and
    Tibshirani 1993, chapter 11."""
    if count < 3 * BLOCK:
        return UNKNOWN
    blocks = np.array_split(np.arange(count), min(MOST_BLOCKS, count // BLOCK))
    left = np.array([statistic(np.delete(np.arange(count), block)) for block in blocks])
    value, number = statistic(np.arange(count)), len(blocks)
    half = stats.t.ppf(0.975, number - 1) * math.sqrt((number - 1) * left.var())
    return Estimate(float(value), float(max(value - half, limits[0])), float(min(value + half, limits[1])))


def students(values: Sequence[float]) -> Estimate:
    """The mean of independent values, with Student's interval."""
    middle, half = float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Estimate(middle, middle - half, middle + half)


def quotient(above: Estimate, below: Estimate) -> Estimate:
    """How many times the one number is the other, wherever they are in their intervals. Of a number that may be 0 or
    less a positive one may be any multiple, and what is not positive is none."""
    value = above.value / below.value if below.value > 0 else math.nan
    if below.low <= 0:
        least = above.low / below.high if below.high > 0 else math.inf
        return Estimate(value, least if above.low > 0 else -math.inf, math.inf if above.high > 0 else 0.0)
    low = above.low / (below.high if above.low >= 0 else below.low)
    return Estimate(value, low, above.high / (below.low if above.high >= 0 else below.high))

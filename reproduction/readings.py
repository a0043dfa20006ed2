"""The choices that the paper (arXiv:2211.01370) leaves open, the ways to read each, and which of these are primary; and
the smallest effects that would matter.

Written down before any of the trainings over 200 epochs was looked at. What is not primary is shown beside it.
Book: *The paper, and where it is open*, *Which claims hold?*
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import pandas as pd

from ciutils.show.text import number


@dataclass(frozen=True)
class Choice:
    """question: what is open. readings: the ways to read it. primary: those that a headline counts, one or more with
    equal standing. why: the reason, told with what was known when it was chosen."""

    question: str
    readings: tuple[str, ...]
    primary: tuple[str, ...]
    why: str

    def __post_init__(self) -> None:
        if not self.primary or not set(self.primary) <= set(self.readings):
            raise ValueError(f"primary readings {self.primary} are not among {self.readings}")


CHOICES = {
    "counts": Choice(
        "How are the recalls of an epoch counted?",
        ("running", "end", "test"),
        ("end",),
        "The paper calls them highly oscillatory, as counts of one moment are, and means over an epoch are not. Chosen "
        "after trainings over 30 epochs and a trial over 100 had shown the dance in counts at the end of epochs.",
    ),
    "batch_norm": Choice(
        "Do the points of a plane keep the trained network's batch-norm statistics, or get their own?",
        ("frozen", "recalibrated"),
        ("frozen", "recalibrated"),
        "The paper does not say, and most of the rise in its planes depends on it: neither comes before the other.",
    ),
    "unit": Choice(
        "In which unit are steps of different networks compared?",
        ("theta", "distance"),
        ("theta",),
        "The paper's axes are theta, which multiplies gradients of different lengths; weight distance does not.",
    ),
    "range": Choice(
        "How far from the network does a plane reach, as a share of the half side found by the paper's ratios?",
        ("1", "1/3", "1/10"),
        ("1",),
        "The paper's ranges are lost but for the ratios 1 : 1/10 : 10 between its figures. Ours is anchored where "
        "a mistake rate of one half is reached along the border of every one of the big-lr network's planes.",
    ),
    "epochs": Choice(
        "How long is a training?",
        ("200", "30"),
        ("200",),
        "The paper's figures show 200 epochs. A part that no training so long can judge is judged on those of 30.",
    ),
    "own_classes": Choice(
        "When classes are compared by their losses over a plane, do the plane's own two classes count?",
        ("out", "in"),
        ("out",),
        "The paper speaks of the ego spaces of other classes, and a class's loss in its own space is moved by its own "
        "gradient.",
    ),
}
"""By name: the choices whose readings every rule on a claim is applied in, as far as they concern it."""


@dataclass(frozen=True)
class Reading:
    """One way to read each choice, but for the number of epochs, which says which trainings a rule looks at."""

    counts: str = "end"
    batch_norm: str = "frozen"
    unit: str = "theta"
    range: str = "1"
    own_classes: str = "out"


def over(concerned: Iterable[str]) -> Iterator[Reading]:
    """All combinations of the readings of the choices `concerned`."""
    names = tuple(concerned)
    for combination in product(*(CHOICES[name].readings for name in names)):
        yield Reading(**dict(zip(names, combination, strict=True)))


@dataclass(frozen=True)
class Smallest:
    """The smallest effect that would matter. value: in `unit`. why: the reason. within: the claim is that the effect,
    of either sign, is no larger."""

    value: float
    unit: str
    why: str
    within: bool = False


SMALLEST = {
    "rate": Smallest(
        0.5,
        "percentage points",
        "The paper speaks of interference from half a percent of a class's images on (its threshold).",
    ),
    "share": Smallest(100 / 45, "percentage points of all errors", "What each of 45 pairs holds if all hold the same."),
    "majority": Smallest(50, "%", "More than half is most."),
    "asymmetry": Smallest(
        0.25, "", "At a quarter the smaller direction of a typical pair is 0.6 of the larger.", within=True
    ),
    "correlation": Smallest(0.1, "", "A smaller correlation explains less than a hundredth of what varies."),
    "alike": Smallest(
        0.1,
        "of the way to the same shape",
        "Loss surfaces go together throughout, so that what is left to a correlation of 1 may be less than 0.1.",
    ),
    "ratio": Smallest(1.1, "times", "Below ten percent no eye tells two surfaces apart, nor do 1,000 images a class."),
    "factor": Smallest(2, "times", "What two pictures side by side show without a ruler."),
    "hundredfold": Smallest(
        50, "times", "The printed 100 is a ratio of axes; half of it is still of that size, see the factor above."
    ),
    "angle": Smallest(22.5, "degrees", "Half way between a diagonal and an axis.", within=True),
    "loss": Smallest(0.1, "nats", "The probability of the right name falls by a tenth."),
    "notes": Smallest(2, "% of epochs", "Four epochs of the paper's 200: fewer hardly show in its figure."),
    "hardly": Smallest(2, "% of epochs", "As for notes that are said to appear.", within=True),
    "late": Smallest(90, "% of epochs", "Dominant is what holds nine epochs of ten."),
    "early": Smallest(
        10,
        "percentage points",
        "Moments at any time alike would have a third in the first third; this is a third of that.",
    ),
    "identity": Smallest(1e-12, "", "Rounding in double precision.", within=True),
    "accuracy": Smallest(
        1, "percentage points", "What two trainings of the paper's own size may differ by.", within=True
    ),
    "interferers": Smallest(0.5, "classes", "One class more or less is another number.", within=True),
}
"""By name: what the effects of claims are held against."""


def table() -> pd.DataFrame:
    """One row for each choice: question, readings, primary, why."""
    rows = [
        (choice.question, ", ".join(choice.readings), " and ".join(choice.primary), choice.why)
        for choice in CHOICES.values()
    ]
    return pd.DataFrame(rows, columns=["question", "readings", "primary", "why"], index=list(CHOICES))


def smallest_table() -> pd.DataFrame:
    """One row for each of `SMALLEST`: effect (its name), smallest (with its unit), why."""

    def told(each: Smallest) -> str:
        unit = each.unit.removesuffix("s") if each.value == 1 else each.unit
        return f"{'within ' * each.within}{number(each.value, '.3g')} {unit}".strip().replace(" %", "%")

    rows = [(name, told(each), each.why) for name, each in SMALLEST.items()]
    return pd.DataFrame(rows, columns=["effect", "smallest that matters", "why"])

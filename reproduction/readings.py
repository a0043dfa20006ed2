"""The choices that the paper (arXiv:2211.01370) leaves open, the ways to read each, and which of these are primary.

Written down before any of the trainings over 200 epochs was looked at. What is not primary is shown beside it.
Book: page *The paper, and where it is open*.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


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
        "The paper's ranges are lost but for the ratios 1 : 1/10 : 10 between its figures. Ours is anchored where the "
        "border of the big-lr network's planes reaches a mistake rate of one half.",
    ),
    "epochs": Choice("How long is a training?", ("200", "30"), ("200",), "The paper's figures show 200 epochs."),
    "own_classes": Choice(
        "When classes are compared by their losses over a plane, do the plane's own two classes count?",
        ("out", "in"),
        ("out",),
        "The paper speaks of the ego spaces of other classes, and a class's loss in its own space is moved by its own "
        "gradient.",
    ),
}
"""By name: the choices whose readings every rule on a claim is applied in, as far as they concern it."""


def table() -> pd.DataFrame:
    """One row for each choice: question, readings, primary, why."""
    rows = [
        (choice.question, ", ".join(choice.readings), " and ".join(choice.primary), choice.why)
        for choice in CHOICES.values()
    ]
    return pd.DataFrame(rows, columns=["question", "readings", "primary", "why"], index=list(CHOICES))

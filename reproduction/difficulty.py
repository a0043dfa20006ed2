"""Is class interference a difficulty of the data? The questions behind that sentence of the paper, each with its rule.

The paper says that class interference "represents the learning difficulty in data", is "not specific to models", and
that "cats and dogs are hard to recognize for humans as well", and tests none of it. The rules were written down before
any number that they judge was looked at, but for one: a first look had found that all five networks miss about 300 test
images, where networks that err independently within each class would miss about one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from ciutils.analyse.agreement import Estimate
from ciutils.show import text

LEVEL = 0.05
"""Of every test. Intervals are of 95%."""


@dataclass(frozen=True)
class Question:
    """question: as a reader asks it. rule: when the answer is yes, when no; else neither, or it cannot be told."""

    question: str
    rule: str


QUESTIONS = {
    "same_images": Question(
        "Do networks miss the same images, more than their classes explain?",
        "Yes if the interval of the mean error consistency within classes, over all pairs of networks, lies above 0; "
        "no if it lies below.",
    ),
    "same_names": Question(
        "Do two networks that miss the same image give it the same wrong name, more than their habits explain?",
        "Yes if the interval of the share of same names less the share expected of independent ones, on average over "
        "all pairs of networks, lies above 0; no if it lies below.",
    ),
    "concentrated": Question(
        "Are most errors made on images that most networks miss?",
        "Yes if the interval of the share of errors on images that more than half of the networks miss lies above one "
        "half; no if it lies below.",
    ),
    "human_cells": Question(
        "Do humans confuse the classes that networks confuse?",
        "Yes if the rank correlation over all pairs of true and given class is positive and its p-value below 0.05, "
        "with each group of humans; no if that is so with none. P-values permute the classes of one table, its rows "
        "and columns alike.",
    ),
    "less_alike": Question(
        "Are networks less like humans than one group of humans is like the other?",
        "Yes if the interval of the correlation between the two groups less that between networks and a group lies "
        "above 0 for each group; no if it lies below 0 for each.",
    ),
    "direction": Question(
        "Of a pair's two confusions, is the same one the larger for humans and for networks?",
        "As for the classes that are confused, with the differences of each rate and its reverse in place of rates.",
    ),
    "better": Question(
        "Are better networks more human?",
        "Yes if the rank correlation, over the trained networks of the profile, of test accuracy with the likeness to "
        "humans is positive and its p-value below 0.05, with each group of humans; no if it is negative so with each.",
    ),
    "human_images": Question(
        "Do networks and humans miss the same images, more than their classes explain?",
        "As for two networks, with what most humans say of an image as one more network. Where images can be joined.",
    ),
    "cost": Question(
        "Does a network of all classes confuse two of them more than networks that know only these two?",
        "Yes if the interval of the difference of error rates, on average over the most confused half of the pairs and "
        "over seeds, lies above 0 at equal updates and at equal epochs; no if it lies below 0 at both. The network of "
        "all classes is asked which of the two an image is.",
    ),
    "remains": Question(
        "Is most of that confusion there without the other classes?",
        "Yes if the interval of the share of the errors of networks of all classes that networks of the two alone make "
        "as well, as a ratio of error rates at equal updates, on average over the same pairs, lies above one half; no "
        "if below.",
    ),
    "dose": Question(
        "Do the paper's measures of interference follow a planted dose of it?",
        "Yes if with each larger rate of swapped labels the two classes are called each other more often in test "
        "images, their gradients' cosine is lower, their dance score higher and their flat area smaller; no if with "
        "the largest rate none of the four lies on that side of where it is without swapped labels.",
    ),
    "early": Question(
        "Can it be told early which classes will be confused?",
        "Yes if the rank correlation over all pairs of classes, of the cosine of two class gradients (negated) and of "
        "running confusion, each at each of the early epochs, with the final confusion is positive and its p-value "
        "below 0.05; no if that is so for none. P-values permute classes.",
    ),
    "elsewhere": Question(
        "Does another data set show what CIFAR-10 shows?",
        "Of six findings, each must hold with every network: the pair with the most errors holds more than twice an "
        "even share; a class is taken for another the more, the more the other is taken for it; classes that another "
        "network groups hold more of the errors than drawn ones; the lower the cosine of two class gradients, the more "
        "the classes are confused; the recalls of the pair with the most errors dance; networks miss the same images, "
        "more than their classes explain. The last by its interval, those between by p-values below 0.05. Yes if all "
        "six hold, no if none does. (Added when the answers were known: where a training has too few epochs for a "
        "p-value of a dance below 0.05, that cannot be told, and the others decide.)",
    ),
    "same_dancers": Question(
        "Are the images of one class that are given another's name the same in every epoch, or new ones each time?",
        "The same if the interval of their turnover lies below one half, new ones if above. Turnover is 0 if all who "
        "are ever given that name are given it in the fullest epoch, and 1 if each epoch draws its own at random. The "
        "first half of the training does not count: there, everything is taken for everything.",
    ),
}
"""By name. Intervals are of 95%, over images drawn anew within their classes (humans' tables: rows drawn anew, each
image counted as one choice, since choices of one image are alike)."""


UNTOLD = "cannot be told"


def table(answers: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """One row for each question that is answered: question, answer, what it rests on, rule. answers: by the question's
    name, (answer, numbers)."""
    rows = [
        (QUESTIONS[name].question, answer, numbers, QUESTIONS[name].rule) for name, (answer, numbers) in answers.items()
    ]
    return pd.DataFrame(rows, columns=["question", "answer", "rests on", "rule"])


def told(estimate: Estimate, unit: str = "") -> str:
    """A number with its interval, as text: "0.51 (0.49 to 0.53)"; with unit "%" a share in percent, with "points" a
    difference of shares in percentage points. An interval whose ends would read alike gets a digit more."""
    scale, digits = (100, 1) if unit else (1, 2)
    low, high = (f"{scale * each:.{digits}f}" for each in (estimate.low, estimate.high))
    form = f".{digits + (low == high and estimate.low < estimate.high)}f"
    percent, behind = "%" * (unit == "%"), " percentage points" * (unit == "points")
    value, low, high = (
        text.number(scale * each, form) + percent for each in (estimate.value, estimate.low, estimate.high)
    )
    interval = f"{low} to {high}" if math.isfinite(estimate.low + estimate.high) else "no interval"
    return f"{value} ({interval}){behind}"


def beyond(low: float, high: float, reference: float = 0.0) -> str:
    """What the interval from `low` to `high` says: "yes" above `reference`, "no" below, else "cannot be told"."""
    return "yes" if low > reference else "no" if high < reference else UNTOLD


def agreed(verdicts: Iterable[str]) -> str:
    """The verdict that all share, else "cannot be told"."""
    first, *others = set(verdicts)
    return UNTOLD if others else first


def of_all(verdicts: Iterable[str]) -> str:
    """ "yes" or "no" if all verdicts are, else "in part"; what cannot be told decides nothing, and is said."""
    known = set(found := list(verdicts)) - {UNTOLD}
    if not known:
        return UNTOLD
    return ("in part" if len(known) > 1 else known.pop()) + ", as far as it can be told" * (UNTOLD in found)

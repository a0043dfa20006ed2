"""From effects with intervals to answers, and from answers to summaries."""

import math

import numpy as np
import pytest
from scipy import stats

from ciutils.analyse.agreement import Estimate
from reproduction import readings
from reproduction.claims import answers
from reproduction.claims.answers import Part


def between(low, high):
    return Estimate((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.6, 2.0, "supported"),
        (0.4, 2.0, "undecided"),
        (-0.4, 0.4, "contradicted"),  # within the band of no effect
        (-3.0, 0.4, "contradicted"),
        (-3.0, -1.0, "contradicted"),  # on the other side
        (-3.0, 3.0, "undecided"),
        (0.6, math.inf, "supported"),  # bounded from below alone
        (-math.inf, 0.4, "contradicted"),
        (0.5 + 1e-15, 2.0, "undecided"),  # at the smallest, but for rounding
        (-3.0, 0.5 - 1e-15, "undecided"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_an_effect_is_held_against_the_smallest_that_matters(low, high, expected):
    assert readings.SMALLEST["rate"].value == 0.5
    assert answers.answer(between(low, high), "rate") == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-20, 20, "supported"),
        (-20, 25, "undecided"),
        (-25, 25, "undecided"),
        (25, 40, "contradicted"),
        (-40, -25, "contradicted"),
        (20, 40, "undecided"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_no_effect_is_supported_by_an_interval_within_the_smallest(low, high, expected):
    assert (readings.SMALLEST["angle"].value, readings.SMALLEST["angle"].within) == (22.5, True)
    assert answers.answer(between(low, high), "angle") == expected


def test_a_part_without_artifacts_and_one_of_another_size_are_not_judged():
    assert answers.part("vgg19", "rate", lambda _: pytest.fail("judged"), None).answer == "not there"
    assert answers.part("vgg19", "rate", lambda given: given, between(1, 2)).answer == "supported"
    assert Part("93.87%", "accuracy", between(0, 0), comparable=False).answer == "not comparable here"


@pytest.mark.parametrize(
    ("yes", "no", "open_", "expected"),
    [
        (3, 0, 0, "supported"),
        (0, 3, 0, "contradicted"),
        (2, 1, 0, "mostly supported"),
        (2, 0, 1, "mostly supported"),
        (1, 4, 0, "mostly contradicted"),
        (1, 1, 0, "mixed"),
        (3, 2, 0, "mixed"),
        (1, 0, 1, "undecided"),
        (1, 1, 2, "undecided"),
        (0, 0, 1, "undecided"),
    ],
)
def test_answers_add_up(yes, no, open_, expected):
    found = ["supported"] * yes + ["contradicted"] * no + ["undecided"] * open_
    assert answers.summary(found) == answers.summary([*found, "not comparable here", "not there"]) == expected


def test_without_answers_nothing_adds_up():
    assert answers.summary([]) == answers.summary(["not there"]) == "not there"
    assert answers.summary(["not there", "not comparable here"]) == "not comparable here"


def test_over_seeds_both_uncertainties_count():
    """Means 1, 2, 3: t(2) = 4.303, standard error 1 / sqrt(3); images +-0.5."""
    found = answers.over_seeds([Estimate(value, value - 0.5, value + 0.5) for value in (1.0, 2.0, 3.0)])
    half = math.hypot(0.5, 4.302653 / math.sqrt(3))
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half), abs=1e-5)
    same = answers.over_seeds([Estimate(1.0, 0.5, 1.5)] * 3)
    assert (same.low, same.high) == (0.5, 1.5)


def test_the_jackknife_of_a_mean_is_students_interval_of_the_blocks():
    values = np.random.default_rng(0).normal(size=100)
    found = answers.jackknife(lambda kept: values[kept].mean(), 100, (-9, 9))
    blocks = values.reshape(20, 5).mean(1)
    low, high = stats.t.interval(0.95, 19, blocks.mean(), stats.sem(blocks))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))


def test_an_interval_ends_where_the_statistic_does():
    hits = np.arange(30) >= 2
    found = answers.jackknife(lambda kept: 100 * hits[kept].mean(), 30, (0.0, 100.0))
    assert found.value < found.high == 100


def test_of_few_epochs_nothing_is_known():
    found = answers.jackknife(lambda _: pytest.fail("asked"), 14, (0, 1))
    assert math.isnan(found.value)
    assert math.isnan(found.low)


@pytest.mark.parametrize(
    ("above", "below", "low", "high"),
    [
        ((2, 6), (1, 2), 1, 6),
        ((-2, 6), (1, 2), -2, 6),
        ((-6, -2), (1, 2), -6, -1),
        ((2, 6), (-1, 2), 1, math.inf),
        ((2, 6), (-2, -1), math.inf, math.inf),
        ((-2, 6), (0, 2), -math.inf, math.inf),
        ((-6, -2), (-1, 2), -math.inf, 0),
    ],
)
def test_a_quotient_holds_every_quotient_of_its_intervals(above, below, low, high):
    found = answers.quotient(between(*above), between(*below))
    assert (found.low, found.high) == (low, high)

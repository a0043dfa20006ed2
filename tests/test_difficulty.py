"""The rules by which the questions on difficulty are answered."""

import math

import pytest

from ciutils.analyse.agreement import Estimate
from reproduction import difficulty


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.51, 0.6, "yes"),
        (0.4, 0.49, "no"),
        (0.4, 0.6, "cannot be told"),
        (0.5, 0.6, "cannot be told"),
        (math.nan, math.nan, "cannot be told"),
    ],
)
def test_an_interval_answers_only_beyond_its_reference(low, high, expected):
    assert difficulty.beyond(low, high, 0.5) == expected


@pytest.mark.parametrize(
    ("verdicts", "answer"),
    [
        (["yes", "yes"], "yes"),
        (["no"], "no"),
        (["yes", "no"], "in part"),
        (["yes", "cannot be told"], "yes, as far as it can be told"),
        (["yes", "no", "cannot be told"], "in part, as far as it can be told"),
        (["cannot be told"], "cannot be told"),
    ],
)
def test_what_cannot_be_told_decides_nothing(verdicts, answer):
    assert difficulty.of_all(verdicts) == answer


def test_what_groups_disagree_on_cannot_be_told():
    assert difficulty.agreed(["yes", "yes"]) == "yes"
    assert difficulty.agreed(["no", "no"]) == "no"
    assert difficulty.agreed(["yes", "no"]) == difficulty.agreed(["no", "cannot be told"]) == "cannot be told"


def test_numbers_are_told_with_their_intervals():
    found = Estimate(0.5123, 0.4, 0.75)
    assert difficulty.told(found) == "0.51 (0.40 to 0.75)"
    assert difficulty.told(found, "%") == "51.2% (40.0% to 75.0%)"
    assert difficulty.told(found, "points") == "51.2 (40.0 to 75.0) percentage points"
    assert difficulty.told(Estimate(0.5, math.nan, math.nan)) == "0.50 (no interval)"
    assert difficulty.told(Estimate(0.711, 0.708, 0.714)) == "0.711 (0.708 to 0.714)"
    assert difficulty.told(Estimate(0.5, 0.5, 0.5)) == "0.50 (0.50 to 0.50)"


def test_a_table_has_the_rule_beside_each_answer():
    table = difficulty.table({"better": ("no", "-0.5"), "same_images": ("yes", "0.5")})
    assert list(table["question"]) == [difficulty.QUESTIONS[name].question for name in ("better", "same_images")]
    assert list(table["answer"]) == ["no", "yes"]
    assert list(table["rests on"]) == ["-0.5", "0.5"]
    assert all(table["rule"].str.len() > 20)

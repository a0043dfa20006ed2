import tracemalloc
from itertools import permutations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ciutils.analyse import confusion, likeness
from ciutils.counts import CELLS

HAND = [[90, 6, 4], [1, 96, 3], [5, 2, 93]]
"""Of 100 objects a class: what humans, made by hand, call them."""


def table(values, classes="abcdefghij"):
    names = list(classes[: len(values)])
    return xr.DataArray(np.array(values), dims=CELLS, coords={"true": names, "predicted": names})


def random_rates(seed, classes=10):
    return table(np.random.default_rng(seed).random((classes, classes)))


def apart(rates):
    return rates.values[..., ~np.eye(rates.shape[-1], dtype=bool)]


def test_the_correlation_is_spearmans_beside_the_diagonal():
    """By hand: cells ab ac ba bc ca cb of one are ranked 6 4 1 3 5 2, of the other 6 5 2 1 4 3. The squared differences
    are 0 1 1 4 1 1: 1 - 6 * 8 / (6 * 35)."""
    other = table([[50, 40, 30], [3, 10, 1], [9, 7, 20]]) / 100
    assert float(likeness.rank_correlation(table(HAND) / 100, other)) == pytest.approx(1 - 48 / 210)


@given(st.integers(0, 1000), st.integers(3, 10))
def test_it_is_scipys_and_the_same_both_ways(seed, classes):
    one, two = random_rates(seed, classes), random_rates(seed + 1, classes).round(1)
    expected = stats.spearmanr(apart(one), apart(two)).statistic
    assert float(likeness.rank_correlation(one, two)) == pytest.approx(expected)
    assert float(likeness.rank_correlation(two, one)) == pytest.approx(expected)


def test_a_table_is_like_itself_and_like_what_has_the_same_order():
    rates = random_rates(0)
    same = likeness.likeness(rates, rates**3 + 5)
    assert same.correlation == pytest.approx(1)
    assert same.p_value == 1 / 10_001


def test_unrelated_tables_are_seldom_alike():
    """At 5 percent, 20 of 400 are expected; 36 or more have a probability of 0.05 percent."""
    p_values = [
        likeness.likeness(random_rates(2 * seed), random_rates(2 * seed + 1), 200).p_value for seed in range(400)
    ]
    assert np.sum(np.array(p_values) <= 0.05) < 36
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)


def test_rows_that_hang_together_are_not_taken_for_likeness():
    """Each table has classes of its own that are hard, and others that attract: a permutation of cells would take
    chance likeness of rows for significant; one of classes does not."""

    def hanging(seed):
        random = np.random.default_rng(seed)
        return table(random.exponential(size=(10, 1)) * random.exponential(size=10))

    p_values = [likeness.likeness(hanging(2 * seed), hanging(2 * seed + 1), 200).p_value for seed in range(400)]
    assert np.sum(np.array(p_values) <= 0.05) < 36


def test_planted_likeness_is_found():
    shared = random_rates(0)
    noisy = [shared + 0.3 * random_rates(seed) for seed in (1, 2)]
    found = likeness.likeness(*noisy)
    assert found.correlation > 0.7
    assert found.p_value < 0.001


def test_uneven_pairs_are_those_of_which_one_direction_is_more_than_twice_the_other():
    """HAND has a-b at 6 and 1, a-c at 4 and 5, b-c at 3 and 2; a rate of exactly twice its reverse is not more."""
    rates = table(HAND) / 100
    pairs = [("b", "a"), ("a", "c"), ("b", "c")]
    assert likeness.uneven(rates, pairs) == [("a", "b")]
    assert likeness.uneven(table([[8, 2, 0], [1, 9, 0], [0, 1, 9]]) / 10, pairs) == [("c", "b")]
    with pytest.raises(ValueError, match="counts are no rates"):
        likeness.uneven(table(HAND), pairs)


def test_one_way_is_the_difference_of_the_two_directions():
    found = likeness.one_way(table(HAND) / 100)
    np.testing.assert_allclose(found, [[0, 0.05, -0.01], [-0.05, 0, 0.01], [0.01, -0.01, 0]])
    assert (likeness.one_way(random_rates(0) * 0 + 1) == 0).all()


def test_the_same_direction_is_like_and_the_opposite_unlike():
    direction = likeness.one_way(random_rates(0))
    assert likeness.likeness(direction, direction).p_value < 0.001
    assert float(likeness.rank_correlation(direction, -direction)) == pytest.approx(-1)


def test_rows_drawn_anew_scatter_as_so_many_objects():
    drawn = likeness.drawn_anew(table(HAND) * 50, objects=100, draws=4000)
    np.testing.assert_allclose(drawn[0], np.array(HAND) / 100)
    np.testing.assert_allclose(drawn[1:].mean("draw"), np.array(HAND) / 100, atol=0.003)
    rates = np.array(HAND) / 100
    np.testing.assert_allclose(drawn[1:].std("draw"), np.sqrt(rates * (1 - rates) / 100), rtol=0.05)
    assert likeness.rank_correlation(drawn, table(HAND) / 100).shape == (4001,)


def test_equal_cells_have_no_correlation_and_no_p_value():
    """Such as those of a network without errors."""
    perfect = confusion.cctm(table(np.eye(3, dtype=int)))
    for two in ((perfect, table(HAND) / 100), (table(HAND) / 100, perfect)):
        assert np.isnan(likeness.rank_correlation(*two))
        found = likeness.likeness(*two)
        assert np.isnan([found.correlation, found.p_value]).all()


@pytest.mark.parametrize("classes", [3, 6])
def test_the_p_value_counts_the_permutations_that_are_as_alike(classes):
    """The same permutations, all six of three classes, each table permuted and correlated by scipy; ties and all."""
    one, two = random_rates(1, classes), random_rates(2, classes).round(1)
    some = np.random.default_rng(5).permuted(np.tile(np.arange(classes), (300, 1)), axis=1)
    orders = [*permutations(range(3))] if classes == 3 else [np.arange(classes), *some]
    found = [stats.spearmanr(apart(one), apart(table(two.values[np.ix_(each, each)]))).statistic for each in orders]
    observed = stats.spearmanr(apart(one), apart(two)).statistic
    assert likeness.likeness(one, two, 300, seed=5).p_value == np.mean(np.array(found) >= observed - 1e-12)


def test_two_tables_of_a_hundred_classes_are_compared_in_little_memory():
    rates = xr.DataArray(np.random.default_rng(0).random((100, 100)), dims=CELLS)
    tracemalloc.start()
    found = likeness.likeness(rates, rates, draws=1000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.p_value == 1 / 1001
    assert most < 10 * 1000 * 100 * 8  # ten times the permutations themselves; a table for each takes a hundred times


def test_a_class_without_objects_has_no_drawn_rates():
    rates = np.array(HAND)
    rates[1] = 0
    drawn = likeness.drawn_anew(table(rates), objects=10, draws=5)
    assert np.isnan(drawn[:, 1]).all()
    np.testing.assert_allclose(drawn[:, [0, 2]].sum("predicted"), 1)
    with pytest.raises(ValueError, match=r"choose one matrix, as in counts.isel"):
        likeness.drawn_anew(table(HAND).expand_dims("epoch"), objects=10)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (table(HAND, "acb") / 100, "both of the same classes in the same order"),
        (table(np.ones((4, 4))), "both of the same classes"),
        (table(HAND).rename(true="predicted", predicted="true"), "give .*true, predicted"),
        (table(HAND) * np.nan, "a class has no objects: leave it out"),
        (table(HAND), r"rates are int64: give confusion.cctm\(counts\); counts are no rates"),
        (table(HAND).values, "rates are a ndarray: give a DataArray"),
        (HAND, "rates are a list: give a DataArray"),
        ((table(HAND) / 100).expand_dims("epoch"), r"choose one table, as in rates.isel\(epoch=-1\)"),
    ],
)
def test_tables_that_do_not_fit_get_one_line(other, message):
    with pytest.raises(ValueError, match=message) as error:
        likeness.likeness(table(HAND) / 100, other)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("call", [likeness.one_way, lambda rates: likeness.rank_correlation(rates, rates)])
def test_counts_and_lists_are_no_rates(call):
    with pytest.raises(ValueError, match="rates are int64: give"):
        call(table(HAND))
    for other in (HAND, np.array(HAND) / 100):
        with pytest.raises(ValueError, match=f"rates are a {type(other).__name__}: give a DataArray"):
            call(other)


@pytest.mark.parametrize("wrong", [{"objects": 0}, {"objects": 10, "draws": 0}])
def test_numbers_of_draws_are_whole_and_positive(wrong):
    with pytest.raises(ValueError, match="give a whole number of at least 1"):
        likeness.drawn_anew(table(HAND), **wrong)

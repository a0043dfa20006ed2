import numpy as np
import pytest
import xarray as xr
from scipy import stats

from ciutils.analyse import chance
from tests import worlds


def test_a_correlation_with_what_does_not_vary_is_none():
    assert chance.spearman(np.array([1, 2, 3]), np.array([2, 4, 9])) == pytest.approx(1)
    assert chance.spearman(np.array([1, 2, 3]), np.ones(3)) == 0


def test_tables_of_which_one_does_not_vary_have_no_correlation_however_classes_are_ordered():
    assert np.isnan(chance.mantel(np.zeros((4, 4)), np.arange(16.0).reshape(4, 4), 20, seed=0)).all()


def test_few_classes_are_put_in_all_orders_and_many_in_some():
    """So a p-value of few classes is exact: of six orders the own one alone reaches a perfect correlation."""
    listed = chance.orders(3, 5, seed=0)
    assert listed[0].tolist() == [0, 1, 2]
    assert len({tuple(order) for order in listed}) == len(listed) == 6
    some = chance.orders(3, 4, seed=0)
    assert some[0].tolist() == [0, 1, 2]
    assert some.shape == (5, 3)
    table = np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]])
    assert chance.p_value(chance.mantel(table, table, 100, seed=0)) == pytest.approx(1 / 6)


def test_permuted_tables_are_compared_as_scipy_would(monkeypatch):
    """Also where they do not fit at once."""
    monkeypatch.setattr(chance, "_HELD", 100)
    one, two = np.random.default_rng(0).integers(5, size=(2, 4, 4))
    apart = ~np.eye(4, dtype=bool)
    expected = [
        stats.spearmanr(one[apart], two[order][:, order][apart]).statistic for order in chance.orders(4, 50, seed=1)
    ]
    assert chance.mantel(one, two, 50, seed=1) == pytest.approx(expected)


def test_what_chance_gives_leaves_out_0_where_a_test_does():
    drawn = np.linspace(-1, 1, 1001)
    assert chance.beyond_chance(0.96, drawn).low > 0 > chance.beyond_chance(0.94, drawn).low
    assert chance.beyond_chance(0.5, drawn + 0.3).value == pytest.approx(0.2)


def test_a_class_that_is_always_missed_has_a_place_in_the_profile():
    """Its errors are all that there is in its row, and the fitted ones add up to 1 but for the last step. It has the
    fewest interferers and the lowest recall, against the law."""
    rates = np.full((4, 4), 0.1) + np.diag([0.6, 0.6, 0.6, 0.6])
    rates[0] = [0, 0.7, 0.3, 0]
    names = list("abcd")
    cctm = xr.DataArray(rates, dims=("true", "predicted"), coords={"true": names, "predicted": names})
    found = chance.few_interferers(cctm, np.array([10, 20, 30, 40]), 0.05, draws=50)
    assert -2 <= found.low <= found.value < 0


def test_what_difficulty_alone_gives_has_the_same_sums():
    wrong = worlds.counts_of(worlds.interfering(160, 150)).values / 1000 * ~np.eye(10, dtype=bool)
    fitted = chance.of_difficulty(wrong[None])[0]
    assert np.allclose(fitted.sum(0), wrong.sum(0), rtol=1e-3)
    assert np.allclose(fitted.sum(1), wrong.sum(1), rtol=1e-3)
    odds = fitted[0, 1] * fitted[2, 3] / (fitted[0, 3] * fitted[2, 1])  # (missed) x (called): no interaction
    assert odds == pytest.approx(1)

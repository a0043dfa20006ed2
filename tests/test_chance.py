import numpy as np
import pytest
import xarray as xr

from ciutils.analyse import chance
from tests import worlds


def test_a_correlation_with_what_does_not_vary_is_none():
    assert chance.spearman(np.array([1, 2, 3]), np.array([2, 4, 9])) == pytest.approx(1)
    assert chance.spearman(np.array([1, 2, 3]), np.ones(3)) == 0


def test_tables_of_which_one_does_not_vary_have_no_correlation_however_classes_are_ordered():
    found, drawn = chance.mantel(np.zeros((4, 4)), np.arange(16.0).reshape(4, 4), 20, seed=0)
    assert np.isnan(found)
    assert np.isnan(drawn).all()


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

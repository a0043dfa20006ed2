import math

import numpy as np
import pytest
import xarray as xr

from ciutils.analyse.curvature import curvature


def derivatives(hessian, norms=(1.0, 1.0), cosine=0.0, weight_norm=1.0, error=0.0, classes=2):
    """Of classes whose mean Hessian is `hessian`: one has none, the other the sum."""
    shape = np.zeros((classes, 2, 2))
    shape[0] = classes * np.array(hessian)
    return xr.Dataset(
        {
            "hessian": (("true", "direction", "other"), shape),
            "hessian_error": (("true", "direction", "other"), np.full_like(shape, error)),
        },
        attrs={"norm1": norms[0], "norm2": norms[1], "cosine": cosine, "weight_norm": weight_norm},
    )


def test_of_a_bowl_all_lines_are_alike_whatever_the_axes():
    """0.5 k ||step||^2 has the curvature k; steps are theta1 g1 + theta2 g2 with norms 2 and 3 at 60 degrees."""
    inner = np.array([[4.0, 3.0], [3.0, 9.0]])
    found = curvature(derivatives(5 * inner, norms=(2.0, 3.0), cosine=0.5, weight_norm=10.0))
    for each in (*found.along, found.flattest, found.steepest):
        assert each.value == pytest.approx(500)


def test_a_valley_along_the_diagonal_is_found():
    """(theta1 - theta2)^2: no curvature at 45 degrees, four at 135, two along either."""
    found = curvature(derivatives([[2.0, -2.0], [-2.0, 2.0]]))
    assert found.valley == pytest.approx(45)
    assert (found.flattest.value, found.steepest.value) == pytest.approx((0, 4), abs=1e-12)
    assert [each.value for each in found.along] == pytest.approx([2, 2])
    assert curvature(derivatives([[3.0, 0.0], [0.0, 1.0]])).valley == pytest.approx(90)


def test_an_interval_is_that_of_the_mean_over_classes():
    """Two classes with errors of 0.1: of their mean 0.1 / sqrt(2)."""
    found = curvature(derivatives([[3.0, 0.0], [0.0, 1.0]], error=0.1, weight_norm=2.0))
    half = 4 * 1.96 * 0.1 / math.sqrt(2)
    assert (found.along[0].low, found.along[0].high) == pytest.approx((12 - half, 12 + half))
    assert found.steepest.value == pytest.approx(12)


def test_parallel_directions_span_no_plane():
    found = curvature(derivatives([[2.0, -2.0], [-2.0, 2.0]], cosine=-1.0))
    assert math.isnan(found.valley)
    assert math.isnan(found.steepest.value)
    assert found.along[0].value == pytest.approx(2)

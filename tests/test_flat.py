import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from test_spaces import bowl, made

from ciutils.analyse import flat, responses, surfaces
from ciutils.analyse.flat import Bounds

TOLERANCE = 0.05
SHAPES = {
    "ellipse": (np.hypot, np.pi),
    "rectangle": (lambda u, v: np.maximum(abs(u), abs(v)), 4),
    "rhombus": (lambda u, v: abs(u) + abs(v), 2),
}
"""Distances of which 1 is the rim of a shape with half axes 1, and the area of that."""

PROFILES = {
    "bowl": lambda q: TOLERANCE * q**2,
    "cone": lambda q: TOLERANCE * q,
    "step": lambda q: np.where(q <= 1, 0, 0.8),
    "wall": lambda q: 0.8 * -np.expm1(np.log1p(-TOLERANCE / 0.8) * q**2),
    "spike": lambda q: TOLERANCE * np.sqrt(q),
    "pan": lambda q: np.where(q <= 1, 0, TOLERANCE + 2 * (q - 1)),
}
"""Rises that pass the tolerance at distance 1, gently or at once, and go on or level off."""


def valley(width, length, degrees, shape="ellipse", profile="bowl", points=19, sigma=1.0, away=(0.0, 0.0)):
    """A space around a valley of known half axes, its area, and, if `away`, the network not in its middle."""
    distance, unit = SHAPES[shape]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))

    def rate(x, y):
        u, v = (x * cosine + y * sine) / length + away[0], (y * cosine - x * sine) / width + away[1]
        return 0.1 + PROFILES[profile](distance(u, v)) - PROFILES[profile](distance(*away))

    return made(rate, (sigma, sigma), points), unit * width * length


# --- areas


@pytest.mark.parametrize(("points", "within"), [(19, 0.08), (41, 0.02), (201, 0.003)])
def test_the_area_of_a_bowl_nears_that_of_its_disc(points, within):
    area = flat.flat_area(made(bowl, points=points), tolerance=0.1)
    assert area.theta.value == pytest.approx(np.pi * 0.25, rel=within)
    assert area.theta.low <= np.pi * 0.25 <= area.theta.high
    assert area.distance == area.theta


@pytest.mark.parametrize("degrees", [0, 22.5, 45])
@pytest.mark.parametrize("sigma", [1.0, 0.1])
def test_a_valley_that_the_grid_misses_is_not_given_an_area(degrees, sigma):
    """Its area is 0.050, and it is a third of a cell wide. Ten times closer its length reaches the edge."""
    space, area = valley(0.017, 0.94, degrees, sigma=sigma)
    assert area == pytest.approx(0.050, abs=5e-4)
    found = flat.flat_area(space).theta
    assert found.low <= area
    assert math.isinf(found.high)
    assert math.isnan(found.value)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("degrees", [0, 22.5, 45])
@pytest.mark.parametrize(("width", "resolved"), [(0.05, False), (0.1, False), (0.2, True), (0.3, True)])
def test_bounds_hold_a_valley_of_any_width_and_angle(width, resolved, degrees, profile):
    """A cell is 0.11 wide; a valley of twice that on either side holds the network's eight neighbours at any angle."""
    space, area = valley(width, 0.75, degrees, profile=profile)
    found = flat.flat_area(space).theta
    assert found.low <= area <= found.high
    assert (found.high < math.inf) == resolved


half_axes = st.floats(0.03, 1.2)


@given(half_axes, half_axes, st.floats(0, 180), st.sampled_from([*SHAPES]), st.sampled_from([*PROFILES]))
def test_bounds_hold_any_convex_region(width, length, degrees, shape, profile):
    space, area = valley(width, length, degrees, shape, profile)
    found = flat.flat_area(space).theta
    assert found.low <= area <= found.high
    assert math.isnan(found.value) or found.low <= found.value <= found.high


@given(half_axes, half_axes, st.floats(0, 180), st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_bounds_hold_where_the_network_is_not_in_the_middle_of_the_region(width, length, degrees, along, across):
    space, area = valley(width, length, degrees, profile="step", away=(along, across))
    found = flat.flat_area(space).theta
    assert found.low <= area <= found.high


@given(half_axes, half_axes, st.floats(0, 180))
def test_planes_of_one_network_never_contradict_each_other(width, length, degrees):
    near, far = (flat.flat_area(valley(width, length, degrees, sigma=sigma)[0]).theta for sigma in (0.2, 1.0))
    assert near.low <= far.high
    assert far.low <= near.high


def test_a_region_that_reaches_the_edge_is_only_bounded_from_below():
    found = flat.flat_area(made(lambda x, y: 0.1 + 0.2 * x**2)).theta  # 1 wide, and it goes on
    assert 0.75 < found.low < 2
    assert math.isinf(found.high)


def test_what_lies_behind_a_ridge_does_not_count():
    ridges = made(lambda x, y: np.where(abs(np.hypot(x, y) - 0.5) < 0.06, 0.9, 0.1), points=101)
    found = flat.flat_area(ridges).theta
    assert found.low <= np.pi * 0.44**2 <= found.high < 1


def test_area_in_weight_distance_is_that_of_the_parallelogram():
    space = made(bowl, points=41, norms=(3.0, 0.5), cosine=0.6, weight_norm=2.0)
    area = flat.flat_area(space, tolerance=0.1)
    for bound in ("value", "low", "high"):
        assert getattr(area.distance, bound) == pytest.approx(getattr(area.theta, bound) * 3 * 0.5 * 0.8 / 4)


def test_the_axes_may_differ_in_range():
    wide, square = made(lambda x, y: bowl(x / 4, y), sigma=(4.0, 1.0)), made(bowl)
    assert flat.flat_area(wide, 0.1).theta.value == pytest.approx(4 * flat.flat_area(square, 0.1).theta.value, rel=1e-6)


# --- what is not known of the rates


def test_an_interval_of_the_rate_widens_the_bounds_as_another_tolerance_would():
    space = made(bowl, points=41)
    rate = 0.1 + 0.4 * (space.theta1**2 + space.theta2**2)
    stopped_early = space.assign(low=rate - 0.01, high=rate + 0.01)  # of each of two rates, so 0.02 of a rise
    found = flat.flat_area(stopped_early, 0.1).theta
    assert found.low == pytest.approx(flat.flat_area(space, 0.08).theta.low, rel=0.02)
    assert found.high == pytest.approx(flat.flat_area(space, 0.12).theta.high, rel=0.02)
    assert found.value == flat.flat_area(space, 0.1).theta.value


def test_bounds_hold_the_area_for_the_images_that_were_left_out():
    """Planes measured on 500 drawn images; the area is that of all."""
    random = np.random.default_rng(0)
    space, area = valley(0.35, 0.6, 30, points=21)
    wrong = space["counts"].values[..., 0, 1] / 1e5
    held, wide = 0, 0
    for _ in range(100):
        drawn = random.binomial(500, wrong)
        counts = np.zeros_like(space["counts"].values)
        counts[..., 0, 1], counts[..., 0, 0] = drawn, 500 - drawn
        error = np.sqrt(drawn / 500 * (1 - drawn / 500) / 500)
        sample = space.assign(counts=(space["counts"].dims, counts), standard_error=(("theta1", "theta2"), error))
        found = flat.flat_area(sample).theta
        held += found.low <= area <= found.high
        wide += found.low == 0
    assert held >= 95
    assert wide < 50  # it says something


def test_where_the_output_is_not_finite_it_is_not_flat():
    space = made(lambda x, y: 0.1 + 0 * x)
    space["undefined"].values[abs(space.theta1) > 0.45] = 1
    found = flat.flat_area(space).theta
    assert 0.78 * 2 < found.low <= 0.8 * 2  # four whole cells on either side
    space["undefined"].values[10, 10] = 1
    assert not flat.flat_area(space).theta.resolved
    assert not any(width.resolved for width in flat.ego_widths(space)["theta"])


def test_rows_that_are_missing_are_no_flat_area():
    space = made(bowl)
    space["done"].values[3] = False
    with pytest.raises(ValueError, match="1 of 21 rows are missing: measure the other shards too"):
        flat.flat_area(space)


@pytest.mark.parametrize("space", [np.zeros((3, 3)), [1], None, xr.Dataset(), xr.DataArray([0.5])])
def test_what_is_no_space_is_told_in_a_line(space):
    told = f"space is a {type(space).__name__}.*: give a Dataset, as measure.interference_space does"
    for measured in (flat.flat_area, flat.ego_widths, surfaces.class_loss, responses.class_response):
        with pytest.raises(ValueError, match=told):
            measured(space)


@pytest.mark.parametrize("tolerance", [0, -0.1, 1.0, np.nan, "x"])
def test_a_tolerance_that_is_no_rise_of_a_rate_is_one_line(tolerance):
    for call in (flat.flat_area, flat.ego_widths):
        with pytest.raises(ValueError, match=f"tolerance = {tolerance!r}: give a number above 0 and below 1") as error:
            call(made(bowl), tolerance)
        assert "\n" not in str(error.value)


# --- widths


def test_widths_along_the_egos():
    """Rises by 0.1 at 0.23 down and 0.46 up on a, at 0.8 down on b, never up on it."""
    space = made(
        lambda x, y: 0.1 + np.where(x > 0, x / 2.3, -x / 4.6) + np.where(y > 0, 0.125 * y, 0),
        norms=(2.0, 3.0),
        weight_norm=4.0,
    )
    table = flat.ego_widths(space, tolerance=0.1).set_index(["direction", "way"])

    def numbers(column, *row):
        estimate = table.loc[row, column]
        return estimate.value, estimate.low, estimate.high

    assert numbers("theta", "a", "descent") == pytest.approx((0.23, 0.2, 0.3), abs=1e-3)
    assert numbers("theta", "a", "ascent") == pytest.approx((0.46, 0.4, 0.5), abs=1e-3)
    assert numbers("theta", "b", "descent")[0] == pytest.approx(0.8, abs=1e-3)
    assert numbers("theta", "b", "ascent") == pytest.approx((np.nan, 1, np.inf), nan_ok=True)
    assert numbers("distance", "a", "descent") == pytest.approx((0.115, 0.1, 0.15), abs=1e-3)
    assert numbers("distance", "b", "descent")[0] == pytest.approx(0.6, abs=1e-3)


def test_planes_of_several_ranges_bound_an_area_together_unless_they_contradict_each_other():
    (wide, area), (close, _) = (valley(0.3, 0.3, 0, points=9, sigma=sigma) for sigma in (1.0, 0.45))
    apart, together = flat.flat_area(wide, TOLERANCE).theta, flat.bounded([wide, close], "theta", TOLERANCE)
    assert apart.low <= together.low < area < together.high < apart.high
    larger, _ = valley(0.8, 0.8, 0)
    assert str(flat.bounded([close, larger], "theta", TOLERANCE)) == "not resolved"


def test_a_width_below_one_cell_is_an_upper_bound():
    table = flat.ego_widths(valley(0.017, 0.94, 0)[0])
    assert [str(each) for each in table["theta"]] == ["0.94 (0.88 to 1)"] * 2 + ["≤ 0.12"] * 2


# --- estimates


@pytest.mark.parametrize(
    ("first", "second", "ratio", "text"),
    [
        ((0.5, 0.375, 0.75), (0.125, 0.0625, 0.25), (4, 1.5, 12), "4 (1.5 to 12)"),
        ((np.nan, 0.4, np.inf), (0.1, 0.08, 0.2), (np.nan, 2, np.inf), "≥ 2"),
        ((0.4, 0.3, 0.5), (np.nan, 0.1, np.inf), (np.nan, 0, 5), "≤ 5"),
        ((np.nan, 0.4, np.inf), (np.nan, 0.1, np.inf), (np.nan, 0, np.inf), "not resolved"),
        ((np.nan, 0, np.inf), (0.1, 0.08, 0.2), (np.nan, 0, np.inf), "not resolved"),
        ((0.4, 0.3, 0.5), (np.nan, 0, np.inf), (np.nan, 0, np.inf), "not resolved"),
        ((0.4, 0.3, 0.5), (0.0, 0.0, 0.0), (np.nan, 0, np.inf), "not resolved"),
    ],
)
def test_a_ratio_is_no_better_known_than_what_it_is_of(first, second, ratio, text):
    found = Bounds(*first) / Bounds(*second)
    assert (found.value, found.low, found.high) == pytest.approx(ratio, nan_ok=True)
    assert str(found) == text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Bounds(1234, 1199, 1301), "1200 (1100 to 1400)"),
        (Bounds(np.nan, 0.0499, np.inf), "≥ 0.049"),
        (Bounds(np.nan, 0, 0.0501), "≤ 0.051"),
        (Bounds(0.0, 0.0, 0.0), "0"),
        (Bounds(np.nan, np.nan, np.nan), "not resolved"),
    ],
)
def test_bounds_are_rounded_outwards(estimate, text):
    assert str(estimate) == text

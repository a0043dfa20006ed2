"""What follows from an interference space: mistake rates, losses, flat areas, cuts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import ndimage

from ciutils import checks


def mistake_rate(space: xr.Dataset) -> xr.DataArray:
    """Share of all images that are misclassified: (theta1, theta2); NaN where an output was not finite.

    This and the other measures of a space name the directions in their attributes first and second.
    """
    images = space["counts"].sum(("true", "predicted"))
    correct = _correct(space).sum("true")
    return _defined(space, 1 - correct / images).rename("mistake_rate")


def class_mistake_rate(space: xr.Dataset) -> xr.DataArray:
    """Share of each class's images that are misclassified: (theta1, theta2, true)."""
    return _defined(space, 1 - _correct(space) / space["counts"].sum("predicted")).rename("class_mistake_rate")


def class_loss(space: xr.Dataset) -> xr.DataArray:
    """Mean cross-entropy of each class: (theta1, theta2, true). Source: arXiv:2211.01370, Section 4.1."""
    return _defined(space, space["loss_sum"] / space["counts"].sum("predicted")).rename("class_loss")


@dataclass(frozen=True)
class FlatArea:
    """The connected region around the minimum whose mistake rate is within a tolerance of the minimum's.

    theta: its area in theta units. distance: in weight distance, the area of the same region of weight space over
    ||w*||^2. share, points: how much of the grid it is; at one point the area is not resolved. touches_edge: whether
    it reaches the edge, so that areas are lower bounds.
    """

    theta: float
    distance: float
    share: float
    points: int
    touches_edge: bool


def flat_area(space: xr.Dataset, tolerance: float = 0.05) -> FlatArea:
    """The flat area around the middle point; each grid point stands for one cell of the grid.

    Points are connected along the axes (not diagonally). Source: arXiv:2211.01370, Section 3. Book: *Sharpness*.
    """
    checks.positive(tolerance, "tolerance")
    rate = mistake_rate(space)
    middle = centre(space)
    if not np.isfinite(rate.values[middle]):
        return FlatArea(math.nan, math.nan, math.nan, 0, False)
    regions, _ = ndimage.label(rate.values <= rate.values[middle] + tolerance)
    region = regions == regions[middle]
    steps = [float(space[axis][1] - space[axis][0]) for axis in ("theta1", "theta2")]
    theta = float(region.sum()) * steps[0] * steps[1]
    norm1, norm2, cosine = (space.attrs[key] for key in ("norm1", "norm2", "cosine"))
    # A cell of the plane is a parallelogram in weight space.
    distance = theta * norm1 * norm2 * math.sqrt(max(0.0, 1 - cosine**2)) / space.attrs["weight_norm"] ** 2
    edge = np.concatenate([region[0], region[-1], region[:, 0], region[:, -1]])
    return FlatArea(theta, distance, float(region.mean()), int(region.sum()), bool(edge.any()))


def cut(space: xr.Dataset, angle: float, points: int = 101) -> xr.DataArray:
    """Mistake rate along the line through the middle at `angle` degrees from the theta1 axis: (position).

    position runs from -1 to 1: from edge to edge of the largest ellipse in the grid, so that every angle covers as
    much of the picture. 135 degrees is one ego up and the other down. Values between grid points are bilinear.
    """
    return _cuts(space, [angle], points).isel(angle=0)


def sensitivity(space: xr.Dataset, angles: Sequence[float] = tuple(range(0, 180, 5))) -> xr.DataArray:
    """How sharp the cut at each angle is: its mean mistake rate above that of the middle point: (angle) in degrees."""
    middle = mistake_rate(space).values[centre(space)]
    return (_cuts(space, angles, 101).mean("position", skipna=False) - middle).rename("sensitivity")


def ego_widths(space: xr.Dataset, tolerance: float = 0.05) -> pd.DataFrame:
    """How far one can go along each half-axis before the mistake rate has risen by `tolerance`.

    One row for each half-axis: direction (name), way ("descent" or "ascent" on it), theta, distance (weight distance);
    positions between grid points are linear, and infinite where the rate does not rise so far within the grid.
    """
    checks.positive(tolerance, "tolerance")
    rate = mistake_rate(space).values
    row, column = centre(space)
    limit = rate[row, column] + tolerance
    names = space.attrs["first"], space.attrs["second"]
    table = []
    for axis, name, line, middle in ((1, names[0], rate[:, column], row), (2, names[1], rate[row], column)):
        theta = space[f"theta{axis}"].values
        norm = space.attrs[f"norm{axis}"]
        for way, half in (("descent", slice(middle, None)), ("ascent", slice(middle, None, -1))):
            reached = _first_crossing(np.abs(theta[half]), line[half], limit)
            table.append((name, way, reached, reached * norm / space.attrs["weight_norm"]))
    return pd.DataFrame(table, columns=["direction", "way", "theta", "distance"])


@dataclass(frozen=True)
class DiagonalTest:
    """Whether the line at 135 degrees is steeper than the others (claim C10).

    steepest: the angle of the sharpest cut, in degrees. at_135, at_45: sensitivities there; mean: over all angles.
    share_less: share of the angles whose cut is less sharp than the one at 135 degrees.
    """

    steepest: float
    at_135: float
    at_45: float
    mean: float
    share_less: float


def diagonal_test(space: xr.Dataset) -> DiagonalTest:
    """Compare the cut at 135 degrees with all others. Source: arXiv:2211.01370, Section 3."""
    by_angle = sensitivity(space)
    at_135 = float(by_angle.sel(angle=135))
    others = by_angle.drop_sel(angle=135)
    return DiagonalTest(
        float(by_angle.idxmax("angle")),
        at_135,
        float(by_angle.sel(angle=45)),
        float(by_angle.mean()),
        float((others < at_135).mean()),
    )


def _cuts(space: xr.Dataset, angles: Sequence[float], points: int) -> xr.DataArray:
    """Mistake rates along lines through the middle: (angle, position)."""
    degrees, positions = list(angles), np.linspace(-1, 1, points)
    position = xr.DataArray(positions, dims="position", coords={"position": positions})
    radians = xr.DataArray(np.radians(degrees), dims="angle", coords={"angle": degrees})
    ends = [float(space[axis][-1]) for axis in ("theta1", "theta2")]
    rates = mistake_rate(space).interp(
        theta1=position * ends[0] * np.cos(radians), theta2=position * ends[1] * np.sin(radians)
    )
    return rates.transpose("angle", "position")


def _correct(space: xr.Dataset) -> xr.DataArray:
    diagonal = np.diagonal(space["counts"].values, axis1=-2, axis2=-1)
    counts = space["counts"].isel(predicted=0, drop=True)
    return counts.copy(data=diagonal)


def _defined(space: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    names = {key: space.attrs[key] for key in ("first", "second")}
    return values.where((space["undefined"] == 0) & space["done"]).assign_attrs(names)


def pair_of(space: xr.Dataset) -> str:
    """The pair of directions that spans a space, as "cat-dog"."""
    return f"{space.attrs['first']}-{space.attrs['second']}"


def mean_rise(space: xr.Dataset) -> float:
    """Mean mistake rate over a space above that of the network itself."""
    rate = mistake_rate(space)
    return float(rate.mean()) - float(rate[centre(space)])


def area_bounds(area: FlatArea, unit: str) -> tuple[float, float]:
    """What is known of a flat area, in `unit` "theta" or "distance": (least, most).

    One that touches the edge may be of any size above, one of a single grid point of any size below."""
    value = getattr(area, unit)
    return (0.0 if area.points == 1 else value), (math.inf if area.touches_edge else value)


def area_ratio(first: FlatArea, second: FlatArea, unit: str) -> tuple[float, float]:
    """How many times as large the first flat area is as the second: (least, most); (0, inf) where neither is known."""
    (low, high), (other_low, other_high) = area_bounds(first, unit), area_bounds(second, unit)
    return low / other_high, (high / other_low if other_low else math.inf)


def area_text(area: FlatArea, unit: str) -> str:
    """A flat area in millionths, to two digits, with a sign before it where it is only bounded."""
    digits = np.format_float_positional(1e6 * getattr(area, unit), precision=2, fractional=False, trim="-")
    return _bound_sign(*area_bounds(area, unit)) + digits


def ratio_text(first: FlatArea, second: FlatArea, unit: str) -> str:
    """How many times as large the first flat area is as the second, to two digits, or "not resolved"."""
    low, high = area_ratio(first, second, unit)
    if low == 0 and math.isinf(high):
        return "not resolved"
    return f"{_bound_sign(low, high)}{getattr(first, unit) / getattr(second, unit):.2g}"


def _bound_sign(low: float, high: float) -> str:
    return "≥ " if math.isinf(high) else "≤ " if low == 0 else ""


def centre(space: xr.Dataset) -> tuple[int, int]:
    """Position of the network itself in the grid of a space."""
    return space.sizes["theta1"] // 2, space.sizes["theta2"] // 2


def _first_crossing(theta: np.ndarray, line: np.ndarray, limit: float) -> float:
    above = np.flatnonzero(~(line <= limit))
    if not above.size:
        return math.inf
    after = int(above[0])
    if after == 0 or not np.isfinite(line[after]):
        return float(theta[max(after - 1, 0)])
    part = (limit - line[after - 1]) / (line[after] - line[after - 1])
    return float(theta[after - 1] + part * (theta[after] - theta[after - 1]))

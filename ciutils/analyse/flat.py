"""How large the flat area around a network is in an interference space, and how much of that the grid can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context

import numpy as np
import pandas as pd
import xarray as xr
from scipy import ndimage

from ciutils import checks
from ciutils.analyse.surfaces import centre, mistake_rate

RAYS, STEPS = 360, 16
"""Rays from the network on which a flat area is measured, and steps on each across one cell of the grid."""
_BEYOND = 2.0  # more than a mistake rate can rise


@dataclass(frozen=True)
class Bounds:
    """A value that is not below `low` and not above `high`: infinite if nothing bounds it; 0 to infinity: not resolved.

    value is NaN unless both bounds are known. Bounds divide into those of their ratio.
    """

    value: float
    low: float
    high: float

    def __mul__(self, factor: float) -> Bounds:
        return Bounds(self.value * factor, self.low * factor, self.high * factor)

    def __truediv__(self, other: Bounds) -> Bounds:
        return Bounds(
            self.value / other.value if other.value else math.nan,
            self.low / other.high if other.high else 0.0,
            self.high / other.low if other.low else math.inf,
        )

    @property
    def resolved(self) -> bool:
        """Whether anything is known of it."""
        return self.low > 0 or self.high < math.inf

    def __str__(self) -> str:
        """To two digits: "12 (9.1 to 15)", "≥ 9.1", "≤ 15" or "not resolved"; bounds are rounded outwards."""
        if not self.resolved:
            return "not resolved"
        value, low, high = (
            f"{Context(prec=2, rounding=way).create_decimal(number).normalize():f}"
            for number, way in ((self.value, ROUND_HALF_EVEN), (self.low, ROUND_FLOOR), (self.high, ROUND_CEILING))
        )
        if self.low == self.high:
            return value
        if math.isinf(self.high):
            return f"≥ {low}"
        return f"{value} ({low} to {high})" if self.low > 0 else f"≤ {high}"


@dataclass(frozen=True)
class FlatArea:
    """The flat area around a network. theta: in theta units. distance: in weight distance, the area of the same region
    of weight space over ||w*||^2."""

    theta: Bounds
    distance: Bounds


def flat_area(space: xr.Dataset, tolerance: float = 0.05) -> FlatArea:
    """The area that straight walks from the network cover before its mistake rate has risen by `tolerance`.

    A = 1/2 integral of r(phi)^2 dphi, with r(phi) the way to the first crossing at angle phi, on the bilinear surface
    through the grid points. That surface is a guess inside the cells, so the bounds do without it, and carry the
    sampling of images: a cell is surely flat if at all four corners the upper end of the rise's interval is within the
    tolerance, and surely not if at none the lower end is. low: walks stop before the first cell that is not surely
    flat. high: they stop in the first that is surely not. Both hold for a region without dents (convex).

    high is infinite where the grid cannot know it: a walk reaches the plane's edge, or one of the eight grid points
    around the network is not surely flat. Then the region may be a valley narrower than a cell, which can run far
    between grid points without a trace. If in that case no cell is surely flat, the area is not resolved.

    A rise's interval is that of the difference of two rates, +- two standard errors (`standard_error`), or from their
    `low` and `high`. It counts them as independent; they are of the same images, so it is rather too wide. Points
    whose output is not finite are not flat. Raises ValueError if rows have not been measured.

    Source: arXiv:2211.01370, Section 3. Book: *Sharpness*.
    """
    least, rise, most = _rises(space, tolerance)
    half = centre(space)
    angles = 2 * np.pi * (np.arange(RAYS) + 0.5) / RAYS
    ways = np.stack([np.cos(angles), np.sin(angles)])
    edge = (np.reshape(half, (2, 1)) / np.abs(ways)).min(0)
    radii = np.arange(1, math.ceil(STEPS * math.hypot(*half)) + 1) / STEPS
    at = np.reshape(half, (2, 1, 1)) + ways[:, :, None] * radii
    cell = tuple(np.floor(at[axis]).astype(int).clip(0, 2 * half[axis] - 1) for axis in (0, 1))
    surely, possibly = (ends[cell] <= tolerance for ends in (_corners(most).max(-1), _corners(least).min(-1)))

    def walked(flat: np.ndarray, beyond: float) -> np.ndarray:
        """How far each ray goes, up to its first step that is not flat; counted up to `beyond` its last flat one."""
        steps = np.logical_and.accumulate(flat & (radii <= edge[:, None]), axis=1).sum(1)
        return np.minimum((steps + beyond) / STEPS, edge)

    def area(radius: np.ndarray) -> float:
        return float((radius**2).sum() * np.pi / RAYS)

    around = most[half[0] - 1 : half[0] + 2, half[1] - 1 : half[1] + 2]
    outer = walked(possibly, 1)
    bounded = bool((around <= tolerance).all() and (outer < edge).all())
    value = area(walked(ndimage.map_coordinates(rise, at, order=1, mode="nearest") <= tolerance, 0.5))
    cells = Bounds(value if bounded else math.nan, area(walked(surely, 0)), area(outer) if bounded else math.inf)
    theta = cells * math.prod(float(space[axis][1] - space[axis][0]) for axis in ("theta1", "theta2"))
    norm1, norm2, cosine = (float(space.attrs[key]) for key in ("norm1", "norm2", "cosine"))
    # A cell of the plane is a parallelogram in weight space.
    return FlatArea(
        theta, theta * (norm1 * norm2 * math.sqrt(max(0.0, 1 - cosine**2)) / space.attrs["weight_norm"] ** 2)
    )


def bounded(spaces: Sequence[xr.Dataset], unit: str, tolerance: float) -> Bounds:
    """A flat area as far as all `spaces` of one pair bound it, of whatever range; not resolved where they contradict
    each other. unit: "theta" or "distance", squared. Book: *Sharpness*."""
    found = [getattr(flat_area(space, tolerance), unit) for space in spaces]
    low, high = max(each.low for each in found), min(each.high for each in found)
    known = [each.value for each in found if low <= each.value <= high]
    return Bounds(known[0] if known else math.nan, low, high) if low <= high else Bounds(math.nan, 0.0, math.inf)


def ego_widths(space: xr.Dataset, tolerance: float = 0.05) -> pd.DataFrame:
    """How far one can go along each half-axis before the mistake rate has risen by `tolerance`.

    One row for each half-axis: direction (name), way ("descent" or "ascent" on it), theta, distance (weight distance),
    the last two as `Bounds`. They are bounded by the last grid point that is surely flat and the first that surely
    is not, see `flat_area`; the value between is linear.
    """
    rises = _rises(space, tolerance)
    row, column = centre(space)
    table = []
    for axis, name, middle in ((1, space.attrs["first"], row), (2, space.attrs["second"], column)):
        theta = np.abs(space[f"theta{axis}"].values)
        lines = [rise[:, column] if axis == 1 else rise[row] for rise in rises]
        for way, part in (("descent", slice(middle, None)), ("ascent", slice(middle, None, -1))):
            reached = _crossing(theta[part], tolerance, *(line[part] for line in lines))
            table.append((name, way, reached, reached * (space.attrs[f"norm{axis}"] / space.attrs["weight_norm"])))
    return pd.DataFrame(table, columns=["direction", "way", "theta", "distance"])


def _rises(space: xr.Dataset, tolerance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rise of the mistake rate above the network's own, (theta1, theta2): the least that it may be, as measured, and
    the most; above any tolerance where the output was not finite."""
    checks.share(tolerance, "tolerance")
    rate, middle = mistake_rate(space).values, centre(space)
    if missing := int((~space["done"]).sum()):
        raise ValueError(
            f"{missing} of {space.sizes['theta1']} rows are missing: measure the other shards too, and merge"
        )
    rise = rate - rate[middle]
    least, most = rise, rise
    if "standard_error" in space:
        error = space["standard_error"].values
        half = 2 * np.hypot(error, error[middle])
        least, most = rise - half, rise + half
    elif "low" in space:
        low, high = space["low"].values, space["high"].values
        least, most = low - high[middle], high - low[middle]
    defined = np.isfinite(rise)
    return np.where(defined, least, _BEYOND), np.where(defined, rise, _BEYOND), np.where(defined, most, _BEYOND)


def _corners(values: np.ndarray) -> np.ndarray:
    """The values at the four corners of each cell: (cell, cell, 4)."""
    return np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, :-1], values[1:, 1:]], axis=-1)


def _crossing(theta: np.ndarray, tolerance: float, least: np.ndarray, rise: np.ndarray, most: np.ndarray) -> Bounds:
    doubtful, above, out = (int(np.append(each > tolerance, True).argmax()) for each in (most, rise, least))
    low = float(theta[max(doubtful - 1, 0)])
    if out in (0, len(theta)):  # the network itself is undefined, or the rate rises nowhere so far
        return Bounds(math.nan, low, math.inf)
    share = (tolerance - rise[above - 1]) / (rise[above] - rise[above - 1]) if rise[above] < _BEYOND else 0.0
    return Bounds(float(theta[above - 1] + share * (theta[above] - theta[above - 1])), low, float(theta[out]))

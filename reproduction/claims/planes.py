"""What rules on planes measure, each with its 95% interval.

Rates of mistakes are of a sample of training images, and carry the standard error of one point, which bounds that of a
mean of points; different planes are of the same images, of which it is not kept who was right where: quotients
take both numbers wherever they are in their intervals, so that theirs are rather too wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from ciutils.analyse.agreement import Estimate
from ciutils.analyse.flat import Bounds
from ciutils.analyse.responses import class_response
from ciutils.analyse.surfaces import ANGLES, centre, class_loss, mistake_rate
from reproduction.claims.answers import UNKNOWN

Z = 1.96
SLOPE = 0.2
"""Of the sides of a valley: a rise of the mistake rate well below that at which planes saturate."""
CLASS_IMAGES = 5000
"""Training images of a class of CIFAR-10."""


def steps(space: xr.Dataset, unit: str, angles: Sequence[float] = ANGLES) -> np.ndarray:
    """The step of length one in `unit` at each angle, in theta: (2, angle).

    Angles in weight distance are of axes on which each gradient has length one, so that 45 degrees is as far along
    both.
    """
    ways = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))])
    if unit == "theta":
        return ways
    norms = np.array([[space.attrs["norm1"]], [space.attrs["norm2"]]]) / space.attrs["weight_norm"]
    return ways / norms / np.sqrt(1 + 2 * space.attrs["cosine"] * ways.prod(0))


def reach(space: xr.Dataset, unit: str) -> float:
    """How far one can go at every angle without leaving the plane."""
    return float(space["theta1"][-1]) / float(np.abs(steps(space, unit)).max())


def along(
    values: xr.DataArray, space: xr.Dataset, unit: str, lengths: np.ndarray, angles: Sequence[float] = ANGLES
) -> xr.DataArray:
    """`values` (theta1, theta2) on the lines at `angles`, bilinear: (angle, length). lengths: (length), or each line's
    own (angle, length)."""
    edge = float(space["theta1"][-1])
    there = np.clip(steps(space, unit, angles)[:, :, None] * lengths, -edge, edge)  # but for rounding it is inside
    return values.interp(theta1=(("angle", "length"), there[0]), theta2=(("angle", "length"), there[1]))


def rises(space: xr.Dataset, unit: str, length: float, angles: Sequence[float] = ANGLES) -> xr.DataArray:
    """Mean rise of the mistake rate along each line, up to `length` both ways, in points: (angle)."""
    rate = mistake_rate(space)
    found = along(rate, space, unit, np.linspace(-length, length, 101), angles)
    return 100 * (found.mean("length", skipna=False) - rate[centre(space)])


def sampled(value: float, space: xr.Dataset) -> Estimate:
    """A rise of the mistake rate in points, with the sampling of images."""
    half = 100 * Z * math.sqrt(2) * float(space["standard_error"].max()) if "standard_error" in space else 0.0
    return with_error(value, half)


def valley(space: xr.Dataset, unit: str) -> Bounds:
    """How many times wider the widest line through the network is than the narrowest: how far apart the two points on
    it are at which the mistake rate has risen by `SLOPE`. Where that is inside a cell of the grid is not known."""
    count, step = space.sizes["theta1"] // 2, np.abs(steps(space, unit)).max(0)
    cell = float(space["theta1"][-1]) / count / step  # on each line
    rate, error = mistake_rate(space), sampled(0, space).high / 100
    found = along(rate, space, unit, cell[:, None] * np.arange(-count, count + 1)).values
    rise = np.where(np.isfinite(found), found - float(rate[centre(space)]), 1.0)
    low = high = np.zeros(len(cell))
    for half in (rise[:, count:], rise[:, count::-1]):
        beyond = np.pad(half, ((0, 0), (0, 1)), constant_values=2.0)
        surely, possibly = ((beyond + by > SLOPE).argmax(1) for by in (error, -error))
        low = low + cell * np.maximum(surely - 1, 0)
        high = high + np.where(possibly <= count, cell * possibly, np.inf)
    widest, narrowest = (Bounds(math.nan, float(of(low)), float(of(high))) for of in (np.max, np.min))
    return widest / narrowest


def steepest(space: xr.Dataset, unit: str) -> Estimate:
    """How far the sharpest line is from 135 degrees; the interval holds all lines that are as sharp within the sampling
    of images."""
    found = rises(space, unit, reach(space, unit))
    if not np.isfinite(found).all():
        return UNKNOWN
    off = np.abs(np.array(ANGLES) - 135)
    off = np.minimum(off, 180 - off)
    sharp = off[found.values >= found.values.max() - (sampled(0, space).high * math.sqrt(2) or 1e-9)]
    return Estimate(float(off[int(found.values.argmax())]), float(sharp.min()), float(sharp.max()))


def loss_rises(space: xr.Dataset, name: str) -> dict[str, Estimate]:
    """Change of the mean loss of class `name` from the network to the edge, for each of `WAYS`."""
    there = class_response(space).sel(true=name).to_series()
    i, j = centre(space)
    middle = float(class_loss(space).sel(true=name).values[i, j])
    return {way: with_error(rise, loss_error(space, name, middle + rise, middle)) for way, rise in there.items()}


def loss_error(space: xr.Dataset, name: str, there: float, middle: float) -> float:
    """Half of the 95% interval of the difference of two mean losses of a class: how much images differ is not kept of
    planes.

    The standard deviation of the losses of a class's images is taken as 1.5 plus their mean. In 431 cases, the classes
    at 44 points of two planes of the annealed VGG19 (30 epochs), it was above that in 2, and below half of it in 341.
    """
    images = int(space["counts"].sel(true=name)[0, 0].sum())
    return Z * math.hypot(1.5 + there, 1.5 + middle) * math.sqrt(max(0.0, 1 - images / CLASS_IMAGES) / images)


def with_error(value: float, half: float) -> Estimate:
    """A value, and as much on either side."""
    return Estimate(float(value), float(value - half), float(value + half))


def largest(estimates: Sequence[Estimate]) -> Estimate:
    """The largest of several numbers."""
    return Estimate(*np.max([(each.value, each.low, each.high) for each in estimates], axis=0))


def response(space: xr.Dataset, name: str, unit: str, length: float) -> Estimate:
    """Mean absolute change of the loss of class `name` on the ring at `length` around the network."""
    losses, middle = ring(space, name, unit, length), float(class_loss(space).sel(true=name)[centre(space)])
    change = float(abs(losses - middle).mean(skipna=False))
    return with_error(change, loss_error(space, name, float(losses.mean()), middle))


def ring(space: xr.Dataset, name: str, unit: str, length: float) -> xr.DataArray:
    """Mean loss of class `name` at `length` from the network, both ways along each line: (angle, length)."""
    return along(class_loss(space).sel(true=name), space, unit, np.array([-length, length]))

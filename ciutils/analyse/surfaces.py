"""What follows from an interference space: mistake rates, losses, cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ciutils import checks
from ciutils.analyse.confusion import diagonal

ANGLES = tuple(range(0, 180, 5))
"""Of lines through the network, in degrees from the first class's axis."""

_HELD = "counts", "done", "first", "second"


def mistake_rate(space: xr.Dataset) -> xr.DataArray:
    """Share of all images that are misclassified: (theta1, theta2); NaN where an output was not finite.

    This and the other measures of a space name the directions in their attributes first and second.
    """
    images = _counts(space).sum(("true", "predicted"))
    correct = diagonal(_counts(space)).sum("true")
    return _defined(space, 1 - correct / images).rename("mistake_rate")


def class_mistake_rate(space: xr.Dataset) -> xr.DataArray:
    """Share of each class's images that are misclassified: (theta1, theta2, true)."""
    return _defined(space, 1 - diagonal(_counts(space)) / _counts(space).sum("predicted")).rename("class_mistake_rate")


def class_loss(space: xr.Dataset) -> xr.DataArray:
    """Mean cross-entropy of each class: (theta1, theta2, true). Source: arXiv:2211.01370, Section 4.1."""
    images = _counts(space).sum("predicted")
    return _defined(space, space["loss_sum"] / images).rename("class_loss")


def cut(space: xr.Dataset, angle: float, points: int = 101) -> xr.DataArray:
    """Mistake rate along the line through the middle at `angle` degrees from the theta1 axis: (position).

    position runs from -1 to 1: from edge to edge of the largest ellipse in the grid, so that every angle covers as
    much of the picture. 135 degrees is one ego up and the other down. Values between grid points are bilinear.
    """
    return _cuts(space, [angle], points).isel(angle=0)


def sensitivity(space: xr.Dataset) -> xr.DataArray:
    """How sharp the cut at each angle is: its mean mistake rate above that of the middle point: (angle), `ANGLES`."""
    middle = mistake_rate(space).values[centre(space)]
    return (_cuts(space, ANGLES, 101).mean("position", skipna=False) - middle).rename("sensitivity")


@dataclass(frozen=True)
class DiagonalTest:
    """Whether the line at 135 degrees is steeper than the others (claim C10).

    steepest: the angle of the sharpest cut, in degrees. at_135, at_45: sensitivities there; mean: over all angles.
    share_less: share of the angles whose cut is less sharp than the one at 135 degrees. What rests on a cut that is
    undefined somewhere is NaN.
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
    others, known = by_angle.drop_sel(angle=135), by_angle.notnull().all()
    return DiagonalTest(
        float(by_angle.idxmax("angle").where(known)),
        at_135,
        float(by_angle.sel(angle=45)),
        float(by_angle.mean(skipna=False)),
        float((others < at_135).mean().where(known)),
    )


def _cuts(space: xr.Dataset, angles: Sequence[float], points: int) -> xr.DataArray:
    """Mistake rates along lines through the middle: (angle, position)."""
    degrees = [checks.finite(angle, "angle") for angle in angles]
    positions = np.linspace(-1, 1, checks.whole(points, "points"))
    position = xr.DataArray(positions, dims="position", coords={"position": positions})
    radians = xr.DataArray(np.radians(degrees), dims="angle", coords={"angle": degrees})
    ends = [float(space[axis][-1]) for axis in ("theta1", "theta2")]
    rates = mistake_rate(space).interp(
        theta1=position * ends[0] * np.cos(radians), theta2=position * ends[1] * np.sin(radians)
    )
    return rates.transpose("angle", "position")


def _counts(space: xr.Dataset) -> xr.DataArray:
    return checks.dataset(space, "space", "measure.interference_space", *_HELD)["counts"]


def _defined(space: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    names = {key: space.attrs[key] for key in ("first", "second")}
    return values.where((space["undefined"] == 0) & space["done"]).assign_attrs(names)


def pair_of(space: xr.Dataset) -> str:
    """The pair of directions that spans a space, as "cat-dog"."""
    return f"{space.attrs['first']}-{space.attrs['second']}"


def mean_rise(space: xr.Dataset) -> float:
    """Mean mistake rate over a space above that of the network itself; NaN if it is undefined anywhere."""
    rate = mistake_rate(space)
    return float(rate.mean(skipna=False)) - float(rate[centre(space)])


def centre(space: xr.Dataset) -> tuple[int, int]:
    """Position of the network itself in the grid of a space. Raises ValueError for a part of one, or a turned one, of
    which the middle point is another."""
    for axis in (space["theta1"].values, space["theta2"].values):
        if not np.allclose([axis[len(axis) // 2], axis[0]], [0, -axis[-1]], atol=1e-9 * abs(axis[-1])) or axis[-1] <= 0:
            raise ValueError(
                f"theta runs from {axis[0]:g} to {axis[-1]:g}: give a space with the network in its middle, ascending"
            )
    return space.sizes["theta1"] // 2, space.sizes["theta2"] // 2

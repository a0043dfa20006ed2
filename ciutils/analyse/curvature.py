"""Curvature of the loss over the plane of two directions, in units of the weights: it needs no range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import linalg

from ciutils.analyse.agreement import Estimate

_PARALLEL = 1e-9  # directions whose squared cosine is this near 1 span no plane


@dataclass(frozen=True)
class Curvature:
    """Second derivatives of the mean loss by a step's length, as a share of the norm of all weights.

    along: those along both directions. flattest, steepest: the least and the largest in the plane. valley: the angle of
    the flattest line in degrees, as cuts have it: 0 is the first direction, 135 is one up and the other down.
    """

    along: tuple[Estimate, Estimate]
    flattest: Estimate
    steepest: Estimate
    valley: float


def curvature(derivatives: xr.Dataset) -> Curvature:
    """The curvature over a plane, from `measure.plane_derivatives`, of the mean over classes of their losses.

        kappa(v) = ||w*||^2  v' H v / v' G v        H: mean Hessian (direction, other), G: inner products

    The flattest and the steepest line are those of the generalised eigenvectors of H and G. Intervals (95%) are of the
    sampling of images, to first order. NaN where two directions are parallel. Source: beyond the paper. Book:
    *Sharpness*.
    """
    norms = np.array([derivatives.attrs["norm1"], derivatives.attrs["norm2"]])
    cosine, scale = derivatives.attrs["cosine"], derivatives.attrs["weight_norm"] ** 2
    hessian = derivatives["hessian"].mean("true").values
    classes = int(derivatives["hessian_error"].notnull().all(("direction", "other")).sum())
    error = np.sqrt((derivatives["hessian_error"] ** 2).sum("true").values) / max(classes, 1)

    def along(way: np.ndarray) -> Estimate:
        """way: of length 1 in weight space, in units of theta."""
        value = float(way @ hessian @ way)
        half = 1.96 * math.sqrt(float((np.outer(way, way) ** 2 * error**2).sum() + 2 * (way.prod() * error[0, 1]) ** 2))
        return Estimate(scale * value, scale * (value - half), scale * (value + half))

    egos = (along(np.array([1 / norms[0], 0.0])), along(np.array([0.0, 1 / norms[1]])))
    if not 1 - cosine**2 > _PARALLEL or not np.isfinite(hessian).all():
        unknown = Estimate(math.nan, math.nan, math.nan)
        return Curvature(egos, unknown, unknown, math.nan)
    inner = np.outer(norms, norms) * np.array([[1, cosine], [cosine, 1]])
    _, ways = linalg.eigh(hessian, inner)
    valley = math.degrees(math.atan2(ways[1, 0], ways[0, 0])) % 180
    return Curvature(egos, along(ways[:, 0]), along(ways[:, 1]), valley)

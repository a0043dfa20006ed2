"""Half sides of planes, found from the network itself."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Unpack

import numpy as np
import xarray as xr
from torch import nn

from ciutils import checks
from ciutils.classes import class_pair
from ciutils.data import Split
from ciutils.measure.directions import of_pair, random_directions, rescaled
from ciutils.measure.evaluator import Evaluator, Plane
from ciutils.measure.spaces import rate_at
from ciutils.models.classifier import Reading
from ciutils.models.gradients import Directions
from ciutils.progress import Progress


def find_sigma(
    model: nn.Module,
    split: Split,
    directions: Directions,
    pairs: Sequence[str | Sequence[str | int]],
    level: float = 0.5,
    *,
    scale: str = "gradient",
    **reading: Unpack[Reading],
) -> float:
    """The smallest sigma, to a factor of 1.1, at which the boundary's mean mistake rate passes `level` for every pair.

    The boundary is sampled at its corners and the middles of its sides, averaged over the pairs' eight points each.
    reading: device, precision ("auto"), logits, as in `counts`.

    If the network itself is at `level` already, a warning says so, and sigma is the smallest that is tried, at a weight
    distance of a thousandth. Raises ValueError if no sigma up to a weight distance of 100 passes, as with gradients
    that are zero. Source: arXiv:2211.01370 gives only ratios. Book: *Sharpness*.
    """
    level = checks.share(level, "level")
    if pairs is None or isinstance(pairs, str) or not len(pairs):
        raise ValueError(f"pairs = {pairs!r}: give a list of at least one pair of classes")
    chosen = [rescaled(of_pair(directions, split, pair), scale, model) for pair in pairs]
    norms = np.concatenate([each.norms.values for each in chosen])
    if not directions.weight_norm:
        raise ValueError("the network's weights are all zero, and sigma is found from their length: train it first")
    evaluator = Evaluator(model, split, "frozen", **reading)
    origin = dict(model.named_parameters())
    planes = [Plane(origin, [each[0], each[1]], evaluator.classify.device) for each in chosen]
    if (own := rate_at(evaluator, planes[0], 0, 0)) >= level:
        warnings.warn(
            f"level = {level}: the network's own mistake rate is {own:.3g} already, so sigma is the smallest that is "
            "tried; train the network further, or give a higher level",
            stacklevel=2,
        )
    border = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]

    def rate(plane: Plane, theta1: float, theta2: float) -> float:
        evaluator.move(plane.at(theta1, theta2))
        measured = evaluator.measure()
        if measured.undefined:
            raise ValueError(
                f"the network's outputs are not finite at theta ({theta1:.3g}, {theta2:.3g}) of a plane: no mistake "
                "rate is known there; give a lower level, or choose sigma by hand"
            )
        progress.step(f"mistake rate {measured.mistakes / measured.seen:.2f}")
        return measured.mistakes / measured.seen

    def passes(sigma: float) -> bool:  # the first plane that does not spares the others
        return all(np.mean([rate(plane, a * sigma, b * sigma) for a, b in border]) >= level for plane in planes)

    sigma, limit = 1e-3 * directions.weight_norm / norms.max(), 1e2 * directions.weight_norm / norms.min()
    with Progress(None, "points on the way to a half side") as progress:
        while not passes(sigma):
            sigma *= 2
            if sigma > limit:
                raise ValueError(f"level = {level}: the mistake rate stays below it at any distance; give a lower one")
        low, high = sigma / 2, sigma
        while high / low > 1.1:
            middle = math.sqrt(low * high)
            low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def random_sigma(model: nn.Module, norms: xr.DataArray, pair: str | Sequence[str | int], sigma: float) -> float:
    """Half side of the random plane that reaches as far as the space of `pair` at half side `sigma`: the same mean
    weight distance at both edges, in filter-normalised random directions. norms: of the egos, (direction)."""
    random = rescaled(random_directions(model), "filter", model)
    both = norms[list(class_pair(norms["direction"].values.tolist(), pair))]
    return sigma * float(both.mean() / random.norms.mean())

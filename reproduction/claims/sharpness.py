"""Claims of Section 3, and Proposition 1: flat or sharp?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import xarray as xr

from ciutils.analyse.agreement import Estimate, estimate
from ciutils.analyse.confusion import diagonal
from ciutils.analyse.flat import Bounds, bounded
from ciutils.analyse.surfaces import ANGLES
from reproduction import paper
from reproduction.claims import planes
from reproduction.claims.answers import Part, part, quotient
from reproduction.claims.evidence import PAIRS, SPACE_NETWORKS, Evidence
from reproduction.claims.judging import claim
from reproduction.readings import Reading

TOLERANCE = 0.05
"""Of a flat area: a rise of the mistake rate."""


def more_accurate(first: xr.DataArray, second: xr.DataArray) -> Estimate:
    """By how much the first accuracy is above the second, on the same images."""
    return estimate(100 * (diagonal(first).mean("true") - diagonal(second).mean("true")).values)


@claim(
    "C06",
    "test accuracy orders anneal-lr > big-lr > small-lr, for both networks",
    "sharpness#test-accuracy",
    printed="small-lr: VGG19 84.99, ResNet18 86.88; anneal-lr: VGG19 93.87, ResNet18 95.15",
)
def _accuracies(evidence: Evidence, _: Reading) -> list[Part]:
    """for each network: both differences, on the same images; and each accuracy less the printed one"""

    def apart(printed: float) -> Callable[[xr.DataArray], Estimate]:
        return lambda rates: estimate(100 * diagonal(rates).mean("true").values - printed)

    setups, same = (("anneal-lr", "big-lr"), ("big-lr", "small-lr")), evidence.full_size
    orders = [
        part(f"{network}, {' over '.join(two)}", "rate", more_accurate, *(evidence.rates(network, one) for one in two))
        for network, two in product(SPACE_NETWORKS, setups)
    ]
    return orders + [
        part(f"{', '.join(run)}, {printed}%", "accuracy", apart(printed), evidence.rates(*run), comparable=same)
        for run, printed in paper.ACCURACY.items()
    ]


@claim(
    "C07",
    "big-lr: the mistake rate is more sensitive in the CAT-DOG space than in TRUCK-CAR and HORSE-SHIP",
    "sharpness#what-the-angle-of-a-cut-does",
    *("batch_norm", "unit", "range"),
)
def _cat_dog_most_sensitive(evidence: Evidence, reading: Reading) -> list[Part]:
    """for each network and other pair: the mean rise of the mistake rate in the CAT-DOG space, over lines through the
    network at all angles, over that in the other, equally far in both"""

    def more(first: xr.Dataset, other: xr.Dataset) -> Estimate:
        length = min(planes.reach(space, reading.unit) for space in (first, other))
        means = (float(planes.rises(space, reading.unit, length).mean(skipna=False)) for space in (first, other))
        return quotient(*map(planes.sampled, means, (first, other)))

    def space(network: str, pair: str) -> xr.Dataset | None:
        return evidence.space(network, "big-lr", pair, reading)

    return [
        part(f"{network}, cat-dog over {other}", "ratio", more, space(network, "cat-dog"), space(network, other))
        for network, other in product(SPACE_NETWORKS, PAIRS[1:])
    ]


@claim(
    "C08",
    "big-lr, CAT-DOG space: VGG19 is more sensitive along CAT, ResNet18 along DOG",
    "sharpness#what-the-angle-of-a-cut-does",
    *("batch_norm", "unit", "range"),
)
def _sensitive_ego(evidence: Evidence, reading: Reading) -> list[Part]:
    """for each network: the mean rise of the mistake rate along that class's gradient over that along the other's,
    equally far along both"""

    def sharper(angles: tuple[int, int]) -> Callable[[xr.Dataset], Estimate]:
        def effect(space: xr.Dataset) -> Estimate:
            rises = planes.rises(space, reading.unit, planes.reach(space, reading.unit), angles).values
            return quotient(*(planes.sampled(rise, space) for rise in rises))

        return effect

    return [
        part(f"{network}, along {name}", "ratio", sharper(to), evidence.space(network, "big-lr", "cat-dog", reading))
        for network, name, to in (("vgg19", "cat", (0, 90)), ("resnet18", "dog", (90, 0)))
    ]


@claim(
    "C09",
    "big-lr, CAT-DOG space: a narrow valley through the minimum",
    "sharpness#what-the-angle-of-a-cut-does",
    *("batch_norm", "unit", "range"),
)
def _valley(evidence: Evidence, reading: Reading) -> list[Part]:
    """for each network: how far apart the two points of a line through it are at which the mistake rate has risen by 20
    points, on the line on which they are furthest apart over that on which they are nearest. The rise is well below
    that at which planes saturate. Lines are read, bilinear, at steps of one cell of the grid; a crossing may be
    anywhere in its step, and further by the sampling of images"""

    def valley(space: xr.Dataset) -> Bounds:
        return planes.valley(space, reading.unit)

    spaces = {network: evidence.space(network, "big-lr", "cat-dog", reading) for network in SPACE_NETWORKS}
    return [part(network, "factor", valley, space) for network, space in spaces.items()]


@claim(
    "C10",
    "big-lr, TRUCK-CAR space: the steepest line through the minimum is the 135 degree one; a random cut looks flatter",
    "sharpness#what-the-angle-of-a-cut-does",
    *("batch_norm", "unit", "range"),
    printed="135 degrees",
)
def _diagonal(evidence: Evidence, reading: Reading) -> list[Part]:
    """for each network: how far the line with the highest mean rise of the mistake rate is from 135 degrees, with all
    lines that rise as much within the sampling of images of two rises, of which each has its own; and the rise at 135
    degrees over the mean of all lines. All lines are equally long: up to the plane's border the diagonals would be the
    longest, and rise most for it"""

    def steeper(space: xr.Dataset) -> Estimate:
        by_angle = planes.rises(space, reading.unit, planes.reach(space, reading.unit))
        at_135, mean = by_angle.values[ANGLES.index(135)], float(by_angle.mean(skipna=False))
        return quotient(planes.sampled(at_135, space), planes.sampled(mean, space))

    return [
        part(f"{network}, {what}", smallest, effect, evidence.space(network, "big-lr", "truck-car", reading))
        for network in SPACE_NETWORKS
        for what, smallest, effect in (
            ("the steepest at 135 degrees", "angle", lambda space: planes.steepest(space, reading.unit)),
            ("steeper than a random cut", "ratio", steeper),
        )
    ]


def times(unit: str) -> Callable[[Sequence[xr.Dataset], Sequence[xr.Dataset]], Bounds]:
    """How many times the flat area of the one is that of the other."""
    return lambda first, second: bounded(first, unit, TOLERANCE) / bounded(second, unit, TOLERANCE)


@claim(
    "C11",
    "small-lr: ResNet18 is extremely sharp in all three spaces, VGG19 smoother, and ResNet18 still generalises better",
    "sharpness#how-large-is-the-flat-area",
    *("batch_norm", "unit"),
    printed="86.88% against 84.99%",
)
def _small_sharp(evidence: Evidence, reading: Reading) -> list[Part]:
    """for each pair: VGG19's flat area over ResNet18's, a rise of the mistake rate by up to 5 points, measured along
    rays, as far as spaces of all ranges bound both; and by how much ResNet18's test accuracy is above VGG19's, on the
    same images"""

    def spaces(network: str, pair: str) -> list[xr.Dataset] | None:
        return evidence.all_spaces(network, "small-lr", pair, reading)

    accuracies = [evidence.rates(network, "small-lr") for network in ("resnet18", "vgg19")]
    return [
        *(part(pair, "factor", times(reading.unit), spaces("vgg19", pair), spaces("resnet18", pair)) for pair in PAIRS),
        part("test accuracy", "rate", more_accurate, *accuracies, everywhere=True),
    ]


@claim(
    "C12",
    "anneal-lr: a large flat lowland, 100 times the area of big-lr, larger for ResNet18",
    "sharpness#how-large-is-the-flat-area",
    *("batch_norm", "unit"),
    printed="100 times (the ratio of the axes' ranges)",
)
def _lowland(evidence: Evidence, reading: Reading) -> list[Part]:
    """for each pair: each network's flat area over its big-lr one, a rise of the mistake rate by up to 5 points,
    measured along rays, as far as spaces of all ranges bound both; and ResNet18's over VGG19's"""

    def spaces(network: str, setup: str, pair: str) -> list[xr.Dataset] | None:
        return evidence.all_spaces(network, setup, pair, reading)

    compared = {
        f"{network}, {pair}, 100 times": (spaces(network, "anneal-lr", pair), spaces(network, "big-lr", pair))
        for pair, network in product(PAIRS, SPACE_NETWORKS)
    }
    larger = {
        f"{pair}, resnet18 over vgg19": [spaces(network, "anneal-lr", pair) for network in ("resnet18", "vgg19")]
        for pair in PAIRS
    }
    return [
        *(part(what, "hundredfold", times(reading.unit), *both) for what, both in compared.items()),
        *(part(what, "factor", times(reading.unit), *both) for what, both in larger.items()),
    ]


@claim(
    "C27",
    "Proposition 1: every interference model is a convex combination of ego models of the two classes",
    "sharpness#proposition-1-worked",
    printed="printed with a plus before the second gradient, for a scalar alpha",
)
def _proposition(_: Evidence, __: Reading) -> list[Part]:
    """with a minus before both gradients, for random weights and gradients and alphas of either sign, so that all four
    quadrants are reached: the largest difference between both sides"""
    random = np.random.default_rng(0)
    origin, first, second = random.standard_normal((3, 1000))
    largest, share = 0.0, 0.3
    for alpha1, alpha2 in product((2.0, -2.0), (3.0, -3.0)):
        combined = share * (origin - alpha1 * first) + (1 - share) * (origin - alpha2 * second)
        model = origin - share * alpha1 * first - (1 - share) * alpha2 * second
        largest = max(largest, float(np.abs(combined - model).max()))
    return [Part("alphas of either sign", "identity", Estimate(largest, largest, largest))]

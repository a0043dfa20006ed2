"""Claims of Section 3, and Proposition 1: flat or sharp?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr

from ciutils.analyse.surfaces import diagonal_test, sensitivity
from reproduction import paper
from reproduction.claims.evidence import PAIRS, SPACE_NETWORKS, each_space, last_counts, part_of
from reproduction.claims.judging import Evidence, Number, Part, claim
from reproduction.claims.numbers import UNITS, compared_areas, higher, more_accurate, right, share_of, with_error


@claim(
    "C06",
    "test accuracy orders anneal-lr > big-lr > small-lr, for both networks",
    "small-lr: VGG19 84.99, ResNet18 86.88; anneal-lr: VGG19 93.87, ResNet18 95.15",
    "sharpness#test-accuracy",
)
def _accuracies(evidence: Evidence) -> list[Part]:
    """for each network: both differences are positive (95% intervals above 0); and each printed accuracy is met
    within one percent point"""

    def near(printed: float) -> Callable[[xr.DataArray], tuple[bool, list[Number]]]:
        def rule(counts: xr.DataArray) -> tuple[bool, list[Number]]:
            ours = share_of("here", *right(counts))
            return abs(ours.value - printed) <= 1, [ours]

        return rule

    return [
        *(
            part_of(
                f"{network}, {better} over {worse}",
                more_accurate,
                last_counts(evidence, network, better),
                last_counts(evidence, network, worse),
            )
            for network in SPACE_NETWORKS
            for better, worse in (("anneal-lr", "big-lr"), ("big-lr", "small-lr"))
        ),
        *(
            part_of(f"{network}, {setup}, {printed}%", near(printed), last_counts(evidence, network, setup))
            for (network, setup), printed in paper.ACCURACY.items()
        ),
    ]


@claim(
    "C07",
    "big-lr: the mistake rate is more sensitive in the CAT-DOG space than in TRUCK-CAR and HORSE-SHIP",
    "a figure only",
    "sharpness#what-the-angle-of-a-cut-does",
)
def _cat_dog_most_sensitive(evidence: Evidence) -> list[Part]:
    """for each network and other pair: the mean sharpness of all cuts through the plane, at the same theta, is
    higher for CAT-DOG by more than two standard errors"""

    def rule(first: xr.Dataset, other: xr.Dataset) -> tuple[bool, list[Number]]:
        numbers = [
            with_error(
                f"{space.attrs['first']}-{space.attrs['second']}", float(sensitivity(space).mean(skipna=False)), space
            )
            for space in (first, other)
        ]
        return higher(*numbers), numbers

    spaces = evidence.spaces
    return [
        part_of(
            f"{network}, cat-dog over {other}",
            rule,
            spaces.get((network, "big-lr", "cat-dog")),
            spaces.get((network, "big-lr", other)),
        )
        for network in SPACE_NETWORKS
        for other in PAIRS[1:]
    ]


@claim(
    "C08",
    "big-lr, CAT-DOG space: VGG19 is more sensitive along CAT, ResNet18 along DOG",
    "a figure only",
    "sharpness#what-the-angle-of-a-cut-does",
)
def _sensitive_ego(evidence: Evidence) -> list[Part]:
    """for each network: the cut along that ego is sharper than the cut along the other by more than two standard
    errors"""

    def sharper(along_first: bool) -> Callable[[xr.Dataset], tuple[bool, list[Number]]]:
        def rule(space: xr.Dataset) -> tuple[bool, list[Number]]:
            first, second = sensitivity(space, (0, 90)).values
            cat, dog = with_error("along cat", first, space), with_error("along dog", second, space)
            return higher(cat, dog) if along_first else higher(dog, cat), [cat, dog]

        return rule

    return [
        part_of(f"{network}, along {name}", sharper(name == "cat"), evidence.spaces.get((network, "big-lr", "cat-dog")))
        for network, name in (("vgg19", "cat"), ("resnet18", "dog"))
    ]


@claim(
    "C09",
    "big-lr, CAT-DOG space: a narrow valley through the minimum",
    "a figure only",
    "sharpness#what-the-angle-of-a-cut-does",
    on=each_space("big-lr", "cat-dog"),
)
def _valley(space: xr.Dataset) -> tuple[bool, list[Number]]:
    """for each network: the sharpest cut through the minimum is at least twice as sharp as the flattest, and they
    differ by more than two standard errors"""
    by_angle = sensitivity(space)
    if not np.isfinite(by_angle).all():
        return False, [Number("sharpness", math.nan)]
    sharp, flat = (
        with_error(f"at {float(by_angle.angle[position]):.0f} degrees", float(by_angle[position]), space)
        for position in (by_angle.values.argmax(), by_angle.values.argmin())
    )
    return sharp.value >= 2 * flat.value and higher(sharp, flat), [sharp, flat]


@claim(
    "C10",
    "big-lr, CAR-TRUCK space: the steepest line through the minimum is the 135 degree one; a random cut looks flatter",
    "135 degrees",
    "sharpness#what-the-angle-of-a-cut-does",
    on=each_space("big-lr", "truck-car"),
)
def _diagonal(space: xr.Dataset) -> tuple[bool, list[Number]]:
    """for each network: the sharpest cut is within 10 degrees of 135, and the cut at 135 is sharper than the mean
    over all angles by more than two standard errors"""
    test = diagonal_test(space)
    at_135, mean = (with_error(name, value, space) for name, value in (("at 135", test.at_135), ("mean", test.mean)))
    steepest = Number("sharpest cut", test.steepest, unit=" degrees")
    return abs(test.steepest - 135) <= 10 and higher(at_135, mean), [steepest, at_135, mean]


@claim(
    "C11",
    "small-lr: ResNet18 is extremely sharp in all three spaces, VGG19 smoother, and ResNet18 still generalises better",
    "86.88% against 84.99%",
    "sharpness#how-large-is-the-flat-area",
)
def _small_sharp(evidence: Evidence) -> list[Part]:
    """for each pair: ResNet18's flat area is smaller than VGG19's, in theta and in weight distance; and ResNet18's
    test accuracy is higher (95% interval of the difference above 0)"""

    def smaller(ours: Number, theirs: Number) -> bool:
        return ours.high < theirs.low

    spaces = evidence.spaces
    accuracies = (last_counts(evidence, network, "small-lr") for network in ("resnet18", "vgg19"))
    return [
        *(
            part_of(
                f"{pair}, in {unit}",
                compared_areas(unit, smaller),
                spaces.get(("resnet18", "small-lr", pair)),
                spaces.get(("vgg19", "small-lr", pair)),
            )
            for pair in PAIRS
            for unit in UNITS
        ),
        part_of("test accuracy", more_accurate, *accuracies),
    ]


@claim(
    "C12",
    "anneal-lr: a large flat lowland, 100 times the area of big-lr, larger for ResNet18",
    "100 times (the ratio of the axes' ranges)",
    "sharpness#how-large-is-the-flat-area",
)
def _lowland(evidence: Evidence) -> list[Part]:
    """for each pair, in theta and in weight distance: each network's flat area is at least 100 times its big-lr
    one, and ResNet18's is larger than VGG19's"""

    def hundredfold(annealed: Number, big: Number) -> bool:
        return annealed.low >= 100 * big.high

    def larger(resnet: Number, vgg: Number) -> bool:
        return resnet.low > vgg.high

    spaces = evidence.spaces
    return [
        part
        for pair in PAIRS
        for unit in UNITS
        for part in (
            *(
                part_of(
                    f"{network}, {pair}, 100 times in {unit}",
                    compared_areas(unit, hundredfold),
                    spaces.get((network, "anneal-lr", pair)),
                    spaces.get((network, "big-lr", pair)),
                )
                for network in SPACE_NETWORKS
            ),
            part_of(
                f"{pair}, resnet18 over vgg19 in {unit}",
                compared_areas(unit, larger),
                spaces.get(("resnet18", "anneal-lr", pair)),
                spaces.get(("vgg19", "anneal-lr", pair)),
            ),
        )
    ]


@claim(
    "C27",
    "Proposition 1: every interference model is a convex combination of ego models of the two classes",
    "printed with a plus before the second gradient, and for positive alpha",
    "sharpness#proposition-1-worked",
)
def _proposition(_: Evidence) -> list[Part]:
    """with a minus before both gradients, numerically to 1e-12: for alphas of either sign the combinations reach
    all four quadrants; and, as printed, positive alphas alone do"""
    random = np.random.default_rng(0)
    origin, first, second = random.standard_normal((3, 1000))

    def reached(signs: Iterable[tuple[int, int]]) -> tuple[set[tuple[float, float]], float]:
        quadrants, largest = set(), 0.0
        for sign1, sign2 in signs:
            alpha1, alpha2, share = sign1 * 2.0, sign2 * 3.0, 0.3
            combined = share * (origin - alpha1 * first) + (1 - share) * (origin - alpha2 * second)
            theta1, theta2 = share * alpha1, (1 - share) * alpha2
            largest = max(largest, float(np.abs(combined - (origin - theta1 * first - theta2 * second)).max()))
            quadrants.add((np.sign(theta1), np.sign(theta2)))
        return quadrants, largest

    either, difference = reached([(a, b) for a in (1, -1) for b in (1, -1)])
    positive = reached([(1, 1)])[0]
    return [
        Part(
            "alphas of either sign",
            len(either) == 4 and difference < 1e-12,
            (Number("largest difference", difference), Number("quadrants:", len(either))),
        ),
        Part("positive alphas alone", len(positive) == 4, (Number("quadrants:", len(positive)),)),
    ]

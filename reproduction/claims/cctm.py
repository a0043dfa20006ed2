"""Claims of Section 2.1 and the appendix: cross-class tests.

Effects are of the test CCTM; intervals are the middle 95% of 4,000 drawings of the test images, those of each class
anew.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from ciutils.analyse.agreement import Estimate, estimate, ratio
from ciutils.analyse.chance import few_interferers, of_difficulty
from ciutils.analyse.confusion import diagonal
from reproduction import paper
from reproduction.claims.answers import Part, part
from reproduction.claims.evidence import NETWORKS, Evidence
from reproduction.claims.judging import claim
from reproduction.readings import Reading

BOTH = ["cat", "dog"]
THRESHOLD = 0.005
"""From which rate on the paper counts a class as an interferer."""


def cell(rates: xr.DataArray, true: str, predicted: str) -> np.ndarray:
    """The rate of one cell in percent: (draw)."""
    return 100 * rates.sel(true=true, predicted=predicted).values


def errors(rates: xr.DataArray) -> np.ndarray:
    """Rates beside the diagonal, 0 on it: (draw, true, predicted)."""
    return rates.values * ~np.eye(rates.sizes["true"], dtype=bool)


def both_ways(table: np.ndarray, rates: xr.DataArray) -> np.ndarray:
    """Share of all errors that each pair of classes holds, in percent: (draw, pair), CAT-DOG first."""
    first, second = np.triu_indices(table.shape[-1], 1)
    names = rates["true"].values
    cat_dog = int(np.flatnonzero((names[first] == "cat") & (names[second] == "dog"))[0])
    shares = 100 * ratio(table[:, first, second] + table[:, second, first], table.sum((1, 2))[:, None])
    return np.concatenate([shares[:, [cat_dog]], np.delete(shares, cat_dog, axis=1)], axis=1)


@claim(
    "C01",
    "CAT and DOG have the two lowest recalls, in all four networks",
    "cctm#which-classes-are-recognised-worst",
    printed="CAT 84.5 to 88.7%, DOG 89.0 to 92.6%",
)
def _lowest_recalls(evidence: Evidence, _: Reading) -> list[Part]:
    """for each network: by how much the lowest recall of the other classes is above those of CAT and DOG; beside it how
    often the two are lowest when images are drawn anew"""

    def gap(rates: xr.DataArray) -> tuple[Estimate, str]:
        recall = diagonal(rates)
        found = 100 * (recall.drop_sel(true=BOTH).min("true") - recall.sel(true=BOTH).max("true")).values
        return estimate(found), f"lowest in {100 * (found[1:] > 0).mean():.0f}% of the drawings"

    return [part(network, "rate", gap, evidence.rates(network)) for network in NETWORKS]


@claim(
    "C02",
    "the largest off-diagonal CCTM cells are CAT-DOG and DOG-CAT, in all four networks",
    "cctm#which-pairs-are-confused",
)
def _largest_cells(evidence: Evidence, _: Reading) -> list[Part]:
    """for each network: by how much the smaller of CAT called DOG and DOG called CAT is above all other cells"""

    def gap(rates: xr.DataArray) -> Estimate:
        others = errors(rates.where(~(rates["true"].isin(BOTH) & rates["predicted"].isin(BOTH)), 0))
        both = np.minimum(cell(rates, "cat", "dog"), cell(rates, "dog", "cat"))
        return estimate(both - 100 * others.max((1, 2)))

    return [part(network, "rate", gap, evidence.rates(network)) for network in NETWORKS]


@claim(
    "C03",
    "class interference is the largest share of the errors",
    "cctm#how-much-of-all-error-do-they-hold",
    printed="no number",
)
def _concentration(evidence: Evidence, _: Reading) -> list[Part]:
    """for each network: by how much CAT-DOG's share of all errors is above that of any other pair, and above the share
    that it would have if classes differed only in how often they are missed and how often others are called by their
    name"""

    def over_others(rates: xr.DataArray) -> Estimate:
        shares = both_ways(errors(rates), rates)
        return estimate(shares[:, 0] - shares[:, 1:].max(1))

    def over_difficulty(rates: xr.DataArray) -> Estimate:
        wrong = errors(rates)
        return estimate(both_ways(wrong, rates)[:, 0] - both_ways(of_difficulty(wrong), rates)[:, 0])

    return [
        part(f"{network}, {what}", "share", effect, evidence.rates(network))
        for network in NETWORKS
        for what, effect in (("more than any other pair", over_others), ("more than difficulty gives", over_difficulty))
    ]


@claim("C04", "the CCTM is nearly symmetric", "cctm#does-confusion-run-both-ways", printed="no number")
def _symmetric(evidence: Evidence, _: Reading) -> list[Part]:
    """for each network: the root mean square over pairs of the difference between a pair's two rates, over that of
    their sum; 0 is symmetric, 1 is confusion one way only. What the sampling of images adds to both is taken off"""

    def asymmetry(rates: xr.DataArray) -> Estimate:
        wrong = errors(rates)
        backward = wrong.swapaxes(1, 2)
        noise = ((wrong + backward) / rates.attrs["objects"]).sum((1, 2))
        noise[1:] *= 2  # that of the images, and that of drawing them anew
        square = ratio(((wrong - backward) ** 2).sum((1, 2)) - noise, ((wrong + backward) ** 2).sum((1, 2)) - noise)
        return estimate(np.sqrt(square.clip(0, 1)))

    return [part(network, "asymmetry", asymmetry, evidence.rates(network)) for network in NETWORKS]


@claim(
    "C05", "ResNet18, GoogLeNet and DLA have less CAT and DOG interference than VGG19", "cctm#which-pairs-are-confused"
)
def _less_than_vgg(evidence: Evidence, _: Reading) -> list[Part]:
    """for each network: how much less of CAT and DOG is called by the other's name than by VGG19, on the same images"""

    def less(rates: xr.DataArray, vgg: xr.DataArray) -> Estimate:
        both = [(cell(each, "cat", "dog") + cell(each, "dog", "cat")) / 2 for each in (vgg, rates)]
        return estimate(both[0] - both[1])

    vgg = evidence.rates("vgg19")
    return [part(network, "rate", less, evidence.rates(network), vgg) for network in NETWORKS[1:]]


@claim(
    "C25",
    "interferers above 0.5% in GoogLeNet: PLANE three, BIRD five, CAR and TRUCK one each; few interferers, high recall",
    "cctm#few-interferers-high-recall",
    printed="3, 5, 1, 1",
)
def _interferers(evidence: Evidence, _: Reading) -> list[Part]:
    """for each class: our number of interferers less the printed one. For the law: how much more negative the rank
    correlation of the number of interferers with recall is, over the ten classes, than in tables drawn from one profile
    of errors for all classes, with the middle 95% of these"""

    def interferers(rates: xr.DataArray) -> np.ndarray:
        return (errors(rates) > THRESHOLD).sum(2)

    def of_class(name: str, printed: int) -> Callable[[xr.DataArray], Estimate]:
        return lambda rates: estimate(interferers(rates)[:, list(rates["true"].values).index(name)] - printed)

    def law(rates: xr.DataArray) -> Estimate:
        return few_interferers(rates[0], rates.attrs["objects"], THRESHOLD)

    rates, same = evidence.rates("googlenet"), evidence.full_size
    numbers = [
        part(name, "interferers", of_class(name, printed), rates, comparable=same)
        for name, printed in paper.INTERFERERS.items()
    ]
    return [*numbers, part("few interferers, high recall", "correlation", law, rates)]


@claim(
    "C26",
    "CAR's errors are mostly TRUCK",
    "cctm#which-pairs-are-confused",
    printed="recall plus CCTM(CAR, TRUCK): 99.2% in GoogLeNet, 99.6% in DLA",
)
def _car_errors(evidence: Evidence, _: Reading) -> list[Part]:
    """for GoogLeNet and both forms of DLA: TRUCK's share of CAR's errors; and the sum less the printed one"""

    def mostly(rates: xr.DataArray) -> Estimate:
        missed = 100 - cell(rates, "car", "car")
        return estimate(100 * ratio(cell(rates, "car", "truck"), missed))

    def apart(printed: float) -> Callable[[xr.DataArray], Estimate]:
        return lambda rates: estimate(cell(rates, "car", "car") + cell(rates, "car", "truck") - printed)

    found, same = [], evidence.full_size
    for network, printed in paper.CAR_AND_TRUCK.items():
        rates = evidence.rates(network)
        found.append(part(f"{network}, more than half", "majority", mostly, rates))
        found.append(part(f"{network}, {printed}%", "accuracy", apart(printed), rates, comparable=same))
    return found

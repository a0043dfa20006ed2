"""Claims of Section 2.1 and the appendix: cross-class tests."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr
from scipy import stats

from ciutils.analyse import confusion
from reproduction import paper
from reproduction.claims.evidence import NETWORKS, each_network, last_counts, part_of
from reproduction.claims.judging import Evidence, Number, Part, claim
from reproduction.claims.numbers import cell, difference_of, recall_of, share_of


@claim(
    "C01",
    "CAT and DOG have the two lowest recalls, in all four networks",
    "CAT 84.5 to 88.7%, DOG 89.0 to 92.6%",
    "cctm#which-classes-are-recognised-worst",
    on=each_network,
)
def _lowest_recalls(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    """for each network: the two classes of lowest test recall are CAT and DOG"""
    recall = confusion.recall(counts).to_series().sort_values(kind="stable")
    return set(recall.index[:2]) == {"cat", "dog"}, [recall_of(counts, name) for name in recall.index[:3]]


@claim(
    "C02",
    "the largest off-diagonal CCTM cells are CAT-DOG and DOG-CAT, in all four networks",
    "a figure only",
    "cctm#which-pairs-are-confused",
    on=each_network,
)
def _largest_cells(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    """for each network: the two largest cells of the test CCTM are CAT called DOG and DOG called CAT"""
    top = confusion.pairs(counts).head(3)
    cells = set(zip(top["true"][:2], top["predicted"][:2], strict=True))
    numbers = [
        Number(f"{row.true} called {row.predicted}", 100 * row.rate, 100 * row.low, 100 * row.high, "%")
        for row in top.itertuples()
    ]
    return cells == {("cat", "dog"), ("dog", "cat")}, numbers


@claim(
    "C03",
    "class interference is the largest share of the errors",
    "no number",
    "cctm#how-much-of-all-error-do-they-hold",
    on=each_network,
)
def _concentration(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    """for each network: the pair with the most errors holds more than an even share (the 95% interval is above it),
    and at most a quarter of all pairs hold half of the errors"""
    shares = confusion.pair_shares(counts)
    first, errors = shares.iloc[0], int(shares["errors"].sum())
    share = share_of(f"{first['first']}-{first['second']}", int(first["errors"]), errors, "% of all errors")
    half = int((shares["cumulative"] < 0.5).sum()) + 1
    concentrated = share.low > 100 * first["even"] and half <= len(shares) / 4
    return concentrated, [share, Number(f"of {len(shares)} pairs, those with half of the errors:", half)]


@claim("C04", "the CCTM is nearly symmetric", "no number", "cctm#does-confusion-run-both-ways", on=each_network)
def _symmetric(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    """for each network: the off-diagonal cells correlate with their mirror images by at least 0.8, and no pair
    differs between its directions (McNemar's tests, Holm, 5%)"""
    found = confusion.symmetry(counts)
    differing = int((found.pairs["p_holm"] < 0.05).sum())
    numbers = [
        Number("correlation", found.correlation),
        Number("pairs that differ:", differing),
        Number("Bowker's p", found.p_value),
    ]
    return found.correlation >= 0.8 and not differing, numbers


@claim(
    "C05",
    "ResNet18, GoogLeNet and DLA have less CAT and DOG interference than VGG19",
    "a figure only",
    "cctm#which-pairs-are-confused",
)
def _less_than_vgg(evidence: Evidence) -> list[Part]:
    """for each network: CAT called DOG plus DOG called CAT, in percent of both classes, is less than VGG19's (the
    95% interval of the difference is below 0)"""

    def rule(counts: xr.DataArray, vgg: xr.DataArray) -> tuple[bool, list[Number]]:
        errors = [
            (cell(each, "cat", "dog") + cell(each, "dog", "cat"), int(each.sel(true=["cat", "dog"]).sum()))
            for each in (counts, vgg)
        ]
        difference = difference_of("difference from vgg19", *errors)
        return difference.high < 0, [difference]

    vgg = last_counts(evidence, "vgg19")
    return [part_of(network, rule, last_counts(evidence, network), vgg) for network in NETWORKS[1:]]


@claim(
    "C25",
    "interferers above 0.5% in GoogLeNet: PLANE three, BIRD five, CAR and TRUCK one each; few interferers, high recall",
    "3, 5, 1, 1",
    "cctm#few-interferers-high-recall",
)
def _interferers(evidence: Evidence) -> list[Part]:
    """the four numbers are the same on the test set; and over the ten classes the rank correlation of the number of
    interferers with recall is negative with p < 0.05"""

    def of_class(name: str, printed: int) -> Callable[[xr.DataArray], tuple[bool, list[Number]]]:
        def rule(counts: xr.DataArray) -> tuple[bool, list[Number]]:
            ours = int(confusion.interferers(counts).loc[name, "interferers"])
            return ours == printed, [Number("interferers:", ours)]

        return rule

    def few(counts: xr.DataArray) -> tuple[bool, list[Number]]:
        table = confusion.interferers(counts)
        test = stats.spearmanr(table["interferers"], table["recall"])
        return test.statistic < 0 and test.pvalue < 0.05, [
            Number("rank correlation", test.statistic),
            Number("p", test.pvalue),
        ]

    counts = last_counts(evidence, "googlenet")
    return [
        *(part_of(name, of_class(name, printed), counts) for name, printed in paper.INTERFERERS.items()),
        part_of("few interferers, high recall", few, counts),
    ]


@claim(
    "C26",
    "CAR's errors are mostly TRUCK",
    "recall plus CCTM(CAR, TRUCK): 99.2% in GoogLeNet, 99.6% in DLA",
    "cctm#which-pairs-are-confused",
)
def _car_errors(evidence: Evidence) -> list[Part]:
    """for each network: more than half of CAR's errors are called TRUCK (95% interval above one half), and the sum
    is the printed one within its 95% interval"""

    def mostly(counts: xr.DataArray) -> tuple[bool, list[Number]]:
        errors = int(counts.sel(true="car").sum()) - cell(counts, "car", "car")
        share = share_of("truck", cell(counts, "car", "truck"), errors, "% of car's errors")
        return share.low > 50, [share]

    def printed(value: float) -> Callable[[xr.DataArray], tuple[bool, list[Number]]]:
        def rule(counts: xr.DataArray) -> tuple[bool, list[Number]]:
            both = cell(counts, "car", "car") + cell(counts, "car", "truck")
            total = share_of("sum", both, int(counts.sel(true="car").sum()))
            return total.low <= value <= total.high, [total]

        return rule

    return [
        part
        for network, value in (("googlenet", 99.2), ("dla", 99.6))
        for part in (
            part_of(f"{network}, more than half", mostly, last_counts(evidence, network)),
            part_of(f"{network}, {value}%", printed(value), last_counts(evidence, network)),
        )
    ]

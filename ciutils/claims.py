"""The paper's claims (arXiv:2211.01370), each with the rule that judges it on artifacts.

A claim consists of parts, each of which holds, fails, or lacks its data. A difference holds only beyond its
uncertainty: what cannot be told apart does not hold. `judge` adds the parts up to one of `VERDICTS`.
Book: chapter *Claims*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats
from statsmodels.stats import proportion

from ciutils import confusion, dancing, experiments, interference, paper

_Key = TypeVar("_Key")

VERDICTS = ("reproduced", "partly", "not reproduced", "not testable here")
NETWORKS = ("vgg19", "resnet18", "googlenet", "dla", "simple-dla")
"""The paper's four networks; which form of DLA it shows is unclear, so a claim on all networks is held to both."""
SPACE_NETWORKS = ("vgg19", "resnet18")
PAIRS = ("cat-dog", "truck-car", "horse-ship")
UNITS = ("theta", "distance")
TOLERANCE = 0.05  # a flat area's: within this of the network's own mistake rate
LATE = 118 / 200  # the share of training after which the paper finds DOG dominant


@dataclass(frozen=True)
class Evidence:
    """The artifacts that claims are judged on; what is missing is simply not there.

    histories: by (network, setup). spaces: by (network, setup, pair), on the paper's ratios of sigma (Figures 2 to 4).
    classwise: by pair, of the annealed VGG19 (Figure 5). counts: how the histories' epochs are counted for the claims
    on training, one of `confusion.COUNTS`.
    """

    histories: Mapping[tuple[str, str], xr.Dataset] = field(default_factory=dict)
    spaces: Mapping[tuple[str, str, str], xr.Dataset] = field(default_factory=dict)
    classwise: Mapping[str, xr.Dataset] = field(default_factory=dict)
    counts: str = "running_counts"


def gather(size: experiments.Profile, images: int = 0, **changes: object) -> Evidence:
    """The artifacts of a profile that are published or in one's own runs; nothing is computed.

    images: training images of the planes' points and of the search for half sides; 0 means the profile's two numbers.
    changes: other fields of `experiments.Run`.
    """
    searched, images = images or size.control_images, images or size.images
    runs = {(network, setup): size.run(network, setup, compute=False, **changes)
            for network, setups in size.setups.items() for setup in setups}  # fmt: skip
    annealed = runs["vgg19", "anneal-lr"]

    def plane(run: experiments.Run, pair: str, sigma: Callable[..., float]) -> Callable[[], xr.Dataset]:
        return lambda: run.space(pair, sigma(PAIRS, searched), size.points, images)

    return Evidence(
        _existing({key: run.history for key, run in runs.items()}),
        _existing({
            (network, setup, pair): plane(run, pair, run.paper_sigma)
            for (network, setup), run in runs.items() if network in SPACE_NETWORKS for pair in PAIRS
        }),
        _existing({pair: plane(annealed, pair, annealed.sigma) for pair in PAIRS[:2]}),
    )  # fmt: skip


def _existing(loaders: Mapping[_Key, Callable[[], xr.Dataset]]) -> dict[_Key, xr.Dataset]:
    found = {}
    for key, load in loaders.items():
        with suppress(FileNotFoundError):
            found[key] = load()
    return found


@dataclass(frozen=True)
class Number:
    """A number that a part rests on, in `unit`, with its 95% interval (NaN where it has none)."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    unit: str = ""

    def __str__(self) -> str:
        known = math.isfinite(self.low + self.high) and self.low < self.high
        interval = f" ({self.low:.3g} to {self.high:.3g})" if known else ""
        return f"{self.name} {self.value:.3g}{self.unit}{interval}".strip()


@dataclass(frozen=True)
class Part:
    """One thing that a claim says. holds is None where its artifacts are missing."""

    what: str
    holds: bool | None
    numbers: tuple[Number, ...] = ()


_Parts = Callable[[Evidence], list[Part]]
_Artifact = xr.DataArray | xr.Dataset


@dataclass(frozen=True)
class Claim:
    """statement: what the paper says. printed: its numbers. rule: how it is judged here.
    page: notebook#section that shows it. parts: the rule as code."""

    id: str
    statement: str
    printed: str
    rule: str
    page: str
    parts: _Parts


@dataclass(frozen=True)
class Judgement:
    """A claim with its verdict, one of `VERDICTS`, and the parts that it was added up from."""

    claim: Claim
    verdict: str
    parts: tuple[Part, ...]


CLAIMS: dict[str, Claim] = {}


def judge(claim: Claim, evidence: Evidence) -> Judgement:
    """The claim's verdict: "reproduced" if all parts hold, "not reproduced" if none does, "partly" if some do, and
    "not testable here" if no part has its data. A missing part keeps a claim from being reproduced in full."""
    parts = tuple(claim.parts(evidence))
    known = [part.holds for part in parts if part.holds is not None]
    if not known:
        verdict = "not testable here"
    elif not any(known):
        verdict = "not reproduced"
    else:
        verdict = "reproduced" if all(known) and len(known) == len(parts) else "partly"
    return Judgement(claim, verdict, parts)


def judge_all(evidence: Evidence) -> list[Judgement]:
    """Every claim, in order."""
    return [judge(claim, evidence) for claim in CLAIMS.values()]


def _claim(
    id: str, statement: str, printed: str, rule: str, page: str, on: Callable[[Callable], _Parts] = lambda parts: parts
) -> Callable[[Callable], Callable]:
    """Register a rule. `on` says what the rule looks at, one artifact at a time; by default at all evidence."""

    def register(function: Callable) -> Callable:
        CLAIMS[id] = Claim(id, statement, printed, rule, page, on(function))
        return function

    return register


# --- what a rule looks at


def _each_network(rule: Callable[[xr.DataArray], tuple[bool, list[Number]]]) -> _Parts:
    """The last test counts of each annealed network."""

    return lambda evidence: [_part(network, rule, _test(evidence, network)) for network in NETWORKS]


def _each_space(setup: str, pair: str) -> Callable[[Callable[[xr.Dataset], tuple[bool, list[Number]]]], _Parts]:
    """The space of a pair, of each network trained with a setup."""

    def on(rule: Callable[[xr.Dataset], tuple[bool, list[Number]]]) -> _Parts:
        return lambda evidence: [
            _part(network, rule, evidence.spaces.get((network, setup, pair))) for network in SPACE_NETWORKS
        ]

    return on


def _classwise(pair: str) -> Callable[[Callable[[xr.Dataset], list[Part]]], _Parts]:
    """The annealed VGG19's space of a pair."""

    def on(rule: Callable[[xr.Dataset], list[Part]]) -> _Parts:
        missing = [Part(f"the space of {pair}", None)]
        return lambda evidence: rule(evidence.classwise[pair]) if pair in evidence.classwise else missing

    return on


def _training(rule: Callable[[xr.Dataset, str], list[Part]]) -> _Parts:
    """The annealed VGG19's history."""

    def parts(evidence: Evidence) -> list[Part]:
        history = evidence.histories.get(("vgg19", "anneal-lr"))
        known = history is not None and evidence.counts in history
        return rule(history, evidence.counts) if known else [Part("vgg19's history", None)]

    return parts


def _part(what: str, rule: Callable[..., tuple[bool, list[Number]]], *artifacts: _Artifact | None) -> Part:
    """What `rule` says of the artifacts; nothing if one of them is missing."""
    if any(artifact is None for artifact in artifacts):
        return Part(what, None)
    holds, numbers = rule(*artifacts)
    return Part(what, bool(holds), tuple(numbers))


# --- Section 2.1: cross-class tests


@_claim(
    "C01", "CAT and DOG have the two lowest recalls, in all four networks",
    "CAT 84.5 to 88.7%, DOG 89.0 to 92.6%",
    "for each network: the two classes of lowest test recall are CAT and DOG",
    "cctm#which-classes-are-recognised-worst",
    on=_each_network,
)  # fmt: skip
def _lowest_recalls(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    recall = confusion.recall(counts).to_series().sort_values(kind="stable")
    return set(recall.index[:2]) == {"cat", "dog"}, [_recall(counts, name) for name in recall.index[:3]]


@_claim(
    "C02", "the largest off-diagonal CCTM cells are CAT-DOG and DOG-CAT, in all four networks",
    "a figure only",
    "for each network: the two largest cells of the test CCTM are CAT called DOG and DOG called CAT",
    "cctm#which-pairs-are-confused",
    on=_each_network,
)  # fmt: skip
def _largest_cells(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    top = confusion.pairs(counts).head(3)
    cells = set(zip(top["true"][:2], top["predicted"][:2], strict=True))
    numbers = [
        Number(f"{row.true} called {row.predicted}", 100 * row.rate, 100 * row.low, 100 * row.high, "%")
        for row in top.itertuples()
    ]
    return cells == {("cat", "dog"), ("dog", "cat")}, numbers


@_claim(
    "C03", "class interference is the largest share of the errors",
    "no number",
    "for each network: the pair with the most errors holds more than an even share (the 95% interval is above it), "
    "and at most a quarter of all pairs hold half of the errors",
    "cctm#how-much-of-all-error-do-they-hold",
    on=_each_network,
)  # fmt: skip
def _concentration(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    shares = confusion.pair_shares(counts)
    first, errors = shares.iloc[0], int(shares["errors"].sum())
    share = _share(f"{first['first']}-{first['second']}", int(first["errors"]), errors, "% of all errors")
    half = int((shares["cumulative"] < 0.5).sum()) + 1
    concentrated = share.low > 100 * first["even"] and half <= len(shares) / 4
    return concentrated, [share, Number(f"of {len(shares)} pairs, those with half of the errors:", half)]


@_claim(
    "C04", "the CCTM is nearly symmetric",
    "no number",
    "for each network: the off-diagonal cells correlate with their mirror images by at least 0.8, and no pair differs "
    "between its directions (McNemar's tests, Holm, 5%)",
    "cctm#does-confusion-run-both-ways",
    on=_each_network,
)  # fmt: skip
def _symmetric(counts: xr.DataArray) -> tuple[bool, list[Number]]:
    found = confusion.symmetry(counts)
    differing = int((found.pairs["p_holm"] < 0.05).sum())
    numbers = [Number("correlation", found.correlation), Number("pairs that differ:", differing),
               Number("Bowker's p", found.p_value)]  # fmt: skip
    return found.correlation >= 0.8 and not differing, numbers


@_claim(
    "C05", "ResNet18, GoogLeNet and DLA have less CAT and DOG interference than VGG19",
    "a figure only",
    "for each network: CAT called DOG plus DOG called CAT, in percent of both classes, is less than VGG19's (the 95% "
    "interval of the difference is below 0)",
    "cctm#which-pairs-are-confused",
)  # fmt: skip
def _less_than_vgg(evidence: Evidence) -> list[Part]:
    def rule(counts: xr.DataArray, vgg: xr.DataArray) -> tuple[bool, list[Number]]:
        errors = [(_cell(each, "cat", "dog") + _cell(each, "dog", "cat"), int(each.sel(true=["cat", "dog"]).sum()))
                  for each in (counts, vgg)]  # fmt: skip
        difference = _difference("difference from vgg19", *errors)
        return difference.high < 0, [difference]

    vgg = _test(evidence, "vgg19")
    return [_part(network, rule, _test(evidence, network), vgg) for network in NETWORKS[1:]]


# --- Section 3: flat or sharp?


@_claim(
    "C06", "test accuracy orders anneal-lr > big-lr > small-lr, for both networks",
    "small-lr: VGG19 84.99, ResNet18 86.88; anneal-lr: VGG19 93.87, ResNet18 95.15",
    "for each network: both differences are positive (95% intervals above 0); and each printed accuracy is met within "
    "one percent point",
    "sharpness#test-accuracy",
)  # fmt: skip
def _accuracies(evidence: Evidence) -> list[Part]:
    def near(printed: float) -> Callable[[xr.DataArray], tuple[bool, list[Number]]]:
        def rule(counts: xr.DataArray) -> tuple[bool, list[Number]]:
            ours = _share("here", *_right(counts))
            return abs(ours.value - printed) <= 1, [ours]

        return rule

    return [
        *(
            _part(f"{network}, {better} over {worse}", _more_accurate, _test(evidence, network, better),
                  _test(evidence, network, worse))
            for network in SPACE_NETWORKS
            for better, worse in (("anneal-lr", "big-lr"), ("big-lr", "small-lr"))
        ),
        *(
            _part(f"{network}, {setup}, {printed}%", near(printed), _test(evidence, network, setup))
            for (network, setup), printed in paper.ACCURACY.items()
        ),
    ]  # fmt: skip


@_claim(
    "C07", "big-lr: the mistake rate is more sensitive in the CAT-DOG space than in TRUCK-CAR and HORSE-SHIP",
    "a figure only",
    "for each network and other pair: the mean sharpness of all cuts through the plane, at the same theta, is higher "
    "for CAT-DOG by more than two standard errors",
    "sharpness#what-the-angle-of-a-cut-does",
)  # fmt: skip
def _cat_dog_most_sensitive(evidence: Evidence) -> list[Part]:
    def rule(first: xr.Dataset, other: xr.Dataset) -> tuple[bool, list[Number]]:
        numbers = [
            _with_error(f"{space.attrs['first']}-{space.attrs['second']}",
                        float(interference.sensitivity(space).mean(skipna=False)), space)
            for space in (first, other)
        ]  # fmt: skip
        return _higher(*numbers), numbers

    spaces = evidence.spaces
    return [
        _part(f"{network}, cat-dog over {other}", rule, spaces.get((network, "big-lr", "cat-dog")),
              spaces.get((network, "big-lr", other)))
        for network in SPACE_NETWORKS for other in PAIRS[1:]
    ]  # fmt: skip


@_claim(
    "C08", "big-lr, CAT-DOG space: VGG19 is more sensitive along CAT, ResNet18 along DOG",
    "a figure only",
    "for each network: the cut along that ego is sharper than the cut along the other by more than two standard errors",
    "sharpness#what-the-angle-of-a-cut-does",
)  # fmt: skip
def _sensitive_ego(evidence: Evidence) -> list[Part]:
    def sharper(along_first: bool) -> Callable[[xr.Dataset], tuple[bool, list[Number]]]:
        def rule(space: xr.Dataset) -> tuple[bool, list[Number]]:
            first, second = interference.sensitivity(space, (0, 90)).values
            cat, dog = _with_error("along cat", first, space), _with_error("along dog", second, space)
            return _higher(cat, dog) if along_first else _higher(dog, cat), [cat, dog]

        return rule

    return [
        _part(f"{network}, along {name}", sharper(name == "cat"), evidence.spaces.get((network, "big-lr", "cat-dog")))
        for network, name in (("vgg19", "cat"), ("resnet18", "dog"))
    ]


@_claim(
    "C09", "big-lr, CAT-DOG space: a narrow valley through the minimum",
    "a figure only",
    "for each network: the sharpest cut through the minimum is at least twice as sharp as the flattest, and they "
    "differ by more than two standard errors",
    "sharpness#what-the-angle-of-a-cut-does",
    on=_each_space("big-lr", "cat-dog"),
)  # fmt: skip
def _valley(space: xr.Dataset) -> tuple[bool, list[Number]]:
    by_angle = interference.sensitivity(space)
    if not np.isfinite(by_angle).all():
        return False, [Number("sharpness", math.nan)]
    sharp, flat = (
        _with_error(f"at {float(by_angle.angle[position]):.0f} degrees", float(by_angle[position]), space)
        for position in (by_angle.values.argmax(), by_angle.values.argmin())
    )
    return sharp.value >= 2 * flat.value and _higher(sharp, flat), [sharp, flat]


@_claim(
    "C10", "big-lr, CAR-TRUCK space: the steepest line through the minimum is the 135 degree one; a random cut looks "
    "flatter",
    "135 degrees",
    "for each network: the sharpest cut is within 10 degrees of 135, and the cut at 135 is sharper than the mean over "
    "all angles by more than two standard errors",
    "sharpness#what-the-angle-of-a-cut-does",
    on=_each_space("big-lr", "truck-car"),
)  # fmt: skip
def _diagonal(space: xr.Dataset) -> tuple[bool, list[Number]]:
    test = interference.diagonal_test(space)
    at_135, mean = (_with_error(name, value, space) for name, value in (("at 135", test.at_135),
                                                                        ("mean", test.mean)))  # fmt: skip
    steepest = Number("sharpest cut", test.steepest, unit=" degrees")
    return abs(test.steepest - 135) <= 10 and _higher(at_135, mean), [steepest, at_135, mean]


@_claim(
    "C11", "small-lr: ResNet18 is extremely sharp in all three spaces, VGG19 smoother, and ResNet18 still generalises "
    "better",
    "86.88% against 84.99%",
    "for each pair: ResNet18's flat area is smaller than VGG19's, in theta and in weight distance; and ResNet18's test "
    "accuracy is higher (95% interval of the difference above 0)",
    "sharpness#how-large-is-the-flat-area",
)  # fmt: skip
def _small_sharp(evidence: Evidence) -> list[Part]:
    def smaller(ours: Number, theirs: Number) -> bool:
        return ours.high < theirs.low

    spaces = evidence.spaces
    accuracies = (_test(evidence, network, "small-lr") for network in ("resnet18", "vgg19"))
    return [
        *(
            _part(f"{pair}, in {unit}", _areas(unit, smaller), spaces.get(("resnet18", "small-lr", pair)),
                  spaces.get(("vgg19", "small-lr", pair)))
            for pair in PAIRS for unit in UNITS
        ),
        _part("test accuracy", _more_accurate, *accuracies),
    ]  # fmt: skip


@_claim(
    "C12", "anneal-lr: a large flat lowland, 100 times the area of big-lr, larger for ResNet18",
    "100 times (the ratio of the axes' ranges)",
    "for each pair, in theta and in weight distance: each network's flat area is at least 100 times its big-lr one, "
    "and ResNet18's is larger than VGG19's",
    "sharpness#how-large-is-the-flat-area",
)  # fmt: skip
def _lowland(evidence: Evidence) -> list[Part]:
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
                _part(f"{network}, {pair}, 100 times in {unit}", _areas(unit, hundredfold),
                      spaces.get((network, "anneal-lr", pair)), spaces.get((network, "big-lr", pair)))
                for network in SPACE_NETWORKS
            ),
            _part(f"{pair}, resnet18 over vgg19 in {unit}", _areas(unit, larger),
                  spaces.get(("resnet18", "anneal-lr", pair)), spaces.get(("vgg19", "anneal-lr", pair))),
        )
    ]  # fmt: skip


# --- Section 4.1: class-wise losses


@_claim(
    "C13", "CAT-DOG space: CAT's loss rises most where DOG's is minimised; rising along both ascents leaves it low",
    "a figure only",
    "at the point of lowest DOG loss, CAT's loss has risen more than any other class's; and with both ascended its "
    "rise is less than half of that with CAT ascended and DOG descended",
    "classwise_losses#who-responds-to-what",
    on=_classwise("cat-dog"),
)  # fmt: skip
def _cat_against_dog(space: xr.Dataset) -> list[Part]:
    loss = interference.class_loss(space)
    rise = loss - loss[loss.shape[0] // 2, loss.shape[1] // 2]
    lowest = loss.sel(true="dog", drop=True).argmin(("theta1", "theta2"))
    there = rise.isel(lowest).to_series().sort_values(ascending=False)
    both, against = _responses(space, "cat", {"cat": -1, "dog": -1}, {"cat": -1, "dog": 1})
    return [
        Part("where dog's loss is lowest", there.index[0] == "cat" and there["cat"] > 0,
             (Number("cat", there["cat"]), Number(f"largest, {there.index[0]},", there.iloc[0]))),
        Part("both ascended", against.value > 0 and both.value < against.value / 2, (both, against)),
    ]  # fmt: skip


@_claim(
    "C14", "CAR-TRUCK space: CAR's loss rises along CAR's ascent whether TRUCK is descended or ascended; TRUCK's also "
    "rises along CAR's descent",
    "a figure only",
    "each of the three rises, from the network to the edge of the plane, is above 0.1",
    "classwise_losses#who-responds-to-what",
    on=_classwise("truck-car"),
)  # fmt: skip
def _car_ascent(space: xr.Dataset) -> list[Part]:
    found = [
        *_responses(space, "car", {"car": -1, "truck": 1}, {"car": -1, "truck": -1}),
        *_responses(space, "truck", {"car": 1}),
    ]
    return [Part(rise.name, rise.value > 0.1, (Number("", rise.value),)) for rise in found]


@_claim(
    "C15", "the other classes' losses respond more to the CAR-TRUCK egos than to the CAT-DOG egos",
    "a figure only",
    "for each of the six other classes: the mean absolute change of its loss at the edge, over the eight ways, is "
    "larger in the CAR-TRUCK space, at the same theta",
    "classwise_losses#who-responds-to-what",
)  # fmt: skip
def _others_respond(evidence: Evidence) -> list[Part]:
    def rule(name: str) -> Callable[..., tuple[bool, list[Number]]]:
        def larger(car_truck: xr.Dataset, cat_dog: xr.Dataset) -> tuple[bool, list[Number]]:
            first, second = (
                Number(what, float(abs(interference.class_response(space).sel(true=name)).mean()))
                for what, space in (("truck-car", car_truck), ("cat-dog", cat_dog))
            )
            return first.value > second.value, [first, second]

        return larger

    others = [name for name in paper.CLASSES if name not in ("cat", "dog", "car", "truck")]
    spaces = [evidence.classwise.get(pair) for pair in ("truck-car", "cat-dog")]
    return [_part(name, rule(name), *spaces) for name in others]


@_claim(
    "C16", "CAR-TRUCK space: the loss shapes of CAT, FROG, DOG, DEER (less so HORSE) are alike; CAR like PLANE; TRUCK "
    "like SHIP",
    "a figure only",
    "the four are more alike among themselves than all pairs of classes on average, HORSE is less like them than they "
    "are; PLANE's shape is the most like CAR's, and SHIP's the most like TRUCK's",
    "classwise_losses#do-classes-that-react-alike-interfere",
    on=_classwise("truck-car"),
)  # fmt: skip
def _shapes(space: xr.Dataset) -> list[Part]:
    four = ["cat", "frog", "dog", "deer"]
    similar = interference.shape_similarity(space).to_pandas()
    within, overall = _mean_of_pairs(similar.loc[four, four]), _mean_of_pairs(similar)
    horse = float(similar.loc["horse", four].mean())
    nearest = {name: similar.loc[name].drop(name).idxmax() for name in ("car", "truck")}
    return [
        Part("cat, frog, dog, deer", within > overall, (Number("among the four", within),
                                                        Number("all pairs", overall))),
        Part("horse less so", horse < within, (Number("horse with the four", horse),)),
        *(
            Part(f"{name} like {like}", nearest[name] == like, (
                Number(f"with {like}", float(similar.loc[name, like])),
                Number(f"largest, {nearest[name]},", float(similar.loc[name, nearest[name]])),
            ))
            for name, like in (("car", "plane"), ("truck", "ship"))
        ),
    ]  # fmt: skip


@_claim(
    "C17", "CAT-DOG space: CAR, TRUCK, PLANE, SHIP rise in one same corner; HORSE and DEER rise toward the corner "
    "where DOG rises, HORSE more",
    "a figure only",
    "the four classes have their largest loss, of the plane's four corners, in the same one; HORSE and DEER have "
    "theirs in DOG's; and there HORSE's rise is the larger",
    "classwise_losses#who-responds-to-what",
    on=_classwise("cat-dog"),
)  # fmt: skip
def _corners(space: xr.Dataset) -> list[Part]:
    response = interference.class_response(space)
    corners = response.sel(way=[way for way in interference.WAYS if " " in way]).to_pandas()
    largest = corners.idxmax()
    machines = ["car", "truck", "plane", "ship"]
    horse, deer = (float(corners.loc[largest["dog"], name]) for name in ("horse", "deer"))
    return [
        Part("one corner for car, truck, plane, ship", largest[machines].nunique() == 1,
             (Number("different corners:", largest[machines].nunique()),)),
        Part("horse and deer in dog's corner", bool((largest[["horse", "deer"]] == largest["dog"]).all()),
             (Number("of the two, in dog's corner:", int((largest[["horse", "deer"]] == largest["dog"]).sum())),)),
        Part("horse more than deer", horse > deer, (Number("horse", horse), Number("deer", deer))),
    ]  # fmt: skip


@_claim(
    "C18", "classes with similar loss shapes in other classes' ego spaces interfere",
    "no number",
    "for each plane: the rank correlation of shape similarity with the test CCTM over pairs of classes is positive, "
    "with p < 0.05 (Mantel's test)",
    "classwise_losses#do-classes-that-react-alike-interfere",
)  # fmt: skip
def _shapes_and_confusion(evidence: Evidence) -> list[Part]:
    def rule(space: xr.Dataset, counts: xr.DataArray) -> tuple[bool, list[Number]]:
        test = interference.pair_correlation(interference.shape_similarity(space), confusion.cctm(counts))
        numbers = [Number("correlation", test.correlation), Number("p", test.p_value)]
        return test.correlation > 0 and test.p_value < 0.05, numbers

    counts = _test(evidence, "vgg19")
    return [_part(pair, rule, evidence.classwise.get(pair), counts) for pair in ("cat-dog", "truck-car")]


# --- Section 4.2: interference during training


@_claim(
    "C19", "CAT and DOG recalls dance: more opposed movement than chance, most at the start of training",
    "a figure only",
    "the dance score of the training recalls is positive with p < 0.05; and over half of their opposed movement (the "
    "product of changes of opposite sign) is in the first third of the epochs",
    "label_dancing#more-than-chance",
    on=_training,
)  # fmt: skip
def _dance(history: xr.Dataset, counts: str) -> list[Part]:
    dance = dancing.dance_score(history, "cat", "dog", counts)
    recalls = dancing.recalls(history, counts)
    opposed = np.clip(-np.diff(recalls.sel(true="cat")) * np.diff(recalls.sel(true="dog")), 0, None)
    start = float(opposed[: len(opposed) // 3].sum() / opposed.sum()) if opposed.any() else 0.0
    return [
        Part("more than chance", dance.score > 0 and dance.p_value < 0.05,
             (Number("score", dance.score), Number("p", dance.p_value))),
        Part("most at the start", start > 0.5, (Number("in the first third", 100 * start, unit="%"),)),
    ]  # fmt: skip


@_claim(
    "C20", "rises of DOG recall go with peaks of CCTM(CAT, DOG)",
    "a figure only",
    "the changes of both from epoch to epoch have a positive rank correlation with p < 0.05",
    "label_dancing#the-dance",
    on=_training,
)  # fmt: skip
def _rises(history: xr.Dataset, counts: str) -> list[Part]:
    cctm = confusion.cctm(history[counts])
    changes = (np.diff(cctm.sel(true=true, predicted="dog")) for true in ("dog", "cat"))
    test = stats.spearmanr(*changes)
    holds = bool(test.statistic > 0 and test.pvalue < 0.05)
    return [Part("changes", holds, (Number("rank correlation", test.statistic), Number("p", test.pvalue)))]


@_claim(
    "C21", "late in training DOG is CAT's dominant interferer",
    "from about epoch 118 of 200",
    "DOG is CAT's note in at least 90% of the epochs after 59% of training, and in a smaller share of those before",
    "label_dancing#dancing-notes",
    on=_training,
)  # fmt: skip
def _late(history: xr.Dataset, counts: str) -> list[Part]:
    song = dancing.notes(history, counts=counts).sel(true="cat")
    is_dog = song.values == list(history["true"].values).index("dog")
    late = np.arange(1, len(is_dog) + 1) > LATE * len(is_dog)
    before, after = (Number("dog", 100 * float(is_dog[when].mean()), unit="% of epochs")
                     for when in (~late, late))  # fmt: skip
    return [
        Part("late in training", after.value >= 90, (after,)),
        Part("less before that", before.value < after.value, (before,)),
    ]


@_claim(
    "C22", "notes: CAT is DOG's most frequent note and DOG is CAT's; CAT's hold on DOG lasts longer than the reverse",
    "a figure only",
    "as said, by the share of the epochs; holds compared by the longest spell",
    "label_dancing#dancing-notes",
    on=_training,
)  # fmt: skip
def _holds(history: xr.Dataset, counts: str) -> list[Part]:
    song = dancing.notes(history, counts=counts)
    shares, spells = dancing.note_shares(song), dancing.note_spells(song)
    cat_on_dog, dog_on_cat = (
        Number(f"{note} on {name}", _longest(spells, name, note), unit=" epochs")
        for name, note in (("dog", "cat"), ("cat", "dog"))
    )
    return [
        *(_most_frequent(shares, name, {other}) for name, other in (("dog", "cat"), ("cat", "dog"))),
        Part("cat holds dog longer", cat_on_dog.value > dog_on_cat.value, (cat_on_dog, dog_on_cat)),
    ]


@_claim(
    "C23", "notes of CAR and TRUCK: each other, then PLANE and SHIP; PLANE on TRUCK more often than PLANE on CAR",
    "a figure only",
    "as said, by the share of the epochs",
    "label_dancing#dancing-notes",
    on=_training,
)  # fmt: skip
def _vehicles(history: xr.Dataset, counts: str) -> list[Part]:
    shares = dancing.note_shares(dancing.notes(history, counts=counts))
    truck, car = (Number(f"plane on {name}", 100 * shares.loc[name, "plane"], unit="% of epochs")
                  for name in ("truck", "car"))  # fmt: skip
    return [
        _most_frequent(shares, "car", {"truck"}),
        _most_frequent(shares, "truck", {"car"}),
        _most_frequent(shares, "car", {"plane", "ship"}, after=1),
        _most_frequent(shares, "truck", {"plane", "ship"}, after=1),
        Part("plane on truck more than on car", truck.value > car.value, (truck, car)),
    ]


@_claim(
    "C24", "notes of CAT: BIRD and FROG appear, HORSE hardly; notes of DOG: HORSE and DEER appear",
    "a figure only",
    "a note appears if it sounds in any epoch, hardly if in less than 2% of them",
    "label_dancing#dancing-notes",
    on=_training,
)  # fmt: skip
def _appear(history: xr.Dataset, counts: str) -> list[Part]:
    said = (("cat", "bird", True), ("cat", "frog", True), ("cat", "horse", False), ("dog", "horse", True),
            ("dog", "deer", True))  # fmt: skip

    def name_of(name: str, note: str, appears: bool) -> str:
        return f"{note} on {name}" + ("" if appears else ", hardly")

    shares = dancing.note_shares(dancing.notes(history, counts=counts))
    return [
        Part(name_of(name, note, appears), bool(shares.loc[name, note] > 0 if appears else
                                                shares.loc[name, note] < 0.02),
             (Number("share", 100 * shares.loc[name, note], unit="% of epochs"),))
        for name, note, appears in said
    ]  # fmt: skip


# --- the appendix, and Proposition 1


@_claim(
    "C25", "interferers above 0.5% in GoogLeNet: PLANE three, BIRD five, CAR and TRUCK one each; few interferers, high "
    "recall",
    "3, 5, 1, 1",
    "the four numbers are the same on the test set; and over the ten classes the rank correlation of the number of "
    "interferers with recall is negative with p < 0.05",
    "cctm#few-interferers-high-recall",
)  # fmt: skip
def _interferers(evidence: Evidence) -> list[Part]:
    def of_class(name: str, printed: int) -> Callable[[xr.DataArray], tuple[bool, list[Number]]]:
        def rule(counts: xr.DataArray) -> tuple[bool, list[Number]]:
            ours = int(confusion.interferers(counts).loc[name, "interferers"])
            return ours == printed, [Number("interferers:", ours)]

        return rule

    def few(counts: xr.DataArray) -> tuple[bool, list[Number]]:
        table = confusion.interferers(counts)
        test = stats.spearmanr(table["interferers"], table["recall"])
        return test.statistic < 0 and test.pvalue < 0.05, [Number("rank correlation", test.statistic),
                                                           Number("p", test.pvalue)]  # fmt: skip

    counts = _test(evidence, "googlenet")
    return [
        *(_part(name, of_class(name, printed), counts) for name, printed in paper.INTERFERERS.items()),
        _part("few interferers, high recall", few, counts),
    ]


@_claim(
    "C26", "CAR's errors are mostly TRUCK",
    "recall plus CCTM(CAR, TRUCK): 99.2% in GoogLeNet, 99.6% in DLA",
    "for each network: more than half of CAR's errors are called TRUCK (95% interval above one half), and the sum is "
    "the printed one within its 95% interval",
    "cctm#which-pairs-are-confused",
)  # fmt: skip
def _car_errors(evidence: Evidence) -> list[Part]:
    def mostly(counts: xr.DataArray) -> tuple[bool, list[Number]]:
        errors = int(counts.sel(true="car").sum()) - _cell(counts, "car", "car")
        share = _share("truck", _cell(counts, "car", "truck"), errors, "% of car's errors")
        return share.low > 50, [share]

    def printed(value: float) -> Callable[[xr.DataArray], tuple[bool, list[Number]]]:
        def rule(counts: xr.DataArray) -> tuple[bool, list[Number]]:
            both = _cell(counts, "car", "car") + _cell(counts, "car", "truck")
            total = _share("sum", both, int(counts.sel(true="car").sum()))
            return total.low <= value <= total.high, [total]

        return rule

    return [
        part
        for network, value in (("googlenet", 99.2), ("dla", 99.6))
        for part in (
            _part(f"{network}, more than half", mostly, _test(evidence, network)),
            _part(f"{network}, {value}%", printed(value), _test(evidence, network)),
        )
    ]


@_claim(
    "C27", "Proposition 1: every interference model is a convex combination of ego models of the two classes",
    "printed with a plus before the second gradient, and for positive alpha",
    "with a minus before both gradients, numerically to 1e-12: for alphas of either sign the combinations reach all "
    "four quadrants; and, as printed, positive alphas alone do",
    "sharpness#proposition-1-worked",
)  # fmt: skip
def _proposition(_: Evidence) -> list[Part]:
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
    positive, _ = reached([(1, 1)])
    return [
        Part("alphas of either sign", len(either) == 4 and difference < 1e-12,
             (Number("largest difference", difference), Number("quadrants:", len(either)))),
        Part("positive alphas alone", len(positive) == 4, (Number("quadrants:", len(positive)),)),
    ]  # fmt: skip


# --- what the rules share


def _test(evidence: Evidence, network: str, setup: str = "anneal-lr") -> xr.DataArray | None:
    history = evidence.histories.get((network, setup))
    return None if history is None else history["test_counts"].isel(epoch=-1)


def _cell(counts: xr.DataArray, true: str, predicted: str) -> int:
    return int(counts.sel(true=true, predicted=predicted))


def _right(counts: xr.DataArray) -> tuple[int, int]:
    return int(np.trace(counts.values)), int(counts.sum())


def _more_accurate(first: xr.DataArray, second: xr.DataArray) -> tuple[bool, list[Number]]:
    difference = _difference("difference", _right(first), _right(second))
    return difference.low > 0, [difference]


def _share(name: str, hits: int, trials: int, unit: str = "%") -> Number:
    """A share in percent, with Wilson's interval."""
    low, high = proportion.proportion_confint(hits, trials, method="wilson") if trials else (math.nan, math.nan)
    return Number(name, 100 * hits / trials if trials else math.nan, 100 * low, 100 * high, unit)


def _recall(counts: xr.DataArray, name: str) -> Number:
    return _share(name, _cell(counts, name, name), int(counts.sel(true=name).sum()))


def _difference(name: str, first: tuple[int, int], second: tuple[int, int]) -> Number:
    """A difference of two shares (hits, trials) in percent points, with Newcombe's interval."""
    low, high = proportion.confint_proportions_2indep(*first, *second, compare="diff", method="newcomb")
    value = first[0] / first[1] - second[0] / second[1]
    return Number(name, 100 * value, 100 * low, 100 * high, " points")


def _with_error(name: str, value: float, space: xr.Dataset) -> Number:
    """A mean of mistake rates in percent points, +- two standard errors: those of one point, which bound the mean's."""
    error = 2 * float(space["standard_error"].max()) if "standard_error" in space else 0.0
    return Number(name, 100 * value, 100 * (value - error), 100 * (value + error), " points")


def _higher(first: Number, second: Number) -> bool:
    """Whether the first exceeds the second by more than two standard errors of the difference."""
    half = math.hypot(first.high - first.value, second.high - second.value)
    return first.value - second.value > half + 1e-9  # a difference that is mere rounding is none


def _areas(unit: str, holds: Callable[[Number, Number], bool]) -> Callable[..., tuple[bool, list[Number]]]:
    """A rule that compares the flat areas of two spaces."""

    def rule(first: xr.Dataset, second: xr.Dataset) -> tuple[bool, list[Number]]:
        numbers = [_area(space, unit) for space in (first, second)]
        return holds(*numbers), numbers

    return rule


def _area(space: xr.Dataset, unit: str) -> Number:
    """A flat area; where the grid only bounds it, its interval is open on that side."""
    area = interference.flat_area(space, TOLERANCE)
    value = getattr(area, unit)
    if area.touches_edge:
        return Number("at least", value, value, math.inf)
    return Number("at most", value, 0, value) if area.points == 1 else Number("area", value, value, value)


def _responses(space: xr.Dataset, name: str, *ways: Mapping[str, int]) -> list[Number]:
    """Change of the loss of class `name` at the edge, each way given by class: 1 descends on it, -1 ascends."""
    response = interference.class_response(space)
    order = space.attrs["first"], space.attrs["second"]
    key_of = {step: key for key, step in interference.WAYS.items()}
    found = []
    for way in ways:
        value = float(response.sel(way=key_of[tuple(way.get(each, 0) for each in order)], true=name))
        label = " ".join(("+" if step > 0 else "-") + each for each, step in way.items())
        found.append(Number(f"{name}'s rise, {label}", value))
    return found


def _most_frequent(shares: pd.DataFrame, name: str, expected: set[str], after: int = 0) -> Part:
    """Whether the notes of class `name` at places after + 1, ... are the expected ones; each must have sounded."""
    ranked = shares.loc[name].drop("none").sort_values(ascending=False, kind="stable")
    found = ranked.iloc[after : after + len(expected)]
    found = found[found > 0]
    numbers = tuple(Number(str(note), 100 * value, unit="% of epochs") for note, value in found.items())
    order = "next" if after else "most frequent"
    return Part(f"{name}'s {order}: {', '.join(sorted(expected))}", set(found.index) == expected, numbers)


def _longest(spells: pd.DataFrame, name: str, note: str) -> int:
    lengths = spells.loc[(spells["class"] == name) & (spells["note"] == note), "length"]
    return int(lengths.max()) if len(lengths) else 0


def _mean_of_pairs(similar: pd.DataFrame) -> float:
    return float(similar.values[np.triu_indices(len(similar), 1)].mean())

"""Claims of Section 4.1: class-wise losses, in spaces of the annealed VGG19.

Intervals of losses are for the sampling of training images, see `planes.loss_error`. What is said of a few classes
among ten is held against what classes drawn at random give, with the middle 95% of these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ciutils.analyse.agreement import Estimate
from ciutils.analyse.chance import beyond_chance, mantel, orders
from ciutils.analyse.responses import WAYS, shape_similarity
from ciutils.show.text import rounded
from reproduction import paper
from reproduction.claims import planes
from reproduction.claims.answers import UNKNOWN, Part, part, quotient, students
from reproduction.claims.evidence import Evidence
from reproduction.claims.judging import claim
from reproduction.readings import Reading

CORNERS = [way for way in WAYS if " " in way]
OTHERS = [name for name in paper.CLASSES if name not in ("cat", "dog", "car", "truck")]
DRAWS = 40_320
"""As many as there are orders of eight classes."""


def space_of(evidence: Evidence, pair: str, reading: Reading) -> xr.Dataset | None:
    """The annealed VGG19's space of a pair."""
    return evidence.space("vgg19", "anneal-lr", pair, reading)


def alike(space: xr.Dataset, reading: Reading) -> pd.DataFrame:
    """How alike the loss surfaces of every two classes are, the plane's own two classes as the reading says."""
    similar = shape_similarity(space).to_pandas()
    own = [space.attrs["first"], space.attrs["second"]] if reading.own_classes == "out" else []
    return similar.drop(index=own, columns=own)


def nearer(value: float, others: np.ndarray) -> Estimate:
    """How much of the way from the mean of other similarities to the same shape, 1, a similarity has gone."""
    beyond, room = beyond_chance(value, others), 1 - float(np.mean(others))
    return Estimate(beyond.value / room, beyond.low / room, beyond.high / room) if room > 0 else UNKNOWN


@claim(
    "C13",
    "CAT-DOG space: CAT's loss rises most where DOG's is minimised; rising along both ascents leaves it low",
    "classwise_losses#who-responds-to-what",
    *("batch_norm", "range"),
)
def _cat_against_dog(evidence: Evidence, reading: Reading) -> list[Part]:
    """VGG19, anneal-lr: CAT's largest rise on the ways out with descent on DOG, over its largest on the other ways; and
    its rise with CAT ascended and DOG descended, over that with both ascended. A way goes along an axis or a diagonal,
    to the edge of the plane"""

    def towards(space: xr.Dataset) -> Estimate:
        rises = planes.loss_rises(space, "cat")
        with_dog = [way for way, step in WAYS.items() if step[1] > 0]
        ways = ([rise for way, rise in rises.items() if (way in with_dog) == so] for so in (True, False))
        return quotient(*map(planes.largest, ways))

    def against(space: xr.Dataset) -> Estimate:
        rises = planes.loss_rises(space, "cat")
        return quotient(rises["-1 +2"], rises["-1 -2"])

    said = {"most on a way that descends on dog": ("ratio", towards), "both ascended": ("factor", against)}
    space = space_of(evidence, "cat-dog", reading)
    return [part(what, smallest, effect, space) for what, (smallest, effect) in said.items()]


@claim(
    "C14",
    "TRUCK-CAR space: CAR's loss rises along CAR's ascent whether TRUCK is descended or ascended; TRUCK's also "
    "rises along CAR's descent",
    "classwise_losses#who-responds-to-what",
    *("batch_norm", "range"),
)
def _car_ascent(evidence: Evidence, reading: Reading) -> list[Part]:
    """VGG19, anneal-lr: each of the three rises, from the network to the edge of the plane"""
    space = space_of(evidence, "truck-car", reading)
    said = {
        "car's rise, −car +truck": ("car", "+1 -2"),
        "car's rise, −car −truck": ("car", "-1 -2"),
        "truck's rise, +car": ("truck", "+2"),
    }

    def rise(name: str, way: str) -> Callable[[xr.Dataset], Estimate]:
        return lambda space: planes.loss_rises(space, name)[way]

    return [part(what, "loss", rise(*which), space) for what, which in said.items()]


@claim(
    "C15",
    "the other classes' losses respond more to the TRUCK-CAR egos than to the CAT-DOG egos",
    "classwise_losses#who-responds-to-what",
    *("batch_norm", "unit", "range"),
)
def _others_respond(evidence: Evidence, reading: Reading) -> list[Part]:
    """VGG19, anneal-lr, for each of the six other classes: its mean absolute change on a ring around the network in the
    TRUCK-CAR space, over that in the CAT-DOG space, both rings as far out as both planes reach. A loss of many nats, as
    rings that far out have, is one at which nobody would use a network"""

    def more(name: str) -> Callable[[xr.Dataset, xr.Dataset], tuple[Estimate, str]]:
        def effect(*both: xr.Dataset) -> tuple[Estimate, str]:
            length = min(planes.reach(space, reading.unit) for space in both)
            found = quotient(*(planes.response(space, name, reading.unit, length) for space in both))
            losses = (float(planes.ring(space, name, reading.unit, length).mean()) for space in both)
            return found, "mean losses there {} nats, and {} in CAT-DOG".format(*map(rounded, losses))

        return effect

    spaces = [space_of(evidence, pair, reading) for pair in ("truck-car", "cat-dog")]
    return [part(name, "ratio", more(name), *spaces) for name in OTHERS]


@claim(
    "C16",
    "TRUCK-CAR space: the loss shapes of CAT, FROG, DOG, DEER (less so HORSE) are alike; CAR like PLANE; TRUCK "
    "like SHIP",
    "classwise_losses#do-classes-that-react-alike-interfere",
    *("batch_norm", "range", "own_classes"),
)
def _shapes(evidence: Evidence, reading: Reading) -> list[Part]:
    """VGG19, anneal-lr, by the rank correlation of loss surfaces: how much of the way from four classes drawn at random
    to the same shape the four are alike among themselves; how much of the way from HORSE to the same shape each of them
    is alike to the other three (the mean of four, with Student's t); and how much of the way from the other classes,
    with the middle 95% of them, PLANE is alike to CAR, and SHIP to TRUCK"""
    four = ["cat", "frog", "dog", "deer"]

    def within(space: xr.Dataset) -> Estimate:
        similar = alike(space, reading)
        rows = [list(similar).index(name) for name in four]
        first, second = np.array(rows)[np.array(np.triu_indices(len(rows), 1))]
        drawn = orders(len(similar), DRAWS, seed=0)
        return nearer(similar.values[first, second].mean(), similar.values[drawn[:, first], drawn[:, second]].mean(1))

    def less(space: xr.Dataset) -> Estimate:
        similar = alike(space, reading)
        to_horse = similar.loc[four, "horse"]
        among = pd.Series({name: similar.loc[name, four].drop(name).mean() for name in four})
        return students(((among - to_horse) / (1 - to_horse)).tolist())

    def like(one: str, other: str, own: str) -> Callable[[xr.Dataset], Estimate]:
        def effect(space: xr.Dataset) -> Estimate:
            similar = alike(space, Reading(own_classes="in"))[one].drop(one)
            others = similar.drop([other, own] if reading.own_classes == "out" else [other])
            return nearer(similar[other], others.values)

        return effect

    space = space_of(evidence, "truck-car", reading)
    return [
        part("cat, frog, dog, deer", "alike", within, space),
        part("horse less so", "alike", less, space),
        part("car like plane", "alike", like("car", "plane", own="truck"), space),
        part("truck like ship", "alike", like("truck", "ship", own="car"), space),
    ]


@claim(
    "C17",
    "CAT-DOG space: CAR, TRUCK, PLANE, SHIP rise in one same corner; HORSE and DEER rise toward the corner where "
    "DOG rises, HORSE more",
    "classwise_losses#who-responds-to-what",
    *("batch_norm", "range"),
)
def _corners(evidence: Evidence, reading: Reading) -> list[Part]:
    """VGG19, anneal-lr, for each of the four classes: its rise in the corner of the plane in which all four together
    rise most, over its largest rise in the other corners; the same for HORSE and DEER in the corner in which DOG rises
    most; and there HORSE's rise over DEER's"""

    def corner(space: xr.Dataset, names: Sequence[str]) -> str:
        """That of the largest rise, each class's relative to its own largest."""
        rises = pd.DataFrame({name: planes.loss_rises(space, name) for name in names}).loc[CORNERS]
        values = rises.map(lambda each: each.value)
        return str((values / values.abs().max()).sum(axis=1).idxmax())

    def there(name: str, whose: Sequence[str]) -> Callable[[xr.Dataset], Estimate]:
        def effect(space: xr.Dataset) -> Estimate:
            rises, chosen = planes.loss_rises(space, name), corner(space, whose)
            return quotient(rises[chosen], planes.largest([rises[each] for each in CORNERS if each != chosen]))

        return effect

    def horse_more(space: xr.Dataset) -> Estimate:
        chosen = corner(space, ["dog"])
        return quotient(*(planes.loss_rises(space, name)[chosen] for name in ("horse", "deer")))

    space, machines = space_of(evidence, "cat-dog", reading), ["car", "truck", "plane", "ship"]
    return [
        *(part(f"{name} in one corner", "ratio", there(name, machines), space) for name in machines),
        *(part(f"{name} in dog's corner", "ratio", there(name, ["dog"]), space) for name in ("horse", "deer")),
        part("horse more than deer", "ratio", horse_more, space),
    ]


@claim(
    "C18",
    "classes with similar loss shapes in other classes' ego spaces interfere",
    "classwise_losses#do-classes-that-react-alike-interfere",
    *("batch_norm", "range", "own_classes"),
    printed="no number",
)
def _shapes_and_confusion(evidence: Evidence, reading: Reading) -> list[Part]:
    """VGG19, anneal-lr, for each plane: the rank correlation, over pairs of classes, of how alike their loss surfaces
    are with how often they are confused in the test CCTM, beyond that with classes in another order (Mantel's test):
    all 40,320 orders of eight classes, or so many of ten; the interval is the middle 95% of what other orders leave"""

    def together(space: xr.Dataset, rates: xr.DataArray) -> Estimate:
        similar = alike(space, reading)
        cctm = rates[0].to_pandas().loc[list(similar), list(similar)].values
        found = mantel(cctm + cctm.T, similar.values + similar.values.T, DRAWS, seed=0)
        return beyond_chance(found[0], found)

    rates = evidence.rates("vgg19")
    return [
        part(pair, "correlation", together, space_of(evidence, pair, reading), rates)
        for pair in ("cat-dog", "truck-car")
    ]

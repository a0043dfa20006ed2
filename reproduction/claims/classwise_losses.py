"""Claims of Section 4.1: class-wise losses."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from ciutils.analyse import confusion
from ciutils.analyse.responses import WAYS, class_response, pair_correlation, shape_similarity
from ciutils.analyse.surfaces import class_loss
from reproduction import paper
from reproduction.claims.evidence import classwise_space, last_counts, part_of
from reproduction.claims.judging import Evidence, Number, Part, claim
from reproduction.claims.numbers import mean_of_pairs, responses_of


@claim(
    "C13",
    "CAT-DOG space: CAT's loss rises most where DOG's is minimised; rising along both ascents leaves it low",
    "a figure only",
    "classwise_losses#who-responds-to-what",
    on=classwise_space("cat-dog"),
)
def _cat_against_dog(space: xr.Dataset) -> list[Part]:
    """at the point of lowest DOG loss, CAT's loss has risen more than any other class's; and with both ascended its
    rise is less than half of that with CAT ascended and DOG descended"""
    loss = class_loss(space)
    rise = loss - loss[loss.shape[0] // 2, loss.shape[1] // 2]
    lowest = loss.sel(true="dog", drop=True).argmin(("theta1", "theta2"))
    there = rise.isel(lowest).to_series().sort_values(ascending=False)
    both, against = responses_of(space, "cat", {"cat": -1, "dog": -1}, {"cat": -1, "dog": 1})
    return [
        Part(
            "where dog's loss is lowest",
            there.index[0] == "cat" and there["cat"] > 0,
            (Number("cat", there["cat"]), Number(f"largest, {there.index[0]},", there.iloc[0])),
        ),
        Part("both ascended", against.value > 0 and both.value < against.value / 2, (both, against)),
    ]


@claim(
    "C14",
    "CAR-TRUCK space: CAR's loss rises along CAR's ascent whether TRUCK is descended or ascended; TRUCK's also "
    "rises along CAR's descent",
    "a figure only",
    "classwise_losses#who-responds-to-what",
    on=classwise_space("truck-car"),
)
def _car_ascent(space: xr.Dataset) -> list[Part]:
    """each of the three rises, from the network to the edge of the plane, is above 0.1"""
    found = [
        *responses_of(space, "car", {"car": -1, "truck": 1}, {"car": -1, "truck": -1}),
        *responses_of(space, "truck", {"car": 1}),
    ]
    return [Part(rise.name, rise.value > 0.1, (Number("", rise.value),)) for rise in found]


@claim(
    "C15",
    "the other classes' losses respond more to the CAR-TRUCK egos than to the CAT-DOG egos",
    "a figure only",
    "classwise_losses#who-responds-to-what",
)
def _others_respond(evidence: Evidence) -> list[Part]:
    """for each of the six other classes: the mean absolute change of its loss at the edge, over the eight ways, is
    larger in the CAR-TRUCK space, at the same theta"""

    def rule(name: str) -> Callable[..., tuple[bool, list[Number]]]:
        def larger(car_truck: xr.Dataset, cat_dog: xr.Dataset) -> tuple[bool, list[Number]]:
            first, second = (
                Number(what, float(abs(class_response(space).sel(true=name)).mean()))
                for what, space in (("truck-car", car_truck), ("cat-dog", cat_dog))
            )
            return first.value > second.value, [first, second]

        return larger

    others = [name for name in paper.CLASSES if name not in ("cat", "dog", "car", "truck")]
    spaces = [evidence.classwise.get(pair) for pair in ("truck-car", "cat-dog")]
    return [part_of(name, rule(name), *spaces) for name in others]


@claim(
    "C16",
    "CAR-TRUCK space: the loss shapes of CAT, FROG, DOG, DEER (less so HORSE) are alike; CAR like PLANE; TRUCK "
    "like SHIP",
    "a figure only",
    "classwise_losses#do-classes-that-react-alike-interfere",
    on=classwise_space("truck-car"),
)
def _shapes(space: xr.Dataset) -> list[Part]:
    """the four are more alike among themselves than all pairs of classes on average, HORSE is less like them than
    they are; PLANE's shape is the most like CAR's, and SHIP's the most like TRUCK's"""
    four = ["cat", "frog", "dog", "deer"]
    similar = shape_similarity(space).to_pandas()
    within, overall = mean_of_pairs(similar.loc[four, four]), mean_of_pairs(similar)
    horse = float(similar.loc["horse", four].mean())
    nearest = {name: similar.loc[name].drop(name).idxmax() for name in ("car", "truck")}
    return [
        Part(
            "cat, frog, dog, deer", within > overall, (Number("among the four", within), Number("all pairs", overall))
        ),
        Part("horse less so", horse < within, (Number("horse with the four", horse),)),
        *(
            Part(
                f"{name} like {like}",
                nearest[name] == like,
                (
                    Number(f"with {like}", float(similar.loc[name, like])),
                    Number(f"largest, {nearest[name]},", float(similar.loc[name, nearest[name]])),
                ),
            )
            for name, like in (("car", "plane"), ("truck", "ship"))
        ),
    ]


@claim(
    "C17",
    "CAT-DOG space: CAR, TRUCK, PLANE, SHIP rise in one same corner; HORSE and DEER rise toward the corner where "
    "DOG rises, HORSE more",
    "a figure only",
    "classwise_losses#who-responds-to-what",
    on=classwise_space("cat-dog"),
)
def _corners(space: xr.Dataset) -> list[Part]:
    """the four classes have their largest loss, of the plane's four corners, in the same one; HORSE and DEER have
    theirs in DOG's; and there HORSE's rise is the larger"""
    response = class_response(space)
    corners = response.sel(way=[way for way in WAYS if " " in way]).to_pandas()
    largest = corners.idxmax()
    machines = ["car", "truck", "plane", "ship"]
    horse, deer = (float(corners.loc[largest["dog"], name]) for name in ("horse", "deer"))
    return [
        Part(
            "one corner for car, truck, plane, ship",
            largest[machines].nunique() == 1,
            (Number("different corners:", largest[machines].nunique()),),
        ),
        Part(
            "horse and deer in dog's corner",
            bool((largest[["horse", "deer"]] == largest["dog"]).all()),
            (Number("of the two, in dog's corner:", int((largest[["horse", "deer"]] == largest["dog"]).sum())),),
        ),
        Part("horse more than deer", horse > deer, (Number("horse", horse), Number("deer", deer))),
    ]


@claim(
    "C18",
    "classes with similar loss shapes in other classes' ego spaces interfere",
    "no number",
    "classwise_losses#do-classes-that-react-alike-interfere",
)
def _shapes_and_confusion(evidence: Evidence) -> list[Part]:
    """for each plane: the rank correlation of shape similarity with the test CCTM over pairs of classes is
    positive, with p < 0.05 (Mantel's test)"""

    def rule(space: xr.Dataset, counts: xr.DataArray) -> tuple[bool, list[Number]]:
        test = pair_correlation(shape_similarity(space), confusion.cctm(counts))
        numbers = [Number("correlation", test.correlation), Number("p", test.p_value)]
        return test.correlation > 0 and test.p_value < 0.05, numbers

    counts = last_counts(evidence, "vgg19")
    return [part_of(pair, rule, evidence.classwise.get(pair), counts) for pair in ("cat-dog", "truck-car")]

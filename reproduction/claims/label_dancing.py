"""Claims of Section 4.2: interference during training, of the annealed VGG19.

Unless a rule says otherwise, intervals are from leaving out one block of neighbouring epochs at a time, see
`answers.jackknife`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import xarray as xr
from scipy import stats

from ciutils.analyse import confusion, dancing
from ciutils.analyse.agreement import Estimate
from ciutils.analyse.chance import beyond_chance, spearman
from reproduction import paper
from reproduction.claims.answers import Part, jackknife, part
from reproduction.claims.evidence import Evidence
from reproduction.claims.judging import claim
from reproduction.readings import Reading

PERCENT, CORRELATION = (-100.0, 100.0), (-1.0, 1.0)
"""What a difference of shares, and a correlation, can be."""


def song(counts: xr.DataArray, name: str) -> np.ndarray:
    """The notes of a class: the name of its largest interferer in each epoch, "" where there is none."""
    labels = dancing.notes(counts.to_dataset(), counts=str(counts.name)).sel(true=name).values
    return np.where(labels == dancing.NO_NOTE, "", counts["true"].values[labels])


def share(notes: np.ndarray, name: str) -> float:
    """Share of the epochs with a note, in percent."""
    return 100 * float((notes == name).mean())


def before_others(name: str, expected: tuple[str, ...], above: tuple[str, ...] = ()) -> Callable[..., Estimate]:
    """By how much each of the `expected` notes of a class is more frequent than all others but those `above`."""

    def effect(counts: xr.DataArray) -> Estimate:
        notes = song(counts, name)
        others = [each for each in counts["true"].values if each not in (*expected, *above, name)]

        def gap(kept: np.ndarray) -> float:
            return min(share(notes[kept], each) for each in expected) - max(share(notes[kept], each) for each in others)

        return jackknife(gap, len(notes), PERCENT)

    return effect


def more(first: tuple[str, str], second: tuple[str, str]) -> Callable[[xr.DataArray], Estimate]:
    """How much more often one class has a note than another class has another, each as (class, note)."""

    def effect(counts: xr.DataArray) -> Estimate:
        one, other = (song(counts, name) == note for name, note in (first, second))
        return jackknife(lambda kept: 100 * (one[kept].mean() - other[kept].mean()), len(one), PERCENT)

    return effect


@claim(
    "C19",
    "CAT and DOG recalls dance: more opposed movement than chance, most at the start of training",
    "label_dancing#more-than-chance",
    "counts",
)
def _dance(evidence: Evidence, reading: Reading) -> list[Part]:
    """the dance score, minus the correlation of the two recalls, each less its trend (a parabola fitted over a tenth of
    the epochs around each, but 7 to 21) and less what the other classes do in that epoch (chapter on label dancing);
    and how much more of their opposed movement (the product of changes of opposite sign, of recalls as they are) is in
    the first third of the epochs than of that of the other 44 pairs of classes, with the middle 95% of these"""

    def score(counts: xr.DataArray) -> Estimate:
        cat, dog = dancing.opposed(counts.to_dataset(), "cat", "dog", str(counts.name))

        def correlation(kept: np.ndarray) -> float:
            size = np.sqrt((cat[kept] ** 2).sum() * (dog[kept] ** 2).sum())
            return -float((cat[kept] * dog[kept]).sum() / size) if size else 0.0

        return jackknife(correlation, len(cat), CORRELATION)

    def early(counts: xr.DataArray) -> Estimate:
        changes = confusion.recall(counts).diff("epoch")

        def share_of(first: str, second: str) -> float:
            opposed = np.clip(-(changes.sel(true=first) * changes.sel(true=second)).values, 0, None)
            return 100 * opposed[: len(opposed) // 3].sum() / opposed.sum() if opposed.any() else 100 / 3

        found = {pair: share_of(*pair) for pair in combinations(counts["true"].values, 2)}
        return beyond_chance(found.pop(("cat", "dog")), np.array([*found.values()]))

    counts = evidence.history(reading)
    return [
        part("more than chance", "correlation", score, counts),
        part("most at the start, more than other pairs", "early", early, counts),
    ]


@claim("C20", "rises of DOG recall go with peaks of CCTM(CAT, DOG)", "label_dancing#the-dance", "counts")
def _rises(evidence: Evidence, reading: Reading) -> list[Part]:
    """the rank correlation of the changes of both from epoch to epoch"""

    def effect(counts: xr.DataArray) -> Estimate:
        cctm = confusion.cctm(counts)
        dog, cat = (np.diff(cctm.sel(true=true, predicted="dog")) for true in ("dog", "cat"))
        return jackknife(lambda kept: spearman(dog[kept], cat[kept]), len(dog), CORRELATION)

    return [part("changes", "correlation", effect, evidence.history(reading))]


@claim(
    "C21",
    "late in training DOG is CAT's dominant interferer",
    "label_dancing#dancing-notes",
    "counts",
    printed="from about epoch 118 of 200",
)
def _late(evidence: Evidence, reading: Reading) -> list[Part]:
    """the share of the epochs after 59% of training in which DOG is CAT's note, and how much less of those before"""

    def late(counts: xr.DataArray) -> Estimate:
        notes = song(counts, "cat")
        start = int(paper.TURN * len(notes))
        return jackknife(lambda kept: share(notes[kept[kept >= start]], "dog"), len(notes), (0.0, 100.0))

    def gain(counts: xr.DataArray) -> Estimate:
        notes = song(counts, "cat")
        start = int(paper.TURN * len(notes))

        def after(kept: np.ndarray) -> float:
            return share(notes[kept[kept >= start]], "dog") - share(notes[kept[kept < start]], "dog")

        return jackknife(after, len(notes), PERCENT)

    counts = evidence.history(reading)
    return [part("late in training", "late", late, counts), part("less before that", "notes", gain, counts)]


@claim(
    "C22",
    "notes: CAT is DOG's most frequent note and DOG is CAT's; CAT's hold on DOG lasts longer than the reverse",
    "label_dancing#dancing-notes",
    "counts",
)
def _holds(evidence: Evidence, reading: Reading) -> list[Part]:
    """by how much each note is more frequent than all others of its class; and how many more epochs CAT holds DOG than
    DOG holds CAT"""
    counts = evidence.history(reading)
    return [
        part("dog's most frequent: cat", "notes", before_others("dog", ("cat",)), counts),
        part("cat's most frequent: dog", "notes", before_others("cat", ("dog",)), counts),
        part("cat holds dog longer", "notes", more(("dog", "cat"), ("cat", "dog")), counts),
    ]


@claim(
    "C23",
    "notes of CAR and TRUCK: each other, then PLANE and SHIP; PLANE on TRUCK more often than PLANE on CAR",
    "label_dancing#dancing-notes",
    "counts",
)
def _vehicles(evidence: Evidence, reading: Reading) -> list[Part]:
    """by how much each note is more frequent than all others of its class; by how much both PLANE and SHIP are more
    frequent than those that are left; and how many more epochs PLANE is TRUCK's note than CAR's"""
    counts, then = evidence.history(reading), ("plane", "ship")
    return [
        part("car's most frequent: truck", "notes", before_others("car", ("truck",)), counts),
        part("truck's most frequent: car", "notes", before_others("truck", ("car",)), counts),
        part("car's next: plane, ship", "notes", before_others("car", then, above=("truck",)), counts),
        part("truck's next: plane, ship", "notes", before_others("truck", then, above=("car",)), counts),
        part("plane on truck more than on car", "notes", more(("truck", "plane"), ("car", "plane")), counts),
    ]


@claim(
    "C24",
    "notes of CAT: BIRD and FROG appear, HORSE hardly; notes of DOG: HORSE and DEER appear",
    "label_dancing#dancing-notes",
    "counts",
)
def _appear(evidence: Evidence, reading: Reading) -> list[Part]:
    """the share of the epochs that each note has, with Wilson's interval"""

    def effect(name: str, note: str) -> Callable[[xr.DataArray], Estimate]:
        def frequency(counts: xr.DataArray) -> Estimate:
            hits, epochs = int((song(counts, name) == note).sum()), counts.sizes["epoch"]
            found = stats.binomtest(hits, epochs).proportion_ci(method="wilson")
            return Estimate(100 * hits / epochs, 100 * found.low, 100 * found.high)

        return frequency

    said = {("cat", "bird"): "notes", ("cat", "frog"): "notes", ("cat", "horse"): "hardly"}
    said |= {("dog", "horse"): "notes", ("dog", "deer"): "notes"}
    counts = evidence.history(reading)
    return [
        part(f"{note} on {name}" + ", hardly" * (smallest == "hardly"), smallest, effect(name, note), counts)
        for (name, note), smallest in said.items()
    ]

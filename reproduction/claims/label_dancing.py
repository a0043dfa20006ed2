"""Claims of Section 4.2: interference during training."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import stats

from ciutils.analyse import confusion, dancing
from reproduction.claims.evidence import training_history
from reproduction.claims.judging import Number, Part, claim
from reproduction.claims.numbers import longest, most_frequent

LATE = 118 / 200  # the share of training after which the paper finds DOG dominant


@claim(
    "C19",
    "CAT and DOG recalls dance: more opposed movement than chance, most at the start of training",
    "a figure only",
    "label_dancing#more-than-chance",
    on=training_history,
)
def _dance(history: xr.Dataset, counts: str) -> list[Part]:
    """the dance score of the training recalls is positive with p < 0.05; and over half of their opposed movement
    (the product of changes of opposite sign) is in the first third of the epochs"""
    dance = dancing.dance_score(history, "cat", "dog", counts)
    recalls = dancing.recalls(history, counts)
    opposed = np.clip(-np.diff(recalls.sel(true="cat")) * np.diff(recalls.sel(true="dog")), 0, None)
    start = float(opposed[: len(opposed) // 3].sum() / opposed.sum()) if opposed.any() else 0.0
    return [
        Part(
            "more than chance",
            dance.score > 0 and dance.p_value < 0.05,
            (Number("score", dance.score), Number("p", dance.p_value)),
        ),
        Part("most at the start", start > 0.5, (Number("in the first third", 100 * start, unit="%"),)),
    ]


@claim(
    "C20",
    "rises of DOG recall go with peaks of CCTM(CAT, DOG)",
    "a figure only",
    "label_dancing#the-dance",
    on=training_history,
)
def _rises(history: xr.Dataset, counts: str) -> list[Part]:
    """the changes of both from epoch to epoch have a positive rank correlation with p < 0.05"""
    cctm = confusion.cctm(history[counts])
    changes = (np.diff(cctm.sel(true=true, predicted="dog")) for true in ("dog", "cat"))
    test = stats.spearmanr(*changes)
    holds = bool(test.statistic > 0 and test.pvalue < 0.05)
    return [Part("changes", holds, (Number("rank correlation", test.statistic), Number("p", test.pvalue)))]


@claim(
    "C21",
    "late in training DOG is CAT's dominant interferer",
    "from about epoch 118 of 200",
    "label_dancing#dancing-notes",
    on=training_history,
)
def _late(history: xr.Dataset, counts: str) -> list[Part]:
    """DOG is CAT's note in at least 90% of the epochs after 59% of training, and in a smaller share of those before"""
    song = dancing.notes(history, counts=counts).sel(true="cat")
    is_dog = song.values == list(history["true"].values).index("dog")
    late = np.arange(1, len(is_dog) + 1) > LATE * len(is_dog)
    before, after = (Number("dog", 100 * float(is_dog[when].mean()), unit="% of epochs") for when in (~late, late))
    return [
        Part("late in training", after.value >= 90, (after,)),
        Part("less before that", before.value < after.value, (before,)),
    ]


@claim(
    "C22",
    "notes: CAT is DOG's most frequent note and DOG is CAT's; CAT's hold on DOG lasts longer than the reverse",
    "a figure only",
    "label_dancing#dancing-notes",
    on=training_history,
)
def _holds(history: xr.Dataset, counts: str) -> list[Part]:
    """as said, by the share of the epochs; holds compared by the longest spell"""
    song = dancing.notes(history, counts=counts)
    shares, spells = dancing.note_shares(song), dancing.note_spells(song)
    cat_on_dog, dog_on_cat = (
        Number(f"{note} on {name}", longest(spells, name, note), unit=" epochs")
        for name, note in (("dog", "cat"), ("cat", "dog"))
    )
    return [
        *(most_frequent(shares, name, {other}) for name, other in (("dog", "cat"), ("cat", "dog"))),
        Part("cat holds dog longer", cat_on_dog.value > dog_on_cat.value, (cat_on_dog, dog_on_cat)),
    ]


@claim(
    "C23",
    "notes of CAR and TRUCK: each other, then PLANE and SHIP; PLANE on TRUCK more often than PLANE on CAR",
    "a figure only",
    "label_dancing#dancing-notes",
    on=training_history,
)
def _vehicles(history: xr.Dataset, counts: str) -> list[Part]:
    """as said, by the share of the epochs"""
    shares = dancing.note_shares(dancing.notes(history, counts=counts))
    truck, car = (
        Number(f"plane on {name}", 100 * shares.loc[name, "plane"], unit="% of epochs") for name in ("truck", "car")
    )
    return [
        most_frequent(shares, "car", {"truck"}),
        most_frequent(shares, "truck", {"car"}),
        most_frequent(shares, "car", {"plane", "ship"}, after=1),
        most_frequent(shares, "truck", {"plane", "ship"}, after=1),
        Part("plane on truck more than on car", truck.value > car.value, (truck, car)),
    ]


@claim(
    "C24",
    "notes of CAT: BIRD and FROG appear, HORSE hardly; notes of DOG: HORSE and DEER appear",
    "a figure only",
    "label_dancing#dancing-notes",
    on=training_history,
)
def _appear(history: xr.Dataset, counts: str) -> list[Part]:
    """a note appears if it sounds in any epoch, hardly if in less than 2% of them"""
    said = (
        ("cat", "bird", True),
        ("cat", "frog", True),
        ("cat", "horse", False),
        ("dog", "horse", True),
        ("dog", "deer", True),
    )

    def name_of(name: str, note: str, appears: bool) -> str:
        return f"{note} on {name}" + ("" if appears else ", hardly")

    shares = dancing.note_shares(dancing.notes(history, counts=counts))
    return [
        Part(
            name_of(name, note, appears),
            bool(shares.loc[name, note] > 0 if appears else shares.loc[name, note] < 0.02),
            (Number("share", 100 * shares.loc[name, note], unit="% of epochs"),),
        )
        for name, note, appears in said
    ]

"""Names of classes and of pairs of classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from ciutils import checks

PAPER_NAMES = {"airplane": "plane", "automobile": "car"}
"""The paper's short names of CIFAR-10 classes. Either name finds a class, where only one can be meant."""


def class_index(classes: Sequence[str], wanted: str | int) -> int:
    """Position of a class given by position or by name: by its exact name, or else, where only one class can be meant,
    in other case, by the paper's short name or by CIFAR-10's own.

    Raises ValueError for a position out of range, and a name that means no class or more than one.
    """
    if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
        if 0 <= wanted < len(classes):
            return int(wanted)
        raise ValueError(f"class {wanted} is out of range: {len(classes)} classes allow 0 to {len(classes) - 1}")
    meant = _meant(classes, str(wanted))
    if not meant:
        checks.one_of(str(wanted), classes, "class")  # raises, with the nearest name
    if len(meant) > 1:
        either = " or ".join(repr(str(classes[position])) for position in meant)
        raise ValueError(f"class {str(wanted)!r} can mean {either}: give the exact name or the position")
    return meant[0]


def class_pair(classes: Sequence[str], pair: str | Sequence[str | int]) -> tuple[int, int]:
    """Positions of two different classes given as "cat-dog", ("cat", "dog") or (3, 5). Names may contain hyphens.

    Raises ValueError for what is not two classes, or text that can be cut into two in more than one way.
    """
    both = _cut(classes, pair) if isinstance(pair, str) else pair
    if not isinstance(both, Sequence | np.ndarray) or len(both) != 2:
        raise ValueError(f"pair {pair!r}: give two classes, as in 'cat-dog' or ('cat', 'dog')")
    first, second = (class_index(classes, each) for each in both)
    if first == second:
        raise ValueError(f"pair {pair!r}: a class has no interference space with itself; name two different classes")
    return first, second


def as_pair(classes: Sequence[str], first: str, second: str) -> str | tuple[str, str]:
    """Two of `classes` as "cat-dog", or as two names where that text could also be cut in another way."""
    text = f"{first}-{second}"
    return text if len(_cuts(classes, text)) == 1 else (first, second)


def _meant(classes: Sequence[str], name: str) -> list[int]:
    """Positions of the classes that `name` can mean: of the one of exactly this name, else of all alike."""
    exact = [position for position, each in enumerate(classes) if each == name]
    return exact or [position for position, each in enumerate(classes) if _plain(each) == _plain(name)]


def _plain(name: str) -> str:
    """What names that differ in case, in how an accent is coded, or as the paper's differ from CIFAR-10's share."""
    folded = unicodedata.normalize("NFC", name).casefold()
    return PAPER_NAMES.get(folded, folded)


def _cut(classes: Sequence[str], pair: str) -> Sequence[str]:
    cuts = _cuts(classes, pair)
    if len(cuts) > 1:
        raise ValueError(f"pair {pair!r} can mean {' or '.join(map(str, cuts))}: give two names, not one text")
    first, _, second = pair.partition("-")
    return cuts[0] if cuts else (first, second) if second else (pair,)


def _cuts(classes: Sequence[str], pair: str) -> list[tuple[str, str]]:
    """The two names in "t-shirt-shirt", in every way to read it: by exact names, or else by ones like them."""
    hyphens = [place for place, character in enumerate(pair) if character == "-"]
    cuts = [(pair[:place], pair[place + 1 :]) for place in hyphens]
    exact = [both for both in cuts if set(both) <= set(classes)]
    return exact or [both for both in cuts if all(_meant(classes, each) for each in both)]


_OF_CIFAR100 = {
    "aquatic_mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food_containers": "bottle bowl can cup plate",
    "fruit_and_vegetables": "apple mushroom orange pear sweet_pepper",
    "household_electrical_devices": "clock keyboard lamp telephone television",
    "household_furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large_carnivores": "bear leopard lion tiger wolf",
    "large_man-made_outdoor_things": "bridge castle house road skyscraper",
    "large_natural_outdoor_scenes": "cloud forest mountain plain sea",
    "large_omnivores_and_herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium_mammals": "fox porcupine possum raccoon skunk",
    "non-insect_invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small_mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles_1": "bicycle bus motorcycle pickup_truck train",
    "vehicles_2": "lawn_mower rocket streetcar tank tractor",
}
SUPERCLASSES = {name: group for group, names in _OF_CIFAR100.items() for name in names.split()}
"""The superclass of each class of CIFAR-100. Source: https://www.cs.toronto.edu/~kriz/cifar.html."""

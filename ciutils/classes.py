"""Names of classes and of pairs of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ciutils import checks

PAPER_NAMES = {"airplane": "plane", "automobile": "car"}
"""The paper's short names of CIFAR-10 classes; both names are understood everywhere."""


def class_index(classes: Sequence[str], wanted: str | int) -> int:
    """Position of a class given by name, by the paper's short name or the data set's own, or by position."""
    if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
        if 0 <= wanted < len(classes):
            return int(wanted)
        raise ValueError(f"class {wanted} is out of range: {len(classes)} classes allow 0 to {len(classes) - 1}")
    name = str(wanted).lower()
    lower = [each.lower() for each in classes]
    return lower.index(checks.one_of(PAPER_NAMES.get(name, name), lower, "class"))


def class_pair(classes: Sequence[str], pair: str | Sequence[str | int]) -> tuple[int, int]:
    """Positions of two different classes given as "cat-dog" or ("cat", "dog"). Names may contain hyphens."""
    both = _halves(classes, pair) if isinstance(pair, str) else tuple(pair)
    if len(both) != 2:
        raise ValueError(f"pair {pair!r}: give two classes, as in 'cat-dog' or ('cat', 'dog')")
    first, second = (class_index(classes, each) for each in both)
    if first == second:
        raise ValueError(f"pair {pair!r}: a class has no interference space with itself; name two different classes")
    return first, second


def _halves(classes: Sequence[str], pair: str) -> tuple[str, ...]:
    """The two names in "t-shirt-shirt": the first cut that gives two known ones, else the first cut at all."""
    pieces = pair.split("-")
    cuts: list[tuple[str, ...]] = [("-".join(pieces[:cut]), "-".join(pieces[cut:])) for cut in range(1, len(pieces))]
    known = {each.lower() for each in classes} | set(PAPER_NAMES)
    fitting = [both for both in cuts if {each.lower() for each in both} <= known]
    return (fitting or cuts or [(pair,)])[0]

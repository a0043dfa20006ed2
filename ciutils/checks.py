"""One-line errors for values a user can get wrong: the value, what is allowed, what to do."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

import numpy as np

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # they do not survive a file, or break a line
_LISTED = 30  # choices that one line names

LARGEST_SEED = 2**32 - 1
"""What every random generator takes."""


def one_of(value: object, allowed: Iterable[str], what: str) -> str:
    """Return `value` if it is among `allowed`, else raise a ValueError that names the nearest allowed one."""
    choices = list(allowed)
    if isinstance(value, str) and value in choices:
        return value
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    more = f" and {len(choices) - _LISTED} more" if len(choices) > _LISTED else ""
    raise ValueError(f"unknown {what} {value!r}: choose from {', '.join(choices[:_LISTED])}{more}{hint}")


def whole(value: object, what: str, at_least: int = 1, at_most: float = math.inf) -> int:
    """Return `value` if it is an integer, numpy's included, from `at_least` to `at_most`, else raise a ValueError."""
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if number is None or not at_least <= number <= at_most:
        limit = f" and at most {at_most}" if at_most < math.inf else ""
        raise ValueError(f"{what} = {value!r}: give a whole number of at least {at_least}{limit}")
    return number


def positive(value: object, what: str, at_most: float = math.inf) -> float:
    """Return `value` if it is a finite number, numpy's included, above 0 and at most `at_most`, else raise a
    ValueError."""
    number = _real(value)
    if not 0 < number <= at_most or math.isinf(number):
        limit = f" and at most {at_most:g}" if at_most < math.inf else ""
        raise ValueError(f"{what} = {value!r}: give a number above 0{limit}")
    return number


def share(value: object, what: str) -> float:
    """Return `value` if it is a number above 0 and below 1, else raise a ValueError."""
    number = _real(value)
    if not 0 < number < 1:
        raise ValueError(f"{what} = {value!r}: give a number above 0 and below 1")
    return number


def class_names(names: Sequence[str | int] | np.ndarray) -> tuple[str, ...]:
    """Names of classes as text, in the order of the labels.

    Raises ValueError unless there is at least one, each once, of text or whole numbers, not blank, on one line.
    """
    if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
        raise ValueError(f"classes are {type(names).__name__!r}: give a list of names, in the order of the labels")
    if not len(names):
        raise ValueError("there are no classes: give the name of each, in the order of the labels")
    for name in names:
        if not isinstance(name, str | int | np.integer) or not str(name).strip() or _CONTROL.search(str(name)):
            raise ValueError(f"class {name!r}: give each class a name, as text on one line")
    found = tuple(str(name) for name in names)
    most, times = Counter(found).most_common(1)[0]
    if times > 1:
        raise ValueError(f"class {most!r} is named {times} times: give each class a name of its own")
    return found


def _real(value: object) -> float:
    """`value` as a float, and NaN, which no range holds, if it is no number."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan

"""One-line errors for values a user can get wrong: the value, what is allowed, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def one_of(value: object, allowed: Iterable[str], what: str) -> str:
    """Return `value` if it is among `allowed`, else raise a ValueError that names the nearest allowed one."""
    choices = list(allowed)
    if value in choices:
        return value
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {what} {value!r}: choose from {', '.join(choices)}{hint}")


def whole(value: object, what: str, at_least: int = 1) -> int:
    """Return `value` if it is an integer of at least `at_least`, else raise a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ValueError(f"{what} = {value!r}: give a whole number of at least {at_least}")
    return value


def positive(value: object, what: str) -> float:
    """Return `value` if it is a finite number above zero, else raise a ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{what} = {value!r}: give a number above 0")
    return value

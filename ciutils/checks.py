"""One-line errors for values a user can get wrong: the value, what is allowed, what to do."""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from numbers import Integral, Real

import numpy as np
import xarray as xr

# They do not survive a file, break a line, or turn what stands beside them around.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FARTHEST = 1e30  # in theta; float32 ends at 3e38
_LISTED = 30  # choices that one line names

LARGEST_SEED = 2**32 - 1
"""What every random generator takes."""

MOST_POINTS = 1001
"""Along the side of a plane; more would take years, and the memory of many machines."""


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


def seed(value: object) -> int:
    """Return `value` if it can seed every random generator, else raise a ValueError."""
    return whole(value, "seed", at_least=0, at_most=LARGEST_SEED)


def generator(value: object) -> np.random.Generator:
    """A random generator from a seed, checked as `seed` does."""
    return np.random.default_rng(seed(value))


def odd(value: object, what: str) -> int:
    """Return `value` if it is a number of points along the side of a plane, else raise a ValueError."""
    if (number := whole(value, what, at_least=3, at_most=MOST_POINTS)) % 2 == 0:
        raise ValueError(f"{what} = {number}: give an odd number, so that the network itself is the middle point")
    return number


def shard(value: object) -> tuple[int, int]:
    """Return `value` if it is (i, n), whole numbers with 0 <= i < n, else raise a ValueError."""
    match value:
        case (Integral() as i, Integral() as n) if 0 <= int(i) < int(n):
            return int(i), int(n)
    raise ValueError(f"shard = {value!r}: give (i, n) with 0 <= i < n")


def size(value: object) -> tuple[int, int]:
    """Return `value` if it is (height, width) in pixels, else raise a ValueError."""
    match value:
        case (Integral() as height, Integral() as width) if min(int(height), int(width)) > 0:
            return int(height), int(width)
    raise ValueError(f"size = {value!r}: give (height, width), whole numbers of at least 1")


def finite(value: object, what: str) -> float:
    """Return `value` if it is a finite number, numpy's included, else raise a ValueError."""
    if not math.isfinite(number := _real(value)):
        raise ValueError(f"{what} = {value!r}: give a finite number")
    return number


def positive(value: object, what: str, at_most: float = math.inf) -> float:
    """Return `value` if it is a finite number, numpy's included, above 0 and at most `at_most`, else raise a
    ValueError."""
    number = _real(value)
    if not 0 < number <= at_most or math.isinf(number):
        limit = f" and at most {at_most:g}" if at_most < math.inf else ""
        raise ValueError(f"{what} = {value!r}: give a number above 0{limit}")
    return number


def half_side(value: object, what: str = "sigma") -> float:
    """Return `value` if it is half the side of a plane, in theta, else raise a ValueError."""
    return positive(value, what, at_most=_FARTHEST)


def share(value: object, what: str) -> float:
    """Return `value` if it is a number above 0 and below 1, else raise a ValueError."""
    number = _real(value)
    if not 0 < number < 1:
        raise ValueError(f"{what} = {value!r}: give a number above 0 and below 1")
    return number


def below_one(value: object, what: str) -> float:
    """Return `value` if it is a number from 0 up to 1, but not 1, else raise a ValueError."""
    number = _real(value)
    if not 0 <= number < 1:
        raise ValueError(f"{what} = {value!r}: give a share from 0 up to 1")
    return number


def class_names(names: Sequence[str | int] | np.ndarray) -> tuple[str, ...]:
    """Names of classes as text, in the order of the labels.

    Raises ValueError unless there is at least one, each once, of text or whole numbers, to be seen on one line.
    """
    if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
        raise ValueError(f"classes are {type(names).__name__!r}: give a list of names, in the order of the labels")
    if not len(names):
        raise ValueError("there are no classes: give the name of each, in the order of the labels")
    for name in names:
        seen = isinstance(name, str | int | np.integer) and any(map(str.isprintable, str(name).replace(" ", "")))
        if not seen or _CONTROL.search(str(name)):
            raise ValueError(f"class {name!r}: give each class a name, as text on one line, without control characters")
    found = tuple(str(name) for name in names)
    most, times = Counter(found).most_common(1)[0]
    if times > 1:
        raise ValueError(f"class {most!r} is named {times} times: give each class a name of its own")
    return found


def array(value: object, what: str, dims: tuple[Hashable, ...], source: str) -> xr.DataArray:
    """Return `value` if it is a DataArray of these dimensions, a first `...` for any others, else raise a ValueError
    that names `source`, which makes such. what: its name, in the plural."""
    shown = f"({', '.join('...' if dim is ... else str(dim) for dim in dims)})"
    if not isinstance(value, xr.DataArray):
        held = [str(name) for name in value.data_vars] if isinstance(value, xr.Dataset) else []
        within = f", or the one in it, dataset[{held[0]!r}]" if len(held) == 1 else ""
        raise ValueError(f"{what} are a {type(value).__name__}: give a DataArray {shown}, as {source} does{within}")
    if dims != ((..., *value.dims[value.ndim - len(dims) + 1 :]) if dims[0] is ... else value.dims):
        raise ValueError(f"{what} have dims {dict(value.sizes)}: give {shown}, as {source} does")
    return value


def dataset(value: object, what: str, source: str, *held: str) -> xr.Dataset:
    """Return `value` if it is a Dataset that has the variables, dimensions and attributes `held`, else raise a
    ValueError that names `source`, which makes such."""
    here = {*value.variables, *value.dims, *value.attrs} if isinstance(value, xr.Dataset) else set(held)
    missing = "".join(f" without {name}" for name in held if name not in here)
    if missing or not isinstance(value, xr.Dataset):
        raise ValueError(f"{what} is a {type(value).__name__}{missing}: give a Dataset, as {source} does")
    return value


def by_name(value: object, what: str) -> Mapping:
    """Return `value` if it is a mapping of at least one, else raise a ValueError."""
    if not isinstance(value, Mapping) or not value:
        found = "none" if isinstance(value, Mapping) else f"a {type(value).__name__}"
        raise ValueError(f"{what} are {found}: give a dict of at least one, by name")
    return value


def _real(value: object) -> float:
    """`value` as a float, and NaN, which no range holds, if it is no number."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan

"""Values that a user can get wrong: what is taken, and one line for the rest."""

from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ciutils import checks

INTEGERS = (int, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64)


@given(st.integers(1, 127), st.sampled_from(INTEGERS))
def test_whole_numbers_of_every_type_become_pythons(value, kind):
    assert checks.whole(kind(value), "n") == value
    assert type(checks.whole(kind(value), "n")) is int


@given(st.floats(2**-10, 2**10, width=16), st.sampled_from((float, np.float16, np.float32, np.float64, Fraction)))
def test_numbers_of_every_type_become_pythons(value, kind):
    assert checks.positive(kind(value), "x") == value
    assert type(checks.positive(kind(value), "x")) is float


@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1", None, [1], 0, -1, np.int64(0), float("nan")])
def test_what_is_no_count_is_refused(value):
    with pytest.raises(ValueError, match=r"n = .*: give a whole number of at least 1$"):
        checks.whole(value, "n")


@pytest.mark.parametrize("value", [True, "1", None, 0, -1.5, float("nan"), float("inf"), np.float32("inf"), 11])
def test_what_is_no_size_is_refused(value):
    with pytest.raises(ValueError, match=r"x = .*: give a number above 0 and at most 10$"):
        checks.positive(value, "x", at_most=10)


@pytest.mark.parametrize("value", [0, 1, 1.0, -0.1, float("nan"), "0.5", True])
def test_what_is_no_share_is_refused(value):
    with pytest.raises(ValueError, match=r"x = .*: give a number above 0 and below 1$"):
        checks.share(value, "x")


@pytest.mark.parametrize("value", [1, -0.1, float("nan"), "x", None])
def test_what_is_not_below_one_is_refused(value):
    assert checks.below_one(np.float64(0), "x") == 0
    with pytest.raises(ValueError, match=r"x = .*: give a share from 0 up to 1$"):
        checks.below_one(value, "x")


@pytest.mark.parametrize("value", [5, ("0", "1"), (0.5, 2), (0, 1, 2), (2, 2), (-1, 2), None])
def test_what_is_no_shard_is_refused(value):
    assert checks.shard([np.int64(1), 2]) == (1, 2)
    with pytest.raises(ValueError, match=r"shard = .*: give \(i, n\) with 0 <= i < n$"):
        checks.shard(value)


def test_more_points_than_any_machine_can_measure_are_refused():
    assert checks.odd(1001, "points") == 1001
    with pytest.raises(ValueError, match="points = 1000000001: give a whole number of at least 3 and at most 1001"):
        checks.odd(10**9 + 1, "points")


def test_the_largest_is_still_taken():
    assert checks.whole(2**32 - 1, "seed", at_most=checks.LARGEST_SEED) == 2**32 - 1
    with pytest.raises(ValueError, match="seed = 4294967296: give a whole number of at least 1 and at most 4294967295"):
        checks.whole(2**32, "seed", at_most=checks.LARGEST_SEED)


@pytest.mark.parametrize("value", [None, 3, ["a"], np.array(["a", "b"])])
def test_what_is_no_name_is_unknown(value):
    with pytest.raises(ValueError, match="unknown letter .*: choose from a, b"):
        checks.one_of(value, ("a", "b"), "letter")


CELLS = xr.DataArray(np.zeros((2, 3)), dims=("true", "predicted"))


@pytest.mark.parametrize("dims", [("true", "predicted"), (..., "true", "predicted"), (..., "predicted")])
def test_an_array_of_these_dimensions_is_taken(dims):
    assert checks.array(CELLS, "rates", dims, "here") is CELLS


@pytest.mark.parametrize(
    ("value", "dims", "message"),
    [
        (CELLS.values, ("true",), r"^rates are a ndarray: give a DataArray \(true\), as here does$"),
        (CELLS.to_dataset(name="x"), ("true",), r"^rates are a Dataset.*DataArray \(true\), .*, dataset\['x'\]$"),
        (CELLS, ("true",), r"^rates have dims {'true': 2, 'predicted': 3}: give \(true\), as here does$"),
        (CELLS, ("predicted",), "^rates have dims"),
        (CELLS.T, (..., "true", "predicted"), r"give \(\.\.\., true, predicted\), as here does$"),
        (CELLS[0], (..., "true", "predicted"), "^rates have dims"),
        (CELLS[0, 0], (..., "true"), "^rates have dims"),
    ],
)
def test_what_is_no_such_array_is_refused(value, dims, message):
    with pytest.raises(ValueError, match=message):
        checks.array(value, "rates", dims, "here")


def test_a_dataset_holds_what_it_must():
    held = CELLS.to_dataset(name="counts")
    assert checks.dataset(held, "space", "here", "counts", "true") is held
    with pytest.raises(ValueError, match=r"^space is a Dataset without done: give a Dataset, as here does$"):
        checks.dataset(held, "space", "here", "counts", "done")
    with pytest.raises(ValueError, match=r"^space is a DataArray: give a Dataset, as here does$"):
        checks.dataset(CELLS, "space", "here", "counts")


@pytest.mark.parametrize(("value", "found"), [({}, "none"), ([], "a list"), (None, "a NoneType")])
def test_what_has_no_names_is_refused(value, found):
    assert checks.by_name({"a": 1}, "networks") == {"a": 1}
    with pytest.raises(ValueError, match=f"^networks are {found}: give a dict of at least one, by name$"):
        checks.by_name(value, "networks")

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ciutils.analyse import groups
from ciutils.classes import SUPERCLASSES

NAMES = ["cat", "dog", "car", "truck", "ship", "plane"]
ANIMALS = dict.fromkeys(NAMES[:2], "animal") | dict.fromkeys(NAMES[2:], "vehicle")


def counts_of(errors, names=NAMES, right=100):
    counts = xr.DataArray(
        right * np.eye(len(names), dtype=int), dims=("true", "predicted"), coords={"true": names, "predicted": names}
    )
    for cell, number in errors.items():
        counts.loc[cell] = number
    return counts


def test_planted_blocks_are_found_and_named_after_their_worst_class():
    errors = {("cat", "dog"): 20, ("dog", "cat"): 10, ("car", "truck"): 9, ("truck", "car"): 9}
    errors |= {("truck", "ship"): 5, ("ship", "car"): 6, ("plane", "ship"): 12, ("plane", "car"): 3, ("dog", "ship"): 1}
    # In and out of dog go 20/120 + 11/111, of cat less; of car 9/114 + 9/109 + 6/106 + 3/115, of ship and truck less.
    assert groups.blocks(counts_of(errors), 2).tolist() == ["dog", "dog", *["car"] * 4]
    assert groups.blocks(counts_of(errors), 6).tolist() == NAMES
    assert groups.blocks(counts_of(errors), 1).nunique() == 1
    assert groups.blocks(counts_of({}, ["cat"]), 3).tolist() == ["cat"]


def test_the_share_of_errors_within_groups_is_counted_by_hand():
    """30 of 40 errors between animals or between vehicles. Evenly one of 5 other names would be an animal's own kind,
    three of 5 a vehicle's: (25 x 1 + 15 x 3) / 40 / 5."""
    errors = {("cat", "dog"): 15, ("dog", "car"): 10, ("car", "truck"): 9, ("ship", "plane"): 6}
    found = groups.within(counts_of(errors), ANIMALS)
    assert (found.share, found.even) == pytest.approx((30 / 40, (25 * 1 + 15 * 3) / 40 / 5))
    # Of the 15 pairs that can be the animals, cat-dog, car-truck, ship-plane and the like keep as much or more.
    keep = [
        sum(n for (a, b), n in errors.items() if (a in two) == (b in two)) / 40
        for two in [{x, y} for i, x in enumerate(NAMES) for y in NAMES[i + 1 :]]
    ]
    assert found.p_value == pytest.approx(np.mean(np.array(keep) >= 0.75), abs=0.03)


def test_where_all_errors_stay_within_many_groups_chance_hardly_gives_it():
    names = [f"c{each}" for each in range(20)]
    errors = {(names[k], names[k ^ 1]): 5 for k in range(20)}
    mates = {name: f"g{k // 2}" for k, name in enumerate(names)}
    found = groups.within(counts_of(errors, names), mates, draws=500)
    assert (found.share, found.even, found.p_value) == pytest.approx((1, 1 / 19, 1 / 501))


def test_without_errors_and_without_a_group():
    assert np.isnan(groups.within(counts_of({}), ANIMALS).share)
    with pytest.raises(ValueError, match="class 'ship' has no group: give one for each of 6 classes"):
        groups.within(counts_of({}), {name: "one" for name in NAMES if name != "ship"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda counts: counts / 100, "counts are float64: give whole numbers in an integer type; rates are no counts"),
        (lambda counts: -counts, "counts hold -100: counts are not negative"),
        (lambda counts: counts.expand_dims("epoch"), r"choose one matrix, as in counts.isel\(epoch=-1\)"),
        (lambda counts: counts.values, r"counts are a ndarray: give a DataArray \(..., true, predicted\), as counts"),
    ],
)
def test_what_is_no_matrix_of_counts_is_refused_in_one_line(change, message):
    counts = change(counts_of({("cat", "dog"): 3}))
    for call in (lambda: groups.within(counts, ANIMALS), lambda: groups.blocks(counts, 2)):
        with pytest.raises(ValueError, match=message) as error:
            call()
        assert "\n" not in str(error.value)


def test_groups_are_by_the_names_of_classes():
    counts = counts_of({("cat", "dog"): 3})
    assert groups.within(counts, groups.blocks(counts, 6)).share == 0
    for none in (None, ["animal"] * 6):
        with pytest.raises(ValueError, match=f"groups are a {type(none).__name__}: give a dict, the group of each"):
            groups.within(counts, none)
    with pytest.raises(ValueError, match="class 'cat' has no group"):
        groups.within(counts, ANIMALS | {"cat": None})


@given(st.integers(2, 8), st.integers(1, 8), st.integers(0, 99))
def test_a_class_is_in_one_block_and_there_are_as_many_as_asked_for_at_most(classes, number, seed):
    names = [str(each) for each in range(classes)]
    drawn = np.random.default_rng(seed).integers(1, 50, (classes, classes))
    counts = xr.DataArray(drawn, dims=("true", "predicted"), coords={"true": names, "predicted": names})
    found = groups.blocks(counts, number)
    assert list(found.index) == names
    assert 1 <= found.nunique() <= min(number, classes)
    assert set(found) <= set(names)
    assert all(found[head] == head for head in found)


def test_cifar100_has_twenty_superclasses_of_five():
    sizes = {}
    for group in SUPERCLASSES.values():
        sizes[group] = sizes.get(group, 0) + 1
    assert len(SUPERCLASSES) == 100
    assert set(sizes.values()) == {5}
    assert len(sizes) == 20
    assert SUPERCLASSES["maple_tree"] == SUPERCLASSES["oak_tree"] == "trees"

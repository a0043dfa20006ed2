import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ciutils.analyse import learning


def over_epochs(*rows, first=1):
    """Predictions, a row for each epoch."""
    return xr.DataArray(
        np.array(rows), dims=("epoch", "train_image"), coords={"epoch": np.arange(first, first + len(rows))}
    )


def of_images(labels):
    return xr.DataArray(np.array(labels), dims="train_image")


# --- forgetting


def test_forgetting_by_hand():
    """A column is an image of class 0; a 1 is an error. Never wrong; never right; forgotten once and learned again;
    forgotten twice and wrong at the end; learned late."""
    predictions = over_epochs([0, 1, 1, 0, 1], [0, 1, 0, 1, 1], [0, 1, 1, 0, 1], [0, 1, 0, 1, 0])
    table = learning.forgetting(predictions, of_images([0] * 5))
    assert list(table["events"]) == [0, 0, 1, 2, 0]
    np.testing.assert_array_equal(table["first"], [1, np.nan, 2, 1, 4])
    np.testing.assert_array_equal(table["learned"], [1, np.nan, 4, np.nan, 4])


def test_epochs_are_those_of_the_history():
    table = learning.forgetting(over_epochs([1], [0], first=7), of_images([0]))
    assert (table.loc[0, "first"], table.loc[0, "learned"]) == (8, 8)


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=8))
def test_what_is_learned_stays_right_and_events_are_falls(right):
    predictions = over_epochs(*(~np.array(right)).astype(int))
    table = learning.forgetting(predictions, of_images([0] * 4))
    for image, found in enumerate(table.itertuples()):
        mine = [row[image] for row in right]
        assert found.events == sum(before and not after for before, after in itertools.pairwise(mine))
        assert np.isnan(found.first) == (not any(mine))
        assert np.isnan(found.learned) == (not mine[-1])
        if mine[-1]:
            assert all(mine[int(found.learned) - 1 :])
            assert found.learned == 1 or not mine[int(found.learned) - 2]


# --- flows


def test_planted_flows_are_found():
    """Of class 0: one image goes from 0 to 1 and back, one from 1 to 2 and stays; the third is of class 2."""
    predictions = over_epochs([0, 1, 2], [1, 2, 0], [0, 2, 2])
    found = learning.flows(predictions, of_images([0, 0, 2]), "abc", 0)
    assert dict(found.sizes) == {"epoch": 2, "before": 3, "after": 3}
    assert list(found["epoch"]) == [2, 3]
    moves = {
        (int(epoch), before, after)
        for epoch in found["epoch"]
        for before in "abc"
        for after in "abc"
        if found.sel(epoch=epoch, before=before, after=after)
    }
    assert moves == {(2, "a", "b"), (2, "b", "c"), (3, "b", "a"), (3, "c", "c")}
    assert (found.sum(("before", "after")) == 2).all()
    assert learning.flows(predictions, of_images([0, 0, 2]), "abc", "a").identical(found)


def test_flows_add_up_to_the_counts_of_both_epochs():
    random = np.random.default_rng(0)
    predictions, labels = over_epochs(*random.integers(0, 3, (5, 60))), of_images(random.integers(0, 3, 60))
    found = learning.flows(predictions, labels, "abc", 1)
    for epoch in range(4):
        for end, dim in ((epoch, "after"), (epoch + 1, "before")):
            counts = np.bincount(predictions[end][labels == 1], minlength=3)
            np.testing.assert_array_equal(found[epoch].sum(dim), counts)


# --- visits and dancers


def test_visits_by_hand():
    """Image 0 is called 1 in epochs 1, 2, 4; image 1 in 3 alone; image 2, of class 1, does not count."""
    predictions = over_epochs([1, 0, 1], [1, 2, 1], [0, 1, 1], [1, 0, 1])
    table = learning.visits(predictions, of_images([0, 0, 1]), 0, 1)
    assert list(table.index) == [1, 2, 3, 4]
    assert table.to_dict("list") == {"stayed": [0, 1, 0, 0], "returned": [0, 0, 0, 1], "new": [1, 0, 1, 0]}


def test_the_same_dancers_have_no_turnover():
    called = np.zeros((10, 200), int)
    called[:, :30] = 1
    found = learning.dancers(over_epochs(*called), of_images([0] * 200), 0, 1)
    assert (found.ever, found.most) == (30, 30)
    assert found.fresh == pytest.approx(200 * (1 - 0.85**10))
    assert found.turnover == pytest.approx(learning.Estimate(0, 0, 0), abs=1e-12)
    assert found.stay == learning.Estimate(1, 1, 1)
    assert found.chance == pytest.approx(30 / 200)


def test_dancers_drawn_in_each_epoch_have_a_turnover_of_one():
    random = np.random.default_rng(0)
    called = np.array([random.permutation(1000) < 100 for _ in range(12)]).astype(int)
    found = learning.dancers(over_epochs(*called), of_images([0] * 1000), 0, 1)
    assert found.turnover.value == pytest.approx(1, abs=0.05)
    assert found.turnover.low < 1 < found.turnover.high
    assert found.stay.value == pytest.approx(0.1, abs=0.03)
    assert found.chance == pytest.approx(0.1)


def test_half_that_stay_and_half_that_are_drawn_lie_between():
    random = np.random.default_rng(1)
    called = np.array([random.permutation(1000) < 50 for _ in range(12)])
    called[:, :50] = True
    found = learning.dancers(over_epochs(*called.astype(int)), of_images([0] * 1000), 0, 1)
    assert 0.2 < found.turnover.low < found.turnover.value < found.turnover.high < 0.8


def test_names_given_in_one_epoch_alone_or_never_have_no_turnover():
    labels = of_images([0] * 4 + [1])
    once = learning.dancers(over_epochs([0] * 5, [0, 1, 1, 0, 0], [0] * 5), labels, 0, 1)
    assert (once.ever, once.most, once.stay.value) == (2, 2, 0)
    never = learning.dancers(over_epochs([0] * 5, [0] * 5), labels, 0, 1)
    assert np.isnan([once.turnover.value, never.turnover.value, never.stay.value, never.chance]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, y: learning.forgetting(p, y[:2]), "give .network or epoch, image. and .image."),
        (lambda p, y: learning.forgetting(p.values, y), "predictions are a ndarray: give a DataArray"),
        (lambda p, y: learning.forgetting(p.astype(float), y), "predictions are float64: give whole numbers"),
        (
            lambda p, y: learning.flows(p.rename(epoch="network"), y, "ab", 0),
            "give .epoch, train_image., as train.train",
        ),
        (lambda p, y: learning.flows(p, y, "ab", "c"), "unknown class 'c': choose from a, b"),
        (lambda p, y: learning.flows(p, y, "a", 0), "predictions name class 1, of 1 classes: give all, in their order"),
        (lambda p, y: learning.dancers(p, y, 1, 0), "no image is of class 1"),
        (lambda p, y: learning.dancers(p, y, 5, 1), "true = 5: give a whole number of at least 0 and at most 1"),
        (lambda p, y: learning.dancers(p, y, 0, 99), "predicted = 99: give a whole number of at least 0 and at most 1"),
        (lambda p, y: learning.dancers(p, y, 0, "b"), "predicted = 'b': give a whole number of at least 0"),
        (lambda p, y: learning.visits(p, y, "a", 1), "true = 'a': give a whole number of at least 0"),
        (lambda p, y: learning.visits(p[0], y, 0, 1), "give .network or epoch, image. and .image."),
    ],
)
def test_bad_input_gets_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(over_epochs([0, 1, 0], [0, 0, 0]), of_images([0, 0, 0]))
    assert "\n" not in str(error.value)

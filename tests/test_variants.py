"""Data sets with fewer classes and with planted label noise."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ciutils.data import ImageData, Split, only, swapped

CLASSES = ("plane", "cat", "dog", "ship")


def images(labels, classes=CLASSES):
    """Images of one pixel each, whose value is their place among all."""
    values = torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1)
    return Split(values, torch.tensor(labels), classes, (0.5,), (0.25,))


TOY = ImageData("toy", images([3, 1, 2, 0, 2, 1]), images([0, 1, 2, 3]))


def test_only_the_chosen_classes_are_left_labelled_in_the_order_given():
    found = only(TOY, ("dog", 1))
    assert found.classes == ("dog", "cat")
    assert found.train.images.flatten().tolist() == [1, 2, 4, 5]
    assert found.train.labels.tolist() == [1, 0, 0, 1]
    assert found.test.images.flatten().tolist() == [1, 2]
    assert found.test.labels.tolist() == [1, 0]
    assert (found.mean, found.std) == (TOY.mean, TOY.std)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cat",), r"classes = \['cat'\]: give two or more, each once"),
        ((), r"classes = \[\]: give two or more, each once"),
        (("cat", "dog", "CAT"), "give two or more, each once"),
        (("cat", "dgo"), "unknown class 'dgo'.*did you mean 'dog'"),
    ],
)
def test_classes_that_make_no_data_set_are_one_line(classes, message):
    with pytest.raises(ValueError, match=message):
        only(TOY, classes)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.01, 0.99), st.integers(0, 5))
def test_the_dose_is_exact_in_either_class_and_touches_no_other(cats, dogs, rate, seed):
    data = ImageData("toy", images([1] * cats + [2] * dogs + [0, 3]), images([1, 2]))
    found = swapped(data, "cat", "dog", rate, seed)
    changed = found.train.labels != data.train.labels
    assert changed[:cats].sum() == round(rate * cats)
    assert changed[cats : cats + dogs].sum() == round(rate * dogs)
    assert set(found.train.labels[:cats].tolist()) <= {1, 2}
    assert not changed[-2:].any()
    assert torch.equal(found.test.labels, data.test.labels)
    assert torch.equal(found.train.images, data.train.images)
    assert torch.equal(swapped(data, "cat", "dog", rate, np.int64(seed)).train.labels, found.train.labels)


def test_another_seed_draws_other_images():
    data = ImageData("toy", images([1] * 100 + [2] * 100), images([1, 2]))
    one, other = (swapped(data, "cat", "dog", 0.2, seed).train.labels for seed in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("rate", [0, 1, -0.1, float("nan")])
def test_a_rate_that_is_no_share_is_one_line(rate):
    with pytest.raises(ValueError, match="rate = .*: give a number above 0 and below 1"):
        swapped(TOY, "cat", "dog", rate)


def test_a_class_cannot_be_swapped_with_itself():
    with pytest.raises(ValueError, match="cat"):
        swapped(TOY, "cat", "CAT", 0.2)

"""Anybody's images: data sets as torch has them, each item read once, as a network would get it."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from ciutils import checks, lookup
from ciutils.data import items
from ciutils.data.split import ImageData, Split

_READ_AGAIN = 8
"""Items that are read twice: a flip of every other is missed once in 256 sets."""
_LARGE_RATIO, _LARGEST_RATIO = 2, 10
"""Of the deviations of pixels in training and test images: seldom a matter of what they show, and never."""


def called(name: str) -> ImageData:
    """The images that the function called `name` gives, see `lookup.function`: an `ImageData`, or (train, test), or
    (train, test, classes), both parts `Split`s or both data sets as torch has them, of (image, label).

    An image is a picture of Pillow's, which becomes uint8, or [C, H, W], taken as it is. Names of classes are those
    given, or those that the training set knows as its `classes`, or else the labels. Where the test set calls its
    `classes` otherwise, its labels become those of the same names in the training set.
    Raises ValueError for a function that fails, what is none of these, images of several shapes or types, classes that
    the training set has not, names that contradict its own, parts that are the same images, of different types or on
    scales ten times apart, and as `items.pair` and `Split` do. Warns of images that are drawn anew each time they are
    read, and of parts on scales that are twice apart.
    """
    given = lookup.outcome(name, lookup.function(name), {})
    if isinstance(given, ImageData):
        return given
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(f"{name} gives a {type(given).__name__}: let it give (train, test) or (train, test, classes)")
    train, test, *classes = given
    if isinstance(train, Split) and isinstance(test, Split) and not classes:
        return ImageData(name, train, test)
    ours = items.names(train)
    if classes:
        items.agree(classes[0], ours, name)
    places = _places(items.names(test), ours, name)
    images, labels = _read(train, f"{name}, train")
    test_images, test_labels = _read(test, f"{name}, test")
    test_labels = test_labels if places is None else places[test_labels]
    _check_parts(images, test_images, name)
    known: Any = ours if ours is not None else range(1 + int(torch.cat((labels, test_labels)).max()))
    names = classes[0] if classes else known
    return ImageData(name, Split(images, labels, names), Split(test_images, test_labels, names))


def _check_parts(train: torch.Tensor, test: torch.Tensor, name: str) -> None:
    """Raise a ValueError if a network would be tested on the images that it learned, or on images of another scale."""
    if train.shape == test.shape and torch.equal(train, test):
        raise ValueError(f"{name}: the test images are the training images: give others to test on")
    if train.dtype != test.dtype:
        raise ValueError(f"{name}: training images are {train.dtype}, test images {test.dtype}: give both in one type")
    spreads = [float(part.std()) for part in (train, test)] if train.is_floating_point() else []
    if spreads and min(spreads) > 0 and max(spreads) / min(spreads) > _LARGE_RATIO:
        told = f"{name}: pixels of training and test images deviate by {spreads[0]:.3g} and {spreads[1]:.3g}"
        if max(spreads) / min(spreads) > _LARGEST_RATIO:
            raise ValueError(f"{told}: give both on one scale")
        warnings.warn(f"{told}: are both on one scale?", stacklevel=2)


def _read(dataset: Any, what: str) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401, with a length and items
    """Images [N, C, H, W] and labels of all items: one copy in memory."""
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or not len(dataset):
        raise ValueError(f"{what} is a {type(dataset).__name__}: give a data set of at least one (image, label)")
    names = items.names(dataset)
    images, labels = torch.empty(0), []
    try:
        for place, item in items.told(dataset[place] for place in range(len(dataset))):
            image, label = items.pair(item, place, None if names is None else len(names))
            if not place:
                images = torch.empty(len(dataset), *image.shape, dtype=image.dtype)
            items.alike(image, images[0], place, "let the data set resize them")
            images[place] = image
            labels.append(label)
        again = [place for place in range(min(len(labels), _READ_AGAIN)) if not _same(dataset, place, images)]
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
    if again:
        warnings.warn(
            f"{what}: image {again[0]} is another when it is read again; all are taken as they came first: leave "
            "random transforms to the training, which augments by itself",
            stacklevel=2,
        )
    return images, torch.tensor(labels)


def _same(dataset: Any, place: int, images: torch.Tensor) -> bool:  # noqa: ANN401, as above
    again = items.pair(dataset[place], place, None)[0]
    return torch.equal(again.nan_to_num(), images[place].nan_to_num())  # what is no number equals nothing


def _places(theirs: items.Names | None, ours: items.Names | None, name: str) -> torch.Tensor | None:
    """The position in `ours` of each class of `theirs`, if both are known and differ."""
    if theirs is None or ours is None or list(theirs) == list(ours):
        return None
    test, train = checks.class_names(theirs), checks.class_names(ours)
    if foreign := [each for each in test if each not in train]:
        raise ValueError(f"{name}: the training set has no class {foreign[0]!r}, the test set has: give both the same")
    return torch.tensor([train.index(each) for each in test])

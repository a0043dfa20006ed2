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
_PART = 50
"""Images that are looked at together: large ones take 60 MB as numbers of double precision."""
_LARGE_RATIO, _LARGEST_RATIO = 2, 10
"""Of the deviations of pixels in training and test images: seldom a matter of what they show, and never."""
_LARGE_SHIFT = 1 / 3
"""Between their means, in deviations: seldom a matter of what they show; MNIST's mean is 0.42 of its deviation."""


def called(name: str) -> ImageData:
    """The images that the function called `name` gives, see `lookup.function`: an `ImageData`, or (train, test), or
    (train, test, classes), both parts `Split`s or both data sets as torch has them, of (image, label).

    An image is a picture of Pillow's, which becomes uint8, or [C, H, W], taken as it is. Names of classes are those
    given, or those that the training set knows as its `classes`, or else the labels. Where the test set calls its
    `classes` otherwise, its labels become those of the same names in the training set.
    Raises ValueError for a function that fails, what is none of these, images of several shapes or types, classes that
    the training set has not, names that contradict its own, parts that are the same images, of different types or on
    scales ten times apart, and as `items.pair` and `Split` do. Warns of images that are drawn anew each time they are
    read, of bytes given as floats, of parts on scales that are twice apart or shifted, and of labels without a 0.
    """
    given = lookup.outcome(name, lookup.function(name), {})
    found = given if isinstance(given, ImageData) else _image_data(given, name)
    _check_parts(found.train, found.test, name)
    return found


def _image_data(given: object, name: str) -> ImageData:
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
    known: Any = ours if ours is not None else range(1 + int(torch.cat((labels, test_labels)).max()))
    names = checks.class_names(classes[0] if classes else known)
    return ImageData(
        name, _split(images, labels, names, f"{name}, train"), _split(test_images, test_labels, names, f"{name}, test")
    )


def _split(images: torch.Tensor, labels: torch.Tensor, names: tuple[str, ...], what: str) -> Split:
    """A split, or the reason why there is none after `what` it would be of."""
    try:
        return Split(images, labels, names)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _check_parts(train: Split, test: Split, name: str) -> None:
    """Raise a ValueError if a network would be tested on the images that it learned, or on images of another scale;
    warn of what is doubtful."""
    if train.images.shape == test.images.shape and torch.equal(train.images, test.images):
        raise ValueError(f"{name}: the test images are the training images: give others to test on")
    labels = torch.cat((train.labels, test.labels))
    if len(labels) and (least := int(labels.min())):
        warnings.warn(
            f"{name}: no image has the label 0, the least is {least}: if labels begin at 1, subtract 1, else class "
            f"{train.classes[0]!r} has no images",
            stacklevel=2,
        )
    if len(train) and len(test):
        _check_scales(train.images, test.images, name)


def _check_scales(train: torch.Tensor, test: torch.Tensor, name: str) -> None:
    if train.is_floating_point() and _bytes(train):
        warnings.warn(
            f"{name}: pixels are whole numbers up to {float(train.max()):g} as floats, which are taken as they are: "
            "give uint8, or divide them by 255, unless the network was trained on such",
            stacklevel=3,
        )
    by_image = [torch.cat([part.flatten(1).double().mean(1) for part in of.split(_PART)]) for of in (train, test)]
    means = [float(each.mean()) for each in by_image]
    spreads = [_deviation(*each) for each in zip((train, test), means, strict=True)]
    ratio = max(spreads) / min(spreads) if min(spreads) > 0 else 1.0
    shift, chance = abs(means[0] - means[1]), 3 * _deviation_of_means(*by_image)
    if ratio > _LARGE_RATIO or shift > max(_LARGE_SHIFT * max(spreads), chance) > 0:
        told = (
            f"{name}: pixels of training and test images are {means[0]:.3g} and {means[1]:.3g} on average, and deviate "
            f"by {spreads[0]:.3g} and {spreads[1]:.3g}"
        )
        if ratio > _LARGEST_RATIO:
            raise ValueError(f"{told}: give both on one scale")
        warnings.warn(f"{told}: are both on one scale?", stacklevel=3)


def _deviation(images: torch.Tensor, mean: float) -> float:
    """The standard deviation of all pixels around their mean."""
    parts = [(part.flatten(1).double() - mean).square().mean(1) for part in images.split(_PART)]
    return float(torch.cat(parts).mean()) ** 0.5


def _deviation_of_means(train: torch.Tensor, test: torch.Tensor) -> float:
    """By how much the means of two splits differ if only chance makes them differ: a few images may all be dark. train,
    test: the mean of each image."""
    within = sum(float((each - each.mean()).square().sum()) for each in (train, test))
    within /= max(len(train) + len(test) - 2, 1)
    return (within * (1 / len(train) + 1 / len(test))) ** 0.5


def _bytes(images: torch.Tensor) -> bool:
    """Whether floats are whole numbers from 0 to 255, as of images that nobody has scaled."""
    if not all(torch.equal(part, part.round()) for part in images.split(_PART)):
        return False
    low, high = images.aminmax()
    return bool(low >= 0 and 1 < high <= 255)


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
            items.alike(
                image,
                images[0],
                place,
                "let the data set resize them, or give data.read_once(..., size=(height, width))",
            )
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

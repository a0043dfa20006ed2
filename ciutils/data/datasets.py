"""Anybody's images: data sets as torch has them, each item read once, as a network would get it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from ciutils import lookup
from ciutils.data.split import ImageData, Split


def called(name: str) -> ImageData:
    """The images that the function called `name` gives, see `lookup.function`: an `ImageData`, or (train, test), or
    (train, test, classes), both parts `Split`s or both data sets as torch has them, of (image, label).

    An image is a picture of Pillow's, which becomes uint8, or [C, H, W], taken as it is. Names of classes are those
    given, or those that the training set knows as its `classes`, or else the labels.
    Raises ValueError for what is none of these, or images of several shapes, and as `Split` does.
    """
    given = lookup.function(name)()
    if isinstance(given, ImageData):
        return given
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(f"{name} gives a {type(given).__name__}: let it give (train, test) or (train, test, classes)")
    train, test, *classes = given
    if isinstance(train, Split) or isinstance(test, Split):
        return ImageData(name, train, test)
    parts = [_read(each, f"{name}, {part}") for each, part in ((train, "train"), (test, "test"))]
    names: Any = classes[0] if classes else _names(train) or range(1 + max(max(labels) for _, labels in parts))
    return ImageData(name, *(Split(images, torch.tensor(labels), tuple(names)) for images, labels in parts))


def _read(dataset: Any, what: str) -> tuple[torch.Tensor, list[int]]:  # noqa: ANN401, any with a length and items
    """Images [N, C, H, W] and labels of all items: one copy in memory."""
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or not len(dataset):
        raise ValueError(f"{what} is a {type(dataset).__name__}: give a data set of at least one (image, label)")
    images, labels = torch.empty(0), []
    for place in range(len(dataset)):
        image, label = dataset[place]
        pixels = _pixels(image)
        if not place:
            images = torch.empty(len(dataset), *pixels.shape, dtype=pixels.dtype)
        if pixels.shape != images.shape[1:]:
            raise ValueError(
                f"{what}: image {place} is {list(pixels.shape)}, those before it {list(images.shape[1:])}: let the "
                "data set resize them"
            )
        images[place] = pixels
        labels.append(int(label))
    return images, labels


def _pixels(image: Any) -> torch.Tensor:  # noqa: ANN401, whatever a data set gives
    if not isinstance(image, Image.Image):
        return torch.as_tensor(image)
    array = np.asarray(image)
    return torch.tensor(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def _names(dataset: Any) -> list[str] | None:  # noqa: ANN401, whatever a data set is
    """What the data set calls its classes, or that which it is a part of."""
    while not hasattr(dataset, "classes") and hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return getattr(dataset, "classes", None)

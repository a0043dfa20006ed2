"""A data set with fewer classes, or with labels that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ciutils import checks
from ciutils.classes import class_index, class_pair
from ciutils.data.split import ImageData, Split


def only(images: ImageData, classes: Sequence[str | int]) -> ImageData:
    """The images of `classes` alone, which are labelled 0, 1, ... in the order given; as normalised as before.

    Raises ValueError for a class that there is not, that is given twice, or if there is but one.
    Book: *Interference or difficulty?*
    """
    chosen = torch.tensor([class_index(images.classes, each) for each in classes])
    if len(chosen.unique()) < max(2, len(chosen)):
        raise ValueError(f"classes = {list(classes)}: give two or more, each once")
    names = tuple(images.classes[int(position)] for position in chosen)

    def kept(split: Split) -> Split:
        places = (split.labels[:, None] == chosen).int()
        mine = places.any(1)
        return replace(split, images=split.images[mine], labels=places[mine].argmax(1), classes=names)

    return replace(images, train=kept(images.train), test=kept(images.test))


def swapped(images: ImageData, first: str | int, second: str | int, rate: float, seed: int = 0) -> ImageData:
    """`images` with label noise of a known dose: of the training images of each of two classes a share of `rate`, to
    one image, drawn by `seed`, carries the other's label. Test images stay as they are.

    Raises ValueError for a class that there is not, one with itself, or a rate that is not between 0 and 1.
    Book: *Dose and response*.
    """
    both = class_pair(images.classes, (first, second))
    checks.share(rate, "rate")
    random, labels = torch.Generator().manual_seed(checks.seed(seed)), images.train.labels.clone()
    for mine, other in (both, both[::-1]):
        members = (images.train.labels == mine).nonzero().flatten()
        drawn = torch.randperm(len(members), generator=random)[: round(rate * len(members))]
        labels[members[drawn]] = other
    return replace(images, train=replace(images.train, labels=labels))

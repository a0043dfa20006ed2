"""Batches of an epoch, augmented on the device: crops and flips are drawn for each image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch.nn import functional

from ciutils import checks
from ciutils.choices import AUGMENTS
from ciutils.data import Split


def draw_crops(index: torch.Tensor, room: tuple[int, int], flip: bool, generator: torch.Generator) -> torch.Tensor:
    """For each of the images `index` [n] a place of its crop, out of `room` (rows, columns), and whether to mirror it,
    with probability 1/2 if `flip`: (index, top, left, mirrored) [4, n] int64, on the CPU like `generator`."""
    top, left = (torch.randint(places, (len(index),), generator=generator) for places in room)
    mirrored = torch.rand(len(index), generator=generator) < 0.5 if flip else torch.zeros(len(index))
    return torch.stack([index, top, left, mirrored.long()])


def cropped(images: torch.Tensor, crops: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The `crops` [4, n], as `draw_crops` draws them, of the padded set `images` [N, C, H, W]: [n, C, *size]."""
    index, top, left, mirrored = crops
    # Every possible crop as a view: no pixel is moved before the crops are picked.
    picked = images.unfold(2, size[0], 1).unfold(3, size[1], 1)[index, :, top, left]
    return torch.where(mirrored.bool()[:, None, None, None], picked.flip(-1), picked)


def augmented(split: Split, augment: str, seed: int = 0) -> Split:
    """Every image of `split` once, augmented as in training with `augment`, one of `choices.AUGMENTS`.

    Their batch-norm statistics are those that a trained network knows: see `statistics` of `interference_space`.
    Raises ValueError for an unknown `augment`. Book: *Sharpness*.

    >>> statistics = train.augmented(images.train.stratified(500), "crop-flip")
    """
    checks.one_of(augment, AUGMENTS, "augment")
    if not isinstance(split, Split):
        raise ValueError(f"split is a {type(split).__name__}: give a Split, as load(...).train is one")
    images, room = _padded(split, augment)
    generator = torch.Generator().manual_seed(checks.seed(seed))
    crops = draw_crops(torch.arange(len(split)), room, augment == "crop-flip", generator)
    return replace(split, images=cropped(images, crops, _size(split)))


class Batches:
    """The training set on the device; iterates over an epoch's (inputs, labels)."""

    def __init__(
        self,
        split: Split,
        batch_size: int,
        augment: str,
        seed: int,
        device: torch.device,
        layout: torch.memory_format = torch.channels_last,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.split, self.augment, self.seed, self.layout, self.dtype = split, augment, seed, layout, dtype
        self.count = -(-len(split) // batch_size)
        self.size = _size(split)
        images, self.room = _padded(split, augment)
        self.images = images.to(device)
        self.labels = split.labels.to(device)

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The batches of epoch `number`, counted from 0: inputs [n, C, H, W] and labels [n]."""
        generator = torch.Generator().manual_seed((self.seed << 20) + number)
        order = torch.randperm(len(self.split), generator=generator)
        # Equal batches, the largest of batch_size: no last batch so small that batch-norm cannot work.
        crops = [
            draw_crops(index, self.room, self.augment == "crop-flip", generator)
            for index in order.tensor_split(self.count)
        ]
        sizes = [each.shape[1] for each in crops]
        # One copy for the whole epoch: the host would wait for a GPU at every one.
        for batch in torch.cat(crops, 1).to(self.images.device).split(sizes, 1):
            inputs = self.split.normalise(cropped(self.images, batch, self.size))
            yield inputs.to(self.dtype).contiguous(memory_format=self.layout), self.labels[batch[0]]


def _size(split: Split) -> tuple[int, int]:
    return split.images.shape[2], split.images.shape[3]


def _padded(split: Split, augment: str) -> tuple[torch.Tensor, tuple[int, int]]:
    """The images with room around them for crops, and the number of places (rows, columns) that a crop has."""
    padding = 0 if augment == "none" else max(_size(split)) // 8
    return functional.pad(split.images, (padding,) * 4), (2 * padding + 1,) * 2

"""What a network says of every image: logits, and from them predictions, probabilities and losses.

Images are in the canonical order of their split (`data.load`), so artifacts of different networks can be joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

import torch
from torch import nn
from torch.nn import functional

from ciutils import checks
from ciutils.data import ImageData, Split
from ciutils.models.classifier import Reading, check_split, checked_finite, in_one_line, proven


class Options(Reading, total=False):
    """How a network is evaluated: as `classifier.Reading` says, so many images at a time."""

    batch_size: int


def each_image(
    model: nn.Module,
    split: Split,
    reduce: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    batch_size: int | None = None,
    **reading: Unpack[Reading],
) -> torch.Tensor:
    """What `reduce`(logits, labels) gives for each image of `split`, in evaluation mode: [images, ...], on the CPU.

    The model is treated, and errors are raised, as in `measure.counts`.
    """
    check_split(split)
    size = split.batch_size(500) if batch_size is None else checks.whole(batch_size, "batch_size")
    classify = proven(model, split, **reading)
    found = []
    with torch.no_grad():  # what a network keeps of a pass may be asked for a gradient later
        for index in torch.arange(len(split)).split(size):
            images = split.inputs(index, classify.dtype, classify.device)
            with in_one_line(images):
                logits = checked_finite(classify(images))
            found.append(reduce(logits, split.labels[index].to(classify.device)))
    return torch.cat(found).cpu()


def predicted(model: nn.Module, split: Split, **options: Unpack[Options]) -> torch.Tensor:
    """The class that `model` predicts for each image, as its position: [images] uint8, int16 beyond 256 classes, int32
    beyond 32,768.

    Options and errors as in `measure.counts`.
    """
    found = each_image(model, split, lambda logits, _: logits.argmax(1), **options)
    return _small(found, split)


def probabilities(model: nn.Module, split: Split, **options: Unpack[Options]) -> torch.Tensor:
    """The softmax of the network's outputs: [images, classes] float16. Options as in `predicted`."""
    return each_image(model, split, lambda logits, _: _softmax(logits), **options)


def of_test(model: nn.Module, split: Split, **options: Unpack[Options]) -> dict[str, torch.Tensor]:
    """`test_predictions` and `test_probabilities`, as `predicted` and `probabilities`, in one pass."""
    logits = each_image(model, split, lambda logits, _: logits, **options)
    return {"test_predictions": _small(logits.argmax(1), split), "test_probabilities": _softmax(logits)}


def losses(model: nn.Module, split: Split, **options: Unpack[Options]) -> torch.Tensor:
    """The cross-entropy of each image: [images] float16. Options as in `predicted`."""

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits.float(), labels, reduction="none").half()

    return each_image(model, split, loss, **options)


def labels(data: ImageData) -> dict[str, torch.Tensor]:
    """`train_labels` and `test_labels`, in the type of predictions, so that artifacts can be read without the data."""
    return {f"{name}_labels": _small(split.labels, split) for name, split in data.splits.items()}


def at_end_of_epoch(model: nn.Module, data: ImageData, **options: Unpack[Options]) -> dict[str, torch.Tensor]:
    """`train_predictions` and `test_predictions`. Options as in `predicted`."""
    return {f"{name}_predictions": predicted(model, split, **options) for name, split in data.splits.items()}


def at_end_of_training(model: nn.Module, data: ImageData, **options: Unpack[Options]) -> dict[str, torch.Tensor]:
    """`test_probabilities` and `train_losses`. Options as in `predicted`."""
    return {
        "test_probabilities": probabilities(model, data.test, **options),
        "train_losses": losses(model, data.train, **options),
    }


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.float().softmax(1).half()


def _small(positions: torch.Tensor, split: Split) -> torch.Tensor:
    count = len(split.classes)
    return positions.to(torch.uint8 if count <= 256 else torch.int16 if count <= 32_768 else torch.int32)


def count_into(counts: torch.Tensor, labels: torch.Tensor, logits: torch.Tensor) -> None:
    """Add predictions to `counts` [classes, classes] (true, predicted) on their device.

    The host does not wait for a GPU, as it would at `torch.bincount`, which looks for the largest value first.
    """
    cells = labels * len(counts) + logits.argmax(1)
    counts.view(-1).index_add_(0, cells, torch.ones_like(cells))

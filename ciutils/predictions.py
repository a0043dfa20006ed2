"""What a network says of every single image: its predictions, probabilities and losses.

Images are in the canonical order of their split (`datasets.load`), so artifacts of different networks can be joined.
"""

from __future__ import annotations

import torch
import xarray as xr
from torch import nn
from torch.nn import functional

from ciutils import confusion
from ciutils.datasets import ImageData, Split

DIMS = {
    "train_labels": ("train_image",),
    "test_labels": ("test_image",),
    "train_predictions": ("train_image",),
    "test_predictions": ("test_image",),
    "test_probabilities": ("test_image", "predicted"),
    "train_losses": ("train_image",),
}
"""Dimensions of the variables that hold a value for each image."""


def predicted(model: nn.Module, split: Split, **options: object) -> torch.Tensor:
    """The class that `model` predicts for each image, as its position: [images] uint8, int16 beyond 256 classes.

    options: batch_size, device, precision; they and errors as in `confusion.counts`.
    """
    found = confusion.each_image(model, split, lambda logits, _: logits.argmax(1), **options)
    return _small(found, split)


def probabilities(model: nn.Module, split: Split, **options: object) -> torch.Tensor:
    """The softmax of the network's outputs: [images, classes] float16. Options as in `predicted`."""
    return confusion.each_image(model, split, lambda logits, _: logits.float().softmax(1).half(), **options)


def losses(model: nn.Module, split: Split, **options: object) -> torch.Tensor:
    """The cross-entropy of each image: [images] float16. Options as in `predicted`."""

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(logits.float(), labels, reduction="none").half()

    return confusion.each_image(model, split, loss, **options)


def labels(data: ImageData) -> dict[str, torch.Tensor]:
    """`train_labels` and `test_labels`, in the type of predictions, so that artifacts can be read without the data."""
    return {f"{name}_labels": _small(split.labels, split) for name, split in data.splits.items()}


def at_end_of_epoch(model: nn.Module, data: ImageData, **options: object) -> dict[str, torch.Tensor]:
    """`train_predictions` and `test_predictions`. Options as in `predicted`."""
    return {f"{name}_predictions": predicted(model, split, **options) for name, split in data.splits.items()}


def at_end_of_training(model: nn.Module, data: ImageData, **options: object) -> dict[str, torch.Tensor]:
    """`test_probabilities` and `train_losses`. Options as in `predicted`."""
    return {
        "test_probabilities": probabilities(model, data.test, **options),
        "train_losses": losses(model, data.train, **options),
    }


def of_trained(model: nn.Module, data: ImageData, **options: object) -> xr.Dataset:
    """Everything that a trained network says of its data's images: the variables of `DIMS`. Options as in `predicted`.

    Book: page *Machines and times*.
    """
    found = labels(data) | at_end_of_epoch(model, data, **options) | at_end_of_training(model, data, **options)
    return xr.Dataset(
        {name: (DIMS[name], values.numpy()) for name, values in found.items()},
        coords={"predicted": list(data.classes)},
    )


def counts(artifact: xr.Dataset, split: str, classes: tuple[str, ...]) -> xr.DataArray:
    """Confusion counts of one epoch's predictions in `artifact`; split: "train" or "test"."""
    true, answers = (artifact[f"{split}_{what}"].values for what in ("labels", "predictions"))
    return confusion.from_predictions(true, answers, classes)


def _small(positions: torch.Tensor, split: Split) -> torch.Tensor:
    return positions.to(torch.uint8 if len(split.classes) <= 256 else torch.int16)

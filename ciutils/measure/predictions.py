"""Confusion counts of a network, and everything that a trained one says of its data's images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import torch
import xarray as xr
from torch import nn

from ciutils.counts import IMAGE_DIMS, from_predictions
from ciutils.data import ImageData, Split
from ciutils.models import outputs


def counts(model: nn.Module, split: Split, **options: Unpack[outputs.Options]) -> xr.DataArray:
    """Confusion counts of `model` on `split`, in evaluation mode: (true, predicted) int64.

    The model maps images [n, C, H, W] to logits [n, classes], of its own type of number; of several outputs in a tuple
    or a dict, the one called "logits" counts, or the only one of the right shape, or the one that `logits` names. It
    comes back as it was: mode of every submodule, device, parameters and buffers, also when it raises.

    options: batch_size (500, fewer of images larger than 32 x 32), device = "auto", logits, precision = "fp32", the
    model's own, or "bf16", or "auto".

    Raises ValueError for an empty split, outputs that do not match the classes or are not finite, and a network that
    says something else of the same images the second time, as with dropout left on.
    Source: arXiv:2211.01370, Section 2.1. Book: *CCTM*.
    """
    predicted = outputs.each_image(model, split, lambda logits, _: logits.argmax(1), **options)
    return from_predictions(split.labels, predicted, split.classes)


def of_test(model: nn.Module, split: Split, **options: Unpack[outputs.Options]) -> xr.Dataset:
    """What a network says of test images, as `analyse.agreement.joined` takes it: test_labels, test_predictions
    (test_image), test_probabilities (test_image, predicted). options: as in `counts`.

    Book: chapter *Measure your own network*.
    """
    found = {"test_labels": split.labels} | outputs.of_test(model, split, **options)
    return _said(found, split.classes)


def of_trained(model: nn.Module, data: ImageData, **options: Unpack[outputs.Options]) -> xr.Dataset:
    """Everything that a trained network says of its data's images: the variables of `counts.IMAGE_DIMS`.

    options: as in `counts`.

    Book: *Machines and times*.
    """
    found = (
        outputs.labels(data)
        | outputs.at_end_of_epoch(model, data, **options)
        | outputs.at_end_of_training(model, data, **options)
    )
    return _said(found, data.classes)


def _said(found: Mapping[str, torch.Tensor], classes: tuple[str, ...]) -> xr.Dataset:
    named = {name: (IMAGE_DIMS[name], values.numpy()) for name, values in found.items()}
    return xr.Dataset(named, coords={"predicted": list(classes)})

"""Confusion counts: how often each class was predicted for each true class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ciutils import checks

if TYPE_CHECKING:
    import torch


CELLS = ("true", "predicted")


IMAGE_DIMS = {
    "train_labels": ("train_image",),
    "test_labels": ("test_image",),
    "train_predictions": ("train_image",),
    "test_predictions": ("test_image",),
    "test_probabilities": ("test_image", "predicted"),
    "train_losses": ("train_image",),
}
"""Dimensions of the variables that hold a value for each image."""


def from_predictions(
    true: Sequence[int] | np.ndarray | torch.Tensor,
    predicted: Sequence[int] | np.ndarray | torch.Tensor,
    classes: Sequence[str],
) -> xr.DataArray:
    """Count how often each class was predicted for each true class: (true, predicted) int64, classes as coordinates.

    true, predicted: [N] whole numbers, positions in `classes`. Raises ValueError if they differ in length, are not
    whole, or lie outside 0..C-1, and for names as `checks.class_names` does. Book: *CCTM*.
    """
    names = list(checks.class_names(classes))
    labels, predictions = _positions(true, "true", classes), _positions(predicted, "predicted", classes)
    if len(labels) != len(predictions):
        raise ValueError(f"{len(labels)} true and {len(predictions)} predicted labels: give one prediction for each")
    cells = np.bincount(labels * len(classes) + predictions, minlength=len(classes) ** 2)
    matrix = cells.reshape(len(names), -1).astype(np.int64)
    return xr.DataArray(matrix, dims=CELLS, coords={"true": names, "predicted": names}, name="counts")


def _positions(labels: Sequence[int] | np.ndarray | torch.Tensor, what: str, classes: Sequence[str]) -> np.ndarray:
    try:
        array = np.asarray(labels)
    except (TypeError, ValueError) as error:  # bfloat16, a tensor of a GPU, rows of different lengths
        raise ValueError(f"{what} labels are no array of whole numbers: {str(error).splitlines()[0]}") from error
    if np.ma.is_masked(labels):
        raise ValueError(f"{what} labels are masked: leave out the objects without a label")
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise ValueError(f"{what} labels are {array.dtype} of shape {array.shape}: give whole numbers, one per object")
    outside = np.flatnonzero((array < 0) | (array >= len(classes)))
    if outside.size:
        where = int(outside[0])
        raise ValueError(
            f"{what} label {array[where]} at position {where} is out of range: {len(classes)} classes "
            f"allow 0 to {len(classes) - 1}"
        )
    return array.astype(np.int64)

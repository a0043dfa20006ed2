"""A history: what each epoch of a training gave, as one labelled artifact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr

from ciutils.choices import COUNTS
from ciutils.counts import IMAGE_DIMS

Epoch = dict[str, torch.Tensor]
"""What one epoch adds to a history, by the names of its variables."""


_EPOCH_DIMS = dict.fromkeys(COUNTS, ("true", "predicted")) | {
    "train_loss": (),
    "learning_rate": (),
    "seconds": (),
    "train_predictions": IMAGE_DIMS["train_predictions"],
    "test_predictions": IMAGE_DIMS["test_predictions"],
}


_EGO_DIMS = {"ego_norms": ("direction",), "ego_cosines": ("direction", "other")}


_LAST_DIMS = {name: IMAGE_DIMS[name] for name in ("test_probabilities", "train_losses")}


def tensors(record: Mapping[str, torch.Tensor | np.ndarray | float]) -> Epoch:
    """`record` as tensors, numbers in float64."""
    return {
        name: value if isinstance(value, torch.Tensor) else torch.from_numpy(np.asarray(value))
        for name, value in record.items()
    }


def as_history(records: list[Epoch], classes: tuple[str, ...], attributes: dict[str, str]) -> xr.Dataset:
    """The Dataset of all epochs' `records`, with `attributes`."""
    names = list(classes)
    ego_epochs = [epoch for epoch, record in enumerate(records, 1) if "ego_norms" in record]
    with_egos = [records[epoch - 1] for epoch in ego_epochs]
    found = {
        name: (("epoch", *dims), torch.stack([record[name] for record in records]).numpy())
        for name, dims in _EPOCH_DIMS.items()
        if name in records[0]
    }
    coords = {"epoch": np.arange(1, len(records) + 1), "true": names, "predicted": names}
    if with_egos:
        found |= {
            name: (("ego_epoch", *dims), torch.stack([record[name] for record in with_egos]).numpy())
            for name, dims in _EGO_DIMS.items()
        }
        coords |= {"ego_epoch": ego_epochs, "direction": names, "other": names}
    found |= {name: (dims, records[-1][name].numpy()) for name, dims in _LAST_DIMS.items() if name in records[-1]}
    history = xr.Dataset(found, coords=coords, attrs=attributes)
    history["seconds"].attrs["units"] = "s"
    return history

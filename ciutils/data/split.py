"""Labelled images in memory: a split, and a data set of a training and a test split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from ciutils import checks, files


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images in memory.

    images: uint8 [N, C, H, W], normalised by `mean` and `std` when they enter a network; or float, taken as they are.
    labels: int64 [N], positions in `classes`. mean, std: per channel, of images scaled to 0..1.

    Raises ValueError if shapes, types or labels do not fit together.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4:
            raise ValueError(f"images have shape {tuple(self.images.shape)}: give [N, channels, height, width]")
        if not (self.images.dtype == torch.uint8 or self.images.is_floating_point()):
            raise ValueError(f"images are {self.images.dtype}: give uint8, or float that needs no normalisation")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels are {self.labels.dtype} of shape {tuple(self.labels.shape)}: give int64, one "
                f"for each of the {len(self.images)} images"
            )
        outside = (self.labels < 0) | (self.labels >= len(self.classes))
        if outside.any():
            where = int(outside.nonzero()[0])
            raise ValueError(
                f"label {int(self.labels[where])} of image {where} is out of range: "
                f"{len(self.classes)} classes allow 0 to {len(self.classes) - 1}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def sha256(self) -> str:
        """Digest of all that a network is given: class names, pixels, labels, normalisation."""
        numbers = {"mean": self.mean or (), "std": self.std or ()}
        parts = {name: np.array(values, np.float64) for name, values in numbers.items()}
        images = {"images": self.images.numpy(), "labels": self.labels.numpy(), "classes": np.array(self.classes)}
        return files.sha256_of(parts | images)

    def stratified(self, count: int, seed: int = 0) -> Split:
        """A random subset of `count` images in which every class has its share, to one image.

        Raises ValueError unless 1 <= count <= number of images.
        """
        checks.whole(count, "count")
        if count > len(self):
            raise ValueError(f"count = {count}: the split holds {len(self)} images; give at most so many")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        place = torch.empty(len(self), dtype=torch.float64)  # of an image among those of its class, from 0 to 1
        for position in range(len(self.classes)):
            mine = order[self.labels[order] == position]
            place[mine] = (torch.arange(len(mine), dtype=torch.float64) + 0.5) / max(len(mine), 1)
        chosen = place.argsort(stable=True)[:count].sort().values
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def inputs(
        self,
        index: torch.Tensor | slice = slice(None),
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> torch.Tensor:
        """Images `index` as a network takes them: [n, C, H, W], normalised, `dtype`, on `device`."""
        return self.normalise(self.images[index].to(device)).to(dtype)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """(images / 255 - mean) / std for uint8 images; float images come back as they are."""
        if images.is_floating_point():
            return images
        scaled = images.float() / 255
        if self.mean is None or self.std is None:
            return scaled
        mean, std = (
            torch.tensor(each).view(1, -1, 1, 1).to(images.device, non_blocking=True) for each in (self.mean, self.std)
        )
        return (scaled - mean) / std


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set: its name, training and test split. Classes, mean and std are those of the training split."""

    name: str
    train: Split
    test: Split

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        return self.train.classes

    @property
    def splits(self) -> dict[str, Split]:
        """Both splits by their names, "train" and "test"."""
        return {"train": self.train, "test": self.test}

    @property
    def mean(self) -> tuple[float, ...] | None:
        """Mean of each channel of the training images, scaled to 0..1."""
        return self.train.mean

    @property
    def std(self) -> tuple[float, ...] | None:
        """Standard deviation of each channel of the training images, scaled to 0..1."""
        return self.train.std

    @cached_property
    def sha256(self) -> str:
        """Digest of class names, pixels and labels of both splits; the normalisation has no part in it."""
        parts = {
            f"{name} {field}": getattr(split, field).numpy()
            for name, split in self.splits.items()
            for field in ("images", "labels")
        }
        return files.sha256_of({**parts, "classes": np.array(self.classes)})

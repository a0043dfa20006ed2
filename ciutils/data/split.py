"""Labelled images in memory: a split, and a data set of a training and a test split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr

from ciutils import checks, files


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images in memory.

    images: uint8 [N, C, H, W], normalised by `mean` and `std` when they enter a network; or float, taken as they are.
    labels: whole numbers [N], positions in `classes`. classes: names; whole numbers become names.
    mean, std: per channel, of images scaled to 0..1; both or neither. resized: how images of other sizes were
    brought to this one, for records.

    Both may be tensors or numpy arrays, labels also a list. They are kept as tensors on the CPU, labels as int64,
    float16 and bfloat16 images as float32, which holds the same values. Arrays are copied; tensors are not, to spare
    memory: what is written to them afterwards is written to the split.

    Raises ValueError if shapes, types, labels, names or normalisation do not fit together, or if a float image is not
    finite. Book: *Execute a notebook*.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resized: str = ""

    def __post_init__(self) -> None:
        images, classes = _images(self.images), checks.class_names(self.classes)
        labels = _labels(self.labels, len(images), len(classes))
        mean, std = _normalisation(self.mean, self.std, images)
        kept = {"images": images, "labels": labels, "classes": classes, "mean": mean, "std": std}
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        count, *shape = self.images.shape
        kind = str(self.images.dtype).removeprefix("torch.")
        normalised = ", normalised" if self.mean else ""
        return f"Split({count:,} images {shape} {kind}, {len(self.classes)} classes{normalised})"

    def batch_size(self, most: int) -> int:
        """`most`, or as many larger images as have the pixels of `most` of 32 x 32: a batch's memory has a bound."""
        height, width = self.images.shape[2:]
        return max(1, min(most, most * 32 * 32 // (height * width)))

    @property
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
        count, seed = checks.whole(count, "count"), checks.seed(seed)
        if count > len(self):
            raise ValueError(f"count = {count}: the split holds {len(self)} images; give at most so many")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        order = order[self.labels[order].argsort(stable=True)]  # class by class, in random order within each
        sizes = self.labels.bincount(minlength=len(self.classes))
        rank = torch.arange(len(self)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
        taken = count * sizes // len(self)
        most = (count * sizes % len(self)).argsort(descending=True, stable=True)  # the largest remainders get one more
        taken[most[: count - int(taken.sum())]] += 1
        chosen = order[rank < taken.repeat_interleave(sizes)].sort().values
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    def pictures(self, positions: np.ndarray) -> xr.DataArray:
        """The images at `positions` to be looked at: uint8 (test_image, row, column, channel), test_image being the
        positions. Float images lie between the darkest and the brightest of their values; of two channels, or more than
        three, the first is shown."""
        chosen = self.images[torch.from_numpy(np.asarray(positions, np.int64))]
        chosen = chosen if chosen.shape[1] in (1, 3) else chosen[:, :1]
        if chosen.is_floating_point():
            low, high = self.images.aminmax()
            chosen = (255 * (chosen - low) / (high - low).clamp_min(1e-30)).round().to(torch.uint8)
        dims = ("test_image", "row", "column", "channel")
        return xr.DataArray(chosen.permute(0, 2, 3, 1).numpy(), dims=dims, coords={"test_image": positions})

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
    """A data set: its name, training and test split. Classes, mean and std are those of both splits.

    Raises ValueError if the splits differ in more than their images and labels.
    """

    name: str
    train: Split
    test: Split

    def __post_init__(self) -> None:
        tests = _alike(self.test)
        for what, train in _alike(self.train).items():
            if train != tests[what]:
                raise ValueError(
                    f"{what} are {train} in the training split, {tests[what]} in the test split: give both the same"
                )

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the labels."""
        return self.train.classes

    @property
    def repeated(self) -> int:
        """How many test images are training images too, pixel for pixel: of these a test says little."""
        known = {hash(image.numpy().tobytes()) for image in self.train.images}
        return sum(hash(image.numpy().tobytes()) in known for image in self.test.images)

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

    @property
    def sha256(self) -> str:
        """Digest of class names, pixels and labels of both splits; the normalisation has no part in it."""
        parts = {
            f"{name} {field}": getattr(split, field).numpy()
            for name, split in self.splits.items()
            for field in ("images", "labels")
        }
        return files.sha256_of({**parts, "classes": np.array(self.classes)})


def _alike(split: Split) -> dict[str, object]:
    """What the splits of a data set have in common."""
    shape, dtype = tuple(split.images.shape[1:]), split.images.dtype
    return {"shapes": shape, "types": dtype, "classes": split.classes, "mean and std": (split.mean, split.std)}


def tensor(values: object, what: str) -> torch.Tensor:
    """A tensor as it is, on the CPU; what else holds numbers, as a tensor of its own."""
    if np.ma.is_masked(values):
        raise ValueError(f"{what} are masked: leave out the images of which something is missing")
    try:
        if isinstance(values, torch.Tensor):
            return values.detach().cpu().to_dense()
        array = np.asarray(values)
        if array.dtype == object:  # as of a table's column
            array = np.array(array.tolist())
        return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError, NotImplementedError) as error:  # text, rows of different lengths, no storage
        raise ValueError(f"{what} cannot become a tensor: give a tensor, an array or a list of numbers") from error


def _images(values: object) -> torch.Tensor:
    images = tensor(values, "images")
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise ValueError(f"images have shape {tuple(images.shape)}: give [N, channels, height, width]")
    _, channels, height, width = images.shape
    # Signals of many channels may be one or three wide; they are of float, and not square.
    pictures = channels == height or images.dtype == torch.uint8
    if width in (1, 3) and min(channels, height) > 4 and pictures:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, channels last: give [N, channels, height, width], as "
            "images.transpose(0, 3, 1, 2) is of an array, images.permute(0, 3, 1, 2) of a tensor"
        )
    if images.dtype in (torch.float16, torch.bfloat16):
        images = images.float()
    if images.dtype not in (torch.uint8, torch.float32, torch.float64):
        raise ValueError(f"images are {images.dtype}: give uint8, or float that needs no normalisation")
    for start in range(0, len(images) if images.is_floating_point() else 0, 500):  # a part of them: all may be many
        finite = images[start : start + 500].isfinite().flatten(1).all(1)
        if not finite.all():
            raise ValueError(f"image {start + int(finite.int().argmin())} holds NaN or infinity: replace or remove it")
    return images


def _labels(values: object, count: int, classes: int) -> torch.Tensor:
    labels = tensor(values, "labels")
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if not (whole or labels.numel() == 0) or labels.shape != (count,):
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}: give whole numbers, one for each of the "
            f"{count} images"
        )
    given, labels = labels, labels.long()
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        where = int(outside.nonzero()[0])
        raise ValueError(
            f"label {given[where].item()} of image {where} is out of range: {classes} classes allow 0 to {classes - 1}"
        )
    return labels


def _normalisation(
    mean: Sequence[float] | None, std: Sequence[float] | None, images: torch.Tensor
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Mean and std as numbers, if they fit the images."""
    if mean is None and std is None:
        return None, None
    if mean is None or std is None:
        raise ValueError(f"mean = {mean}, std = {std}: give both or neither")
    if images.is_floating_point():
        low, high = images.aminmax() if images.numel() else (0, 0)
        raise ValueError(
            f"float images are taken as they are, here from {low:.3g} to {high:.3g}: normalise them yourself and leave "
            "mean and std out, or give uint8 images, from 0 to 255"
        )
    try:
        means, stds = (tuple(float(value) for value in np.ravel(each)) for each in (mean, std))
    except (TypeError, ValueError):  # text, objects
        means = stds = ()
    if not len(means) == len(stds) == images.shape[1]:
        raise ValueError(f"mean = {mean}, std = {std}: give one number for each of {images.shape[1]} channels")
    if not all(0 <= value <= 1 for value in means) or not all(0 < value <= 1 for value in stds):
        raise ValueError(f"mean = {means}, std = {stds}: give those of images scaled to 0..1, std above 0")
    return means, stds

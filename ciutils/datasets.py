"""Labelled images, whole sets in memory: scikit-learn's digits, CIFAR, Fashion-MNIST, and any folder of images.

Images stay uint8 and are decoded once; the decoded set is cached. Samples are put into one canonical order, so the
same images give the same runs, bit for bit, whichever copy of a data set they were read from.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import platformdirs
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torchvision import datasets as tv

from ciutils import checks, storage

DATASETS = ("digits", "cifar10", "cifar100", "fashion-mnist")
"""Data sets with a name; "folder:PATH" is the fifth way."""

PAPER_NAMES = {"airplane": "plane", "automobile": "car"}
"""The paper's short names of CIFAR-10 classes; both names are understood everywhere."""

PUBLIC_CODE_STD = (0.2023, 0.1994, 0.2010)
"""Channel standard deviations of the public CIFAR-10 training code; the data's own are (0.2470, 0.2435, 0.2616)."""

_TORCHVISION = {
    "cifar10": (tv.CIFAR10, "cifar-10-batches-py"),
    "cifar100": (tv.CIFAR100, "cifar-100-python"),
    "fashion-mnist": (tv.FashionMNIST, "FashionMNIST"),
}


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
        return storage.sha256_of(parts | images)

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
        return storage.sha256_of({**parts, "classes": np.array(self.classes)})


def load(name: str, root: str | Path | None = None, download: bool = True) -> ImageData:
    """Load a data set by name: "digits", "cifar10", "cifar100", "fashion-mnist" or "folder:PATH".

    `root` is where copies are looked for and downloads go: by default $CIUTILS_DATA, else a cache folder of yours.
    A copy is `root/NAME/{train,test}/CLASS/*.png` (torchvision's ImageFolder) or torchvision's own files; with
    neither, torchvision downloads and checks them. "folder:PATH" reads `PATH/{train,test}/CLASS/*`.

    Raises ValueError for an unknown name or images that do not fit together, FileNotFoundError, naming the three
    ways to get the data, when there is no copy and no download. Book: *Execute a notebook*.
    """
    if name.startswith("folder:"):
        folder = Path(name.removeprefix("folder:")).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {folder}: give 'folder:PATH' with PATH/{{train,test}}/CLASS/*")
        return _image_data(name, *_read_folder(folder))
    checks.one_of(name, (*DATASETS, "folder:PATH"), "dataset")
    if name == "digits":
        return _digits()
    root = Path(root or os.environ.get("CIUTILS_DATA") or platformdirs.user_cache_path("ciutils") / "data").expanduser()
    if (root / name / "train").is_dir():
        return _image_data(name, *_read_folder(root / name))
    return _image_data(name, *_read_torchvision(name, root, download))


def class_index(classes: Sequence[str], wanted: str | int) -> int:
    """Position of a class given by name, by the paper's short name or the data set's own, or by position."""
    if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
        if 0 <= wanted < len(classes):
            return int(wanted)
        raise ValueError(f"class {wanted} is out of range: {len(classes)} classes allow 0 to {len(classes) - 1}")
    name = str(wanted).lower()
    lower = [each.lower() for each in classes]
    return lower.index(checks.one_of(PAPER_NAMES.get(name, name), lower, "class"))


def class_pair(classes: Sequence[str], pair: str | Sequence[str | int]) -> tuple[int, int]:
    """Positions of two different classes given as "cat-dog" or ("cat", "dog"). Names may contain hyphens."""
    both = _halves(classes, pair) if isinstance(pair, str) else tuple(pair)
    if len(both) != 2:
        raise ValueError(f"pair {pair!r}: give two classes, as in 'cat-dog' or ('cat', 'dog')")
    first, second = (class_index(classes, each) for each in both)
    if first == second:
        raise ValueError(f"pair {pair!r}: a class has no interference space with itself; name two different classes")
    return first, second


def _halves(classes: Sequence[str], pair: str) -> tuple[str, ...]:
    """The two names in "t-shirt-shirt": the first cut that gives two known ones, else the first cut at all."""
    pieces = pair.split("-")
    cuts = [("-".join(pieces[:cut]), "-".join(pieces[cut:])) for cut in range(1, len(pieces))]
    known = {each.lower() for each in classes} | set(PAPER_NAMES)
    fitting = [both for both in cuts if {each.lower() for each in both} <= known]
    return (fitting or cuts or [(pair,)])[0]


Raw = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]
"""Training images and labels, test images and labels, classes; images uint8 [N, C, H, W]."""


def _digits() -> ImageData:
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[:, None]  # 0..16 becomes 0..240, exactly
    labels = digits.target.astype(np.int64)
    parts = train_test_split(images, labels, test_size=597, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = parts
    return _image_data("digits", train_images, train_labels, test_images, test_labels, tuple("0123456789"))


def _image_data(
    name: str,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    classes: tuple[str, ...],
) -> ImageData:
    mean, std = _channel_moments(train_images)
    names = tuple(PAPER_NAMES.get(each, each) for each in classes)

    def split(images: np.ndarray, labels: np.ndarray) -> Split:
        order = _canonical_order(images, labels)
        return Split(torch.from_numpy(images[order]), torch.from_numpy(labels[order]), names, mean, std)

    return ImageData(name, split(train_images, train_labels), split(test_images, test_labels))


def _canonical_order(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An order that depends on the samples alone, and on nothing that one sees in them."""
    keys = [
        hashlib.blake2b(image.tobytes() + label.tobytes(), digest_size=16).digest()
        for image, label in zip(images, labels, strict=True)
    ]
    return np.argsort(np.array(keys, dtype="S16"), kind="stable")


def _channel_moments(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Exact mean and standard deviation per channel, of images scaled to 0..1."""
    values = np.arange(256) / 255
    shares = [np.bincount(images[:, c].ravel(), minlength=256) / images[:, c].size for c in range(images.shape[1])]
    means = [float(share @ values) for share in shares]
    stds = [float(np.sqrt(share @ (values - mean) ** 2)) for share, mean in zip(shares, means, strict=True)]
    return tuple(means), tuple(stds)


def _read_torchvision(name: str, root: Path, download: bool) -> Raw:
    maker, files = _TORCHVISION[name]
    present = (root / files).is_dir()
    try:
        train, test = (maker(root, train=part, download=download and not present) for part in (True, False))
    except Exception as error:  # network, proxy, disk and checksum errors are of many types
        if present:
            raise ValueError(
                f"the copy of {name} at {root / files} is damaged or incomplete: move it away to download it again"
            ) from error
        raise FileNotFoundError(
            f"no {name}: (1) with a network, load({name!r}) downloads it; (2) put torchvision's files at "
            f"{root / files}; or (3) put images at {root / name}/{{train,test}}/CLASS/*.png. The folder {root} is "
            "chosen by root= or by $CIUTILS_DATA"
        ) from error
    return (*_arrays(train), *_arrays(test), tuple(train.classes))


def _arrays(part: tv.VisionDataset) -> tuple[np.ndarray, np.ndarray]:
    images = np.asarray(part.data)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), np.asarray(part.targets, dtype=np.int64)


def _read_folder(folder: Path) -> Raw:
    """Both splits of an ImageFolder copy, decoded once and cached under a digest of the files' names and times."""
    for part in ("train", "test"):
        if not (folder / part).is_dir():
            raise FileNotFoundError(f"no folder {folder / part}: {folder} must hold train/CLASS/* and test/CLASS/*")
    train, test = (tv.ImageFolder(folder / part) for part in ("train", "test"))
    if train.classes != test.classes:
        different = sorted(set(train.classes) ^ set(test.classes))
        raise ValueError(f"{folder}: train and test hold different classes: {different}")
    listing = "\n".join(f"{file} {Path(file).stat().st_mtime_ns}" for file, _ in train.samples + test.samples)
    digest = hashlib.sha256(listing.encode()).hexdigest()[:16]
    cache = platformdirs.user_cache_path("ciutils") / "decoded" / f"{folder.name}-{digest}.safetensors"
    if not cache.exists():
        storage.save_weights({"train": _decode(train), "test": _decode(test)}, cache, {"folder": str(folder)})
    images, _ = storage.load_weights(cache)
    return (
        images["train"].numpy(),
        np.array(train.targets),
        images["test"].numpy(),
        np.array(test.targets),
        tuple(train.classes),
    )


def _decode(part: tv.ImageFolder) -> torch.Tensor:
    images = None
    for position, (file, _) in enumerate(part.samples):
        try:
            image = np.asarray(part.loader(file)).transpose(2, 0, 1)
        except (OSError, SyntaxError) as error:
            raise ValueError(f"{file} cannot be read as an image: replace or remove it") from error
        if images is None:
            images = np.empty((len(part.samples), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            sizes = f"{image.shape[2]} x {image.shape[1]}, others {images.shape[3]} x {images.shape[2]}"
            raise ValueError(f"{file} is {sizes}: resize all images to one size first")
        images[position] = image
    return torch.from_numpy(images)

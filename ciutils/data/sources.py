"""Where images come from: scikit-learn's digits, CIFAR, Fashion-MNIST, any folder of images, and anybody's function.

Images stay uint8, and samples are put into one canonical order, so the same images give the same runs, bit for bit,
whichever copy of a data set they were read from; those of a function stay as it gives them.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import socket
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ciutils import checks, files, lookup, progress
from ciutils.choices import DATASETS, NORMALISATIONS
from ciutils.classes import PAPER_NAMES
from ciutils.data import datasets, folders
from ciutils.data.split import ImageData, Split

if TYPE_CHECKING:
    from torchvision import datasets as tv

_PUBLIC_CODE_STD = (0.2023, 0.1994, 0.2010)
"""CIFAR-10's own are (0.2470, 0.2435, 0.2616)."""


# Libraries that read sets are imported where a set is read: each takes seconds, and one's own images need none.
_TORCHVISION = {
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
    "cifar100": ("CIFAR100", "cifar-100-python"),
    "fashion-mnist": ("FashionMNIST", "FashionMNIST"),
}
"""Its class, and the folder where it puts the files."""

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts it, packed."""

_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
_PATIENCE = 15.0  # seconds without an answer


def load(name: str, root: str | Path | None = None, download: bool = True) -> ImageData:
    """Load a data set by name: "digits", "cifar10", "cifar100", "fashion-mnist", "folder:PATH", "file.py:function" or
    "package.module:function".

    `root` is where copies are looked for and downloads go: by default $CIUTILS_DATA, else data/ in `files.cache`.
    A copy is `root/NAME/{train,test}/CLASS/*` or torchvision's own files, of Fashion-MNIST packed ones or Debian's too;
    with none, torchvision downloads and checks them. "folder:PATH" is `PATH/{train,test}/CLASS/*`; `folders.read` says
    how images in folders are read, `datasets.called` what a function may give.

    Raises ValueError for an unknown name or images that do not fit together, FileNotFoundError, naming the three
    ways to get the data, when there is no copy and no download. Book: *Execute a notebook*.
    """
    name, root = str(name), files.expanded(root) if root else files.copies()
    if folder := _folder(name, root):
        return _image_data(name, *folders.read(folder))
    if ":" in name:
        return datasets.called(name)
    return _digits() if name == "digits" else _image_data(name, *_read_torchvision(name, root, download))


def classes(name: str) -> tuple[str, ...]:
    """The names of the classes of `load(name)`, CIFAR-10's own where they are folders; no image in a folder is decoded.

    Errors as in `load`. Book: *Execute a notebook*.
    """
    folder = _folder(name, files.copies())
    return folders.classes(folder) if folder else load(name).classes


def _folder(name: str, root: Path) -> Path | None:
    """The folder that holds the images of a data set as files, one each, if there is one."""
    if name.startswith("folder:"):
        path = files.named_folder(name)
        if not path.is_dir():
            raise FileNotFoundError(f"no folder {path}: give 'folder:PATH' with PATH/{{train,test}}/CLASS/*")
        return path
    if ":" in name:
        return None
    checks.one_of(name, (*DATASETS, "folder:PATH", *lookup.WAYS), "dataset")
    return root / name if name != "digits" and (root / name / "train").is_dir() else None


def normalised(images: ImageData, normalisation: str | tuple[Sequence[float], Sequence[float]]) -> ImageData:
    """`images`, to be normalised by what one of `NORMALISATIONS` means, or by a mean and a deviation for each channel,
    of images scaled to 0..1, as a network was trained.

    Raises ValueError for an unknown one, for the public code's if the images have not 3 channels, and as `Split` does.
    """
    if not isinstance(normalisation, str):
        mean, std = (tuple(each) for each in normalisation)
        if len(mean) != len(std):
            raise ValueError(f"mean = {list(mean)}, std = {list(std)}: give both, a number for each channel")
        train, test = (dataclasses.replace(split, mean=mean, std=std) for split in (images.train, images.test))
        return dataclasses.replace(images, train=train, test=test)
    if checks.one_of(normalisation, NORMALISATIONS, "normalisation") == "data":
        return images
    if (channels := images.train.images.shape[1]) != len(_PUBLIC_CODE_STD):
        raise ValueError(f"normalisation 'public-code' is for 3 channels, not {channels}")
    train, test = (dataclasses.replace(split, std=_PUBLIC_CODE_STD) for split in (images.train, images.test))
    return dataclasses.replace(images, train=train, test=test)


def _digits() -> ImageData:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[:, None]  # 0..16 becomes 0..240, exactly
    labels = digits.target.astype(np.int64)
    parts = train_test_split(images, labels, test_size=597, stratify=labels, random_state=0)
    train_images, test_images, train_labels, test_labels = parts
    return _image_data("digits", (train_images, train_labels), (test_images, test_labels), tuple("0123456789"))


def _image_data(name: str, train: folders.Labelled, test: folders.Labelled, classes: tuple[str, ...]) -> ImageData:
    mean, std = _channel_moments(train[0])
    if name == "cifar10":
        classes = tuple(PAPER_NAMES.get(each, each) for each in classes)

    def split(images: np.ndarray, labels: np.ndarray) -> Split:
        order = _canonical_order(images, labels)
        return Split(torch.from_numpy(images[order]), torch.from_numpy(labels[order]), classes, mean, std)

    return ImageData(name, split(*train), split(*test))


def _canonical_order(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An order that depends on the samples alone, and on nothing that one sees in them."""
    keys = [
        hashlib.blake2b(image.tobytes() + label.tobytes(), digest_size=16).digest()
        for image, label in zip(images, labels, strict=True)
    ]
    return np.argsort(np.array(keys, dtype="S16"), kind="stable")


def _channel_moments(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Exact mean and standard deviation per channel, of images scaled to 0..1.

    A constant channel's deviation is given as 1: normalised, it is 0 everywhere.
    """
    values = np.arange(256) / 255
    # torch counts bytes as they are, numpy copies each into eight.
    channels = [torch.from_numpy(images[:, channel]).flatten() for channel in range(images.shape[1])]
    shares = [channel.bincount(minlength=256).numpy() / len(channel) for channel in channels]
    means = [float(share @ values) for share in shares]
    stds = [float(np.sqrt(share @ (values - mean) ** 2)) for share, mean in zip(shares, means, strict=True)]
    return tuple(means), tuple(std or 1.0 for std in stds)


def _read_torchvision(name: str, root: Path, download: bool) -> folders.Raw:
    from torchvision import datasets as tv

    maker, place = _TORCHVISION[name]
    fashion = name == "fashion-mnist"
    copy = root / place / "raw" if fashion else root / place
    if fashion and (packed := next((each for each in (copy, DEBIAN) if _is_packed(each)), None)):
        return _unpacked(packed / "train"), _unpacked(packed / "t10k"), tuple(tv.FashionMNIST.classes)
    # A download that failed leaves empty folders.
    present = any(path.is_file() for path in (root / place).rglob("*"))
    looked = [str(each) for each in (copy, root / name, *([DEBIAN] if fashion else []))]
    if download and not present:
        progress.say(f"no {name} at {', '.join(looked)}: downloading it to {root / place}")
    try:
        with _bounded_waiting():
            make = partial(getattr(tv, maker), root, download=download and not present)
            train, test = (make(train=part) for part in (True, False))
    except Exception as error:  # network, proxy, disk and checksum errors are of many types
        if present:
            raise ValueError(
                f"the copy of {name} at {root / place} is damaged or incomplete: torchvision looks for its files in "
                f"{copy}; move what is there away to download it again"
            ) from error
        why = " ".join(str(error).split())
        raise FileNotFoundError(
            f"no {name} at {', '.join(looked)}, nor from the network ({why}): (1) with a network, load({name!r}) "
            f"downloads it; (2) put torchvision's files at {copy}"
            f"{', or install the Debian package dataset-fashion-mnist' if fashion else ''}; or (3) put images at "
            f"{root / name}/{{train,test}}/CLASS/*.png. The folder {root} is chosen by root= or by $CIUTILS_DATA"
        ) from error
    return _arrays(train), _arrays(test), tuple(train.classes)


@contextmanager
def _bounded_waiting() -> Iterator[None]:
    """A download that gets no answer ends: torchvision's own would wait for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _is_packed(folder: Path) -> bool:
    """Whether a folder holds Fashion-MNIST's files packed, and not also unpacked."""
    parts = [folder / f"{part}-{what}" for part in ("train", "t10k") for what in (_IMAGES, _LABELS)]
    return all(Path(f"{each}.gz").is_file() and not each.exists() for each in parts)


def _unpacked(stem: Path) -> folders.Labelled:
    """The images and labels in a part's two packed files, in which as many big-endian sizes as the fourth byte says
    stand before the bytes."""
    found = []
    for what in (_IMAGES, _LABELS):
        path = Path(f"{stem}-{what}.gz")
        try:
            held = bytearray(gzip.decompress(path.read_bytes()))  # which may be written to, as torch asks
            start = 4 + 4 * held[3]
            found.append(np.frombuffer(held, np.uint8, offset=start).reshape(np.frombuffer(held[4:start], ">i4")))
        except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
            raise ValueError(f"{path} is damaged ({error}): move it away, or fetch it again") from error
    images, labels = found
    return images[:, None], labels.astype(np.int64)


def _arrays(part: tv.VisionDataset) -> folders.Labelled:
    images = np.asarray(part.data)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), np.asarray(part.targets, dtype=np.int64)

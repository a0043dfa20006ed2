"""Sets that are larger than memory: read once into a file that is mapped into memory, and not loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence, Sized

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional

from ciutils import checks, files
from ciutils.data.split import Split

PRECISIONS = ("uint8", "float32")


def read_once(
    dataset: Dataset | DataLoader | Iterable,
    classes: Sequence[str | int] | None = None,
    *,
    size: tuple[int, int] | None = None,
    precision: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Split:
    """A split of the (image, label) pairs of `dataset`, or of the batches of a DataLoader, each read once.

    Images are Pillow's, or tensors or arrays [C, H, W]. They go into a file in the folder `files.cache`, which the
    system reads from as they are needed, and which is gone with the process. Of memory this takes what one image, or
    one batch of a DataLoader, takes. Measurements then convert a batch at a time where all images would take more than
    `measure.evaluator.KEPT` bytes. classes: those of `dataset` unless given. size: (height, width) to which images are
    brought, bilinear and antialiased, their sides stretched where they must be; the split's `resized` says so, and so
    do spaces measured on it. precision: of the file; "uint8" of float images takes 255 times each value, rounded, and
    a quarter of the space. mean, std: as in `Split`.

    Raises ValueError for images that differ in shape or type, are of another type (Pillow's palettes among them), or
    are not from 0 to 1 where they are to become uint8, and as `Split` does. Book: *Execute a notebook*.
    """
    if precision is not None:
        checks.one_of(precision, PRECISIONS, "precision")
    names = classes if classes is not None else _classes(dataset)
    labels: list[int] = []
    first: np.ndarray | None = None
    folder = files.cache()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for image, label in _pairs(dataset):
            pixels = _pixels(image, size, precision, len(labels))
            first = pixels if first is None else first
            if (pixels.shape, pixels.dtype) != (first.shape, first.dtype):
                raise ValueError(
                    f"image {len(labels)} is {pixels.dtype} of shape {pixels.shape}, others {first.dtype} of "
                    f"{first.shape}: give size=(height, width) to bring all to one size, and all in one type"
                )
            file.write(pixels.tobytes())
            labels.append(int(label))
        if first is None:
            raise ValueError("the data set holds no images: give at least one")
        file.flush()
        # Copy on write: torch takes no array that cannot be written to, and the file stays as it is.
        images = np.memmap(file, first.dtype, "c", shape=(len(labels), *first.shape))
    told = f"{size[0]} x {size[1]}, bilinear, antialiased" if size else ""
    return Split(torch.from_numpy(images), labels, names, mean, std, told)  # type: ignore[arg-type]


def _classes(dataset: object) -> Sequence[str]:
    found = getattr(getattr(dataset, "dataset", dataset), "classes", None)
    if found is None:
        raise ValueError("the data set does not name its classes: give classes=, in the order of the labels")
    return found


def _pairs(dataset: Dataset | DataLoader | Iterable) -> Iterator[tuple[object, int]]:
    if isinstance(dataset, DataLoader):
        for images, labels in dataset:
            yield from zip(images, labels, strict=True)
    elif isinstance(dataset, Sized) and hasattr(dataset, "__getitem__"):
        yield from (dataset[place] for place in range(len(dataset)))
    else:
        yield from dataset  # type: ignore[misc]


def _pixels(image: object, size: tuple[int, int] | None, precision: str | None, place: int) -> np.ndarray:
    """[C, H, W], uint8 or float32."""
    if isinstance(image, Image.Image) and image.mode not in ("L", "RGB"):
        raise ValueError(f"image {place} is of Pillow's mode {image.mode}: convert it to L or RGB first")
    tensor = functional.pil_to_tensor(image) if isinstance(image, Image.Image) else torch.as_tensor(image)
    if tensor.ndim != 3 or not (tensor.is_floating_point() or tensor.dtype == torch.uint8):
        shape = tuple(tensor.shape)
        raise ValueError(f"image {place} is {tensor.dtype} of shape {shape}: give uint8 or float [C, H, W]")
    if size:
        tensor = functional.resize(tensor, list(size), antialias=True)
    if tensor.is_floating_point() and precision == "uint8":
        if not (tensor.min() >= 0 and tensor.max() <= 1):
            raise ValueError(f"image {place} is not from 0 to 1: it cannot become uint8; give precision='float32'")
        tensor = (255 * tensor).round().to(torch.uint8)
    elif precision == "float32" and not tensor.is_floating_point():
        tensor = tensor.float() / 255
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous().numpy()

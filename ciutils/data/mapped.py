"""Sets that are larger than memory: read once into a file that is mapped into memory, and not loaded."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Iterable, Sequence, Sized
from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler, SubsetRandomSampler

from ciutils import checks, files
from ciutils.data import items
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

    Of Hugging Face's sets give pairs, `((each["image"], each["label"]) for each in dataset)`, and the names.

    Raises ValueError for a DataLoader that leaves images out or repeats some, and warns of one that shuffles them.
    Raises ValueError, naming the item, for one that is no pair, for images that differ in shape or type, or are not
    from 0 to 1 where they are to become uint8, and as `items.pair` and `Split` do: after the first item for all that is
    known by then. Book: *Execute a notebook*.
    """
    if precision is not None:
        checks.one_of(precision, PRECISIONS, "precision")
    told = "{} x {}, bilinear, antialiased".format(*checks.size(size)) if size is not None else ""
    source = _items(dataset)
    own = items.names(dataset)
    names = classes if classes is not None else own
    if classes is not None:
        items.agree(classes, own, "classes")
    if names is None:
        raise ValueError("the data set does not name its classes: give classes=, in the order of the labels")
    labels: list[int] = []
    first: Split | None = None
    folder = files.cache()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        for place, item in items.told(source):
            image, label = items.pair(item, place, len(names))
            pixels = _pixels(image, size, precision, place)
            if first is None:  # what does not fit is refused before all others are read
                first = Split(pixels[None], [label], names, mean, std, told)  # type: ignore[arg-type]
            items.alike(pixels, first.images[0], place, "give size=(height, width)")
            file.write(pixels.numpy().tobytes())
            labels.append(label)
        if first is None:
            raise ValueError("the data set holds no images: give at least one")
        file.flush()
        # Copy on write: torch takes no array that cannot be written to, and the file stays as it is.
        shape = (len(labels), *first.images.shape[1:])
        images = np.memmap(file, first.images.numpy().dtype, "c", shape=shape)
    return replace(first, images=torch.from_numpy(images), labels=torch.tensor(labels))


def _items(dataset: Dataset | DataLoader | Iterable) -> Iterable:
    if isinstance(dataset, DataLoader):
        _check_loader(dataset)
    if isinstance(dataset, DataLoader) and dataset.batch_sampler is not None:
        batches = (zip(*batch, strict=True) if isinstance(batch, tuple | list) else [batch] for batch in dataset)
        return itertools.chain.from_iterable(batches)
    if isinstance(dataset, Iterable):
        return dataset
    if isinstance(dataset, Sized) and hasattr(dataset, "__getitem__"):
        return (dataset[place] for place in range(len(dataset)))
    raise ValueError(
        f"the data set is a {type(dataset).__name__}: give a Dataset, a DataLoader, or (image, label) pairs"
    )


def _check_loader(loader: DataLoader) -> None:
    """Raise a ValueError for a loader that does not give each image once; warn of one in another order each time."""
    if getattr(loader.batch_sampler, "drop_last", False):
        raise ValueError("the loader leaves out its last images: make it with drop_last=False, or give its dataset")
    kind = type(loader.sampler).__name__
    if getattr(loader.sampler, "replacement", False):
        raise ValueError(f"the loader's {kind} repeats some images and leaves others out: give its dataset itself")
    if isinstance(loader.sampler, RandomSampler | SubsetRandomSampler):
        warnings.warn(
            f"the loader's {kind} gives images in another order each time: make it with shuffle=False, or give its "
            "dataset, where images are to be compared between networks",
            stacklevel=4,
        )


def _pixels(tensor: torch.Tensor, size: tuple[int, int] | None, precision: str | None, place: int) -> torch.Tensor:
    """[C, H, W], uint8 or float32."""
    if size is not None:
        from torchvision.transforms import functional  # takes as long to import as all else here

        tensor = functional.resize(tensor, list(size), antialias=True)
    if tensor.is_floating_point() and precision == "uint8":
        if not (tensor.min() >= 0 and tensor.max() <= 1):
            low, high = tensor.aminmax()
            raise ValueError(
                f"image {place} is not from 0 to 1 but from {low:.3g} to {high:.3g}: it cannot become uint8; give "
                "uint8 itself, or precision='float32'"
            )
        tensor = (255 * tensor).round().to(torch.uint8)
    elif precision == "float32" and not tensor.is_floating_point():
        tensor = tensor.float() / 255
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()

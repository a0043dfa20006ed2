"""Items of anybody's data set, (image, label): as a tensor and a number, or refused by their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset

from ciutils import checks
from ciutils.data import folders
from ciutils.data.split import tensor

Names = Sequence[str] | np.ndarray
"""Of classes, in the order of the labels."""
MOST_CLASSES = 100_000
"""Where they have no names: larger labels are no positions of classes."""


def names(dataset: Any) -> Names | None:  # noqa: ANN401, whatever a data set is
    """What the data set calls its `classes`, or that which it is a `Subset` or `DataLoader` of, at any depth."""
    # Other wrappers may have changed the labels, and so does a transform of them.
    while not hasattr(dataset, "classes") and isinstance(dataset, Subset | DataLoader):
        dataset = dataset.dataset
    found = getattr(dataset, "classes", None) if getattr(dataset, "target_transform", None) is None else None
    if not isinstance(found, Sequence | np.ndarray):
        return None
    if len(found) and all(isinstance(each, tuple) for each in found):  # of synonyms, as of torchvision's ImageNet
        return [", ".join(map(str, each)) for each in found]
    return found


def agree(given: Sequence[str | int] | np.ndarray, own: Names | None, what: str) -> None:
    """Raise a ValueError if a name that is `given` to one class is what the data set, by its `own` names, calls
    another. New names for all are no contradiction."""
    places = {name: place for place, name in enumerate(checks.class_names(own))} if own is not None and len(own) else {}
    for place, name in enumerate(checks.class_names(given)):
        if places.get(name, place) != place:
            raise ValueError(
                f"{what}: class {place} is given the name {name!r}, by which the data set knows class {places[name]}: "
                "give names in the order of the labels, or none"
            )


def told(source: Iterable) -> Iterator[tuple[int, object]]:
    """Items of `source` with their places. Raises ValueError, naming the place, for one that cannot be had."""
    items, place = iter(source), 0
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except Exception as error:  # somebody's code
            reason = str(error).strip().partition("\n")[0] or "no reason given"
            raise ValueError(f"item {place} cannot be read: {type(error).__name__}: {reason}") from error
        yield place, item
        place += 1


def pair(item: object, place: int, classes: int | None) -> tuple[torch.Tensor, int]:
    """The image, uint8 or float [C, H, W], and the label of the item at `place`, one of `classes` if these are known.

    Pillow's pictures become uint8: grey of 8 bits a channel stays grey, what else `folders.read` takes becomes RGB.
    Raises ValueError for what `folders.read` refuses, other images, and labels that are no whole number or too large.
    """
    if isinstance(item, Mapping):
        keys = ", ".join(map(repr, item))
        recipe = "(each['image'], each['label']) for each in the data set"
        raise ValueError(f"item {place} is a {type(item).__name__} of {keys}: give pairs, as {recipe}")
    if not isinstance(item, tuple | list) or len(item) != 2:
        length = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise ValueError(f"item {place} is a {type(item).__name__}{length}: give (image, label)")
    return _image(item[0], place), _label(item[1], place, classes)


def alike(image: torch.Tensor, first: torch.Tensor, place: int, resize: str) -> None:
    """Raise a ValueError unless the image at `place` has the shape and type of the `first`; `resize` says how to."""
    if (image.shape, image.dtype) == (first.shape, first.dtype):
        return
    shown, others = (f"{each.dtype} {list(each.shape)}" for each in (image, first))
    cure = "give all in one type" if image.dtype != first.dtype else resize
    cure = "convert all to RGB" if len(image) != len(first) else cure
    raise ValueError(f"image {place} is {shown}, those before it {others}: {cure}")


def _image(image: object, place: int) -> torch.Tensor:
    if isinstance(image, Image.Image):
        if fault := folders.fault(image):
            raise ValueError(f"image {place} {fault}")
        rows = np.array(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
        return torch.from_numpy(np.atleast_3d(rows)).permute(2, 0, 1)
    pixels = tensor(image, f"the pixels of image {place}")
    if pixels.ndim != 3 or not (pixels.is_floating_point() or pixels.dtype == torch.uint8):
        raise ValueError(
            f"image {place} is {pixels.dtype} of shape {tuple(pixels.shape)}: give uint8 or float [C, H, W]"
        )
    return pixels


def _label(label: object, place: int, classes: int | None) -> int:
    if isinstance(label, torch.Tensor | np.ndarray) and label.shape in ((), (1,)):
        label = label.item()
    if not isinstance(label, Integral) or isinstance(label, bool):
        shown = repr(label) if isinstance(label, str | float) else f"a {type(label).__name__}"
        raise ValueError(
            f"the label of item {place} is {shown}: give the position of its class, a whole number (argmax of one-hot)"
        )
    if not 0 <= int(label) < (MOST_CLASSES if classes is None else classes):
        allowed = f"{classes} classes allow 0 to {classes - 1}" if classes is not None else "name the classes in order"
        raise ValueError(f"label {label} of image {place} is out of range: {allowed}")
    return int(label)

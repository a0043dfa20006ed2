"""Images in folders, one folder for each class: decoded as they are seen, or refused.

They are decoded once: what was decoded is kept in the cache folder, and decoded again when a file or this code changes.
"""

from __future__ import annotations

import glob
import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
import torch
from filelock import FileLock
from PIL import Image, ImageOps

from ciutils import artifacts, checks, code, files

Labelled = tuple[np.ndarray, np.ndarray]
"""Images uint8 [N, C, H, W], and labels int64 [N]."""

Raw = tuple[Labelled, Labelled, tuple[str, ...]]
"""Training images, test images, classes."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # Pillow's names of what becomes RGB without loss


def read(folder: Path) -> Raw:
    """The images below `folder`, {train,test}/CLASS/*, as RGB [N, 3, H, W], classes in the order of their names.

    Every file is an image, at any depth, but those whose own or whose folder's name begins with a dot.
    Raises ValueError, naming the file, for what is not an image of 8 bits a channel, grey, palette or RGB, is partly
    transparent, holds several pictures, or differs from the others in size; and for classes that do not fit together.
    A class without images in either part is left out with a warning; one that has some in one part stays.
    """
    train, test = _parts(folder)
    images = _decoded(folder, [path for part in (train, test) for paths in part.values() for path in paths])
    labels = [np.repeat(np.arange(len(part)), [len(paths) for paths in part.values()]) for part in (train, test)]
    first = len(labels[0])
    return (images[:first], labels[0]), (images[first:], labels[1]), tuple(train)


def classes(folder: Path) -> tuple[str, ...]:
    """The classes that `read` finds, of images that may not be any: none is decoded. Errors as there."""
    return tuple(_parts(folder)[0])


def _parts(folder: Path) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """The files of each class in train and in test, the same classes in both."""
    train, test = (_listed(folder / part) for part in ("train", "test"))
    if train.keys() != test.keys():
        raise ValueError(f"{folder}: train and test hold different classes: {sorted(train.keys() ^ test.keys())}")
    if empty := [name for name in train if not train[name] + test[name]]:
        warnings.warn(f"left out, without images: {', '.join(map(repr, empty))} of {folder}", stacklevel=3)
        train, test = ({name: part[name] for name in part if name not in empty} for part in (train, test))
    return train, test


def _listed(part: Path) -> dict[str, list[Path]]:
    """The files of each class."""
    if not part.is_dir():
        raise FileNotFoundError(f"no folder {part}: {part.parent} must hold train/CLASS/* and test/CLASS/*")
    entries = sorted(path for path in part.iterdir() if not path.name.startswith("."))
    loose = [path for path in entries if not path.is_dir()]
    if loose:
        raise ValueError(f"{loose[0]} is in no class: move it into the folder of one, or remove it")
    if not entries:
        raise ValueError(f"{part} is empty: it must hold a folder for each class")
    named = {os.fsencode(path.name).decode(errors="surrogateescape"): path for path in entries}  # in any locale
    checks.class_names(list(named))
    listed = {name: sorted(_files(path)) for name, path in named.items()}
    if not any(listed.values()):
        raise ValueError(f"{part} holds no images: put some into the folders of its classes")
    return listed


def _files(folder: Path) -> Iterator[Path]:
    for path in files.below(folder):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _decoded(folder: Path, paths: Sequence[Path]) -> np.ndarray:
    """The images at `paths`, from the cache if it holds them: in one file for `folder`, with what it was made of."""
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    kept = files.cache() / "decoded" / f"{folder.name[:40]}.{key}.safetensors"
    contents = [files.folder_sha256(folder / part) for part in ("train", "test")]
    made_of = {"contents": " ".join(contents), "code": code.digest(("data",)), "pillow": PIL.__version__}

    def found() -> np.ndarray | None:
        with suppress(FileNotFoundError, ValueError):  # none, or damaged
            tensors, theirs = artifacts.load_tensors(kept)
            return tensors["images"].numpy() if theirs == made_of else None
        return None

    if (images := found()) is not None:
        return images
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{kept}.lock"):
            if (images := found()) is None:  # else another process has decoded them meanwhile
                for left in kept.parent.glob(f".{glob.escape(kept.name)}.*.part"):  # by killed writers
                    left.unlink()
                images = _decode(paths)
                artifacts.save_tensors({"images": torch.from_numpy(images)}, kept, made_of)
            return images
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(
            error.errno,
            f"cannot keep decoded images in {kept.parent}: {why}; free some space, or set {files.CACHE} to another one",
        ) from error


def _decode(paths: Sequence[Path]) -> np.ndarray:
    images = np.empty((len(paths), *_pixels(paths[0]).shape), np.uint8)
    for position, path in enumerate(paths):
        image = _pixels(path)
        if image.shape != images.shape[1:]:
            sizes = f"{image.shape[2]} x {image.shape[1]}, others {images.shape[3]} x {images.shape[2]}"
            raise ValueError(
                f"{path} is {sizes}: resize all images to one size first, or let a function give (train, test), each "
                "data.read_once(torchvision.datasets.ImageFolder(PATH), size=(height, width))"
            )
        images[position] = image
    return images


def _pixels(path: Path) -> np.ndarray:
    """The image at `path` as it is seen, turned as its EXIF record says: uint8 RGB [3, H, W]."""
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(path, formats=_FORMATS) as image,
        ):
            why_not = fault(image)
            image.load()  # first, since loading a TIFF turns it
            seen = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Exception as error:  # decoders raise many types
        raise ValueError(f"{path} cannot be read as an image ({error}): replace or remove it") from error
    if why_not:
        raise ValueError(f"{path} {why_not}")
    return seen.transpose(2, 0, 1)


def fault(image: Image.Image) -> str | None:
    """Why `image` would not be the same in RGB of 8 bits a channel, or None."""
    if (pictures := getattr(image, "n_frames", 1)) > 1:
        return f"holds {pictures} pictures: keep one of them"
    # Of RGB with more bits, and of PPM with a maximum of its own, Pillow makes 8 bits without a word.
    rounded = any(
        ";16" in (how := str(tile.args)) or (tile.codec_name.startswith("ppm") and not how.endswith(" 255)"))
        for tile in getattr(image, "tile", ())  # of a file alone
    )
    if image.mode not in _MODES or rounded:
        return f"is not grey, palette or RGB of 8 bits a channel ({image.mode}): convert it first"
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema() != (255, 255):
        return "is partly transparent: put it on a background first"
    return None

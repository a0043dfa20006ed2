"""Files that are either whole or absent: atomic writes, and reads that refuse what is damaged or foreign.

Every artifact carries a digest of its own contents, so a truncated, edited or foreign file is named and refused.
Nothing here ever deletes an artifact.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from safetensors import safe_open
from safetensors.torch import save_file

_DIGEST = "content_sha256"
_FULL = 1 << 16  # bytes free, beside what a failed writer still holds


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then rename it to `path`.

    A reader sees the old file or the new one, whatever dies in between. Raises OSError, naming `path`, when the
    disk is full or read-only; the temporary file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        _flush(temporary)
        temporary.chmod(0o644)  # mkstemp makes files private; artifacts are for everybody
        temporary.replace(path)
        _flush(path.parent)
    except Exception as error:
        # torch, safetensors and HDF5 each have an error of their own for a full disk.
        full = shutil.disk_usage(path.parent).free < _FULL
        if not (full or isinstance(error, OSError)):
            raise
        reason = os.strerror(errno.ENOSPC) if full else error.strerror or error
        raise OSError(
            errno.ENOSPC if full else error.errno,
            f"cannot write {path}: {reason}; free some space or name "
            "another folder, then run again: what is finished is kept",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def save_json(content: Mapping, path: Path) -> None:
    """Write `content` as indented JSON, atomically."""
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    write_atomically(path, lambda file: file.write_text(text))


def save_dataset(dataset: xr.Dataset, path: Path) -> None:
    """Write `dataset` as NetCDF with the digest of its contents, atomically."""
    stamped = dataset.assign_attrs({_DIGEST: _dataset_digest(dataset)})
    encoding = {name: _compression(array.shape) for name, array in dataset.data_vars.items() if array.ndim}
    write_atomically(path, lambda file: stamped.to_netcdf(file, engine="h5netcdf", encoding=encoding))


def _compression(shape: tuple[int, ...]) -> dict[str, object]:
    """Rows of a large table are alike (an image's predictions in successive epochs), so all rows of a few columns are
    compressed together: histories are a third smaller than with whole rows."""
    pieces = {"chunksizes": (shape[0], min(shape[1], 100))} if len(shape) == 2 and math.prod(shape) > 100_000 else {}
    return {"zlib": True, "complevel": 4} | pieces


def load_dataset(path: Path) -> xr.Dataset:
    """Read a dataset that `save_dataset` wrote.

    Raises FileNotFoundError if there is none, ValueError if the file is damaged, truncated or not ours.
    """
    path = _existing(path)
    try:
        dataset = xr.load_dataset(path, engine="h5netcdf")
    except Exception as error:  # the HDF5 layers raise many types on a damaged file
        raise _refused(path, f"{type(error).__name__}") from error
    if dataset.attrs.pop(_DIGEST, None) != _dataset_digest(dataset):
        raise _refused(path, "its contents do not match its digest")
    return dataset


def save_weights(tensors: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors with string `metadata` and the digest of the contents, atomically."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    stamped = {**metadata, _DIGEST: _tensors_digest(plain)}
    write_atomically(path, lambda file: save_file(plain, file, metadata=stamped))


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read (tensors, metadata) that `save_weights` wrote. Errors as in `load_dataset`."""
    path = _existing(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except Exception as error:
        raise _refused(path, f"{type(error).__name__}") from error
    if metadata.pop(_DIGEST, None) != _tensors_digest(tensors):
        raise _refused(path, "its contents do not match its digest")
    return tensors, metadata


def weights_sha256(path: Path) -> str:
    """The digest that `save_weights` wrote into the file, read without the tensors. Errors as in `load_dataset`."""
    try:
        with safe_open(_existing(path), framework="pt") as file:
            return dict(file.metadata())[_DIGEST]
    except FileNotFoundError:
        raise
    except Exception as error:
        raise _refused(path, f"{type(error).__name__}") from error


def sha256_of(parts: Mapping[str, np.ndarray]) -> str:
    """Digest of named arrays: names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        array = np.asarray(parts[name])
        if array.dtype.kind not in "biuf":  # strings come back from a file in another type
            array = np.frombuffer(json.dumps(array.astype(str).tolist()).encode(), np.uint8)
        digest.update(f"{name}|{array.dtype.name}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _dataset_digest(dataset: xr.Dataset) -> str:
    arrays = {name: variable.values for name, variable in dataset.variables.items()}
    dims = {f"dims of {name}": np.array(variable.dims, str) for name, variable in dataset.variables.items()}
    attributes = {f"attribute {name}": np.array([str(value)]) for name, value in dataset.attrs.items()}
    return sha256_of({**arrays, **dims, **attributes})


def _tensors_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    return sha256_of(
        {
            name: tensor.contiguous().view(-1).view(torch.uint8).numpy() if tensor.ndim else tensor.numpy()
            for name, tensor in tensors.items()
        }
    )


def _existing(path: Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no artifact at {path}")
    return path


def _refused(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path} is damaged or was not written by ciutils ({reason}): move it away to compute it again")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

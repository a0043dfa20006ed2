"""Artifacts: labelled arrays in NetCDF, and tensors in safetensors, each with a digest of its own contents.

A truncated, edited or foreign file is named and refused. Nothing here ever deletes an artifact.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ciutils import files

if TYPE_CHECKING:  # torch takes seconds, and whoever reads counts does not need it
    import torch

_DIGEST = "content_sha256"


def save_dataset(dataset: xr.Dataset | xr.DataArray, path: str | Path) -> None:
    """Write `dataset` as NetCDF with the digest of its contents, atomically. An array, such as counts, becomes the
    Dataset that holds it by its name."""
    path, dataset = Path(path), dataset.to_dataset() if isinstance(dataset, xr.DataArray) else dataset
    stamped = dataset.assign_attrs({_DIGEST: _dataset_digest(dataset)})
    encoding = {name: _compression(array.shape) for name, array in dataset.data_vars.items() if array.ndim}
    # In memory first: after a disk that was full, HDF5 ends the process when it gives up its half-written file.
    content = stamped.to_netcdf(engine="h5netcdf", encoding=encoding)
    files.write_atomically(path, lambda file: file.write_bytes(content))


def load_dataset(path: str | Path) -> xr.Dataset:
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


def read_once(path: Path) -> xr.Dataset:
    """What `load_dataset` gives, as a copy. A file is read once by a process, while it is the same: chapters ask for
    the history of a training again and again."""
    return _read(_existing(path), files.version(path)).copy(deep=True)


@functools.lru_cache(maxsize=32)
def _read(path: Path, version: tuple[int, ...]) -> xr.Dataset:
    """`version`: what changes when the file does."""
    return load_dataset(path)


def save_tensors(tensors: Mapping[str, torch.Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors with string `metadata` and the digest of the contents, atomically."""
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    stamped = {**metadata, _DIGEST: _tensors_digest(plain)}
    files.write_atomically(path, lambda file: save_file(plain, file, metadata=stamped))


def load_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read (tensors, metadata) that `save_tensors` wrote. Errors as in `load_dataset`."""
    path = _existing(path)
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except Exception as error:
        raise _refused(path, f"{type(error).__name__}") from error
    if metadata.pop(_DIGEST, None) != _tensors_digest(tensors):
        raise _refused(path, "its contents do not match its digest")
    return tensors, metadata


def tensors_sha256(path: Path) -> str:
    """The digest that `save_tensors` wrote into the file, read without the tensors. Errors as in `load_dataset`."""
    from safetensors import safe_open

    try:
        with safe_open(_existing(path), framework="pt") as file:
            return dict(file.metadata())[_DIGEST]
    except FileNotFoundError:
        raise
    except Exception as error:
        raise _refused(path, f"{type(error).__name__}") from error


def _compression(shape: tuple[int, ...]) -> dict[str, object]:
    """Rows of a large table are alike (an image's predictions in successive epochs), so all rows of a few columns are
    compressed together: histories are a third smaller than with whole rows."""
    pieces = {"chunksizes": (shape[0], min(shape[1], 100))} if len(shape) == 2 and math.prod(shape) > 100_000 else {}
    return {"zlib": True, "complevel": 4, **pieces}


def _dataset_digest(dataset: xr.Dataset) -> str:
    arrays = {str(name): variable.values for name, variable in dataset.variables.items()}
    dims = {f"dims of {name}": np.array(variable.dims, str) for name, variable in dataset.variables.items()}
    attributes = {f"attribute {name}": np.array([str(value)]) for name, value in dataset.attrs.items()}
    return files.sha256_of({**arrays, **dims, **attributes})


def _tensors_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    import torch

    return files.sha256_of(
        {
            name: tensor.contiguous().view(-1).view(torch.uint8).numpy() if tensor.ndim else tensor.numpy()
            for name, tensor in tensors.items()
        }
    )


def _existing(path: str | Path) -> Path:
    path = files.expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"no artifact at {path}{', a folder: name a file' if path.is_dir() else ''}")
    return path


def _refused(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path} is damaged or was not written by ciutils ({reason}): move it away to compute it again")

"""Weights that anybody saved, put into their network."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from ciutils import files


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Put the weights of a file into `model`: .safetensors, or a state_dict that torch.save wrote, also one that stands
    under "state_dict" among other things. Nothing in the file is run.

    Raises FileNotFoundError if there is none, ValueError if it is no such file, or names what does not match `model`.
    """
    path = files.expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    found = _read(path)
    own = model.state_dict()
    lacking, foreign = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
    others = [name for name in own.keys() & found.keys() if own[name].shape != found[name].shape]
    faults = [
        f"{len(names)} {what}, such as {names[0]}"
        for names, what in ((lacking, "are missing"), (foreign, "are not of this network"))
        if names
    ]
    faults += [f"{each} is {list(found[each].shape)}, here {list(own[each].shape)}" for each in sorted(others)[:1]]
    if faults:
        wrapped = {name.removeprefix("module.") for name in found} == own.keys()
        faults += ["save those of the network within the wrapper, as model.module.state_dict()"] if wrapped else []
        raise ValueError(
            f"the weights in {path} do not match {type(model).__name__}: of {len(own)}, {'; '.join(faults)}"
        )
    model.load_state_dict(found)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} holds more than weights: give one of torch.save(model.state_dict(), ...)") from error
    except Exception as error:  # what is raised on a damaged or foreign file is of many types
        raise ValueError(f"{path} cannot be read as weights ({type(error).__name__}): {error}") from error
    found = found.get("state_dict", found) if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping) or not all(isinstance(each, torch.Tensor) for each in found.values()):
        raise ValueError(f"{path} holds a {type(found).__name__}: give one of torch.save(model.state_dict(), ...)")
    return dict(found)

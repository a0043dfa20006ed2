"""Weights that anybody saved, put into their network."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from ciutils import files

_REASON = 120  # characters of what a library says: some of them go on to advise what runs the file
_WRAPPED = r"^(module\.|_orig_mod\.)+|_orig_mod\."
"""In the names of weights: what DataParallel and torch.compile, of a part of the network too, put before them."""


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Put the weights of a file into `model`: .safetensors, or a state_dict that torch.save wrote, also one that stands
    under one name among other things of a checkpoint, or of the network in a DataParallel, torch.compile or one module
    more. Nothing in it is run.

    A weight that the network has under several names may stand under one of them, as safetensors saves it.
    Raises FileNotFoundError if there is none, ValueError if it is no such file, names what does not match `model`, or
    differs under the names of one weight.
    """
    path = files.expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    own = model.state_dict()
    found = _tied(_unwrapped(_read(path), own), own, path)
    lacking, foreign = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
    others = [name for name in own.keys() & found.keys() if own[name].shape != found[name].shape]
    faults = [
        f"{len(names)} {what}, such as {names[0]}"
        for names, what in ((lacking, "are missing"), (foreign, "are not of this network"))
        if names
    ]
    faults += [f"{each} is {list(found[each].shape)}, here {list(own[each].shape)}" for each in sorted(others)[:1]]
    typed = [name for name in own.keys() & found.keys() if _is_float(own[name]) != _is_float(found[name])]
    faults += [f"{each} is {found[each].dtype}, here {own[each].dtype}" for each in sorted(typed)[:1]]
    if faults:
        raise ValueError(
            f"the weights in {path} do not match {type(model).__name__}: of {len(own)}, {'; '.join(faults)}"
        )
    model.load_state_dict(found)


def _unwrapped(found: dict[str, torch.Tensor], own: Mapping[str, object]) -> dict[str, torch.Tensor]:
    """The weights under the names that they have within what wrapped the network, if these are those of `own`."""
    plain = {re.sub(_WRAPPED, "", name): value for name, value in found.items()}
    within = {name.partition(".")[2]: value for name, value in plain.items()}
    one = len({name.partition(".")[0] for name in plain}) == 1  # such as "model." of a Lightning module
    return next((each for each in (found, plain, within if one else plain) if each.keys() == own.keys()), found)


def _tied(found: dict[str, torch.Tensor], own: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """The weights, each under all names that the network has for it."""
    names: dict[tuple, list[str]] = {}
    for name, tensor in own.items():
        if tensor.numel():
            names.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), []).append(name)
    found = dict(found)
    for several in names.values():
        there = [name for name in several if name in found]
        for name in there[1:]:
            if not torch.equal(found[name], found[there[0]]):
                raise ValueError(
                    f"the weights in {path} differ in {there[0]} and {name}, which are one in this network: give those "
                    "of a network with the same ties"
                )
        found |= dict.fromkeys(several, found[there[0]]) if there else {}
    return found


def _is_float(tensor: torch.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def _is_state(found: object) -> bool:
    return (
        isinstance(found, Mapping) and len(found) > 0 and all(isinstance(each, torch.Tensor) for each in found.values())
    )


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} holds more than weights: give one of torch.save(model.state_dict(), ...)") from error
    except Exception as error:  # what is raised on a damaged or foreign file is of many types
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:_REASON]
        raise ValueError(
            f"{path} cannot be read as weights ({reason}): give .safetensors, or one of torch.save(model.state_dict(), "
            "...)"
        ) from error
    if _is_state(found):
        return dict(found)
    parts = {str(name): each for name, each in found.items()} if isinstance(found, Mapping) else {}
    states = {name: each for name, each in parts.items() if _is_state(each)}
    if "state_dict" in states or len(states) == 1:
        return dict(states.get("state_dict") or next(iter(states.values())))
    several = f", of which {' and '.join(sorted(states))} hold weights" if states else ""
    told = f"{', '.join(sorted(parts)[:5])}{several}" if parts else f"a {type(found).__name__}"
    raise ValueError(f"{path} holds {told}: give one of torch.save(model.state_dict(), ...)")

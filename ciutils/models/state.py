"""What stands in a module beside the values of its parameters and buffers, and what a forward pass leaves there."""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TypeGuard

import numpy as np
import torch
from torch import nn


def slots(model: nn.Module) -> list[tuple[nn.Module, str, str, str]]:
    """Every place in `model` that holds a parameter or a buffer: module, "_parameters" or "_buffers", the key, and the
    name that the tensor goes by, its first."""
    first = {id(value): name for name, value in (*model.named_parameters(), *model.named_buffers())}
    return [
        (module, kind, key, first[id(value)])
        for module in model.modules()
        for kind in ("_parameters", "_buffers")
        for key, value in getattr(module, kind).items()
        if value is not None
    ]


@contextmanager
def left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Puts back, at the end, what stands in every submodule: modes, parameters and buffers (not their values), hooks,
    plain attributes, and what lists, sets and dicts among these hold, with the values of their tensors and arrays."""
    tensors = [(getattr(module, kind), key, getattr(module, kind)[key]) for module, kind, key, _ in slots(model)]
    scripted = {module: module.training for module in model.modules() if isinstance(module, torch.jit.ScriptModule)}
    held = [(vars(module), dict(vars(module))) for module in model.modules() if module not in scripted]
    found = reached(model)
    containers = [(each, dict(each) if isinstance(each, dict) else list(each)) for each in found if _holds(each)]
    arrays = [(each, each.copy()) for each in found if isinstance(each, np.ndarray)]
    numbers = [(each, each.detach().clone(), _writes(each)) for each in found if isinstance(each, torch.Tensor)]
    try:
        yield
    finally:
        for attributes, before in held:
            attributes.clear()
            attributes.update(before)
        for container, content in containers:
            _refill(container, content)
        for array, values in arrays:
            np.copyto(array, values)
        for tensor, kept, writes in numbers:
            if _writes(tensor) != writes:
                tensor.detach().copy_(kept)
        for holder, key, value in tensors:
            holder[key] = value
        for module, mode in scripted.items():
            module.training = mode


def held_by(model: nn.Module) -> list[object]:
    """What a forward pass could leave in `model`: which objects stand in its modules, in their lists, sets and dicts,
    and how often each tensor has been written to. Equal before and after a pass that leaves nothing."""
    held: list[object] = []
    for each in (*reached(model), *model.parameters(), *model.buffers()):
        held += [id(each), _writes(each), each.tobytes() if isinstance(each, np.ndarray) else None]
    return held


def reached(model: nn.Module) -> list[object]:
    """What stands in the modules beside parameters and buffers, and what lists, tuples, sets, dicts and plain objects
    in it hold: those of types that are written where the modules are."""
    beside = {type(module).__module__ for module in model.modules()} | {SimpleNamespace.__module__}
    found: dict[int, object] = {}
    pending: list[object] = []
    for module in model.modules():
        for key, value in vars(module).items() if not isinstance(module, torch.jit.ScriptModule) else ():
            if key in ("_parameters", "_buffers", "_modules"):
                found[id(value)] = value
            else:
                pending.append(value)
    while pending:
        value = pending.pop()
        if id(value) not in found:
            found[id(value)] = value
            if isinstance(value, dict):
                pending.extend(value.values())
            elif isinstance(value, tuple | list | set | deque):
                pending.extend(value)
            elif type(value).__module__ in beside and hasattr(value, "__dict__") and not isinstance(value, nn.Module):
                pending.append(vars(value))
    return list(found.values())


def can_be_written(value: torch.Tensor) -> bool:
    """Whether its numbers can be changed in place, each by itself."""
    dense = value.layout == torch.strided and not value.is_meta and not value.is_inference()
    return dense and value.is_floating_point() and 0 not in value.stride()


def _writes(value: object) -> int:
    """How often a tensor has been written to; nothing counts that of one that was made for inference."""
    return value._version if isinstance(value, torch.Tensor) and not value.is_inference() else 0


def _holds(value: object) -> TypeGuard[dict | list | set | deque]:
    return isinstance(value, dict | list | set | deque)


def _each(container: dict | list | set | deque) -> Iterator[object]:
    return itertools.chain(container, container.values()) if isinstance(container, dict) else iter(container)


def _refill(container: dict | list | set | deque, content: dict | list) -> None:
    """Put `content` back if anything else stands there now: a container of somebody's may refuse to be written to."""
    if len(container) == len(content) and all(map(operator.is_, _each(container), _each(content))):
        return
    container.clear()
    (container.extend if isinstance(container, list | deque) else container.update)(content)

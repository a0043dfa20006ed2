"""Anybody's network as a classifier: images in, logits out, the module itself left as it was.

Before anything is measured, the network proves itself on some images of the split: see `proven`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from typing import TypedDict

import torch
from torch import nn
from torch.func import functional_call

from ciutils.data import Split
from ciutils.models import devices

PROOF_IMAGES = 100
"""Images on which a network proves itself."""


_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""How far logits of one function computed in two ways may lie apart, in parts of their spread over the classes."""


_WRAPPERS = (torch.jit.ScriptModule, nn.DataParallel, nn.parallel.DistributedDataParallel)
"""Modules that are called otherwise than by their own weights."""


class Reading(TypedDict, total=False):
    """How a network is read. device: "auto", "cpu" or "cuda". precision: "fp32", the network's own (whatever it is);
    "bf16"; or "auto", the faster of the two on the device. logits: which of a network's several outputs to take."""

    device: str
    precision: str
    logits: str | int | None


class Classifier:
    """`model` in evaluation mode on `device`, as a function from images to logits at weights that can be moved.

    The module is only read: weights and buffers are handed to it at each call (`torch.func.functional_call`), images
    as copies, and what its forward pass leaves in the module is put back. logits: which of several outputs to take.
    state: parameters and buffers by name. training: modules that are in training mode all the same.

    Raises ValueError for what is no module or only wraps one, such as TorchScript or DataParallel.
    """

    def __init__(
        self, model: nn.Module, classes: int, device: torch.device, precision: str, logits: str | int | None = None
    ) -> None:
        if not isinstance(model, nn.Module) or isinstance(model, _WRAPPERS):
            raise ValueError(f"the network is a {type(model).__name__}: give the torch.nn.Module that it was made from")
        if not isinstance(logits, str | Integral | None):
            raise ValueError(f"logits = {logits!r}: give the name or the position of one of the network's outputs")
        self.model, self.classes, self.device, self.precision = model, classes, device, precision
        self.which = int(logits) if isinstance(logits, Integral) else logits
        parameters = {name: value.detach().to(device) for name, value in model.named_parameters()}
        buffers = {name: value.detach().to(device, copy=True) for name, value in model.named_buffers()}
        self.state = parameters | buffers
        self.dtype = next((value.dtype for value in parameters.values() if value.is_floating_point()), torch.float32)
        self.layout = torch.contiguous_format
        self.training: set[nn.Module] = set()
        self._slots = _slots(model)

    def move(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take these parameters and buffers, by name, from now on."""
        self.state = {**self.state, **state}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] of `images` [n, C, H, W], which may be changed by nothing."""
        inputs = images.clone(memory_format=self.layout)
        with (
            _evaluating(self.model, self.training),
            devices.convolutions(self.device),
            devices.autocast(self.device, self.precision),
        ):
            held = {slot: self.state[name] for slot, name in self._slots.items()}
            output = functional_call(self.model, held, (inputs,), tie_weights=False)
        logits = picked(output, self.classes, self.which)
        if len(logits) != len(images):
            raise ValueError(f"the network gives {len(logits)} outputs for {len(images)} images: give one for each")
        return logits


def proven(
    model: nn.Module, split: Split, *, device: str = "auto", precision: str = "fp32", logits: str | int | None = None
) -> Classifier:
    """`model` as a classifier of `split`, once it has shown that the same images give the same logits.

    It reads images channels-last, the faster layout, if it takes them and says the same of them.
    Raises ValueError for an empty split, for outputs that do not match the classes, and for a network that says
    something else the second time, naming the module that does.
    """
    if not len(split):
        raise ValueError("the split holds no images: give at least one")
    where = devices.resolve_device(device)
    classify = Classifier(model, len(split.classes), where, "fp32", logits)
    images = proof_images(split, classify)
    with torch.inference_mode():
        first = classify(images)
        if not agree(first, classify(images)):
            raise ValueError(
                f"the network says something else of the same images the second time, first in "
                f"{_first_unsteady(classify, images)}: switch off what is random or kept there in evaluation mode"
            )
        classify.layout = torch.channels_last
        if not same_function(classify, images, first):
            classify.layout = torch.contiguous_format
    classify.precision = devices.resolve_precision(precision, where)
    return classify


def proof_images(split: Split, classify: Classifier) -> torch.Tensor:
    """The images of `split` on which `classify` proves itself, as it takes them."""
    index = torch.arange(min(PROOF_IMAGES, len(split)))
    return split.inputs(index, classify.dtype, classify.device)


def same_function(
    network: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    expected: torch.Tensor,
    dtype: torch.dtype | None = None,
) -> bool:
    """Whether `network` runs on `images` and gives the `expected` logits, but for the rounding of `dtype`."""
    try:
        found = network(images)
    except Exception:  # somebody's code in a layout or a type that it was not written for may raise anything
        return False
    return agree(expected, found, dtype)


def agree(expected: torch.Tensor, found: torch.Tensor, dtype: torch.dtype | None = None) -> bool:
    """Whether two tables of logits are equal but for the rounding of `dtype`, by default that of `expected`."""
    finite = torch.isfinite(expected)
    if not torch.equal(finite, torch.isfinite(found)):
        return False
    spread = torch.where(finite, expected, 0).double()
    spread = (spread - spread.mean(1, keepdim=True)).abs().max()
    difference = (expected.double() - found.double())[finite].abs()
    return not difference.numel() or bool(difference.max() <= _ROUNDING[dtype or expected.dtype] * spread)


def picked(output: object, classes: int, which: str | int | None = None) -> torch.Tensor:
    """The logits [n, classes] in a network's `output`: a tensor, or several in a tuple, a dict or the like.

    which: a key, a field or a position; without it the one called "logits", else the only one of the right shape.
    Raises ValueError if there is no such output, or none or several fit.
    """
    if isinstance(output, torch.Tensor) and which is None:
        if output.ndim != 2 or output.shape[1] != classes:
            raise ValueError(
                f"the network's outputs have shape {tuple(output.shape)}: the split's {classes} classes need "
                f"[images, {classes}]"
            )
        if output.dtype not in _ROUNDING or output.layout != torch.strided:
            kind = f"{output.dtype}, {output.layout}"
            raise ValueError(f"the network's outputs are {kind}: give logits, floating-point numbers in a dense tensor")
        return output
    parts = _parts(output)
    if which is None:
        fitting = [key for key, part in parts.items() if _fits(part, classes)]
        which = "logits" if "logits" in parts else fitting[0] if len(fitting) == 1 else None
    if which in parts and isinstance(part := parts[which], torch.Tensor):
        return picked(part, classes)
    held = ", ".join(f"{key!r}: {_described(part)}" for key, part in parts.items()) or type(output).__name__
    raise ValueError(f"the network's output holds {held}: choose one of [images, {classes}] with logits=")


def _parts(output: object) -> dict[str | int, object]:
    parts: dict[str | int, object] = {}
    if isinstance(output, Mapping):
        return parts | dict(output)
    if isinstance(output, tuple | list):
        fields = getattr(output, "_fields", ())
        return parts | dict(zip(fields or range(len(output)), output, strict=True))
    return parts


def _fits(part: object, classes: int) -> bool:
    return isinstance(part, torch.Tensor) and part.ndim == 2 and part.shape[1] == classes


def _described(part: object) -> str:
    return str(list(part.shape)) if isinstance(part, torch.Tensor) else type(part).__name__


def checked_finite(logits: torch.Tensor) -> torch.Tensor:
    """`logits` if they are finite, else a ValueError."""
    broken = int((~torch.isfinite(logits)).any(1).sum())
    if broken:
        raise ValueError(
            f"the network's outputs are not finite for {broken} of {len(logits)} images: check its weights"
        )
    return logits


def _slots(model: nn.Module) -> dict[str, str]:
    """Every place in `model` that holds a parameter or a buffer -> the name that it goes by there, its first.

    `functional_call` finds such ties itself, but leaves its own tensors in a module that stands under two names.
    """
    first = {id(value): name for name, value in (*model.named_parameters(), *model.named_buffers())}
    return {
        slot: first[id(value)]
        for prefix, module in model.named_modules()
        for named in (module.named_parameters, module.named_buffers)
        for slot, value in named(prefix, recurse=False, remove_duplicate=False)
    }


@contextmanager
def _evaluating(model: nn.Module, but: Collection[nn.Module]) -> Iterator[None]:
    """Every submodule in evaluation mode, `but` those in training mode. Modes are put back at the end, and tensors that
    a forward pass sets as plain attributes, as the old weight_norm does."""
    modules = list(model.modules())
    modes = [module.training for module in modules]
    attributes = [
        (module, key, value)
        for module in modules
        for key, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    ]
    try:
        model.eval()
        for module in but:
            module.train()
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for module, key, value in attributes:
            vars(module)[key] = value


def _first_unsteady(classify: Classifier, images: torch.Tensor) -> str:
    """The name of the first module to end whose output differs between two passes over the same images."""
    said: list[tuple[str, torch.Tensor]] = []

    def hook(name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, torch.Tensor):
                said.append((name, output.clone()))

        return keep

    modules = dict(classify.model.named_modules())
    hooks = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        classify(images)
        first = said.copy()
        said.clear()
        classify(images)
    finally:
        for each in hooks:
            each.remove()
    for (name, before), (_, now) in zip(first, said, strict=False):
        if before.shape != now.shape or not torch.allclose(before, now, equal_nan=True):
            return f"{name!r} ({type(modules[name]).__name__})" if name else "its own forward pass"
    return "its own forward pass"

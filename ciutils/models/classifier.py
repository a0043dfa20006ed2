"""Anybody's network as a classifier: images in, logits out, the module itself left as it was.

Before anything is measured, the network proves itself on some images of the split: see `proven`.
"""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import TypedDict

import torch
from torch import nn
from torch.nn.utils import parametrize

from ciutils.data import Split
from ciutils.models import devices
from ciutils.models.state import can_be_written, left_as_it_was, reached, slots

PROOF_IMAGES, LARGE_PROOF_IMAGES = 100, 10
"""Images on which a network proves itself; of large ones, of which so many take gigabytes, at least the second."""


_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""How far logits of one function computed in two ways may lie apart, in parts of their spread over the classes."""


COMPANY = 10.0
"""How many times that they may lie apart where products may be computed otherwise, as in batches of another size."""


_LAST_STEPS = 4
"""Of a network, in which its sigmoid or softmax is looked for: a change of shape or a clamp may come after it."""

_WIDE = 0.5
"""How far probabilities of one class lie apart; logits that are all from 0 to 1 hardly differ between images."""

_TO_PROBABILITIES = ("sigmoidbackward", "softmaxbackward", "expbackward")
"""How autograd's names of such steps end; the last is of one that is written out."""


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

    Every call is the first one: weights, buffers and images are handed to the module as copies, and what it keeps of a
    pass, or of going into evaluation mode, is taken from it again. logits: which of several outputs to take. state:
    parameters and buffers by name. training: modules in training mode all the same, which write to `state`.

    Raises ValueError for what is no module or only wraps one, such as TorchScript or DataParallel.
    """

    def __init__(
        self, model: nn.Module, classes: int, device: torch.device, precision: str, logits: str | int | None = None
    ) -> None:
        check_network(model)
        if not isinstance(logits, str | Integral | None) or isinstance(logits, bool):
            raise ValueError(f"logits = {logits!r}: give the name or the position of one of the network's outputs")
        self.model, self.classes, self.device, self.precision = model, classes, device, precision
        self.which = int(logits) if isinstance(logits, Integral) else logits
        parameters = {name: value.detach().to(device) for name, value in model.named_parameters()}
        buffers = {name: value.detach().to(device, copy=True) for name, value in model.named_buffers()}
        self.state = parameters | buffers
        weights = [value for value in parameters.values() if value.is_floating_point()]
        weights.sort(key=lambda value: value.ndim < 2)  # a temperature that stands first says nothing of the images
        self.dtype = weights[0].dtype if weights else torch.float32
        self.layout = torch.contiguous_format
        self.training: set[nn.Module] = set()
        self._slots = slots(model)

    def move(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take these parameters and buffers, by name, from now on."""
        self.state = {**self.state, **state}

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The module at `state` and in evaluation mode, for `forward`; at the end as it was."""
        written = {id(value) for module in self.training for value in module.buffers(recurse=False)}
        with left_as_it_was(self.model), devices.autocast(self.device, "fp32"):  # whatever the caller is in
            given: dict[str, torch.Tensor] = {}
            for module, kind, key, name in self._slots:
                if name not in given:
                    keep = id(getattr(module, kind)[key]) in written
                    given[name] = self.state[name] if keep else self.state[name].clone()
                getattr(module, kind)[key] = given[name]
            self.model.eval()
            for module in self.training:
                module.train()
            yield

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] of `images` [n, C, H, W], while `evaluating`."""
        inputs = images.clone(memory_format=self.layout)
        with devices.convolutions(self.device), devices.autocast(self.device, self.precision):
            output = self.model(inputs)
        logits = picked(output, self.classes, self.which)
        if len(logits) != len(images):
            raise ValueError(f"the network gives {len(logits)} outputs for {len(images)} images: give one for each")
        return logits

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] of `images` [n, C, H, W], which may be changed by nothing."""
        with self.evaluating():
            return self.forward(images)


def layers(model: nn.Module) -> str:
    """Which layers a network has, with their settings, and which of its parameters are trained: the same for the same
    network in another process."""
    frozen = [name for name, value in model.named_parameters() if not value.requires_grad]
    return re.sub("0x[0-9a-f]+", "", repr(model)) + ("\nfrozen: " + ", ".join(frozen) if frozen else "")


def check_split(split: object) -> None:
    """Raise ValueError unless `split` is a Split with images in it."""
    if not isinstance(split, Split):
        raise ValueError(
            f"images are a {type(split).__name__}: give a Split, such as data.load(...).train, data.Split(images, "
            "labels, classes) or data.read_once(loader)"
        )
    if not len(split):
        raise ValueError("the split holds no images: give at least one")


def check_network(model: object) -> None:
    """Raise ValueError unless `model` is a module whose weights can be read."""
    if not isinstance(model, nn.Module) or isinstance(model, _WRAPPERS):
        raise ValueError(f"the network is a {type(model).__name__}: give the torch.nn.Module that it was made from")
    if compiled := [name for name, module in model.named_modules() if _compiled(module)]:
        which = f"its module {compiled[0]!r}" if compiled[0] else f"a {type(model).__name__}"
        raise ValueError(
            f"the network is compiled ({which}), for weights that stand still: give the module that torch.compile was "
            "given, as network._orig_mod, or build it again"
        )
    if getattr(parametrize, "_cache_enabled", 0):
        raise ValueError("torch.nn.utils.parametrize.cached() is on, and weights stand still under it: leave it first")
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer):
            raise ValueError(f"the network's {name} has no shape yet: run it once, on one batch of its images")
        if value.is_meta:
            raise ValueError(f"the network's {name} is on the device meta, which holds no values: load its weights")
        if value.is_floating_point() and value.dtype not in _ROUNDING:
            raise ValueError(f"the network's {name} is {value.dtype}: convert it, as with network.float()")


def _compiled(module: nn.Module) -> bool:
    """Whether torch.compile wraps it, or its compile() was called."""
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None


def proven(
    model: nn.Module, split: Split, *, device: str = "auto", precision: str = "fp32", logits: str | int | None = None
) -> Classifier:
    """`model` as a classifier of `split`, once it has shown that an image gets the same logits whenever it is shown.

    It reads images channels-last, the faster layout, if it takes them and says the same of them.
    Raises ValueError for an empty split, for outputs that do not match the classes, for a network that says something
    else the second time, naming the module that does, for one that says something else in other company, and for
    outputs that are probabilities.
    """
    check_split(split)
    where = devices.resolve_device(device)
    classify = Classifier(model, len(split.classes), where, "fp32", logits)
    images = proof_images(split, classify)
    with torch.no_grad():
        with in_one_line(images):
            classify(images)
            classify(images[:1])
        with classify.evaluating():
            first, second = classify.forward(images), classify.forward(images)
        if not agree(first, second):
            raise ValueError(
                f"the network says something else of the same images the second time, first in "
                f"{_first_unsteady(classify, images)}: switch off what is random or kept there in evaluation mode"
            )
        _check_no_probabilities(first, lambda: _ends_in_probabilities(classify, images[:1]))
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))  # which no grouping outlives
        parts = order.tensor_split([len(order) // 3 or 1]) if len(order) > 1 else [order]
        if not agree(first[order], torch.cat([classify(images[part]) for part in parts]), slack=COMPANY):
            raise ValueError(
                "the network says something else of an image in other company: let nothing in it, such as batch-norm "
                "without running statistics, depend on the other images of a batch in evaluation mode"
            )
        classify.layout = torch.channels_last
        if not same_function(classify, images, first):
            classify.layout = torch.contiguous_format
    classify.precision = devices.resolve_precision(precision, where)
    return classify


@contextmanager
def in_one_line(images: torch.Tensor) -> Iterator[None]:
    """Raises ValueError with its own reason where a network, somebody's code, cannot be run on `images`."""
    try:
        yield
    except (ValueError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or "no reason given"
        cure = "give the images that it was made for" if isinstance(error, RuntimeError) else "mend it"
        raise ValueError(
            f"the network does not run on images {list(images.shape[1:])} of {images.dtype}{_place(error)}: "
            f"{type(error).__name__}: {reason}; {cure}"
        ) from error


def _place(error: Exception) -> str:
    """The line of somebody's code, neither torch's nor this package's, where an error arose or that called for it."""
    ours = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(ours)]
    return f", in line {frames[-1].lineno} of {Path(frames[-1].filename).name}" if frames else ""


@torch.no_grad()
def beside(classify: Classifier, images: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Other parameters, each about a twentieth of its size from the network's, and the logits of `images` there.

    Raises ValueError if the module itself, with these written into it, says something else: then it reaches some of its
    weights otherwise than as parameters, and moving them, or asking for their gradient, would miss those. So does it if
    it computes with what it made of a parameter in an earlier pass.
    """
    generator = torch.Generator().manual_seed(0)

    def shaken(value: torch.Tensor) -> torch.Tensor:
        noise, size = torch.randn(value.shape, generator=generator).to(value), value.square().mean().sqrt()
        return value + 0.05 * noise * (size.clamp_min(0.01) if size else 1.0)  # of what is 0 less would not be seen

    model, home, precision = classify.model, classify.state, classify.precision
    own = {name: value.data for name, value in model.named_parameters() if value.is_floating_point()}
    held = own | dict(model.named_buffers())
    before = {name: value.detach().clone() for name, value in held.items()}
    classify.move({name: shaken(home[name]) for name in own})
    try:
        classify.precision = "fp32"
        moved, logits = classify.state, classify(images)
        with left_as_it_was(model):
            for name, value in own.items():
                value.copy_(moved[name])
            model.eval()
            places = {value.device for value in own.values()}
            inputs = images.to(places.pop() if len(places) == 1 else images.device, copy=True)
            with devices.autocast(inputs.device, "fp32"):  # whatever the caller is in
                plainly = picked(model(inputs), classify.classes, classify.which)
    finally:
        classify.state, classify.precision = home, precision
        for name, value in held.items():
            value.copy_(before[name])
    if not agree(logits, plainly.to(logits), slack=COMPANY):
        raise ValueError(
            "the network reaches some of its weights otherwise than as parameters, such as in a list, in a function or "
            "as a copy made before: let its forward pass take each from the module that holds it"
        )
    _check_no_copies(classify, images, moved)
    return moved, logits


def _check_no_copies(classify: Classifier, images: torch.Tensor, moved: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError if the network computes with a tensor that it keeps beside its parameters, of the size of one
    that changes nothing: with what was made of that before."""
    home, said = classify.state, classify(images)
    sizes = {name: value.numel() for name, value in classify.model.named_parameters() if value.is_floating_point()}

    def changes() -> bool:
        return not torch.equal(classify(images), said)

    for held in reached(classify.model):
        if not isinstance(held, torch.Tensor) or not can_be_written(held):
            continue
        alike = [name for name, size in sizes.items() if size == held.numel() > 1]
        kept = held.detach().clone()
        held.detach().mul_(1.1).add_(0.1)
        read = bool(alike) and changes()
        held.detach().copy_(kept)
        for name in alike if read else ():
            classify.move({name: moved[name]})
            moves, classify.state = changes(), home
            if not moves:
                raise ValueError(
                    f"the network computes with what it made of {name!r} before, and keeps, which would stand still: "
                    "let its forward pass take the parameter itself, or clear what is kept"
                )


def proof_images(split: Split, classify: Classifier) -> torch.Tensor:
    """The images of `split` on which `classify` proves itself, as it takes them."""
    return split.inputs(proof_positions(split), classify.dtype, classify.device)


def proof_positions(split: Split) -> torch.Tensor:
    """Positions of the images on which networks prove themselves: from all of the split, so not of one class alone."""
    count = max(LARGE_PROOF_IMAGES, split.batch_size(PROOF_IMAGES))
    return torch.linspace(0, len(split) - 1, min(count, len(split)), dtype=torch.float64).round().long()


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


def agree(expected: torch.Tensor, found: torch.Tensor, dtype: torch.dtype | None = None, slack: float = 1.0) -> bool:
    """Whether two tables of logits are equal but for the rounding of `dtype`, by default that of `expected`, times
    `slack`."""
    finite = torch.isfinite(expected)
    if not torch.equal(finite, torch.isfinite(found)):
        return False
    spread = torch.where(finite, expected, 0).double()
    if expected.shape[1] > 1:  # what all classes have in common decides nothing
        spread = spread - spread.mean(1, keepdim=True)
    spread = spread.abs().max()
    difference = (expected.double() - found.double())[finite].abs()
    return not difference.numel() or bool(difference.max() <= slack * _ROUNDING[dtype or expected.dtype] * spread)


def picked(output: object, classes: int, which: str | int | None = None) -> torch.Tensor:
    """The logits [n, classes] in a network's `output`: a tensor, or several in a tuple, a dict or the like.

    which: a key, a field or a position; without it the one called "logits", else the only one of the right shape. A
    tensor is the first, and the one called "logits". Raises ValueError if there is no such output, or none or several
    fit.
    """
    parts = _parts(output)
    if isinstance(which, str) and which not in parts and which.isdecimal():
        which = int(which)  # a position, as text
    if isinstance(output, torch.Tensor):
        if which not in (None, 0, "logits"):
            raise ValueError(f"logits = {which!r}: the network has one output, {list(output.shape)}; leave logits out")
        if output.ndim != 2 or output.shape[1] != classes:
            alone = ", of one image too, whose dimension squeeze() without a number drops" * (output.ndim == 1)
            first = f", or labels from 0 to {classes - 2} alone" * (output.shape[1:] == (classes - 1,))
            raise ValueError(
                f"the network's outputs have shape {tuple(output.shape)}: the split's {classes} classes need "
                f"[images, {classes}]{alone}{first}"
            )
        if output.dtype not in _ROUNDING or output.layout != torch.strided:
            kind = f"{output.dtype}, {output.layout}"
            raise ValueError(f"the network's outputs are {kind}: give logits, floating-point numbers in a dense tensor")
        return output
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


def _check_no_probabilities(outputs: torch.Tensor, ending: Callable[[], bool]) -> None:
    """Raise ValueError for outputs of a softmax, or of a sigmoid for each class: all are from 0 to 1, and not all
    certain, as those of a network of one-hot logits are. ending: whether such a step ends the network.

    Logits of a network that was hardly trained may lie there too, close together, so of others it is only warned; so it
    is of outputs whose sum is the same for every image, as of probabilities in percent: a network may end in a
    normalisation.
    """
    uncertain = ((outputs > 0) & (outputs < 1)).any()
    if outputs.shape[1] < 2 or not uncertain or (outputs < 0).any() or (outputs > 1).any():
        _warn_of_one_sum(outputs)
        return
    if ((outputs.double().sum(1) - 1).abs() < 0.01).all():
        raise ValueError(
            "the network's outputs are probabilities, whose sum is 1 for every image: give its logits, without the "
            "softmax at its end"
        )
    if ending():
        raise ValueError(
            "the network's outputs are all from 0 to 1 and those of a sigmoid or of a part of a softmax, a probability "
            "for each class: give its logits, without that step at its end"
        )
    if (outputs.amax(0) - outputs.amin(0)).max() > _WIDE:
        warnings.warn(
            "the network's outputs are all from 0 to 1, as probabilities are: losses and gradients are right for "
            "logits alone",
            stacklevel=3,
        )


def _warn_of_one_sum(outputs: torch.Tensor) -> None:
    """Logits may be centred, so that their sum is 0; no other is to be expected of outputs that differ."""
    sums, size = outputs.double().sum(1), float(outputs.abs().max())
    differ = len(outputs) > 1 and bool((outputs != outputs[0]).any())
    if differ and float(sums.max() - sums.min()) < 1e-4 * size < 1e-1 * abs(float(sums.mean())):
        warnings.warn(
            f"the network's outputs have the sum {float(sums.mean()):.4g} for every image, as probabilities times a "
            "number do: losses and gradients are right for logits alone",
            stacklevel=4,
        )


def _ends_in_probabilities(classify: Classifier, image: torch.Tensor) -> bool:
    """Whether a sigmoid or a softmax is among the last steps of the network, as autograd notes them."""
    with torch.enable_grad(), classify.evaluating():
        step = classify.forward(image.clone().requires_grad_()).grad_fn
    for _ in range(_LAST_STEPS):
        if step is None or step.name().lower().rstrip("0123456789").endswith(_TO_PROBABILITIES):
            return step is not None
        step = step.next_functions[0][0] if step.next_functions else None
    return False


def checked_finite(logits: torch.Tensor) -> torch.Tensor:
    """`logits` if they are finite, else a ValueError."""
    broken = int((~torch.isfinite(logits)).any(1).sum())
    if broken:
        raise ValueError(
            f"the network's outputs are not finite for {broken} of {len(logits)} images: check its weights"
        )
    return logits


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
        with classify.evaluating():
            classify.forward(images)
            first = said.copy()
            said.clear()
            classify.forward(images)
    finally:
        for each in hooks:
            each.remove()
    for (name, before), (_, now) in zip(first, said, strict=False):
        if before.shape != now.shape or not torch.allclose(before, now, equal_nan=True):
            return f"{name!r} ({type(modules[name]).__name__})" if name else "its own forward pass"
    return "its own forward pass"

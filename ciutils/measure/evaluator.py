"""Evaluate one network at many points of a plane in weight space, as fast as the machine allows.

The images are converted once and stay on the device, unless they are large. Nothing here knows what the plane is
spanned by.
"""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ciutils import files
from ciutils.data import Split
from ciutils.measure.folding import Fast
from ciutils.models import devices, outputs
from ciutils.models.classifier import (
    Classifier,
    Reading,
    beside,
    in_one_line,
    layers,
    proof_images,
    proven,
    same_function,
)
from ciutils.models.state import held_by

BATCH = {"cpu": 250, "cuda": 2000}
"""Images of 32 x 32 that keep a device busy; more would leave a CPU's caches."""


KEPT = {"cpu": 1 << 29, "cuda": 1 << 32}
"""Bytes up to which converted images are kept; more are converted a batch at a time, at every point anew. That costs a
CPU some percent of a small network's pass, and of a large one's nothing to speak of."""


STATISTICS = 500
"""Images of which batch-norm can take its statistics: more than its own running means hold, and a third of the cost."""


ALL = slice(None)


class Images:
    """A split on the device, in batches (inputs, labels), as the network reads it, in a seeded random order.

    Converted once if that takes at most `KEPT` bytes.
    """

    def __init__(
        self, split: Split, batch_size: int, device: torch.device, dtype: torch.dtype, layout: torch.memory_format
    ) -> None:
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
        self.classes = len(split.classes)
        self.total = len(split)
        self._index = order.tensor_split(-(-len(split) // batch_size))
        self._convert = lambda index: (
            split.inputs(index, dtype, device).contiguous(memory_format=layout),
            split.labels[index].to(device),
        )
        small = split.images.numel() * dtype.itemsize <= KEPT[device.type]
        self._kept = [self._convert(index) for index in self._index] if small else None

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return map(self._convert, self._index) if self._kept is None else iter(self._kept)


@dataclass(frozen=True, eq=False)
class Measured:
    """What one point gives: counts (true, predicted) int64; loss_sum (true) float64, summed cross-entropy; undefined,
    the number of images whose output was not finite."""

    counts: np.ndarray
    loss_sum: np.ndarray
    undefined: int

    @property
    def seen(self) -> int:
        """Images evaluated."""
        return int(self.counts.sum())

    @property
    def mistakes(self) -> int:
        """Images misclassified."""
        return self.seen - int(self.counts.trace())


class Evaluator:
    """Measures `model` on `split` at given weights: confusion counts and loss sums of every class.

    bn: "frozen" keeps the running statistics; "recalibrated" takes them anew at every point, in one more pass over the
    images of `statistics`, or of `split`. The model handed in is only read. Measured is its `fast` copy if that
    computes the same, at the network's weights and beside them; else the module itself, with a warning. reading: as in
    `measure.counts`, but precision is "auto" by default; errors as there.
    sha256: digest of the whole network: layers, parameters and buffers. evaluated: "fast copy" or "module". precision:
    "fp32" or "bf16".
    """

    def __init__(
        self,
        model: nn.Module,
        split: Split,
        bn: str,
        batch_size: int | None = None,
        statistics: Split | None = None,
        **reading: Unpack[Reading],
    ) -> None:
        if statistics is not None:
            _check_alike(statistics, split, bn)
        devices.keep_freed_memory()
        chosen: Reading = {"precision": "auto", **reading}
        if bn == "recalibrated" and (same := _kept_statistics(model)):
            warnings.warn(f'bn = "recalibrated": {same}', stacklevel=3)
        self.bn, self.classify = bn, proven(model, split, **chosen)
        told = np.frombuffer(layers(model).encode(), np.uint8)
        values = {name: _array(value) for name, value in self.classify.state.items()}
        self.sha256 = files.sha256_of({**values, "": told})
        self.network = _fastest(self.classify, proof_images(split, self.classify))
        self.precision = self.network.precision
        self.classify.precision = self.precision if self.classify.dtype == torch.float32 else "fp32"  # that is its own
        self.evaluated = "fast copy" if isinstance(self.network, Fast) else "module"
        size = batch_size or split.batch_size(BATCH[self.classify.device.type])

        def resident(images: Split) -> Images:
            return Images(images, size, self.classify.device, self.network.dtype, self.network.layout)

        self.images = resident(split)
        self.sources = self.images if statistics is None else resident(statistics)

    @torch.no_grad()
    def move(self, weights: Mapping[str, torch.Tensor], batches: slice = ALL) -> None:
        """Go to the parameters given by name; the others stay. batches: those that recalibrated statistics are of."""
        if self.bn == "recalibrated":
            chosen = itertools.islice(self.sources, *batches.indices(len(self.sources)))
            self.classify.move(weights)
            weights = {**weights, **_statistics(self.classify, (inputs for inputs, _ in chosen))}
        self.network.move(weights)

    @torch.no_grad()
    def measure(self, enough: Callable[[torch.Tensor], bool] | None = None) -> Measured:
        """Evaluate all images, or batches of them until `enough`(counts so far) is true."""
        classes, device = self.images.classes, self.classify.device
        counts = torch.zeros(classes, classes, dtype=torch.int64, device=device)
        loss_sum = torch.zeros(classes, dtype=torch.float64, device=device)
        undefined = torch.zeros((), dtype=torch.int64, device=device)
        for inputs, labels in self.images:
            with in_one_line(inputs):
                logits = self.network(inputs)
            logits = logits if logits.dtype == torch.float64 else logits.float()
            outputs.count_into(counts, labels, logits)
            each = functional.cross_entropy(logits, labels, reduction="none")
            loss_sum.index_add_(0, labels, each.double())
            undefined += (~torch.isfinite(logits)).any(1).sum()
            if enough and enough(counts):
                break
        return Measured(counts.cpu().numpy(), loss_sum.cpu().numpy(), int(undefined))


@torch.no_grad()
def _fastest(classify: Classifier, images: torch.Tensor) -> Fast | Classifier:
    """The fast copy of a network, in the precision of `classify`, if it computes what the module itself does at the
    network's weights and beside them; else `classify`. What bf16 cannot compute is computed in fp32."""
    wanted, classify.precision = classify.precision, "fp32"
    points = [beside(classify, images), (classify.state, classify(images))]  # it ends at home

    def proves(precision: str) -> Fast | None:
        dtype = torch.bfloat16 if precision == "bf16" else None
        try:
            fast = Fast(classify, precision)
        except Exception:  # copying and tracing run somebody's code
            return None
        for state, logits in points:
            fast.move(state)
            before = held_by(fast.model)
            if not same_function(fast, images, logits, dtype):
                return None
        return fast if held_by(fast.model) == before else None  # a first pass may keep something, such as positions

    exact = proves("fp32")
    if exact is None:
        warnings.warn(
            "no fast copy of the network computes what the network does: the network itself is measured, more slowly, "
            "in its own precision",
            stacklevel=4,
        )
        return classify
    return proves("bf16") or exact if wanted == "bf16" else exact


def _kept_statistics(model: nn.Module) -> str:
    """What recalibrating does not reach, in words; "" if it reaches all running statistics, and there are some."""
    norms = batch_norms(model)
    known = {id(layer) for layer in norms.values()}
    kept = [
        name
        for name, module in model.named_modules()
        if getattr(module, "running_mean", None) is not None and id(module) not in known
    ]
    if kept:
        return f"{', '.join(kept)} keep their statistics: they are no batch-norm of torch.nn"
    return "" if norms else "it is the same as frozen here, as the network has no batch-norm of torch.nn"


def _check_alike(statistics: Split, split: Split, bn: str) -> None:
    """Raise ValueError unless batch-norm can take its statistics from the images of `statistics`."""
    if bn != "recalibrated":
        raise ValueError(f'bn = {bn!r} takes no statistics from images: give bn = "recalibrated", or no statistics')
    if not isinstance(statistics, Split) or not len(statistics):
        raise ValueError(f"statistics = {statistics!r}: give a Split of some hundred images")
    ours, theirs = ((each.images.shape[1:], each.images.dtype, each.mean, each.std) for each in (split, statistics))
    if ours != theirs:
        raise ValueError(
            f"statistics are of {statistics!r}, the images are {split!r}: give such images, normalised in the same way"
        )


def for_statistics(split: Split) -> Split:
    """A class-stratified subset of `split` of which batch-norm can take its statistics: `STATISTICS` images, or all."""
    return split.stratified(min(STATISTICS, len(split)))


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """The layers of `model` that keep batch-norm statistics, by name: what bn = "recalibrated" takes anew."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    }


def _statistics(classify: Classifier, batches: Iterable[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Batch-norm statistics at the weights of `classify`: the plain mean over `batches`, by the buffers' names."""
    norms = batch_norms(classify.model)
    momenta = [norm.momentum for norm in norms.values()]
    found = {
        f"{name}.{key}": torch.full_like(value, key == "running_var")
        for name, norm in norms.items()
        for key, value in norm.named_buffers(recurse=False)
    }
    classify.move({name: value.to(classify.device, copy=True) for name, value in found.items()})
    classify.training = set(norms.values())
    calls: Counter[_BatchNorm] = Counter()

    def average(norm: _BatchNorm, _: object) -> None:
        calls[norm] += 1
        norm.momentum = 1 / calls[norm]  # the plain mean, over a norm's calls: one layer may be called several times

    hooks = [norm.register_forward_pre_hook(average) for norm in norms.values()]
    try:
        for inputs in batches:
            inputs = inputs.to(classify.dtype)  # those of a fast copy may be of another type
            with in_one_line(inputs):
                classify(inputs)
    finally:
        for hook in hooks:
            hook.remove()
        classify.training = set()
        for norm, momentum in zip(norms.values(), momenta, strict=True):
            norm.momentum = momentum
    for name, norm in norms.items():
        keys = [f"{name}.{key}" for key, _ in norm.named_buffers(recurse=False)]
        untouched = all(torch.equal(classify.state[key], found[key].to(classify.device)) for key in keys)
        if untouched and _matters(classify, f"{name}.running_mean", inputs):  # else it is one that no image passes
            raise ValueError(
                f'bn = "recalibrated": batch-norm {name!r} takes no statistics when it alone is in training mode; '
                'let it, or give bn = "frozen"'
            )
    return {name: classify.state[name] for name in found}


def _matters(classify: Classifier, buffer: str, images: torch.Tensor) -> bool:
    """Whether the logits of `images` depend on a buffer."""
    home, before = classify.state, classify(images)
    classify.move({buffer: home[buffer] + 1})
    after, classify.state = classify(images), home
    return not torch.equal(before, after)


class Plane:
    """Weights origin - theta1 first - theta2 second, each {parameter name: tensor}, on `device`."""

    def __init__(
        self, origin: Mapping[str, torch.Tensor], axes: Sequence[Mapping[str, torch.Tensor]], device: torch.device
    ) -> None:
        self.names = list(axes[0])
        self.shapes = [origin[name].shape for name in self.names]
        self.dtypes = [origin[name].dtype for name in self.names]
        self.origin, self.first, self.second = (
            torch.cat([tensors[name].detach().flatten() for name in self.names]).to(device)
            for tensors in (origin, *axes)
        )

    def sha256(self) -> str:
        """Digest of the plane: which weights, which directions."""
        vectors = {"origin": self.origin, "first": self.first, "second": self.second}
        return files.sha256_of({name: _array(vector) for name, vector in vectors.items()})

    def at(self, theta1: float, theta2: float) -> dict[str, torch.Tensor]:
        """The parameters at one point, by name."""
        flat = self.origin.add(self.first, alpha=-theta1).add_(self.second, alpha=-theta2)
        pieces = flat.split([shape.numel() for shape in self.shapes])
        named = zip(self.names, pieces, self.shapes, self.dtypes, strict=True)
        return {name: piece.view(shape).to(dtype) for name, piece, shape, dtype in named}


def _array(tensor: torch.Tensor) -> np.ndarray:
    """The same values in a type that numpy has."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()

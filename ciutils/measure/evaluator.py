"""Evaluate one network at many points of a plane in weight space, as fast as the machine allows.

The images are converted once and stay on the device; batch-norm is folded into the convolutions before it; weights
are written in place. Nothing here knows what the plane is spanned by.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ciutils import files
from ciutils.data import Split
from ciutils.models import devices, outputs

_FOLDS = {nn.BatchNorm1d: nn.Conv1d, nn.BatchNorm2d: nn.Conv2d, nn.BatchNorm3d: nn.Conv3d}
_LINEAR_MAPS = (*_FOLDS.values(), nn.Linear)


def foldable(model: nn.Module) -> dict[str, str]:
    """Batch-norms of a `model` in evaluation mode that can be folded exactly: convolution's name -> batch-norm's name.

    Exact means: the batch-norm is the only reader of the convolution's output, has running statistics, and neither is
    called twice, shared, hooked, or a subclass. Found by tracing the module, so it holds for anybody's network; one
    that cannot be traced has none.
    """
    try:
        graph = fx.symbolic_trace(model).graph
    except Exception:  # tracing runs the network's own code, which may raise anything
        return {}
    modules = dict(model.named_modules())
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    read_directly = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    holders = Counter(id(tensor) for module in modules.values() for tensor in module.parameters(recurse=False))

    def plain(name: str) -> bool:
        module = modules[name]
        return (
            calls[name] == 1
            and name not in read_directly
            and not module._forward_hooks
            and not module._forward_pre_hooks
            and all(holders[id(tensor)] == 1 for tensor in module.parameters(recurse=False))
        )

    pairs = {}
    for node in graph.nodes:
        if node.op != "call_module" or type(modules[node.target]) not in _FOLDS:
            continue
        before = node.args[0] if node.args else node.kwargs["input"]
        if before.op != "call_module" or len(before.users) != 1:
            continue
        norm, layer = modules[node.target], modules[before.target]
        fitting = type(layer) is _FOLDS[type(norm)] and norm.running_mean is not None
        if fitting and plain(before.target) and plain(node.target):
            pairs[before.target] = node.target
    return pairs


def _batch_size(split: Split, device: torch.device) -> int:
    """Images that keep the machine busy: 250 of 32 x 32 on a CPU, where more would leave its caches, or 2,000."""
    height, width = split.images.shape[2:]
    return max(1, (2000 if device.type == "cuda" else 250) * 32 * 32 // (height * width))


class Images:
    """A split on the device, in batches: converted once to what the network reads, in a seeded random order."""

    def __init__(self, split: Split, batch_size: int, device: torch.device, dtype: torch.dtype, seed: int = 0) -> None:
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
        self.classes = len(split.classes)
        self.total = len(split)
        self.batches = [
            (
                split.inputs(index, dtype, device).contiguous(memory_format=torch.channels_last),
                split.labels[index].to(device),
            )
            for index in order.tensor_split(-(-len(split) // batch_size))
        ]


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

    precision: "fp32" (the parameters' own) or "bf16". bn: "frozen" keeps the running statistics; "recalibrated" takes
    them anew from the images at every point, in one more pass. The model handed in is only read.
    """

    def __init__(
        self,
        model: nn.Module,
        split: Split,
        precision: str,
        bn: str,
        device: torch.device,
        batch_size: int | None = None,
    ) -> None:
        devices.keep_freed_memory()
        self.bn, self.device = bn, device
        self.model = copy.deepcopy(model).to(device).eval().requires_grad_(False)
        self.folds = foldable(self.model) if bn == "frozen" else {}
        # What folding needs is kept in full precision, apart from the network that computes.
        self.weights = {name: value.clone() for name, value in self.model.named_parameters()}
        modules = dict(self.model.named_modules())
        self.norms = {layer: modules[norm] for layer, norm in self.folds.items()}
        for layer, norm in self.folds.items():
            if modules[layer].bias is None:
                modules[layer].bias = nn.Parameter(torch.zeros_like(modules[norm].running_mean), requires_grad=False)
            self.model.set_submodule(norm, nn.Identity())
        self.layers = {layer: modules[layer] for layer in self.folds}
        self.dtype = next(iter(self.weights.values())).dtype
        self.casts = precision == "bf16" and not self._only_linear_maps()
        if precision == "bf16" and not self.casts:
            self.dtype = torch.bfloat16
            self.model.to(torch.bfloat16)
        self.model.to(memory_format=torch.channels_last)
        self.targets = dict(self.model.named_parameters())
        self.images = Images(split, batch_size or _batch_size(split, device), device, self.dtype)

    def _only_linear_maps(self) -> bool:
        """Whether every weight left belongs to a convolution or linear layer, so that all of it can be bfloat16."""
        holders = [module for module in self.model.modules() if any(True for _ in module.parameters(recurse=False))]
        buffers = any(value.is_floating_point() for value in self.model.buffers())
        return all(type(module) in _LINEAR_MAPS for module in holders) and not buffers

    @torch.inference_mode()
    def move(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Write the parameters given by name (those of the original network) in place."""
        self.weights |= weights
        folded = set()
        for layer, module in self.layers.items():
            norm = self.norms[layer]
            name = self.folds[layer]
            folded |= {f"{layer}.weight", f"{layer}.bias", f"{name}.weight", f"{name}.bias"}
            gain = torch.rsqrt(norm.running_var + norm.eps)
            if norm.affine:
                gain = gain * self.weights[f"{name}.weight"]
            weight = self.weights[f"{layer}.weight"]
            module.weight.copy_(weight * gain.view(-1, *[1] * (weight.ndim - 1)))
            bias = -norm.running_mean * gain
            if f"{layer}.bias" in self.weights:
                bias += self.weights[f"{layer}.bias"] * gain
            if norm.affine:
                bias += self.weights[f"{name}.bias"]
            module.bias.copy_(bias)
        for name, value in weights.items():
            if name not in folded:
                self.targets[name].copy_(value)
        if self.bn == "recalibrated":
            self._recalibrate()

    @torch.inference_mode()
    def measure(self, enough: Callable[[torch.Tensor], bool] | None = None) -> Measured:
        """Evaluate all images, or batches of them until `enough`(counts so far) is true."""
        classes = self.images.classes
        counts = torch.zeros(classes, classes, dtype=torch.int64, device=self.device)
        loss_sum = torch.zeros(classes, dtype=torch.float64, device=self.device)
        undefined = torch.zeros((), dtype=torch.int64, device=self.device)
        for inputs, labels in self.images.batches:
            logits = self._logits(inputs)
            outputs.count_into(counts, labels, logits)
            each = functional.cross_entropy(logits, labels, reduction="none")
            loss_sum.index_add_(0, labels, each.double())
            undefined += (~torch.isfinite(logits)).any(1).sum()
            if enough and enough(counts):
                break
        return Measured(counts.cpu().numpy(), loss_sum.cpu().numpy(), int(undefined))

    def _logits(self, inputs: torch.Tensor) -> torch.Tensor:
        precision = "bf16" if self.casts else "fp32"
        with devices.convolutions(self.device), devices.autocast(self.device, precision):
            logits = self.model(inputs)
        if logits.ndim != 2 or logits.shape[1] != self.images.classes:
            outputs.checked_logits(logits, self.images.classes)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _recalibrate(self) -> None:
        norms = [module for module in self.model.modules() if isinstance(module, _BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over batches
            norm.train()
        for inputs, _ in self.images.batches:
            self._logits(inputs)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


class Plane:
    """Weights origin - theta1 first - theta2 second, each {parameter name: tensor}, on `device`."""

    def __init__(
        self, origin: Mapping[str, torch.Tensor], axes: Sequence[Mapping[str, torch.Tensor]], device: torch.device
    ) -> None:
        self.names = list(axes[0])
        self.shapes = [origin[name].shape for name in self.names]
        self.origin, self.first, self.second = (
            torch.cat([tensors[name].detach().flatten() for name in self.names]).to(device)
            for tensors in (origin, *axes)
        )

    def sha256(self) -> str:
        """Digest of the plane: which weights, which directions."""
        vectors = {"origin": self.origin, "first": self.first, "second": self.second}
        return files.sha256_of({name: vector.cpu().numpy() for name, vector in vectors.items()})

    def at(self, theta1: float, theta2: float) -> dict[str, torch.Tensor]:
        """The parameters at one point, by name."""
        flat = self.origin.add(self.first, alpha=-theta1).add_(self.second, alpha=-theta2)
        pieces = flat.split([shape.numel() for shape in self.shapes])
        return {name: piece.view(shape) for name, piece, shape in zip(self.names, pieces, self.shapes, strict=True)}

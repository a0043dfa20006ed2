"""A copy of a network made for speed: batch-norm folded into the convolutions before it, channels-last, in bfloat16.

Weights are those of the original, written in place.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping

import torch
from torch import fx, nn

from ciutils.models import devices
from ciutils.models.classifier import Classifier, picked

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
    calls = Counter(id(modules[node.target]) for node in graph.nodes if node.op == "call_module")
    read_directly = {str(node.target).rpartition(".")[0] for node in graph.nodes if node.op == "get_attr"}
    holders = Counter(id(tensor) for module in modules.values() for tensor in module.parameters(recurse=False))

    def plain(name: str) -> bool:
        module = modules[name]
        return (
            calls[id(module)] == 1
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


class Fast:
    """The network of `classify`, copied: logits of images in its `layout` and `dtype`, at weights moved in place.

    precision: "fp32", the network's own, or "bf16". Raises whatever somebody's module raises when it is copied.
    """

    def __init__(self, classify: Classifier, precision: str) -> None:
        self.classify, self.layout = classify, classify.layout
        self.model = copy.deepcopy(classify.model)
        if set(self.model.modules()) & set(classify.model.modules()):
            raise ValueError("a copy of the network shares modules with it")  # which would be changed with the copy
        self.model = self.model.to(classify.device).requires_grad_(False)
        self.model.eval()
        self.folds = foldable(self.model)
        modules = dict(self.model.named_modules())
        self.norms = {layer: modules[norm] for layer, norm in self.folds.items()}
        self.layers = {layer: modules[layer] for layer in self.folds}
        for layer, norm in self.norms.items():
            if self.layers[layer].bias is None:
                self.layers[layer].bias = nn.Parameter(torch.zeros_like(norm.running_mean), requires_grad=False)
        _replace(self.model, set(self.norms.values()))
        self.dtype, self.precision = classify.dtype, precision
        self.casts = precision == "bf16" and not self._only_linear_maps()
        if precision == "bf16" and not self.casts:
            self.dtype = torch.bfloat16
            self.model.to(torch.bfloat16)
        self.model.to(memory_format=self.layout)
        self.targets = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        # Folding needs what it folds in full precision, apart from the network that computes.
        self.weights = classify.state
        self.move({})

    def _only_linear_maps(self) -> bool:
        """Whether every weight left belongs to a convolution or linear layer, so that all of it can be bfloat16."""
        holders = [module for module in self.model.modules() if any(True for _ in module.parameters(recurse=False))]
        buffers = any(value.is_floating_point() for value in self.model.buffers())
        return all(type(module) in _LINEAR_MAPS for module in holders) and not buffers

    @torch.inference_mode()
    def move(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Write the parameters and buffers given by name (those of the original network) in place."""
        self.weights = {**self.weights, **weights}
        folded = set()
        for layer, module in self.layers.items():
            norm, name = self.norms[layer], self.folds[layer]
            folded |= {f"{layer}.weight", f"{layer}.bias"}
            gain = torch.rsqrt(self.weights[f"{name}.running_var"] + norm.eps)
            if norm.affine:
                gain = gain * self.weights[f"{name}.weight"]
            weight = self.weights[f"{layer}.weight"]
            module.weight.copy_(weight * gain.view(-1, *[1] * (weight.ndim - 1)))
            bias = -self.weights[f"{name}.running_mean"] * gain
            if f"{layer}.bias" in self.weights:
                bias += self.weights[f"{layer}.bias"] * gain
            if norm.affine:
                bias += self.weights[f"{name}.bias"]
            module.bias.copy_(bias)
        for name, value in weights.items():
            if name in self.targets and name not in folded:
                self.targets[name].copy_(value)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] of `images`, which are not changed."""
        inputs = images.to(self.dtype, copy=True, memory_format=self.layout)
        device = self.classify.device
        with devices.convolutions(device), devices.autocast(device, "bf16" if self.casts else "fp32"):
            output = self.model(inputs)
        return picked(output, self.classify.classes, self.classify.which)


def _replace(model: nn.Module, norms: set[nn.Module]) -> None:
    """Put the identity in the place of each of `norms`, under every name that it has."""
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module in norms:
            model.set_submodule(name, nn.Identity())

"""Class gradients ("ego directions"): the mean loss gradient of each class at a network's weights.

Every function takes any module that maps images to logits, and leaves it as it was.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from torch import nn
from torch.nn import functional

from ciutils import checks, files
from ciutils.classes import class_index
from ciutils.data import Split
from ciutils.models import devices
from ciutils.models.classifier import (
    Classifier,
    beside,
    check_network,
    check_split,
    checked_finite,
    in_one_line,
    proof_images,
    proven,
)
from ciutils.models.state import reached

_COLUMNS = 100_000
_SHOWN = 10  # names in a line


@dataclass(frozen=True, eq=False)
class Directions:
    """One direction for each name, shaped like the network's trainable parameters.

    names: class names, or names given to random directions. tensors: parameter name -> [names, its shape].
    weight_norm: norm of the parameters that the directions belong to. network: digest of the network on which they were
    measured, see `digest`; "" for those that are of no measurement, such as random ones.
    """

    names: tuple[str, ...]
    tensors: Mapping[str, torch.Tensor]
    weight_norm: float
    network: str = ""

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.names[:_SHOWN])) + ", ..." * (len(self.names) > _SHOWN)
        size = sum(tensor[0].numel() for tensor in self.tensors.values()) if self.names else 0
        return f"Directions({len(self.names)} of {size:,} weights in {len(self.tensors)} tensors: {shown})"

    def __getitem__(self, name: str | int) -> dict[str, torch.Tensor]:
        """The direction called `name` (class aliases and positions work too): parameter name -> tensor."""
        position = class_index(self.names, name)
        return {key: tensor[position] for key, tensor in self.tensors.items()}

    def only(self, names: Sequence[str | int]) -> Directions:
        """The directions called `names`, in their order."""
        positions = [class_index(self.names, name) for name in names]
        tensors = {key: tensor[positions] for key, tensor in self.tensors.items()}
        return replace(self, names=tuple(self.names[each] for each in positions), tensors=tensors)

    @property
    def inner(self) -> xr.DataArray:
        """Inner products (direction, other), float64."""
        total = torch.zeros(len(self.names), len(self.names), dtype=torch.float64)
        for tensor in self.tensors.values():
            # Part by part: float64 copies of all would take twice the memory.
            for part in tensor.reshape(len(tensor), -1).split(_COLUMNS, 1):
                total += part.double() @ part.double().T
        names = list(self.names)
        return xr.DataArray(total.numpy(), dims=("direction", "other"), coords={"direction": names, "other": names})

    @property
    def norms(self) -> xr.DataArray:
        """Norm of each direction: (direction), float64."""
        inner = self.inner
        return (xr.ones_like(inner.isel(other=0, drop=True)) * inner.values.diagonal() ** 0.5).rename("norms")

    @property
    def cosine(self) -> xr.DataArray:
        """Cosines between directions: (direction, other). Negative: what helps one class harms the other."""
        norms = self.norms
        return (self.inner / norms / norms.rename(direction="other")).rename("cosine")


def ego_directions(
    model: nn.Module,
    split: Split,
    classes: Sequence[str | int] | None = None,
    *,
    batch_size: int | None = None,
    device: str = "auto",
    logits: str | int | None = None,
) -> Directions:
    """The gradient of the mean cross-entropy of each class of `split`, or of those given, at the network's weights.

        g_c = mean over the images x of class c of the gradient of -log softmax(model(x))_c

    One pass over the images: they are taken class by class, and every class's sum over images is divided by their
    number, so uneven batches weigh every image the same. Evaluation mode (batch-norm frozen), no augmentation, the
    parameters' own precision, sums over batches in float64. Frozen parameters are left out; so is, with a warning, a
    class without images. logits: as in `counts`. Memory: as many copies of the network as classes.

    Raises ValueError for outputs that do not match the classes or are not finite, a network without trainable
    parameters, and as `counts` does. Source: arXiv:2211.01370, Section 2.2, Definition 1. Book: *Sharpness*.
    """
    check_split(split)
    size = split.batch_size(250) if batch_size is None else checks.whole(batch_size, "batch_size")
    parameters = trainable(model)
    positions = _with_images(split, classes)
    classify = proven(model, split, device=device, logits=logits)
    beside(classify, proof_images(split, classify))
    if devices.memory_format(model, classify.device) == torch.contiguous_format:
        classify.layout = torch.contiguous_format
    leaves = {name: classify.state[name].clone().requires_grad_() for name in parameters}
    classify.move(leaves)
    means = {name: value.new_empty(len(positions), *value.shape) for name, value in parameters.items()}
    for row, position in enumerate(positions):
        mine = (split.labels == position).nonzero().flatten()
        sums = {name: torch.zeros(value.shape, dtype=torch.float64) for name, value in parameters.items()}
        for index in mine.split(size):
            for name, gradient in _summed_gradient(classify, split, index, leaves).items():
                sums[name] += gradient.double().cpu()
        for name, total in sums.items():
            means[name][row] = total / len(mine)
    return Directions(tuple(split.classes[each] for each in positions), means, norm_of(parameters), digest(model))


def _with_images(split: Split, classes: Sequence[str | int] | None) -> list[int]:
    """Positions of `classes`, by default all, without those that have no images."""
    if isinstance(classes, str | int):
        raise ValueError(f"classes = {classes!r}: give a list of them")
    positions = [
        class_index(split.classes, each) for each in (range(len(split.classes)) if classes is None else classes)
    ]
    numbers = split.labels.bincount(minlength=len(split.classes))
    empty = [split.classes[each] for each in positions if not numbers[each]]
    if empty:
        warnings.warn(
            f"left out, without images among these and so without a gradient: {', '.join(map(repr, empty))}",
            stacklevel=3,
        )
    return [each for each in positions if numbers[each]]


@torch.enable_grad()
def _summed_gradient(
    classify: Classifier, split: Split, index: torch.Tensor, leaves: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The gradient of the summed cross-entropy of the images `index`, by the names of the `leaves` that it reaches."""
    with classify.evaluating():  # the way back too: a network that saves memory runs parts of itself again there
        images = split.inputs(index, classify.dtype, classify.device)
        with in_one_line(images):
            logits = checked_finite(classify.forward(images))
        if not logits.requires_grad:
            raise ValueError("the network's outputs have no gradient: it detaches them, or runs under no_grad")
        loss = functional.cross_entropy(logits, split.labels[index].to(classify.device), reduction="sum")
        loss.backward()  # not autograd.grad, which misses what re-entrant checkpoints compute again
    gradients = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    for leaf in leaves.values():
        leaf.grad = None
    return gradients


def trainable(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that require a gradient, on the CPU, by name."""
    check_network(model)
    parameters = {key: value.detach().cpu() for key, value in model.named_parameters() if value.requires_grad}
    if not parameters:
        raise ValueError("the network has no trainable parameters: set requires_grad on those to move")
    if any("quantized" in type(module).__module__ for module in model.modules()):
        raise ValueError(
            "the network is quantised, and its weights have no gradient: give the one that it was made from"
        )
    if torch.is_inference_mode_enabled() or any(value.is_inference() for value in parameters.values()):
        raise ValueError("no gradient is known under torch.inference_mode(), nor of networks made under it: leave it")
    complex_ = [key for key, value in parameters.items() if value.is_complex()]
    if complex_:
        raise ValueError(f"the network's parameter {complex_[0]} is complex: hold its two parts as real parameters")
    broken = [key for key, value in parameters.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"the network's parameter {broken[0]} is not finite: train it again or load sound weights")
    _tell_of_unregistered(model)
    return parameters


def _tell_of_unregistered(model: nn.Module) -> None:
    """Warn of parameters that stand in a list or the like, of which torch does not know that they are the network's."""
    held, known = reached(model), {id(each) for each in (*model.modules(), *model.parameters())}
    unknown = [each for each in held if isinstance(each, nn.Module | nn.Parameter) and id(each) not in known]
    named = {type(each).__name__ for each in unknown if isinstance(each, nn.Parameter) or [*each.parameters()]}
    if named:
        warnings.warn(
            f"the network has parameters that are not registered, in a list or the like ({', '.join(sorted(named))}): "
            "they stand still and count in no gradient; hold modules in nn.ModuleList, parameters in nn.ParameterList",
            stacklevel=3,
        )


def digest(model: nn.Module) -> str:
    """Digest of the values of parameters and buffers, in whatever type of number they are held."""
    held = {name: value.detach().cpu() for name, value in (*model.named_parameters(), *model.named_buffers())}
    real = {name: torch.view_as_real(value) if value.is_complex() else value for name, value in held.items()}
    # One after another: float64 copies of all would take twice the memory.
    each = {name: files.sha256_of({name: value.double().numpy()}) for name, value in real.items()}
    return files.sha256_of({name: np.array([digest]) for name, digest in each.items()})


def norm_of(parameters: Mapping[str, torch.Tensor]) -> float:
    """Norm of all `parameters` together."""
    return float(torch.stack([value.double().square().sum() for value in parameters.values()]).sum().sqrt())

"""Directions in weight space: the class gradients ("ego directions") of a trained network, and random ones beside them.

Every function takes any module that maps images to logits, and leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import xarray as xr
from torch import nn
from torch.nn import functional

from ciutils import checks, confusion, devices
from ciutils.datasets import Split, class_index

SCALES = ("gradient", "unit", "filter")


@dataclass(frozen=True, eq=False)
class Directions:
    """One direction for each name, shaped like the network's trainable parameters.

    names: class names, or names given to random directions. tensors: parameter name -> [names, *parameter shape].
    weight_norm: norm of the parameters that the directions belong to.
    """

    names: tuple[str, ...]
    tensors: Mapping[str, torch.Tensor]
    weight_norm: float

    def __getitem__(self, name: str | int) -> dict[str, torch.Tensor]:
        """The direction called `name` (class aliases and positions work too): parameter name -> tensor."""
        position = class_index(self.names, name)
        return {key: tensor[position] for key, tensor in self.tensors.items()}

    def only(self, names: Sequence[str | int]) -> Directions:
        """The directions called `names`, in their order."""
        positions = [class_index(self.names, name) for name in names]
        tensors = {key: tensor[positions] for key, tensor in self.tensors.items()}
        return Directions(tuple(self.names[each] for each in positions), tensors, self.weight_norm)

    @property
    def inner(self) -> xr.DataArray:
        """Inner products (direction, other), float64."""
        total = torch.zeros(len(self.names), len(self.names), dtype=torch.float64)
        for tensor in self.tensors.values():
            flat = tensor.flatten(1).double()
            total += flat @ flat.T
        names = list(self.names)
        return xr.DataArray(total.numpy(), dims=("direction", "other"), coords={"direction": names, "other": names})

    @property
    def norms(self) -> xr.DataArray:
        """Norm of each direction: (direction), float64."""
        inner = self.inner
        return inner.values.diagonal() ** 0.5 * xr.ones_like(inner.isel(other=0, drop=True))

    @property
    def cosine(self) -> xr.DataArray:
        """Cosines between directions: (direction, other). Negative: what helps one class harms the other."""
        norms = self.norms
        return self.inner / norms / norms.rename(direction="other")


def ego_directions(model: nn.Module, split: Split, *, batch_size: int = 500, device: str = "auto") -> Directions:
    """The gradient of the mean cross-entropy of each class of `split`, at the network's weights.

        g_c = mean over the images x of class c of the gradient of -log softmax(model(x))_c

    One pass over the images: they are taken class by class, and every class's sum over images is divided by their
    number, so uneven batches weigh every image the same. Evaluation mode (batch-norm frozen), no augmentation, the
    parameters' own precision, sums over batches in float64. Frozen parameters are left out.

    Raises ValueError for a class without images, outputs that do not match the classes or are not finite, or a
    network without trainable parameters. Source: arXiv:2211.01370, Section 2.2, Definition 1. Book: *Sharpness*.
    """
    checks.whole(batch_size, "batch_size")
    where = devices.resolve_device(device)
    parameters = _trainable(model)
    labels = split.labels
    for position, name in enumerate(split.classes):
        if not (labels == position).any():
            raise ValueError(f"class {name!r} has no images in this split: its gradient does not exist; leave it out")
    dtype = next(iter(parameters.values())).dtype
    layout = devices.memory_format(model, where)
    means = {key: torch.empty(len(split.classes), *value.shape, dtype=dtype) for key, value in parameters.items()}
    with confusion.evaluating(model, where), torch.enable_grad():
        wanted = [model.get_parameter(key) for key in parameters]
        for position in range(len(split.classes)):
            mine = (labels == position).nonzero().flatten()
            sums = {key: torch.zeros(value.shape, dtype=torch.float64) for key, value in parameters.items()}
            for index in mine.split(batch_size):
                inputs = split.inputs(index, dtype, where).contiguous(memory_format=layout)
                logits = confusion.checked_logits(model(inputs), len(split.classes))
                loss = functional.cross_entropy(logits, labels[index].to(where), reduction="sum")
                for key, gradient in zip(parameters, torch.autograd.grad(loss, wanted, allow_unused=True), strict=True):
                    if gradient is not None:
                        sums[key] += gradient.double().cpu()
            for key, total in sums.items():
                means[key][position] = total / len(mine)
    return Directions(tuple(split.classes), means, _norm(parameters))


def random_directions(model: nn.Module, names: Sequence[str] = ("random1", "random2"), seed: int = 0) -> Directions:
    """Directions with standard normal entries: the control that loss-landscape pictures use (arXiv:1712.09913)."""
    checks.whole(seed, "seed", at_least=0)
    generator = torch.Generator().manual_seed(seed)
    parameters = _trainable(model)
    drawn = {
        key: torch.randn((len(names), *value.shape), generator=generator).to(value.dtype)
        for key, value in parameters.items()
    }
    return Directions(tuple(names), drawn, _norm(parameters))


def rescaled(directions: Directions, scale: str, model: nn.Module) -> Directions:
    """`directions` at another scale: "gradient" as they are; "unit" with norm one; "filter" as in arXiv:1712.09913.

    "filter" gives every filter (all weights into one output of a layer) the norm of the network's own filter, and sets
    biases and batch-norm parameters to zero.
    """
    checks.one_of(scale, SCALES, "scale")
    if scale == "gradient":
        return directions
    if scale == "unit":
        norms = torch.from_numpy(directions.norms.values)
        unit = {
            key: (tensor / _as_column(norms, tensor)).to(tensor.dtype) for key, tensor in directions.tensors.items()
        }
        return Directions(directions.names, unit, directions.weight_norm)
    parameters = _trainable(model)
    tensors = {key: _filter_normalised(tensor, parameters[key]) for key, tensor in directions.tensors.items()}
    return Directions(directions.names, tensors, directions.weight_norm)


def _filter_normalised(direction: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    if weight.ndim < 2:
        return torch.zeros_like(direction)
    theirs = weight.flatten(1).norm(dim=1)
    own = direction.flatten(2).norm(dim=2).clamp_min(torch.finfo(direction.dtype).tiny)
    return direction * (theirs / own).view(*own.shape, *[1] * (weight.ndim - 1))


def _as_column(values: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    return values.view(-1, *[1] * (tensor.ndim - 1))


def _trainable(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that require a gradient, on the CPU, by name."""
    parameters = {key: value.detach().cpu() for key, value in model.named_parameters() if value.requires_grad}
    if not parameters:
        raise ValueError("the network has no trainable parameters: set requires_grad on those to move")
    broken = [key for key, value in parameters.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"the network's parameter {broken[0]} is not finite: train it again or load sound weights")
    return parameters


def _norm(parameters: Mapping[str, torch.Tensor]) -> float:
    return float(torch.stack([value.double().square().sum() for value in parameters.values()]).sum().sqrt())

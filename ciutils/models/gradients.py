"""Class gradients ("ego directions"): the mean loss gradient of each class at a network's weights.

Every function takes any module that maps images to logits, and leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import xarray as xr
from torch import nn
from torch.nn import functional

from ciutils import checks
from ciutils.classes import class_index
from ciutils.data import Split
from ciutils.models import devices, outputs


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
        return xr.ones_like(inner.isel(other=0, drop=True)) * inner.values.diagonal() ** 0.5

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
    parameters = trainable(model)
    labels = split.labels
    for position, name in enumerate(split.classes):
        if not (labels == position).any():
            raise ValueError(f"class {name!r} has no images in this split: its gradient does not exist; leave it out")
    dtype = next(iter(parameters.values())).dtype
    layout = devices.memory_format(model, where)
    means = {key: torch.empty(len(split.classes), *value.shape, dtype=dtype) for key, value in parameters.items()}
    with outputs.evaluating(model, where), torch.enable_grad():
        wanted = [model.get_parameter(key) for key in parameters]
        for position in range(len(split.classes)):
            mine = (labels == position).nonzero().flatten()
            sums = {key: torch.zeros(value.shape, dtype=torch.float64) for key, value in parameters.items()}
            for index in mine.split(batch_size):
                inputs = split.inputs(index, dtype, where).contiguous(memory_format=layout)
                logits = outputs.checked_logits(model(inputs), len(split.classes))
                loss = functional.cross_entropy(logits, labels[index].to(where), reduction="sum")
                for key, gradient in zip(parameters, torch.autograd.grad(loss, wanted, allow_unused=True), strict=True):
                    if gradient is not None:
                        sums[key] += gradient.double().cpu()
            for key, total in sums.items():
                means[key][position] = total / len(mine)
    return Directions(tuple(split.classes), means, norm_of(parameters))


def trainable(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters that require a gradient, on the CPU, by name."""
    parameters = {key: value.detach().cpu() for key, value in model.named_parameters() if value.requires_grad}
    if not parameters:
        raise ValueError("the network has no trainable parameters: set requires_grad on those to move")
    broken = [key for key, value in parameters.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"the network's parameter {broken[0]} is not finite: train it again or load sound weights")
    return parameters


def norm_of(parameters: Mapping[str, torch.Tensor]) -> float:
    """Norm of all `parameters` together."""
    return float(torch.stack([value.double().square().sum() for value in parameters.values()]).sum().sqrt())

"""Random directions beside the class gradients, and directions at other scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from ciutils import checks
from ciutils.choices import SCALES
from ciutils.classes import class_pair
from ciutils.data import Split
from ciutils.models.classifier import check_network, check_split
from ciutils.models.gradients import Directions, digest, norm_of, trainable


def random_directions(model: nn.Module, names: Sequence[str] = ("random1", "random2"), seed: int = 0) -> Directions:
    """Directions with standard normal entries: the control that loss-landscape pictures use (arXiv:1712.09913)."""
    generator = torch.Generator().manual_seed(checks.seed(seed))
    parameters = trainable(model)
    drawn = {
        key: torch.randn((len(names), *value.shape), generator=generator).to(value.dtype)
        for key, value in parameters.items()
    }
    return Directions(tuple(names), drawn, norm_of(parameters))


def random_signs(directions: Directions, seed: int = 0) -> Directions:
    """`directions` with the sign of every element drawn anew: a control that is as long as they are in every tensor,
    filter and weight, and knows of no class. Book: *Sharpness*.

    >>> controls = measure.random_signs(directions.only(["cat", "dog"]))
    """
    generator = torch.Generator().manual_seed(checks.seed(seed))
    tensors = {
        key: tensor * torch.randint(2, tensor.shape, generator=generator).mul_(2).sub_(1).to(tensor.dtype)
        for key, tensor in directions.tensors.items()
    }
    return replace(directions, tensors=tensors)


def rescaled(directions: Directions, scale: str, model: nn.Module) -> Directions:
    """`directions` at another scale: "gradient" as they are; "unit" with norm one; "filter" as in arXiv:1712.09913.

    "filter" gives every filter (all weights into one output of a layer; of a transposed convolution, those out of one
    input) the norm of the network's own filter, and sets
    biases and batch-norm parameters to zero.
    """
    checks.one_of(scale, SCALES, "scale")
    check_belong(directions, model)
    if scale == "gradient":
        return directions
    if scale == "unit":
        norms = torch.from_numpy(directions.norms.values)
        unit = {
            key: (tensor / _as_column(norms, tensor)).to(tensor.dtype) for key, tensor in directions.tensors.items()
        }
        return replace(directions, tensors=unit)
    parameters = trainable(model)
    tensors = {key: _filter_normalised(tensor, parameters[key]) for key, tensor in directions.tensors.items()}
    return replace(directions, tensors=tensors)


def of_pair(directions: Directions, split: Split, pair: str | Sequence[str | int]) -> Directions:
    """The two directions of `pair`. Positions are those of the split's classes, where the directions are of classes.

    Raises ValueError for unknown names, and for a class without a direction, or with one that is zero.
    """
    check_split(split)
    named = directions.names
    if set(named) <= set(split.classes):
        named = split.classes
    both = [named[position] for position in class_pair(named, pair)]
    for name in both:
        if name not in directions.names:
            shown = pair if isinstance(pair, str) else "-".join(both)
            known = ", ".join(map(repr, directions.names))
            raise ValueError(f"pair {shown!r}: class {name!r} has no direction; {known} have one")
    chosen = directions.only(both)
    for name, norm in zip(chosen.names, chosen.norms.values, strict=True):
        if not norm:
            raise ValueError(f"the gradient of class {name!r} is zero: no step along it changes the network")
    return chosen


def attributes(pair: Directions) -> dict[str, object]:
    """What an artifact says of the two directions that it was measured along."""
    norm1, norm2 = pair.norms.values
    names = {"first": pair.names[0], "second": pair.names[1]}
    lengths = {"norm1": norm1, "norm2": norm2, "cosine": pair.cosine.values[0, 1], "weight_norm": pair.weight_norm}
    return names | lengths


def check_belong(directions: Directions, model: nn.Module) -> None:
    """Raises ValueError unless `directions` are those of `model` at its weights."""
    check_network(model)
    theirs = {key: tuple(tensor.shape[1:]) for key, tensor in directions.tensors.items()}
    ours = {key: tuple(value.shape) for key, value in model.named_parameters()}
    wrong = [key for key, shape in theirs.items() if ours.get(key) != shape]
    if wrong:
        raise ValueError(
            f"the directions are of another network: they have {wrong[0]} of shape {theirs[wrong[0]]}, the network "
            f"{ours.get(wrong[0], 'has none')}; measure the directions of this one"
        )
    frozen = [key for key in theirs if key not in trainable(model)]
    if frozen:
        raise ValueError(f"the directions move {frozen[0]}, which is frozen here: measure the directions again")
    norm = norm_of(trainable(model))
    if abs(norm - directions.weight_norm) > 1e-6 * norm:
        raise ValueError(
            f"the directions are of other weights: their norm is {directions.weight_norm:.7g}, the network's "
            f"{norm:.7g}; measure the directions of this one"
        )
    if directions.network not in ("", digest(model)):
        raise ValueError(
            "the directions are of other weights or statistics of batch-norm than the network's: measure them again"
        )


def _filter_normalised(direction: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    if weight.ndim < 2:
        return torch.zeros_like(direction)
    theirs = weight.flatten(1).norm(dim=1)
    own = direction.flatten(2).norm(dim=2)
    ratio = torch.where(own > 0, theirs / own, 0)  # what does not move stays where it is
    return direction * ratio.view(*own.shape, *[1] * (weight.ndim - 1))


def _as_column(values: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    return values.view(-1, *[1] * (tensor.ndim - 1))

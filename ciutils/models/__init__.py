"""The paper's networks in their CIFAR form: a 3x3 stem of stride 1, and down-sampling that also suits small images; and
anybody's network by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from ciutils import checks, lookup
from ciutils.data import ImageData
from ciutils.models import dla, googlenet, resnet, vgg
from ciutils.models.weights import load_weights

NETWORKS: dict[str, Callable[[int, int, float], nn.Module]] = {
    "vgg19": vgg.VGG19,
    "resnet18": resnet.ResNet18,
    "googlenet": googlenet.GoogLeNet,
    "dla": dla.DLA,
    "simple-dla": dla.SimpleDLA,
}
"""Constructors by name; each takes (num_classes, in_channels, width)."""


def build(
    name: str, num_classes: int = 10, in_channels: int = 3, width: float = 1.0, seed: int | None = None
) -> nn.Module:
    """Build a network with fresh weights, drawn from `seed`, or without one from torch's global generator.

    It maps images [N, in_channels, H, W] of any size from 4 x 4 up to logits [N, num_classes]. `width` scales every
    other channel count, so the number of weights falls with its square.

    Raises ValueError for an unknown name, a width that is not above 0, or counts below 1. Book: *CCTM*.
    """
    checks.one_of(name, NETWORKS, "network")
    checks.whole(num_classes, "num_classes")
    checks.whole(in_channels, "in_channels")
    checks.positive(width, "width")
    if seed is None:
        return NETWORKS[name](num_classes, in_channels, width)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[name](num_classes, in_channels, width)


def load(
    network: str,
    images: ImageData,
    arguments: Mapping[str, object] | None = None,
    weights: str | Path = "",
    seed: int = 0,
) -> nn.Module:
    """The module that `network` names: one of `NETWORKS`, made for the classes and channels of `images`, or what a
    function gives, see `lookup.function`; in
    evaluation mode.

    arguments: of the function, or width of one of `NETWORKS`. weights: a file that `load_weights` reads; ""
    leaves those that the module has. seed: of what is drawn for it from PyTorch's generator, which stays as it was.

    Raises ValueError for a name that means none, arguments that the function does not take, what is no module, and as
    `load_weights` does. Book: *Your own network*.
    """
    if ":" in network:
        make = lookup.function(network)
    else:
        checks.one_of(network, (*NETWORKS, *lookup.WAYS), "network")
        make = partial(build, network, len(images.classes), images.train.images.shape[1])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = lookup.outcome(network, make, arguments or {})
    if not isinstance(model, nn.Module):
        raise ValueError(f"{network} gives a {type(model).__name__}: let it give a torch.nn.Module")
    if weights:
        load_weights(model, weights)
    return model.eval()

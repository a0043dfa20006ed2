"""The paper's networks in their CIFAR form: a 3x3 stem of stride 1, and down-sampling that also suits small images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ciutils import checks
from ciutils.models import dla, googlenet, resnet, vgg

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

"""VGG19 with batch-norm (arXiv:1409.1556, configuration E; one linear layer, as CIFAR's ten classes need no more)."""

from __future__ import annotations

from torch import nn

from ciutils.models.layers import classifier, conv_bn, scaled

_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(channels, convolutions) of each stage; a max pool halves the image after each."""


class VGG19(nn.Sequential):
    """Five stages of 3x3 convolutions, each followed by batch-norm and ReLU."""

    def __init__(self, num_classes: int, in_channels: int, width: float) -> None:
        layers: list[nn.Module] = []
        inputs = in_channels
        for channels, convolutions in _STAGES:
            outputs = scaled(channels, width)
            for _ in range(convolutions):
                layers += [*conv_bn(inputs, outputs, bias=True), nn.ReLU()]
                inputs = outputs
            # ceil_mode changes nothing at even sizes and lets a 1x1 map of a small image pass.
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        super().__init__(nn.Sequential(*layers), classifier(inputs, num_classes))

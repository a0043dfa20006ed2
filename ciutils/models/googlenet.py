"""GoogLeNet (arXiv:1409.4842) with batch-norm, its 5x5 convolutions as two 3x3, and no auxiliary classifiers."""

from __future__ import annotations

import torch
from torch import nn

from ciutils.models.layers import classifier, conv_bn, scaled

_STAGES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)
"""Table 1 of the source: for each module of stages 3 to 5 the channels of the 1x1 branch, of the reduction before the
3x3 branch and of that branch, the same for the 5x5 branch, and of the projection after the pool."""


class Inception(nn.Module):
    """Four branches over the same images, their channels side by side."""

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce_three, three, reduce_five, five, projection = channels
        self.one = _convolutions((inputs, one, 1))
        self.three = _convolutions((inputs, reduce_three, 1), (reduce_three, three, 3))
        self.five = _convolutions((inputs, reduce_five, 1), (reduce_five, five, 3), (five, five, 3))
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _convolutions((inputs, projection, 1)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] -> [N, sum of the branches' channels, H, W]."""
        return torch.cat([self.one(images), self.three(images), self.five(images), self.pool(images)], dim=1)


class GoogLeNet(nn.Sequential):
    """A 3x3 stem, nine inception modules in three stages, a max pool of stride 2 between stages."""

    def __init__(self, num_classes: int, in_channels: int, width: float) -> None:
        inputs = scaled(192, width)
        layers: list[nn.Module] = [_convolutions((in_channels, inputs, 3))]
        for number, stage in enumerate(_STAGES):
            if number:
                layers.append(nn.MaxPool2d(3, stride=2, padding=1))
            for module in stage:
                channels = tuple(scaled(each, width) for each in module)
                layers.append(Inception(inputs, channels))
                inputs = channels[0] + channels[2] + channels[4] + channels[5]
        super().__init__(nn.Sequential(*layers), classifier(inputs, num_classes))


def _convolutions(*shapes: tuple[int, int, int]) -> nn.Sequential:
    """Convolutions of (inputs, outputs, kernel) with biases, each with batch-norm and ReLU."""
    return nn.Sequential(*(layer for shape in shapes for layer in (*conv_bn(*shape, bias=True), nn.ReLU())))

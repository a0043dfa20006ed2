"""ResNet18 (arXiv:1512.03385) in the CIFAR form: no max pool after the stem."""

from __future__ import annotations

from torch import nn

from ciutils.models.layers import ResidualBlock, classifier, conv_bn, scaled


class ResNet18(nn.Sequential):
    """Four stages of two residual blocks; the first block of each later stage halves the image."""

    def __init__(self, num_classes: int, in_channels: int, width: float) -> None:
        inputs = scaled(64, width)
        layers: list[nn.Module] = [*conv_bn(in_channels, inputs), nn.ReLU()]
        for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            outputs = scaled(channels, width)
            layers += [ResidualBlock(inputs, outputs, stride), ResidualBlock(outputs, outputs)]
            inputs = outputs
        super().__init__(nn.Sequential(*layers), classifier(inputs, num_classes))

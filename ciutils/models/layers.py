"""Layers that the networks share."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def scaled(channels: int, width: float) -> int:
    """Channel count at a share `width` of the full one, at least 1."""
    return max(1, round(channels * width))


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = False) -> list[nn.Module]:
    """A convolution that keeps the image size at stride 1, and its batch-norm."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=bias)
    return [convolution, nn.BatchNorm2d(outputs)]


def classifier(inputs: int, num_classes: int) -> nn.Sequential:
    """Mean over the image, then a linear layer."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, num_classes))


class ResidualBlock(nn.Module):
    """relu(F(x) + shortcut(x)), F two 3x3 convolutions (arXiv:1512.03385, Section 3.3, option B shortcuts)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = nn.Sequential(*conv_bn(inputs, outputs, 3, stride), nn.ReLU(), *conv_bn(outputs, outputs))
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(*conv_bn(inputs, outputs, 1, stride)) if changes_shape else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        return functional.relu(self.residual(images) + self.shortcut(images))

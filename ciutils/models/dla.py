"""Deep layer aggregation (arXiv:1707.06484), the full form and the simplified one of the public CIFAR code.

Both chain the same stages; they differ in what the root of a tree sees. Blocks run one after the other; a root joins
the outputs of several of them by a 1x1 convolution.
"""

from __future__ import annotations

import torch
from torch import nn

from ciutils.models.layers import ResidualBlock, classifier, conv_bn, scaled

_TREES = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 1, 2))
"""(channels, levels, stride) of each tree."""


class Root(nn.Sequential):
    """Joins feature maps of equal shape: a 1x1 convolution over their channels, batch-norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(*conv_bn(inputs, outputs, 1), nn.ReLU())

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        """Maps [N, c_i, H, W] -> [N, outputs, H, W]."""
        return super().forward(torch.cat(maps, dim=1))


class SimpleTree(nn.Module):
    """A binary tree: the root joins its left and its right half, the right one fed by the left one."""

    def __init__(self, inputs: int, outputs: int, levels: int, stride: int) -> None:
        super().__init__()
        self.left: nn.Module
        self.right: nn.Module
        if levels == 1:
            self.left, self.right = ResidualBlock(inputs, outputs, stride), ResidualBlock(outputs, outputs)
        else:
            self.left = SimpleTree(inputs, outputs, levels - 1, stride)
            self.right = SimpleTree(outputs, outputs, levels - 1, 1)
        self.root = Root(2 * outputs, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        left = self.left(images)
        return self.root(left, self.right(left))


class Tree(nn.Module):
    """A tree whose root also joins every subtree on the way to it, and a block of the tree's own input."""

    def __init__(self, inputs: int, outputs: int, levels: int, stride: int) -> None:
        super().__init__()
        self.entry = ResidualBlock(inputs, outputs, stride) if levels > 1 else None
        self.subtrees = nn.ModuleList()
        for level in range(levels - 1, 0, -1):
            self.subtrees.append(Tree(inputs, outputs, level, stride))
            inputs, stride = outputs, 1
        self.left = ResidualBlock(inputs, outputs, stride)
        self.right = ResidualBlock(outputs, outputs)
        joined = 2 if levels == 1 else levels + 2
        self.root = Root(joined * outputs, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, inputs, H, W] -> [N, outputs, H / stride, W / stride]."""
        maps = [] if self.entry is None else [self.entry(images)]
        for subtree in self.subtrees:
            images = subtree(images)
            maps.append(images)
        left = self.left(images)
        return self.root(*maps, left, self.right(left))


class _AggregationNetwork(nn.Sequential):
    """A stem of three convolutions, four trees, a linear layer."""

    tree: type[nn.Module]

    def __init__(self, num_classes: int, in_channels: int, width: float) -> None:
        layers: list[nn.Module] = []
        inputs = in_channels
        for channels in (16, 16, 32):
            layers += [*conv_bn(inputs, scaled(channels, width)), nn.ReLU()]
            inputs = scaled(channels, width)
        for channels, levels, stride in _TREES:
            layers.append(self.tree(inputs, scaled(channels, width), levels, stride))
            inputs = scaled(channels, width)
        super().__init__(nn.Sequential(*layers), classifier(inputs, num_classes))


class DLA(_AggregationNetwork):
    """Deep layer aggregation in full."""

    tree = Tree


class SimpleDLA(_AggregationNetwork):
    """The simplified form: binary trees. The paper's "DLA" has this form's accuracy."""

    tree = SimpleTree

"""How a network is trained: the paper's three setups of SGD (arXiv:2211.01370, Section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ciutils import checks


@dataclass(frozen=True)
class Setup:
    """SGD with momentum: the learning rate is constant, or falls from `learning_rate` to 0 along a cosine."""

    learning_rate: float
    schedule: str
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        checks.positive(self.learning_rate, "learning_rate")
        checks.one_of(self.schedule, ("constant", "cosine"), "schedule")


SETUPS = {"big-lr": Setup(0.01, "constant"), "small-lr": Setup(0.0001, "constant"), "anneal-lr": Setup(0.1, "cosine")}
"""The paper's three optimiser setups (Section 3)."""


def scheduler(optimizer: torch.optim.Optimizer, setup: Setup, epochs: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate's schedule over so many epochs."""
    if setup.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)

"""Second order on a plane, without any range: gradients and Hessians of the losses along two directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
import xarray as xr
from torch import nn
from torch.func import jacfwd
from torch.nn import functional

from ciutils import checks
from ciutils.data import Split
from ciutils.measure.directions import check_belong, of_pair
from ciutils.models.classifier import Reading, beside, proof_images, proven
from ciutils.models.gradients import Directions
from ciutils.progress import Progress


def plane_derivatives(
    model: nn.Module,
    split: Split,
    directions: Directions,
    pair: str | Sequence[str | int],
    *,
    batch_size: int = 100,
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Derivatives of each class's mean loss along w* - theta1 g1 - theta2 g2, at theta = 0, batch-norm frozen.

        gradient_a = d L_c / d theta_a = -g_a . grad L_c        hessian_ab = d2 L_c / d theta_a d theta_b = g_a' H_c g_b

    Each image's own derivatives are computed, exactly, by automatic differentiation (forward mode, once and twice);
    they cost about ten forward passes. pair: two of `directions`; reading: as in `counts`.

    Returns a Dataset, float64: gradient (true, direction), hessian (true, direction, other), covariance (true,
    direction, other) of the images' gradients; images (true), and the standard errors of the first two over the class's
    images, gradient_error and hessian_error. A class without images is NaN; with one image, its covariance and errors.
    Attributes first, second, norm1, norm2, cosine, weight_norm as in a space.

    Raises ValueError as `counts` does, and for directions of another network. Source: beyond the paper; its Section 2.2
    asks for a plane's flatness. Book: *Sharpness*.
    """
    batch_size = checks.whole(batch_size, "batch_size")
    check_belong(directions, model)
    chosen = of_pair(directions, split, pair)
    classify = proven(model, split, **reading)
    beside(classify, proof_images(split, classify))
    home = {name: classify.state[name] for name in chosen.tensors}
    steps = {name: tensor.to(classify.device) for name, tensor in chosen.tensors.items()}
    middle = torch.zeros(2, dtype=classify.dtype, device=classify.device)

    def derivatives(index: torch.Tensor) -> torch.Tensor:
        """Gradient [n, 2] and Hessian [n, 4] of each image's loss, side by side."""
        inputs = split.inputs(index, classify.dtype, classify.device)
        labels = split.labels[index].to(classify.device)

        def losses(theta: torch.Tensor) -> torch.Tensor:
            classify.move({name: home[name] - theta[0] * steps[name][0] - theta[1] * steps[name][1] for name in home})
            return functional.cross_entropy(classify(inputs), labels, reduction="none")

        first, second = jacfwd(losses)(middle), jacfwd(jacfwd(losses))(middle)
        return torch.cat([first, second.flatten(1)], 1).detach().double().cpu()

    batches = torch.arange(len(split)).split(batch_size)
    found = torch.empty(len(split), 6, dtype=torch.float64)
    with Progress(len(batches), f"derivatives {'-'.join(chosen.names)}") as progress:
        for index in batches:
            found[index] = derivatives(index)
            progress.step()
    return _by_class(found, split, chosen)


def _by_class(found: torch.Tensor, split: Split, chosen: Directions) -> xr.Dataset:
    rows = [found[split.labels == position] for position in range(len(split.classes))]
    number = torch.tensor([len(each) for each in rows])
    mean = torch.stack([each.mean(0) for each in rows])
    error = torch.stack([each.std(0) / len(each) ** 0.5 for each in rows])
    covariance = torch.stack([each[:, :2].T.cov() if len(each) > 1 else torch.full((2, 2), torch.nan) for each in rows])
    along, across = ("true", "direction"), ("true", "direction", "other")
    norm1, norm2 = chosen.norms.values
    return xr.Dataset(
        {
            "gradient": (along, mean[:, :2].numpy()),
            "gradient_error": (along, error[:, :2].numpy()),
            "hessian": (across, mean[:, 2:].view(-1, 2, 2).numpy()),
            "hessian_error": (across, error[:, 2:].view(-1, 2, 2).numpy()),
            "covariance": (across, covariance.numpy()),
            "images": ("true", number.numpy()),
        },
        coords={"true": list(split.classes), "direction": list(chosen.names), "other": list(chosen.names)},
        attrs={
            "first": chosen.names[0],
            "second": chosen.names[1],
            "norm1": norm1,
            "norm2": norm2,
            "cosine": chosen.cosine.values[0, 1],
            "weight_norm": chosen.weight_norm,
        },
    )

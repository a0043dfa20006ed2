"""Second order on a plane, without any range: gradients and Hessians of the losses along two directions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Unpack

import torch
import xarray as xr
from torch import nn
from torch.func import jacfwd
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ciutils import checks
from ciutils.data import Split
from ciutils.measure.directions import attributes, check_belong, of_pair
from ciutils.models.classifier import Classifier, Reading, beside, proof_images, proof_positions, proven
from ciutils.models.gradients import Directions
from ciutils.progress import Progress

_STEP, _STEPS = 1e-7, (1e-3, 5e-4, 2.5e-4)
"""Of a check by differences, in weight distance: in float64, and in float32."""


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

    Raises ValueError as `counts` does, for directions of another network, and for a network that holds what has no such
    derivative, or whose loss changes otherwise than its derivative says, as where it detaches. Source: beyond the
    paper; its Section 2.2 asks for a plane's flatness. Book: *Sharpness*.
    """
    batch_size = checks.whole(batch_size, "batch_size")
    check_belong(directions, model)
    chosen = of_pair(directions, split, pair)
    classify = proven(model, split, **reading)
    beside(classify, proof_images(split, classify))
    losses = _losses(classify, split, chosen)
    precision, classify.precision = classify.precision, "fp32"
    _check_second(losses, _check_first(classify, losses, split, chosen), split)
    classify.precision = precision
    batches = torch.arange(len(split)).split(batch_size)
    found = torch.empty(len(split), 6, dtype=torch.float64)
    with Progress(len(batches), f"derivatives {'-'.join(chosen.names)}") as progress:
        for index in batches:
            found[index] = _derivatives(losses, index)
            progress.step()
    return _by_class(found, split, chosen)


Losses = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of theta [2] and positions of images [n]: the loss of each [n]."""


def _losses(classify: Classifier, split: Split, chosen: Directions) -> Losses:
    home = {name: classify.state[name] for name in chosen.tensors}
    steps = {name: tensor.to(classify.device) for name, tensor in chosen.tensors.items()}

    def losses(theta: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        inputs = split.inputs(index, classify.dtype, classify.device)
        theta, labels = theta.to(classify.device, classify.dtype), split.labels[index].to(classify.device)
        classify.move({name: home[name] - theta[0] * steps[name][0] - theta[1] * steps[name][1] for name in home})
        return functional.cross_entropy(classify(inputs), labels, reduction="none")

    return losses


def _derivatives(losses: Losses, index: torch.Tensor) -> torch.Tensor:
    """Gradient [n, 2] and Hessian [n, 4] of each image's loss, side by side."""
    middle = torch.zeros(2)
    with _differentiable():
        first, second = (each(lambda theta: losses(theta, index))(middle) for each in (jacfwd, _twice))
    return torch.cat([first, second.flatten(1)], 1).detach().double().cpu()


def _twice(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    return jacfwd(jacfwd(function))


@torch.enable_grad()
def _backwards(losses: Losses, index: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """The Hessian [4] of the sum of the images' losses, each times its factor [n, 1], in reverse mode."""
    theta = torch.zeros(2, requires_grad=True)
    with _differentiable():
        each = losses(theta, index)
        total = (factors.flatten().to(each) * each).sum()
        (first,) = torch.autograd.grad(total, theta, create_graph=True)
        rows = [torch.autograd.grad(each, theta, retain_graph=True)[0] for each in first]
    return torch.cat(rows).double().cpu()


@contextmanager
def _differentiable() -> Iterator[None]:
    """Without attention's fast ways, which have no such derivatives; what else has none is told in one line."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
            warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated")  # torch's own rules are made by it
            warnings.filterwarnings("ignore", "There is a performance drop")  # of pooling; nobody can change it
            yield
    except torch.OutOfMemoryError:
        raise
    except (NotImplementedError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"the network holds what has no second derivative in torch, and so no curvature here: {reason}"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _check_first(classify: Classifier, losses: Losses, split: Split, chosen: Directions) -> torch.Tensor:
    """The derivatives of the images of the proof. Raises ValueError where their mean loss surely changes otherwise."""
    index = proof_positions(split)
    each = _derivatives(losses, index)
    for axis, norm in enumerate(chosen.norms.values):
        unit, said = chosen.weight_norm / norm, float(each[:, axis].mean())
        try:
            slope, unsure = (
                _exact_slope(classify, split, chosen, axis, _STEP * unit),
                1e-3 * float(each[:, axis].abs().mean()),
            )
        except Exception:  # somebody's code in a type that it was not written for may raise anything
            slopes = [_slope(losses, index, axis, step * unit) for step in _STEPS]
            slope, unsure = slopes[-1], 10 * (max(slopes) - min(slopes))  # by bends and rounding
        if abs(said - slope) > max(0.01 * abs(slope), unsure):
            raise ValueError(
                f"along the gradient of {chosen.names[axis]!r} the loss changes by {slope:.3g} a unit of theta, its "
                f"derivative says {said:.3g}: let nothing in the network detach what depends on its weights"
            )
    return each


def _exact_slope(classify: Classifier, split: Split, chosen: Directions, axis: int, step: float) -> float:
    """As `_slope`, in float64, where so small a step can be taken that the loss does not bend in it."""
    home, dtype = classify.state, classify.dtype
    try:
        classify.move({name: value.double() for name, value in home.items() if value.is_floating_point()})
        classify.dtype = torch.float64
        return _slope(_losses(classify, split, chosen), proof_positions(split), axis, step)
    finally:
        classify.state, classify.dtype = home, dtype


def _check_second(losses: Losses, each: torch.Tensor, split: Split) -> None:
    """Raise ValueError where the second derivatives of the images of the proof are others in reverse mode: torch's own
    rules can be wrong. See pytorch's issues 196700, of nn.LayerNorm, and 198017."""
    index = proof_positions(split)
    signs = torch.randint(2, (len(index), 1), generator=torch.Generator().manual_seed(0)) * 2.0 - 1  # errors may cancel
    forwards, backwards = (signs * each[:, 2:]).sum(0), _backwards(losses, index, signs)
    if (forwards - backwards).abs().max() > 1e-3 * each[:, 2:].square().sum(0).sqrt().max():
        raise ValueError(
            "torch gives two second derivatives of the losses, forwards and backwards: a layer of the network, such as "
            "nn.LayerNorm, has a wrong rule; no curvature is known"
        )


@torch.no_grad()
def _slope(losses: Losses, index: torch.Tensor, axis: int, step: float) -> float:
    """By central difference."""
    way = step * torch.eye(2, dtype=torch.float64)[axis]
    above, below = (losses(sign * way, index).double().mean() for sign in (1, -1))
    return float(above - below) / (2 * step)


def _by_class(found: torch.Tensor, split: Split, chosen: Directions) -> xr.Dataset:
    rows = [found[split.labels == position] for position in range(len(split.classes))]
    number = torch.tensor([len(each) for each in rows])
    mean = torch.stack([each.mean(0) for each in rows])
    error = torch.stack([each.std(0) / len(each) ** 0.5 for each in rows])
    covariance = torch.stack([each[:, :2].T.cov() if len(each) > 1 else torch.full((2, 2), torch.nan) for each in rows])
    along, across = ("true", "direction"), ("true", "direction", "other")
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
        attrs=attributes(chosen),
    )

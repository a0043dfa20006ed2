"""Interference spaces: a trained network's mistakes over a plane spanned by two directions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
import xarray as xr
from scipy import stats
from torch import nn

from ciutils import artifacts, checks
from ciutils.choices import BN, SIGNS
from ciutils.counts import CELLS
from ciutils.data import Split
from ciutils.measure.directions import attributes, check_belong, of_pair, rescaled
from ciutils.measure.evaluator import ALL, Evaluator, Plane
from ciutils.models.classifier import Reading
from ciutils.models.gradients import Directions
from ciutils.progress import Progress

AUDITED = ((0, 0), (0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5))
"""Points, in units of sigma, at which a bf16 space is compared with float32."""


SAME = 0.005
"""Share of the images that another machine's rounding may move to another class at one point; the loss may change by
four times as much."""


CONFIDENCE = 0.95
"""Of the interval of a mistake rate that is measured on a part of the images."""


def interference_space(
    model: nn.Module,
    split: Split,
    directions: Directions,
    pair: str | Sequence[str | int],
    sigma: float | tuple[float, float],
    points: int | tuple[int, int] = 19,
    *,
    scale: str = "gradient",
    sign: str = "descent",
    bn: str = "frozen",
    tolerance: float | None = None,
    shard: tuple[int, int] = (0, 1),
    checkpoint: str | Path | None = None,
    batch_size: int | None = None,
    statistics: Split | None = None,
    **reading: Unpack[Reading],
) -> xr.Dataset:
    """Measure `model` on `split` at w* - theta1 g1 - theta2 g2, on a grid of thetas in [-sigma, sigma].

    pair: two of `directions`, as "cat-dog". sigma, points: one value, or one for each axis; points are odd, so that
    the network itself is the middle one, and at most 1001. scale: how `directions` are rescaled first, see `rescaled`.
    sign: "paper" has a plus before theta2, as Definition 2 is printed. bn: "frozen" keeps the batch-norm statistics of
    the trained network; "recalibrated" takes them anew at every point from the images of `statistics`, or from all of
    `split`. Some hundred are enough, augmented as in training: of other images the middle is another network's.
    tolerance: stop a point early once its mistake rate is known to +- tolerance at 95%, at most 0.5; None measures
    every image.
    shard: (i, n) measures only the rows i, i + n, ...; `merge` joins shards. checkpoint: a file written after every
    row; if it exists, only the rows that it lacks are measured. reading: device, precision ("auto"), logits, as in
    `counts`.

    Returns a Dataset over theta1, theta2 (with distance1, distance2 = `|theta| ||g|| / ||w*||`, signed):
    counts (.., true, predicted) int64; loss_sum (.., true) float64, summed cross-entropy; undefined (..), images whose
    output was not finite: there mistake rates and losses are NaN; low, high (..), the interval of the mistake rate, one
    value without `tolerance`; done (theta1), rows that were measured. Attributes
    hold the configuration, the norms and the cosine of the directions, the seconds that it took, those before an
    interruption included, the bf16 audit: the largest difference of mistake rate from float32 at `AUDITED` points,
    statistics_largest_error: what the choice of the images of `statistics` costs there, half of the difference between
    the mistake rates with the statistics of either half of them; and evaluated: "fast copy", proven on some images to
    compute what the network does, or "module".

    Raises ValueError for parameters out of range, directions or a checkpoint of another network, and a network that
    cannot prove itself, see `counts`. Source: arXiv:2211.01370, Section 2.2, Definition 2. Book: *Sharpness*.
    """
    checks.one_of(sign, SIGNS, "sign")
    checks.one_of(bn, BN, "bn")
    batch_size = None if batch_size is None else checks.whole(batch_size, "batch_size")
    tolerance = None if tolerance is None else checks.positive(tolerance, "tolerance", at_most=0.5)
    (part, parts), axes = checks.shard(shard), _axes(sigma, points)
    chosen = rescaled(of_pair(directions, split, pair), scale, model)
    evaluator = Evaluator(model, split, bn, batch_size, statistics, **reading)
    plane = _plane(model, chosen, sign, evaluator)
    configuration = {
        "pair": list(chosen.names),
        "scale": scale,
        "sign": sign,
        "bn": bn,
        "precision": evaluator.precision,
        "tolerance": tolerance,
        "plane": plane.sha256(),
        "network": evaluator.sha256,
        "logits": evaluator.classify.which,
        "images": split.sha256,
        "statistics": None if statistics is None else statistics.sha256,
    }
    told = {"configuration": json.dumps(configuration), "evaluated": evaluator.evaluated}
    space = _resumed(_empty(axes, split, chosen).assign_attrs(told), checkpoint)
    _check_measured(space, evaluator, plane, tolerance)
    started = time.perf_counter() - space.attrs.get("seconds", 0.0)

    def keep() -> None:
        space.attrs["seconds"] = time.perf_counter() - started
        if checkpoint:
            artifacts.save_dataset(space, Path(checkpoint))

    rows = [row for row in range(part, len(axes[0]), parts) if not space["done"][row]]
    with Progress(len(rows), f"space {'-'.join(chosen.names)}") as progress:
        for row in rows:
            _fill(space, row, evaluator, plane, tolerance)
            keep()
            progress.step()
    if evaluator.precision == "bf16" and "audit_largest_difference" not in space.attrs:
        exactly: Reading = {**reading, "precision": "fp32"}
        exact = Evaluator(model, split, bn, batch_size, statistics, **exactly)
        space.attrs |= _audit(evaluator, exact, plane, axes)
    if statistics is not None and "statistics_largest_error" not in space.attrs:
        space.attrs |= _statistics_error(evaluator, plane, axes)
    return space.assign_attrs(seconds=time.perf_counter() - started)


def merge(spaces: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join shards of one space: the counts and losses that one process would have measured, the seconds added up.

    Raises ValueError if they are not of the same space, or if rows are missing.
    """
    if not isinstance(spaces, Sequence) or not all(isinstance(each, xr.Dataset) and "done" in each for each in spaces):
        raise ValueError(f"shards are a {type(spaces).__name__}: give a list of spaces, as interference_space does")
    if not spaces:
        raise ValueError("there are no shards: give at least one")
    first = spaces[0]
    for other in spaces[1:]:
        _same_space(first, other, "a shard")
    merged = first.copy(deep=True)
    merged.attrs["seconds"] = sum(each.attrs["seconds"] for each in spaces)
    for other in spaces[1:]:
        rows = other["done"].values
        for name, values in merged.data_vars.items():
            values.values[rows] = other[name].values[rows]
    missing = int((~merged["done"]).sum())
    if missing:
        raise ValueError(f"{missing} of {merged.sizes['theta1']} rows are missing: measure the other shards too")
    return merged


def measured_again(
    space: xr.Dataset,
    model: nn.Module,
    split: Split,
    directions: Directions,
    points: Sequence[tuple[int, int]],
    device: str = "auto",
) -> xr.DataArray:
    """The counts of single grid points of `space`, measured anew with its own settings: (point, true, predicted).

    points: (row, column) positions in the grid. Used to verify a published space. Raises ValueError for one with
    statistics of other images.
    """
    settings = json.loads(space.attrs["configuration"])
    if settings.get("statistics"):
        raise ValueError("the space has batch-norm statistics of other images: measure it whole with these")
    chosen = rescaled(directions.only(settings["pair"]), settings["scale"], model)
    reading: Reading = {"device": device, "precision": settings["precision"], "logits": settings.get("logits")}
    evaluator = Evaluator(model, split, settings["bn"], **reading)
    plane = _plane(model, chosen, settings["sign"], evaluator)
    counts = []
    for row, column in points:
        evaluator.move(plane.at(float(space["theta1"][row]), float(space["theta2"][column])))
        counts.append(evaluator.measure().counts)
    return xr.DataArray(np.stack(counts), dims=("point", *CELLS))


def standard_error(space: xr.Dataset, population: int) -> xr.DataArray:
    """Standard error of the mistake rate as an estimate over `population` images: (theta1, theta2), 0 if all are in.

    The space's images are a sample stratified by class, without replacement: the variance is the sum over classes c of
    (n_c / n)^2 (1 - n / population) p_c (1 - p_c) / (n_c - 1). NaN where an output was not finite.
    """
    per_class = space["counts"].sum("predicted")
    images = per_class.sum("true")
    correct = per_class.copy(data=np.diagonal(space["counts"].values, axis1=-2, axis2=-1))
    rate = (1 - correct / per_class).where((space["undefined"] == 0) & space["done"])
    missing = (1 - images / population).clip(min=0)
    terms = (per_class / images) ** 2 * missing * rate * (1 - rate) / (per_class - 1).clip(min=1)
    return (terms.sum("true", skipna=False) ** 0.5).rename("standard_error")


def _axes(sigma: float | tuple[float, float], points: int | tuple[int, int]) -> list[np.ndarray]:
    sigmas, numbers = _for_each_axis(sigma, "sigma"), _for_each_axis(points, "points")
    return [
        checks.half_side(each) * np.linspace(-1, 1, checks.odd(number, "points"))
        for each, number in zip(sigmas, numbers, strict=True)
    ]


def _for_each_axis(value: Any, what: str) -> tuple:  # noqa: ANN401, its parts are looked at later
    both = tuple(value) if np.ndim(value) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{what} = {value!r}: give one value, or one for each of the two axes")
    return both


def _plane(model: nn.Module, chosen: Directions, sign: str, evaluator: Evaluator) -> Plane:
    check_belong(chosen, model)
    axes = [chosen[0], _signed(chosen[1], sign)]
    return Plane(dict(model.named_parameters()), axes, evaluator.classify.device)


def _signed(direction: dict[str, torch.Tensor], sign: str) -> dict[str, torch.Tensor]:
    return direction if sign == "descent" else {name: -tensor for name, tensor in direction.items()}


def _empty(axes: list[np.ndarray], split: Split, chosen: Directions) -> xr.Dataset:
    shape, classes = (len(axes[0]), len(axes[1])), list(split.classes)
    grid = ("theta1", "theta2")
    norm1, norm2 = chosen.norms.values
    return xr.Dataset(
        {
            "counts": ((*grid, "true", "predicted"), np.zeros((*shape, len(classes), len(classes)), np.int64)),
            "loss_sum": ((*grid, "true"), np.full((*shape, len(classes)), np.nan)),
            "undefined": (grid, np.zeros(shape, np.int64)),
            "low": (grid, np.full(shape, np.nan)),
            "high": (grid, np.full(shape, np.nan)),
            "done": ("theta1", np.zeros(shape[0], bool)),
        },
        coords={
            "theta1": axes[0],
            "theta2": axes[1],
            "true": classes,
            "predicted": classes,
            "distance1": ("theta1", axes[0] * norm1 / chosen.weight_norm),
            "distance2": ("theta2", axes[1] * norm2 / chosen.weight_norm),
        },
        attrs={**attributes(chosen), **({"resized": split.resized} if split.resized else {})},
    )


def _fill(space: xr.Dataset, row: int, evaluator: Evaluator, plane: Plane, tolerance: float | None) -> None:
    """Measure one row of `space`."""
    for column in range(space.sizes["theta2"]):
        evaluator.move(plane.at(float(space["theta1"][row]), float(space["theta2"][column])))
        for name, value in _measure(evaluator, tolerance).items():
            space[name].values[row, column] = value
    space["done"].values[row] = True


def _measure(evaluator: Evaluator, tolerance: float | None) -> dict[str, object]:
    """One point: its counts, loss sums, undefined outputs, and the interval of its mistake rate."""
    measured = evaluator.measure(_known(evaluator, tolerance))
    low, high = _interval(measured.mistakes, measured.seen, *_looks(evaluator))
    loss_sum = measured.loss_sum if not measured.undefined else np.full_like(measured.loss_sum, np.nan)
    return {"counts": measured.counts, "loss_sum": loss_sum, "undefined": measured.undefined, "low": low, "high": high}


def _known(evaluator: Evaluator, tolerance: float | None) -> Callable[[torch.Tensor], bool] | None:
    """Whether counts so far tell the mistake rate to within `tolerance`; None measures all images."""
    if tolerance is None:
        return None

    def known(counts: torch.Tensor) -> bool:
        seen = int(counts.sum())
        low, high = _interval(seen - int(counts.trace()), seen, *_looks(evaluator))
        return high - low <= 2 * tolerance

    return known


def _looks(evaluator: Evaluator) -> tuple[int, int]:
    """Images in all, and batches after which one may stop."""
    return evaluator.images.total, len(evaluator.images)


def _interval(mistakes: int, seen: int, total: int, looks: int) -> tuple[float, float]:
    """Interval of the mistake rate over all `total` images from `seen` of them, drawn at random without replacement.

    Wilson's interval at a confidence shared out over the `looks` at which the point might have stopped (Bonferroni),
    and no wider than what the images not seen can still change.
    """
    level = 1 - (1 - CONFIDENCE) / looks
    wilson = stats.binomtest(mistakes, seen).proportion_ci(level, method="wilson")
    return max(wilson.low, mistakes / total), min(wilson.high, (mistakes + total - seen) / total)


def _audit(evaluator: Evaluator, exact: Evaluator, plane: Plane, axes: list[np.ndarray]) -> dict[str, object]:
    points = [(first * axes[0][-1], second * axes[1][-1]) for first, second in AUDITED]
    differences = [abs(rate_at(evaluator, plane, *point) - rate_at(exact, plane, *point)) for point in points]
    return {"audit_largest_difference": max(differences), "audit_points": len(differences)}


def _statistics_error(evaluator: Evaluator, plane: Plane, axes: list[np.ndarray]) -> dict[str, float]:
    """The error of a mean of two independent parts is half of their difference, but for chance."""
    middle = len(evaluator.sources) // 2
    if not middle:
        return {"statistics_largest_error": float("nan")}
    points = [(first * axes[0][-1], second * axes[1][-1]) for first, second in AUDITED]
    halves = (slice(middle), slice(middle, None))
    rates = [[rate_at(evaluator, plane, *point, batches=half) for half in halves] for point in points]
    return {"statistics_largest_error": max(abs(one - other) / 2 for one, other in rates)}


def rate_at(evaluator: Evaluator, plane: Plane, theta1: float, theta2: float, batches: slice = ALL) -> float:
    """Mistake rate at one point of a plane. batches: see `Evaluator.move`."""
    evaluator.move(plane.at(theta1, theta2), batches)
    measured = evaluator.measure()
    return measured.mistakes / measured.seen


def _resumed(space: xr.Dataset, checkpoint: str | Path | None) -> xr.Dataset:
    """What the `checkpoint` holds of `space`, if there is one."""
    if not checkpoint or not Path(checkpoint).exists():
        return space
    found = artifacts.load_dataset(Path(checkpoint))
    _same_space(space, found, str(checkpoint))
    return found


def _check_measured(space: xr.Dataset, evaluator: Evaluator, plane: Plane, tolerance: float | None) -> None:
    """Raise ValueError unless a point that was measured before gives the same again, but for rounding: a network, or
    images, can have changed in ways that no digest sees."""
    if not space["done"].any():
        return
    row = min(np.flatnonzero(space["done"]), key=lambda each: abs(float(space["theta1"][each])))
    point = row, space.sizes["theta2"] // 2  # of those there, that nearest the network
    evaluator.move(plane.at(float(space["theta1"][row]), 0.0))
    found = evaluator.measure(_known(evaluator, tolerance))
    changed = int(np.abs(found.counts - space["counts"].values[point]).sum()) // 2
    loss = space["loss_sum"].values[point].sum()
    if changed > max(2, SAME * found.seen) or abs(found.loss_sum.sum() - loss) > 4 * SAME * loss:
        raise ValueError(
            f"the checkpoint is of another network or other images: at a point of it the summed loss was {loss:.5g}, "
            f"and is {found.loss_sum.sum():.5g}; {changed} of {found.seen} images are predicted otherwise; use another "
            "checkpoint file"
        )


def _same_space(ours: xr.Dataset, theirs: xr.Dataset, what: str) -> None:
    for axis in ("theta1", "theta2"):
        if not np.array_equal(ours[axis], theirs[axis]):
            raise ValueError(f"{what} is of another space: its {axis} differs; use another checkpoint file")
    mine, other = (json.loads(each.attrs["configuration"]) for each in (ours, theirs))
    for key, value in mine.items():
        if other.get(key) != value:
            raise ValueError(
                f"{what} is of another space: {key} is {other.get(key)!r} there, {value!r} here; use another one"
            )

"""Interference spaces: a trained network's mistakes over a plane spanned by two ego directions, and what follows."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy import ndimage, stats
from torch import nn

from ciutils import checks, confusion, devices, ego, storage
from ciutils.datasets import Split, class_pair
from ciutils.evaluation import Evaluator, Plane
from ciutils.progress import Progress

SIGNS = ("descent", "paper")
BN = ("frozen", "recalibrated")
AUDITED = ((0, 0), (0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5))
"""Points, in units of sigma, at which a bf16 space is compared with float32."""


def interference_space(
    model: nn.Module,
    split: Split,
    directions: ego.Directions,
    pair: str | Sequence[str | int],
    sigma: float | tuple[float, float],
    points: int | tuple[int, int] = 19,
    *,
    scale: str = "gradient",
    sign: str = "descent",
    bn: str = "frozen",
    precision: str = "auto",
    device: str = "auto",
    batch_size: int | None = None,
    tolerance: float | None = None,
    confidence: float = 0.95,
    shard: tuple[int, int] = (0, 1),
    checkpoint: str | Path | None = None,
) -> xr.Dataset:
    """Measure `model` on `split` at w* - theta1 g1 - theta2 g2, on a grid of thetas in [-sigma, sigma].

    pair: two of `directions`, as "cat-dog". sigma, points: one value, or one for each axis; points are odd, so that
    the network itself is the middle one. scale: how `directions` are rescaled first, see `ego.rescaled`. sign: "paper"
    has a plus before theta2, as Definition 2 is printed. bn, precision: see `evaluation.Evaluator`.
    tolerance: stop a point early once its mistake rate is known to +- tolerance at `confidence`; None measures every
    image. shard: (i, n) measures only the rows i, i + n, ...; `merge` joins shards. checkpoint: a file written after
    every row; if it exists, only the rows that it lacks are measured.

    Returns a Dataset over theta1, theta2 (with distance1, distance2 = |theta| ||g|| / ||w*||, signed):
    counts (.., true, predicted) int64; loss_sum (.., true) float64, summed cross-entropy; undefined (..), images whose
    output was not finite: there mistake rates and losses are NaN; low, high (..), the interval of the mistake rate, one
    value without `tolerance`; done (theta1), rows that were measured. Attributes
    hold the configuration, the norms and the cosine of the directions, the seconds that it took, those before an
    interruption included, and the bf16 audit: the largest difference of mistake rate from float32 at `AUDITED` points.

    Raises ValueError for parameters out of range or a checkpoint of another space. The model is only read.
    Source: arXiv:2211.01370, Section 2.2, Definition 2. Book: *Sharpness*.
    """
    axes = _axes(sigma, points)
    checks.one_of(sign, SIGNS, "sign")
    checks.one_of(bn, BN, "bn")
    if batch_size is not None:
        checks.whole(batch_size, "batch_size")
    if tolerance is not None:
        checks.positive(tolerance, "tolerance")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence!r}: give a number between 0 and 1")
    if not (len(shard) == 2 and 0 <= shard[0] < shard[1]):
        raise ValueError(f"shard = {shard!r}: give (i, n) with 0 <= i < n")
    if not len(split):
        raise ValueError("the split holds no images: give at least one")
    where = devices.resolve_device(device)
    precision = devices.resolve_precision(precision, where)
    names = [directions.names[position] for position in class_pair(directions.names, pair)]
    chosen = ego.rescaled(directions.only(names), scale, model)
    plane = _plane(model, chosen, sign, where)
    space = _empty(axes, split, chosen)
    space.attrs["configuration"] = json.dumps({
        "pair": names, "scale": scale, "sign": sign, "bn": bn, "precision": precision, "tolerance": tolerance,
        "confidence": confidence, "plane": plane.sha256(), "images": split.sha256,
    })  # fmt: skip
    if checkpoint and Path(checkpoint).exists():
        space = _resumed(Path(checkpoint), space)
    started = time.perf_counter() - space.attrs.get("seconds", 0.0)
    rows = [row for row in range(shard[0], len(axes[0]), shard[1]) if not space["done"][row]]
    evaluator = Evaluator(model, split, precision, bn, where, batch_size)
    with Progress(len(rows), f"space {'-'.join(names)}") as progress:
        for row in rows:
            for column in range(len(axes[1])):
                evaluator.move(plane.at(axes[0][row], axes[1][column]))
                measured = _measure(evaluator, tolerance, confidence)
                for name, value in measured.items():
                    space[name].values[row, column] = value
            space["done"].values[row] = True
            space.attrs["seconds"] = time.perf_counter() - started
            if checkpoint:
                storage.save_dataset(space, Path(checkpoint))
            progress.step()
    if precision == "bf16" and "audit_largest_difference" not in space.attrs:
        exact = Evaluator(model, split, "fp32", bn, where, batch_size)
        space.attrs |= _audit(evaluator, exact, plane, axes)
    return space.assign_attrs(seconds=time.perf_counter() - started)


def merge(spaces: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join shards of one space: the counts and losses that one process would have measured, the seconds added up.

    Raises ValueError if they are not of the same space, or if rows are missing.
    """
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
    directions: ego.Directions,
    points: Sequence[tuple[int, int]],
    device: str = "auto",
) -> xr.DataArray:
    """The counts of single grid points of `space`, measured anew with its own settings: (point, true, predicted).

    points: (row, column) positions in the grid. Used to verify a published space.
    """
    where = devices.resolve_device(device)
    settings = json.loads(space.attrs["configuration"])
    chosen = ego.rescaled(directions.only(settings["pair"]), settings["scale"], model)
    plane = _plane(model, chosen, settings["sign"], where)
    evaluator = Evaluator(model, split, settings["precision"], settings["bn"], where)
    counts = []
    for row, column in points:
        evaluator.move(plane.at(float(space["theta1"][row]), float(space["theta2"][column])))
        counts.append(evaluator.measure().counts)
    return xr.DataArray(np.stack(counts), dims=("point", *confusion.CELLS))


# --- what follows from a space


def mistake_rate(space: xr.Dataset) -> xr.DataArray:
    """Share of all images that are misclassified: (theta1, theta2); NaN where an output was not finite.

    This and the other measures of a space name the directions in their attributes first and second.
    """
    images = space["counts"].sum(("true", "predicted"))
    correct = _correct(space).sum("true")
    return _defined(space, 1 - correct / images).rename("mistake_rate")


def class_mistake_rate(space: xr.Dataset) -> xr.DataArray:
    """Share of each class's images that are misclassified: (theta1, theta2, true)."""
    return _defined(space, 1 - _correct(space) / space["counts"].sum("predicted")).rename("class_mistake_rate")


def class_loss(space: xr.Dataset) -> xr.DataArray:
    """Mean cross-entropy of each class: (theta1, theta2, true). Source: arXiv:2211.01370, Section 4.1."""
    return _defined(space, space["loss_sum"] / space["counts"].sum("predicted")).rename("class_loss")


def standard_error(space: xr.Dataset, population: int) -> xr.DataArray:
    """Standard error of the mistake rate as an estimate over `population` images: (theta1, theta2), 0 if all are in.

    The space's images are a sample stratified by class, without replacement: the variance is the sum over classes c of
    (n_c / n)^2 (1 - n / population) p_c (1 - p_c) / (n_c - 1).
    """
    per_class = space["counts"].sum("predicted")
    images = per_class.sum("true")
    rate = class_mistake_rate(space)
    missing = (1 - images / population).clip(min=0)
    variance = ((per_class / images) ** 2 * missing * rate * (1 - rate) / (per_class - 1).clip(min=1)).sum(
        "true", skipna=False
    )
    return _defined(space, variance**0.5).rename("standard_error")


WAYS = {
    "+1": (1, 0), "-1": (-1, 0), "+2": (0, 1), "-2": (0, -1),
    "+1 +2": (1, 1), "-1 -2": (-1, -1), "+1 -2": (1, -1), "-1 +2": (-1, 1),
}  # fmt: skip
"""Ways out of the middle: + is descent on the first or second class, - is ascent."""


def class_response(space: xr.Dataset, reach: float = 1.0) -> xr.DataArray:
    """How much each class's mean loss has changed for each of `WAYS` from the middle: (way, true).

    reach: how far along each way, as a share of the way to the edge, rounded to a grid point, at least one step.
    Source: arXiv:2211.01370, Section 4.1. Book: *Class-wise losses*.
    """
    if not 0 < reach <= 1:
        raise ValueError(f"reach = {reach!r}: give a share of the way to the edge, above 0 and up to 1")
    loss = class_loss(space)
    i, j = _middle(space)
    far1, far2 = (max(1, round(reach * half)) for half in (i, j))
    ends = np.stack([loss.values[i + a * far1, j + b * far2] - loss.values[i, j] for a, b in WAYS.values()])
    coordinates = {"way": list(WAYS), "true": loss["true"].values}
    return xr.DataArray(ends, dims=("way", "true"), coords=coordinates, name="class_response")


def shape_similarity(space: xr.Dataset) -> xr.DataArray:
    """Spearman's rank correlation of the loss surfaces of every two classes: (true, other), from -1 to 1.

    Ranks do not depend on a surface's scale or offset. NaN for a surface with undefined points or without relief.
    Source: arXiv:2211.01370, Section 4.1, where shapes are compared by eye. Book: *Class-wise losses*.
    """
    loss = class_loss(space)
    surfaces = loss.transpose("true", ...).values.reshape(loss.sizes["true"], -1)
    ranks = stats.rankdata(surfaces, axis=1, nan_policy="propagate")
    with np.errstate(invalid="ignore"):
        matrix = np.corrcoef(ranks)
    names = list(loss["true"].values)
    return xr.DataArray(matrix, dims=("true", "other"), coords={"true": names, "other": names}, name="shape_similarity")


@dataclass(frozen=True)
class PairCorrelation:
    """Spearman's correlation of two class-by-class matrices over pairs of classes, and its p-value by permutation."""

    correlation: float
    p_value: float


def pair_correlation(first: xr.DataArray, second: xr.DataArray, draws: int = 5000, seed: int = 0) -> PairCorrelation:
    """Mantel's test: do pairs of classes that are high in one matrix tend to be high in the other?

    Both (class, class); each pair counts once, by the mean of its two cells. Permuting the classes of one matrix, not
    its cells, keeps what cells of one class have in common. The p-value is two-sided; pairs with NaN are left out.
    Source: claim C18 of this book's list; Mantel 1967. Book: *Class-wise losses*.
    """
    checks.whole(draws, "draws")
    one, other = ((each.values + each.values.T) / 2 for each in (first, second))
    if one.shape != other.shape:
        raise ValueError(f"matrices are {one.shape} and {other.shape}: give two of the same classes")
    upper = np.triu_indices(len(one), 1)
    random = np.random.default_rng(seed)

    def correlation(order: np.ndarray) -> float:
        left, right = one[np.ix_(order, order)][upper], other[upper]
        both = np.isfinite(left) & np.isfinite(right)
        return float(stats.spearmanr(left[both], right[both]).statistic)

    observed = correlation(np.arange(len(one)))
    drawn = np.array([correlation(random.permutation(len(one))) for _ in range(draws)])
    as_far = int((np.abs(drawn) >= abs(observed) - 1e-12).sum())
    return PairCorrelation(observed, (1 + as_far) / (1 + draws))


@dataclass(frozen=True)
class FlatArea:
    """The connected region around the minimum whose mistake rate is within a tolerance of the minimum's.

    theta: its area in theta units. distance: in weight distance, the area of the same region of weight space over
    ||w*||^2. share, points: how much of the grid it is; at one point the area is not resolved. touches_edge: whether
    it reaches the edge, so that areas are lower bounds.
    """

    theta: float
    distance: float
    share: float
    points: int
    touches_edge: bool


def flat_area(space: xr.Dataset, tolerance: float = 0.05) -> FlatArea:
    """The flat area around the middle point; each grid point stands for one cell of the grid.

    Points are connected along the axes (not diagonally). Source: arXiv:2211.01370, Section 3. Book: *Sharpness*.
    """
    checks.positive(tolerance, "tolerance")
    rate = mistake_rate(space)
    middle = _middle(space)
    if not np.isfinite(rate.values[middle]):
        return FlatArea(math.nan, math.nan, math.nan, 0, False)
    regions, _ = ndimage.label(rate.values <= rate.values[middle] + tolerance)
    region = regions == regions[middle]
    steps = [float(space[axis][1] - space[axis][0]) for axis in ("theta1", "theta2")]
    theta = float(region.sum()) * steps[0] * steps[1]
    norm1, norm2, cosine = (space.attrs[key] for key in ("norm1", "norm2", "cosine"))
    # A cell of the plane is a parallelogram in weight space.
    distance = theta * norm1 * norm2 * math.sqrt(max(0.0, 1 - cosine**2)) / space.attrs["weight_norm"] ** 2
    edge = np.concatenate([region[0], region[-1], region[:, 0], region[:, -1]])
    return FlatArea(theta, distance, float(region.mean()), int(region.sum()), bool(edge.any()))


def cut(space: xr.Dataset, angle: float, points: int = 101) -> xr.DataArray:
    """Mistake rate along the line through the middle at `angle` degrees from the theta1 axis: (position).

    position runs from -1 to 1: from edge to edge of the largest ellipse in the grid, so that every angle covers as
    much of the picture. 135 degrees is one ego up and the other down. Values between grid points are bilinear.
    """
    return _cuts(space, [angle], points).isel(angle=0)


def sensitivity(space: xr.Dataset, angles: Sequence[float] = tuple(range(0, 180, 5))) -> xr.DataArray:
    """How sharp the cut at each angle is: its mean mistake rate above that of the middle point: (angle) in degrees."""
    middle = mistake_rate(space).values[_middle(space)]
    return (_cuts(space, angles, 101).mean("position", skipna=False) - middle).rename("sensitivity")


def ego_widths(space: xr.Dataset, tolerance: float = 0.05) -> pd.DataFrame:
    """How far one can go along each half-axis before the mistake rate has risen by `tolerance`.

    One row for each half-axis: direction (name), way ("descent" or "ascent" on it), theta, distance (weight distance);
    positions between grid points are linear, and infinite where the rate does not rise so far within the grid.
    """
    checks.positive(tolerance, "tolerance")
    rate = mistake_rate(space).values
    row, column = _middle(space)
    limit = rate[row, column] + tolerance
    names = space.attrs["first"], space.attrs["second"]
    table = []
    for axis, name, line, middle in ((1, names[0], rate[:, column], row), (2, names[1], rate[row], column)):
        theta = space[f"theta{axis}"].values
        norm = space.attrs[f"norm{axis}"]
        for way, half in (("descent", slice(middle, None)), ("ascent", slice(middle, None, -1))):
            reached = _first_crossing(np.abs(theta[half]), line[half], limit)
            table.append((name, way, reached, reached * norm / space.attrs["weight_norm"]))
    return pd.DataFrame(table, columns=["direction", "way", "theta", "distance"])


@dataclass(frozen=True)
class DiagonalTest:
    """Whether the line at 135 degrees is steeper than the others (claim C10).

    steepest: the angle of the sharpest cut, in degrees. at_135, at_45: sensitivities there; mean: over all angles.
    share_less: share of the angles whose cut is less sharp than the one at 135 degrees.
    """

    steepest: float
    at_135: float
    at_45: float
    mean: float
    share_less: float


def diagonal_test(space: xr.Dataset) -> DiagonalTest:
    """Compare the cut at 135 degrees with all others. Source: arXiv:2211.01370, Section 3."""
    by_angle = sensitivity(space)
    at_135 = float(by_angle.sel(angle=135))
    others = by_angle.drop_sel(angle=135)
    return DiagonalTest(
        float(by_angle.idxmax("angle")), at_135, float(by_angle.sel(angle=45)), float(by_angle.mean()),
        float((others < at_135).mean()),
    )  # fmt: skip


def find_sigma(
    model: nn.Module,
    split: Split,
    directions: ego.Directions,
    pairs: Sequence[str | Sequence[str | int]],
    level: float = 0.5,
    *,
    scale: str = "gradient",
    precision: str = "auto",
    device: str = "auto",
) -> float:
    """The smallest sigma, to a factor of 1.1, at which the boundary's mean mistake rate passes `level` for every pair.

    The boundary is sampled at its corners and the middles of its sides, averaged over the pairs' eight points each.
    Raises ValueError if no sigma up to a weight distance of 100 passes. Source: arXiv:2211.01370 gives only ratios.
    """
    if not 0 < level < 1:
        raise ValueError(f"level = {level!r}: give a mistake rate between 0 and 1")
    where = devices.resolve_device(device)
    evaluator = Evaluator(model, split, devices.resolve_precision(precision, where), "frozen", where)
    origin = dict(model.named_parameters())
    chosen = [
        ego.rescaled(
            directions.only([directions.names[each] for each in class_pair(directions.names, pair)]), scale, model
        )
        for pair in pairs
    ]
    planes = [Plane(origin, [each[0], each[1]], where) for each in chosen]
    border = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]

    def lowest(sigma: float) -> float:
        return min(
            float(np.mean([_rate_at(evaluator, plane, a * sigma, b * sigma) for a, b in border])) for plane in planes
        )

    largest = max(float(each.norms.max()) for each in chosen)
    sigma, limit = 1e-3 * directions.weight_norm / largest, 1e2 * directions.weight_norm / largest
    while lowest(sigma) < level:
        sigma *= 2
        if sigma > limit:
            raise ValueError(f"level = {level}: the mistake rate stays below it at any distance; give a lower one")
    low, high = sigma / 2, sigma
    while high / low > 1.1:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if lowest(middle) >= level else (middle, high)
    return high


def _axes(sigma: float | tuple[float, float], points: int | tuple[int, int]) -> list[np.ndarray]:
    sigmas = sigma if isinstance(sigma, tuple | list) else (sigma, sigma)
    numbers = points if isinstance(points, tuple | list) else (points, points)
    for each in sigmas:
        checks.positive(each, "sigma")
    for number in numbers:
        checks.whole(number, "points", at_least=3)
        if number % 2 == 0:
            raise ValueError(f"points = {number}: give an odd number, so that the network itself is the middle point")
    return [each * np.linspace(-1, 1, number) for each, number in zip(sigmas, numbers, strict=True)]


def _plane(model: nn.Module, chosen: ego.Directions, sign: str, where: torch.device) -> Plane:
    return Plane(dict(model.named_parameters()), [chosen[0], _signed(chosen[1], sign)], where)


def _signed(direction: dict[str, torch.Tensor], sign: str) -> dict[str, torch.Tensor]:
    return direction if sign == "descent" else {name: -tensor for name, tensor in direction.items()}


def _empty(axes: list[np.ndarray], split: Split, chosen: ego.Directions) -> xr.Dataset:
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
            "theta1": axes[0], "theta2": axes[1], "true": classes, "predicted": classes,
            "distance1": ("theta1", axes[0] * norm1 / chosen.weight_norm),
            "distance2": ("theta2", axes[1] * norm2 / chosen.weight_norm),
        },
        attrs={
            "first": chosen.names[0], "second": chosen.names[1],
            "norm1": norm1, "norm2": norm2, "cosine": chosen.cosine.values[0, 1], "weight_norm": chosen.weight_norm,
        },
    )  # fmt: skip


def _measure(evaluator: Evaluator, tolerance: float | None, confidence: float) -> dict[str, object]:
    """One point: its counts, loss sums, undefined outputs, and the interval of its mistake rate."""

    def interval(mistakes: int, seen: int) -> tuple[float, float]:
        looks = len(evaluator.images.batches)
        return _interval(mistakes, seen, evaluator.images.total, confidence, looks)

    def known(counts: torch.Tensor) -> bool:
        seen = int(counts.sum())
        low, high = interval(seen - int(counts.trace()), seen)
        return high - low <= 2 * tolerance

    measured = evaluator.measure(known if tolerance is not None else None)
    low, high = interval(measured.mistakes, measured.seen)
    loss_sum = measured.loss_sum if not measured.undefined else np.full_like(measured.loss_sum, np.nan)
    return {"counts": measured.counts, "loss_sum": loss_sum, "undefined": measured.undefined, "low": low, "high": high}


def _interval(mistakes: int, seen: int, total: int, confidence: float, looks: int) -> tuple[float, float]:
    """Interval of the mistake rate over all `total` images from `seen` of them, drawn at random without replacement.

    Wilson's interval at a confidence shared out over the `looks` at which the point might have stopped (Bonferroni),
    and no wider than what the images not seen can still change.
    """
    level = 1 - (1 - confidence) / looks
    wilson = stats.binomtest(mistakes, seen).proportion_ci(level, method="wilson")
    return max(wilson.low, mistakes / total), min(wilson.high, (mistakes + total - seen) / total)


def _audit(evaluator: Evaluator, exact: Evaluator, plane: Plane, axes: list[np.ndarray]) -> dict[str, object]:
    points = [(first * axes[0][-1], second * axes[1][-1]) for first, second in AUDITED]
    differences = [abs(_rate_at(evaluator, plane, *point) - _rate_at(exact, plane, *point)) for point in points]
    return {"audit_largest_difference": max(differences), "audit_points": len(differences)}


def _rate_at(evaluator: Evaluator, plane: Plane, theta1: float, theta2: float) -> float:
    evaluator.move(plane.at(theta1, theta2))
    measured = evaluator.measure()
    return measured.mistakes / measured.seen


def _resumed(checkpoint: Path, space: xr.Dataset) -> xr.Dataset:
    found = storage.load_dataset(checkpoint)
    _same_space(space, found, str(checkpoint))
    return found


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


def _cuts(space: xr.Dataset, angles: Sequence[float], points: int) -> xr.DataArray:
    """Mistake rates along lines through the middle: (angle, position)."""
    coordinates = {"angle": list(angles), "position": np.linspace(-1, 1, points)}
    position = xr.DataArray(coordinates["position"], dims="position", coords={"position": coordinates["position"]})
    radians = xr.DataArray(np.radians(coordinates["angle"]), dims="angle", coords={"angle": coordinates["angle"]})
    ends = [float(space[axis][-1]) for axis in ("theta1", "theta2")]
    rates = mistake_rate(space).interp(
        theta1=position * ends[0] * np.cos(radians), theta2=position * ends[1] * np.sin(radians)
    )
    return rates.transpose("angle", "position")


def _correct(space: xr.Dataset) -> xr.DataArray:
    diagonal = np.diagonal(space["counts"].values, axis1=-2, axis2=-1)
    counts = space["counts"].isel(predicted=0, drop=True)
    return counts.copy(data=diagonal)


def _defined(space: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    names = {key: space.attrs[key] for key in ("first", "second")}
    return values.where((space["undefined"] == 0) & space["done"]).assign_attrs(names)


def _middle(space: xr.Dataset) -> tuple[int, int]:
    return space.sizes["theta1"] // 2, space.sizes["theta2"] // 2


def _first_crossing(theta: np.ndarray, line: np.ndarray, limit: float) -> float:
    above = np.flatnonzero(~(line <= limit))
    if not above.size:
        return math.inf
    after = int(above[0])
    if after == 0 or not np.isfinite(line[after]):
        return float(theta[max(after - 1, 0)])
    part = (limit - line[after - 1]) / (line[after] - line[after - 1])
    return float(theta[after - 1] + part * (theta[after] - theta[after - 1]))

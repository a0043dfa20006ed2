"""The cross-class test matrix (CCTM) and what follows from it: recalls, ranked pairs, interferers, symmetry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy import stats
from torch import nn

from ciutils import checks, devices
from ciutils.datasets import Split

CELLS = ("true", "predicted")
COUNTS = ("running_counts", "end_counts", "test_counts")
"""Counts that a history may hold: of training images as the network met them during the epoch (augmented, in training
mode, weights changing); of all training images at its end; of the test images at its end."""


def from_predictions(
    true: Sequence[int] | np.ndarray | torch.Tensor,
    predicted: Sequence[int] | np.ndarray | torch.Tensor,
    classes: Sequence[str],
) -> xr.DataArray:
    """Count how often each class was predicted for each true class: (true, predicted) int64, classes as coordinates.

    true, predicted: [N] whole numbers, positions in `classes`. Raises ValueError if they differ in length, are not
    whole, or lie outside 0..C-1. Book: chapter *CCTM*.
    """
    if not len(classes) or len(set(classes)) != len(classes):
        raise ValueError(f"classes {tuple(classes)!r}: give at least one name, each once")
    labels, predictions = _positions(true, "true", classes), _positions(predicted, "predicted", classes)
    if len(labels) != len(predictions):
        raise ValueError(f"{len(labels)} true and {len(predictions)} predicted labels: give one prediction for each")
    cells = np.bincount(labels * len(classes) + predictions, minlength=len(classes) ** 2)
    names = list(classes)
    matrix = cells.reshape(len(names), -1).astype(np.int64)
    return xr.DataArray(matrix, dims=CELLS, coords={"true": names, "predicted": names}, name="counts")


def counts(
    model: nn.Module, split: Split, *, batch_size: int = 500, device: str = "auto", precision: str = "auto"
) -> xr.DataArray:
    """Confusion counts of `model` on `split`, in evaluation mode: (true, predicted) int64.

    The model maps inputs [n, C, H, W] to logits [n, classes]. It comes back as it was: mode of every submodule,
    device, parameters and buffers, also when it raises.

    Raises ValueError for an empty split, outputs that do not match the classes, or logits that are not finite.
    Source: arXiv:2211.01370, Section 2.1. Book: chapter *CCTM*.
    """
    predicted = each_image(
        model, split, lambda logits, _: logits.argmax(1), batch_size=batch_size, device=device, precision=precision
    )
    return from_predictions(split.labels, predicted, split.classes)


def each_image(
    model: nn.Module,
    split: Split,
    reduce: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    batch_size: int = 500,
    device: str = "auto",
    precision: str = "auto",
) -> torch.Tensor:
    """What `reduce`(logits, labels) gives for each image of `split`, in evaluation mode: [images, ...], on the CPU.

    The model is treated, and errors are raised, as in `counts`.
    """
    checks.whole(batch_size, "batch_size")
    if not len(split):
        raise ValueError("the split holds no images: give at least one")
    where = devices.resolve_device(device)
    found = []
    with evaluating(model, where), torch.inference_mode(), devices.autocast(where, precision):
        for index in torch.arange(len(split)).split(batch_size):
            inputs = split.inputs(index, device=where).contiguous(memory_format=torch.channels_last)
            logits = checked_logits(model(inputs), len(split.classes))
            found.append(reduce(logits, split.labels[index].to(where)))
    return torch.cat(found).cpu()


def count_into(counts: torch.Tensor, labels: torch.Tensor, logits: torch.Tensor) -> None:
    """Add predictions to `counts` [classes, classes] (true, predicted) on their device.

    The host does not wait for a GPU, as it would at `torch.bincount`, which looks for the largest value first.
    """
    cells = labels * len(counts) + logits.argmax(1)
    counts.view(-1).index_add_(0, cells, torch.ones_like(cells))


@contextmanager
def evaluating(model: nn.Module, device: torch.device) -> Iterator[None]:
    """`model` on `device` with every submodule in evaluation mode; both are put back at the end, whatever happens."""
    modes = {module: module.training for module in model.modules()}
    home = next((parameter.device for parameter in model.parameters()), device)
    try:
        model.eval().to(device)
        with devices.convolutions(device):
            yield
    finally:
        model.to(home)
        for module, mode in modes.items():
            module.training = mode


def cctm(counts: xr.DataArray) -> xr.DataArray:
    """CCTM(c1, c2) = (c1 objects predicted as c2) / (c1 objects), of counts (..., true, predicted).

    Rows sum to one; the row of a class without objects is NaN, not 0. The diagonal is recall.
    Source: arXiv:2211.01370, Section 2.1. Book: chapter *CCTM*.
    """
    _check(counts)
    return (counts / counts.sum("predicted").where(lambda objects: objects > 0)).rename("cctm")


def recall(counts: xr.DataArray) -> xr.DataArray:
    """Share of each class's objects that were predicted right: (..., true), NaN for a class without objects."""
    return _diagonal(cctm(counts)).rename("recall")


def accuracy(counts: xr.DataArray) -> xr.DataArray:
    """Share of all objects that were predicted right: (...), NaN without objects."""
    _check(counts)
    objects = counts.sum(CELLS)
    return (_diagonal(counts).sum("true") / objects.where(objects > 0)).rename("accuracy")


def pairs(counts: xr.DataArray, confidence: float = 0.95) -> pd.DataFrame:
    """Every off-diagonal cell as a row, the most interfering first.

    Columns: true, predicted; errors, objects (counts of the cell and of its row); rate = CCTM(true, predicted) with
    its Wilson score interval low..high; share of all errors, cumulative. Ties keep the order of the classes; classes
    without objects come last, with NaN. The interval is for the sampling of test objects, one cell at a time: it says
    nothing of how a rate varies over training runs. Source: arXiv:2211.01370, Section 2.1. Book: chapter *CCTM*.
    """
    _check_matrix(counts)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence!r}: give a number between 0 and 1")
    rows, columns = np.nonzero(~np.eye(counts.sizes["true"], dtype=bool))
    names = counts["true"].values
    table = pd.DataFrame({"true": names[rows], "predicted": names[columns], "errors": counts.values[rows, columns]})
    table["objects"] = counts.values.sum(1)[rows]
    table["rate"] = table["errors"] / table["objects"].where(table["objects"] > 0)
    table["low"], table["high"] = _wilson(table["errors"], table["objects"], confidence)
    table["share"] = _share(table["errors"])
    table = table.sort_values("rate", ascending=False, kind="stable", ignore_index=True)
    return table.assign(cumulative=table["share"].cumsum())


def pair_shares(counts: xr.DataArray) -> pd.DataFrame:
    """Every unordered pair of classes with its share of all errors, both directions together, the largest first.

    Columns: first, second, errors, share, cumulative, even (the share that each pair would hold if errors spread
    evenly). Without errors shares are NaN. Source: arXiv:2211.01370, abstract. Book: chapter *CCTM*.
    """
    table = _both_directions(counts)
    table["errors"] = table["forward"] + table["backward"]
    table["share"] = _share(table["errors"])
    table = table.sort_values("errors", ascending=False, kind="stable", ignore_index=True)
    table = table.assign(cumulative=table["share"].cumsum(), even=1 / max(len(table), 1))
    return table.drop(columns=["forward", "backward"])


def interferers(counts: xr.DataArray, threshold: float = 0.005) -> pd.DataFrame:
    """For each class its recall, the number of its interferers, and their names, the worst first.

    c2 interferes c1 if CCTM(c1, c2) > threshold. Source: arXiv:2211.01370, Appendix 2. Book: chapter *CCTM*.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold = {threshold!r}: give a share of a class's objects, from 0 up to 1")
    ranked = pairs(counts)
    names = ranked[ranked["rate"] > threshold].groupby("true", sort=False)["predicted"].agg(list)
    table = recall(counts).to_series().rename_axis("class").to_frame()
    table["interferers"] = [len(names.get(each, [])) for each in table.index]
    table["names"] = [", ".join(names.get(each, [])) for each in table.index]
    return table


@dataclass(frozen=True)
class Symmetry:
    """How far confusion runs both ways.

    correlation: Pearson's, of the off-diagonal CCTM with its transpose. statistic, degrees_of_freedom, p_value:
    Bowker's test that n_ij = n_ji for all pairs. pairs: one row a pair with first, second, forward = n_ij,
    backward = n_ji, its statistic, p_value, and p_holm, adjusted for the number of pairs with errors (NaN without).
    """

    correlation: float
    statistic: float
    degrees_of_freedom: int
    p_value: float
    pairs: pd.DataFrame


def symmetry(counts: xr.DataArray) -> Symmetry:
    """Test whether c1 is taken for c2 as often as c2 for c1.

    Bowker's statistic is the sum over pairs of (n_ij - n_ji)^2 / (n_ij + n_ji), chi-squared with one degree of
    freedom for each pair that has errors; each term alone is McNemar's test without continuity correction. It compares
    counts: it tests equal *rates* only if the classes have equally many objects, as CIFAR-10's test set does.
    Source: Bowker 1948; the claim is arXiv:2211.01370, Section 2.1. Book: chapter *CCTM*.
    """
    table = _both_directions(counts)
    total = (table["forward"] + table["backward"]).where(lambda errors: errors > 0)
    table["statistic"] = (table["forward"] - table["backward"]) ** 2 / total
    table["p_value"] = stats.chi2.sf(table["statistic"], 1)
    table["p_holm"] = _holm(table["p_value"])
    statistic, freedom = float(table["statistic"].sum()), int(total.notna().sum())
    p_value = float(stats.chi2.sf(statistic, freedom)) if freedom else 1.0
    return Symmetry(_transpose_correlation(counts), statistic, freedom, p_value, table)


def _positions(labels: Sequence[int] | np.ndarray | torch.Tensor, what: str, classes: Sequence[str]) -> np.ndarray:
    array = np.asarray(labels)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise ValueError(f"{what} labels are {array.dtype} of shape {array.shape}: give whole numbers, one per object")
    array = array.astype(np.int64)
    outside = np.flatnonzero((array < 0) | (array >= len(classes)))
    if outside.size:
        where = int(outside[0])
        raise ValueError(f"{what} label {array[where]} at position {where} is out of range: {len(classes)} classes "
                         f"allow 0 to {len(classes) - 1}")  # fmt: skip
    return array


def checked_logits(logits: torch.Tensor, classes: int) -> torch.Tensor:
    """`logits` if they are finite and fit so many classes, else a ValueError."""
    if logits.ndim != 2 or logits.shape[1] != classes:
        raise ValueError(f"the network's outputs have shape {tuple(logits.shape)}: the split's {classes} classes need "
                         f"[images, {classes}]")  # fmt: skip
    broken = int((~torch.isfinite(logits)).any(1).sum())
    if broken:
        raise ValueError(
            f"the network's outputs are not finite for {broken} of {len(logits)} images: check its weights"
        )
    return logits


def _check(counts: xr.DataArray) -> None:
    if counts.dims[-2:] != CELLS or counts.sizes["true"] != counts.sizes["predicted"]:
        raise ValueError(f"counts have dims {dict(counts.sizes)}: give (..., true, predicted), equally many of both")
    if (counts < 0).any():
        raise ValueError(f"counts hold {counts.min().item()}: counts are not negative")


def _check_matrix(counts: xr.DataArray) -> None:
    _check(counts)
    if counts.ndim != 2:
        raise ValueError(f"counts have dims {dict(counts.sizes)}: choose one matrix, as in counts.isel(epoch=-1)")


def _diagonal(matrix: xr.DataArray) -> xr.DataArray:
    diagonal = np.diagonal(matrix.values, axis1=-2, axis2=-1)
    return xr.DataArray(diagonal, dims=matrix.dims[:-1], coords=matrix.isel(predicted=0, drop=True).coords)


def _both_directions(counts: xr.DataArray) -> pd.DataFrame:
    """One row for each pair of classes i < j: first, second, forward = n_ij, backward = n_ji."""
    _check_matrix(counts)
    first, second = np.triu_indices(counts.sizes["true"], k=1)
    names, values = counts["true"].values, counts.values
    return pd.DataFrame(
        {"first": names[first], "second": names[second], "forward": values[first, second],
         "backward": values[second, first]}
    )  # fmt: skip


def _share(errors: pd.Series) -> pd.Series:
    total = errors.sum()
    return errors / total if total else errors * np.nan


def _wilson(errors: pd.Series, objects: pd.Series, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    bounds = np.full((2, len(errors)), np.nan)
    for row, (hits, trials) in enumerate(zip(errors, objects, strict=True)):
        if trials:
            interval = stats.binomtest(int(hits), int(trials)).proportion_ci(confidence, method="wilson")
            bounds[:, row] = interval.low, interval.high
    return bounds[0], bounds[1]


def _holm(p_values: pd.Series) -> pd.Series:
    """Holm's step-down adjustment, over the p-values that exist."""
    ordered = p_values.dropna().sort_values(kind="stable")
    adjusted = (ordered * np.arange(len(ordered), 0, -1)).cummax().clip(upper=1)
    return adjusted.reindex(p_values.index)


def _transpose_correlation(counts: xr.DataArray) -> float:
    rates = cctm(counts).values
    apart = ~np.eye(len(rates), dtype=bool)
    both = np.stack([rates[apart], rates.T[apart]])
    both = both[:, np.isfinite(both).all(0)]
    return float(np.corrcoef(both)[0, 1]) if both.shape[1] > 1 and np.ptp(both[0]) > 0 else float("nan")

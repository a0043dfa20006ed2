"""The cross-class test matrix (CCTM) and what follows from it: recalls, ranked pairs, interferers, symmetry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from ciutils import checks
from ciutils.counts import CELLS


def cctm(counts: xr.DataArray) -> xr.DataArray:
    """CCTM(c1, c2) = (c1 objects predicted as c2) / (c1 objects), of counts (..., true, predicted).

    Rows sum to one; the row of a class without objects is NaN, not 0. The diagonal is recall. Raises ValueError, like
    everything here, for what are no counts: not whole, negative, or not over the same classes in both directions.
    Source: arXiv:2211.01370, Section 2.1. Book: *CCTM*.
    """
    counts = _checked(counts)
    return (counts / counts.sum("predicted").where(lambda objects: objects > 0)).rename("cctm")


def recall(counts: xr.DataArray) -> xr.DataArray:
    """Share of each class's objects that were predicted right: (..., true), NaN for a class without objects."""
    counts = _checked(counts)
    objects = counts.sum("predicted")
    return (diagonal(counts) / objects.where(objects > 0)).rename("recall")


def diagonal(table: xr.DataArray) -> xr.DataArray:
    """The diagonal of counts or rates (..., true, predicted): (..., true)."""
    right = np.diagonal(table.values, axis1=-2, axis2=-1)
    return table.isel(predicted=0, drop=True).copy(data=right)


def accuracy(counts: xr.DataArray) -> xr.DataArray:
    """Share of all objects that were predicted right: (...), NaN without objects."""
    counts = _checked(counts)
    objects = counts.sum(CELLS)
    return (diagonal(counts).sum("true") / objects.where(objects > 0)).rename("accuracy")


def pairs(counts: xr.DataArray) -> pd.DataFrame:
    """Every off-diagonal cell as a row, the most interfering first.

    Columns: true, predicted; errors, objects (counts of the cell and of its row); rate = CCTM(true, predicted) with
    its 95% interval low..high, Wilson's; share of all errors, cumulative. Ties keep the order of the classes; classes
    without objects come last, with NaN. The interval is for the sampling of test objects, one cell at a time: it says
    nothing of how a rate varies over training runs. Source: arXiv:2211.01370, Section 2.1. Book: *CCTM*.
    """
    counts = one_matrix(counts)
    rows, columns = np.nonzero(~np.eye(counts.sizes["true"], dtype=bool))
    names = counts["true"].values
    table = pd.DataFrame({"true": names[rows], "predicted": names[columns], "errors": counts.values[rows, columns]})
    table["objects"] = counts.values.sum(1)[rows]
    table["rate"] = table["errors"] / table["objects"].where(table["objects"] > 0)
    table["low"], table["high"] = _wilson(table["errors"], table["objects"])
    table["share"] = _share(table["errors"])
    table = table.sort_values("rate", ascending=False, kind="stable", ignore_index=True)
    return table.assign(cumulative=table["share"].cumsum())


def pair_shares(counts: xr.DataArray) -> pd.DataFrame:
    """Every unordered pair of classes with its share of all errors, both directions together, the largest first.

    Columns: first, second, errors, share with its 95% interval low..high (Wilson: another test set, of as many errors),
    cumulative, even (the share that each pair would hold if errors spread evenly). Without errors shares are NaN.
    Source: arXiv:2211.01370, abstract. Book: *CCTM*.
    """
    table = _both_directions(counts)
    table["errors"] = table["forward"] + table["backward"]
    table["share"] = _share(table["errors"])
    table["low"], table["high"] = _wilson(table["errors"], pd.Series(table["errors"].sum(), table.index))
    table = table.sort_values("errors", ascending=False, kind="stable", ignore_index=True)
    table = table.assign(cumulative=table["share"].cumsum(), even=1 / max(len(table), 1))
    return table.drop(columns=["forward", "backward"])


def interferers(counts: xr.DataArray, threshold: float = 0.005) -> pd.DataFrame:
    """For each class its recall, the number of its interferers, and their names, the worst first.

    c2 interferes c1 if CCTM(c1, c2) > threshold. Classes without objects are left out.
    Source: arXiv:2211.01370, Appendix 2. Book: *CCTM*.
    """
    threshold = checks.below_one(threshold, "threshold")
    ranked = pairs(counts)
    names = ranked[ranked["rate"] > threshold].groupby("true", sort=False)["predicted"].agg(list)
    table = recall(counts).to_series().rename_axis("class").dropna().to_frame()
    table["interferers"] = [len(names.get(each, [])) for each in table.index]
    table["names"] = [", ".join(map(str, names.get(each, []))) for each in table.index]
    return table


@dataclass(frozen=True)
class Symmetry:
    """How far confusion runs both ways.

    correlation: Pearson's, of the off-diagonal CCTM with its transpose; NaN where it is undefined: for fewer than two
    pairs of classes with objects (one pair with its mirror image gives -1, whatever the counts), and for rates that are
    all equal. statistic, degrees_of_freedom, p_value:
    Bowker's test that n_ij = n_ji for all pairs. pairs: one row a pair with first, second, forward = n_ij,
    backward = n_ji, its statistic, p_value, and p_holm, adjusted for the number of pairs with errors (NaN without).
    """

    correlation: float
    statistic: float
    degrees_of_freedom: int
    p_value: float
    pairs: pd.DataFrame


def exchanged(counts: xr.DataArray) -> list[tuple[str, ...]]:
    """Classes that seem to have each other's names: each is mostly, that is for more than half of its objects, called
    the next, and the last the first. So it is where a network was trained with its classes in another order.

    counts: (true, predicted). Example: of three classes whose outputs were turned round, [("a", "b", "c")].
    Book: *Your own network*.
    """
    values = one_matrix(counts).values
    names = [str(name) for name in counts["true"].values]
    mostly = {row: int(cells.argmax()) for row, cells in enumerate(values) if 2 * cells.max() > cells.sum()}
    found = []
    for first in mostly:
        cycle = [first]
        while (following := mostly.get(cycle[-1])) is not None and following not in cycle:
            cycle.append(following)
        if len(cycle) > 1 and following == first == min(cycle):
            found.append(tuple(names[each] for each in cycle))
    return found


def symmetry(counts: xr.DataArray) -> Symmetry:
    """Test whether c1 is taken for c2 as often as c2 for c1.

    Bowker's statistic is the sum over pairs of (n_ij - n_ji)^2 / (n_ij + n_ji), chi-squared with one degree of
    freedom for each pair that has errors; each term alone is McNemar's test without continuity correction. It compares
    counts: it tests equal *rates* only if the classes have equally many objects, as CIFAR-10's test set does. A class
    without objects takes part in no test.
    Source: Bowker 1948; the claim is arXiv:2211.01370, Section 2.1. Book: *CCTM*.
    """
    table = _both_directions(counts)
    present = counts["true"].values[counts.sum("predicted").values > 0]
    testable = table["first"].isin(present) & table["second"].isin(present)
    total = (table["forward"] + table["backward"]).where(lambda errors: testable & (errors > 0))
    table["statistic"] = (table["forward"] - table["backward"]) ** 2 / total
    table["p_value"] = stats.chi2.sf(table["statistic"], 1)
    table["p_holm"] = _holm(table["p_value"])
    statistic, freedom = float(table["statistic"].sum()), int(total.notna().sum())
    p_value = float(stats.chi2.sf(statistic, freedom)) if freedom else 1.0
    return Symmetry(_transpose_correlation(counts), statistic, freedom, p_value, table)


def _checked(counts: xr.DataArray) -> xr.DataArray:
    """`counts` in int64. Raises ValueError if they are no counts of classes taken for classes."""
    counts = checks.array(counts, "counts", (..., *CELLS), "counts.from_predictions")
    if counts.sizes["true"] != counts.sizes["predicted"]:
        raise ValueError(f"counts have dims {dict(counts.sizes)}: give (..., true, predicted), equally many of both")
    if counts.dtype.kind not in "iu":
        raise ValueError(f"counts are {counts.dtype}: give whole numbers in an integer type; rates are no counts")
    if (counts < 0).any():
        raise ValueError(f"counts hold {counts.min().item()}: counts are not negative")
    true, predicted = (list(counts[dim].values) for dim in CELLS)
    if true != predicted:
        one, other = next(pair for pair in zip(true, predicted, strict=True) if pair[0] != pair[1])
        raise ValueError(f"a row of counts is of {str(one)!r}, its column of {str(other)!r}: give both in one order")
    if len(set(true)) < len(true):
        raise ValueError(f"counts have classes {', '.join(map(str, true))}: give each once")
    return counts.astype(np.int64, copy=False)  # differences of unsigned counts would wrap around


def one_matrix(counts: xr.DataArray) -> xr.DataArray:
    """`counts` (true, predicted) in int64. Raises ValueError if they are no counts, as `cctm` does, or several."""
    counts = _checked(counts)
    if counts.ndim != 2:
        raise ValueError(f"counts have dims {dict(counts.sizes)}: choose one matrix, as in counts.isel(epoch=-1)")
    return counts


def _both_directions(counts: xr.DataArray) -> pd.DataFrame:
    """One row for each pair of classes i < j: first, second, forward = n_ij, backward = n_ji."""
    counts = one_matrix(counts)
    first, second = np.triu_indices(counts.sizes["true"], k=1)
    names, values = counts["true"].values, counts.values
    return pd.DataFrame(
        {
            "first": names[first],
            "second": names[second],
            "forward": values[first, second],
            "backward": values[second, first],
        }
    )


def _share(errors: pd.Series) -> pd.Series:
    total = errors.sum()
    return errors / total if total else errors * np.nan


def _wilson(errors: pd.Series, objects: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Wilson's score interval (95%) of errors / objects; NaN without objects."""
    objects, z = objects.where(objects > 0), stats.norm.isf(0.025)
    rate, spread = errors / objects, z**2 / objects
    middle, half = rate + spread / 2, np.sqrt(spread * (rate * (1 - rate) + spread / 4))
    return ((middle - half) / (1 + spread)).clip(lower=0), ((middle + half) / (1 + spread)).clip(upper=1)


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
    defined = both.shape[1] > 2 and np.ptp(both[0]) > 0  # two cells are one pair and its mirror image
    return float(np.corrcoef(both)[0, 1]) if defined else float("nan")

"""How classes respond to a plane, how alike their responses are, and whether what is alike is confused."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import stats
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from ciutils import checks
from ciutils.analyse.chance import Correlation, mantel, p_value
from ciutils.analyse.surfaces import centre, class_loss

WAYS = {
    "+1": (1, 0),
    "-1": (-1, 0),
    "+2": (0, 1),
    "-2": (0, -1),
    "+1 +2": (1, 1),
    "-1 -2": (-1, -1),
    "+1 -2": (1, -1),
    "-1 +2": (-1, 1),
}
"""Ways out of the middle: + is descent on the first or second class, - is ascent."""


def class_response(space: xr.Dataset, reach: float = 1.0) -> xr.DataArray:
    """How much each class's mean loss has changed for each of `WAYS` from the middle: (way, true).

    reach: how far along each way, as a share of the way to the edge, rounded to a grid point, at least one step.
    Source: arXiv:2211.01370, Section 4.1. Book: *Class-wise losses*.
    """
    reach = checks.positive(reach, "reach", at_most=1)
    loss = class_loss(space)
    i, j = centre(space)
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
        matrix = np.corrcoef(ranks).reshape(len(ranks), len(ranks))  # of one class too
    names = list(loss["true"].values)
    return xr.DataArray(matrix, dims=("true", "other"), coords={"true": names, "other": names}, name="shape_similarity")


def grouped(similarity: np.ndarray) -> np.ndarray:
    """The order of classes that puts similar ones beside each other, by clustering with average linkage: (class).

    similarity: (class, class), the mean of both cells of a pair counts; NaN is none.
    """
    if len(similarity) < 3:
        return np.arange(len(similarity))
    alike = np.nan_to_num(similarity + similarity.T)
    distances = squareform(alike.max() - alike, checks=False)
    return leaves_list(linkage(distances, "average", optimal_ordering=True))


def pair_correlation(first: xr.DataArray, second: xr.DataArray, draws: int = 5000, seed: int = 0) -> Correlation:
    """Mantel's test: do pairs of classes that are high in one matrix tend to be high in the other?

    Both (class, class), of the same classes in the same order; each pair counts once, by the mean of its two cells.
    Permuting the classes of one matrix, not its cells, keeps what cells of one class have in common. The p-value is
    two-sided. Classes that one of the matrices lacks (NaN in all pairs) are left out. NaN for fewer than three classes,
    a matrix that is the same for all pairs, or one with NaN in some pairs of a class.

    Source: claim C18 of this book's list; Mantel 1967. Book: *Class-wise losses*.
    """
    checks.whole(draws, "draws")
    if first.shape != second.shape:
        raise ValueError(f"matrices are {first.shape} and {second.shape}: give two of the same classes")
    names = [list(each[dim].values) for each in (first, second) for dim in each.dims]
    if any(each != names[0] for each in names):
        raise ValueError("the two matrices do not name the same classes in the same order: reorder one")
    both = np.stack([(each.values + each.values.T) / 2 for each in (first, second)])
    apart = ~np.eye(both.shape[1], dtype=bool)
    known = (np.isfinite(both) & apart).any(2).all(0)
    both, upper = both[:, known][:, :, known], np.triu_indices(known.sum(), 1)
    pairs = both[:, *upper]
    if len(pairs[0]) < 3 or not np.isfinite(pairs).all() or not np.ptp(pairs, axis=1).all():
        return Correlation(np.nan, np.nan)
    found = mantel(both[1], both[0], draws, seed)
    return Correlation(float(found[0]), p_value(np.abs(found)))

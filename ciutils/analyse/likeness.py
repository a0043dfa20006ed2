"""Are two tables of confusion alike? Networks' beside humans', cell by cell.

Tables are rates (..., true, predicted) of the same classes. The diagonal, which is recall, has no part in this.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from ciutils import checks
from ciutils.analyse import confusion
from ciutils.analyse.chance import Correlation, cell_ranks, correlated, mantel, p_value
from ciutils.counts import CELLS

_SOURCE = "confusion.cctm"


def likeness(first: xr.DataArray, second: xr.DataArray, draws: int = 10_000, seed: int = 0) -> Correlation:
    """Test whether two tables (true, predicted) are high in the same cells: the p-value is the probability of a
    correlation as high, or higher, if the classes of one had nothing to do with those of the other.

    The cells of a row depend on each other, so do those of a column and the two directions of a pair. So classes are
    permuted, not cells: those of the second table, its rows and columns alike, `draws` times, or in every order where
    there are no more. p = (1 + draws with a correlation as high) / (1 + draws), or the share of all orders. Errors as
    in `rank_correlation`.

    Source: Mantel 1967; Hubert and Schultz 1976 (quadratic assignment). Book: *Humans*.
    """
    checks.whole(draws, "draws")
    for table in (first, second):
        if checks.array(table, "rates", (..., *CELLS), _SOURCE).ndim != 2:
            raise ValueError(f"rates have dims {dict(table.sizes)}: choose one table, as in rates.isel(epoch=-1)")
    if np.isnan(rank_correlation(first, second)):
        return Correlation(np.nan, np.nan)
    found = mantel(first.values, second.values, draws, seed)
    return Correlation(float(found[0]), p_value(found))


def rank_correlation(first: xr.DataArray, second: xr.DataArray) -> np.ndarray:
    """Spearman's correlation of two tables, over the cells beside the diagonal: (...), leading dimensions broadcast.

    NaN where all cells of one are equal. Raises ValueError for counts, if the tables are of different classes, or if a
    class has no objects. Book: *Humans*.
    """
    for table in (first, second):
        if not np.array_equal(_rates(table)["true"], first["true"]):
            raise ValueError(
                f"rates have dims {dict(first.sizes)} and {dict(second.sizes)}: "
                "give both of the same classes in the same order"
            )
        if not np.isfinite(table.values).all():
            raise ValueError("a class has no objects: leave it out of both tables")
    return correlated(cell_ranks(first.values), cell_ranks(second.values))


def one_way(rates: xr.DataArray) -> xr.DataArray:
    """How much more often c1 is called c2 than c2 is called c1: rate(c1, c2) - rate(c2, c1), (..., true, predicted).

    Raises ValueError for counts, and if rows and columns are not of the same classes in the same order. Book: *Humans*.
    """
    return _rates(rates).copy(data=rates.values - np.swapaxes(rates.values, -1, -2))


def uneven(rates: xr.DataArray, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of `pairs` of classes those that are confused in one direction more than twice as often as in the other, as
    (true, predicted) of that direction; rates (true, predicted). Errors as in `one_way`. Book: *Humans*."""
    rates, found = _rates(rates), []
    for one, two in pairs:
        there, back = (float(rates.sel(true=true, predicted=other)) for true, other in ((one, two), (two, one)))
        if max(there, back) > 2 * min(there, back):
            found.append((one, two) if there > back else (two, one))
    return found


def drawn_anew(counts: xr.DataArray, objects: int, draws: int = 1000, seed: int = 0) -> xr.DataArray:
    """Rates of counts (true, predicted) as they are, and with each row drawn anew: (draw, true, predicted), of
    1 + `draws`, the first as they are.

    A drawn row is a multinomial of `objects` draws from the row's rates. Where an object was judged many times, its
    judgements are alike: with one draw for each object they count as one, and intervals are rather too wide. The row of
    a class without objects is NaN. Book: *Humans*.
    """
    checks.whole(objects, "objects")
    checks.whole(draws, "draws")
    rates = confusion.cctm(confusion.one_matrix(counts))
    random = checks.generator(seed)
    drawn = random.multinomial(objects, rates.fillna(0).values, size=(draws, rates.sizes["true"])) / objects
    drawn[:, rates.isnull().values] = np.nan
    return xr.DataArray(np.concatenate([rates.values[None], drawn]), dims=("draw", *CELLS), coords=rates.coords)


def _rates(table: xr.DataArray) -> xr.DataArray:
    """`table`. Raises ValueError if it holds no rates of classes taken for classes."""
    rates = checks.array(table, "rates", (..., *CELLS), _SOURCE)
    if rates.dtype.kind != "f":
        raise ValueError(f"rates are {rates.dtype}: give {_SOURCE}(counts); counts are no rates")
    if not np.array_equal(rates["true"], rates["predicted"]):
        raise ValueError("rows and columns of rates are of different classes: give both in one order of classes")
    return rates

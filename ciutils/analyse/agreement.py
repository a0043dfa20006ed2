"""Do networks err on the same images? What several networks say of the same images, image by image.

Predictions are (network, image), labels (image), both whole numbers: positions of classes. Each interval is the middle
95% of `draws` bootstrap samples of the images, drawn anew within their classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from ciutils import checks
from ciutils.classes import class_index

_SAID = ("test_predictions", "test_probabilities")


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pairwise:
    """pairs: a row for each pair of networks: first, second, value with its interval low..high, and what it rests on.
    mean: of their values."""

    pairs: pd.DataFrame
    mean: Estimate


def joined(by_network: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """What several networks say of the same test images, as one Dataset: test_labels (test_image), test_predictions
    (network, test_image), test_probabilities (network, test_image, predicted).

    Each is given without the dimension network, as from `measure.of_trained`. Raises ValueError if their labels differ:
    row i of one would not be row i of the other. Book: *Look at them*.
    """
    first, *_ = checks.by_name(by_network, "networks")
    for name, each in by_network.items():
        checks.dataset(each, str(name), "measure.of_trained", "test_labels", *_SAID)
        if not each["test_labels"].equals(by_network[first]["test_labels"]):
            raise ValueError(f"{name} and {first} are of other images, or in another order: take runs on the same data")
    said = [each[[*_SAID]] for each in by_network.values()]
    together = xr.concat(said, "network", data_vars="all", join="exact", combine_attrs="drop")
    return together.assign(test_labels=by_network[first]["test_labels"]).assign_coords(network=list(by_network))


def behind(said: xr.Dataset, true: str | int, predicted: str | int, network: str = "") -> pd.DataFrame:
    """The test images behind a cell of the CCTM: those of class `true` that are called `predicted`.

    said: as from `joined`. One row an image, its position in the split as index: true, predicted (names); networks, how
    many call it so; of, how many there are; probability, what they all give to `predicted`, on average. Those that most
    networks call so come first, of these the most certain. With `network`: the images that it calls so, by its own
    probability, the most certain first.

    Source: arXiv:2211.01370, Section 4.2, whose authors looked at CAT called FROG. Book: *Look at them*.
    """
    checks.dataset(said, "said", "agreement.joined", "network", "test_labels", *_SAID)
    classes, networks = ([str(name) for name in said[dim].values] for dim in ("predicted", "network"))
    row, column = class_index(classes, true), class_index(classes, predicted)
    calls = ((said["test_predictions"] == column) & (said["test_labels"] == row)).values
    given = said["test_probabilities"].isel(predicted=column).values.astype(float)
    chosen = [networks.index(checks.one_of(network, networks, "network"))] if network else slice(None)
    table = pd.DataFrame({"networks": calls.sum(0), "probability": given[chosen].mean(0)}).rename_axis("image")
    order = ["probability"] if network else ["networks", "probability"]
    ranked = table[calls[chosen].any(0)].sort_values(order, ascending=False, kind="stable")
    return ranked.assign(of=len(networks), true=classes[row], predicted=classes[column])


def missed_by(predictions: xr.DataArray, labels: xr.DataArray, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How many images none, one, ..., all of the networks miss, and how many if they missed independently.

    One row for each number of networks: images with its interval low..high; independent, the number expected if each
    network missed images of a class at its own rate, whichever the others miss: a Poisson-binomial distribution for
    each class. Book: *The same images?*
    """
    right, true = _right(predictions, labels)
    count = len(right)
    exactly = (~right).sum(0) == np.arange(count + 1)[:, None]
    totals, sizes = resampled(np.vstack([~right, exactly]), true, draws, seed)
    images = totals[..., count:].sum(1)
    independent = sizes @ _poisson_binomial(totals[0, :, :count] / sizes[:, None])
    low, high = _interval(images)
    table = pd.DataFrame({"images": images[0].astype(int), "low": low, "high": high, "independent": independent})
    return table.rename_axis("missed by")


def shared_errors(
    predictions: xr.DataArray, labels: xr.DataArray, networks: int, draws: int = 1000, seed: int = 0
) -> Estimate:
    """Share of all networks' errors that are made on images which at least so many `networks` miss.

    NaN without errors. Book: *The same images?*
    """
    right, true = _right(predictions, labels)
    checks.whole(networks, "networks", at_most=len(right))
    missed = (~right).sum(0)
    totals, _ = resampled(np.stack([missed * (missed >= networks), missed]), true, draws, seed)
    shared, errors = totals.sum(1).T
    return estimate(ratio(shared, errors))


def error_consistency(
    predictions: xr.DataArray, labels: xr.DataArray, within_classes: bool = False, draws: int = 1000, seed: int = 0
) -> Pairwise:
    """Cohen's kappa of being right: how far two networks are right and wrong on the same images, beyond chance.

    kappa = (observed - expected) / (1 - expected). observed: the share of images on which both are right or both are
    wrong. expected: what two independent networks of accuracies p and q have, p q + (1 - p)(1 - q). So 1 says that they
    miss the same images, 0 that they agree as chance would have it; NaN where neither errs. Two networks that find cats
    harder than ships agree for that reason alone: within_classes takes p and q, and expected, class by class.

    Columns of pairs beside value, low, high: observed, expected. Source: Geirhos et al. 2020, arXiv:2006.16736.
    Book: *The same images?*
    """
    right, true = _right(predictions, labels)
    i, j = _pairs(right)
    totals, sizes = resampled(np.vstack([right, right[i] == right[j]]), true, draws, seed)
    if not within_classes:
        totals, sizes = totals.sum(1, keepdims=True), sizes.sum(keepdims=True)
    rates, both = totals[..., : len(right)] / sizes[:, None], totals[..., len(right) :]
    p, q = rates[..., i], rates[..., j]
    observed = both.sum(1) / sizes.sum()
    expected = ((p * q + (1 - p) * (1 - q)) * sizes[:, None]).sum(1) / sizes.sum()
    kappa = ratio(observed - expected, 1 - expected)
    return _pairwise(predictions, kappa, observed=observed, expected=expected)


def same_names(predictions: xr.DataArray, labels: xr.DataArray, draws: int = 1000, seed: int = 0) -> Pairwise:
    """To what share of the images that two networks both miss they give the same wrong name, beyond chance.

    value = same - expected. expected: the share that independent networks have, each with its own habits: for an image
    of class c the sum over names l of q1(l | c) q2(l | c), where q(l | c) is the share of name l among a network's
    errors on class c. NaN for two networks that miss no image in common.

    Columns of pairs beside value, low, high: both (images that both miss), same, expected. Book: *The same images?*
    """
    right, true = _right(predictions, labels)
    names, count, images = predictions.values, int(max(predictions.max(), labels.max())) + 1, len(true)
    i, j = _pairs(right)
    wrongly = (names[:, None] == np.arange(count)[:, None]) & ~right[:, None]  # (network, name, image)
    both = ~right[i] & ~right[j]
    same = both & (names[i] == names[j])
    common, agreed, by_chance = np.zeros((3, 1 + draws, len(i)))
    for totals in _resampled(np.vstack([wrongly.reshape(-1, images), both, same]), true, draws, seed):
        called, both_, same_ = np.split(totals, np.cumsum([len(right) * count, len(i)]), axis=-1)
        called = called.reshape(len(called), -1, count)  # (draw, network, name)
        habits = ratio(called, called.sum(-1, keepdims=True), otherwise=0.0)
        # One pair after another: of many names all at once would take gigabytes.
        alike = np.stack([(habits[:, a] * habits[:, b]).sum(-1) for a, b in zip(i, j, strict=True)], axis=-1)
        common, agreed, by_chance = common + both_, agreed + same_, by_chance + alike * both_
    observed, expected = ratio(agreed, common), ratio(by_chance, common)
    return _pairwise(predictions, observed - expected, both=common, same=observed, expected=expected)


def dealt_anew(predictions: xr.DataArray, labels: xr.DataArray, seed: int = 0) -> xr.DataArray:
    """Predictions (network, image) of networks that err as often, in the same ways, and know nothing of each other:
    each network's answers for the images of a class, dealt to these at random. Book: *The same images?*"""
    _right(predictions, labels)  # raises unless they fit
    random, found = checks.generator(seed), predictions.copy(deep=True)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels.values == label)
        found.values[:, mine] = random.permuted(predictions.values[:, mine], axis=1)
    return found


def counts_drawn_anew(said: xr.Dataset, draws: int = 1000, seed: int = 0) -> xr.DataArray:
    """Confusion counts of each network, as they are and with images drawn anew, the same for all: (network, draw, true,
    predicted), of 1 + `draws`, the first as they are. said: as from `joined`. Book: *Humans*."""
    checks.dataset(said, "said", "agreement.joined", "network", "predicted", "test_labels", "test_predictions")
    names, networks = said["predicted"].values, said.sizes["network"]
    called = said["test_predictions"].values[:, None] == np.arange(len(names))[:, None]  # (network, name, image)
    labels = said["test_labels"].values
    totals, _ = resampled(called.reshape(-1, len(labels)), labels, draws, seed)
    found = np.zeros((1 + draws, len(names), networks, len(names)), np.int64)
    found[:, np.unique(labels)] = totals.reshape(1 + draws, -1, networks, len(names))
    dims, coords = ("draw", "true", "network", "predicted"), {"true": names, "predicted": names}
    return xr.DataArray(found, coords | {"network": said["network"]}, dims).transpose("network", "draw", ...)


def resampled(values: np.ndarray, labels: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of `values` (quantity, image) over the images of each class: (1 + draws, class, quantity), the first over
    the images as they are, the others over images drawn anew within each class; and the classes' sizes (class).

    Whatever is a function of such sums gets an estimate and its bootstrap from the same lines.
    """
    totals = np.stack(list(_resampled(values, labels, draws, seed)), axis=1)
    return totals, np.unique(labels, return_counts=True)[1]


def _resampled(values: np.ndarray, labels: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """As `resampled`, class by class: (1 + draws, quantity)."""
    checks.whole(draws, "draws")
    random = checks.generator(seed)
    for label, size in zip(*np.unique(labels, return_counts=True), strict=True):
        mine = values[:, labels == label].T.astype(float)
        drawn = random.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
        times = np.bincount(drawn.ravel(), minlength=draws * size).reshape(draws, size)
        yield np.vstack([mine.sum(0), times.astype(float) @ mine])


def estimate(values: np.ndarray) -> Estimate:
    """Of values (1 + draws) the first, and the middle 95% of the others."""
    low, high = _interval(values)
    return Estimate(float(values[0]), float(low), float(high))


def ratio(above: np.ndarray, below: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """above / below, and `otherwise` where below is 0."""
    empty = np.full(np.broadcast_shapes(above.shape, below.shape), otherwise)
    return np.divide(above, below, out=empty, where=below != 0)


def check_answers(predictions: xr.DataArray, labels: xr.DataArray, source: str) -> None:
    """Raise a ValueError unless predictions are (row, image) and labels (image), both positions of classes."""
    for what, each in (("predictions", predictions), ("labels", labels)):
        checks.array(each, what, (...,), source)
        if each.dtype.kind not in "iu" or (each < 0).any():
            raise ValueError(f"{what} are {each.dtype}: give whole numbers of at least 0, positions of classes")
    fit = predictions.dims[1:] == labels.dims and predictions.shape[1:] == labels.shape
    if predictions.ndim != 2 or not fit or not labels.size:
        raise ValueError(
            f"predictions are {dict(predictions.sizes)}, labels {dict(labels.sizes)}: give (network or epoch, image) "
            "and (image)"
        )


def _right(predictions: xr.DataArray, labels: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """(whether each network is right on each image, labels)."""
    check_answers(predictions, labels, "agreement.joined")
    return predictions.values == labels.values, labels.values


def _pairs(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(right) < 2:
        raise ValueError(f"{len(right)} network: give at least two, to compare them")
    first, second = np.triu_indices(len(right), k=1)
    return first, second


def _poisson_binomial(rates: np.ndarray) -> np.ndarray:
    """Probabilities of 0, 1, ... hits of independent trials of `rates` (class, trial): (class, trials + 1)."""
    found = np.zeros((len(rates), rates.shape[1] + 1))
    found[:, 0] = 1
    for rate in rates.T[:, :, None]:
        found = found * (1 - rate) + np.roll(found, 1, axis=1) * rate
    return found


def _pairwise(predictions: xr.DataArray, values: np.ndarray, **rests_on: np.ndarray) -> Pairwise:
    """values, rests_on: (1 + draws, pair), the first row as observed."""
    names = [str(name) for name in predictions[predictions.dims[0]].values]
    table = pd.DataFrame(list(combinations(names, 2)), columns=["first", "second"])
    low, high = _interval(values)
    table = table.assign(value=values[0], low=low, high=high, **{key: each[0] for key, each in rests_on.items()})
    return Pairwise(table, estimate(values.mean(1)))


def _interval(values: np.ndarray) -> np.ndarray:
    """The middle 95% of the draws of `values` (1 + draws, ...): (2, ...)."""
    return np.percentile(values[1:], [2.5, 97.5], axis=0)

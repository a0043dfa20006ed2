"""What do two classes lose by sharing one network with all others? A network of all classes, asked about two of them
alone, beside networks that know only these two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.stats import binomtest

from ciutils.analyse.agreement import resampled
from ciutils.classes import class_index

Pair = tuple[str, str]

RATES = ("shared", "own", "both")
"""Of a pair's test images, to which the pair's own networks and the network of all classes, asked which of the two it
is, give the other's name: the network of all classes, their own, and both at once."""


def shared_and_own(
    everybody: Sequence[xr.Dataset], own: Mapping[Pair, Sequence[xr.Dataset]], draws: int = 1000, seed: int = 0
) -> xr.DataArray:
    """Error rates on the test images of pairs of classes: (draw, pair, rate), rates as in `RATES`, of 1 + `draws`, the
    first on the images as they are, the others on images drawn anew within each class.

    everybody: predictions of networks of all classes, one for each seed, as from `measure.of_trained`. own: by pair
    those of networks that know only its two classes, for the same seeds. A network of all classes is asked which of the
    two has the larger probability. Rates are means over seeds; both: that of the same seed's two networks.

    Raises ValueError if the numbers of seeds differ, or if predictions are not of the same images.
    Source: this book. Book: *Interference or difficulty?*
    """
    labels = everybody[0]["test_labels"].values
    names = [str(name) for name in everybody[0]["predicted"].values]
    values, members = [], np.zeros((len(own), len(labels)), bool)
    for place, (pair, networks) in enumerate(own.items()):
        if len(networks) != len(everybody):
            raise ValueError(f"{pair}: {len(networks)} networks beside {len(everybody)} of all classes: give as many")
        positions = [class_index(names, each) for each in pair]
        members[place] = np.isin(labels, positions)
        missed = [
            _missed(shared, mine, members[place], positions) for shared, mine in zip(everybody, networks, strict=True)
        ]
        rates = np.zeros((len(RATES), len(labels)))
        rates[:, members[place]] = np.mean(missed, axis=0)
        values.append(rates)
    totals, _ = resampled(np.concatenate(values), labels, draws, seed)
    found = totals.sum(1).reshape(1 + draws, len(own), len(RATES)) / members.sum(1)[:, None]
    coords = {"pair": ["-".join(pair) for pair in own], "rate": list(RATES)}
    return xr.DataArray(found, dims=("draw", "pair", "rate"), coords=coords)


def at_chance(own: xr.Dataset) -> bool:
    """Whether the network of two classes with these predictions may know no more than a coin: the 95% interval of its
    error rate (Wilson's) reaches one half. Source: this book. Book: *Interference or difficulty?*"""
    wrong = own["test_predictions"].values != own["test_labels"].values
    return bool(binomtest(int(wrong.sum()), wrong.size).proportion_ci(method="wilson").high >= 0.5)


def _missed(shared: xr.Dataset, own: xr.Dataset, mine: np.ndarray, positions: Sequence[int]) -> np.ndarray:
    """Whether each image of the pair is missed, as in `RATES`: (rate, image)."""
    second = shared["test_labels"].values[mine] == positions[1]
    if not np.array_equal(own["test_labels"].values, second):
        raise ValueError("a pair's network and that of all classes saw other test images: give those of one data set")
    given = shared["test_probabilities"].values[mine][:, list(positions)].astype(float)
    asked = (given[:, 1] > given[:, 0]) != second
    alone = own["test_predictions"].values != second
    return np.stack([asked, alone, asked & alone])

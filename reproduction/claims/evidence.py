"""What rules look at: the artifacts of one profile and seed, each as a reading says."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction

import xarray as xr

from ciutils import checks, provenance
from ciutils.analyse import agreement, confusion
from ciutils.analyse.likeness import drawn_anew
from ciutils.choices import OPTIONS
from reproduction.readings import CHOICES, Reading
from reproduction.results import Results
from reproduction.runs import AUGMENTED, PROFILES, Profile, Run, profile

DATASET = "cifar10"
"""Whose images the paper's claims are about."""

NETWORKS = ("vgg19", "resnet18", "googlenet", "dla", "simple-dla")
"""The paper's four networks; which form of DLA it shows is unclear, so a claim on all networks is held to both."""

SPACE_NETWORKS = ("vgg19", "resnet18")

PAIRS = ("cat-dog", "truck-car", "horse-ship")

PLAIN = {"random": False, "scale": OPTIONS["scale"], "sign": OPTIONS["sign"]}
NEAR = 0.05
"""Half sides are rounded: within this of a range they are of that range."""


@dataclass(frozen=True)
class Evidence:
    """The artifacts that claims are judged on; what is missing is simply not there.

    histories, said (what a network says of each test image, see `Results.predictions`): by (network, setup). spaces: by
    (network, setup, pair, batch_norm, range), as readings call these. full_size: whether numbers can be held against
    the paper's.
    """

    histories: Mapping[tuple[str, str], xr.Dataset] = field(default_factory=dict)
    said: Mapping[tuple[str, str], xr.Dataset] = field(default_factory=dict)
    spaces: Mapping[tuple[str, str, str, str, str], xr.Dataset] = field(default_factory=dict)
    full_size: bool = False
    draws: int = 4000
    _rates: dict[tuple[str, str], xr.DataArray] = field(default_factory=dict, repr=False, compare=False)

    def rates(self, network: str, setup: str = "anneal-lr") -> xr.DataArray | None:
        """The test CCTM as it is, and with the images of each class drawn anew: (draw, true, predicted); its attribute
        objects says how many images there are of each class.

        Draw by draw all networks are given the same images, so that their differences are paired; where it is only
        known how many images a network misses, and not which, draws are its own.
        """
        key = (network, setup)
        if key in self.histories and key not in self._rates:
            if key in self.said:
                said = agreement.joined({" ".join(each): answers for each, answers in self.said.items()})
                counts = agreement.counts_drawn_anew(said, self.draws).drop_vars("network")  # of all: draws take long
                rates = dict(zip(self.said, confusion.cctm(counts), strict=True))
            else:
                counts, seed = self._counts(key), zlib.crc32(" ".join(key).encode())
                rates = {key: drawn_anew(counts, _objects(counts), self.draws, seed=seed)}
            for each, drawn in rates.items():
                self._rates[each] = drawn.assign_attrs(objects=_objects(self._counts(each)))
        return self._rates.get(key)

    def _counts(self, key: tuple[str, str]) -> xr.DataArray:
        return self.histories[key]["test_counts"].isel(epoch=-1)

    def history(self, reading: Reading) -> xr.DataArray | None:
        """The annealed VGG19's counts of each epoch: (epoch, true, predicted)."""
        history, counts = self.histories.get(("vgg19", "anneal-lr")), f"{reading.counts}_counts"
        return history[counts] if history is not None and counts in history else None

    def space(self, network: str, setup: str, pair: str, reading: Reading) -> xr.Dataset | None:
        """The space of a pair. Where none was measured a third as far, it is the inner third of the whole one."""
        key = (network, setup, pair, reading.batch_norm)
        whole, own = self.spaces.get((*key, "1")), self.spaces.get((*key, reading.range))
        if own is not None or whole is None or reading.range != "1/3":
            return own
        half = whole.sizes["theta1"] // 2
        third = slice(half - half // 3, half + half // 3 + 1)
        return whole.isel(theta1=third, theta2=third)

    def all_spaces(self, network: str, setup: str, pair: str, reading: Reading) -> list[xr.Dataset] | None:
        """The spaces of a pair, of whatever range; None if there is none."""
        keys = [(network, setup, pair, reading.batch_norm, each) for each in CHOICES["range"].readings]
        return [self.spaces[key] for key in keys if key in self.spaces] or None


def _objects(counts: xr.DataArray) -> int:
    return int(counts.sum("predicted")[0])


def gather(size: str, results: Results, images: int = 0, **changes: object) -> Evidence:
    """The artifacts of the profile called `size` that are in the store; nothing is computed.

    images: training images on which half sides were searched; 0 means the profile's number. changes: other fields of
    the runs, such as seed.
    """
    chosen, loading = _profile(size), results.loading
    histories, said = _trained(chosen, loading, changes)
    spaces = {}
    for network, setup in histories:
        run = chosen.run(network, setup, **changes)
        with suppress(FileNotFoundError):
            half = loading.paper_sigma(run, PAIRS, images or chosen.control_images)
            spaces.update({(network, setup, *each): space for each, space in _spaces(run, half, loading).items()})
    full_size = changes.get("epochs", chosen.epochs) == 200 and changes.get("width", chosen.width) == 1
    return Evidence(histories, said, spaces, full_size)


def by_epochs(sizes: Sequence[str], epochs: int = 0) -> dict[str, str]:
    """Profiles by their number of epochs as text, or by that which is given. Raises ValueError if two have the same."""
    numbers = [str(epochs or _profile(size).epochs) for size in sizes]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{', '.join(sizes)} have {', '.join(numbers)} epochs: give one profile for each number")
    return dict(zip(numbers, sizes, strict=True))


def seeded(size: str, results: Results, seeds: Iterable[int], **changes: object) -> list[Evidence]:
    """The trainings of a profile with each of `seeds`, as far as they are in the store: those in float32 alone, since
    another precision would count as another seed."""
    found = []
    for seed in seeds:
        exact: tuple[dict, dict] = ({}, {})
        for precision in ("auto", "fp32"):
            histories, said = _trained(
                _profile(size), results.loading, {**changes, "seed": seed, "precision": precision}
            )
            keys = [key for key, history in histories.items() if history.attrs["precision"] == "fp32"]
            exact[0].update({key: histories[key] for key in keys})
            exact[1].update({key: said[key] for key in keys if key in said})
        found += [Evidence(*exact)] if exact[0] else []
    return found


def _profile(size: str) -> Profile:
    fitting = [name for name, each in PROFILES.items() if each.dataset == DATASET]
    if checks.one_of(size, PROFILES, "profile") not in fitting:
        raise ValueError(f"profile = {size!r}: the claims are about {DATASET}; choose from {', '.join(fitting)}")
    return profile(size)


def _trained(chosen: Profile, loading: Results, changes: Mapping[str, object]) -> tuple[dict, dict]:
    """Histories, and what networks say of the test images, of the profile's runs: both by (network, setup)."""
    histories, said = {}, {}
    for network, setup in ((network, setup) for network, setups in chosen.setups.items() for setup in setups):
        with suppress(FileNotFoundError):
            run = chosen.run(network, setup, **changes)
            histories[network, setup] = loading.history(run)
            said[network, setup] = loading.predictions(run)
    return histories, said


def _spaces(run: Run, half: float, loading: Results) -> dict[tuple[str, str, str], xr.Dataset]:
    """The run's spaces in the plain gradients of a pair, by (pair, batch_norm, range). Of two that of more images; of
    two recalibrated ones that with statistics of augmented images, whose middle is the trained network."""
    folders = (loading.store.published / run.name, loading.store.own / run.name)
    files = [file for folder in folders for file in folder.glob("space-*.nc") if ".part-" not in file.name]
    found: dict[tuple[str, str, str], xr.Dataset] = {}
    for made in sorted((provenance.of_file(file)["configuration"] for file in files), key=_rank):
        reached = [name for name in CHOICES["range"].readings if abs(made["sigma"] / half / Fraction(name) - 1) < NEAR]
        if made["pair"] in PAIRS and reached and {name: made[name] for name in PLAIN} == PLAIN:
            options = {name: made[name] for name in ("sigma", "points", "images", "bn")}
            bn = "frozen" if made["bn"] == "frozen" else "recalibrated"
            with suppress(FileNotFoundError):
                found[made["pair"], bn, reached[0]] = loading.space(run, made["pair"], **options)
    return found


def _rank(made: Mapping) -> tuple[bool, float]:
    return made["bn"] == AUGMENTED, made["images"] or math.inf

"""Runs: configurations of trainings, each with a name; and the profiles, sizes at which the whole book can be run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ciutils import checks, choices, files

WIDEST = 10
"""Times the paper's channel counts: a network of more has weights for no machine."""


@dataclass(frozen=True)
class Run:
    """The configuration of one training. Its name, a folder's, spells it out, so that no two runs share a folder.

    dataset: as `data.load` takes it. network: as `models.build` takes it, with `width`. setup, epochs, batch_size,
    augment, precision: as `train.train` takes them. seed: of the initial weights, the order and the augmentation.
    normalisation: as `data.normalised` takes it. classes: the only ones that the network knows, () for all; see
    `data.only`. swapped: (first, second, rate) for label noise between two classes; see `data.swapped`.

    Raises ValueError for unknown names and numbers out of range. Book: *Execute a notebook*.
    """

    dataset: str
    network: str
    setup: str
    epochs: int
    width: float = 1.0
    seed: int = 0
    batch_size: int = 128
    augment: str = "crop-flip"
    normalisation: str = "data"
    precision: str = "auto"
    classes: tuple[str, ...] = ()
    swapped: tuple[str, str, float] | tuple[()] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, str):
            raise ValueError(f"dataset = {self.dataset!r}: give a name, or a folder of images as 'folder:PATH'")
        if self.dataset.startswith("folder:"):  # one folder is one data set, however it is written
            dataset = f"folder:{files.named_folder(self.dataset)}"
        else:
            dataset = checks.one_of(self.dataset, (*choices.DATASETS, "folder:PATH"), "dataset")
        checks.one_of(self.network, choices.NETWORKS, "network")
        checks.one_of(self.setup, choices.SETUPS, "setup")
        checks.one_of(self.augment, choices.AUGMENTS, "augment")
        checks.one_of(self.normalisation, choices.NORMALISATIONS, "normalisation")
        checks.one_of(self.precision, choices.PRECISIONS, "precision")
        plain = {  # numpy's numbers become Python's, which a record can hold
            "dataset": dataset,
            "epochs": checks.whole(self.epochs, "epochs"),
            "width": checks.positive(self.width, "width", at_most=WIDEST),
            "seed": checks.seed(self.seed),
            "batch_size": checks.whole(self.batch_size, "batch_size"),
            "classes": tuple(self.classes),  # a record's are lists
            "swapped": tuple(self.swapped),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @property
    def configuration(self) -> dict[str, object]:
        """All of it, by name, as a record holds it: lists for tuples, and without what changes the data where nothing
        does, as in records of older runs."""
        settings = {name: value for name, value in dataclasses.asdict(self).items() if value != ()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}

    @property
    def name(self) -> str:
        """The main settings, then every other one that is not the default."""
        width = f"{self.width:g}" if float(f"{self.width:g}") == self.width else repr(self.width)
        parts = [_slug(self.dataset), self.network, self.setup, f"w{width}", f"e{self.epochs}"]
        parts += [f"b{self.batch_size}", f"s{self.seed}"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("augment", "normalisation", "precision") and value != field.default:
                parts.append(f"{field.name}={value}")
            if field.name in ("classes", "swapped") and value:
                plain = not any("+" in str(each) for each in value)  # else other names could read the same
                parts.append(f"{field.name}={files.slug('+'.join(map(str, value)) if plain else json.dumps(value))}")
        return "-".join(parts)


def _slug(dataset: str) -> str:
    """A data set's part of a folder name; a folder of images is told apart from others of the same name."""
    if not dataset.startswith("folder:"):
        return dataset
    path = Path(dataset.removeprefix("folder:"))
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', path.name)[:40]}.{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


NAMES = {
    **{"vgg19": "VGG19", "resnet18": "ResNet18", "googlenet": "GoogLeNet", "dla": "DLA", "simple-dla": "simple DLA"},
    **{"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "fashion-mnist": "Fashion-MNIST", "digits": "8 × 8 digits"},
}
"""Networks and data sets, as papers print their names."""


def in_print(name: object) -> str:
    """The name of a network or a data set as papers print it; a user's own as it is."""
    return NAMES.get(str(name), str(name))


def training(text: str, setup: str = "") -> tuple[str, str]:
    """(network, setup) of a training called "resnet18", with this `setup`, or "vgg19 big-lr", with its own."""
    network, _, own = text.partition(" ")
    return network, own or setup


Pair = tuple[str, str]

MOST_CONFUSED: tuple[Pair, ...] = (
    ("cat", "dog"),
    ("bird", "deer"),
    ("car", "truck"),
    ("bird", "cat"),
    ("plane", "ship"),
    ("cat", "frog"),
)
"""CIFAR-10's, by the errors of the five published networks of 30 epochs together."""

LESS_CONFUSED: tuple[Pair, ...] = (
    ("bird", "dog"),
    ("plane", "truck"),
    ("cat", "truck"),
    ("frog", "horse"),
    ("car", "frog"),
    ("deer", "truck"),
)
"""Every seventh pair of the rest, in the same order: the 10th, the 17th, ..., the 45th."""


AUGMENTED = "augmented"
"""Batch-norm recalibrated on images augmented as in training: those that the network's own statistics are of."""

FEW_PLANES = {(1, "frozen"): 0, (10, "frozen"): 1, (1, AUGMENTED): 1}
ALL_PLANES = {(closer, bn): 0 for closer in (10, 3, 1) for bn in ("frozen", AUGMENTED)}


@dataclass(frozen=True)
class Profile:
    """A size at which the whole book can be run.

    setups: of each network. points, images, pairs: of interference spaces (images 0: all); without pairs they are found
    in a network's own confusion matrix. planes: how many of the pairs, the first ones (0: all), have a plane whose half
    side is so many times smaller, with these batch-norm statistics. control_images: of all planes but the widest frozen
    ones, and of the search for half sides, which are known to a tenth (0: all). sharing: pairs whose classes are also
    given networks of their own, the most confused first; the first of them gets label noise too.
    """

    dataset: str
    setups: Mapping[str, tuple[str, ...]]
    epochs: int
    width: float
    points: int = 19
    images: int = 0
    control_images: int = 0
    pairs: tuple[str, ...] = ("cat-dog", "truck-car", "horse-ship")
    planes: Mapping[tuple[int, str], int] = dataclasses.field(default_factory=lambda: FEW_PLANES)
    batch_size: int = 128
    augment: str = "crop-flip"
    precision: str = "auto"
    sharing: tuple[Pair, ...] = (*MOST_CONFUSED, *LESS_CONFUSED)

    @property
    def networks(self) -> tuple[str, ...]:
        """The profile's networks; each is trained with anneal-lr at least."""
        return tuple(self.setups)

    def run(self, network: str, setup: str = "anneal-lr", **overrides: object) -> Run:
        """The profile's run of `network` with `setup`; keywords change any other field of `Run`."""
        shared = ("dataset", "epochs", "width", "batch_size", "augment", "precision")
        settings = {name: getattr(self, name) for name in shared} | overrides
        return Run(network=network, setup=setup, **settings)


_ALL_SETUPS = ("anneal-lr", "big-lr", "small-lr")
_ANNEALED: dict[str, tuple[str, ...]] = dict.fromkeys(("googlenet", "dla", "simple-dla"), ("anneal-lr",))
_PAPER_SETUPS: dict[str, tuple[str, ...]] = dict.fromkeys(("vgg19", "resnet18"), _ALL_SETUPS)

PROFILES = {
    "digits": Profile(
        "digits",
        _PAPER_SETUPS | _ANNEALED,
        epochs=12,
        width=0.125,
        batch_size=32,
        augment="crop",
        points=9,
        pairs=(),
        sharing=(("1", "8"), ("3", "8"), ("3", "9"), ("4", "9")),
    ),
    "laptop": Profile("cifar10", _PAPER_SETUPS | _ANNEALED, epochs=30, width=0.25, images=10_000, control_images=2_000),
    "long": Profile(
        "cifar10",
        _PAPER_SETUPS,
        epochs=200,
        width=0.25,
        images=10_000,
        control_images=2_000,
        precision="fp32",
        planes=ALL_PLANES,
        sharing=(),
    ),
    "paper": Profile(
        "cifar10",
        _PAPER_SETUPS | _ANNEALED,
        epochs=200,
        width=1.0,
        control_images=10_000,
        planes=ALL_PLANES,
        sharing=(),
    ),
}
"""digits: live. laptop: fewer epochs at a quarter of the paper's width. long: its 200 epochs at that width, in float32
on every machine, so that runs can be compared. paper: the paper's own size, for a GPU."""


def profile(name: str) -> Profile:
    """The profile called `name`. Raises ValueError for an unknown one."""
    return PROFILES[checks.one_of(name, PROFILES, "profile")]

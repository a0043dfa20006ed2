"""Runs: a configuration, its folder, and its artifacts, loaded if they exist, computed and kept if they do not.

A run's folder name spells out its whole configuration, so two configurations never share a folder. Published
artifacts (`results/`) are read, never written; everybody's own go to `runs/`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import re
import resource
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path

import torch
import xarray as xr
from filelock import FileLock
from torch import nn

from ciutils import checks, datasets, devices, models, storage, training

REPOSITORY = Path(__file__).resolve().parent.parent
"""The clone this package is used from."""

PACKAGES = ("torch", "torchvision", "numpy", "xarray")
"""Packages whose versions a record names."""

NORMALISATIONS = ("data", "public-code")


@dataclass(frozen=True)
class Run:
    """One training run and everything measured on the trained network.

    dataset: as `datasets.load` takes it. network: as `models.build` takes it, with `width`. setup, epochs,
    batch_size, seed, augment, train_counts, precision, device: as `training.train` takes them; the seed also draws
    the initial weights. normalisation: by the data's own channel deviations, or by the "public-code" ones (CIFAR-10).
    runs, published: folders of one's own and of published artifacts.

    Raises ValueError for unknown names and numbers out of range, before anything is computed.
    Book: *Execute a notebook*.
    """

    dataset: str
    network: str
    setup: str
    epochs: int
    width: float = 1.0
    seed: int = 0
    batch_size: int = 128
    augment: str = "crop-flip"
    train_counts: str = "running"
    normalisation: str = "data"
    precision: str = "auto"
    device: str = "auto"
    runs: Path = field(default_factory=lambda: Path(os.environ.get("CIUTILS_RUNS") or REPOSITORY / "runs"))
    published: Path = REPOSITORY / "results"

    def __post_init__(self) -> None:
        if not self.dataset.startswith("folder:"):
            checks.one_of(self.dataset, (*datasets.DATASETS, "folder:PATH"), "dataset")
        checks.one_of(self.network, models.NETWORKS, "network")
        checks.one_of(self.setup, training.SETUPS, "setup")
        checks.whole(self.epochs, "epochs")
        checks.whole(self.batch_size, "batch_size")
        checks.whole(self.seed, "seed", at_least=0)
        checks.positive(self.width, "width")
        checks.one_of(self.augment, training.AUGMENTS, "augment")
        checks.one_of(self.train_counts, training.TRAIN_COUNTS, "train_counts")
        checks.one_of(self.normalisation, NORMALISATIONS, "normalisation")
        checks.one_of(self.precision, devices.PRECISIONS, "precision")

    @property
    def configuration(self) -> dict[str, object]:
        """What makes this run this run: everything but where it is computed and kept."""
        apart = ("device", "runs", "published")
        return {key.name: getattr(self, key.name) for key in dataclasses.fields(self) if key.name not in apart}

    @property
    def name(self) -> str:
        """The folder name: the main settings, then every other one that is not the default."""
        parts = [_slug(self.dataset), self.network, self.setup, f"w{self.width:g}", f"e{self.epochs}",
                 f"b{self.batch_size}", f"s{self.seed}"]  # fmt: skip
        for key in ("augment", "train_counts", "normalisation", "precision"):
            value = getattr(self, key)
            if value != type(self).__dataclass_fields__[key].default:
                parts.append(f"{key}={value}")
        return "-".join(parts)

    @cached_property
    def data(self) -> datasets.ImageData:
        """The run's data set, loaded when first needed."""
        data = datasets.load(self.dataset)
        if self.normalisation == "data":
            return data
        if len(data.std) != len(datasets.PUBLIC_CODE_STD):
            raise ValueError(f"normalisation 'public-code' is for 3 channels, not {len(data.std)}")
        std = datasets.PUBLIC_CODE_STD
        train, test = (dataclasses.replace(split, std=std) for split in (data.train, data.test))
        return dataclasses.replace(data, train=train, test=test)

    def history(self) -> xr.Dataset:
        """Confusion counts, loss and learning rate of every epoch; see `training.train`."""
        return self._load(self._trained() / "history.nc")

    def model(self) -> nn.Module:
        """The trained network, on the CPU, in evaluation mode."""
        weights, _ = storage.load_weights(self._trained() / "weights.safetensors")
        made = provenance_of(self.history())
        model = self._network(len(made["classes"]), made["image_shape"][0])
        model.load_state_dict(weights)
        return model.eval()

    def _network(self, classes: int, channels: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return models.build(self.network, classes, channels, self.width)

    def _trained(self) -> Path:
        """The folder that holds history and weights; trains if there is none."""
        files = ("history.nc", "weights.safetensors")
        for folder in (self.published / self.name, self.runs / self.name):
            if all((folder / file).exists() for file in files):
                return folder
        folder = self.runs / self.name
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not all((folder / file).exists() for file in files):
                self._train_into(folder)
        return folder

    def _train_into(self, folder: Path) -> None:
        record = Record(self.configuration, self.device)
        data = self.data
        model = self._network(len(data.classes), data.train.images.shape[1])
        checkpoint = folder / "resume.pt"
        history = training.train(
            model, data, self.setup, self.epochs, self.batch_size, self.seed, checkpoint,
            augment=self.augment, train_counts=self.train_counts, device=self.device, precision=self.precision,
        )  # fmt: skip
        provenance = record.provenance(data, float(history.seconds.sum()))
        storage.save_json(provenance, folder / "run.json")
        storage.save_weights(model.state_dict(), folder / "weights.safetensors", {"provenance": json.dumps(provenance)})
        storage.save_dataset(history.assign_attrs(provenance=json.dumps(provenance)), folder / "history.nc")
        checkpoint.unlink()

    def _load(self, path: Path) -> xr.Dataset:
        artifact = storage.load_dataset(path)
        theirs = provenance_of(artifact)["configuration"]
        if theirs != json.loads(json.dumps(self.configuration)):
            key = next(key for key in self.configuration if theirs.get(key) != self.configuration[key])
            raise ValueError(
                f"{path} is of another configuration: {key} is {theirs.get(key)!r} there, "
                f"{self.configuration[key]!r} here; move it away to compute it again"
            )
        return artifact


class Record:
    """Takes the time and the circumstances of a computation from its start: `Record(configuration, device)`."""

    def __init__(self, configuration: Mapping[str, object], device: str) -> None:
        self.configuration, self.device = dict(configuration), devices.resolve_device(device)
        self.started = datetime.now(UTC)
        self.commit, self.dirty = _git_state()  # now, since the code that runs is the one loaded at the start

    def provenance(self, data: datasets.ImageData, seconds: float | None = None) -> dict[str, object]:
        """Where an artifact comes from. `seconds` defaults to the time since the start of this record."""
        elapsed = (datetime.now(UTC) - self.started).total_seconds()
        return {
            "configuration": self.configuration,
            "data_sha256": data.sha256,
            "classes": list(data.classes),
            "image_shape": list(data.train.images.shape[1:]),
            "git_commit": self.commit,
            "git_dirty": self.dirty,
            "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
            "device": self.device.type,
            "device_name": devices.describe(self.device),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(elapsed if seconds is None else seconds, 1),
            "peak_memory_bytes": _peak_memory(self.device),
        }


@dataclass(frozen=True)
class Profile:
    """A size at which the whole book can be run: data, networks with their setups, epochs, width."""

    dataset: str
    setups: Mapping[str, tuple[str, ...]]
    epochs: int
    width: float
    batch_size: int = 128
    augment: str = "crop-flip"

    @property
    def networks(self) -> tuple[str, ...]:
        """The profile's networks; each is trained with anneal-lr at least."""
        return tuple(self.setups)

    def run(self, network: str, setup: str = "anneal-lr", **overrides: object) -> Run:
        """The profile's run of `network` with `setup`; keywords change any other field of `Run`."""
        shared = ("dataset", "epochs", "width", "batch_size", "augment")
        settings = {name: getattr(self, name) for name in shared}
        return Run(network=network, setup=setup, **(settings | overrides))


_ALL_SETUPS = ("anneal-lr", "big-lr", "small-lr")
_ANNEALED = ("anneal-lr",)
_PAPER_SETUPS = {"vgg19": _ALL_SETUPS, "resnet18": _ALL_SETUPS, "googlenet": _ANNEALED, "dla": _ANNEALED,
                 "simple-dla": _ANNEALED}  # fmt: skip

PROFILES = {
    "digits": Profile("digits", _PAPER_SETUPS, epochs=12, width=0.125, batch_size=32, augment="crop"),
    "laptop": Profile("cifar10", _PAPER_SETUPS, epochs=30, width=0.25),
    "paper": Profile("cifar10", _PAPER_SETUPS, epochs=200, width=1.0),
}
"""digits: live in minutes on two cores. laptop: an afternoon on two cores. paper: the paper's own size, one GPU."""


def profile(name: str) -> Profile:
    """The profile called `name`. Raises ValueError for an unknown one."""
    return PROFILES[checks.one_of(name, PROFILES, "profile")]


def provenance_of(artifact: xr.Dataset) -> dict[str, object]:
    """The provenance that an artifact carries. Raises ValueError if it carries none."""
    if "provenance" not in artifact.attrs:
        raise ValueError("this artifact carries no provenance: it was not made by ciutils.experiments")
    return json.loads(artifact.attrs["provenance"])


def provenance_line(*artifacts: xr.Dataset) -> str:
    """One line on where artifacts come from, as shown under every figure of the book."""
    made = [provenance_of(artifact) for artifact in artifacts]

    def each(show: Callable[[dict, dict], str]) -> str:
        return ", ".join(dict.fromkeys(show(one, one["configuration"]) for one in made))

    return "; ".join([
        each(lambda _, run: run["network"]),
        each(lambda _, run: f"{run['setup']}, {run['epochs']} epochs, width {run['width']:g}, seed {run['seed']}"),
        each(lambda one, run: f"{run['dataset']} {one['data_sha256'][:8]}"),
        "commit " + each(lambda one, _: one["git_commit"][:8] + (" with changes" if one["git_dirty"] else "")),
        each(lambda one, _: f"{one['device_name']}, torch {one['versions']['torch']}"),
        _duration(sum(one["seconds"] for one in made)) + " in all",
        "last begun " + max(one["started"] for one in made)[:10],
    ])  # fmt: skip


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _slug(dataset: str) -> str:
    """A data set's part of a folder name; a folder of images is told apart from others of the same name."""
    if not dataset.startswith("folder:"):
        return dataset
    path = Path(dataset.removeprefix("folder:")).expanduser().resolve()
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', path.name)}.{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _git_state() -> tuple[str, bool]:
    """(commit, whether the package differs from it); ("unknown", False) outside a clone."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "ciutils"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", False


def _peak_memory(device: torch.device) -> int:
    """Peak memory so far in bytes: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

"""Runs: a configuration, its folder, and its artifacts, loaded if they exist, computed and kept if they do not.

A run's folder name spells out its whole configuration, so two configurations never share a folder. Published
artifacts (`results/`) are read, never written; everybody's own go to `runs/`.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path

import pandas as pd
import torch
import xarray as xr
from filelock import FileLock
from torch import nn

from ciutils import (
    checks,
    confusion,
    datasets,
    devices,
    ego,
    interference,
    models,
    paper,
    predictions,
    sources,
    storage,
    training,
)  # fmt: skip

REPOSITORY = Path(__file__).resolve().parent.parent
"""The clone this package is used from."""

PACKAGES = ("torch", "torchvision", "numpy", "xarray")
"""Packages whose versions a record names."""

NORMALISATIONS = ("data", "public-code")

RENEW = "CIUTILS_RENEW"
"""Environment variable that the workflow sets: one's own artifacts that are damaged, or made by other package code, on
other data or on other weights, are then moved to the run's aside/ and computed again. Published ones never are."""


@dataclass(frozen=True)
class Run:
    """One training run and everything measured on the trained network.

    dataset: as `datasets.load` takes it. network: as `models.build` takes it, with `width`. setup, epochs,
    batch_size, seed, augment, precision, device: as `training.train` takes them; the seed also draws
    the initial weights. normalisation: by the data's own channel deviations, or by the "public-code" ones (CIFAR-10).
    runs, published: folders of one's own and of published artifacts. compute: whether what is in neither is computed;
    False raises FileNotFoundError instead.

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
    normalisation: str = "data"
    precision: str = "auto"
    device: str = "auto"
    runs: Path = field(default_factory=lambda: Path(os.environ.get("CIUTILS_RUNS") or REPOSITORY / "runs"))
    published: Path = REPOSITORY / "results"
    compute: bool = True

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
        checks.one_of(self.normalisation, NORMALISATIONS, "normalisation")
        checks.one_of(self.precision, devices.PRECISIONS, "precision")

    @property
    def configuration(self) -> dict[str, object]:
        """What makes this run this run: everything but where it is computed and kept."""
        apart = ("device", "runs", "published", "compute")
        return {key.name: getattr(self, key.name) for key in dataclasses.fields(self) if key.name not in apart}

    @property
    def name(self) -> str:
        """The folder name: the main settings, then every other one that is not the default."""
        parts = [_slug(self.dataset), self.network, self.setup, f"w{self.width:g}", f"e{self.epochs}",
                 f"b{self.batch_size}", f"s{self.seed}"]  # fmt: skip
        for key in ("augment", "normalisation", "precision"):
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
        """Confusion counts, predictions, loss and learning rate of every epoch; see `training.train`.

        Published histories of an older form have counts alone: running and test counts, and end counts where the same
        training was made once more with those.
        """
        published = self.published / self.name / "history.nc"  # large weights are not published with it
        if not published.exists():
            return _loaded(self._trained() / "history.nc", self.configuration)
        history = _named_counts(_loaded(published, self.configuration))
        for path in self.published_folders[1:]:
            again = _named_counts(_loaded(path / "history.nc", self.configuration))
            _check_same_training(history, again, path)
            history["end_counts"] = again["end_counts"]
        return history

    @property
    def published_folders(self) -> list[Path]:
        """The folders that hold published artifacts of this run: its own, and that of the same training made once more
        with counts at the end of epochs, from the time when a history had either these or running counts."""
        folders = [self.published / self.name, self.published / f"{self.name}-train_counts=end"]
        return [folder for folder in folders if folder.exists()]

    def predictions(self) -> xr.Dataset:
        """What the trained network says of every training and test image; see `predictions.of_trained`.

        A history holds it; for published ones of an older form it is an artifact of its own, computed from the weights
        in the precision of their training.
        """
        history = self.history()
        if "test_probabilities" in history:
            names = list(predictions.DIMS)
            return history[names].isel(epoch=-1, drop=True).assign_attrs(history.attrs)

        def compute(_: Path) -> xr.Dataset:
            options = {"device": self.device, "precision": history.attrs["precision"]}
            return predictions.of_trained(self.model(), self.data, **options).assign_attrs(
                precision=history.attrs["precision"]
            )

        return self._artifact("predictions.nc", {"predictions": "final"}, compute)

    def model(self) -> nn.Module:
        """The trained network, on the CPU, in evaluation mode. It is trained anew where only its history and
        measurements are published; the history names the digest of the weights that those were made on."""
        weights, _ = storage.load_weights(self._trained() / "weights.safetensors")
        made = provenance_of(self.history())
        model = self._network(len(made["classes"]), made["image_shape"][0])
        model.load_state_dict(weights)
        return model.eval()

    def ego(self) -> xr.Dataset:
        """Norms and cosines of the class gradients on all training images: norms (direction), cosine (direction,
        other), and the attribute weight_norm; see `ego.ego_directions`."""

        def compute(_: Path) -> xr.Dataset:
            found = self.directions()
            return xr.Dataset({"norms": found.norms, "cosine": found.cosine}, attrs={"weight_norm": found.weight_norm})

        return self._artifact("ego.nc", {"directions": "ego"}, compute)

    def directions(self) -> ego.Directions:
        """The class gradients themselves, kept in one's own folder: they are ten times as large as the network."""
        trained, path = self._trained(), self.runs / self.name / "ego.safetensors"
        if self._fault(path, trained):
            self._may_compute(path.name)
            self._own_folder()
            with FileLock(f"{path}.lock"):
                if not self._kept(path, trained):
                    found = ego.ego_directions(self.model(), self.data.train, device=self.device)
                    facts = {"names": list(found.names), "weight_norm": found.weight_norm, "run": self.configuration}
                    made = self._origin(sources.MEASURING, trained) | {"data_sha256": self.data.sha256}
                    told = {"facts": json.dumps(facts), "provenance": json.dumps(made)}
                    storage.save_weights(found.tensors, path, told)
        tensors, metadata_ = storage.load_weights(path)
        facts = json.loads(metadata_["facts"])
        _check_configuration(path, facts["run"], self.configuration)
        return ego.Directions(tuple(facts["names"]), tensors, facts["weight_norm"])

    def sigma(self, pairs: Sequence[str], images: int = 0, level: float = 0.5) -> float:
        """The sigma at which the border of every pair's space is at a mistake rate of `level`, rounded up to two
        digits; see `interference.find_sigma`. images: as in `space`."""

        def compute(_: Path) -> xr.Dataset:
            split = self._training_images(images)
            found = interference.find_sigma(self.model(), split, self.directions(), pairs, level, device=self.device)
            return xr.Dataset({"sigma": found})

        settings = {"pairs": list(pairs), "images": images, "level": level}
        file = f"sigma-{'-'.join(map(_file_part, pairs))}-n{images or 'all'}-l{level:g}.nc"
        return _rounded_up(float(self._artifact(file, settings, compute)["sigma"]))

    def paper_sigma(self, pairs: Sequence[str], images: int = 0, level: float = 0.5) -> float:
        """The sigma of the same network trained with big-lr, times the paper's ratio for this run's setup.

        Source: arXiv:2211.01370, Figures 2 to 4.
        """
        big = dataclasses.replace(self, setup="big-lr").sigma(pairs, images, level)
        return float(f"{big * paper.SIGMA_RATIOS[self.setup]:.6g}")

    def random_sigma(self, pair: str, sigma: float, scale: str = "gradient") -> float:
        """Half side of the random plane that reaches as far as the space of `pair` at half side `sigma` and `scale`:
        the same mean weight distance at both edges, in filter-normalised random directions."""

        def compute(_: Path) -> xr.Dataset:
            model = self.model()
            random = ego.rescaled(ego.random_directions(model), "filter", model)
            norms = self.ego()["norms"]
            if scale != "gradient":
                norms = ego.rescaled(self.directions(), scale, model).norms
            both = norms[list(datasets.class_pair(norms["direction"].values, pair))]
            return xr.Dataset({"sigma": sigma * float(both.mean() / random.norms.mean())})

        settings = {"pair": pair, "sigma": sigma, "scale": scale}
        file = f"sigma-random-{_file_part(pair)}-s{sigma!r}" + f"-scale={scale}" * (scale != "gradient")
        return float(f"{float(self._artifact(f'{file}.nc', settings, compute)['sigma']):.3g}")

    def space(
        self,
        pair: str,
        sigma: float,
        points: int = 19,
        images: int = 0,
        *,
        random: bool = False,
        scale: str = "gradient",
        sign: str = "descent",
        bn: str = "frozen",
        precision: str = "auto",
        shard: tuple[int, int] | None = None,
        shards: int = 1,
    ) -> xr.Dataset:
        """The interference space of `pair` over this run's training images; see `interference.interference_space`.

        images: a class-stratified subset of so many, 0 for all; the artifact's standard_error (theta1, theta2) says
        what that costs. random: two random directions instead of the pair's egos; `pair` then only names the file.
        shard: (i, n) measures rows i, i + n, ... and keeps them as a file of their own, unless the whole space exists.
        shards: n makes the whole from n such files, measuring those that are missing, and removes them: the same
        counts and losses; the record's seconds are the sum of theirs. Book: *When one machine is not enough*.
        """
        options = {"scale": scale, "sign": sign, "bn": bn, "precision": precision}

        def measure(checkpoint: Path, rows: tuple[int, int]) -> xr.Dataset:
            model, split = self.model(), self._training_images(images)
            directions = ego.random_directions(model) if random else self.directions()
            return interference.interference_space(
                model, split, directions, directions.names if random else pair, sigma, points,
                shard=rows, checkpoint=checkpoint, device=self.device, **options,
            )  # fmt: skip

        def part(rows: tuple[int, int]) -> xr.Dataset:
            return self._artifact(_part_file(file, rows), settings, lambda checkpoint: measure(checkpoint, rows))

        def whole(checkpoint: Path) -> xr.Dataset:
            parts = [part((i, shards)) for i in range(shards)] if shards > 1 else [measure(checkpoint, (0, 1))]
            space = interference.merge(parts)
            return space.assign(standard_error=interference.standard_error(space, len(self.data.train)))

        settings = {"pair": pair, "sigma": sigma, "points": points, "images": images, "random": random, **options}
        file = f"space-{_file_part(pair)}{'-random' * random}-s{sigma!r}-p{points}-n{images or 'all'}"
        defaults = {"scale": "gradient", "sign": "descent", "bn": "frozen", "precision": "auto"}
        file += "".join(f"-{key}={value}" for key, value in options.items() if value != defaults[key])
        if shard and not self._has(f"{file}.nc"):
            return part(shard)
        space = self._artifact(f"{file}.nc", settings, whole)
        for i in range(shards if shards > 1 else 0):
            (self.runs / self.name / _part_file(file, (i, shards))).unlink(missing_ok=True)
        return space

    def _may_compute(self, file: str) -> None:
        if not self.compute:
            raise FileNotFoundError(
                f"{self.name}/{file} is neither in {self.published} nor in {self.runs}: compute it first"
            )

    def _training_images(self, count: int) -> datasets.Split:
        return self.data.train.stratified(count) if count else self.data.train

    def _own_folder(self) -> Path:
        folder = self.runs / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _artifact(self, file: str, settings: Mapping, compute: Callable[[Path], xr.Dataset]) -> xr.Dataset:
        """The artifact `file` of this run: published, one's own, or made now by `compute(checkpoint)` and kept."""
        expected = {**self.configuration, **settings}
        published, own = self.published / self.name / file, self.runs / self.name / file
        if published.exists():
            return _loaded(published, expected)
        if not own.exists():
            self._may_compute(file)
        trained = self._trained()  # first, so that the time in the record is the artifact's own
        if self._fault(own, trained):
            self._own_folder()
            with FileLock(f"{own}.lock"):
                if not self._kept(own, trained):
                    record = Record(expected, self.device)
                    checkpoint = self._checkpoint(own.with_suffix(".rows.nc"), sources.MEASURING)
                    made = compute(checkpoint)
                    provenance = record.provenance(self.data, made.attrs.get("seconds"))
                    provenance |= self._origin(sources.MEASURING, trained)
                    storage.save_dataset(made.assign_attrs(provenance=json.dumps(provenance)), own)
                    _forget(checkpoint)
        return _loaded(own, expected)

    def _has(self, file: str) -> bool:
        """Whether `file` is published, or one's own and to be kept."""
        own = self.runs / self.name / file
        return (self.published / self.name / file).exists() or self._fault(own, self._trained()) is None

    def _origin(self, roots: tuple[str, ...], trained: Path | None = None) -> dict[str, str]:
        """What an artifact was made by, and on which weights."""
        made = {"code": sources.of_artifact(roots)}
        return made | ({"weights_sha256": storage.weights_sha256(trained / "weights.safetensors")} if trained else {})

    def _kept(self, own: Path, trained: Path | None = None) -> bool:
        """Whether the file `own` is to be kept. One that is there and is not is moved aside; its lock is held."""
        _remove_unfinished(own)
        fault = self._fault(own, trained)
        if fault and own.exists():
            _move_aside(own, fault)
        return fault is None

    def _checkpoint(self, path: Path, roots: tuple[str, ...]) -> Path:
        """`path`, with a note beside it of the code that fills it, so that no work is continued by other code."""
        _remove_unfinished(path)
        note, code = Path(f"{path}.code"), sources.of_artifact(roots)
        if os.environ.get(RENEW) and path.exists() and note.exists() and note.read_text() != code:
            _move_aside(path, "of other package code")
        storage.write_atomically(note, lambda file: file.write_text(code))
        return path

    def _fault(self, own: Path, trained: Path | None = None) -> str | None:
        """Why the file `own` cannot be used, or None: it is missing or, if the workflow asks, no longer true."""
        if not own.exists():
            return "missing"
        if not os.environ.get(RENEW):
            return None
        try:
            if own.suffix == ".nc":
                text = storage.load_dataset(own).attrs.get("provenance", "{}")
            else:
                text = storage.load_weights(own)[1].get("provenance", "{}")
        except ValueError:
            return "damaged"
        made = json.loads(text)
        now = self._origin(sources.MEASURING if trained else sources.TRAINING, trained)
        if self.dataset.startswith("folder:"):  # all others are checked when they are read
            now["data_sha256"] = self.data.sha256
        meaning = {"code": "package code", "weights_sha256": "weights", "data_sha256": "data"}
        changed = [meaning[key] for key, value in now.items() if made.get(key, value) != value]
        return f"of other {' and '.join(changed)}" if changed else None

    def _network(self, classes: int, channels: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return models.build(self.network, classes, channels, self.width)

    def _trained(self) -> Path:
        """The folder that holds history and weights; trains if there is none."""
        files = ("history.nc", "weights.safetensors")
        published, folder = self.published / self.name, self.runs / self.name
        if all((published / file).exists() for file in files):
            return published
        if any(self._fault(folder / file) for file in files):
            self._may_compute(next(file for file in files if not (published / file).exists()))
            self._own_folder()
            with FileLock(folder / ".lock"):
                kept = [self._kept(folder / file) for file in files]
                if not all(kept):
                    self._train_into(folder)
        return folder

    def _train_into(self, folder: Path) -> None:
        record = Record(self.configuration, self.device)
        data = self.data
        model = self._network(len(data.classes), data.train.images.shape[1])
        checkpoint = self._checkpoint(folder / "resume", sources.TRAINING)
        history = training.train(
            model, data, self.setup, self.epochs, self.batch_size, self.seed, checkpoint,
            augment=self.augment, device=self.device, precision=self.precision,
        )  # fmt: skip
        provenance = record.provenance(data, float(history.seconds.sum())) | self._origin(sources.TRAINING)
        provenance["precision"] = history.attrs["precision"]  # what "auto" came to
        storage.save_weights(model.state_dict(), folder / "weights.safetensors", {"provenance": json.dumps(provenance)})
        provenance |= self._origin(sources.TRAINING, folder)
        storage.save_json(provenance, folder / "run.json")
        storage.save_dataset(history.assign_attrs(provenance=json.dumps(provenance)), folder / "history.nc")
        _forget(checkpoint)


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
            "peak_memory_bytes": devices.peak_memory(self.device),
        }


@dataclass(frozen=True)
class Profile:
    """A size at which the whole book can be run.

    setups: of each network. points, images, pairs: of interference spaces (images 0: all); without pairs they are found
    in a network's own confusion matrix. control_images: of the planes that are only compared with those, and of the
    search for half sides, which are known to a tenth (0: all).
    """

    dataset: str
    setups: Mapping[str, tuple[str, ...]]
    epochs: int
    width: float
    points: int = 19
    images: int = 0
    control_images: int = 0
    pairs: tuple[str, ...] = ("cat-dog", "truck-car", "horse-ship")
    batch_size: int = 128
    augment: str = "crop-flip"
    precision: str = "auto"

    @property
    def networks(self) -> tuple[str, ...]:
        """The profile's networks; each is trained with anneal-lr at least."""
        return tuple(self.setups)

    def run(self, network: str, setup: str = "anneal-lr", **overrides: object) -> Run:
        """The profile's run of `network` with `setup`; keywords change any other field of `Run`."""
        shared = ("dataset", "epochs", "width", "batch_size", "augment", "precision")
        settings = {name: getattr(self, name) for name in shared}
        return Run(network=network, setup=setup, **(settings | overrides))

    def pairs_of(self, run: Run) -> tuple[str, ...]:
        """The profile's pairs, or the first, the second and the last of `run`'s pairs by their share of all errors."""
        if self.pairs:
            return self.pairs
        table = confusion.pair_shares(run.history().test_counts.isel(epoch=-1)).iloc[[0, 1, -1]]
        return tuple(table["first"] + "-" + table["second"])


_ALL_SETUPS = ("anneal-lr", "big-lr", "small-lr")
_ANNEALED = ("anneal-lr",)
_LONG_SETUPS = {"vgg19": _ALL_SETUPS, "resnet18": _ALL_SETUPS}
_PAPER_SETUPS = {"vgg19": _ALL_SETUPS, "resnet18": _ALL_SETUPS, "googlenet": _ANNEALED, "dla": _ANNEALED,
                 "simple-dla": _ANNEALED}  # fmt: skip

PROFILES = {
    "digits": Profile("digits", _PAPER_SETUPS, epochs=12, width=0.125, batch_size=32, augment="crop",
                      points=9, pairs=()),
    "laptop": Profile("cifar10", _PAPER_SETUPS, epochs=30, width=0.25, images=10_000,
                      control_images=2_000),
    "long": Profile("cifar10", _LONG_SETUPS, epochs=200, width=0.25, images=10_000,
                    control_images=2_000, precision="fp32"),
    "paper": Profile("cifar10", _PAPER_SETUPS, epochs=200, width=1.0, control_images=10_000),
}  # fmt: skip
"""digits: live in minutes on two cores. laptop: an afternoon on two cores. long: the paper's 200 epochs at a quarter of
its width, in float32 on every machine, so that runs can be compared; a day on two cores. paper: the paper's own size,
one GPU."""


def profile(name: str) -> Profile:
    """The profile called `name`. Raises ValueError for an unknown one."""
    return PROFILES[checks.one_of(name, PROFILES, "profile")]


def _loaded(path: Path, expected: Mapping[str, object]) -> xr.Dataset:
    artifact = storage.load_dataset(path)
    _check_configuration(path, provenance_of(artifact)["configuration"], expected)
    return artifact


def _named_counts(history: xr.Dataset) -> xr.Dataset:
    """`history` with the counts of training images named by how they were counted, as an older form did not."""
    kind = history.attrs.pop("train_counts", None)
    return history.rename(train_counts=f"{kind}_counts") if kind else history


def _check_same_training(history: xr.Dataset, again: xr.Dataset, path: Path) -> None:
    if not history["test_counts"].equals(again["test_counts"]):
        raise ValueError(f"{path} is not the same training once more: its test counts differ; move it away")


def _check_configuration(path: Path, theirs: Mapping[str, object], ours: Mapping[str, object]) -> None:
    for key, value in json.loads(json.dumps(ours)).items():
        if theirs.get(key) != value:
            raise ValueError(
                f"{path} is of another configuration: {key} is {theirs.get(key)!r} there, {value!r} here; "
                "move it away to compute it again"
            )


def _file_part(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


def _remove_unfinished(file: Path) -> None:
    """Remove what writers of `file` left that were killed; its lock is held, so none is at work."""
    for left in file.parent.glob(f".{glob.escape(file.name)}.*.part"):
        left.unlink()


def _move_aside(file: Path, why: str) -> None:
    aside = file.parent / "aside" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{file.name}"
    aside.parent.mkdir(exist_ok=True)
    file.rename(aside)
    print(f"{file} is {why}: moved to {aside}, computed again", flush=True)


def _forget(checkpoint: Path) -> None:
    if checkpoint.is_dir():
        training.forget(checkpoint)
    else:
        checkpoint.unlink(missing_ok=True)
    Path(f"{checkpoint}.code").unlink(missing_ok=True)


def _part_file(stem: str, rows: tuple[int, int]) -> str:
    return f"{stem}.part-{rows[0]}-of-{rows[1]}.nc"


def _rounded_up(value: float, digits: int = 2) -> float:
    """`value` rounded up to so many significant digits: short enough for a file name."""
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.{digits}g}")


def provenance_of(artifact: xr.Dataset) -> dict[str, object]:
    """The provenance that an artifact carries. Raises ValueError if it carries none."""
    if "provenance" not in artifact.attrs:
        raise ValueError("this artifact carries no provenance: it was not made by ciutils.experiments")
    return json.loads(artifact.attrs["provenance"])


def records(runs: Iterable[Run]) -> pd.DataFrame:
    """Where each artifact of `runs` comes from, as far as it exists; nothing is computed.

    One row for each training, space and so on: run, network, setup, artifact (file), kind, device, precision, torch,
    seconds, memory (peak, bytes), started, commit. Book: page *Machines and times*.
    """
    rows = []
    for run in runs:
        folders = run.published_folders or [run.runs / run.name]
        for path in (path for folder in folders for path in sorted(folder.glob("*.nc"))):
            artifact = storage.load_dataset(path)
            made = provenance_of(artifact)
            settings = json.loads(artifact.attrs.get("configuration", "{}"))
            rows.append({
                "run": run.name, "network": run.network, "setup": run.setup,
                "artifact": path.name + " (counts at the end)" * (path.parent.name != run.name),
                "kind": {"history": "training", "ego": "class gradients"}.get(path.stem, path.name.split("-")[0]),
                "device": made["device_name"],
                "precision": artifact.attrs.get("precision", settings.get("precision", "")),
                "torch": made["versions"]["torch"], "seconds": made["seconds"], "memory": made["peak_memory_bytes"],
                "started": made["started"], "commit": made["git_commit"][:8],
            })  # fmt: skip
    return pd.DataFrame(rows)


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

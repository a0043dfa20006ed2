"""What runs have led to: each artifact found in the store, or computed and kept there.

Published artifacts are in `results/`; everybody's own go to `runs/`, or to $CIUTILS_RUNS.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from ciutils import artifacts, checks, choices, code, files, provenance
from ciutils.classes import class_index, class_pair
from ciutils.counts import IMAGE_DIMS
from ciutils.record import Record
from ciutils.store import RUNS, Item, Store, as_published, check_configuration, loaded
from reproduction import paper, ranges
from reproduction.runs import AUGMENTED, Run

if TYPE_CHECKING:  # whatever is trained or measured imports what it needs: reading published results takes no torch
    from torch import nn

    from ciutils.data import ImageData, Split
    from ciutils.measure import Directions

REPOSITORY = Path(__file__).resolve().parent.parent
"""The clone that this is used from."""
NOTEBOOKS = REPOSITORY / "notebooks"

ATTRIBUTIONS = {
    "cifar10": "CIFAR-10, A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, "
    "https://www.cs.toronto.edu/~kriz/cifar.html",
    "fashion-mnist": "Fashion-MNIST, Zalando SE 2017, MIT licence, https://github.com/zalandoresearch/fashion-mnist",
}
"""Whose images a data set's are, told in every artifact that holds some."""

HISTORY, WEIGHTS, EGO = "history.nc", "weights.safetensors", "ego.nc"
RANDOM = "random"
"""What the pair of a random plane is called."""
SIGNS = "signs"
"""What a plane is called whose directions have random signs."""
Pair = str | Sequence[str]
"""Two classes as text, or as two names where the text could be cut in more than one way."""


def _default_store() -> Store:
    own = files.expanded(os.environ.get(RUNS) or REPOSITORY / "runs")
    return Store(own, REPOSITORY / "results", compute=find_spec("torch") is not None)


@dataclass(frozen=True)
class Results:
    """The artifacts of runs in `store`, computed on `device` if they are not there."""

    store: Store = field(default_factory=_default_store)
    device: str = "auto"
    _loaded: dict[tuple[object, ...], ImageData] = field(default_factory=dict, repr=False, compare=False)
    _digests: dict[ImageData, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.device != "auto":
            from ciutils.models import devices

            devices.resolve_device(self.device)  # a wrong one is said now, not after loading data

    @property
    def loading(self) -> Results:
        """The same artifacts, of which none is computed: FileNotFoundError for one that is not there."""
        return dataclasses.replace(self, store=dataclasses.replace(self.store, compute=False))

    def data(self, run: Run) -> ImageData:
        """The run's data set, loaded once. Raises ValueError if it has a single class."""
        from ciutils import data

        key = (run.dataset, run.normalisation)
        if key not in self._loaded:
            images = data.load(run.dataset)
            _check_several(run.dataset, images.classes)
            self._loaded[key] = data.normalised(images, run.normalisation)
        changed = (*key, run.classes, run.swapped, run.seed if run.swapped else None)
        if changed not in self._loaded:
            images = self._loaded[key]
            images = data.only(images, run.classes) if run.classes else images
            self._loaded[changed] = data.swapped(images, *run.swapped, seed=run.seed) if run.swapped else images
        return self._loaded[changed]

    def check(self, run: Run, pairs: Iterable[Pair] = (), classes: Iterable[str] = (), images: int = 0) -> None:
        """Raise ValueError unless the run's data have these classes and so many training images (0: all), or if two
        pairs are of the same two classes."""
        from ciutils import data

        known = run.classes or (run.dataset, run.normalisation) in self._loaded
        names = self.data(run).classes if known else data.classes(run.dataset)  # first: to decode images takes minutes
        _check_several(run.dataset, names)
        given: dict[frozenset[int], Pair] = {}
        for pair in pairs:
            both = frozenset(class_pair(names, pair))
            if both in given:
                raise ValueError(f"pairs {given[both]!r} and {pair!r} are of the same two classes: give one of them")
            given[both] = pair
        for name in classes:
            class_index(names, name)
        own = self.data(run)
        if images > len(own.train):
            raise ValueError(f"images = {images}: {own.name} has {len(own.train)} training images; give 0 for all")

    def history(self, run: Run) -> xr.Dataset:
        """Confusion counts, predictions, loss and learning rate of every epoch; see `train.train`.

        Published histories of an older form have counts alone: running and test counts, and end counts where the same
        training was made once more with those.
        """
        if not self.store.publishes(run.name, HISTORY):  # large weights are not published with it
            return loaded(self._trained(run) / HISTORY, run.configuration)
        history = _named_counts(as_published(loaded(self.store.published / run.name / HISTORY, run.configuration)))
        for folder in self.published_folders(run)[1:]:
            again = _named_counts(loaded(folder / HISTORY, run.configuration))
            if not history["test_counts"].equals(again["test_counts"]):
                raise ValueError(f"{folder} is not the same training once more: its test counts differ; move it away")
            history["end_counts"] = again["end_counts"]
        return history

    def published_folders(self, run: Run) -> list[Path]:
        """The folders that hold published artifacts of `run`: its own, and that of the same training made once more
        with counts at the end of epochs, from the time when a history had either these or running counts."""
        folders = [self.store.published / f"{run.name}{suffix}" for suffix in ("", "-train_counts=end")]
        return [folder for folder in folders if folder.exists()]

    def model(self, run: Run) -> nn.Module:
        """The trained network, on the CPU, in evaluation mode. It is trained anew where only its history and
        measurements are published; the history names the digest of the weights that those were made on."""
        from ciutils import models

        weights, _ = artifacts.load_tensors(self._trained(run) / WEIGHTS)
        made = provenance.of(self.history(run))
        model = models.build(run.network, len(made["classes"]), made["image_shape"][0], run.width, run.seed)
        model.load_state_dict(weights)
        return model.eval()

    def predictions(self, run: Run) -> xr.Dataset:
        """What the trained network says of every training and test image; see `measure.of_trained`.

        A history holds it; for published ones of an older form it is an artifact of its own, computed from the weights
        in the precision of their training.
        """
        history = self.history(run)
        if "test_probabilities" in history:
            return history[list(IMAGE_DIMS)].isel(epoch=-1, drop=True).assign_attrs(history.attrs)
        precision = history.attrs["precision"]

        def compute(_: Path) -> xr.Dataset:
            from ciutils import measure

            found = measure.of_trained(self.model(run), self.data(run), device=self.device, precision=precision)
            return found.assign_attrs(precision=precision)

        return self._measured(run, "predictions.nc", {"predictions": "final"}, compute)

    def test_images(self, run: Run, positions: np.ndarray) -> xr.Dataset:
        """The test images at `positions` of their canonical order: images (test_image, row, column, channel) uint8,
        test_image being the positions. A few are published, so that a page that shows them needs no data."""
        chosen = np.asarray(positions, np.int64)
        digest = files.sha256_of({"positions": chosen})[:8]

        def compute(_: Path) -> xr.Dataset:
            told = {"attribution": ATTRIBUTIONS[run.dataset]} if run.dataset in ATTRIBUTIONS else {}
            return xr.Dataset({"images": self.data(run).test.pictures(chosen)}, attrs=told)

        return self._measured(run, f"images-{digest}.nc", {"test_images": digest}, compute)

    def ego(self, run: Run) -> xr.Dataset:
        """Norms and cosines of the class gradients on all training images: norms (direction), cosine (direction,
        other), and the attribute weight_norm; see `measure.ego_directions`."""

        def compute(_: Path) -> xr.Dataset:
            found = self.directions(run)
            return xr.Dataset({"norms": found.norms, "cosine": found.cosine}, attrs={"weight_norm": found.weight_norm})

        return self._measured(run, EGO, {"directions": "ego"}, compute)

    def directions(self, run: Run) -> Directions:
        """The class gradients themselves, kept in one's own folder: they are ten times as large as the network."""

        from ciutils import measure

        def make(folder: Path, _: Path) -> None:
            record = self._record(run.configuration, code.MEASUREMENTS)
            found = measure.ego_directions(self.model(run), self.data(run).train, device=self.device)
            told = {
                "facts": json.dumps({"names": list(found.names), "weight_norm": found.weight_norm}),
                "provenance": json.dumps(record.provenance(self.data(run), self._origin(run))),
            }
            artifacts.save_tensors(found.tensors, folder / "ego.safetensors", told)

        path = self.store.folder(self._item(run, "ego.safetensors", {}), make) / "ego.safetensors"
        tensors, told = artifacts.load_tensors(path)
        check_configuration(path, json.loads(told["provenance"])["configuration"], run.configuration)
        facts = json.loads(told["facts"])
        return measure.Directions(tuple(facts["names"]), tensors, facts["weight_norm"])

    def curvature(self, run: Run, pair: Pair, images: int = 0) -> xr.Dataset:
        """First and second derivatives of each class's loss along the egos of `pair`; see `measure.plane_derivatives`.
        images: as in `space`."""

        def compute(_: Path) -> xr.Dataset:
            from ciutils import measure

            split, directions = self._images(run, images), self.directions(run)
            return measure.plane_derivatives(self.model(run), split, directions, pair, device=self.device)

        images = checks.whole(images, "images", at_least=0)
        settings = {"pair": pair, "images": images, "derivatives": 2}
        return self._measured(run, f"curvature-{_file_part(pair)}-n{images or 'all'}.nc", settings, compute)

    def sigma(self, run: Run, pairs: Sequence[Pair], images: int = 0, level: float = 0.5) -> float:
        """The sigma at which the border of every pair's space is at a mistake rate of `level`, rounded up to two
        digits; see `measure.find_sigma`. images: as in `space`."""

        def compute(_: Path) -> xr.Dataset:
            from ciutils import measure

            split, directions = self._images(run, images), self.directions(run)
            sigma = measure.find_sigma(self.model(run), split, directions, pairs, level, device=self.device)
            return xr.Dataset({"sigma": sigma})

        images, level = checks.whole(images, "images", at_least=0), checks.share(level, "level")
        settings = {"pairs": list(pairs), "images": images, "level": level}
        file = f"sigma-{_file_part(*pairs)}-n{images or 'all'}-l{level:g}.nc"
        return files.rounded_up(float(self._measured(run, file, settings, compute)["sigma"]))

    def paper_sigma(self, run: Run, pairs: Sequence[Pair], images: int = 0, level: float = 0.5) -> float:
        """The sigma of the same network trained with big-lr, times the paper's ratio for this run's setup.

        Source: arXiv:2211.01370, Figures 2 to 4.
        """
        big = self.sigma(dataclasses.replace(run, setup="big-lr"), pairs, images, level)
        return float(f"{big * paper.SIGMA_RATIOS[run.setup]:.6g}")

    def random_sigma(self, run: Run, pair: Pair, sigma: float, scale: str = "gradient") -> float:
        """Half side of the random plane that reaches as far as the space of `pair` at half side `sigma` and `scale`;
        see `measure.random_sigma`."""

        def compute(_: Path) -> xr.Dataset:
            from ciutils import measure

            model = self.model(run)
            norms = measure.rescaled(self.directions(run), scale, model).norms
            return xr.Dataset({"sigma": measure.random_sigma(model, norms, pair, sigma)})

        sigma = checks.positive(sigma, "sigma")
        settings = {"pair": pair, "sigma": sigma, "scale": checks.one_of(scale, choices.SCALES, "scale")}
        file = f"sigma-random-{_file_part(pair)}-s{sigma!r}" + f"-scale={scale}" * (scale != "gradient")
        return float(f"{float(self._measured(run, f'{file}.nc', settings, compute)['sigma']):.3g}")

    def space(
        self,
        run: Run,
        pair: Pair,
        sigma: float,
        points: int = 19,
        images: int = 0,
        *,
        random: bool | str = False,
        shard: tuple[int, int] | None = None,
        shards: int = 1,
        **options: str,
    ) -> xr.Dataset:
        """The interference space of `pair` over the run's training images; see `measure.interference_space`.

        images: a class-stratified subset of so many, 0 for all; the artifact's standard_error (theta1, theta2) says
        what that costs. random: True for two random directions instead of the pair's egos, where `pair` only names the
        file; or "signs" for these egos with the sign of every element drawn at random.
        options: scale, sign, bn, precision. bn = "augmented" recalibrates with `measure.STATISTICS` training images,
        augmented as in the run's training.
        shard: (i, n) measures rows i, i + n, ... and keeps them as a file of their own, unless the whole space exists.
        shards: n makes the whole from n such files, measuring those that are missing, and removes them: the same
        counts and losses; the record's seconds are the sum of theirs. Book: *When one machine is not enough*.
        """
        sigma, points = checks.positive(sigma, "sigma"), checks.odd(points, "points")
        images, shards = checks.whole(images, "images", at_least=0), checks.whole(shards, "shards")
        shard = checks.shard(shard) if shard else None
        chosen: dict[str, Any] = choices.OPTIONS | options
        for name, value in chosen.items():
            checks.one_of(value, ranges.OPTIONS[checks.one_of(name, ranges.OPTIONS, "option")], name)
        settings = {"pair": pair, "sigma": sigma, "points": points, "images": images, "random": random, **chosen}
        drawn = f"-{SIGNS}" if random == SIGNS else "-random" * bool(random)
        stem = f"space-{_file_part(pair)}{drawn}-s{sigma!r}-p{points}-n{images or 'all'}"
        stem += "".join(f"-{key}={value}" for key, value in chosen.items() if value != choices.OPTIONS[key])

        def rows(checkpoint: Path, shard: tuple[int, int]) -> xr.Dataset:
            from ciutils import measure

            model, split = self.model(run), self._images(run, images)
            directions = measure.random_directions(model) if random is True else self.directions(run)
            both = directions.names if random is True else pair
            directions = measure.random_signs(directions) if random == SIGNS else directions
            own = {"bn": "recalibrated", "statistics": self._statistics(run)} if chosen["bn"] == AUGMENTED else {}
            return measure.interference_space(
                model,
                split,
                directions,
                both,
                sigma,
                points,
                shard=shard,
                checkpoint=checkpoint,
                device=self.device,
                **(chosen | own),
            )

        def part(shard: tuple[int, int]) -> xr.Dataset:
            return self._measured(run, _part_file(stem, shard), settings, lambda checkpoint: rows(checkpoint, shard))

        def whole(checkpoint: Path) -> xr.Dataset:
            from ciutils import measure

            parts = [part((i, shards)) for i in range(shards)] if shards > 1 else [rows(checkpoint, (0, 1))]
            space = measure.merge(parts)
            return space.assign(standard_error=measure.standard_error(space, len(self.data(run).train)))

        if shard and not self.has(run, f"{stem}.nc"):
            return part(shard)
        space = self._measured(run, f"{stem}.nc", settings, whole)
        for i in range(shards if shards > 1 else 0):
            (self.store.own / run.name / _part_file(stem, (i, shards))).unlink(missing_ok=True)
        return space

    def has(self, run: Run, file: str) -> bool:
        """Whether `file` of `run` is published, or one's own and to be kept."""
        return self.store.publishes(run.name, file) or self.store.fault(self._item(run, file, {})) is None

    def _images(self, run: Run, count: int) -> Split:
        split = self.data(run).train
        return split.stratified(count) if count else split

    def _statistics(self, run: Run) -> Split:
        """The images of which batch-norm takes its statistics: those of clean ones are another network's."""
        from ciutils import measure, train

        return train.augmented(measure.for_statistics(self.data(run).train), run.augment, run.seed)

    def _record(self, configuration: Mapping[str, object], rooms: tuple[str, ...]) -> Record:
        from ciutils.models import devices

        return Record(configuration, rooms, devices.resolve_device(self.device))

    def _item(self, run: Run, file: str, settings: Mapping[str, Any]) -> Item:
        """A measurement on the trained network, which is trained for it only if the data have what it is to measure."""
        pairs = settings.get("pairs") or [settings[name] for name in ("pair",) if name in settings]

        def origin() -> dict[str, str]:
            self.check(run, [] if settings.get("random") is True else pairs, images=settings.get("images", 0))
            return self._origin(run)

        return Item(run.name, (file,), run.configuration | dict(settings), code.MEASUREMENTS, origin)

    def _data_sha256(self, run: Run) -> str:
        """The digest of the run's data: it takes a moment, and every artifact asks for it."""
        images = self.data(run)
        if images not in self._digests:
            self._digests[images] = images.sha256
        return self._digests[images]

    def _origin(self, run: Run) -> dict[str, str]:
        weights = artifacts.tensors_sha256(self._trained(run) / WEIGHTS)
        return self._as_published(run, {"data_sha256": self._data_sha256(run), "weights_sha256": weights})

    def _as_published(self, run: Run, now: dict[str, str]) -> dict[str, str]:
        """`now`, digests of what the run is measured on. Raises ValueError if published artifacts of it are of other
        data or weights: pages would show two networks as one."""
        published = self.store.published / run.name / HISTORY
        made = provenance.of_file(published) if self.store.publishes(run.name, HISTORY) else {}
        for key, digest in now.items():
            if made.get(key, digest) != digest:
                raise ValueError(
                    f"{published.parent} is of other {key.partition('_')[0]} ({made[key][:8]}) than there are here "
                    f"({digest[:8]}): what is measured now would not belong to it; move it away, or take another seed"
                )
        return now

    def _measured(
        self, run: Run, file: str, settings: Mapping[str, object], compute: Callable[[Path], xr.Dataset]
    ) -> xr.Dataset:
        """The artifact `file` of `run`: published, one's own, or made now by `compute`(checkpoint)."""
        item = self._item(run, file, settings)

        def make(folder: Path, checkpoint: Path) -> None:
            self._trained(run)  # first, so that the time in the record is the artifact's own
            record = self._record(item.configuration, item.rooms)
            made = compute(checkpoint)
            told = record.provenance(self.data(run), self._origin(run), made.attrs.get("seconds"))
            artifacts.save_dataset(made.assign_attrs(provenance=json.dumps(told)), folder / file)

        return self.store.load(item, make)

    def _trained(self, run: Run) -> Path:
        """The folder that holds history and weights; trains if there is none. Raises ValueError for weights that are
        not those which a published history is of: a training comes out the same on the same kind of machine alone."""

        def make(folder: Path, checkpoint: Path) -> None:
            from ciutils import models, train

            record, images = self._record(run.configuration, code.WEIGHTS), self.data(run)
            model = models.build(run.network, len(images.classes), images.train.images.shape[1], run.width, run.seed)
            history = train.train(
                model,
                images,
                run.setup,
                run.epochs,
                run.batch_size,
                run.seed,
                checkpoint,
                augment=run.augment,
                device=self.device,
                precision=run.precision,
            )
            told = record.provenance(images, item.origin(), float(history.seconds.sum()))
            told["precision"] = history.attrs["precision"]  # what "auto" came to
            artifacts.save_tensors(model.state_dict(), folder / WEIGHTS, {"provenance": json.dumps(told)})
            told["weights_sha256"] = artifacts.tensors_sha256(folder / WEIGHTS)
            files.save_json(told, folder / "run.json")
            artifacts.save_dataset(history.assign_attrs(provenance=json.dumps(told)), folder / HISTORY)

        def origin() -> dict[str, str]:
            from ciutils import train

            train.check_batches(len(self.data(run).train), run.batch_size)
            return {"data_sha256": self._data_sha256(run)}

        item = Item(run.name, (HISTORY, WEIGHTS), run.configuration, code.WEIGHTS, origin)
        folder = self.store.folder(item, make)
        if folder.parent == self.store.own:
            self._as_published(run, {"weights_sha256": artifacts.tensors_sha256(folder / WEIGHTS)})
        return folder


def _named_counts(history: xr.Dataset) -> xr.Dataset:
    """`history` with the counts of training images named by how they were counted, as an older form did not."""
    kind = history.attrs.pop("train_counts", None)
    return history.rename(train_counts=f"{kind}_counts") if kind else history


def _check_several(dataset: str, classes: Sequence[str]) -> None:
    if len(classes) < 2:
        raise ValueError(f"{dataset} has one class, {classes[0]!r}: interference takes two or more")


def _file_part(*pairs: Pair) -> str:
    """The part of a file's name that tells of `pairs`: as they are where that is plain, else with a digest of them."""
    text = "-".join(pair if isinstance(pair, str) else "-".join(pair) for pair in pairs)
    plain = pairs == (RANDOM,) or all(
        isinstance(pair, str) and re.fullmatch(r"[a-z0-9]+-[a-z0-9]+", pair) for pair in pairs
    )
    if plain and len(text) <= 80:
        return text
    digest = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', text)[:40].strip('-')}.{digest}"


def _part_file(stem: str, shard: tuple[int, int]) -> str:
    return f"{stem}.part-{shard[0]}-of-{shard[1]}.nc"

"""Checks of published artifacts: are they whole, and do the published weights give the published numbers?

Book: *Machines and times*.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from torch import nn

from ciutils import artifacts, machine, measure, provenance
from ciutils.counts import from_predictions
from ciutils.data import ImageData, Split
from ciutils.models import devices, outputs
from ciutils.store import Store
from reproduction.results import EGO, HISTORY, WEIGHTS, Results
from reproduction.runs import Run

TOLERANCE = 0.005
"""Largest difference of a mistake rate between two kinds of machine; on the same kind counts are equal."""
POINTS = ((0.5, 0.5), (0.75, 0.25), (0, 1))
"""Grid points that are measured again, as shares of the two axes: the network, one half way out, and a corner."""


AFFORDABLE = 600.0
"""Seconds that class gradients and points of planes may take in all, by an estimate; other runs' are left out."""
GRADIENT_COST = 3
"""A forward and a backward pass cost about three forward passes."""


@dataclass(frozen=True)
class Check:
    """What was checked, whether it passed (None: it was left out), and what was found, or why it was left out."""

    what: str
    passed: bool | None
    found: str


def verify(folder: Path) -> Iterator[Check]:
    """Check every artifact of every run in `folder` (results, or one run's own), then recompute what can be afforded.

    Whole: each file matches the digest inside it and belongs to its run. Counted again: predictions of every image,
    wherever they are published. Recomputed, for each run with published weights: the test CCTM and the predictions;
    then, as far as `AFFORDABLE` goes, the norms of the class gradients and three points of a plane. What is left out is
    named. Nothing is counted or recomputed if a file is not whole. Needs the run's data. Raises FileNotFoundError if
    the folder holds no run.
    """
    records = sorted(folder.glob("**/run.json"))
    if not records:
        raise FileNotFoundError(f"no run in {folder}: give results, or the folder of one run")
    whole, runs = True, {}
    for record in records:
        run, checks = _read(record)
        for check in checks:
            whole &= bool(check.passed)
            yield check
        if run:
            runs[record.parent] = run
    if not whole:
        return  # numbers from damaged files would say nothing
    for place in runs:
        yield from _counted_again(place)
    yield from _recomputed(runs)


def _read(record: Path) -> tuple[Run | None, list[Check]]:
    """The run of a record, and whether each file beside it is whole."""
    try:
        configuration = provenance.of_file(record)["configuration"]
        configuration.pop("train_counts", None)  # a choice that runs once had; histories now hold both
        run = Run(**configuration)
    except _UNREADABLE as error:
        return None, [Check(f"{record.parent.name}/{record.name}", False, f"{type(error).__name__}: {error}")]
    # Of one's own runs: locks, unfinished work and what was moved aside.
    kept = [path for path in record.parent.iterdir() if path.is_file() and path.suffix not in (".lock", ".note")]
    checks = [_whole(path, run) for path in sorted(kept)]
    if not (record.parent / HISTORY).exists():
        checks.append(Check(f"{record.parent.name}/{HISTORY}", False, "missing"))
    return run, checks


_UNREADABLE = (ValueError, KeyError, TypeError)  # what damaged files and those of others give


def _whole(path: Path, run: Run) -> Check:
    what = f"{path.parent.name}/{path.name}"
    try:
        configuration = provenance.of_file(path)["configuration"]
    except _UNREADABLE as error:
        return Check(what, False, str(error))
    trained = run.configuration
    if "bn" in configuration:
        trained.pop("precision")  # a plane is measured in one of its own
    different = [key for key, value in trained.items() if configuration.get(key) != value]
    return Check(what, not different, f"of another run: {', '.join(different)} differ" if different else "whole")


def _counted_again(folder: Path) -> Iterator[Check]:
    """The counts of predictions: those of every epoch of the history, or those of the last within `TOLERANCE` where
    predictions are an artifact of their own, which another kind of machine may have made."""
    history = artifacts.load_dataset(folder / HISTORY)

    def counted(predictions: xr.Dataset, split: str) -> np.ndarray:
        true, answers = (predictions[f"{split}_{what}"].values for what in ("labels", "predictions"))
        return from_predictions(true, answers, history["true"].values.tolist()).values

    if "test_predictions" in history:
        same = [
            np.array_equal(counted(history.isel(epoch=epoch), split), history[counts][epoch])
            for epoch in range(history.sizes["epoch"])
            for counts, split in (("end_counts", "train"), ("test_counts", "test"))
        ]
        what = f"{folder.name}/{HISTORY}, counts of its predictions"
        yield Check(what, all(same), f"{sum(same)} of {len(same)} equal")
    elif (folder / "predictions.nc").exists():
        found = counted(artifacts.load_dataset(folder / "predictions.nc"), "test")
        rates = [_mistakes(each) for each in (found, history["test_counts"].values[-1])]
        text = f"mistake rate {rates[0]:.4f}, in the history {rates[1]:.4f}"
        yield Check(f"{folder.name}/predictions.nc, its counts", abs(rates[0] - rates[1]) <= TOLERANCE, text)


def _planes(folder: Path) -> list[Path]:
    """A run's spaces over ego directions, batch-norm frozen."""
    wanted = {"random": False, "bn": "frozen"}
    return [path for path in sorted(folder.glob("space-*.nc")) if wanted.items() <= _settings(path).items()]


def _settings(path: Path) -> dict:
    return provenance.of_file(path)["configuration"]


def _recomputed(runs: Mapping[Path, Run]) -> Iterator[Check]:
    stores = {place.parent: Store(place.parent, place.parent, compute=False) for place in runs}
    opened = {folder: Results(store) for folder, store in stores.items()}  # each loads its data once
    left = AFFORDABLE
    for place, run in runs.items():
        if not (place / WEIGHTS).exists():
            yield Check(f"{place.name}, recomputed", None, "its weights are not published")
            continue
        results, started = opened[place.parent], time.monotonic()
        yield from _answers(run, results)
        measured = [path for path in (place / EGO, *_planes(place)[:1]) if path.exists()]
        seconds = _cost(measured, results.data(run)) * (time.monotonic() - started)
        if seconds > left:
            what = f"{place.name}, class gradients and points of a plane"
            yield Check(what, None, f"would take about {provenance.duration(seconds)} here")
        elif measured:
            left -= seconds
            yield from _gradients(run, results, measured)


def _answers(run: Run, results: Results) -> Iterator[Check]:
    """What the published weights say of the test images: two passes over them."""
    history, model, data = results.history(run), results.model(run), results.data(run)
    recorded = provenance.of(history)["data_sha256"]
    yield Check(f"data of {run.name}", recorded == data.sha256, f"sha256 {data.sha256[:8]}")
    counts = measure.counts(model, data.test, precision=history.attrs["precision"])
    yield _compared(f"{run.name}, CCTM", counts.values, history["test_counts"].values[-1], history)
    with suppress(FileNotFoundError):  # older runs may have none
        yield _same_predictions(run, model, data.test, results.predictions(run))


def _cost(measured: Sequence[Path], data: ImageData) -> float:
    """What `_gradients` takes, in times of what `_answers` took."""
    gradients = GRADIENT_COST * len(data.train) * bool(measured)
    images = [_settings(path)["images"] or len(data.train) for path in measured if path.name != EGO]
    return (gradients + len(POINTS) * sum(images)) / (2 * len(data.test))


def _gradients(run: Run, results: Results, measured: Sequence[Path]) -> Iterator[Check]:
    """The class gradients of the published weights, and points of the planes that they span."""
    model, data = results.model(run), results.data(run)
    directions = measure.ego_directions(model, data.train)
    for path in measured:
        published = artifacts.load_dataset(path)
        if path.name == EGO:
            largest = float(np.abs(directions.norms.values / published["norms"].values - 1).max())
            what = f"{run.name}, norms of the class gradients"
            yield Check(what, largest < TOLERANCE, f"differ by at most {largest:.1e}")
        else:
            yield from _points(path, published, model, data, directions)


def _points(
    path: Path, space: xr.Dataset, model: nn.Module, data: ImageData, directions: measure.Directions
) -> Iterator[Check]:
    sides = (len(space["theta1"]) - 1, len(space["theta2"]) - 1)
    points = [(round(row * sides[0]), round(column * sides[1])) for row, column in POINTS]
    split = data.train.stratified(_settings(path)["images"] or len(data.train))
    again = measure.measured_again(space, model, split, directions, points)
    for (row, column), here in zip(points, again.values, strict=True):
        yield _compared(f"{path.name}, point ({row}, {column})", here, space["counts"].values[row, column], space)


def _same_predictions(run: Run, model: nn.Module, test: Split, published: xr.Dataset) -> Check:
    """The published predictions of test images, or all but `TOLERANCE` of them on another kind of machine."""
    here = outputs.predicted(model, test, precision=published.attrs["precision"]).numpy()
    different = float((here != published["test_predictions"].values).mean())
    allowed = 0.0 if _made_on(published) == _this_machine() else TOLERANCE
    return Check(f"{run.name}, predictions of test images", different <= allowed, f"{100 * different:.2f}% differ")


def _compared(what: str, here: np.ndarray, published: np.ndarray, artifact: xr.Dataset) -> Check:
    """Equal counts where the artifact was made on this kind of machine, else mistake rates within `TOLERANCE`."""
    if np.array_equal(here, published):
        return Check(what, True, "the published counts")
    made_on, rates = _made_on(artifact), [_mistakes(counts) for counts in (here, published)]
    found = f"mistake rate {rates[0]:.4f} here, {rates[1]:.4f} published, made on {made_on}"
    return Check(what, made_on != _this_machine() and abs(rates[0] - rates[1]) <= TOLERANCE, found)


def _made_on(artifact: xr.Dataset) -> str:
    return provenance.of(artifact)["device_name"]


def _this_machine() -> str:
    return machine.describe(devices.resolve_device())


def _mistakes(counts: np.ndarray) -> float:
    return float(1 - np.trace(counts) / counts.sum())

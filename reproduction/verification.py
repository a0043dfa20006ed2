"""Checks of published artifacts: are they whole, and do the published weights give the published numbers?

Book: page *Machines and times*.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from torch import nn

from ciutils import artifacts, machine, measure, provenance
from ciutils.counts import from_predictions
from ciutils.data import Split
from ciutils.models import devices, outputs
from ciutils.store import Store
from reproduction.results import HISTORY, Results
from reproduction.runs import Run

TOLERANCE = 0.005
"""Largest difference of a mistake rate between two kinds of machine; on the same kind counts are equal."""
POINTS = ((0.5, 0.5), (0.75, 0.25), (0, 1))
"""Grid points that are measured again, as shares of the two axes: the network, one half way out, and a corner."""


@dataclass(frozen=True)
class Check:
    """What was checked, whether it passed, and what was found."""

    what: str
    passed: bool
    found: str


def verify(folder: Path) -> Iterator[Check]:
    """Check every artifact of every run in `folder` (results, or one run's own), then recompute from one of them.

    Whole: each file matches the digest inside it and belongs to its run. Counted again: predictions of every image,
    wherever they are published. Recomputed, for the first run that has an ego plane: the test CCTM and the predictions
    from the weights, the norms of the class gradients, and three points of the plane. Nothing is counted or recomputed
    if a file is not whole. Needs the run's data. Raises FileNotFoundError if the folder holds no run.
    """
    runs = {path.parent: _run_in(path) for path in sorted(folder.glob("**/run.json"))}
    if not runs:
        raise FileNotFoundError(f"no run in {folder}: give results, or the folder of one run")
    whole = True
    for check in (check for place, run in runs.items() for check in _whole(place, run)):
        whole &= check.passed
        yield check
    if not whole:
        return  # numbers from damaged files would say nothing
    for place in runs:
        yield from _counted_again(place)
    for place, run in runs.items():
        if planes := _planes(place):
            yield from _recomputed(run, Results(Store(place.parent, place.parent, compute=False)), planes[0])
            return


def _run_in(record: Path) -> Run:
    configuration = provenance.of_file(record)["configuration"]
    configuration.pop("train_counts", None)  # a choice that runs once had; histories now hold both
    return Run(**configuration)


def _whole(folder: Path, run: Run) -> Iterator[Check]:
    for path in sorted(path for path in folder.iterdir() if path.suffix != ".lock"):  # of one's own runs
        what = f"{folder.name}/{path.name}"
        try:
            configuration = provenance.of_file(path)["configuration"]
        except ValueError as error:
            yield Check(what, False, str(error))
            continue
        different = [key for key, value in run.configuration.items() if configuration.get(key) != value]
        yield Check(what, not different, f"of another run: {', '.join(different)} differ" if different else "whole")


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
    spaces = sorted(folder.glob("space-*.nc"))
    return [path for path in spaces if wanted.items() <= provenance.of_file(path)["configuration"].items()]


def _recomputed(run: Run, results: Results, path: Path) -> Iterator[Check]:
    history, space = results.history(run), artifacts.load_dataset(path)
    model, data = results.model(run), results.data(run)
    recorded = provenance.of(history)["data_sha256"]
    yield Check(f"data of {run.name}", recorded == data.sha256, f"sha256 {data.sha256[:8]}")
    counts = measure.counts(model, data.test, precision=history.attrs["precision"])
    yield _compared(f"{run.name}, CCTM", counts.values, history["test_counts"].values[-1], history)
    with suppress(FileNotFoundError):  # older runs may have none
        yield _same_predictions(run, model, data.test, results.predictions(run))
    directions = measure.ego_directions(model, data.train)
    norms, published = directions.norms.values, results.ego(run)["norms"].values
    largest = float(np.abs(norms / published - 1).max())
    yield Check(f"{run.name}, norms of the class gradients", largest < TOLERANCE, f"differ by at most {largest:.1e}")
    sides = (len(space["theta1"]) - 1, len(space["theta2"]) - 1)
    points = [(round(row * sides[0]), round(column * sides[1])) for row, column in POINTS]
    split = data.train.stratified(provenance.of(space)["configuration"]["images"] or len(data.train))
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

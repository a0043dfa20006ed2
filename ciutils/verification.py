"""Checks of published artifacts: are they whole, and do the published weights give the published numbers?

Book: page *Machines and times*.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from torch import nn

from ciutils import confusion, devices, ego, experiments, interference, predictions, storage

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
    runs = {path.parent: _run_in(path.parent) for path in sorted(folder.glob("**/run.json"))}
    if not runs:
        raise FileNotFoundError(f"no run in {folder}: give results, or the folder of one run")
    whole = True
    for check in (check for place, run in runs.items() for check in _whole(place, run)):
        whole &= check.passed
        yield check
    if not whole:
        return  # numbers from damaged files would say nothing
    for place, run in runs.items():
        yield from _counted_again(place, run)
    for run in runs.values():
        if planes := _planes(run):
            yield from _recomputed(run, planes[0])
            return


def _run_in(folder: Path) -> experiments.Run:
    configuration = json.loads((folder / "run.json").read_text())["configuration"]
    configuration.pop("train_counts", None)  # a choice that runs once had; histories now hold both
    return experiments.Run(**configuration, published=folder.parent, compute=False)


def _whole(folder: Path, run: experiments.Run) -> Iterator[Check]:
    for path in sorted(folder.iterdir()):
        what = f"{folder.name}/{path.name}"
        try:
            configuration = _configuration(path)
        except ValueError as error:
            yield Check(what, False, str(error))
            continue
        different = [key for key, value in run.configuration.items() if configuration.get(key) != value]
        yield Check(what, not different, f"of another run: {', '.join(different)} differ" if different else "whole")


def _configuration(path: Path) -> dict[str, object]:
    """The configuration that a file's record names, after checking the file's digest."""
    if path.suffix == ".nc":
        return experiments.provenance_of(storage.load_dataset(path))["configuration"]
    if path.suffix == ".safetensors":
        return json.loads(storage.load_weights(path)[1]["provenance"])["configuration"]
    if path.suffix == ".json":
        return json.loads(path.read_text())["configuration"]
    raise ValueError("not an artifact of a run")


def _counted_again(folder: Path, run: experiments.Run) -> Iterator[Check]:
    """The counts of predictions: those of every epoch of the history, or those of the last within `TOLERANCE` where
    predictions are an artifact of their own, which another kind of machine may have made."""
    history = storage.load_dataset(folder / "history.nc")
    classes = tuple(history["true"].values)
    if "test_predictions" in history:
        same = [
            np.array_equal(predictions.counts(history.isel(epoch=epoch), split, classes), history[counts][epoch])
            for epoch in range(history.sizes["epoch"])
            for counts, split in (("end_counts", "train"), ("test_counts", "test"))
        ]
        what = f"{folder.name}/history.nc, counts of its predictions"
        yield Check(what, all(same), f"{sum(same)} of {len(same)} equal")
    elif (folder / "predictions.nc").exists():
        found = predictions.counts(run.predictions(), "test", classes)
        rates = [_mistakes(each) for each in (found, history["test_counts"].isel(epoch=-1))]
        text = f"mistake rate {rates[0]:.4f}, in the history {rates[1]:.4f}"
        yield Check(f"{folder.name}/predictions.nc, its counts", abs(rates[0] - rates[1]) <= TOLERANCE, text)


def _planes(run: experiments.Run) -> list[Path]:
    """The run's spaces over ego directions, batch-norm frozen."""
    wanted = {"random": False, "bn": "frozen"}
    spaces = sorted((run.published / run.name).glob("space-*.nc"))
    return [path for path in spaces if wanted.items() <= _configuration(path).items()]


def _recomputed(run: experiments.Run, path: Path) -> Iterator[Check]:
    history, space, model = run.history(), storage.load_dataset(path), run.model()
    recorded = experiments.provenance_of(history)["data_sha256"]
    yield Check(f"data of {run.name}", recorded == run.data.sha256, f"sha256 {run.data.sha256[:8]}")
    counts = confusion.counts(model, run.data.test, precision=history.attrs["precision"])
    yield _compared(f"{run.name}, CCTM", counts, history["test_counts"].isel(epoch=-1), history)
    yield _same_predictions(run, model)
    directions = ego.ego_directions(model, run.data.train)
    norms, published = directions.norms.values, run.ego()["norms"].values
    largest = float(np.abs(norms / published - 1).max())
    yield Check(f"{run.name}, norms of the class gradients", largest < TOLERANCE, f"differ by at most {largest:.1e}")
    sides = (len(space["theta1"]) - 1, len(space["theta2"]) - 1)
    points = [tuple(round(share * side) for share, side in zip(point, sides, strict=True)) for point in POINTS]
    split = run.data.train.stratified(
        experiments.provenance_of(space)["configuration"]["images"] or len(run.data.train)
    )
    again = interference.measured_again(space, model, split, directions, points)
    for (row, column), counts in zip(points, again, strict=True):
        yield _compared(f"{path.name}, point ({row}, {column})", counts, space["counts"][row, column], space)


def _same_predictions(run: experiments.Run, model: nn.Module) -> Check:
    """The published predictions of test images, or all but `TOLERANCE` of them on another kind of machine."""
    what = f"{run.name}, predictions of test images"
    try:
        published = run.predictions()
    except FileNotFoundError:
        return Check(what, True, "not published")
    here = predictions.predicted(model, run.data.test, precision=published.attrs["precision"]).numpy()
    different = float((here != published["test_predictions"].values).mean())
    allowed = 0.0 if _made_here(published) else TOLERANCE
    return Check(what, different <= allowed, f"{100 * different:.2f}% differ")


def _made_here(artifact: xr.Dataset) -> bool:
    return experiments.provenance_of(artifact)["device_name"] == devices.describe(devices.resolve_device())


def _mistakes(counts: xr.DataArray) -> float:
    return float(1 - np.trace(counts.values) / counts.values.sum())


def _compared(what: str, here: xr.DataArray, published: xr.DataArray, artifact: xr.Dataset) -> Check:
    """Equal counts where the artifact was made on this kind of machine, else mistake rates within `TOLERANCE`."""
    if np.array_equal(here.values, published.values):
        return Check(what, True, "the published counts")
    made_on = experiments.provenance_of(artifact)["device_name"]
    rates = [_mistakes(counts) for counts in (here, published)]
    found = f"mistake rate {rates[0]:.4f} here, {rates[1]:.4f} published, made on {made_on}"
    return Check(what, not _made_here(artifact) and abs(rates[0] - rates[1]) <= TOLERANCE, found)

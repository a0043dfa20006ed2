"""What humans call CIFAR-10's images: of each class, from published tables; of each image, for who has CIFAR-10H.

CIFAR-10H (Peterson et al. 2019, CC BY-NC-SA 4.0): about 50 people named each test image. CIFAR-10N (Wei et al. 2022,
CC BY-NC 4.0): three named each training image. Neither is shipped: `results/humans/` holds sums over the images of
each class, and whoever wants more fetches CIFAR-10H.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ciutils import artifacts, files
from ciutils.analyse import agreement
from ciutils.counts import CELLS
from ciutils.record import Record
from reproduction import paper
from reproduction.results import Results
from reproduction.runs import Run

VOTES = "cifar10h-counts.npy"
SOURCE = f"https://github.com/jcpeterson/cifar-10h/raw/master/data/{VOTES}"
SHA256 = "50bcdc02217bb77404cea13cd95221c053cd1005bf12e0e2ebab35fe8e0f0dd4"
"""Of CIFAR-10H's counts, by `files.sha256_of`: of the numbers, however they are stored."""

GROUPS = {
    "CIFAR-10H": "Peterson, Battleday, Griffiths and Russakovsky 2019, CC BY-NC-SA 4.0",
    "CIFAR-10N": "Wei, Zhu, Cheng, Liu, Niu and Liu 2022, CC BY-NC 4.0",
}
"""The two groups of humans, and whose work they are."""

ASKED = 3
"""Humans who named each image for CIFAR-10N."""

_TABLE = Path("humans", "choices.nc")


def choices(results: Results) -> xr.Dataset:
    """How often humans gave each name to images of each class: counts (group, true, predicted) int64, and objects
    (group), how many images of a class they were shown. Book: *Humans*."""
    return artifacts.load_dataset(results.store.published / _TABLE)


def tabulate(votes: np.ndarray, labels: np.ndarray, training: np.ndarray) -> xr.Dataset:
    """The sums that `choices` gives. votes: CIFAR-10H's counts (image, class); labels: those of its rows (image);
    training: CIFAR-10N's sums (true, class)."""
    names = list(paper.CLASSES)
    sums = [votes[labels == label].sum(0) for label in range(len(names))]
    objects = [len(labels) // len(names), int(training.sum()) // ASKED // len(names)]
    return xr.Dataset(
        {"counts": (("group", *CELLS), np.stack([sums, training]).astype(np.int64)), "objects": ("group", objects)},
        coords={"group": list(GROUPS), "true": names, "predicted": names},
        attrs={"attribution": "sums over classes of " + "; ".join(f"{name}: {by}" for name, by in GROUPS.items())},
    )


def make(folder: Path, run: Run, results: Results) -> Path:
    """Write the tables of `choices`, to be published, from cifar10h-counts.npy, cifar10-test-labels.npy and
    cifar10n-class-counts.csv in `folder`; returns where they are. `run`: any on CIFAR-10."""
    import torch

    record = Record({"tables": list(GROUPS)}, (), torch.device("cpu"))
    votes, labels = _checked(folder / VOTES), np.load(folder / "cifar10-test-labels.npy")
    training = np.loadtxt(folder / "cifar10n-class-counts.csv", delimiter=",", dtype=np.int64)
    inputs = files.sha256_of({"votes": votes, "labels": labels, "training": training})
    told = record.provenance(results.data(run), {"inputs_sha256": inputs})
    path = results.store.own / _TABLE
    artifacts.save_dataset(tabulate(votes, labels, training).assign_attrs(provenance=json.dumps(told)), path)
    return path


def votes(run: Run, results: Results) -> xr.Dataset:
    """CIFAR-10H image by image, as if humans were a network: test_labels, test_predictions (the name most often given;
    of several the first) and test_probabilities (shares of the votes), in the order of the run's test images.

    Its rows are in the order of torchvision's own files, and are joined to the run's images by what is in these. Raises
    FileNotFoundError, saying what to fetch, without these files, and for other data than CIFAR-10; ValueError if they
    are not what they should be. Book: *Humans*.
    """
    folder = files.copies()
    needed = (folder / VOTES, folder / "cifar-10-batches-py")
    if run.dataset != "cifar10" or not all(path.exists() for path in needed):
        raise FileNotFoundError(
            f"no human votes on single images of {run.dataset}: for cifar10 put {SOURCE} (CC BY-NC-SA 4.0) at "
            f"{needed[0]} and torchvision's files at {needed[1]}"
        )
    from torchvision import datasets as tv

    counts, original, test = _checked(needed[0]), tv.CIFAR10(folder, train=False), results.data(run).test
    images = test.images.permute(0, 2, 3, 1).numpy()
    row_of = {image.tobytes(): row for row, image in enumerate(original.data)}
    rows = np.array([row_of.get(image.tobytes(), -1) for image in images])
    if (rows < 0).any() or (np.array(original.targets)[rows] != test.labels.numpy()).any():
        raise ValueError(f"the test images of {run.dataset} are not those at {needed[1]}: take both from one copy")
    shares = counts[rows] / counts[rows].sum(1, keepdims=True)
    return xr.Dataset(
        {
            "test_labels": ("test_image", test.labels.numpy().astype(np.uint8)),
            "test_predictions": ("test_image", shares.argmax(1).astype(np.uint8)),
            "test_probabilities": (("test_image", "predicted"), shares),
        },
        coords={"predicted": list(test.classes)},
    )


def beside(said: xr.Dataset, run: Run, results: Results) -> xr.Dataset:
    """`said`, as from `agreement.joined`, with humans as one more network. Errors as in `votes`."""
    networks = {str(name): said.sel(network=name, drop=True) for name in said["network"].values}
    return agreement.joined(networks | {"humans": votes(run, results)})


def consistency(everybody: xr.Dataset, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Error consistency within classes of each network with humans, on all images and on those of each of `pairs`.

    everybody: as from `beside`. One row for each: images ("all", or the pair), network, value, low, high; see
    `agreement.error_consistency`. Book: *Humans*.
    """
    labels, classes = everybody["test_labels"], list(everybody["predicted"].values)
    of = {"all": labels >= 0} | {
        f"{one.upper()} and {two.upper()}": labels.isin([classes.index(one), classes.index(two)]) for one, two in pairs
    }
    tables = []
    for images, chosen in of.items():
        some = everybody.isel(test_image=chosen.values)
        found = agreement.error_consistency(some["test_predictions"], some["test_labels"], within_classes=True).pairs
        tables.append(found[found["second"] == "humans"].assign(images=images))
    return pd.concat(tables).rename(columns={"first": "network"})[["images", "network", "value", "low", "high"]]


def _checked(path: Path) -> np.ndarray:
    """CIFAR-10H's counts: (image, class). Raises ValueError if the file is not what was published."""
    counts = np.load(path).astype(np.int64)
    if files.sha256_of({"counts": counts}) != SHA256:
        raise ValueError(f"{path} is not CIFAR-10H's {VOTES}: move it away and fetch {SOURCE}")
    return counts

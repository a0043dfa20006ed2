"""What each artifact of runs took, and where."""

from __future__ import annotations

import json
from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ciutils import artifacts, provenance
from ciutils.show.axes import SMALLEST, WIDEST
from ciutils.show.text import in_figure
from reproduction.results import Results
from reproduction.runs import Run

_KINDS = {
    "history": "training",
    "predictions": "predictions",
    "ego": "class gradients",
    "sigma": "half sides",
    "space": "planes",
    "curvature": "curvature",
    "images": "test images",
}
"""What an artifact is, by how its file's name begins."""


def records(runs: Iterable[Run], results: Results) -> pd.DataFrame:
    """Where each artifact of `runs` comes from, as far as it exists; nothing is computed.

    One row for each training, space and so on: run, network, setup, artifact (file), kind, device, precision, torch,
    seconds, memory (peak, bytes), started, commit. Book: *Machines and times*.
    """
    rows = []
    for run in runs:
        folders = results.published_folders(run) or [results.store.own / run.name]
        for path in (path for folder in folders for path in sorted(folder.glob("*.nc"))):
            artifact = artifacts.load_dataset(path)
            made = provenance.of(artifact)
            settings = json.loads(artifact.attrs.get("configuration", "{}"))
            rows.append(
                {
                    "run": run.name,
                    "network": run.network,
                    "setup": run.setup,
                    "artifact": path.name + " (counts at the end)" * (path.parent.name != run.name),
                    "kind": _KINDS[path.stem.split("-")[0]],
                    "device": provenance.device(made),
                    "precision": artifact.attrs.get("precision", settings.get("precision", "")),
                    "torch": made["versions"]["torch"],
                    "seconds": made["seconds"],
                    "memory": made["peak_memory_bytes"],
                    "started": made["started"],
                    "commit": made["git_commit"][:8],
                }
            )
    return pd.DataFrame(rows)


def times(records: pd.DataFrame) -> tuple[Figure, Axes]:
    """Minutes that each run took, by what they were spent on; `records` as `records` gives.

    Book: *Machines and times*.
    """
    minutes = records.pivot_table(index="run", columns="kind", values="seconds", aggfunc="sum", fill_value=0) / 60
    minutes = minutes[[kind for kind in records["kind"].unique() if kind in minutes]]
    figure, ax = plt.subplots(figsize=(WIDEST, 0.55 * len(minutes) + 1.6), layout="constrained")
    left = np.zeros(len(minutes))
    for kind, values in minutes.items():
        ax.barh(range(len(minutes)), values, left=left, label=kind)
        left += values.to_numpy()
    ax.set_yticks(range(len(minutes)), [in_figure(run, 24) for run in minutes.index], fontsize=SMALLEST)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.03 * left.max(initial=0) or 1)
    ax.set_xlabel("minutes")
    ax.legend(ncols=2, fontsize=SMALLEST, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure, ax

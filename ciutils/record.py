"""Take down the time and the circumstances of a computation."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from ciutils import code, machine

if TYPE_CHECKING:
    import torch

    from ciutils.data import ImageData

PACKAGES = ("torch", "torchvision", "numpy", "xarray")
"""Packages whose versions a record names."""

SHAPING = ("ciutils", "reproduction", "notebooks")
"""Folders of the repository whose files shape results."""


class Record:
    """Taken at the start of a computation: `Record(configuration, rooms, device)`; rooms as in `code`."""

    def __init__(self, configuration: Mapping[str, object], rooms: tuple[str, ...], device: torch.device) -> None:
        self.configuration, self.rooms, self.device = dict(configuration), rooms, device
        self.started = datetime.now(UTC)
        self.commit, self.dirty = _git_state()  # now, since the code that runs is the one loaded at the start

    def provenance(self, data: ImageData, origin: Mapping[str, str], seconds: float | None = None) -> dict[str, object]:
        """Where an artifact comes from. origin: digests of what it was made on, see `store.Item`. `seconds` defaults to
        the time since the start of this record."""
        elapsed = (datetime.now(UTC) - self.started).total_seconds()
        return {
            "configuration": self.configuration,
            "rooms": list(self.rooms),
            "code": code.digest(self.rooms),
            **origin,
            "classes": list(data.classes),
            "image_shape": list(data.train.images.shape[1:]),
            "git_commit": self.commit,
            "git_dirty": self.dirty,
            "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
            "device": self.device.type,
            "device_name": machine.describe(self.device),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(elapsed if seconds is None else seconds, 1),
            "peak_memory_bytes": machine.peak_memory(self.device),
        }


def _git_state() -> tuple[str, bool]:
    """(commit, whether what shapes results differs from it); ("unknown", False) outside a clone of this repository."""
    # Without what git tells its hooks, which may be those of another repository.
    hooks = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    variables = {name: value for name, value in os.environ.items() if name not in hooks}

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=code.PACKAGE.parent, env=variables, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        # A clone of something else has this folder below its top, does not track it, or began without it.
        commits = ["HEAD", *git("rev-list", "--max-parents=0", "HEAD").split()]
        if git("rev-parse", "--show-prefix") or not all(git("ls-tree", each, "--", "ciutils") for each in commits):
            return "unknown", False
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=all", "--", *SHAPING))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", False

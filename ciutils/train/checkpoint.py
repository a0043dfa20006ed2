"""Checkpoints from which a killed training goes on, to the same bits on a CPU."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ciutils import artifacts, files
from ciutils.train.history import Epoch

_STATE = "state.pt"
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


class Checkpoint:
    """A folder from which a run goes on: state.pt holds weights, optimiser and schedule; each finished epoch's record
    is a file of its own, so that what is written after an epoch does not grow with the epochs."""

    def __init__(
        self, folder: str | Path | None, configuration: dict, **parts: nn.Module | Optimizer | LRScheduler
    ) -> None:
        self.folder = files.expanded(folder) if folder else None
        self.configuration, self.parts = configuration, parts

    def save(self, records: list[Epoch]) -> None:
        """Keep the state after the last of `records`, the epochs so far."""
        if self.folder is None:
            return
        artifacts.save_tensors(records[-1], _epoch_file(self.folder, len(records)), {})  # first: the state counts on it
        state: dict[str, object] = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"configuration": self.configuration, "epochs": len(records)}
        files.write_atomically(self.folder / _STATE, lambda file: torch.save(state, file))

    def load(self) -> list[Epoch]:
        """The records of the epochs that are finished; the parts are put into the state after them."""
        if self.folder is None or not (kept := self.folder / _STATE).exists():
            return []
        try:
            with zipfile.ZipFile(kept) as archive:
                if archive.testzip():  # torch reads a file with a flipped bit without a word
                    raise zipfile.BadZipFile("a checksum differs")
            state = torch.load(kept, map_location="cpu", weights_only=True)
            theirs, epochs = state["configuration"], state["epochs"]
            records = [artifacts.load_tensors(_epoch_file(self.folder, number))[0] for number in range(1, epochs + 1)]
        except _UNREADABLE as error:
            raise ValueError(
                f"{self.folder} is not a readable checkpoint ({error}): move it away to train from the start"
            ) from error
        changed = [key for key in self.configuration if theirs.get(key) != self.configuration[key]]
        if "network" in changed:
            raise ValueError(f"{self.folder} is of another network: use another checkpoint folder")
        if changed:
            key = changed[0]
            raise ValueError(
                f"{self.folder} is of another run: {key} was {theirs.get(key)!r}, now {self.configuration[key]!r}; "
                "ask for that again, or use another checkpoint folder"
            )
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (RuntimeError, ValueError, KeyError) as error:  # torch's own says every name and shape
            raise ValueError(f"{self.folder} is of another network: use another checkpoint folder") from error
        return records


def _epoch_file(folder: Path, number: int) -> Path:
    return folder / f"epoch-{number:04}.safetensors"

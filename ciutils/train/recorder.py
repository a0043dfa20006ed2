"""Record a history in anybody's own training loop."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from ciutils import checks
from ciutils.counts import COUNTS, from_predictions
from ciutils.train.history import Epoch, as_history, tensors


class Recorder:
    """Records a history in anybody's own training loop: a Dataset like that of `train`, of counts alone.

        recorder = Recorder(classes)
        for each epoch:
            recorder.add("running", labels, logits.argmax(1))   # for each training batch
            recorder.add("test", labels, logits.argmax(1))      # for each test batch
            recorder.end_epoch()
        artifacts.save_dataset(recorder.history(), path)

    Book: *Record your own training*.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = checks.class_names(classes)
        self._records: list[Epoch] = []
        self._start_epoch()

    def add(self, counted: str, true: torch.Tensor | np.ndarray, predicted: torch.Tensor | np.ndarray) -> None:
        """Count predictions, [n] positions in `classes` each; as often as wanted.

        counted: "running", "end" or "test", see `counts.COUNTS`; those that are never added are left out.
        Raises ValueError for labels that do not fit, see `counts.from_predictions`.
        """
        kinds = [name.removesuffix("_counts") for name in COUNTS]
        key = f"{checks.one_of(counted, kinds, 'counts')}_counts"
        true, predicted = (np.asarray(torch.as_tensor(each).cpu()) for each in (true, predicted))
        self._counts[key] += from_predictions(true, predicted, self.classes).values

    def end_epoch(self, train_loss: float = float("nan"), learning_rate: float = float("nan")) -> None:
        """Close the epoch. Raises ValueError if nothing was added to it."""
        if not any(counts.any() for counts in self._counts.values()):
            raise ValueError(f"epoch {len(self._records) + 1} holds no predictions: add them before its end")
        seconds = time.perf_counter() - self._started
        record = self._counts | {"train_loss": train_loss, "learning_rate": learning_rate, "seconds": seconds}
        self._records.append(tensors(record))
        self._start_epoch()

    def history(self) -> xr.Dataset:
        """The epochs closed so far, as `train` returns them. Raises ValueError if there is none."""
        if not self._records:
            raise ValueError("no epoch has ended: call end_epoch() after each")
        never = [name for name in COUNTS if not any(record[name].any() for record in self._records)]
        return as_history(self._records, self.classes, {}).drop_vars(never)

    def _start_epoch(self) -> None:
        shape = (len(self.classes), len(self.classes))
        self._counts = {name: np.zeros(shape, np.int64) for name in COUNTS}
        self._started = time.perf_counter()

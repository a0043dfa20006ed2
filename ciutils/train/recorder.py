"""Record a history in anybody's own training loop."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from ciutils import checks
from ciutils.choices import COUNTS
from ciutils.counts import from_predictions
from ciutils.train.history import Epoch, as_history, tensors


class Recorder:
    """Records a history in anybody's own training loop: a Dataset like that of `train`, of counts alone::

        recorder = Recorder(classes)
        for each epoch:
            recorder.add("running", labels, logits.argmax(1))   # for each training batch
            recorder.add("test", labels, logits.argmax(1))      # for each test batch
            recorder.end_epoch()
        artifacts.save_dataset(recorder.history(), path)

    Raises ValueError for classes that are not named once each. Book: *Record your own training*.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = checks.class_names(classes)
        self._records: list[Epoch] = []
        self._start_epoch()

    def add(self, counted: str, true: torch.Tensor | np.ndarray, predicted: torch.Tensor | np.ndarray) -> None:
        """Count predictions, [n] positions in `classes` each; as often as wanted.

        counted: "running", "end" or "test", see `choices.COUNTS`; each in every epoch, or in none.
        Raises ValueError for labels that do not fit, see `counts.from_predictions`.
        """
        kinds = [name.removesuffix("_counts") for name in COUNTS]
        key = f"{checks.one_of(counted, kinds, 'counts')}_counts"
        true, predicted = (each.cpu() if isinstance(each, torch.Tensor) else each for each in (true, predicted))
        added = from_predictions(true, predicted, self.classes).values
        if added.any():
            self._counts[key] = self._counts.get(key, 0) + added

    def end_epoch(
        self, train_loss: float | torch.Tensor = float("nan"), learning_rate: float | torch.Tensor = float("nan")
    ) -> None:
        """Close the epoch. Raises ValueError if nothing was added to it, or not what was added to those before."""
        number, held = len(self._records) + 1, [name for name in COUNTS if name in self._counts]
        if not held:
            raise ValueError(f"epoch {number} holds no predictions: add them before its end")
        before = [name for name in COUNTS if name in self._records[0]] if self._records else held
        if held != before:
            now, then = (" and ".join(names) for names in (held, before))
            raise ValueError(f"epoch {number} holds {now}, those before it {then}: add the same in each")
        numbers = {"train_loss": train_loss, "learning_rate": learning_rate}
        plain = {name: _number(value, name) for name, value in numbers.items()}
        self._records.append(tensors(self._counts | plain | {"seconds": time.perf_counter() - self._started}))
        self._start_epoch()

    def history(self) -> xr.Dataset:
        """The epochs closed so far, as `train` returns them. Raises ValueError if there is none."""
        if not self._records:
            raise ValueError("no epoch has ended: call end_epoch() after each")
        return as_history(self._records, self.classes, {})

    def _start_epoch(self) -> None:
        self._counts: dict[str, np.ndarray] = {}
        self._started = time.perf_counter()


def _number(value: object, name: str) -> float:
    """One number, also alone in a tensor, an array or a list, as schedulers give it."""
    try:
        return float(np.asarray(value.detach().cpu().float() if isinstance(value, torch.Tensor) else value).item())
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} = {value!r}: give one number") from error

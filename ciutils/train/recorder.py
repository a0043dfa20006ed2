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

    In a loop that is not yours, `begin_epoch` says which epoch comes, so that none is counted twice or left out.
    Raises ValueError for classes that are not named once each. Book: *Record your own training*.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = checks.class_names(classes)
        self._records: list[Epoch] = []
        self._told = False  # whether epochs are begun by their numbers
        self._clear()

    def begin_epoch(self, number: float) -> None:
        """Begin the epoch `number`, from 1, and forget what was added since the last one ended, as by a first look at
        the test images; from now on every epoch must be begun.

        Raises ValueError unless it is the next, as in a second training, or one that goes on from a checkpoint.
        """
        coming = len(self._records) + 1
        if number != coming:
            raise ValueError(
                f"epoch {number:g} begins where epoch {coming} is next: end each, after its test images (Hugging Face: "
                "eval_strategy='epoch'), and give each training a Recorder of its own"
            )
        self._told = True
        self._clear()
        self._begun = True

    def add(self, counted: str, true: torch.Tensor | np.ndarray, predicted: torch.Tensor | np.ndarray) -> None:
        """Count predictions, [n] positions in `classes` each; as often as wanted.

        counted: "running", "end" or "test", see `choices.COUNTS`; each in every epoch, or in none, and "running" before
        the two others, which are of the weights at the epoch's end.
        Raises ValueError for another order, and for labels that do not fit, see `counts.from_predictions`.
        """
        kinds = [name.removesuffix("_counts") for name in COUNTS]
        key = f"{checks.one_of(counted, kinds, 'counts')}_counts"
        true, predicted = (each.cpu() if isinstance(each, torch.Tensor) else each for each in (true, predicted))
        added = from_predictions(true, predicted, self.classes).values
        if added.any():
            early = [name for name in ("end", "test") if f"{name}_counts" in self._counts]
            if early and counted == "running":
                raise ValueError(
                    f"epoch {len(self._records) + 1} goes on after its {early[0]!r} predictions: add these once, at "
                    "its end (Lightning: val_check_interval=1.0)"
                )
            self._counts[key] = self._counts.get(key, 0) + added

    def end_epoch(
        self, train_loss: float | torch.Tensor = float("nan"), learning_rate: float | torch.Tensor = float("nan")
    ) -> None:
        """Close the epoch. Raises ValueError if nothing was added to it, or not what was added to those before, or if
        those before were begun and it was not."""
        number, held = len(self._records) + 1, [name for name in COUNTS if name in self._counts]
        if self._told and not self._begun:
            raise ValueError(f"epoch {number} ends and was not begun: end each epoch once, after begin_epoch({number})")
        if not held:
            raise ValueError(f"epoch {number} holds no predictions: add them before its end")
        before = [name for name in COUNTS if name in self._records[0]] if self._records else held
        if held != before:
            now, then = (" and ".join(names) for names in (held, before))
            raise ValueError(
                f"epoch {number} holds {now}, those before it {then}: add the same in each, "
                "or test in every epoch (Lightning: check_val_every_n_epoch=1)"
            )
        numbers = {"train_loss": train_loss, "learning_rate": learning_rate}
        plain = {name: _number(value, name) for name, value in numbers.items()}
        self._records.append(tensors(self._counts | plain | {"seconds": time.perf_counter() - self._started}))
        self._clear()

    def history(self) -> xr.Dataset:
        """The epochs closed so far, as `train` returns them. Raises ValueError if there is none."""
        if not self._records:
            raise ValueError("no epoch has ended: call end_epoch() after each")
        return as_history(self._records, self.classes, {})

    def _clear(self) -> None:
        self._counts: dict[str, np.ndarray] = {}
        self._begun = False
        self._started = time.perf_counter()


def _number(value: object, name: str) -> float:
    """One number, also alone in a tensor, an array or a list, as schedulers give it."""
    try:
        return float(np.asarray(value.detach().cpu().float() if isinstance(value, torch.Tensor) else value).item())
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} = {value!r}: give one number") from error

"""Training by SGD with the paper's three setups, recording the confusion counts of every epoch.

The whole data set lies on the device as uint8; crops and flips are drawn for each image there. Epoch e draws its
order and its augmentation from (seed, e) alone, so a run that was killed and resumed ends in the same bits.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import nn
from torch.nn import functional

from ciutils import checks, confusion, devices, storage
from ciutils.datasets import ImageData, Split
from ciutils.progress import Progress

AUGMENTS = ("crop-flip", "crop", "none")
TRAIN_COUNTS = ("running", "end")


@dataclass(frozen=True)
class Setup:
    """SGD with momentum: the learning rate is constant, or falls from `learning_rate` to 0 along a cosine."""

    learning_rate: float
    schedule: str
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        checks.positive(self.learning_rate, "learning_rate")
        checks.one_of(self.schedule, ("constant", "cosine"), "schedule")


SETUPS = {
    "big-lr": Setup(0.01, "constant"),
    "small-lr": Setup(0.0001, "constant"),
    "anneal-lr": Setup(0.1, "cosine"),
}
"""The paper's three optimiser setups (Section 3)."""


def train(
    model: nn.Module,
    data: ImageData,
    setup: str | Setup,
    epochs: int = 200,
    batch_size: int = 128,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    *,
    augment: str = "crop-flip",
    train_counts: str = "running",
    device: str = "auto",
    precision: str = "auto",
) -> xr.Dataset:
    """Train `model` in place on `data.train` and return its history; the last epoch's weights are kept.

    checkpoint: a file written after every epoch. If it exists the run goes on from there, to the same bits on a CPU.
    augment: "crop-flip" (pad by 1/8 of the image, crop, flip), "crop", or "none".
    train_counts: "running" counts each training image during the epoch, as the network meets it (augmented, in
    training mode, weights changing); "end" counts them all after the epoch, in evaluation mode, not augmented.

    Returns a Dataset over epoch = 1..epochs: `train_counts`, `test_counts` (epoch, true, predicted) int64;
    `train_loss` (mean cross-entropy of the epoch's batches), `learning_rate`, `seconds` (epoch).

    Raises ValueError for unknown names, numbers out of range, a checkpoint of another configuration, or a loss that
    is no longer finite. Source: arXiv:2211.01370, Sections 3 and 4.2. Book: *Label dancing*.
    """
    if isinstance(setup, str):
        setup = SETUPS[checks.one_of(setup, SETUPS, "setup")]
    checks.whole(epochs, "epochs")
    checks.whole(batch_size, "batch_size")
    checks.whole(seed, "seed", at_least=0)
    checks.one_of(augment, AUGMENTS, "augment")
    checks.one_of(train_counts, TRAIN_COUNTS, "train_counts")
    where = devices.resolve_device(device)
    precision = devices.resolve_precision(precision, where)
    devices.keep_freed_memory()

    layout = devices.memory_format(model, where)
    model.to(where, memory_format=layout)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=setup.learning_rate, momentum=setup.momentum, weight_decay=setup.weight_decay
    )
    scheduler = _scheduler(optimizer, setup, epochs)
    configuration = {
        **asdict(setup), "epochs": epochs, "batch_size": batch_size, "seed": seed, "augment": augment,
        "train_counts": train_counts, "precision": precision, "data": data.sha256,
    }  # fmt: skip
    state = _TrainingState(model, optimizer, scheduler, configuration)
    records = state.load(Path(checkpoint)) if checkpoint and Path(checkpoint).exists() else []
    batches = _Batches(data.train, batch_size, augment, seed, where, layout)

    with Progress(epochs, "training", done=len(records)) as progress:
        for epoch in range(len(records), epochs):
            started = time.perf_counter()
            rate = scheduler.get_last_lr()[0]
            running, loss = _train_one_epoch(model, batches, epoch, optimizer, precision)
            if not np.isfinite(loss):
                raise ValueError(
                    f"training loss is {loss} in epoch {epoch + 1}: the run diverged; use a smaller "
                    f"learning rate than {rate:g}, or precision 'fp32'"
                )
            scheduler.step()
            if train_counts == "end":
                running = confusion.counts(model, data.train, device=str(where), precision=precision).values
            test = confusion.counts(model, data.test, device=str(where), precision=precision)
            records.append({
                "train_counts": running.tolist(), "test_counts": test.values.tolist(), "train_loss": loss,
                "learning_rate": rate, "seconds": time.perf_counter() - started,
            })  # fmt: skip
            if checkpoint:
                state.save(Path(checkpoint), records)
            progress.step(f"loss {loss:.3f}, test accuracy {float(confusion.accuracy(test)):.3f}")
    model.to(memory_format=torch.contiguous_format)
    return _history(records, data.classes, {"train_counts": train_counts, "precision": precision})


class Recorder:
    """Records a history in anybody's own training loop: the same Dataset that `train` returns.

        recorder = Recorder(classes)
        for each epoch:
            recorder.add("train", labels, logits.argmax(1))   # for each batch
            recorder.add("test", labels, logits.argmax(1))
            recorder.end_epoch()
        storage.save_dataset(recorder.history(), path)

    Book: *Record your own training*.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._records: list[dict] = []
        self._start_epoch()

    def add(self, split: str, true: torch.Tensor | np.ndarray, predicted: torch.Tensor | np.ndarray) -> None:
        """Count predictions on the "train" or the "test" split, [n] positions in `classes` each; as often as wanted.

        Raises ValueError for labels that do not fit, see `confusion.from_predictions`.
        """
        key = f"{checks.one_of(split, ('train', 'test'), 'split')}_counts"
        true, predicted = (np.asarray(torch.as_tensor(each).cpu()) for each in (true, predicted))
        self._counts[key] += confusion.from_predictions(true, predicted, self.classes).values

    def end_epoch(self, train_loss: float = float("nan"), learning_rate: float = float("nan")) -> None:
        """Close the epoch. Raises ValueError if nothing was added to it."""
        if not any(counts.any() for counts in self._counts.values()):
            raise ValueError(f"epoch {len(self._records) + 1} holds no predictions: add them before its end")
        seconds = time.perf_counter() - self._started
        self._records.append({**self._counts, "train_loss": train_loss, "learning_rate": learning_rate,
                              "seconds": seconds})  # fmt: skip
        self._start_epoch()

    def history(self) -> xr.Dataset:
        """The epochs closed so far, as `train` returns them. Raises ValueError if there is none."""
        if not self._records:
            raise ValueError("no epoch has ended: call end_epoch() after each")
        return _history(self._records, self.classes, {"train_counts": "recorded"})

    def _start_epoch(self) -> None:
        shape = (len(self.classes), len(self.classes))
        self._counts = {key: np.zeros(shape, np.int64) for key in ("train_counts", "test_counts")}
        self._started = time.perf_counter()


def draw_crops(index: torch.Tensor, room: tuple[int, int], flip: bool, generator: torch.Generator) -> torch.Tensor:
    """For each of the images `index` [n] a place of its crop, out of `room` (rows, columns), and whether to mirror it,
    with probability 1/2 if `flip`: (index, top, left, mirrored) [4, n] int64, on the CPU like `generator`."""
    top, left = (torch.randint(places, (len(index),), generator=generator) for places in room)
    mirrored = torch.rand(len(index), generator=generator) < 0.5 if flip else torch.zeros(len(index))
    return torch.stack([index, top, left, mirrored.long()])


def cropped(images: torch.Tensor, crops: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The `crops` [4, n], as `draw_crops` draws them, of the padded set `images` [N, C, H, W]: [n, C, *size]."""
    index, top, left, mirrored = crops
    # Every possible crop as a view: no pixel is moved before the crops are picked.
    picked = images.unfold(2, size[0], 1).unfold(3, size[1], 1)[index, :, top, left]
    return torch.where(mirrored.bool()[:, None, None, None], picked.flip(-1), picked)


class _Batches:
    """The training set on the device; iterates over an epoch's (inputs, labels)."""

    def __init__(
        self,
        split: Split,
        batch_size: int,
        augment: str,
        seed: int,
        device: torch.device,
        layout: torch.memory_format = torch.channels_last,
    ) -> None:
        self.split, self.augment, self.seed, self.layout = split, augment, seed, layout
        self.count = -(-len(split) // batch_size)
        self.size = split.images.shape[2:]
        padding = 0 if augment == "none" else max(self.size) // 8
        self.room = (2 * padding + 1,) * 2
        self.images = functional.pad(split.images, (padding,) * 4).to(device)
        self.labels = split.labels.to(device)

    def epoch(self, number: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        generator = torch.Generator().manual_seed((self.seed << 20) + number)
        order = torch.randperm(len(self.split), generator=generator)
        # Equal batches, the largest of batch_size: no last batch so small that batch-norm cannot work.
        crops = [
            draw_crops(index, self.room, self.augment == "crop-flip", generator)
            for index in order.tensor_split(self.count)
        ]
        sizes = [each.shape[1] for each in crops]
        # One copy for the whole epoch: the host would wait for a GPU at every one.
        for batch in torch.cat(crops, 1).to(self.images.device).split(sizes, 1):
            inputs = self.split.normalise(cropped(self.images, batch, self.size))
            yield inputs.contiguous(memory_format=self.layout), self.labels[batch[0]]


class _TrainingState:
    """What a run needs to go on: the weights, the optimiser, the schedule, the records so far."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        configuration: dict,
    ) -> None:
        self.parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
        self.configuration = configuration

    def save(self, path: Path, records: list[dict]) -> None:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"configuration": self.configuration, "records": records}
        storage.write_atomically(path, lambda file: torch.save(state, file))

    def load(self, path: Path) -> list[dict]:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            theirs = state["configuration"]
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a readable checkpoint: move it away to train from the start") from error
        changed = [key for key in self.configuration if theirs.get(key) != self.configuration[key]]
        if changed:
            key = changed[0]
            raise ValueError(
                f"{path} is of another run: {key} was {theirs.get(key)!r}, now {self.configuration[key]!r}; "
                "use another checkpoint file"
            )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return state["records"]


def _scheduler(optimizer: torch.optim.Optimizer, setup: Setup, epochs: int) -> torch.optim.lr_scheduler.LRScheduler:
    if setup.schedule == "cosine":
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)


def _train_one_epoch(
    model: nn.Module, batches: _Batches, epoch: int, optimizer: torch.optim.Optimizer, precision: str
) -> tuple[np.ndarray, float]:
    """One pass over the training set: running counts (true, predicted) and the mean loss."""
    model.train()
    device, classes = batches.labels.device, len(batches.split.classes)
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    with devices.convolutions(device), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((batches.seed << 20) + epoch)  # for networks with dropout
        for inputs, labels in batches.epoch(epoch):
            optimizer.zero_grad()
            with devices.autocast(device, precision):
                logits = model(inputs)
            loss = functional.cross_entropy(logits.float(), labels)
            loss.backward()
            optimizer.step()
            confusion.count_into(counts, labels, logits)
            loss_sum += loss.detach() * len(labels)
    return counts.cpu().numpy(), float(loss_sum) / len(batches.split)


def _history(records: list[dict], classes: tuple[str, ...], attributes: dict[str, str]) -> xr.Dataset:
    columns = {key: np.array([record[key] for record in records]) for key in records[0]}
    cells = ("epoch", "true", "predicted")
    history = xr.Dataset(
        {key: (cells if key.endswith("counts") else "epoch", values) for key, values in columns.items()},
        coords={"epoch": np.arange(1, len(records) + 1), "true": list(classes), "predicted": list(classes)},
        attrs=attributes,
    )
    history["seconds"].attrs["units"] = "s"
    return history

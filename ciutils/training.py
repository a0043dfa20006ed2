"""Training by SGD with the paper's three setups, recording counts and every image's prediction in every epoch.

The whole data set lies on the device as uint8; crops and flips are drawn for each image there. Epoch e draws its
order and its augmentation from (seed, e) alone, so a run that was killed and resumed ends in the same bits.
"""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import nn
from torch.nn import functional

from ciutils import checks, confusion, devices, ego, predictions, storage
from ciutils.datasets import ImageData, Split
from ciutils.progress import Progress

AUGMENTS = ("crop-flip", "crop", "none")
EGO_EPOCHS = (1, 3, 10, 30, 100)
"""After these epochs, and after the last, a history has the norms and cosines of the class gradients."""

Epoch = dict[str, torch.Tensor]
"""What one epoch adds to a history, by the names of its variables."""


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
    device: str = "auto",
    precision: str = "auto",
) -> xr.Dataset:
    """Train `model` in place on `data.train` and return its history; the last epoch's weights are kept.

    checkpoint: a folder written after every epoch. If it exists the run goes on from there, to the same bits on a CPU.
    augment: "crop-flip" (pad by 1/8 of the image, crop, flip), "crop", or "none".

    Returns a Dataset over epoch = 1..epochs, with images in the order of their split:
    `running_counts`, `end_counts`, `test_counts` (epoch, true, predicted) int64, see `confusion.COUNTS`;
    `train_predictions` (epoch, train_image), `test_predictions` (epoch, test_image): positions of the predicted classes
    at the epoch's end, in evaluation mode, not augmented; `train_labels`, `test_labels` beside them;
    `train_loss` (mean cross-entropy of the epoch's batches), `learning_rate`, `seconds` (epoch);
    `ego_norms`, `ego_cosines` (ego_epoch, direction, other) after the epochs `EGO_EPOCHS` and the last, see
    `ego.ego_directions`, unless a class has no images;
    `test_probabilities` (test_image, predicted), `train_losses` (train_image) float16, after the last epoch.

    Raises ValueError for unknown names, numbers out of range, a checkpoint of another configuration, or a loss that
    is no longer finite. Source: arXiv:2211.01370, Sections 3 and 4.2. Book: *Label dancing*.
    """
    if isinstance(setup, str):
        setup = SETUPS[checks.one_of(setup, SETUPS, "setup")]
    checks.whole(epochs, "epochs")
    checks.whole(batch_size, "batch_size")
    checks.whole(seed, "seed", at_least=0)
    checks.one_of(augment, AUGMENTS, "augment")
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
        "precision": precision, "data": data.sha256,
    }  # fmt: skip
    state = _Checkpoint(checkpoint, configuration, model=model, optimizer=optimizer, scheduler=scheduler)
    records = state.load()
    evaluation = {"batch_size": batch_size, "device": str(where), "precision": precision}
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
            record = {"running_counts": running, "train_loss": loss, "learning_rate": rate}
            record |= _end_of_epoch(model, data, evaluation)
            if epoch + 1 == epochs or epoch + 1 in EGO_EPOCHS:
                record |= _egos(model, data.train, batch_size, str(where))
            if epoch + 1 == epochs:
                record |= predictions.at_end_of_training(model, data, **evaluation)
            record["seconds"] = time.perf_counter() - started
            records.append(_tensors(record))
            state.save(records)
            accuracy = record["test_counts"].trace() / record["test_counts"].sum()
            progress.step(f"loss {loss:.3f}, test accuracy {accuracy:.3f}")
    model.to(memory_format=torch.contiguous_format)
    history = _history(records, data.classes, {"precision": precision})
    return history.assign({name: (predictions.DIMS[name], each) for name, each in predictions.labels(data).items()})


def _end_of_epoch(model: nn.Module, data: ImageData, evaluation: dict) -> dict[str, torch.Tensor | np.ndarray]:
    """Every image's prediction, and the counts of them."""
    found = predictions.at_end_of_epoch(model, data, **evaluation)
    counts = {
        counted: confusion.from_predictions(split.labels, found[f"{name}_predictions"], data.classes).values
        for counted, (name, split) in zip(("end_counts", "test_counts"), data.splits.items(), strict=True)
    }
    return found | counts


def _egos(model: nn.Module, split: Split, batch_size: int, device: str) -> dict[str, np.ndarray]:
    """Norms and cosines of the class gradients; nothing where a class has no images, and so no gradient."""
    if not split.labels.bincount(minlength=len(split.classes)).all():
        return {}
    directions = ego.ego_directions(model, split, batch_size=batch_size, device=device)
    return {"ego_norms": directions.norms.values, "ego_cosines": directions.cosine.values}


class Recorder:
    """Records a history in anybody's own training loop: a Dataset like that of `train`, of counts alone.

        recorder = Recorder(classes)
        for each epoch:
            recorder.add("running", labels, logits.argmax(1))   # for each training batch
            recorder.add("test", labels, logits.argmax(1))      # for each test batch
            recorder.end_epoch()
        storage.save_dataset(recorder.history(), path)

    Book: *Record your own training*.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._records: list[Epoch] = []
        self._start_epoch()

    def add(self, counted: str, true: torch.Tensor | np.ndarray, predicted: torch.Tensor | np.ndarray) -> None:
        """Count predictions, [n] positions in `classes` each; as often as wanted.

        counted: "running", "end" or "test", see `confusion.COUNTS`; those that are never added are left out.
        Raises ValueError for labels that do not fit, see `confusion.from_predictions`.
        """
        kinds = [name.removesuffix("_counts") for name in confusion.COUNTS]
        key = f"{checks.one_of(counted, kinds, 'counts')}_counts"
        true, predicted = (np.asarray(torch.as_tensor(each).cpu()) for each in (true, predicted))
        self._counts[key] += confusion.from_predictions(true, predicted, self.classes).values

    def end_epoch(self, train_loss: float = float("nan"), learning_rate: float = float("nan")) -> None:
        """Close the epoch. Raises ValueError if nothing was added to it."""
        if not any(counts.any() for counts in self._counts.values()):
            raise ValueError(f"epoch {len(self._records) + 1} holds no predictions: add them before its end")
        seconds = time.perf_counter() - self._started
        record = self._counts | {"train_loss": train_loss, "learning_rate": learning_rate, "seconds": seconds}
        self._records.append(_tensors(record))
        self._start_epoch()

    def history(self) -> xr.Dataset:
        """The epochs closed so far, as `train` returns them. Raises ValueError if there is none."""
        if not self._records:
            raise ValueError("no epoch has ended: call end_epoch() after each")
        never = [name for name in confusion.COUNTS if not any(record[name].any() for record in self._records)]
        return _history(self._records, self.classes, {}).drop_vars(never)

    def _start_epoch(self) -> None:
        shape = (len(self.classes), len(self.classes))
        self._counts = {name: np.zeros(shape, np.int64) for name in confusion.COUNTS}
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


class _Checkpoint:
    """A folder from which a run goes on: state.pt holds weights, optimiser and schedule; each finished epoch's record
    is a file of its own, so that what is written after an epoch does not grow with the epochs."""

    def __init__(self, folder: str | Path | None, configuration: dict, **parts: object) -> None:
        self.folder = Path(folder) if folder else None
        self.configuration, self.parts = configuration, parts

    def save(self, records: list[Epoch]) -> None:
        if self.folder is None:
            return
        storage.save_weights(records[-1], self._epoch_file(len(records)), {})  # first: the state counts on it
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"configuration": self.configuration, "epochs": len(records)}
        storage.write_atomically(self._state_file, lambda file: torch.save(state, file))

    def load(self) -> list[Epoch]:
        """The records of the epochs that are finished; the parts are put into the state after them."""
        if self.folder is None or not self._state_file.exists():
            return []
        try:
            state = torch.load(self._state_file, map_location="cpu", weights_only=True)
            theirs, epochs = state["configuration"], state["epochs"]
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self._state_file} is not a readable checkpoint: move its folder away to train from the start"
            ) from error
        changed = [key for key in self.configuration if theirs.get(key) != self.configuration[key]]
        if changed:
            key = changed[0]
            raise ValueError(
                f"{self.folder} is of another run: {key} was {theirs.get(key)!r}, now {self.configuration[key]!r}; "
                "use another checkpoint folder"
            )
        records = [storage.load_weights(self._epoch_file(number))[0] for number in range(1, epochs + 1)]
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return records

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.pt"

    def _epoch_file(self, number: int) -> Path:
        return self.folder / f"epoch-{number:04}.safetensors"


def forget(checkpoint: Path) -> None:
    """Remove a checkpoint; its state first, so that what is left of a removal that was cut short is no checkpoint."""
    (checkpoint / "state.pt").unlink(missing_ok=True)
    shutil.rmtree(checkpoint, ignore_errors=True)


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


_EPOCH_DIMS = dict.fromkeys(confusion.COUNTS, ("true", "predicted")) | {
    "train_loss": (),
    "learning_rate": (),
    "seconds": (),
    "train_predictions": predictions.DIMS["train_predictions"],
    "test_predictions": predictions.DIMS["test_predictions"],
}
_EGO_DIMS = {"ego_norms": ("direction",), "ego_cosines": ("direction", "other")}
_LAST_DIMS = {name: predictions.DIMS[name] for name in ("test_probabilities", "train_losses")}


def _tensors(record: dict[str, torch.Tensor | np.ndarray | float]) -> Epoch:
    return {
        name: value if isinstance(value, torch.Tensor) else torch.from_numpy(np.asarray(value))
        for name, value in record.items()
    }


def _history(records: list[Epoch], classes: tuple[str, ...], attributes: dict[str, str]) -> xr.Dataset:
    names = list(classes)
    ego_epochs = [epoch for epoch, record in enumerate(records, 1) if "ego_norms" in record]
    with_egos = [records[epoch - 1] for epoch in ego_epochs]
    found = {
        name: (("epoch", *dims), torch.stack([record[name] for record in records]).numpy())
        for name, dims in _EPOCH_DIMS.items()
        if name in records[0]
    }
    coords = {"epoch": np.arange(1, len(records) + 1), "true": names, "predicted": names}
    if with_egos:
        found |= {
            name: (("ego_epoch", *dims), torch.stack([record[name] for record in with_egos]).numpy())
            for name, dims in _EGO_DIMS.items()
        }
        coords |= {"ego_epoch": ego_epochs, "direction": names, "other": names}
    found |= {name: (dims, records[-1][name].numpy()) for name, dims in _LAST_DIMS.items() if name in records[-1]}
    history = xr.Dataset(found, coords=coords, attrs=attributes)
    history["seconds"].attrs["units"] = "s"
    return history

"""Training by SGD with the paper's three setups, recording counts and every image's prediction in every epoch.

The whole data set lies on the device as uint8. Epoch e draws its order and its augmentation from (seed, e) alone, so a
run that was killed and resumed ends in the same bits.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ciutils import checks, files
from ciutils.choices import AUGMENTS
from ciutils.counts import IMAGE_DIMS, from_predictions
from ciutils.data import ImageData, Split
from ciutils.models import devices, gradients, outputs
from ciutils.models.classifier import Classifier, check_network, layers, picked, proven
from ciutils.progress import Progress
from ciutils.train.augment import Batches
from ciutils.train.checkpoint import Checkpoint
from ciutils.train.history import as_history, tensors
from ciutils.train.setups import SETUPS, Setup
from ciutils.train.setups import scheduler as scheduler_of

EGO_EPOCHS = (1, 3, 10, 30, 100)
"""After these epochs, and after the last, a history has the norms and cosines of the class gradients."""


@torch.enable_grad()
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
    logits: str | int | None = None,
) -> xr.Dataset:
    """Train `model` in place on `data.train` and return its history; the last epoch's weights are kept.

    checkpoint: a folder written after every epoch. If it exists the run goes on from there, to the same bits on a CPU.
    augment: "crop-flip" (pad by 1/8 of the image, crop, flip), "crop", or "none".

    Returns a Dataset over epoch = 1..epochs, with images in the order of their split:
    `running_counts`, `end_counts`, `test_counts` (epoch, true, predicted) int64, see `choices.COUNTS`;
    `train_predictions` (epoch, train_image), `test_predictions` (epoch, test_image): positions of the predicted classes
    at the epoch's end, in evaluation mode, not augmented; `train_labels`, `test_labels` beside them;
    `train_loss` (mean cross-entropy of the epoch's batches), `learning_rate`, `seconds` (epoch);
    `ego_norms`, `ego_cosines` (ego_epoch, direction, other) after the epochs `EGO_EPOCHS` and the last, see
    `models.gradients.ego_directions`, unless a class has no images;
    `test_probabilities` (test_image, predicted), `train_losses` (train_image) float16, after the last epoch.

    Other options, and what the network must show first, as in `measure.counts`.

    Raises ValueError for unknown names, numbers out of range, a checkpoint of another configuration, or a loss that
    is no longer finite. Source: arXiv:2211.01370, Sections 3 and 4.2. Book: *Label dancing*.
    """
    if not isinstance(data, ImageData):
        raise ValueError(f"data are a {type(data).__name__}: give an ImageData, with splits to train and to test on")
    _check_trainable(model)
    if not isinstance(setup, Setup):
        setup = SETUPS[checks.one_of(setup, SETUPS, "setup")]
    epochs, batch_size = checks.whole(epochs, "epochs"), checks.whole(batch_size, "batch_size")
    seed = checks.seed(seed)
    checks.one_of(augment, AUGMENTS, "augment")
    if any(isinstance(layer, _BatchNorm) for layer in model.modules()):
        check_batches(len(data.train), batch_size)
    where = devices.resolve_device(device)
    precision = devices.resolve_precision(precision, where)
    devices.keep_freed_memory()

    classify = proven(model, data.train, device=device, precision=precision, logits=logits)
    layout = classify.layout if classify.layout == devices.memory_format(model, where) else torch.contiguous_format
    model.to(where, memory_format=layout)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        model.parameters(), lr=setup.learning_rate, momentum=setup.momentum, weight_decay=setup.weight_decay
    )
    scheduler = scheduler_of(optimizer, setup, epochs)
    configuration = {
        **asdict(setup),
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "augment": augment,
        "precision": precision,
        "data": data.sha256,
        "mean": data.mean,
        "std": data.std,
        "network": files.sha256_of({"layers": np.frombuffer(layers(model).encode(), np.uint8)}),
        "logits": logits,
    }
    state = Checkpoint(checkpoint, configuration, model=model, optimizer=optimizer, scheduler=scheduler)
    records = state.load()
    evaluation: outputs.Options = {
        "batch_size": batch_size,
        "device": str(where),
        "precision": precision,
        "logits": logits,
    }
    batches = Batches(data.train, batch_size, augment, seed, where, layout, classify.dtype)

    with Progress(epochs, "training", done=len(records)) as progress:
        for epoch in range(len(records), epochs):
            started = time.perf_counter()
            rate = scheduler.get_last_lr()[0]
            running, loss = _train_one_epoch(classify, batches, epoch, optimizer)
            if not np.isfinite(loss):
                raise ValueError(
                    f"training loss is {loss} in epoch {epoch + 1}: the run diverged; use a smaller learning rate than "
                    f"{rate:g}, precision 'fp32', or images of a smaller scale: they go {_range(data)}"
                )
            scheduler.step()
            record: dict[str, Any] = {"running_counts": running, "train_loss": loss, "learning_rate": rate}
            record |= _end_of_epoch(model, data, evaluation)
            if epoch + 1 == epochs or epoch + 1 in EGO_EPOCHS:
                record |= _egos(model, data.train, batch_size, str(where), logits)
            if epoch + 1 == epochs:
                record |= outputs.at_end_of_training(model, data, **evaluation)
            record["seconds"] = time.perf_counter() - started
            records.append(tensors(record))
            state.save(records)
            accuracy = record["test_counts"].trace() / record["test_counts"].sum()
            progress.step(f"loss {loss:.3f}, test accuracy {accuracy:.3f}")
    model.to(memory_format=torch.contiguous_format)
    history = as_history(records, data.classes, {"precision": precision})
    return history.assign({name: (IMAGE_DIMS[name], each) for name, each in outputs.labels(data).items()})


def _check_trainable(model: nn.Module) -> None:
    """Raise ValueError unless steps along gradients of `model` can be taken in its own numbers."""
    check_network(model)
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    if not trained or torch.is_inference_mode_enabled() or any(value.is_inference() for value in trained.values()):
        raise ValueError(
            "the network has no parameter to train: set requires_grad on some, outside of torch.inference_mode()"
        )
    half = [name for name, value in trained.items() if value.dtype == torch.float16]
    if half:
        raise ValueError(f"the network's {half[0]} is torch.float16, too coarse for steps: train it as network.float()")


def _range(data: ImageData) -> str:
    """From which to which value the first images go, as the network gets them."""
    low, high = data.train.inputs(slice(100)).aminmax()
    return f"from {low:.3g} to {high:.3g}"


def check_batches(images: int, batch_size: int) -> None:
    """Raise ValueError if so many images, in equal batches of at most `batch_size`, leave one alone in its batch, where
    batch-norm has no statistics."""
    if images // max(-(-images // batch_size), 1) < 2:
        raise ValueError(
            f"batch_size = {batch_size}: of {images} training images one is alone in its batch, and batch-norm needs "
            "two; give a larger batch_size"
        )


def _end_of_epoch(
    model: nn.Module, data: ImageData, evaluation: outputs.Options
) -> dict[str, torch.Tensor | np.ndarray]:
    """Every image's prediction, and the counts of them."""
    found = outputs.at_end_of_epoch(model, data, **evaluation)
    counts = {
        counted: from_predictions(split.labels, found[f"{name}_predictions"], data.classes).values
        for counted, (name, split) in zip(("end_counts", "test_counts"), data.splits.items(), strict=True)
    }
    return found | counts


def _egos(
    model: nn.Module, split: Split, batch_size: int, device: str, logits: str | int | None
) -> dict[str, np.ndarray]:
    """Norms and cosines of the class gradients; nothing where a class has no images, and so no gradient."""
    if not split.labels.bincount(minlength=len(split.classes)).all():
        return {}
    directions = gradients.ego_directions(model, split, batch_size=batch_size, device=device, logits=logits)
    return {"ego_norms": directions.norms.values, "ego_cosines": directions.cosine.values}


def _train_one_epoch(
    classify: Classifier, batches: Batches, epoch: int, optimizer: torch.optim.Optimizer
) -> tuple[np.ndarray, float]:
    """One pass over the training set: running counts (true, predicted) and the mean loss."""
    classify.model.train()
    device, classes = batches.labels.device, len(batches.split.classes)
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    with devices.convolutions(device), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed((batches.seed << 20) + epoch)  # for networks with dropout
        for inputs, labels in batches.epoch(epoch):
            optimizer.zero_grad()
            with devices.autocast(device, classify.precision):
                logits = picked(classify.model(inputs), classes, classify.which)
            loss = functional.cross_entropy(logits.float(), labels)
            loss.backward()
            optimizer.step()
            outputs.count_into(counts, labels, logits)
            loss_sum += loss.detach() * len(labels)
    return counts.cpu().numpy(), float(loss_sum) / len(batches.split)

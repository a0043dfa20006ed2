"""Speed of `ciutils.measure` against the network's own forward pass and two other ways, in one run.

A space's own speed is that of a whole call on the paper's 19 x 19 points, the audit of bf16 included; the other ways
cost the same for every point, and are measured on 5 x 5.

- the bare forward pass at its best setting: the network with batch-norm folded, no weights moved, nothing counted,
  images resident; the best of channels-last and contiguous, float32 and bfloat16, several batch sizes;
- loss-landscapes 3.0.6, its plane with the mean cross-entropy over the same images, as its documentation shows it;
- a DataLoader loop with a deep copy of the network for each point.

Rounds alternate. Speeds are images a second: images x points / seconds. Writes benchmarks/results/spaces-DEVICE.json.

    python -m benchmarks.spaces [rounds] [images]
"""

from __future__ import annotations

import copy
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata

import loss_landscapes
import loss_landscapes.metrics
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.training import ROOT, keep, random_images
from ciutils import machine, measure, models
from ciutils.data import Split
from ciutils.measure.evaluator import Evaluator
from ciutils.models import devices

NETWORK, WIDTH = "resnet18", 0.25
OURS, POINTS = 19, 5


def network() -> nn.Module:
    torch.manual_seed(0)
    return models.build(NETWORK, width=WIDTH).eval()


def per_second(images: int, points: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return images * points / (time.perf_counter() - started)


def space(split: Split, precision: str, device: torch.device, points: int) -> None:
    model = network()
    directions = measure.random_directions(model, ("a", "b"))
    measure.interference_space(model, split, directions, "a-b", 0.01, points, precision=precision, device=str(device))


def bare_forward(split: Split, device: torch.device, precision: str, layout: str, batch: int) -> float:
    """Images a second of the folded network alone, in one setting."""
    evaluator = Evaluator(network(), split, "frozen", batch, device=str(device), precision=precision)
    memory_format = getattr(torch, layout)
    model = evaluator.network.model.to(memory_format=memory_format)
    batches = [inputs.contiguous(memory_format=memory_format) for inputs, _ in evaluator.images]

    @torch.inference_mode()
    def forward() -> None:
        for _ in range(3):
            for inputs in batches:
                model(inputs)

    forward()
    return per_second(len(split), 3, forward)


def proof_seconds(split: Split, device: torch.device) -> float:
    """Seconds that a space spends before its first point, the network's proof above all; its images' conversion too."""
    started = time.perf_counter()
    Evaluator(network(), split, "frozen", device=str(device))
    return time.perf_counter() - started


def peers_plane(split: Split, device: torch.device) -> None:
    """loss-landscapes' random plane over all images at once, its own metric."""
    inputs, labels = split.inputs(device=device), split.labels.to(device)
    metric = loss_landscapes.metrics.Loss(nn.CrossEntropyLoss(), inputs, labels)
    with torch.no_grad():
        loss_landscapes.random_plane(network().to(device), metric, steps=POINTS, normalization="layer")


def plain_loop(split: Split, device: torch.device) -> None:
    """A deep copy for each point, a DataLoader over tensors, float32, contiguous."""
    model = network().to(device)
    directions = measure.random_directions(model, ("a", "b"))
    loader = DataLoader(TensorDataset(split.inputs(), split.labels), batch_size=128)
    for theta1 in np.linspace(-0.01, 0.01, POINTS):
        for theta2 in np.linspace(-0.01, 0.01, POINTS):
            moved = copy.deepcopy(model)
            wrong = 0
            with torch.no_grad():
                for name, value in moved.named_parameters():
                    value -= theta1 * directions["a"][name].to(device) + theta2 * directions["b"][name].to(device)
                for inputs, labels in loader:
                    wrong += int((moved(inputs.to(device)).argmax(1) != labels.to(device)).sum())


def peak_memory_of(images: int, points: int) -> int:
    """Peak resident bytes of a space, in a process of its own."""
    code = (
        "from benchmarks import spaces as b; from ciutils import machine; from ciutils.models import devices;"
        "device = devices.resolve_device();"
        f"b.space(b.random_images({images}), 'auto', device, {points}); print(machine.peak_memory(device))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return int(done.stdout.split()[-1])


def main(rounds: int = 3, images: int = 2000) -> None:
    device = devices.resolve_device()
    split = random_images(images)
    precisions = ("fp32", "bf16") if devices.resolve_precision("auto", device) == "bf16" else ("fp32",)
    settings = [
        (precision, layout, batch)
        for precision in precisions
        for layout in ("channels_last", "contiguous_format")
        for batch in (125, 250, 500)
    ]
    bare: dict[str, list[float]] = {" ".join(map(str, setting)): [] for setting in settings}
    devices.keep_freed_memory()  # the forward pass is a third faster for it on two cores
    ways = {
        "ours, auto": lambda: per_second(images, OURS**2, lambda: space(split, "auto", device, OURS)),
        "ours, fp32": lambda: per_second(images, POINTS**2, lambda: space(split, "fp32", device, POINTS)),
        "loss-landscapes": lambda: per_second(images, POINTS**2, lambda: peers_plane(split, device)),
        "deep copies and a DataLoader": lambda: per_second(images, POINTS**2, lambda: plain_loop(split, device)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for setting in settings:
            bare[" ".join(map(str, setting))].append(bare_forward(split, device, *setting))
        for name, speed in ways.items():
            speeds[name].append(speed())
    proofs = [proof_seconds(split, device) for _ in range(rounds)]
    medians = {name: statistics.median(values) for name, values in (bare | speeds).items()}
    best = max(bare, key=medians.__getitem__)
    ours = medians["ours, auto"], medians["ours, fp32"]
    every = {name: [round(value, 1) for value in values] for name, values in (bare | speeds).items()}
    result = {
        "network": NETWORK,
        "width": WIDTH,
        "images": images,
        "rounds": rounds,
        "points": {"ours, auto": OURS**2, "others": POINTS**2},
        "device": machine.describe(device),
        "precision of auto": devices.resolve_precision("auto", device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "loss-landscapes": metadata.version("loss-landscapes"),
        "images a second, median": {name: round(value, 1) for name, value in medians.items()},
        "images a second, all": every,
        "best bare forward": best,
        "ours, auto, over the best bare forward": round(ours[0] / medians[best], 3),
        "ours, auto, over loss-landscapes": round(ours[0] / medians["loss-landscapes"], 2),
        "ours, fp32, over loss-landscapes": round(ours[1] / medians["loss-landscapes"], 2),
        "ours, auto, over deep copies": round(ours[0] / medians["deep copies and a DataLoader"], 2),
        "proof, share of a space of 9 x 9 points": round(statistics.median(proofs) * ours[0] / (81 * images), 4),
        "peak memory of ours, bytes": {str(points): peak_memory_of(images, points) for points in (3, 9)},
    }
    keep(result, "spaces", device)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""Training speed: `ciutils.train` against a plain loop, the same network and batches, in one run.

The plain loop is what most public CIFAR code does: a DataLoader over PIL images with torchvision's RandomCrop,
RandomHorizontalFlip, ToTensor and Normalize, contiguous tensors in float32. Rounds alternate, so a machine that
drifts drifts for both. Writes benchmarks/results/training-DEVICE.json and prints the same.

    python -m benchmarks.training [rounds] [images]
"""

from __future__ import annotations

import dataclasses
import json
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from ciutils import files, machine, models
from ciutils.data import ImageData, Split
from ciutils.models import devices
from ciutils.train import augment, loop

ROOT = Path(__file__).resolve().parent.parent
NETWORK, WIDTH, BATCH = "resnet18", 0.25, 128


class Pictures(Dataset):
    def __init__(self, split: Split) -> None:
        self.pixels, self.labels = split.images.permute(0, 2, 3, 1).contiguous().numpy(), split.labels
        self.transform = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.pixels[index]), int(self.labels[index])


def plain_loop(split: Split, device: torch.device) -> float:
    """Images a second of one epoch in the plain loop."""
    torch.manual_seed(0)
    model = models.build(NETWORK, width=WIDTH).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    loader = DataLoader(Pictures(split), batch_size=BATCH, shuffle=True, num_workers=2)
    model.train()
    started = time.perf_counter()
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        loss.item()  # such loops show the loss of every batch
    return len(split) / (time.perf_counter() - started)


def ours(split: Split, device: torch.device, precision: str) -> float:
    """Images a second of one epoch of `train.train`, without what it measures after the epoch."""
    return len(split) / our_epoch(split, device, precision)[0]


def our_epoch(split: Split, device: torch.device, precision: str) -> tuple[float, float]:
    """Seconds that one epoch of `train.train` takes: its training; then the predictions and counts of all training
    images, and of a fifth as many test images, as CIFAR-10 has them."""
    torch.manual_seed(0)
    devices.keep_freed_memory()
    fifth = len(split) // 5
    test = dataclasses.replace(split, images=split.images[:fifth], labels=split.labels[:fifth])
    data = ImageData("benchmark", split, test)
    layout = torch.channels_last
    model = models.build(NETWORK, width=WIDTH).to(device, memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    batches = augment.Batches(split, BATCH, "crop-flip", 0, device, layout)
    started = time.perf_counter()
    loop._train_one_epoch(model, batches, 0, optimizer, precision)  # it ends by reading its counts from the device
    trained = time.perf_counter()
    loop._end_of_epoch(model, data, {"batch_size": BATCH, "device": str(device), "precision": precision})
    return trained - started, time.perf_counter() - trained


def peak_memory_of(arguments: str) -> int:
    """Peak resident bytes of one epoch of ours, in a process of its own."""
    code = (
        "from benchmarks import training as b; from ciutils import machine; from ciutils.models import devices;"
        f"b.ours(b.random_images({arguments}), devices.resolve_device(), 'auto');"
        "print(machine.peak_memory(devices.resolve_device()))"
    )
    return int(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.split()[-1]
    )


def random_images(count: int) -> Split:
    """Noise of CIFAR-10's shape: the speed does not depend on what an image shows."""
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8))
    labels = torch.from_numpy(random.integers(0, 10, count))
    return Split(images, labels, tuple("0123456789"), (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


def main(rounds: int = 3, images: int = 12_800) -> None:
    device = devices.resolve_device()
    split = random_images(images)
    ways = {
        "plain loop, fp32": lambda: plain_loop(split, device),
        "ours, fp32": lambda: ours(split, device, "fp32"),
        "ours, auto": lambda: ours(split, device, "auto"),
    }
    speeds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, measure in ways.items():
            speeds[name].append(measure())
    plain = speeds["plain loop, fp32"]
    shares = {
        precision: [end / (epoch + end) for epoch, end in (our_epoch(split, device, precision) for _ in range(rounds))]
        for precision in ("fp32", "auto")
    }
    result = {
        "network": NETWORK,
        "width": WIDTH,
        "batch": BATCH,
        "images": images,
        "rounds": rounds,
        "device": machine.describe(device),
        "precision of auto": devices.resolve_precision("auto", device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "images a second, median": {name: round(statistics.median(values), 1) for name, values in speeds.items()},
        "images a second, all": {name: [round(value, 1) for value in values] for name, values in speeds.items()},
        "ratio to the plain loop, median of rounds": {
            name: round(statistics.median(a / b for a, b in zip(values, plain, strict=True)), 2)
            for name, values in speeds.items()
        },
        "share of an epoch that counts and predictions at its end take, median": {
            precision: round(statistics.median(values), 3) for precision, values in shares.items()
        },
        "peak memory of ours, bytes": peak_memory_of(str(images)),
    }
    keep(result, "training", device)


def keep(result: dict, what: str, device: torch.device) -> None:
    """Print a result, and write it to benchmarks/results/WHAT-DEVICE.json."""
    print(json.dumps(result, indent=2))
    place = re.sub(r"[^A-Za-z0-9]+", "-", machine.describe(device)).strip("-").lower()
    files.save_json(result, ROOT / "benchmarks" / "results" / f"{what}-{place}.json")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

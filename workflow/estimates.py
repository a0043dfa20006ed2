"""What the paper profile and ImageNet would cost, on paper: floating-point operations over speed.

    python workflow/estimates.py OUTPUT      writes the tables of the page "When one machine is not enough"

Speeds come from benchmarks/results/*.json where there are any of that kind of machine, and are assumptions otherwise;
the tables say which.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MILLION_MULTIPLY_ADDS = {"vgg19": 398, "resnet18": 555, "googlenet": 1522, "dla": 1031, "simple-dla": 913}
"""Of one forward pass of a 32 x 32 image at full width. Convolutions' share falls with the square of the width."""

SETUPS = {"vgg19": 3, "resnet18": 3, "googlenet": 1, "dla": 1, "simple-dla": 1}
"""Runs of the paper profile."""

EPOCHS, TRAINING_IMAGES, TEST_IMAGES, POINTS = 200, 50_000, 10_000, 19
PLANES = {"vgg19": 3 * 4 + 2, "resnet18": 3 * 4 + 1}
"""Three setups by three pairs and a random plane; class-wise losses of two pairs; one plane with batch-norm anew."""
SIGMA_POINTS = 12 * 8 * 3
"""To find a half side: about a dozen tries, eight points of the border each, three pairs."""

TRAINING_STEP = 3
"""A forward and a backward pass cost about three forward passes."""

RESNET50_MULTIPLY_ADDS, RESNET50_PARAMETERS = 4_100e6, 25.6e6
IMAGENET_IMAGES, IMAGENET_CLASSES, IMAGENET_EPOCHS = 1_281_167, 1000, 90

GPU, PEAK, UTILISATION = "NVIDIA A100", 312e12, 0.3
"""The assumption where no GPU was measured: the data sheet's dense bfloat16 peak, and a share of it that is reached."""

MACHINES = (1, 8, 64)


@dataclass(frozen=True)
class Speed:
    """Floating-point operations a second, of what, and how they are known."""

    device: str
    training: float
    forward: float
    known: str


def speeds(results: Path) -> tuple[Speed | None, Speed]:
    """(the slowest measured CPU or None, the measured or assumed GPU)."""
    found: dict[str, dict[str, float]] = {}
    for file in sorted(results.glob("*.json")):
        made = json.loads(file.read_text())
        kind = file.name.split("-")[0]
        if kind not in ("training", "spaces"):
            continue
        operations = 2e6 * MILLION_MULTIPLY_ADDS[made["network"]] * made["width"] ** 2
        passes = TRAINING_STEP if kind == "training" else 1
        median = made["images a second, median"]["ours, auto"]
        found.setdefault(made["device"], {})[kind] = median * operations * passes
    measured = [_speed(device, kinds) for device, kinds in found.items()]
    cpus = sorted((each for each in measured if _is_cpu(each.device)), key=lambda each: each.training)
    gpus = sorted((each for each in measured if not _is_cpu(each.device)), key=lambda each: each.training)
    known = f"assumed: {100 * UTILISATION:.0f}% of the {PEAK / 1e12:.0f} TFLOP/s of its data sheet"
    assumed = Speed(GPU, PEAK * UTILISATION, PEAK * UTILISATION, known)
    return (cpus[0] if cpus else None), (gpus[-1] if gpus else assumed)


def _speed(device: str, kinds: Mapping[str, float]) -> Speed:
    either = next(iter(kinds.values()))
    lacking = {"training", "spaces"} - set(kinds)
    known = "measured by `make bench`" + "".join(f", {kind} taken to be as fast as the other" for kind in lacking)
    return Speed(device, kinds.get("training", either), kinds.get("spaces", either), known)


def _is_cpu(device: str) -> bool:
    return device.endswith("threads")


def makespan(jobs: Sequence[float], machines: int) -> float:
    """When the last machine ends if each job, the longest first, goes to the machine that is free first."""
    busy = [0.0] * machines
    for job in sorted(jobs, reverse=True):
        busy[busy.index(min(busy))] += job
    return max(busy)


def paper_jobs(speed: Speed) -> dict[str, list[float]]:
    """Seconds of each job of the paper profile, by step. A plane is cut in its rows, a training is not cut."""
    forward = {name: 2e6 * value for name, value in MILLION_MULTIPLY_ADDS.items()}
    runs = [name for name, setups in SETUPS.items() for _ in range(setups)]
    epoch = TRAINING_STEP * TRAINING_IMAGES / speed.training + TEST_IMAGES / speed.forward
    row = POINTS * TRAINING_IMAGES / speed.forward
    return {
        "training": [forward[name] * EPOCHS * epoch for name in runs],
        "class gradients": [forward[name] * TRAINING_STEP * TRAINING_IMAGES / speed.training for name in runs],
        "half sides": [forward[name] * SIGMA_POINTS * TRAINING_IMAGES / speed.forward for name in PLANES],
        "planes": [forward[name] * row for name, planes in PLANES.items() for _ in range(planes * POINTS)],
    }


def imagenet_jobs(speed: Speed) -> dict[str, list[float]]:
    """Seconds of the parts of one ResNet50 on ImageNet: its training, its class gradients, one plane by its rows."""
    forward = 2 * RESNET50_MULTIPLY_ADDS
    once = forward * IMAGENET_IMAGES
    return {
        f"training, {IMAGENET_EPOCHS} epochs": [once * TRAINING_STEP * IMAGENET_EPOCHS / speed.training],
        "class gradients": [once * TRAINING_STEP / speed.training],
        "one plane, all images": [once * POINTS / speed.forward] * POINTS,
        "one plane, 50,000 images": [forward * 50_000 * POINTS / speed.forward] * POINTS,
    }


def table(jobs: Mapping[str, Sequence[float]], cpu: Mapping[str, Sequence[float]] | None, name: str) -> str:
    """Hours of each step, one after the other, on so many GPUs; the largest of each column is bold."""
    columns = {f"{count} GPU{'s' * (count > 1)}": {step: makespan(each, count) for step, each in jobs.items()}
               for count in MACHINES}  # fmt: skip
    if cpu:
        columns = {name: {step: sum(each) for step, each in cpu.items()}} | columns
    lines = ["| step | jobs | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 2) + "|"]
    for step, each in jobs.items():
        cells = [_hours(column[step], column[step] == max(column.values())) for column in columns.values()]
        lines.append(f"| {step} | {len(each)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _hours(seconds: float, largest: bool) -> str:
    text = f"{seconds / 3600:.2g} h" if seconds < 3600 * 99 else f"{seconds / 3600:,.0f} h"
    return f"**{text}**" if largest else text


def dominating(jobs: Mapping[str, Sequence[float]], machines: int) -> str:
    """The step that takes longest on so many machines."""
    return max(jobs, key=lambda step: makespan(jobs[step], machines))


def page(results: Path) -> str:
    """The tables and what they rest on, in MyST."""
    cpu, gpu = speeds(results)
    paper, imagenet = paper_jobs(gpu), imagenet_jobs(gpu)
    terms = ", ".join(f"{dominating(paper, count)} on {count}" for count in MACHINES)
    whole = {count: sum(makespan(each, count) for each in paper.values()) / 3600 for count in MACHINES}
    points = POINTS**2
    epochs = points / TRAINING_STEP
    directions = IMAGENET_CLASSES * RESNET50_PARAMETERS * 4 / 1e9
    known = [
        f"- **{each.device}**: {each.training / 1e12:.3g} TFLOP/s in training, "
        f"{each.forward / 1e12:.3g} in forward passes; {each.known}."
        for each in (cpu, gpu)
        if each
    ]
    return "\n\n".join([
        "Speeds, in operations of the networks (two for each multiply-add) a second:",
        "\n".join(known),
        "### The paper profile",
        table(paper, paper_jobs(cpu) if cpu else None, cpu.device if cpu else ""),
        f"*Hours, step after step; the longest of each column is bold. In all {whole[1]:.1f} hours on 1 GPU, "
        f"{whole[8]:.1f} on 8, {whole[64]:.1f} on 64. What takes longest: {terms}.*",
        "A training is not cut: the step ends no sooner than its longest run, whatever the number of machines. "
        f"A plane is {POINTS} rows that know nothing of each other. One plane of {points} points is as much work as "
        f"{epochs:.0f} epochs of training.",
        "### ImageNet with a ResNet50",
        table(imagenet, None, ""),
        f"*Images x points x forward cost: {IMAGENET_IMAGES:,} x {points} x {2 * RESNET50_MULTIPLY_ADDS / 1e9:.1f} "
        f"GFLOP = {IMAGENET_IMAGES * points * 2 * RESNET50_MULTIPLY_ADDS / 1e18:.1f} EFLOP for one plane. "
        f"On 1 GPU {dominating(imagenet, 1)} takes longest.*",
        f"The number of images is the term to cut: a stratified sample of 50,000 makes a plane "
        f"{IMAGENET_IMAGES / 50_000:.0f} times cheaper, and each artifact states the standard error. Memory is another "
        f"limit: the gradients of all {IMAGENET_CLASSES:,} classes are {directions:.0f} GB; keep those of the pairs.",
    ]) + "\n"  # fmt: skip


if __name__ == "__main__":
    written = Path(sys.argv[1])
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(page(Path("benchmarks/results")))

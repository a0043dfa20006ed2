"""What the paper profile and ImageNet would cost, on paper: floating-point operations over speed.

    python workflow/scripts/estimates.py OUTPUT      writes the tables of the page "When one machine is not enough"

Speeds come from benchmarks/results/*.json where there are any of that kind of machine, and are assumptions otherwise;
the tables say which.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from ciutils import files, models
from ciutils.measure import STATISTICS
from reproduction import chapters, runs

TRAINING_IMAGES, TEST_IMAGES = 50_000, 10_000
SIGMA_POINTS = 12 * 8
"""To find a half side, for each pair: about a dozen tries, eight points of the border each."""

SECOND_ORDER = 10
"""Forward passes that first and second derivatives along two directions cost."""

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


@functools.cache
def operations(network: str, width: float) -> int:
    """Of one forward pass of a 32 x 32 image, two for each multiply-add."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        models.build(network, width=width).eval()(torch.empty(1, 3, 32, 32))
    return counter.get_total_flops()


def speeds(results: Path) -> tuple[Speed | None, Speed]:
    """(the slowest measured CPU or None, the measured or assumed GPU)."""
    found: dict[str, dict[str, float]] = {}
    for file in sorted(results.glob("*.json")):
        made = json.loads(file.read_text(encoding="utf-8"))
        kind = file.name.split("-")[0]
        if kind not in ("training", "spaces"):
            continue
        passes = TRAINING_STEP if kind == "training" else 1
        median = made["images a second, median"]["ours, auto"]
        found.setdefault(made["device"], {})[kind] = median * operations(made["network"], made["width"]) * passes
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


def profile_jobs(speed: Speed, size: str) -> dict[str, list[float]]:
    """Seconds of each job of all that the chapters want at one size, by step. A space is cut in its rows, a training is
    not cut."""
    jobs: dict[str, list[float]] = {
        "training": [],
        "class gradients": [],
        "half sides": [],
        "second order": [],
        "planes": [],
    }
    pairs = len(runs.profile(size).pairs)
    for want in chapters.of_profile(size):
        once = operations(want.run.network, want.run.width)
        forward, step = once / speed.forward, once * TRAINING_STEP / speed.training
        images = want.images or TRAINING_IMAGES
        if want.step == "history":  # each epoch trains once and looks at all images once
            looked = TRAINING_IMAGES + TEST_IMAGES
            jobs["training"].append(want.run.epochs * (TRAINING_IMAGES * step + looked * forward))
        elif want.step == "ego":
            jobs["class gradients"].append(TRAINING_IMAGES * step)
        elif want.step == "sigma":
            jobs["half sides"].append(SIGMA_POINTS * pairs * images * forward)
        elif want.step == "space":
            again = (
                2 * STATISTICS if want.key[-1] == runs.AUGMENTED else 0
            )  # of a network whose batch-norm is not folded
            jobs["planes"] += [want.points * (images + again) * forward] * want.points
        elif want.step == "curvature":
            jobs["second order"].append(SECOND_ORDER * images * forward)
    return jobs


def imagenet_jobs(speed: Speed) -> dict[str, list[float]]:
    """Seconds of the parts of one ResNet50 on ImageNet: its training, its class gradients, one plane by its rows."""
    forward = 2 * RESNET50_MULTIPLY_ADDS
    once, side = forward * IMAGENET_IMAGES, runs.profile("paper").points
    return {
        f"training, {IMAGENET_EPOCHS} epochs": [once * TRAINING_STEP * IMAGENET_EPOCHS / speed.training],
        "class gradients": [once * TRAINING_STEP / speed.training],
        "one plane, all images": [once * side / speed.forward] * side,
        "one plane, 50,000 images": [forward * 50_000 * side / speed.forward] * side,
    }


def table(jobs: Mapping[str, Sequence[float]], cpu: Mapping[str, Sequence[float]] | None, name: str) -> str:
    """Hours of each step, one after the other, on so many GPUs; the largest of each column is bold."""
    columns = {
        f"{count} GPU{'s' * (count > 1)}": {step: makespan(each, count) for step, each in jobs.items()}
        for count in MACHINES
    }
    if cpu:
        columns = {name: {step: sum(each) for step, each in cpu.items()}} | columns
    lines = ["| step | jobs | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 2) + "|"]
    for step, each in jobs.items():
        cells = [_hours(column[step], column[step] == max(column.values())) for column in columns.values()]
        lines.append(f"| {step} | {len(each)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _hours(seconds: float, largest: bool) -> str:
    hours = f"{seconds / 3600:.2g}" if seconds < 3600 * 99 else f"{seconds / 3600:,.0f}"
    text = f"{hours}\N{NO-BREAK SPACE}h"
    return f"**{text}**" if largest else text


def dominating(jobs: Mapping[str, Sequence[float]], machines: int) -> str:
    """The step that takes longest on so many machines."""
    return max(jobs, key=lambda step: makespan(jobs[step], machines))


def page(results: Path) -> str:
    """The tables and what they rest on, in MyST."""
    cpu, gpu = speeds(results)
    paper, imagenet = profile_jobs(gpu, "paper"), imagenet_jobs(gpu)
    terms = ", ".join(f"{dominating(paper, count)} on {count}" for count in MACHINES)
    whole = {count: sum(makespan(each, count) for each in paper.values()) / 3600 for count in MACHINES}
    side = runs.profile("paper").points
    points = side**2
    epochs = points / TRAINING_STEP
    directions = IMAGENET_CLASSES * RESNET50_PARAMETERS * 4 / 1e9
    known = [
        f"- **{each.device}**: {each.training / 1e12:.3g} TFLOP/s in training, "
        f"{each.forward / 1e12:.3g} in forward passes; {each.known}."
        for each in (cpu, gpu)
        if each
    ]
    parts = [
        "Speeds, in operations of the networks (two for each multiply-add) a second:",
        "\n".join(known),
        "### The paper profile",
        table(paper, profile_jobs(cpu, "paper") if cpu else None, cpu.device if cpu else ""),
        f"*Hours, step after step; the longest of each column is bold. In all {whole[1]:.1f} hours on 1 GPU, "
        f"{whole[8]:.1f} on 8, {whole[64]:.1f} on 64. What takes longest: {terms}.*",
        "A training is not cut: the step ends no sooner than its longest run, whatever the number of machines. "
        f"A plane is {side} rows that know nothing of each other. One plane of {points} points is as much work as "
        f"{epochs:.0f} epochs of training.",
        "### ImageNet with a ResNet50",
        table(imagenet, None, ""),
        f"*Images × points × forward cost: {IMAGENET_IMAGES:,} × {points} × {2 * RESNET50_MULTIPLY_ADDS / 1e9:.1f} "
        f"GFLOP = {IMAGENET_IMAGES * points * 2 * RESNET50_MULTIPLY_ADDS / 1e18:.1f} EFLOP for one plane. "
        f"On 1 GPU {dominating(imagenet, 1)} takes longest.*",
        f"The number of images is the term to cut: a stratified sample of 50,000 makes a plane "
        f"{IMAGENET_IMAGES / 50_000:.0f} times cheaper, and each artifact states the standard error. Memory is another "
        f"limit: the gradients of all {IMAGENET_CLASSES:,} classes are {directions:.0f} GB; keep those of the pairs.",
    ]
    return "\n\n".join(parts) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page to the file that one argument names; returns the exit status."""
    try:
        (written,) = arguments
        files.save_text(page(Path("benchmarks/results")), Path(written))
    except (ValueError, KeyError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

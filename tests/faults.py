"""Kill a digits workflow at random moments, and harm it in other ways; after a rerun all must be as if undisturbed.

    python tests/faults.py [kills] [seed] [folder]

Each trial starts in an empty folder, disturbs the driver, runs it again to its end and compares with a run that
nothing disturbed: the data and coordinates of every artifact, weights, and the numbers in the sweep's table, bit for
bit (records of time and place differ), that no artifact which was finished when the fault struck was made again, and
that a third call finds nothing to do.
Prints a report in Markdown, and exits 1 if anything differs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from scratch import command, drive, environment, scratch

from ciutils import artifacts, files

SWEEP = {
    "profile": "digits",
    "notebooks": [
        {
            "notebook": "classwise_losses",
            "parameters": {"network": "resnet18", "epochs": 2, "width": 0.02, "points": 3, "images": 100},
        }
    ],
}
AS_JOBS = ("sweep", "--config", "shards=2", "threads=1")
KILLS = ("worker", "driver", "group")
KILLS_EACH = 4
"""Kills of one trial, each of the driver that goes on where the last one was killed."""


@dataclass
class Trial:
    """What was done, and what was found."""

    fault: str
    seconds: float = 0.0
    before: dict[str, str] = field(default_factory=dict)
    renewed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def kept(folder: Path) -> dict[str, Path]:
    """One's own finished artifacts in a scratch folder, by their place."""
    kinds = (".nc", ".safetensors")
    runs = folder / "runs"
    found = [file for file in sorted(runs.rglob("*")) if file.suffix in kinds and not file.name.startswith(".")]
    apart = (".part-", ".resume", "aside/")
    names = {str(file.relative_to(runs)): file for file in found}
    return {name: file for name, file in names.items() if not any(each in name for each in apart)}


def contents(folder: Path) -> dict[str, str]:
    """Digests of everything that must be the same whenever and wherever it was made."""
    found = {}
    for name, file in kept(folder).items():
        if file.suffix == ".nc":
            made = artifacts.load_dataset(file)
            arrays = {str(key): value.values for key, value in made.variables.items()}
            attributes = {key: str(value) for key, value in made.attrs.items() if key not in ("provenance", "seconds")}
            if name.endswith("history.nc"):
                del arrays["seconds"]
            found[name] = files.sha256_of(arrays) + str(sorted(attributes.items()))
        else:
            found[name] = files.sha256_of(
                {key: value.numpy() for key, value in artifacts.load_tensors(file)[0].items()}
            )
    for table in sorted(folder.glob("sweeps/*/table.csv")):
        found[table.name] = table.read_text()
    return found


def bytes_of(folder: Path) -> dict[str, str]:
    """Digests of the finished files themselves, records of time included: equal only if nothing was made again. Weights
    whose history is not there yet are not finished."""
    found = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in kept(folder).items()}
    return {name: digest for name, digest in found.items() if all(each in found for each in made_with(name))}


def made_with(name: str) -> list[str]:
    """An artifact, and what is made together with it: history and weights, of one training."""
    both = ("history.nc", "weights.safetensors")
    return [str(Path(name).with_name(each)) for each in both] if Path(name).name in both else [name]


def start(folder: Path) -> subprocess.Popen:
    """The driver, at work in a process group of its own."""
    with (folder / "driver.log").open("a") as log:
        return subprocess.Popen(
            command(*AS_JOBS), cwd=folder, env=environment(folder), stdout=log, stderr=log, start_new_session=True
        )


def kill(driver: subprocess.Popen, what: str, draw: random.Random) -> str:
    """SIGKILL a random process below the driver, the driver alone, or the whole group; says which."""
    try:
        below = [each for each in psutil.Process(driver.pid).children(recursive=True) if each.is_running()]
        if what == "group":
            os.killpg(driver.pid, signal.SIGKILL)
        elif what == "worker" and below:
            victim = draw.choice(below)
            what = f"worker ({' '.join(Path(word).name for word in victim.cmdline()[:4])[:60]})"
            victim.kill()
        else:
            what = "driver"
            driver.kill()
    except (psutil.Error, ProcessLookupError):
        return f"{what}, which had just ended"
    return what


def killed(folder: Path, moments: list[tuple[str, float]], draw: random.Random) -> Trial:
    """For each (what, seconds): start the driver, and kill so long after its start."""
    trial = Trial("")
    for what, after in moments:
        driver = start(folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(timeout=after)
        said = f"{kill(driver, what, draw)} after {after:.0f} s"
        driver.wait()
        trial.fault += f"{', then ' if trial.fault else 'SIGKILL of the '}{said} ({len(bytes_of(folder))} finished)"
        trial.before = bytes_of(folder) | trial.before
    return trial


def truncated(folder: Path, draw: random.Random) -> Trial:
    """Cut an artifact of a finished workflow; not the class gradients themselves, which nobody reads any more and which
    are found damaged when somebody does, see `tests/test_results.py`."""
    drive(folder, *AS_JOBS)
    name, file = draw.choice([each for each in sorted(kept(folder).items()) if each[1].name != "ego.safetensors"])
    file.write_bytes(file.read_bytes()[: draw.randrange(file.stat().st_size)])
    return Trial(f"{name} truncated", renewed=made_with(name))


def two_drivers(folder: Path) -> Trial:
    """Start a second driver while one is at work: it must say so and stop, and the first one must finish."""
    trial, first = Trial("two drivers at once"), start(folder)
    while not (folder / ".snakemake" / "driver.lock").exists():
        time.sleep(0.1)
    time.sleep(1)
    second = drive(folder, *AS_JOBS)
    if second.returncode == 0 or "another driver is at work" not in second.stdout:
        trial.faults.append("the second driver did not stop")
    if first.wait() != 0:
        trial.faults.append("the first driver failed")
    return trial


def stale_locks(folder: Path) -> Trial:
    """Locks of processes that are dead: Snakemake's own, the driver's, a run's."""
    process = start(folder)
    while not list(folder.glob("runs/*/*.lock")):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    locks = folder / ".snakemake" / "locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("sweeps/sweep/table.csv\n")
    return Trial("stale locks of dead processes")


def on_a_small_disk(folder: Path) -> Trial:
    """The runs' disk fills up; a mount of its own, so only for root."""
    runs = folder / "runs"
    runs.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", runs], capture_output=True, text=True)
    if mounted.returncode:
        return Trial(f"full disk: skipped, it needs the right to mount ({mounted.stderr.strip()})")
    trial = Trial("full disk")
    try:
        told = drive(folder, *AS_JOBS)
        (folder / "driver.log").write_text(told.stdout)
        if told.returncode == 0 or "No space left on device" not in told.stdout:
            trial.faults.append("the driver did not say that the disk is full")
        kept = folder / "kept"
        shutil.copytree(runs, kept, copy_function=shutil.copy2)
    finally:
        subprocess.run(["umount", "-l", runs], check=True)
    runs.rmdir()
    kept.rename(runs)
    return trial


def read_only(folder: Path) -> Trial:
    """The runs' folder cannot be written, and what is in it is finished: a sweep of it must still work."""
    drive(folder, *AS_JOBS)
    runs = folder / "runs"
    subprocess.run(["mount", "--bind", runs, runs], capture_output=True)
    mounted = subprocess.run(["mount", "-o", "remount,ro,bind", runs], capture_output=True, text=True)
    if mounted.returncode:
        return Trial(f"read-only results: skipped, it needs the right to mount ({mounted.stderr.strip()})")
    trial = Trial("read-only results")
    try:
        for made in folder.glob("sweeps/*/*.ipynb"):
            made.unlink()
        again = drive(folder, *AS_JOBS)
        (folder / "driver.log").write_text(again.stdout)
        if again.returncode:
            trial.faults.append("finished artifacts could not be read")
    finally:
        subprocess.run(["umount", "-l", runs], check=True)
    return trial


def judged(folder: Path, expected: dict[str, str], disturb: object) -> Trial:
    """Disturb, run again to the end, compare."""
    started = time.monotonic()
    trial = disturb(scratch(folder, SWEEP))
    before = bytes_of(folder) | trial.before
    again = drive(folder, *AS_JOBS)
    with (folder / "driver.log").open("a") as log:
        log.write(again.stdout)
    if again.returncode:
        trial.faults.append("the rerun failed")
    elif "Nothing to be done" not in drive(folder, *AS_JOBS, "--dry-run").stdout:
        trial.faults.append("a third call finds something to do")
    found, after = contents(folder) if not again.returncode else {}, bytes_of(folder)
    trial.faults += [
        f"{name} differs" for name in sorted(expected.keys() | found) if expected.get(name) != found.get(name)
    ]
    whole = [name for name in before if name not in trial.renewed]
    trial.faults += [f"{name} was made again" for name in whole if before[name] != after.get(name)]
    trial.seconds = time.monotonic() - started
    return trial


def main(kills: int = 20, seed: int = 0, place: str = "") -> int:
    draw = random.Random(seed)
    root = Path(tempfile.mkdtemp(prefix="faults-", dir=place or None))
    started = time.monotonic()
    undisturbed = scratch(root / "undisturbed", SWEEP)
    first = drive(undisturbed, *AS_JOBS)
    if first.returncode:
        print(first.stdout)
        return 1
    length = time.monotonic() - started
    expected = contents(undisturbed)
    print(
        f"# Faults: {kills} kills, seed {seed}\n\nUndisturbed: {length:.0f} s, {len(expected)} artifacts and tables.\n"
    )
    print("| fault | seconds in all | outcome |\n| --- | --- | --- |", flush=True)
    moments = [(KILLS[number % 3], draw.uniform(0, length / 2)) for number in range(kills)]
    trials = [moments[first : first + KILLS_EACH] for first in range(0, kills, KILLS_EACH)]
    disturbances = [lambda folder, each=each: killed(folder, each, draw) for each in trials]
    disturbances += [lambda folder: truncated(folder, draw), two_drivers, stale_locks, on_a_small_disk, read_only]
    bad = 0
    for number, disturb in enumerate(disturbances):
        folder = root / f"trial-{number}"
        trial = judged(folder, expected, disturb)
        bad += bool(trial.faults)
        outcome = "; ".join(trial.faults) or "bit-equal, nothing made again"
        print(f"| {trial.fault} | {trial.seconds:.0f} | {outcome} |", flush=True)
        if not trial.faults:
            shutil.rmtree(folder)
    print(f"\n{len(disturbances) - bad} of {len(disturbances)} as if undisturbed; folders of the others: {root}")
    return bool(bad)


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main(*map(int, words[:2]), *words[2:]))

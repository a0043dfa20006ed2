"""The store's crash points, enumerated: a process is ended after each of its steps, and the next one must recover.

A step is a temporary file written, a flush to disk, a rename, a removal. After a crash what was flushed is there; what
was not may be there too, or be lost: a file's contents by half, a rename undone. Both are tried, for one crash and for
two in a row.

    python tests/crashes.py      prints scenarios x runs x passed
"""

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

from ciutils import artifacts, files, provenance
from ciutils.store import Item, Store

OLD, NEW = {"data_sha256": "old"}, {"data_sha256": "new"}
FINISHED = 1
"""Steps of the work that `make` keeps in its checkpoint."""


class Crash:
    """Ends the process after step number `after`; `lose`: and what was not flushed is lost."""

    def __init__(self, after, lose):
        self.after, self.lose, self.steps = after, lose, 0
        self.unflushed, self.renamed = set(), []

    def install(self):
        write, flush, replace, rename = files.write_atomically, files.flush, Path.replace, Path.rename

        def written(path, fill):
            def filled(file):
                fill(file)
                self.unflushed.add(file)
                self.step()

            write(path, filled)

        def flushed(path):
            flush(path)
            self.unflushed.discard(path)
            self.renamed = [each for each in self.renamed if each[1].parent != path]
            self.step()

        def moved(real):
            def move(source, target):
                before = Path(target).read_bytes() if Path(target).is_file() else None
                real(source, target)
                self.renamed.append((source, Path(target), before))
                self.step()

            return move

        def removed(real):
            def remove(*arguments, **options):
                real(*arguments, **options)
                self.step()

            return remove

        files.write_atomically, files.flush = written, flushed
        Path.replace, Path.rename = moved(replace), moved(rename)
        Path.unlink, shutil.rmtree = removed(Path.unlink), removed(shutil.rmtree)

    def step(self):
        self.steps += 1
        if self.steps == self.after:
            if self.lose:
                self.forget()
            os._exit(7)

    def forget(self):
        for source, target, before in reversed(self.renamed):
            if target.exists() and not Path(source).exists():
                os.rename(target, source)
                if before is not None:
                    target.write_bytes(before)
        for path in self.unflushed:
            if path.exists():
                content = path.read_bytes()
                path.write_bytes(content[: len(content) // 2])


def item(origin, names):
    return Item("run", names, {"seed": 1}, ("train",), lambda: origin)


def values(origin, name):
    return xr.Dataset({"values": ("x", np.arange(5) + len(origin["data_sha256"] + name) + (origin is OLD))})


def made(origin, names):
    """Writes what an item holds, keeping its work in a checkpoint folder."""

    def make(folder, checkpoint):
        done = sorted(checkpoint.glob("*.json")) if checkpoint.exists() else []
        for number in range(len(done), FINISHED):
            files.save_json({"number": number} | origin, checkpoint / f"{number}.json")
        begun = [json.loads(file.read_text()) for file in sorted(checkpoint.glob("*.json"))]
        assert begun == [{"number": number} | origin for number in range(FINISHED)]
        for name in reversed(names):
            told = {"configuration": {"seed": 1}} | origin
            artifacts.save_dataset(values(origin, name).assign_attrs(provenance=json.dumps(told)), folder / name)

    return make


SCENARIOS = {
    "made for the first time": (("a.nc",), False),
    "made anew on other data": (("a.nc",), True),
    "two files together": (("a.nc", "b.nc"), False),
    "two files made anew": (("a.nc", "b.nc"), True),
}


def attempt(folder, names, crash=None):
    """One process that wants the item on the new data; its exit status, 7 after the crash."""

    def work():
        if crash:
            crash.install()
        store = Store(folder / "own", folder / "published")
        found = store.load(item(NEW, names), made(NEW, names))
        assert found["values"].equals(values(NEW, names[0])["values"])
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    return process.exitcode


def prepared(folder, names, again):
    store = Store(folder / "own", folder / "published")
    if again:
        store.folder(item(OLD, names), made(OLD, names))


def recovered(folder, names, again):
    """What is wrong after the last process has ended well; empty if nothing is."""
    if attempt(folder, names) != 0:
        return "not recovered"
    own, faults = folder / "own" / "run", []
    for name in names:
        whole = artifacts.load_dataset(own / name)
        if not whole["values"].equals(values(NEW, name)["values"]) or provenance.of(whole)["data_sha256"] != "new":
            faults.append(f"{name} is not the new one")
        if again:
            kept = [artifacts.load_dataset(path) for path in own.glob(f"aside/*-{name}")]
            if not any(each["values"].equals(values(OLD, name)["values"]) for each in kept):
                faults.append(f"the old {name} is lost")
    left = [path.name for path in own.iterdir() if path.name not in {*names, f"{names[0]}.lock", "aside"}]
    return "; ".join(faults + [f"left behind: {left}"] * bool(left))


def trial(scenario, crashes):
    """Faults after the given crashes, each (step, lose); None if the last one lies beyond the process's end."""
    names, again = SCENARIOS[scenario]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepared(folder, names, again)
        for step, lose in crashes:
            status = attempt(folder, names, Crash(step, lose))
            if status != 7:
                return None if status == 0 else f"ended with {status}"
        return recovered(folder, names, again)


def singles(scenario):
    """Every crash point of a scenario, (step, lose), with what was wrong after it."""
    for lose in (False, True):
        step = 1
        while (found := trial(scenario, [(step, lose)])) is not None:
            yield (step, lose), found
            step += 1


def main():
    failed = 0
    for scenario in SCENARIOS:
        alone = dict(singles(scenario))
        points, steps = list(alone), max(step for step, _ in alone)
        pairs = [[one, (second, one[1])] for one in points for second in range(1, steps + 1)]
        found = [*alone.values(), *(trial(scenario, crashes) for crashes in pairs)]
        runs = [each for each in found if each is not None]
        faults = [each for each in runs if each]
        failed += len(faults)
        print(f"{scenario}: {steps} steps, {len(runs)} runs, {len(runs) - len(faults)} passed", flush=True)
        for fault in sorted(set(faults)):
            print(f"  {faults.count(fault)} x {fault}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

"""The one owner of artifacts: loads what is published, whole and true, or has it computed and keeps it.

Published artifacts are read, never written. One's own are computed once; what is damaged, or was made on other data or
other weights, is moved to its folder's aside/ and computed again, and so is what other code made if the driver asks.
Unfinished work is continued by the code that began it alone.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr
from filelock import FileLock

from ciutils import artifacts, code, files, progress, provenance

RENEW = "CIUTILS_RENEW"
"""Environment variable that the driver sets: artifacts of other code are computed again too. Without it the line under
a figure says so."""

RUNS = "CIUTILS_RUNS"
"""Environment variable that names the folder of one's own artifacts."""

_MEANING = {"code": "code", "weights_sha256": "weights", "data_sha256": "data"}


@dataclass(frozen=True)
class Item:
    """Files of one folder that are made together.

    folder: its name. files: their names; all must be there. configuration: what each must say that it was made with.
    rooms: the code that makes them, see `code`. origin: digests of the data and weights they are made on, by
    "data_sha256" and "weights_sha256"; asked for only where one's own files are concerned.
    """

    folder: str
    files: tuple[str, ...]
    configuration: Mapping[str, object]
    rooms: tuple[str, ...]
    origin: Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class Store:
    """own, published: folders that hold a folder for each run. compute: whether what is in neither is computed; False
    raises FileNotFoundError instead."""

    own: Path
    published: Path
    compute: bool = True

    def folder(self, item: Item, make: Callable[[Path, Path], None]) -> Path:
        """The folder that holds the files of `item`; `make`(folder, checkpoint) writes them there if it must.

        checkpoint: a path of make's own, a file or a folder, from which work that was cut short goes on.
        Raises FileNotFoundError if they would have to be made and `compute` is False.
        """
        published, own = self.published / item.folder, self.own / item.folder
        if self.publishes(item.folder, *item.files):
            return published
        checkpoint, fault = own / f"{item.files[0]}.resume", self.fault(item)
        if fault and not self.compute:
            file = next(file for file in item.files if not self.publishes(item.folder, file))
            where = f"neither in {self.published} nor in {self.own}" if fault == "missing" else fault
            raise FileNotFoundError(f"{item.folder}/{file} is {where}: compute it first, which takes torch")
        # A note that is still there: whoever finished the work was killed before removing its checkpoint.
        if fault or Path(f"{checkpoint}.note").exists():
            item.origin()  # first: what cannot be made leaves no folder behind
            with _locked(own, f"{item.files[0]}.lock"):
                if self.fault(item):  # else another process has made it meanwhile
                    self._clear(own, item)
                    _begin(checkpoint, item)
                    make(own, checkpoint)
                _forget(checkpoint)
        return own

    def publishes(self, folder: str, *names: str) -> bool:
        """Whether all files of these names are published in the folder of this name."""
        return all((self.published / folder / name).exists() for name in names)

    def load(self, item: Item, make: Callable[[Path, Path], None]) -> xr.Dataset:
        """The first of the files of `item`, an artifact, found or made as by `folder`."""
        folder = self.folder(item, make)
        found = loaded(folder / item.files[0], item.configuration)
        return as_published(found) if folder == self.published / item.folder else found

    def fault(self, item: Item) -> str | None:
        """Why one's own files of `item` cannot be used, or None."""
        faults = (_fault(self.own / item.folder / file, item) for file in item.files)
        return next((fault for fault in faults if fault), None)

    def _clear(self, own: Path, item: Item) -> None:
        """Move aside what cannot be used, and remove what killed writers left; the lock is held, so none is at work."""
        for file in item.files:
            for left in own.glob(f".{glob.escape(file)}.*.part"):
                left.unlink()
            fault = _fault(own / file, item)
            if fault and (own / file).exists():
                _move_aside(own / file, fault)


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """`folder`, made if it must be, while the lock called `name` in it is held."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / name).acquire()
    except OSError as error:
        reason = f"cannot write to {folder}: {error.strerror or error}"
        raise OSError(error.errno, f"{reason}; set ${RUNS} to a folder that you can write to") from error
    with held:
        yield


def loaded(path: Path, configuration: Mapping[str, object]) -> xr.Dataset:
    """The artifact at `path`. Raises ValueError, naming the first difference, if it says another `configuration`."""
    artifact = artifacts.read_once(path)
    check_configuration(path, provenance.of(artifact)["configuration"], configuration)
    return artifact


def as_published(artifact: xr.Dataset) -> xr.Dataset:
    """A published artifact: of the code at its commit, so without rooms that the code here would be held against."""
    made = {name: value for name, value in provenance.of(artifact).items() if name != "rooms"}
    return artifact.assign_attrs(provenance=json.dumps(made))


def check_configuration(path: Path, theirs: Mapping[str, object], ours: Mapping[str, object]) -> None:
    """Raise ValueError if `theirs`, found at `path`, lacks or contradicts anything of `ours`."""
    for key, value in json.loads(json.dumps(ours)).items():
        if theirs.get(key) != value:
            raise ValueError(
                f"{path} is of another configuration: {key} is {theirs.get(key)!r} there, {value!r} here; "
                "move it away to compute it again"
            )


def _fault(file: Path, item: Item) -> str | None:
    if not file.exists():
        return "missing"
    try:
        made = provenance.of_file(file)
    except ValueError:
        return "damaged"
    changed = [_MEANING[key] for key, value in _now(item).items() if made.get(key, value) != value]
    return f"of other {' and '.join(changed)}" if changed else None


def _now(item: Item) -> dict[str, str]:
    """What the files of `item` would be made of now, as far as it is watched."""
    return dict(item.origin()) | ({"code": code.digest(item.rooms)} if os.environ.get(RENEW) else {})


def _begin(path: Path, item: Item) -> None:
    """Note beside the checkpoint `path` what fills it, so that no work goes on with other data or other code."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    note, now = Path(f"{path}.note"), dict(item.origin()) | {"code": code.digest(item.rooms)}
    began = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    changed = [_MEANING[key] for key, value in now.items() if began.get(key, value) != value]
    if path.exists() and changed:
        _move_aside(path, f"of other {' and '.join(changed)}")
    files.save_json(now, note)


def _move_aside(path: Path, why: str) -> None:
    aside = path.parent / "aside" / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{path.name}"
    aside.parent.mkdir(exist_ok=True)
    path.rename(aside)
    progress.say(f"{path} is {why}: moved to {aside}, computed again")


def _forget(checkpoint: Path) -> None:
    """Remove a checkpoint, which may be a folder: renamed first, so that no half of it is ever taken for a whole; its
    note last, so that what is left of a removal that was cut short is found again."""
    done = checkpoint.with_name(f".{checkpoint.name}.done")
    if checkpoint.exists():
        checkpoint.rename(done)
    if done.exists():
        shutil.rmtree(done) if done.is_dir() else done.unlink()
    Path(f"{checkpoint}.note").unlink(missing_ok=True)

"""Where artifacts come from, as they tell it themselves."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import xarray as xr

from ciutils import artifacts, code, files


def of(artifact: xr.Dataset | xr.DataArray) -> dict:
    """The provenance that an artifact carries. Raises ValueError if it carries none."""
    if "provenance" not in artifact.attrs:
        raise ValueError("this artifact carries no provenance: it was not made by ciutils.store")
    return json.loads(artifact.attrs["provenance"])


def of_file(path: Path) -> dict:
    """The provenance in a file: NetCDF, safetensors or JSON. Raises ValueError if it is damaged or has none.

    A file is read once by a process, while it is the same: whether artifacts are fresh is asked again and again.
    """
    return copy.deepcopy(_read(path, files.version(path)))


@functools.lru_cache(maxsize=1024)
def _read(path: Path, version: tuple[int, ...]) -> dict:
    """`version`: what changes when the file does."""
    if path.suffix == ".nc":
        return of(artifacts.read_once(path))
    if path.suffix == ".safetensors":
        found = json.loads(artifacts.load_tensors(path)[1].get("provenance", "{}"))
    elif path.suffix == ".json":
        found = json.loads(path.read_text(encoding="utf-8"))
    else:
        raise ValueError(f"{path} is not an artifact")
    if not isinstance(found, dict) or not found:
        raise ValueError(f"{path} carries no provenance: it was not made by ciutils.store")
    return found


def line(*shown: xr.Dataset | xr.DataArray) -> str:
    """One line on where artifacts come from, as shown under every figure of the book. Those that were measured without
    a store are "yours", with the digests of network and images, and the time, where they hold these."""
    own = [each.attrs for each in shown if "provenance" not in each.attrs]
    return "; ".join(filter(None, [_recorded([of(each) for each in shown if "provenance" in each.attrs]), _yours(own)]))


def _yours(own: Sequence[Mapping]) -> str:
    """What artifacts with these attributes tell of themselves; one that is shown twice took its time once."""
    told = [json.loads(attributes.get("configuration", "{}")) for attributes in own]
    parts = {what: dict.fromkeys(one[what][:8] for one in told if what in one) for what in ("network", "images")}
    seconds = sum(dict.fromkeys(attributes.get("seconds", 0) for attributes in own))
    digests = [f"{what} {', '.join(found)}" for what, found in parts.items() if found]
    return "; ".join(["yours", *digests, *[duration(seconds)] * bool(seconds)]) if own else ""


def _recorded(made: Sequence[dict]) -> str:
    """What artifacts of these provenances share and differ in; one that is shown twice took its time once."""
    if not made:
        return ""
    made = [*{json.dumps(one, sort_keys=True): one for one in made}.values()]

    def each(show: Callable[[dict, dict], str]) -> str:
        return ", ".join(dict.fromkeys(show(one, one["configuration"]) for one in made))

    parts = [
        each(lambda _, run: run["network"]),
        each(lambda _, run: f"{run['setup']}, {run['epochs']} epochs, width {run['width']:g}, seed {run['seed']}"),
        each(lambda one, run: f"{run['dataset']} {one['data_sha256'][:8]}"),
        "commit " + each(lambda one, _: one["git_commit"][:8] + (" with changes" if one["git_dirty"] else "")),
        each(lambda one, _: f"{device(one)}, torch {one['versions']['torch']}"),
        duration(sum(one["seconds"] for one in made)) + " in all",
        "last begun " + max(one["started"] for one in made)[:10],
    ]
    # Artifacts in one's own folder name the rooms they were made by, published ones none; see `store.as_published`.
    other = any(code.digest(tuple(one["rooms"])) != one["code"] for one in made if "rooms" in one)
    return "; ".join(parts + ["made by other code than is here now"] * other)


def device(made: dict) -> str:
    """The device's name, for readers; for programs a record says "1 threads"."""
    return made["device_name"].replace(", 1 threads", ", 1 thread")


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads well."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

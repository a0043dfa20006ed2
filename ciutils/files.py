"""Files that are either whole or absent: atomic writes, and digests of contents."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import platformdirs

CACHE = "CIUTILS_CACHE"
"""Environment variable that names another cache folder."""

_FULL = 1 << 16  # bytes free, beside what a failed writer still holds


def cache() -> Path:
    """The folder for what can be decoded or downloaded again: $CIUTILS_CACHE, or the system's place for caches."""
    return Path(os.environ.get(CACHE) or platformdirs.user_cache_path("ciutils")).expanduser()


def copies() -> Path:
    """The folder for copies of data sets: $CIUTILS_DATA, or data/ in `cache`."""
    return expanded(os.environ.get("CIUTILS_DATA") or cache() / "data")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then rename it to `path`.

    A reader sees the old file or the new one, whatever dies in between. Raises OSError, naming `path`, when the
    disk is full or read-only; the temporary file is removed.
    """
    path, temporary = expanded(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        flush(temporary)
        temporary.chmod(0o644)  # mkstemp makes files private; artifacts are for everybody
        temporary.replace(path)
        flush(path.parent)
    except Exception as error:
        full = temporary is not None and _is_full(error, temporary.parent)
        reason = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else error
        if not isinstance(reason, OSError):
            raise
        advice = f"{'free some space' if full else 'make it writable'} or name another folder"
        raise OSError(
            reason.errno,
            f"cannot write {path}: {reason.strerror or reason}; {advice}, then run again: what is finished is kept",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _is_full(error: Exception, folder: Path) -> bool:
    """Whether a writer failed for want of space: torch, safetensors and HDF5 each have an error of their own for it."""
    said = any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT))
    return said or shutil.disk_usage(folder).free < _FULL


def expanded(path: str | Path) -> Path:
    """`path` with the home folder in place of a leading ~. Raises ValueError for the home of nobody."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no such home folder; give a path without ~") from error


def slug(text: str) -> str:
    """`text` as a part of a file's name that means nothing to a shell, a page or a pattern: as it is where it is short
    and plain, else what is plain of it and a digest, so that different texts stay different."""
    plain = re.sub(r"[^A-Za-z0-9._+=-]+", "_", text)[:100].strip("._-")
    if text and plain == text:
        return text
    return f"{plain}.{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:8]}".lstrip(".")


def save_json(content: Mapping, path: Path) -> None:
    """Write `content` as indented JSON, atomically."""
    save_text(json.dumps(content, indent=2, sort_keys=True) + "\n", path)


def save_text(text: str, path: Path) -> None:
    """Write `text` as UTF-8, atomically; of a file's name that is not UTF-8 the foreign bytes are spelt out."""
    write_atomically(path, lambda file: file.write_bytes(text.encode(errors="backslashreplace")))


def sha256_of(parts: Mapping[str, np.ndarray]) -> str:
    """Digest of named arrays: names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        array = np.asarray(parts[name])
        if array.dtype.kind not in "biuf":  # strings come back from a file in another type
            array = np.frombuffer(json.dumps(array.astype(str).tolist()).encode(), np.uint8)
        digest.update(f"{name}|{array.dtype.name}|{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def named_folder(name: str) -> Path:
    """The folder that "folder:PATH" means, the same however it is written: relative, with ~ or a slash, or by a link.

    Raises ValueError if it names none.
    """
    path = name.removeprefix("folder:")
    if not path.strip():
        raise ValueError(f"{name!r} names no folder: give 'folder:PATH'")
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, ValueError) as error:  # links in a circle, the home of nobody, or a null character
        raise ValueError(f"{name!r} leads to no folder: {error}") from error


def below(folder: Path) -> Iterator[Path]:
    """All files below `folder`, links followed. Raises ValueError for what cannot be read to its end: a link that leads
    nowhere or back, a pipe."""
    for place, folders, names in os.walk(folder, followlinks=True):
        for path in (Path(place, name) for name in folders):
            if path.is_symlink() and Path(place).resolve().is_relative_to(path.resolve()):
                raise ValueError(f"{path} leads back to a folder that it is in: remove it")
        for path in (Path(place, name) for name in names):
            if not path.is_file():
                raise ValueError(f"{path} is no file, nor a link to one: replace or remove it")
            yield path


def folder_sha256(folder: Path) -> str:
    """Digest of all files below `folder`, links followed: their names and their contents, not their times.

    Raises ValueError as `below` does.
    """
    digest = hashlib.sha256()
    for path in sorted(below(folder)):
        digest.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\n"))
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def version(path: Path) -> tuple[int, ...]:
    """What changes when the file at `path` does."""
    now = path.stat()
    return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def flush(path: Path) -> None:
    """Ask the system to put a file, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rounded_up(value: float) -> float:
    """`value` rounded up to two significant digits: short enough for a file name."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.2g}")

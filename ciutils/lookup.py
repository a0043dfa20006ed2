"""Functions by their names: what a name says is looked up, never run as text."""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ciutils import checks, code, files

WAYS = ("package.module:function", "file.py:function")
"""How a function is named."""


def function(name: str) -> Callable[..., Any]:
    """The function, or class, that `name` means: "package.module:function" or "file.py:function".

    A file may import those beside it. What comes after the colon may be a method, as in "module:Class.method".
    Raises ValueError for a name that means none, and for what cannot be imported; FileNotFoundError for a file that is
    not there.
    Book: *Your own network*.
    """
    where, _, what = str(name).rpartition(":")
    if not where or not all(part.isidentifier() for part in what.split(".")):
        raise ValueError(f"{name!r} names no function: give {' or '.join(WAYS)}")
    found: Any = _module(where, file(str(name)))
    for part in what.split("."):
        if not hasattr(found, part):
            named = [each for each, value in vars(found).items() if callable(value) and not each.startswith("_")]
            checks.one_of(part, named, f"function of {where}")  # raises, with the nearest name
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{name!r} is a {type(found).__name__}: name a function")
    return found


def outcome(name: str, make: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401, whatever it is
    """What the function `make`, called `name`, gives. Raises ValueError, with its error and where, if it fails."""
    try:
        return make(**arguments)
    except (Exception, SystemExit) as error:  # somebody's code may raise anything
        given, why = f" with {dict(arguments)}" if arguments else "", " ".join(str(error).split())
        raise ValueError(f"{name}{given} fails{_place(error, name)} ({type(error).__name__}: {why})") from error


def _place(error: BaseException, name: str) -> str:
    """The line of the file in `name` where an error arose, or the call that ended in it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file(name))]
    return f" in line {lines[-1]}" if lines else ""


def _module(where: str, path: Path | None) -> ModuleType:
    try:
        return _of_file(path) if path else importlib.import_module(where)
    except (Exception, SystemExit) as error:  # importing runs somebody's code
        raise ValueError(f"{where} cannot be imported ({type(error).__name__}: {error}): mend or install it") from error


def file(name: str) -> Path | None:
    """The file of "file.py:function", and None for other names. Raises FileNotFoundError if it is not there."""
    where = name.rpartition(":")[0]
    if not where.endswith(".py"):
        return None
    if not (path := files.expanded(where)).is_file():
        raise FileNotFoundError(f"no file {path}: give {' or '.join(WAYS)}")
    return path.resolve()


def digest(name: str) -> str:
    """SHA-256 of the code in the file of "file.py:function", whatever its comments and layout; "" for other names."""
    path = file(name)
    return hashlib.sha256(code.bare(path.read_text(encoding="utf-8")).encode()).hexdigest() if path else ""


def check(name: str) -> None:
    """Raise FileNotFoundError for a file, ValueError for a package that is not there, or for a function that is not
    mentioned in its file. Nothing of either is run."""
    where, _, what = name.rpartition(":")
    if path := file(name):
        text, sought = path.read_text(encoding="utf-8", errors="replace"), what.partition(".")[0]
        if not re.search(rf"\b{re.escape(sought)}\b|\bimport \*", text):
            checks.one_of(sought, re.findall(r"^(?:def|class) ([^\W_]\w*)", text, re.MULTILINE), f"function of {where}")
    package = where.split(".")[0]
    here = importlib.machinery.PathFinder.find_spec(package, [str(Path.cwd())])  # where notebooks are executed
    if path is None and package.isidentifier() and not (here or importlib.util.find_spec(package)):
        raise ValueError(f"{name!r}: no package {package} is installed: mend the name, or install it")


def _of_file(path: Path) -> ModuleType:
    """The module in a file, run anew at each call: a live notebook sees what was changed in it."""
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None  # a .py file has one
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

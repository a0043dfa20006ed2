"""Which of the package's own code a result depends on, and a digest of it.

The digest is of the code alone: comments, docstrings and layout do not change it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

TRAINING = ("models", "training")
MEASURING = (*TRAINING, "ego", "interference")
"""Modules that weights, and measurements on them, are made by."""

BOOKKEEPING = frozenset({"checks", "progress", "storage"})
"""Modules that they import and that do not change a result."""


def modules(*roots: str) -> list[str]:
    """The package's modules called `roots` ("training", "models.vgg") and all that they import, sorted.

    Raises ValueError for a name that is no module.
    """
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imported(_path(name).read_text())
    return sorted(found)


def imported(source: str) -> list[str]:
    """The package's modules that `source` takes by `from ciutils import ...`, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ciutils":
            inside = node.module.removeprefix("ciutils").lstrip(".")
            candidates = [".".join(filter(None, (inside, alias.name))) for alias in node.names]
            names += [name if _is_module(name) else inside for name in candidates]
    return [name for name in names if name]


def of_cells(cells: Iterable[str]) -> list[str]:
    """The package's modules that a notebook's code `cells` import, and all that these import."""
    plain = "\n".join(line for cell in cells for line in cell.splitlines() if not line.startswith(("%", "!")))
    return modules(*imported(plain))


@functools.cache
def of_artifact(roots: tuple[str, ...]) -> str:
    """Digest of what an artifact made by `roots` (TRAINING or MEASURING) depends on, as it was at the first call."""
    return digest(set(modules(*roots)) - BOOKKEEPING)


def digest(names: Iterable[str]) -> str:
    """SHA-256 of the code of the modules called `names`, 16 hexadecimal digits."""
    state = hashlib.sha256()
    for name in sorted(names):
        state.update(f"{name}\n{_code(_path(name).read_text())}\n".encode())
    return state.hexdigest()[:16]


def _code(source: str) -> str:
    """`source` without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _is_module(name: str) -> bool:
    stem = PACKAGE.joinpath(*name.split("."))
    return stem.with_suffix(".py").exists() or (stem / "__init__.py").exists()


def _path(name: str) -> Path:
    if not _is_module(name):
        raise ValueError(f"no module {name!r} in the package")
    stem = PACKAGE.joinpath(*name.split("."))
    return stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")

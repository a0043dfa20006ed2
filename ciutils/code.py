"""A digest of the package's own code, by rooms: the folders, and files of the ground, that a result depends on.

The digest is of the code alone: comments, docstrings and layout do not change it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

WEIGHTS = ("classes.py", "counts.py", "data", "models", "train")
MEASUREMENTS = (*WEIGHTS, "measure")
"""Rooms that weights and histories, and measurements on them, are made by."""


@functools.cache
def digest(rooms: tuple[str, ...]) -> str:
    """SHA-256 of the code in `rooms`, 16 hexadecimal digits, as it was at the first call."""
    state = hashlib.sha256()
    for path in sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] in rooms):
        state.update(f"{path.relative_to(PACKAGE).as_posix()}\n{bare(path.read_text(encoding='utf-8'))}\n".encode())
    return state.hexdigest()[:16]


def bare(source: str) -> str:
    """`source` without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)

"""Which of the repository's own code a notebook or a script runs, and a digest of it: what it made is made again when
it changes."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import nbformat

from ciutils import code
from reproduction import parameters

PACKAGES = ("ciutils", "reproduction")


def digest(program: Path) -> str:
    """Digest of the modules that a notebook or a script imports, and of all that these import; comments do not change
    it."""
    state = hashlib.sha256()
    for path in followed(_source(program)):
        state.update(f"{path}\n{code.bare(path.read_text(encoding='utf-8'))}\n".encode())
    return state.hexdigest()[:16]


def _source(program: Path) -> str:
    if program.suffix == ".py":
        return program.read_text(encoding="utf-8")
    cells = [cell.source for cell in nbformat.read(program, as_version=4).cells if cell.cell_type == "code"]
    return "\n".join(parameters.plain(each) for each in cells if not each.startswith("%%"))  # in another language


def followed(source: str) -> list[Path]:
    """The repository's modules that `source` imports, directly and through others, sorted."""
    found: set[Path] = set()
    waiting = list(imported(source))
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imported(path.read_text(encoding="utf-8"))
    return sorted(found)


def imported(source: str) -> Iterator[Path]:
    """Files of the repository's modules that `source` imports, wherever in it; a package's own file among them."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for parts in (name.split(".") for name in names):
            for depth in range(1, len(parts) + 1 if parts[0] in PACKAGES else 0):
                stem = Path(*parts[:depth])
                yield from (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file())

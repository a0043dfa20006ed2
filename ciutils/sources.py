"""Which of the package's own code a result depends on, and a digest of it.

The digest is of the code alone: comments, docstrings and layout do not change it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import nbformat

PACKAGE = Path(__file__).resolve().parent

TRAINING = ("training.train", "models.build", "datasets.load")
MEASURING = (
    *TRAINING, "ego.ego_directions", "ego.random_directions", "interference.interference_space", "interference.merge",
    "interference.find_sigma", "interference.standard_error",
)  # fmt: skip
"""What weights, and measurements on them, are made by."""

BOOKKEEPING = frozenset({"checks", "progress", "storage"})
"""Modules that these use and that do not change a result."""


def modules(*roots: str) -> list[str]:
    """The package's modules called `roots` ("training", "models.vgg") and all that they import, sorted.

    Raises ValueError for a name that is no module.
    """
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += imported(_path(name).read_text())
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


def of_notebook(path: Path) -> list[str]:
    """The package's modules that a notebook's code cells import, and all that these import."""
    cells = (cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    plain = "\n".join(line for cell in cells for line in cell.splitlines() if not line.startswith(("%", "!")))
    return modules(*imported(plain))


@functools.cache
def of_artifact(roots: tuple[str, ...]) -> str:
    """Digest of what an artifact made by `roots` (TRAINING or MEASURING) depends on, as it was at the first call.

    That is each function, class and constant that they use, directly or through others: not all of their modules.
    """
    found: dict[str, str] = {}
    trees: dict[str, ast.Module] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        module, _, own = name.rpartition(".")
        if name in found or module.split(".")[0] in BOOKKEEPING:
            continue
        tree = trees.setdefault(module, trees.get(module) or ast.parse(_path(module).read_text()))
        nodes = [node for node in tree.body if own in _defined(node)]
        known = _known(tree, module)
        found[name] = "\n".join(_code(ast.unparse(node)) for node in nodes)
        todo += [used for node in nodes for used in _used(node, known)]
    return _sha256(found)


def _known(tree: ast.Module, module: str) -> dict[str, str]:
    """What the package's names in a module stand for: a definition as "module.name", a module as "module."."""
    known = {name: f"{module}.{name}" for node in tree.body for name in _defined(node)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ciutils":
            inside = node.module.removeprefix("ciutils").lstrip(".")
            for alias in node.names:
                full = ".".join(filter(None, (inside, alias.name)))
                known[alias.asname or alias.name] = f"{full}." if _is_module(full) else full
    return known


def _used(node: ast.AST, known: dict[str, str]) -> set[str]:
    """The package's definitions that `node` mentions."""
    used = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            module = known.get(each.value.id, "")
            used |= {f"{module}{each.attr}"} if module.endswith(".") else set()
        elif isinstance(each, ast.Name):
            used.add(known.get(each.id, "."))
    return {name for name in used if not name.endswith(".")}


def _defined(node: ast.stmt) -> set[str]:
    """The names that a statement of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)}


def digest(names: Iterable[str]) -> str:
    """SHA-256 of the code of the modules called `names`, 16 hexadecimal digits."""
    return _sha256({name: _code(_path(name).read_text()) for name in names})


def _sha256(parts: dict[str, str]) -> str:
    joined = "".join(f"{name}\n{parts[name]}\n" for name in sorted(parts))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


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

"""Notebook parameters, checked before anything is computed.

papermill only warns of a parameter that the notebook does not take, and passes on whatever type it was given.
Each notebook therefore declares its parameters as `name: type = default` and calls `check` in its next cell.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from pydantic import TypeAdapter, ValidationError


def declared(source: str) -> dict[str, str]:
    """Names and types that a parameters cell declares as `name: type = default`, in order."""
    return {
        statement.target.id: ast.unparse(statement.annotation)
        for statement in _statements(source)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def of_notebook(path: Path) -> str:
    """The source of a notebook's parameters cell. Raises ValueError if there is no notebook or no such cell."""
    if not path.is_file():
        raise ValueError(f"no notebook at {path}: choose from {', '.join(sorted(_names_in(path.parent)))}")
    for cell in nbformat.read(path, as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", ()):
            return cell.source
    raise ValueError(f"{path} has no cell tagged 'parameters': it cannot be given any")


def defaults(source: str) -> dict[str, object]:
    """Names and default values that a parameters cell declares, in order."""
    return {
        statement.target.id: ast.literal_eval(statement.value)
        for statement in _statements(source)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value
    }


def assigned(source: str) -> list[str]:
    """Names that an injected cell assigns, in order."""
    return [
        target.id
        for statement in _statements(source)
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]


def check(namespace: dict[str, Any]) -> dict[str, object]:
    """Check the parameters of the notebook that calls this as `check(globals())`, and return their values by name.

    The notebook's parameters cell declares them; a cell injected by papermill (it begins with "# Parameters") sets
    some of them. Lists, truth values and numbers that came as text ("[1]", "true", "1e-3", as papermill's command line
    and YAML pass them) are read, and written back. Raises ValueError, naming the nearest right name, for a parameter
    that was not declared, and for a value of the wrong type. Book: *Sweep with papermill*.
    """
    cells = [source for source in namespace["In"] if source.strip()]
    injected = [name for source in cells if source.lstrip().startswith("# Parameters") for name in assigned(source)]
    types: dict[str, str] = {}
    for source in cells:
        types |= declared(source)
    values = verify({name: namespace[name] for name in (*types, *injected)}, types)
    namespace.update(values)
    return values


def _names_in(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.ipynb")]


def _statements(source: str) -> list[ast.stmt]:
    """The statements of a cell; none for a cell that is not plain Python, such as one with a magic command."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def verify(values: Mapping[str, object], types: Mapping[str, str]) -> dict[str, object]:
    """Return `values`, text read as JSON where the type is not text; raise ValueError unless each is a declared
    parameter and of its declared type."""
    return {name: _verified(name, value, types) for name, value in values.items()}


def _verified(name: str, value: object, types: Mapping[str, str]) -> object:
    if name not in types:
        near = difflib.get_close_matches(name, types, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown parameter {name!r}: this notebook takes {', '.join(types)}{hint}")
    adapter = TypeAdapter(eval(types[name]))
    try:
        if isinstance(value, str) and types[name] != "str":
            return adapter.validate_json(value, strict=True)
        return adapter.validate_python(value, strict=True)
    except ValidationError as error:
        raise ValueError(f"parameter {name} = {value!r}: give {types[name]}") from error

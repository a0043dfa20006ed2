"""Notebook parameters, checked before anything is computed.

papermill only warns of a parameter that the notebook does not take, and passes on whatever type it was given; a live
notebook does neither. Each notebook therefore declares its parameters as `name: type = default` and names them again
where it calls `check`, in its next cell. What is written in a notebook or given to it is read, and never run.
"""

from __future__ import annotations

import ast
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from pydantic import TypeAdapter, ValidationError

from ciutils import checks, files
from reproduction import ranges

_TYPES = {each.__name__: each for each in (str, int, float, bool, list, dict)}
_NOTED = "your_network.json"  # of the notebook that takes `saved`
_CHECKING = "from reproduction import parameters"  # how the cell begins that calls `check`


def notebook(folder: Path, name: str) -> Path:
    """The notebook called `name` in `folder`. Raises ValueError, naming the nearest, if there is none."""
    found = sorted(path.stem for path in folder.glob("*.ipynb"))
    return folder / f"{checks.one_of(name, found, 'notebook')}.ipynb"


def of_notebook(path: Path) -> str:
    """The source of a notebook's parameters cell. Raises ValueError if the file is no notebook or has no such cell."""
    try:
        cells = nbformat.read(path, as_version=4).cells
    except Exception as error:  # what nbformat raises on a foreign file is of many types
        raise ValueError(f"{path} is not a notebook ({type(error).__name__})") from error
    for cell in cells:
        if "parameters" in cell.metadata.get("tags", ()):
            return cell.source
    raise ValueError(f"{path} has no cell tagged 'parameters': it cannot be given any")


def declared(source: str) -> dict[str, str]:
    """Names and types that a parameters cell declares as `name: type = default`, in order."""
    return {name: ast.unparse(statement.annotation) for name, statement in _declarations(source).items()}


def defaults(source: str) -> dict[str, object]:
    """Names and default values that a parameters cell declares, in order. Raises ValueError for one that is not plainly
    written."""
    try:
        return {name: ast.literal_eval(each.value) for name, each in _declarations(source).items() if each.value}
    except (ValueError, TypeError) as error:
        raise ValueError("a default in the parameters cell is computed: write it as a plain value") from error


def check(namespace: dict[str, Any], names: str) -> dict[str, object]:
    """Check the parameters of the notebook that calls this as `check(globals(), names)`; return their values by name.

    names: all that the notebook takes, with spaces between. Its parameters cell declares them; cells between that and
    the calling one, papermill's among them, may set some, and nothing else. Lists, truth values and numbers that came
    as text ("[1]", "true", "1e-3", as papermill's command line and YAML pass them) are read, and written back. Raises
    ValueError, naming the nearest right name, for one that the notebook does not take, for one that is missing, and for
    a value of the wrong type or, as `ranges.check` does, out of its range. Book: *Sweep with papermill*.
    """
    known = names.split()
    cells = _setting(_cells(namespace), known)
    types = {name: kind for source in cells for name, kind in declared(source).items()}
    for name in dict.fromkeys(name for source in cells for name in _assigned(source)):
        if not name.startswith("PAPERMILL_"):  # papermill's own, with --inject-paths
            checks.one_of(name, known, "parameter")
    lacking = [name for name in known if name not in types or name not in namespace]
    if lacking:
        raise ValueError(
            f"parameter {lacking[0]} is missing: declare it as {lacking[0]}: TYPE = VALUE in the first cell"
        )
    values = verify({name: namespace[name] for name in known}, types)
    ranges.check(values)
    namespace.update(values)
    return values


def keep(values: Mapping[str, object]) -> None:
    """Note in the folder `values["saved"]` the values that what will lie there is measured with.

    Raises ValueError, naming the first that differs, if others were noted and something was measured with them; other
    `pairs` may follow.
    """
    folder = files.expanded(str(values["saved"]))
    file, measured = folder / _NOTED, [*folder.glob("*.nc"), *folder.glob("training")]
    before = json.loads(file.read_text(encoding="utf-8")) if measured and file.exists() else {}
    now = json.loads(json.dumps({name: value for name, value in values.items() if name not in ("saved", "pairs")}))
    for name in (name for name in now if before.get(name, now[name]) != now[name]):
        raise ValueError(
            f"saved = {values['saved']!r}: {folder.absolute()} holds what was measured with {name} = {before[name]!r}, "
            f"and {now[name]!r} is asked for; name another folder, or ask for {before[name]!r} again"
        )
    files.save_text(json.dumps(before | now, indent=1), file)


def verify(values: Mapping[str, object], types: Mapping[str, str]) -> dict[str, object]:
    """Return `values`, text read as JSON where the type is not text; raise ValueError unless each is a declared
    parameter and of its declared type."""
    return {name: _verified(name, value, types) for name, value in values.items()}


def _verified(name: str, value: object, types: Mapping[str, str]) -> object:
    kind = types[checks.one_of(name, types, "parameter")]
    try:
        adapter = _adapter(kind)
        if isinstance(value, str) and kind != "str":
            return adapter.validate_json(value, strict=True)
        return adapter.validate_python(_plain(value), strict=True)
    except (ValidationError, RecursionError) as error:
        such = f", such as '{ranges.EXAMPLES[name]}'" if name in ranges.EXAMPLES else ""  # quoted for a command line
        raise ValueError(f"parameter {name} = {value!r}: give {kind}{such}") from error


@functools.cache
def _adapter(kind: str) -> TypeAdapter:
    return TypeAdapter(_type(ast.parse(kind, mode="eval").body))


def _type(annotation: ast.expr) -> Any:  # noqa: ANN401, what annotations name has no type of its own
    """The type that an annotation names; nothing in it is run."""
    match annotation:
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name]
        case ast.Constant(value=None):
            return type(None)
        case ast.Subscript(value=ast.Name(id="list"), slice=element):
            return list[_type(element)]  # type: ignore[misc]
        case ast.BinOp(left=one, op=ast.BitOr(), right=other):
            return _type(one) | _type(other)
    text = ast.unparse(annotation)
    raise ValueError(
        f"{text} is no type of a parameter: declare str, int, float, bool, list, list[...], dict or ... | None"
    )


def _plain(value: object) -> object:
    """`value` with numpy's numbers as Python's."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _cells(namespace: Mapping[str, Any]) -> list[str]:
    """The cells that were run so far; of a notebook that runs as a script, what stands above the import of this."""
    if "__file__" not in namespace:
        return namespace["In"]
    return [Path(namespace["__file__"]).read_text(encoding="utf-8").split(_CHECKING)[0]]


def _setting(cells: Sequence[str], known: Sequence[str]) -> list[str]:
    """The parameters cell, which declares most of the `known` and is run again when it was corrected, and those between
    it and the next cell that checks."""
    places = [place for place, each in enumerate(cells) if 2 * len(declared(each).keys() & set(known)) >= len(known)]
    if not places:
        raise ValueError("run the notebook's first cell, which declares its parameters, before this one")
    return list(itertools.takewhile(lambda each: _CHECKING not in each, cells[places[-1] :]))


@functools.cache
def _declarations(source: str) -> dict[str, ast.AnnAssign]:
    return {
        statement.target.id: statement
        for statement in _statements(source)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }


def _assigned(source: str) -> list[str]:
    """Names that a cell declares or assigns, wherever in it."""
    nodes = (node for statement in _statements(source) for node in ast.walk(statement))
    return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _statements(source: str) -> list[ast.stmt]:
    """The statements of a cell, as far as it is plain Python."""
    return ast.parse(plain(source)).body


def plain(source: str) -> str:
    """A cell without its magic commands; nothing where the rest is not plain Python either."""
    text = "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))
    try:
        ast.parse(text)
    except (SyntaxError, RecursionError):
        return ""
    return text

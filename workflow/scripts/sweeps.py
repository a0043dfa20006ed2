"""Sweeps: a declaration (YAML) -> runs with checked parameters -> what their executed notebooks glued, in one table.

    profile: digits                    # of every run
    threads: 1                         # of a run; on a CPU the bits of a training depend on it
    notebooks:
      - notebook: label_dancing
        parameters: {epochs: 3}        # of every run of this notebook
        product:                       # every combination
          network: [vgg19, resnet18]
          setup: [anneal-lr, big-lr, small-lr]
        runs: [{seed: 0}, {seed: 1}]   # each of these, for each combination

What a sweep names is data: it stands in file names as `files.slug` writes it, and in pages as escaped text.

Book: *Sweep with papermill*.
"""

from __future__ import annotations

import ast
import hashlib
import html
import itertools
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import nbformat
import pandas as pd
import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from ciutils import checks, files, progress
from reproduction import parameters

GLUED = "application/papermill.record/"
COLUMNS = ("run", "notebook", "done")
"""Of the table, before the parameters; then what was glued, each name after "glued."."""


class _Strict(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: object) -> object:
        for key in given if isinstance(given, dict) else ():
            checks.one_of(key, cls.model_fields, "key")
        return given


class _Part(_Strict):
    notebook: str
    parameters: dict[str, object] = {}
    product: dict[str, Annotated[list, Field(min_length=1)]] = {}
    runs: list[dict[str, object]] = Field([{}], min_length=1)


class _Declaration(_Strict):
    profile: str | None = None
    threads: int = Field(1, ge=1)
    chapters: bool = False
    notebooks: list[_Part] = Field(min_length=1)


@dataclass(frozen=True)
class Run:
    """One execution of a notebook. Its name spells out the parameters that the sweep varies."""

    name: str
    notebook: Path
    parameters: dict[str, object]


@dataclass(frozen=True)
class Sweep:
    """A declaration, read and checked. chapters: whether the executed notebooks become chapters of the book."""

    file: Path
    runs: tuple[Run, ...]
    threads: int
    chapters: bool

    @property
    def name(self) -> str:
        """That of its file, in plain letters."""
        return files.slug(self.file.stem)


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [key.value for key, _ in node.value]
        for name in (name for name in names if names.count(name) > 1):
            raise yaml.constructor.ConstructorError(None, None, f"{name} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read(file: Path, notebooks: Path = Path("notebooks")) -> Sweep:
    """Read a declaration and check the parameters of every run, names and types.

    Raises ValueError, one line: the file, the value, what is allowed.
    """
    file = files.expanded(file)
    try:
        declared = _Declaration.model_validate(yaml.load(file.read_text(encoding="utf-8"), _Loader))
    except FileNotFoundError as error:
        raise ValueError(f"no sweep at {file}: workflow/sweeps/digits.yaml is an example") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as text: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ").partition(" or instance of")[0]  # a class of this module
        raise ValueError(": ".join([str(file), *filter(None, [".".join(map(str, first["loc"]))]), said])) from error
    try:
        runs = [run for part in declared.notebooks for run in _runs(part, declared.profile, notebooks)]
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    names = [run.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"{file}: two runs are called {twice}: take one of them out")
    for one, other in itertools.combinations(runs, 2):  # whose values may be written in two ways, such as 0.1 and 1e-1
        if (one.notebook, one.parameters) == (other.notebook, other.parameters):
            raise ValueError(f"{file}: {one.name} and {other.name} are the same run: take one of them out")
    return Sweep(file, tuple(runs), declared.threads, declared.chapters)


def _runs(part: _Part, profile: str | None, folder: Path) -> list[Run]:
    notebook = _notebook(folder, part.notebook)
    types = parameters.declared(parameters.of_notebook(notebook))
    shared = {"profile": profile} if profile else {}
    for listed in part.runs:
        _check_keys([*shared, *part.parameters, *part.product, *listed])
    runs = []
    for listed in part.runs:
        for combination in itertools.product(*part.product.values()):
            varied = listed | dict(zip(part.product, combination, strict=True))
            name = "-".join([part.notebook, *(f"{key}={_text(value)}" for key, value in varied.items())])
            runs.append(Run(files.slug(name), notebook, parameters.verify(shared | part.parameters | varied, types)))
    return runs


def _check_keys(names: list[str]) -> None:
    """Each parameter is given in one place, and none is called as the table calls a column of its own."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice: leave it in one of profile, parameters, product and runs")
        if name in COLUMNS:
            raise ValueError(f"parameter {name}: the sweep's table has a column of this name; give it another")


def _text(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


def chapters(declared: Mapping[str, Mapping], folder: Path = Path("notebooks")) -> dict[str, Run]:
    """The book's chapters by their names, which begin with the notebook's and a hyphen, from workflow/chapters.yaml.
    Raises ValueError for a wrong one."""
    found = {}
    for name, given in declared.items():
        if not isinstance(given, Mapping) or files.slug(name) != name:
            raise ValueError(f"workflow/chapters.yaml: {name}: call it NOTEBOOK-DATA, plainly, and give its parameters")
        found[name] = Run(name, _notebook(folder, name.partition("-")[0]), dict(given))
    return found


def _notebook(folder: Path, name: str) -> Path:
    if "{" in name or "}" in name:
        raise ValueError(f"notebook {name!r}: the driver executes none that has a brace in its name; rename it")
    return parameters.notebook(folder, name)


def check(runs: Iterable[Run], file: str | Path) -> None:
    """Raise ValueError, naming the declaration, unless all `runs` of `file` have parameters that are in their ranges
    and fit their data."""
    from reproduction import chapters, results  # with torch, which only the driver's first process loads

    store = results.Results()
    for run in runs:
        try:
            for want in chapters.wants(run.notebook.stem, run.parameters):
                want.check(store)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"{file}: {run.name}: {error}") from error


def key(sweep: Sweep, run: Run) -> str:
    """What the run is called among all that the workflow can make."""
    return f"sweep.{sweep.name}.{run.name}"


def executed(sweep: Sweep, run: Run) -> str:
    """Where the run's executed notebook goes."""
    return f"sweeps/{sweep.name}/{run.name}.ipynb"


def kept(sweep: Sweep, run: Run) -> str:
    """Where its notebook is, whether it failed or not."""
    return f"sweeps/{sweep.name}/logs/{run.name}.ipynb"


def pages(sweep: Sweep) -> list[str]:
    """What a whole sweep leaves: the table, the book's page of it, and the chapters if there are to be any."""
    # Chapters stand beside the book's own, since they refer to its pages.
    page = f"book/chapters/sweep-{sweep.name}"
    chapters = [f"{page}-{run.name}.ipynb" for run in sweep.runs] if sweep.chapters else []
    return [f"sweeps/{sweep.name}/table.csv", f"{page}.md", *chapters]


def collect(sweep: Sweep) -> str:
    """Write the table and the page from the runs that are there, and copy chapters. Returns a list of the others."""
    table = pd.DataFrame([_row(sweep, run) for run in sweep.runs])
    csv, page, *chapters = map(Path, pages(sweep))
    missing = _missing(sweep)
    files.save_text(table.to_csv(index=False), csv)
    files.save_text(_page(sweep, table, missing), page)
    for run, chapter in zip(sweep.runs, chapters, strict=False):
        if Path(executed(sweep, run)).exists():
            files.save_text(Path(executed(sweep, run)).read_text(encoding="utf-8"), chapter)
    return missing


def _row(sweep: Sweep, run: Run) -> dict[str, object]:
    file = Path(executed(sweep, run))
    found = glued(file) if file.exists() else {}
    own = dict(zip(COLUMNS, (run.name, run.notebook.stem, file.exists()), strict=True))
    return own | run.parameters | {f"glued.{name}": value for name, value in found.items()}


def glued(notebook: Path) -> dict[str, object]:
    """The numbers and texts that an executed notebook glued, by name; figures and tables are left out."""
    found = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            text = output.get("data", {}).get(f"{GLUED}text/plain")
            if name and text is not None:
                found[name] = _value(text)
    return {name: value for name, value in found.items() if isinstance(value, int | float | str)}


def _value(text: str) -> object:
    """The number or text that Python, or numpy, writes as `text`; None for any other object."""
    plain = re.sub(r"^np\.\w+\((.*)\)$", r"\1", text)
    try:
        return ast.literal_eval(plain)
    except (ValueError, SyntaxError):
        return float(plain) if plain in ("nan", "inf", "-inf") else None


def _missing(sweep: Sweep) -> str:
    absent = [run for run in sweep.runs if not Path(executed(sweep, run)).exists()]
    if not absent:
        return ""
    lines = [f"{len(absent)} of {len(sweep.runs)} runs have no result:"]
    return "\n".join([*lines, *(f"- {run.name}: {_why(Path(kept(sweep, run)))}" for run in absent)])


def _why(log: Path) -> str:
    """The error of a kept notebook, and where it is."""
    try:
        cells = nbformat.read(log, as_version=4).cells
    except FileNotFoundError:
        return "not begun"
    except nbformat.reader.NotJSONError:
        return f"stopped; {log}"
    errors = [each for cell in cells for each in cell.get("outputs", []) if each.output_type == "error"]
    return f"{errors[0].ename}: {' '.join(errors[0].evalue.split())}; {log}" if errors else f"stopped; {log}"


def _page(sweep: Sweep, table: pd.DataFrame, missing: str) -> str:
    """The book's page, in HTML but for its title: blocks without empty lines, in which no letter means anything."""
    shown = table.drop(columns=["notebook", "done"]).map(_shown).rename(columns=_shown)
    with pd.option_context("display.max_colwidth", None):
        rows = shown.to_html(index=False, border=0)
    head = f"Collected from {len(sweep.runs)} runs, declared in <code>{_escaped(str(sweep.file))}</code>."
    lost = "<br>\n".join(map(_escaped, missing.splitlines()))
    blocks = [f"<p>{head}</p>", f"<p>{lost}</p>" if lost else "", rows, *_figures(sweep, table)]
    return "\n\n".join([f"# Sweep: {sweep.name}", *filter(None, blocks)]) + "\n"


def _figures(sweep: Sweep, table: pd.DataFrame) -> Iterator[str]:
    """The numbers of each notebook against each parameter that takes several values."""
    import swept  # with matplotlib, which only the collecting process loads

    for notebook, runs in table[table["done"]].groupby("notebook"):
        given = dict.fromkeys(name for run in sweep.runs if run.notebook.stem == notebook for name in run.parameters)
        varied = swept.varied(runs, list(given)) if swept.numbers(runs) else []
        for name in varied:
            drawn = swept.figure(runs, name, [other for other in varied if other != name])
            said = _escaped(f"{notebook}: each number against {name}; bars are 95% intervals over seeds")
            yield f'<p><img alt="{said}" src="{swept.address(drawn)}"><br>\n{said}</p>'


def _shown(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return "" if text == "nan" else " ".join(text.split())


def _escaped(text: str) -> str:
    return html.escape(" ".join(text.split()))


def toc(file: Path, chapters: Iterable[str], sweep: Sweep | None) -> str:
    """The book's table of contents: `file` itself, or a copy that has at its end the chapters that it does not list,
    and the sweep's page and chapters."""
    text = file.read_text(encoding="utf-8")
    more = [{"file": f"book/chapters/{name}"} for name in chapters if f"book/chapters/{name}\n" not in text]
    if sweep:
        _, page, *listed = [str(Path(each).with_suffix("")) for each in pages(sweep)]
        more.append({"file": page} | ({"sections": [{"file": each} for each in listed]} if listed else {}))
    if not more:
        return str(file)
    content = yaml.safe_load(text)
    content["parts"].append({"caption": "More", "chapters": more})
    copy = Path("_build/toc.yml")
    files.save_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), copy)
    return str(copy)


def data(given: dict[str, object]) -> str:
    """Changes when what a run reads changes: the names of its data, and what is in the folders and files that its
    parameters name, be they images, weights or somebody's code."""
    told = [str(given.get("dataset", ""))]
    for name in (each for each in given.values() if isinstance(each, str)):
        code, dot, _ = name.rpartition(".py:")
        file = files.expanded(f"{code}.py" if dot else name)
        if name.startswith("folder:"):
            told.append(files.folder_sha256(files.named_folder(name))[:16])
        elif os.path.isfile(file):  # which a text too long for a name is not; Path asks the system and raises
            told.append(hashlib.sha256(file.read_bytes()).hexdigest()[:16])
    return " ".join(told)


def listing(folder: str) -> str:
    """Changes when a file below `folder` comes, goes or is written."""
    found = sorted((str(path), path.stat().st_mtime_ns) for path in Path(folder).rglob("*") if path.is_file())
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]


def broken(notebook: Path) -> bool:
    """Whether an executed notebook is there and is not whole."""
    try:
        return notebook.exists() and not json.loads(notebook.read_text(encoding="utf-8"))
    except ValueError:
        return True


def main(arguments: list[str]) -> int:
    """Collect the sweep that one argument names; returns the exit status."""
    if len(arguments) != 1:
        print("error: name the declaration of one sweep", file=sys.stderr)
        return 2
    try:
        told = collect(read(Path(arguments[0])))
    except (ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if told:
        progress.say(told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

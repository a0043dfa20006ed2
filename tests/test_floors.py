"""A floor imports only from floors below it (see README): read from the sources, without running them."""

import ast
import subprocess
import sys

import pytest

from ciutils import experiments

FLOORS = [
    {"checks", "progress", "storage", "sources", "devices", "paper", "datasets", "models", "confusion", "readings"},
    {"predictions", "training", "ego", "evaluation", "interference", "dancing"},
    {"experiments", "parameters"},
    {"figures", "explorer", "claims", "verification", "plans"},
    {"__main__"},
]
PACKAGE = experiments.REPOSITORY / "ciutils"


def modules():
    return {path.stem if path.parent == PACKAGE else path.parent.name for path in PACKAGE.rglob("*.py")} - {
        "__init__", "ciutils",
    }  # fmt: skip


def imported(name):
    paths = [PACKAGE / f"{name}.py"] if (PACKAGE / f"{name}.py").exists() else sorted((PACKAGE / name).glob("*.py"))
    found = set()
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.ImportFrom) and node.module == "ciutils":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ciutils."):
            found.add(node.module.split(".")[1])
    return found - {name}


def test_every_module_has_its_floor():
    assert modules() == set().union(*FLOORS)


@pytest.mark.parametrize("name", sorted(set().union(*FLOORS)))
def test_it_imports_from_no_floor_above_its_own(name):
    (floor,) = [number for number, names in enumerate(FLOORS) if name in names]
    assert imported(name) <= set().union(*FLOORS[: floor + 1])


def test_measuring_needs_none_of_the_books_packages():
    """A GPU node has torch and xarray, and seldom what notebooks are executed and rendered with."""
    missing = ["IPython", "ipywidgets", "jupyter_book", "myst_nb", "nbformat", "papermill", "plotly", "pydantic",
               "snakemake"]  # fmt: skip
    below = sorted(set().union(*FLOORS[:3]) - {"parameters"})
    code = f"import sys; sys.modules |= dict.fromkeys({missing}); from ciutils import {', '.join(below)}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr

"""What the pages name is there."""

import importlib.util
import re
import tomllib

import nbformat
import pytest

from reproduction.results import REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("book/*.md"), *REPOSITORY.glob("notebooks/*.ipynb")])
ROOMS = ("analyse", "data", "measure", "models", "show", "train")
MODULES = {name: f"ciutils.{name}" for name in ("artifacts", *ROOMS)}
MODULES |= {name: f"ciutils.analyse.{name}" for name in ("confusion", "dancing", "responses", "surfaces")}
MODULES |= {"explorer": "ciutils.show.explorer"}

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def prose(page):
    if page.suffix == ".md":
        return page.read_text()
    cells = nbformat.read(page, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@by_name
def test_places_in_the_repository(page):
    places = re.findall(r"`((?:benchmarks|book|ciutils|notebooks|reproduction|tests|workflow)/[\w./-]*)`", prose(page))
    assert [place for place in places if not (REPOSITORY / place).exists()] == []


@by_name
def test_functions_that_code_calls(page):
    code = "\n".join(re.findall(r"```python\n(.*?)```", prose(page), re.DOTALL))
    calls = [call for call in re.findall(r"(?<![\w.])(\w+)\.(\w+)\(", code) if call[0] in MODULES]
    modules = {name: importlib.import_module(MODULES[name]) for name, _ in calls}
    assert [f"{name}.{function}" for name, function in calls if not hasattr(modules[name], function)] == []


def test_pages_that_docstrings_name_are_in_the_book():
    spec = importlib.util.spec_from_file_location("functions", REPOSITORY / "book" / "functions.py")
    functions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(functions)
    assert set(functions.PAGES.values()) <= set(re.findall(r"file: (\S+)", (REPOSITORY / "_toc.yml").read_text()))
    named = set()
    for source in REPOSITORY.glob("ciutils/**/*.py"):
        for book in re.findall(r'Book:(.*?)(?:"""|\n\n)', source.read_text(), re.DOTALL):
            named |= set(re.findall(r"\*([^*]+)\*", book))
    waiting = {"Interference or difficulty?"}  # a chapter without results yet
    assert named - waiting <= set(functions.PAGES)


def test_the_version_to_cite_is_the_packages():
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (REPOSITORY / "CITATION.cff").read_text()
    assert f"version = {{{version}}}," in (REPOSITORY / "book" / "references.md").read_text()

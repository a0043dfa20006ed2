"""Sphinx extension: functions lead to the pages that explain them, as their docstrings name them, and pages back."""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

FUNCTIONS = "book/functions"
"""The page of functions; its `automodule` directives say which modules are public."""

PAGES = {
    "CCTM": "book/chapters/cctm-cifar10",
    "Sharpness": "book/chapters/sharpness-cifar10",
    "Class-wise losses": "book/chapters/classwise_losses-cifar10",
    "Label dancing": "book/chapters/label_dancing-cifar10",
    "Who dances?": "book/chapters/dancers-cifar10",
    "Look at them": "book/chapters/images-cifar10",
    "The same images?": "book/chapters/agreement-cifar10",
    "Humans": "book/chapters/humans-cifar10",
    "Does it hold elsewhere?": "book/chapters/elsewhere-fashion_mnist",
    "Dose and response": "book/chapters/doses-cifar10",
    "Which claims hold?": "book/chapters/claims-cifar10",
    "Machines and times": "book/chapters/machines-cifar10",
    "The paper, and where it is open": "book/paper",
    "Execute a notebook": "book/how-to-execute",
    "Your own network": "book/your-network",
    "Measure your own network": "book/chapters/your_network-digits",
    "Sweep with papermill": "book/how-to-sweep",
    "When one machine is not enough": "book/when-one-machine-is-not-enough",
    "Record your own training": "book/how-to-record",
}
"""Pages by the names that docstrings give them."""

_NAMED = re.compile(r"\*([^*]+)\*")


def pages_of(docstring: str) -> list[str]:
    """The names of pages in what follows "Book:"."""
    return [name for name in _NAMED.findall(docstring.rpartition("Book:")[2]) if name in PAGES]


def link_pages(_: Sphinx, __: str, ___: str, ____: object, _____: object, lines: list[str]) -> None:
    """Make links of the pages that a docstring names."""
    text, book, named = "\n".join(lines).rpartition("Book:")
    if book:
        for page in pages_of(f"Book:{named}"):
            named = named.replace(f"*{page}*", f":doc:`{page} </{PAGES[page]}>`")
        lines[:] = f"{text}\n\nBook:{named}".splitlines()


def functions_by_page(app: Sphinx) -> dict[str, list[str]]:
    """The public functions and classes that each page explains, by their full names."""
    if FUNCTIONS not in app.env.found_docs:
        return {}
    modules = re.findall(r"automodule:: (\S+)", Path(app.env.doc2path(FUNCTIONS)).read_text(encoding="utf-8"))
    found: dict[str, list[str]] = defaultdict(list)
    for module in map(importlib.import_module, modules):
        names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
        for name in names:
            each = getattr(module, name)
            if callable(each) and each.__module__.startswith(module.__name__):
                for page in pages_of(inspect.getdoc(each) or ""):
                    found[PAGES[page]].append(f"{module.__name__}.{name}")
    return found


def lead_back(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Name at the end of a page the functions whose docstrings name it."""
    if not hasattr(app, "functions_by_page"):
        app.functions_by_page = functions_by_page(app)  # type: ignore[attr-defined]
    names = app.functions_by_page.get(page, [])
    if not names:
        return
    target = relative_uri(app.builder.get_target_uri(page), app.builder.get_target_uri(FUNCTIONS))
    line = nodes.paragraph("", "In code: ", classes=["in-code"])
    for place, name in enumerate(names):
        link = nodes.reference("", "", nodes.literal("", name.removeprefix("ciutils.")), refuri=f"{target}#{name}")
        line += [nodes.Text(", "), link][place == 0 :]
    sections = list(doctree.findall(nodes.section))
    sections[0] += line


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of it to Sphinx."""
    app.connect("autodoc-process-docstring", link_pages)
    app.connect("doctree-resolved", lead_back)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

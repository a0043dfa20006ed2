"""Sphinx extension: what makes the built book light and quiet, and readable without scripts and without a network.

- Formulas become MathML, which browsers draw by themselves: no MathJax, no fonts.
- Pictures that notebooks hold move into files.
- The data that figures to play with carry in a notebook move into files of their own, one for each space and history,
  which `figures.js` loads when they are chosen; its script and style stand once in the book.
- Search finds text, not code, and of pages that stand twice the one that is to be read; its hits are sections.
- Copies of notebooks that readers download have no outputs. Nothing loads or names a script of another host.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from docutils.utils import new_document
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri
from sphinx.writers.html5 import HTML5Translator

_DATA = re.compile(r'<script type="application/json" data-name="(\w+)">(.*?)</script>', re.DOTALL)
_PICTURE = re.compile(r"data:image/(png|svg\+xml);base64,([\w+/=]{5000,})")
"""Not the small ones, of which a page has many."""
_SOURCE = re.compile(r'<details class="source".*?</details>', re.DOTALL)
"""Under each figure where it comes from, in the same words."""
_OWN = re.compile(r'<(script|style) data-book="figures">.*?</\1>', re.DOTALL)


def inline_formula(writer: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in text."""
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def formula(writer: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own line; one that is wider than the page scrolls."""
    writer.body.append(f'<div class="formula" tabindex="0">{convert(node.astext(), display="block")}</div>\n')
    raise nodes.SkipNode


def move_data(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Move the data of figures to play with out of a page into `_static/data`, and pictures into `_images`."""
    folder, images = Path(app.outdir) / "_static" / "data", Path(app.outdir) / "_images"

    def moved(picture: re.Match[str]) -> str:
        content = base64.b64decode(picture[2])
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{picture[1].partition('+')[0]}"
        images.mkdir(exist_ok=True)
        (images / name).write_bytes(content)
        return relative_uri(app.builder.get_target_uri(page), f"_images/{name}")

    for node in doctree.findall(nodes.raw):
        for name, content in _DATA.findall(node.astext()):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.js").write_text(f'takeFigureData("{name}",{content});\n', encoding="utf-8")
        node.children = [nodes.Text(_PICTURE.sub(moved, _OWN.sub("", _DATA.sub("", node.astext()))))]
        node.rawsource = node.astext()


def search_sections_of_text(app: Sphinx) -> None:
    """Take each page into the index of words, and each of its sections as a page of its own, "PAGE#ID", which
    `search.js` leads to; leave out code, where figures come from, and copies of chapters that run on digits."""
    index_page = app.builder.index_page

    def by_section(page: str, doctree: nodes.document, title: str) -> None:
        app.builder.indexer.prune = lambda _: None  # it would take sections out, which are no pages
        if page.endswith("-digits"):
            return
        text = doctree.deepcopy()
        for block in list(text.findall(nodes.literal_block)):
            block.parent.remove(block)
        for output in text.findall(nodes.raw):
            apart = _SOURCE.sub("", output.astext()).replace("<", " <")  # Sphinx joins words that tags part
            output.children = [nodes.Text(apart)]
        index_page(page, text, title)
        for section in list(text.findall(nodes.section))[1:]:  # the first is the page
            own = new_document("")
            own += section.deepcopy()
            for inner in list(own.findall(nodes.section))[1:]:
                inner.parent.remove(inner)
            index_page(f"{page}#{section['ids'][0]}", own, section.next_node(nodes.title).astext())

    app.builder.index_page = by_section


def drop_thebe(_: Sphinx, __: str, ___: str, context: dict[str, Any], ____: nodes.document | None) -> None:
    """Leave out the scripts that start kernels at another host; Jupyter Book adds them, twice, though they are off."""
    context["script_files"] = [each for each in context["script_files"] if "thebe" not in f"{each} {each.attributes}"]


def lighten(app: Sphinx, error: Exception | None) -> None:
    """Take the outputs out of the copies of notebooks, and leave out what no page loads."""
    if error:
        return
    built = Path(app.outdir)
    for path in [*built.glob("_static/**/*.map"), *built.glob("_static/locales/**/*.*")]:
        path.unlink()
    for path in built.glob("_sources/**/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
        nbformat.write(notebook, path)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect all of it to Sphinx."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("builder-inited", search_sections_of_text)
    app.connect("doctree-resolved", move_data, priority=900)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("build-finished", lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

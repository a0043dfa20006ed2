"""Sphinx extension: terms of the glossary and citations tell what they stand for under the pointer and on focus."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.transforms import BibliographyTransform

PAGES = ("book/glossary", "book/references")


def entries(app: Sphinx) -> dict[str, list[nodes.Node]]:
    """What each term and citation stands for, by its address in the book."""
    found: dict[str, list[nodes.Node]] = {}
    glossary, references = map(app.builder.get_target_uri, PAGES)
    if PAGES[0] in app.env.found_docs:
        for item in app.env.get_and_resolve_doctree(PAGES[0], app.builder).findall(nodes.definition_list_item):
            for term in item.findall(nodes.term):
                found |= {f"{glossary}#{id}": item[-1][0].children for id in term["ids"]}
    domain: Any = app.env.get_domain("cite")
    for citation in domain.citations:  # not from the page: each time that it is resolved, its entries grow
        anchors = domain.bibliographies[citation.bibliography_key].citation_nodes[citation.key]["ids"]
        said = BibliographyTransform.backend.paragraph(citation.formatted_entry).children
        found |= {f"{references}#{id}": said for id in anchors}
    return found


def add_tips(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Put beside each link to an entry what it says; `book.css` shows it when the link is pointed at, or focused."""
    if page in PAGES:
        return
    if not hasattr(app, "tips"):
        app.tips = entries(app)  # type: ignore[attr-defined]
    for link in list(doctree.findall(nodes.reference)):
        said = app.tips.get(_address(app, page, link.get("refuri", "")))
        if said:
            link.attributes.pop("reftitle", None)  # which browsers would show beside it
            tip = nodes.inline("", "", *(each.deepcopy() for each in said), classes=["tip"])
            link.parent.insert(link.parent.index(link) + 1, tip)


def call_citations_no_list(_: Sphinx, __: str, ___: str, context: dict[str, Any], ____: nodes.document | None) -> None:
    """Take from the bibliography the role of a list, whose items it calls otherwise."""
    context["body"] = context.get("body", "").replace('<div role="list" class="citation-list">', "<div>")


def _address(app: Sphinx, page: str, link: str) -> str:
    """Where a link of `page` leads, as seen from the book's root."""
    here = app.builder.get_target_uri(page).rpartition("/")[0]
    parts: list[str] = []
    for part in f"{here}/{link}".split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it to Sphinx."""
    app.connect("doctree-resolved", add_tips, priority=800)
    app.connect("html-page-context", call_citations_no_list)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

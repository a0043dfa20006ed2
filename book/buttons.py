"""Sphinx extension: buttons that lead from a page to its source and to a live copy, where the repository has a host.

`repository`, in `_config.yml`, is its address, such as https://github.com/NAME/REPOSITORY; empty, there
are no buttons. A chapter's source is the notebook that it was executed from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlparse

import yaml
from docutils import nodes
from sphinx.application import Sphinx

BINDER = "https://mybinder.org/v2"
HOSTS = {"github.com": ("blob", "gh"), "gitlab.com": ("-/blob", "gl")}
"""Of a host: where files stand below a repository, and what Binder calls it."""


def source_of(root: Path, page: str) -> str:
    """The file in the repository that a page is made of."""
    chapters = yaml.safe_load((root / "workflow" / "chapters.yaml").read_text(encoding="utf-8"))["chapters"]
    name = Path(page).name
    is_chapter = page.startswith("book/chapters/") and name in chapters
    return f"notebooks/{name.partition('-')[0]}.ipynb" if is_chapter else f"{page}.md"


def add_buttons(app: Sphinx, page: str, _: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Add the buttons to the head of a page that has a source."""
    repository = urlparse(app.config.repository.rstrip("/"))
    if not doctree or not repository.netloc:
        return
    if repository.netloc not in HOSTS:
        raise ValueError(f"repository = {app.config.repository!r}: give an address at {' or '.join(HOSTS)}")
    below, binder = HOSTS[repository.netloc]
    source, name = source_of(Path(app.srcdir), page), repository.path.strip("/")
    links = {"Source": ("fas fa-code", f"{repository.geturl()}/{below}/HEAD/{source}")}
    if source.startswith("notebooks/"):
        name = name if binder == "gh" else quote(name, safe="")
        links["Live, on Binder"] = ("fas fa-rocket", f"{BINDER}/{binder}/{name}/HEAD?labpath={quote(source)}")
    for text, (icon, url) in links.items():
        button = {"type": "link", "text": "", "tooltip": text, "icon": icon, "url": url, "label": text}
        context["header_buttons"].append(button)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect it to Sphinx."""
    app.add_config_value("repository", "", "html", str)
    app.connect("html-page-context", add_buttons, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

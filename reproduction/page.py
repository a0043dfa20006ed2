"""A notebook executed into one file that can be sent: HTML without scripts or pictures of other places."""

from __future__ import annotations

import html
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
import papermill
from myst_nb.core.variables import format_plain_text
from nbconvert import HTMLExporter

from ciutils import files
from reproduction.results import REPOSITORY

STYLES = REPOSITORY / "book" / "static" / "book.css"

_TOLD = re.compile(r"\{glue:text\}`([^`:]+):?([^`]*)`")

_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\.(?:md|ipynb)\)")
"""To another page, which is not sent."""

_FOLDED = re.compile(r"```\{dropdown\} (.*?)\n(.*?)\n```", re.DOTALL)
"""What Markdown of the book folds."""

_WARNING = re.compile(r"\w*Warning: (.*)")

_HIDDEN = {"scrapbook", "application/vnd.jupyter.widget-view+json"}
"""What a page cannot show: numbers told for its text, and widgets, which need a kernel."""

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
.anchor-link, .jp-Cell-inputCollapser, .jp-InputPrompt, .jp-OutputPrompt {{ display: none; }}
img {{ max-width: 100%; height: auto; }}
table.dataframe {{ border-collapse: collapse; font-size: 0.9em; display: block; overflow-x: auto; }}
table.dataframe tr + tr {{ border-top: 1px solid #ddd; }}
pre {{ white-space: pre-wrap; font-size: 0.8em; color: #555; }}
{style}</style>
<main>{body}</main>
</html>
"""


def write(path: Path, given: Mapping[str, str], file: Path) -> None:
    """Execute the notebook at `path` with the parameters `given`, as text, into the page `file`. Raises ValueError with
    what its execution ended with."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            executed = papermill.execute_notebook(
                path,
                f"{folder}/{path.name}",
                dict(given),
                kernel_name="python3",
                stdout_file=sys.stderr,  # what takes long says how long
                extra_arguments=["--IPKernelApp.log_level=ERROR"],  # else each start warns of its transport
            )
        except papermill.PapermillExecutionError as error:
            told = error.ename in ("ValueError", "FileNotFoundError")  # in one line; what else is raised needs its name
            raise ValueError(error.evalue if told else f"{error.ename}: {error.evalue}") from error
    files.save_text(rendered(executed), file)


def _noted(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What a cell warns of as notes, without the places in its code; other outputs as they are."""
    if output.get("name") != "stderr":
        return output
    notes = "".join(f"<p><b>Note:</b> {html.escape(each)}</p>" for each in _WARNING.findall(output.text))
    return nbformat.v4.new_output("display_data", {"text/html": notes})


def rendered(executed: nbformat.NotebookNode) -> str:
    """An executed notebook as a page: its text with the numbers that it told, and what it displays; no code."""
    told: dict[str, dict] = {}
    for cell in executed.cells:
        outputs = cell.get("outputs", [])
        told |= {each.metadata.scrapbook.name: each.data for each in outputs if "scrapbook" in each.get("metadata", {})}
        for output in outputs:
            if "image/png" in output.get("data", {}):
                output.metadata["image/png"] = {**output.metadata.get("image/png", {}), **cell.metadata.mystnb.image}
        progress = "remove-stdout" in cell.metadata.get("tags", [])
        cell["outputs"] = [
            _noted(each)
            for each in outputs
            if not _HIDDEN & {*each.get("data", {}), *each.get("metadata", {})}
            and not (progress and each.get("name") == "stdout")
        ]

    def value(role: re.Match) -> str:
        (plain,) = (text for kind, text in told[role[1]].items() if kind.endswith("text/plain"))
        text = format_plain_text(plain, role[2] or "s")
        return re.sub(r"[^\w\s]|_", lambda letter: f"&#{ord(letter[0])};", text)  # text, and no markup

    for cell in executed.cells:
        if cell.cell_type == "markdown":
            cell.source = _FOLDED.sub(r"**\1**\n\n\2", _LINK.sub(r"\1", _TOLD.sub(value, cell.source)))
            del cell["outputs"]
    title = executed.cells[0].source.splitlines()[0].lstrip("# ")
    body, _ = HTMLExporter(template_name="basic", exclude_input=True).from_notebook_node(executed)
    return _PAGE.format(title=html.escape(title), style=STYLES.read_text(encoding="utf-8"), body=body)

"""Show figures and tables in a notebook, each with a line on where its artifacts come from."""

from __future__ import annotations

import io
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython import display as ipython
from IPython.core.formatters import format_display_data
from IPython.display import HTML, SVG, Image
from matplotlib.figure import Figure

from ciutils import provenance
from ciutils.show import text

_GLUED = "application/papermill.record/"
"""Of what myst-nb reads from a page, and another page, by its name; see its `glue`, which takes Sphinx."""

LONGEST_WHOLE = 16
"""Characters of a table's longest entry up to which no entry is broken into lines."""


def display(shown: Figure | pd.DataFrame | HTML, *artifacts: xr.Dataset | xr.DataArray) -> Image | SVG | HTML:
    """Display a figure or a table in a notebook, and under it one line on where its `artifacts` come from: published
    ones, or anybody's own.

    Returns what was displayed, so that another page can show the same. A table's entries are text, whatever is in them;
    its index is shown unless it only counts rows. Book: every chapter.
    """
    if isinstance(shown, Figure):
        plt.close(shown)  # else the notebook shows it once more, below the line
        rendered: Image | SVG | HTML = picture(shown)
    elif isinstance(shown, HTML):
        rendered = shown
    else:
        # Browsers break lines at hyphens, so "anneal-lr" or "7e-08"; a table of short entries has room for them whole.
        whole = "whole-entries" if shown.astype(str).map(len).to_numpy().max(initial=0) <= LONGEST_WHOLE else None
        with pd.option_context("display.max_colwidth", None, "display.html.use_mathjax", False):
            rendered = HTML(
                shown.to_html(
                    index=not isinstance(shown.index, pd.RangeIndex), border=0, index_names=False, classes=whole
                )
            )
    ipython.display(rendered, source(*artifacts))
    return rendered


def source(*artifacts: xr.Dataset | xr.DataArray) -> HTML:
    """The line on where `artifacts` come from, folded."""
    told = text.in_page(provenance.line(*artifacts))
    return HTML(f'<details class="source"><summary>where from</summary>{told}</details>')


def picture(figure: Figure) -> Image | SVG:
    """A figure as PNG, or as SVG, drawn with the reader's own fonts, if none here has all of its characters.

    Book: every chapter.
    """
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph .* missing from font")
        try:
            figure.savefig(content, format="png", dpi=160)
            return Image(content.getvalue(), retina=True)
        except UserWarning:
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            content.seek(0)
            with plt.rc_context({"svg.fonttype": "none"}):
                figure.savefig(content, format="svg")
    return SVG(content.getvalue())


def tell(**values: object) -> None:
    """Keep numbers, texts and pictures under their names, for the text of this page and of others.

    Book: every chapter.
    """
    for name, value in values.items():
        shown, metadata = format_display_data(value.item() if isinstance(value, np.generic) else value)
        told = {f"{_GLUED}{kind}": content for kind, content in shown.items()}
        ipython.display(told, raw=True, metadata=metadata | {"scrapbook": {"name": name, "mime_prefix": _GLUED}})

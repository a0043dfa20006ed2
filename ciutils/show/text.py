"""What a user names is text: no markup in a page, no math and no template in a figure, whatever is in it."""

from __future__ import annotations

import base64
import html
import math
import textwrap

PLAIN = "mathjax_ignore tex2jax_ignore"
"""Classes of an element that MathJax leaves alone."""

WIDEST = 28
"""Characters of the longest line of a name in a figure."""


def in_page(text: object) -> str:
    """`text` for HTML, which MathJax leaves alone."""
    return f'<span class="{PLAIN}">{html.escape(str(text))}</span>'


def in_figure(text: object, widest: int = WIDEST) -> str:
    """`text` for matplotlib: its "$" begin no math, a first "_" does not keep it out of the legend, and it is broken
    into lines of at most `widest` characters."""
    lines = textwrap.wrap(
        str(text), widest, replace_whitespace=False, drop_whitespace=False, tabsize=1, break_on_hyphens=False
    )
    plain = "\n".join(lines).replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def brief(text: object, widest: int) -> str:
    """`text` for matplotlib in one line of at most `widest` characters: of longer text the beginning and the end, as
    "ankle b…laces", by which names that begin alike are still told apart."""
    plain = str(text)
    if len(plain) > widest:
        end = (widest - 1) // 2
        plain = f"{plain[: widest - 1 - end].rstrip()}…{plain[-end:].lstrip()}"
    return in_figure(plain, widest)


def address(content: bytes, kind: str = "png") -> str:
    """A picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def counted(count: int, noun: str) -> str:
    """So many of a thing: "1 epoch", "2 epochs"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def rounded(value: float) -> str:
    """`value` to three digits, without an exponent; what is nearer to 0 than 0.0005 is 0."""
    return "0" if abs(value) < 0.0005 else number(float(f"{value:.3g}"), ",.12g")


def number(value: float, form: str) -> str:
    """`value` in the format `form`, with a true minus sign and no sign before 0; "undefined" if it is not finite."""
    if not math.isfinite(value):
        return "undefined"
    told = format(value, form)
    return told.lstrip("+-") if not told.strip("+-0.,%") else told.replace("-", "−")

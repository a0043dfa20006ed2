"""What claims come to as a picture and as a table."""

from __future__ import annotations

import html
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reproduction.claims.answers import ANSWERS, FALLS, NOT_COMPARABLE, NOT_THERE, STANDS, UNDECIDED
from reproduction.claims.judging import CLAIMS, DEPENDS, primary
from reproduction.readings import CHOICES, SMALLEST

_KINDS = {
    "supported, or mostly": ("#1b7837", "✓", STANDS),
    "contradicted, or mostly": ("#b35806", "✗", FALLS),
    "mixed": ("#8073ac", "≈", ("mixed",)),
    DEPENDS: ("#2166ac", "⇄", (DEPENDS,)),
    "undecided": ("#6b6b6b", "?", (UNDECIDED,)),
    "nothing to compare": ("#9e9e9e", "–", (NOT_COMPARABLE, NOT_THERE)),
}
"""Colour, sign and what a claim may come to; told apart by colour-blind readers, and on a dark page."""
_STYLES = {name: (colour, sign) for colour, sign, names in _KINDS.values() for name in names}

EARLIER = Path(__file__).with_name("earlier.csv")


def earlier() -> pd.DataFrame:
    """What an earlier form of the rules came to: verdict, and why the rule was changed, by claim. A record."""
    return pd.read_csv(EARLIER, comment="#", index_col="claim")


def verdicts(comes_to: pd.Series) -> tuple[Figure, Axes]:
    """What each claim comes to, at a glance: a tile each, a row for each chapter that shows it.

    comes_to: by the claim's id, as from `headline`. Book: page *Which claims hold?*
    """
    rows: dict[str, list[str]] = {}
    for id in comes_to.index:
        rows.setdefault(CLAIMS[id].page.split("#")[0], []).append(id)
    longest = max(map(len, rows.values()))
    figure, ax = plt.subplots(figsize=(0.72 * longest + 2.2, 0.75 * len(rows) + 1.2), layout="constrained")
    for row, (chapter, members) in enumerate(rows.items()):
        ax.text(-0.7, row, chapter.replace("_", " "), ha="right", va="center", fontsize=10)
        for column, id in enumerate(members):
            colour, sign = _STYLES[comes_to[id]]
            ax.add_patch(Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, color=colour))
            ax.text(column, row, f"{id}\n{sign}", ha="center", va="center", color="white", fontsize=10)
    ax.set(xlim=(-0.6, longest - 0.4), ylim=(len(rows) - 0.4, -0.6), aspect="equal")
    ax.axis("off")
    handles = [
        Rectangle((0, 0), 1, 1, color=colour, label=f"{sign} {name}") for name, (colour, sign, _) in _KINDS.items()
    ]
    ax.legend(handles=handles, ncols=3, loc="upper center", bbox_to_anchor=(0.4, 0), frameon=False, fontsize=9)
    return figure, ax


def claims_table(parts: pd.DataFrame, comes_to: pd.Series, over: pd.Series, suffix: str) -> HTML:
    """Every claim with what the paper prints and what it comes to; unfolded, the parts in the primary readings, the
    rule, and what an earlier rule gave.

    parts, comes_to, over: as from `judged`, `headline` and `depends`. suffix: of the pages that the claims link to, as
    "cifar10" for cctm-cifar10.html. Book: page *Which claims hold?*
    """
    rows, suffix, rested, before = [], html.escape(suffix), primary(parts), earlier()
    for id, found in comes_to.items():
        claim, (colour, sign) = CLAIMS[id], _STYLES[found]
        notebook, section = claim.page.split("#")
        mine = rested[rested["claim"] == id]
        counts = mine["answer"].value_counts()
        counted = ", ".join(f"{counts[name]} {name}" for name in (*ANSWERS, NOT_THERE) if name in counts)
        shown = "".join(f"<li>{html.escape(told(part))}</li>" for _, part in mine.iterrows())
        rows.append(
            f'<tr id="{id}"><td><a href="{notebook}-{suffix}.html#{section}">{id}</a></td>'
            f"<td>{html.escape(claim.statement)}<br><small>The paper: {html.escape(claim.printed)}</small></td>"
            f'<td><span style="color:{colour}">{sign} {found}</span><br><small>{over.get(id, "")}</small>'
            f"<details><summary>{counted}</summary><ul>{shown}</ul>"
            f"<small>Rule: {html.escape(claim.rule)}.<br>Earlier: {before.loc[id, 'verdict']}. "
            f"{html.escape(before.loc[id, 'change'])}</small></details></td></tr>"
        )
    head = "<tr><th></th><th>claim</th><th>comes to</th></tr>"
    return HTML(f'<table class="claims"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>')


def told(part: pd.Series) -> str:
    """One row of `judged` as text."""
    reading = ", ".join(str(part[name]) for name in CHOICES if name == "batch_norm" and part[name])
    what = f"{part['what']}{f' ({reading})' if reading else ''}: {part['answer']}"
    if part["answer"] == NOT_THERE:
        return what
    smallest = SMALLEST[part["smallest"]]
    ends = " to ".join("any" if abs(end) == float("inf") else f"{end:.3g}" for end in (part["low"], part["high"]))
    known = f"{part['value']:.3g} ({ends})" if part["value"] == part["value"] else ends
    held = f"held against {'±' * smallest.within}{smallest.value:.3g}"
    seeds = f", {part['seeds']} seeds" if part["seeds"] > 1 else ""
    return f"{what}; {known} {smallest.unit}, {held}{seeds}" + (f"; {part['note']}" if part["note"] else "")

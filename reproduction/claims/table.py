"""Verdicts as a picture and as a table."""

from __future__ import annotations

import html
from collections.abc import Sequence

import matplotlib.pyplot as plt
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reproduction.claims.judging import Judgement

_VERDICT_STYLES = {
    "reproduced": ("#1b7837", "✓"),
    "partly": ("#8073ac", "≈"),
    "not reproduced": ("#b35806", "✗"),
    "not testable here": ("#9e9e9e", "–"),
}
"""Colour and sign of each verdict; told apart by colour-blind readers, and on a dark page."""


def verdicts(judgements: Sequence[Judgement]) -> tuple[Figure, Axes]:
    """The verdict on every claim at a glance: a tile each, a row for each chapter that shows it.

    Book: chapter *Claims*.
    """
    rows: dict[str, list[Judgement]] = {}
    for each in judgements:
        rows.setdefault(each.claim.page.split("#")[0], []).append(each)
    longest = max(map(len, rows.values()))
    figure, ax = plt.subplots(figsize=(0.72 * longest + 2.2, 0.75 * len(rows) + 0.9), layout="constrained")
    for row, (chapter, members) in enumerate(rows.items()):
        ax.text(-0.7, row, chapter.replace("_", " "), ha="right", va="center", fontsize=10)
        for column, each in enumerate(members):
            colour, sign = _VERDICT_STYLES[each.verdict]
            ax.add_patch(Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, color=colour))
            ax.text(column, row, f"{each.claim.id}\n{sign}", ha="center", va="center", color="white", fontsize=10)
    ax.set(xlim=(-0.6, longest - 0.4), ylim=(len(rows) - 0.4, -0.6), aspect="equal")
    ax.axis("off")
    handles = [
        Rectangle((0, 0), 1, 1, color=colour, label=f"{sign} {name}")
        for name, (colour, sign) in _VERDICT_STYLES.items()
    ]
    ax.legend(handles=handles, ncols=4, loc="upper center", bbox_to_anchor=(0.4, 0), frameon=False, fontsize=9)
    return figure, ax


def claims_table(judgements: Sequence[Judgement], suffix: str) -> HTML:
    """Every claim with what the paper prints, the verdict, and, unfolded, the parts it rests on and the rule.

    suffix: of the pages that the claims link to, such as "cifar10" for cctm-cifar10.html. Book: chapter *Claims*.
    """
    rows, suffix = [], html.escape(suffix)
    for each in judgements:
        claim, (colour, sign) = each.claim, _VERDICT_STYLES[each.verdict]
        notebook, section = claim.page.split("#")
        held, missing = (sum(part.holds is what for part in each.parts) for what in (True, None))
        summary = f"{held} of {len(each.parts)} parts hold" + (f", {missing} not published" if missing else "")
        parts = "".join(
            f"<li>{_PART_SIGNS[part.holds]} {html.escape(part.what)}"
            + "".join(f"; {html.escape(str(number))}" for number in part.numbers)
            + ("; not published" if part.holds is None else "")
            + "</li>"
            for part in each.parts
        )
        rows.append(
            f'<tr id="{claim.id}"><td><a href="{notebook}-{suffix}.html#{section}">{claim.id}</a></td>'
            f"<td>{html.escape(claim.statement)}<br><small>The paper: {html.escape(claim.printed)}</small></td>"
            f'<td><span style="color:{colour};white-space:nowrap">{sign} {each.verdict}</span>'
            f"<details><summary>{summary}</summary><ul>{parts}</ul>"
            f"<small>Rule: {html.escape(claim.rule)}.</small></details></td></tr>"
        )
    head = "<tr><th></th><th>claim</th><th>verdict</th></tr>"
    return HTML(f'<table class="claims"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>')


_PART_SIGNS = {True: "✓", False: "✗", None: "–"}

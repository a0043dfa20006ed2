"""What claims come to as tiles and as a table."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from ciutils.show.text import number, rounded
from reproduction.claims.answers import ANSWERS, FALLS, NOT_COMPARABLE, NOT_THERE, STANDS, UNDECIDED, summary
from reproduction.claims.evidence import PAIRS, SPACE_NETWORKS, Evidence
from reproduction.claims.judging import CLAIMS, DEPENDS, by_reading, primary
from reproduction.readings import CHOICES, SMALLEST, Reading
from reproduction.runs import in_print, profile

_KINDS = {
    "supported, or mostly": ("#1b7837", "✓", STANDS),
    "contradicted, or mostly": ("#b35806", "✗", FALLS),
    "mixed": ("#6a51a3", "≈", ("mixed",)),
    DEPENDS: ("#2166ac", "⇄", (DEPENDS,)),
    "undecided": ("#565656", "?", (UNDECIDED,)),
    "nothing to compare": ("#757575", "–", (NOT_COMPARABLE, NOT_THERE)),
}
"""Colour under white text, sign and what a claim may come to; told apart by colour-blind readers too."""
_STYLES = {name: (colour, sign) for colour, sign, names in _KINDS.values() for name in names}

_CHAPTERS = {
    "cctm": "the CCTM",
    "sharpness": "flat or sharp",
    "classwise_losses": "class-wise losses",
    "label_dancing": "label dancing",
}
"""What the book's readers call the notebooks."""

EARLIER = Path(__file__).with_name("earlier.csv")


def earlier() -> pd.DataFrame:
    """What an earlier form of the rules came to: verdict, and why the rule was changed, by claim. A record."""
    return pd.read_csv(EARLIER, comment="#", index_col="claim")


def tiles(comes_to: pd.Series, over: pd.Series, page: str = "") -> HTML:
    """What each claim comes to, at a glance: a tile each, which leads to the claim; a row for each chapter of theirs.

    comes_to, over: by the claim's id, as from `headline` and `depends`. A tile with an edge is of a claim that another
    choice turns. page: that with the claims, as seen from where the tiles stand. Book: *Which claims hold?*
    """
    rows: dict[str, str] = {}
    for id, found in comes_to.items():
        colour, sign = _STYLES[found]
        chapter = _CHAPTERS[CLAIMS[id].page.split("#")[0]]
        turned = over.get(id, "").startswith("depends")
        also, kind = (f"; {over[id]}", ' class="turned"') if turned else ("", "")
        told = html.escape(f"{id}, {found}{also}: {CLAIMS[id].statement}")
        tile = f'<a{kind} href="{html.escape(page)}#{id}" style="background:{colour}" title="{told}">{id} {sign}</a>'
        rows[chapter] = rows.get(chapter, "") + tile
    legend = "".join(
        f'<span><b style="background:{colour}">{sign}</b> {name}</span>'
        for name, (colour, sign, kinds) in _KINDS.items()
        if comes_to.isin(kinds).any()
    )
    if over.str.startswith("depends").any():
        legend += '<span><b class="turned">&nbsp;</b> turns on a choice that the paper leaves open</span>'
    listed = "".join(f"<dt>{chapter}</dt><dd>{row}</dd>" for chapter, row in rows.items())
    return HTML(f'<div class="tiles"><dl>{listed}</dl><p>{legend}</p></div>')


def claims_table(parts: pd.DataFrame, comes_to: pd.Series, over: pd.Series, suffix: str) -> HTML:
    """Every claim with what the paper prints and what it comes to; unfolded, as by a link to it, the parts in the
    primary readings, the rule, and what an earlier rule gave.

    parts, comes_to, over: as from `judged`, `headline` and `depends`. suffix: of the pages that the claims link to, as
    "cifar10" for cctm-cifar10.html. Book: *Which claims hold?*
    """
    rows, suffix, rested, before = [], html.escape(suffix), primary(parts), earlier()
    for id, found in comes_to.items():
        claim, (colour, sign) = CLAIMS[id], _STYLES[found]
        notebook, section = claim.page.split("#")
        mine = rested[rested["claim"] == id]
        counts = mine["answer"].value_counts()
        counted = ", ".join(f"{counts[name]} {name}" for name in (*ANSWERS, NOT_THERE) if name in counts)
        counted += "; half of what is judged, or more, is undecided" * (found == UNDECIDED)
        shown = "".join(f"<li>{html.escape(told(part))}</li>" for _, part in mine.iterrows())
        lacking = "".join(f"<br>{html.escape(line)}" for line in unmeasured(mine))
        rows.append(
            f'<tr><td><a href="{notebook}-{suffix}.html#{section}">{id}</a></td>'
            f"<td>{html.escape(claim.statement)}<br><small>The paper: {html.escape(claim.printed)}</small></td>"
            f'<td><span class="verdict" style="background:{colour}">{sign} {found}</span><br>'
            f"<small>{over.get(id, '')}{lacking}</small></td></tr>"
            f'<tr class="parts"><td></td><td colspan="2">'
            f"<details><summary>{counted}</summary><ul id={id}>{shown}</ul>"
            f"<small>Rule: {html.escape(claim.rule)}.<br>By the earlier rules: {before.loc[id, 'verdict']}. "
            f"What was changed: {html.escape(before.loc[id, 'change'])}</small></details></td></tr>"
        )
    head = "<tr><th></th><th>claim</th><th>comes to</th></tr>"
    return HTML(f'<table class="claims"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>')


def unmeasured(rested: pd.DataFrame) -> list[str]:
    """A line for each reading of batch-norm in which nobody has made what some parts of a claim need."""
    there = rested["answer"] != NOT_THERE
    return [
        f"with {reading} statistics {found.sum() or 'none'} of its {len(found)} parts measured"
        for reading, found in there.groupby(rested["batch_norm"])
        if reading and not found.all()
    ]


def not_made(shown: Mapping[str, Evidence], sizes: Mapping[str, str]) -> list[str]:
    """What claims need and nobody has made: sentences on the trainings of each profile, and on the planes around those
    networks that are trained. shown: evidence by the number of epochs; sizes: the profile's name by it."""
    lines = []
    for epochs, size in sizes.items():
        there = shown.get(epochs, Evidence())
        setups = profile(size).setups
        gone = {name: [each for each in of if (name, each) not in there.histories] for name, of in setups.items()}
        told = "; ".join(f"{in_print(name)} {', '.join(of)}" for name, of in gone.items() if of)
        if told:
            lines.append(f"Not trained yet over {epochs} epochs: {told}.")
        trained = [key for key in there.histories if key[0] in SPACE_NETWORKS]
        ranges = CHOICES["range"].readings
        known = []
        for name in CHOICES["batch_norm"].readings:
            every = list(product(trained, PAIRS, (Reading(batch_norm=name, range=each) for each in ranges)))
            found = sum(there.space(*key, pair, reading) is not None for key, pair, reading in every)
            known.append(f"{found} of {len(every)} {name}")
        if trained:
            lines.append(
                f"Of the planes that claims are judged on, around the {len(trained)} networks of {epochs} epochs, "
                f"there are {' and '.join(known)}; the inner third of a plane counts as one of a third of its range."
            )
    return lines


def batch_norm_table(parts: pd.DataFrame) -> pd.DataFrame:
    """The two readings of batch-norm beside each other: a row for each part that both can judge, in the primary
    readings, and answer differently, and below those of a claim what all its parts add up to. parts: as from
    `judged`."""
    rested = primary(parts)
    rested = rested[(rested["answer"] != NOT_THERE) & (rested["batch_norm"] != "")]
    names, rows = CHOICES["batch_norm"].readings, []
    for id, mine in rested.groupby("claim"):
        answers = mine.pivot(index="what", columns="batch_norm", values="answer").reindex(columns=names).dropna()
        if (answers[names[0]] == answers[names[1]]).all():
            continue
        differing = answers.index[answers[names[0]] != answers[names[1]]]
        for what, each in mine[mine["what"].isin(differing)].groupby("what", sort=False):
            said = each.set_index("batch_norm").loc[list(names)]
            rows.append([id, in_words(what), *(f"{row['answer']}; {_effect(row)}" for _, row in said.iterrows())])
        rows.append([id, "together", *(summary(answers[name]) for name in names)])
    return pd.DataFrame(rows, columns=["claim", "part", *names])


def choices_table(parts: pd.DataFrame) -> pd.DataFrame:
    """How many parts of each claim are supported, contradicted and undecided in each reading of each choice, over all
    readings of the other choices; each claim and choice is named once. parts: as from `judged`."""
    rows = by_reading(parts)
    rows["choice"] = rows["choice"].str.replace("_", "-").mask(rows.duplicated(["claim", "choice"]), "")
    rows["claim"] = rows["claim"].mask(rows.duplicated("claim"), "")
    return rows[["claim", "choice", "reading", *(name for name in ANSWERS if name != NOT_COMPARABLE)]]


def told(part: pd.Series) -> str:
    """One row of `judged` as text."""
    trained = "" if part["smallest"] == "identity" else f"{part['epochs']} epochs"  # which no training decides
    reading = ", ".join(filter(None, (trained, part["batch_norm"])))
    what = f"{in_words(part['what'])}{f' ({reading})' if reading else ''}: {part['answer']}"
    if part["answer"] == NOT_THERE:
        return what
    smallest = SMALLEST[part["smallest"]]
    held = f"held against {'±' * smallest.within}{number(smallest.value, '.3g')}"
    seeds = f", {part['seeds']} seeds" if part["seeds"] > 1 else ""
    return f"{what}; {_effect(part)}, {held}{seeds}" + (f"; {part['note']}" if part["note"] else "")


def in_words(what: str) -> str:
    """What a part is about, its networks as papers print their names."""
    return re.sub(r"[\w-]+", lambda word: in_print(word[0]), what)


def _effect(part: pd.Series) -> str:
    """The effect of one row of `judged` with its interval and unit."""
    unit = SMALLEST[part["smallest"]].unit
    ends = _between(part["low"], part["high"], lowest=0 if unit == "times" else -math.inf)
    if part["value"] == part["value"]:
        return f"{rounded(part['value'])} ({ends}) {unit}".strip()
    return ends if ends == ANYTHING else f"{ends} {unit}".strip()


ANYTHING = "it may be anything"


def _between(low: float, high: float, lowest: float) -> str:
    """An interval as text, which may have no end. lowest: what no number of this kind is below."""
    if low <= lowest and math.isinf(high):
        return ANYTHING
    if math.isinf(low) or math.isinf(high):
        return f"at most {rounded(high)}" if math.isinf(low) else f"at least {rounded(low)}"
    return f"{rounded(low)} to {rounded(high)}"

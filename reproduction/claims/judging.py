"""Claims, and their parts judged in every reading that concerns them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import pandas as pd

from reproduction.claims.answers import (
    ANSWERS,
    CONTRADICTED,
    FEWEST_SEEDS,
    NOT_THERE,
    SUPPORTED,
    UNKNOWN,
    Part,
    over_seeds,
    side,
    summary,
)
from reproduction.claims.evidence import Evidence
from reproduction.readings import CHOICES, Reading, over

Rule = Callable[[Evidence, Reading], list[Part]]


@dataclass(frozen=True)
class Claim:
    """statement: what the paper says. printed: its numbers. rule: how it is judged here. page: notebook#section that
    shows it. concerned: the choices of `CHOICES` whose readings it is judged in, beside epochs. parts: the rule as
    code."""

    id: str
    statement: str
    printed: str
    rule: str
    page: str
    concerned: tuple[str, ...]
    parts: Rule


CLAIMS: dict[str, Claim] = {}

DEPENDS = "depends on batch-norm"
"""What a claim comes to where its two readings, which have equal standing, disagree."""


def claim(
    id: str, statement: str, page: str, *concerned: str, printed: str = "a figure only"
) -> Callable[[Rule], Rule]:
    """Register a claim: the decorated function is its rule, as code, and its docstring is the rule's text."""

    def register(rule: Rule) -> Rule:
        text = inspect.getdoc(rule)
        assert text, "a rule has a docstring"
        CLAIMS[id] = Claim(id, statement, printed, " ".join(text.split()), page, concerned, rule)
        return rule

    return register


def judged(
    shown: Mapping[str, Evidence], seeded: Mapping[str, Sequence[Evidence]] | None = None, ids: Sequence[str] = ()
) -> pd.DataFrame:
    """Every part of every claim, or of those with `ids`, in every reading: one row each.

    shown: evidence by the number of epochs, as text. seeded: the same trainings with several seeds; a part that three
    of them or more can judge is judged on their mean. Columns: claim, what, epochs and the other choices ("" where they
    do not concern the claim, or the part), answer, value, low, high (NaN where artifacts are missing), smallest, note,
    seeds.
    """
    rows = []
    for epochs, evidence in shown.items():
        several = (seeded or {}).get(epochs, ())
        for id in ids or sorted(CLAIMS):
            each = CLAIMS[id]
            for number, reading in enumerate(over(each.concerned)):
                chosen = {name: value if name in each.concerned else "" for name, value in asdict(reading).items()}
                again = [each.parts(trained, reading) for trained in several]
                for place, part in enumerate(each.parts(evidence, reading)):
                    if part.everywhere and number:  # judged in the first
                        continue
                    effects = [found[place].effect for found in again]
                    known = [effect for effect in effects if effect is not None]
                    seeds = len(known) if len(known) >= FEWEST_SEEDS else 1
                    final = replace(part, effect=over_seeds(known), note="") if seeds > 1 else part
                    told = {"what": part.what, "answer": final.answer, "smallest": part.smallest, "note": final.note}
                    named = dict.fromkeys(chosen, "") if part.everywhere else chosen
                    row = {"claim": id, "epochs": epochs} | named | told | asdict(final.effect or UNKNOWN)
                    rows.append(row | {"seeds": seeds})
    return pd.DataFrame(rows)


def primary(parts: pd.DataFrame) -> pd.DataFrame:
    """The rows of the primary readings; of a part that no training of the primary number of epochs can judge those of
    the trainings that can."""
    kept = pd.Series(True, parts.index)
    for name, choice in CHOICES.items():
        if name != "epochs":
            kept &= parts[name].isin(["", *choice.primary])
    rows = parts[kept]
    part = ["claim", "what", *(name for name in CHOICES if name != "epochs")]
    later, missing = ~rows["epochs"].isin(CHOICES["epochs"].primary), rows["answer"] == NOT_THERE
    place = later + 2 * missing
    return rows[place == place.groupby([rows[name] for name in part]).transform("min")]


def headline(parts: pd.DataFrame) -> pd.Series:
    """What each claim comes to in the primary readings: one of `SUMMARIES`, or `DEPENDS` where the two of batch-norm
    disagree."""
    rows = primary(parts)
    rows = rows[rows["answer"] != NOT_THERE]
    found = {}
    for id in sorted(CLAIMS):
        mine = rows[rows["claim"] == id]
        one, *others = _answers(mine, ["batch_norm"]).values() or [mine["answer"]]
        found[id] = DEPENDS if any(_disagree(one, other) for other in others) else summary(mine["answer"])
    return pd.Series(found, name="comes to").rename_axis("claim")


def judged_in_both(parts: pd.DataFrame) -> list[str]:
    """The claims of which both readings of batch-norm judge a part, the same one: those that can depend on it."""
    rows = primary(parts)
    rows = rows[(rows["answer"] != NOT_THERE) & (rows["batch_norm"] != "")]
    both = rows.groupby(["claim", "what"])["batch_norm"].nunique() > 1
    return sorted(both[both].index.unique("claim"))


def by_reading(parts: pd.DataFrame) -> pd.DataFrame:
    """How the parts of each claim fare by each choice that concerns it: one row for each claim, choice and reading,
    over all readings of the other choices, with the number of each answer and what they come to."""
    there = parts[parts["answer"] != NOT_THERE]
    rows = []
    for name in CHOICES:
        concerned = there[there[name] != ""]
        for (id, reading), found in concerned.groupby(["claim", name])["answer"]:
            row = {"claim": id, "choice": name, "reading": reading, "comes to": summary(found)}
            rows.append(row | {each: int((found == each).sum()) for each in ANSWERS})
    return pd.DataFrame(rows).sort_values(["claim", "choice"], kind="stable", ignore_index=True)


def depends(parts: pd.DataFrame) -> pd.Series:
    """For each claim "holds in every reading measured", "falls in every reading measured", "holds in no reading
    measured";
    or, where it holds in some, "depends on ..." with the choices of which a change alone, all others as they are, makes
    two readings disagree, and "holds in some readings measured" where none do."""
    there, names = parts[parts["answer"] != NOT_THERE], list(CHOICES)
    found = {}
    for id, mine in there.groupby("claim"):
        answers = _answers(mine, names)
        changes = [
            [name for name, one, other in zip(names, first, second, strict=True) if one != other]
            for first, second in combinations(answers, 2)
            if _disagree(answers[first], answers[second])
        ]
        alone = [name.replace("_", "-") for name in names if [name] in changes]
        sides = {side(summary(each)) for each in answers.values()}
        if sides == {"stands"}:
            found[id] = HOLDS
        elif "stands" in sides:
            turns = f"depends on {', '.join(alone) or 'several choices at once'}"
            found[id] = turns if changes else HOLDS_IN_SOME
        else:
            found[id] = FALLS_ALWAYS if sides == {"falls"} else NEVER_HOLDS
    return pd.Series(found, name="over readings").rename_axis("claim")


HOLDS, FALLS_ALWAYS = "holds in every reading measured", "falls in every reading measured"
HOLDS_IN_SOME, NEVER_HOLDS = "holds in some readings measured", "holds in no reading measured"


def _answers(rows: pd.DataFrame, choices: list[str]) -> dict[tuple[str, ...], pd.Series]:
    """The answers to each part, by what it says, in each reading of `choices`: with those of the same trainings that
    none of these concerns, unless that is all of them."""
    apart = (rows[[name for name in choices if name != "epochs"]] != "").any(axis=1)
    apart |= not apart.any()
    found = {}
    for key, each in rows[apart].groupby(choices):
        everywhere = rows[~apart & rows["epochs"].isin(each["epochs"])]
        found[key] = pd.concat([each, everywhere]).set_index("what")["answer"]
    return found


def _disagree(one: pd.Series, other: pd.Series) -> bool:
    """Whether, by the parts that both can judge, two readings differ on whether a claim stands, falls or is open, and
    one supports a part that the other contradicts: what is undecided speaks against no answer."""
    both = one.index.intersection(other.index)
    opposite = any({*pair} == {SUPPORTED, CONTRADICTED} for pair in zip(one[both], other[both], strict=True))
    return opposite and side(summary(one[both])) != side(summary(other[both]))

"""Claims, and verdicts added up from their parts.

A claim consists of parts, each of which holds, fails, or lacks its data. A difference holds only beyond its
uncertainty: what cannot be told apart does not hold.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import xarray as xr

VERDICTS = ("reproduced", "partly", "not reproduced", "not testable here")


@dataclass(frozen=True)
class Evidence:
    """The artifacts that claims are judged on; what is missing is simply not there.

    histories: by (network, setup). spaces: by (network, setup, pair), on the paper's ratios of sigma (Figures 2 to 4).
    classwise: by pair, of the annealed VGG19 (Figure 5). counts: how the histories' epochs are counted for the claims
    on training, one of `counts.COUNTS`.
    """

    histories: Mapping[tuple[str, str], xr.Dataset] = field(default_factory=dict)
    spaces: Mapping[tuple[str, str, str], xr.Dataset] = field(default_factory=dict)
    classwise: Mapping[str, xr.Dataset] = field(default_factory=dict)
    counts: str = "running_counts"


@dataclass(frozen=True)
class Number:
    """A number that a part rests on, in `unit`, NaN if it cannot be known, with its 95% interval (NaN: has none)."""

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    unit: str = ""

    def __str__(self) -> str:
        known = math.isfinite(self.low + self.high) and self.low < self.high
        interval = f" ({self.low:.3g} to {self.high:.3g})" if known else ""
        value = "not known" if math.isnan(self.value) else f"{self.value:.3g}{self.unit}"
        return f"{self.name} {value}{interval}".strip()


@dataclass(frozen=True)
class Part:
    """One thing that a claim says. holds is None where its artifacts are missing."""

    what: str
    holds: bool | None
    numbers: tuple[Number, ...] = ()


Parts = Callable[[Evidence], list[Part]]


Artifact = xr.DataArray | xr.Dataset


@dataclass(frozen=True)
class Claim:
    """statement: what the paper says. printed: its numbers. rule: how it is judged here.
    page: notebook#section that shows it. parts: the rule as code."""

    id: str
    statement: str
    printed: str
    rule: str
    page: str
    parts: Parts


@dataclass(frozen=True)
class Judgement:
    """A claim with its verdict, one of `VERDICTS`, and the parts that it was added up from."""

    claim: Claim
    verdict: str
    parts: tuple[Part, ...]


CLAIMS: dict[str, Claim] = {}


def judge(judged: Claim, evidence: Evidence) -> Judgement:
    """The claim's verdict: "reproduced" if all parts hold, "not reproduced" if none does, "partly" if some do, and
    "not testable here" if no part has its data. A missing part keeps a claim from being reproduced in full."""
    parts = tuple(judged.parts(evidence))
    known = [part.holds for part in parts if part.holds is not None]
    if not known:
        verdict = "not testable here"
    elif not any(known):
        verdict = "not reproduced"
    else:
        verdict = "reproduced" if all(known) and len(known) == len(parts) else "partly"
    return Judgement(judged, verdict, parts)


def judge_all(evidence: Evidence) -> list[Judgement]:
    """Every claim, in the order of their numbers."""
    return [judge(CLAIMS[id], evidence) for id in sorted(CLAIMS)]


def claim(
    id: str, statement: str, printed: str, page: str, on: Callable[[Callable], Parts] = lambda parts: parts
) -> Callable[[Callable], Callable]:
    """Register a claim: the decorated function is its rule, as code, and its docstring is the rule's text.

    `on` says what the rule looks at, one artifact at a time; by default at all evidence.
    """

    def register(rule: Callable) -> Callable:
        text = inspect.getdoc(rule)
        assert text, "a rule has a docstring"
        CLAIMS[id] = Claim(id, statement, printed, " ".join(text.split()), page, on(rule))
        return rule

    return register

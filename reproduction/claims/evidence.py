"""What rules look at: the artifacts of a profile, one or more at a time."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from ciutils import checks
from reproduction import chapters
from reproduction.claims.judging import Artifact, Evidence, Number, Part, Parts
from reproduction.results import Results
from reproduction.runs import PROFILES

DATASET = "cifar10"
"""Whose images the paper's claims are about."""

NETWORKS = ("vgg19", "resnet18", "googlenet", "dla", "simple-dla")
"""The paper's four networks; which form of DLA it shows is unclear, so a claim on all networks is held to both."""

SPACE_NETWORKS = ("vgg19", "resnet18")

PAIRS = ("cat-dog", "truck-car", "horse-ship")


def each_network(rule: Callable[[xr.DataArray], tuple[bool, list[Number]]]) -> Parts:
    """The last test counts of each annealed network."""

    return lambda evidence: [part_of(network, rule, last_counts(evidence, network)) for network in NETWORKS]


def each_space(setup: str, pair: str) -> Callable[[Callable[[xr.Dataset], tuple[bool, list[Number]]]], Parts]:
    """The space of a pair, of each network trained with a setup."""

    def on(rule: Callable[[xr.Dataset], tuple[bool, list[Number]]]) -> Parts:
        return lambda evidence: [
            part_of(network, rule, evidence.spaces.get((network, setup, pair))) for network in SPACE_NETWORKS
        ]

    return on


def classwise_space(pair: str) -> Callable[[Callable[[xr.Dataset], list[Part]]], Parts]:
    """The annealed VGG19's space of a pair."""

    def on(rule: Callable[[xr.Dataset], list[Part]]) -> Parts:
        missing = [Part(f"the space of {pair}", None)]
        return lambda evidence: rule(evidence.classwise[pair]) if pair in evidence.classwise else missing

    return on


def training_history(rule: Callable[[xr.Dataset, str], list[Part]]) -> Parts:
    """The annealed VGG19's history."""

    def parts(evidence: Evidence) -> list[Part]:
        history = evidence.histories.get(("vgg19", "anneal-lr"))
        if history is None or evidence.counts not in history:
            return [Part("vgg19's history", None)]
        return rule(history, evidence.counts)

    return parts


def part_of(what: str, rule: Callable[..., tuple[bool, list[Number]]], *artifacts: Artifact | None) -> Part:
    """What `rule` says of the artifacts; nothing if one of them is missing."""
    if any(artifact is None for artifact in artifacts):
        return Part(what, None)
    holds, numbers = rule(*artifacts)
    return Part(what, bool(holds), tuple(numbers))


def last_counts(evidence: Evidence, network: str, setup: str = "anneal-lr") -> xr.DataArray | None:
    """The last test counts of a network; None if they are not there."""
    history = evidence.histories.get((network, setup))
    return None if history is None else history["test_counts"].isel(epoch=-1)


def gather(size: str, results: Results, images: int = 0, **changes: object) -> Evidence:
    """The artifacts of the profile called `size` that are in the store; nothing is computed.

    images: training images of the planes' points and of the search for half sides; 0 means the profile's two numbers.
    changes: other parameters of the chapters, such as seed.
    """
    fitting = [name for name, each in PROFILES.items() if each.dataset == DATASET]
    if checks.one_of(size, PROFILES, "profile") not in fitting:
        raise ValueError(f"profile = {size!r}: the claims are about {DATASET}; choose from {', '.join(fitting)}")
    given = {"profile": size, "images": images, "network": "vgg19"} | changes

    def wants(chapter: str) -> list[chapters.Want]:
        return chapters.wants(chapter, chapters.taken(chapter, given))

    listed = [*wants("cctm"), *wants("sharpness")]
    histories = chapters.fetch(listed, "history", results.loading, lenient=True)
    spaces = chapters.fetch(listed, "space", results.loading, lenient=True)
    classwise = chapters.fetch(wants("classwise_losses"), "space", results.loading, lenient=True)
    return Evidence(
        histories,
        {(*run, PAIRS[place]): space for (*run, place), space in spaces.items() if isinstance(place, int)},
        {PAIRS[place]: space for (*_, place), space in classwise.items()},
    )

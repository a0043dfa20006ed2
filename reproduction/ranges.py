"""What the parameters of notebooks may be: looked at before anything is trained or measured for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ciutils import checks, choices, files, lookup
from reproduction import runs

Rule = Callable[[Any, str], object]
"""Takes a value and what it is called, and raises ValueError, or FileNotFoundError, if it cannot be used."""


def _one_of(names: Mapping[str, object] | tuple[str, ...]) -> Rule:
    return lambda value, what: checks.one_of(value, names, what)


def _network(value: str, what: str) -> None:
    """A function of somebody's is looked up where it is called, its file or package here."""
    if ":" not in value:
        checks.one_of(value, (*choices.NETWORKS, *lookup.WAYS), what)
    else:
        lookup.check(value)


def _folder(value: str, what: str) -> None:
    """One to write to, which may not be there yet."""
    path = files.expanded(value).absolute()
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(f"{what} = {value!r}: {there} is no folder that you can write to; name another")


def _weights(value: str, what: str) -> None:
    if not files.expanded(value).is_file():
        raise FileNotFoundError(f"{what} = {value!r}: no file {files.expanded(value).absolute()}")


def _training(value: str, what: str) -> None:
    """A network, and perhaps its setup."""
    network, setup = runs.training(value)
    checks.one_of(network, choices.NETWORKS, what)
    if setup:
        checks.one_of(setup, choices.SETUPS, f"setup of {what}")


def _each(rule: Rule) -> Rule:
    def check(values: list[Any], what: str) -> None:
        for value in values:
            rule(value, what)
            if values.count(value) > 1:
                raise ValueError(f"{what} = {values!r}: {value} is given twice; give it once")

    return check


def _unless_empty(rule: Rule) -> Rule:
    """For what is the profile's, or found, where 0 or no text is given."""
    return lambda value, what: rule(value, what) if value else None


def _or_zero(rule: Rule) -> Rule:
    """For numbers, as `_unless_empty`; says that 0 may be given too."""

    def check(value: float, what: str) -> None:
        try:
            _unless_empty(rule)(value, what)
        except ValueError as error:
            raise ValueError(f"{error}, or 0") from error

    return check


def _data(value: str, what: str) -> None:
    if ":" not in value:
        checks.one_of(value, (*choices.DATASETS, "folder:PATH", *lookup.WAYS), what)
    elif value.startswith("folder:") and not ((folder := files.named_folder(value)) / "train").is_dir():
        raise FileNotFoundError(f"{what} = {value!r}: no folder {folder} that holds train/ and test/")
    elif not value.startswith("folder:"):
        lookup.check(value)


def _pair(value: object, what: str) -> None:
    """Papermill knows no annotation for text or a list of two."""
    both = isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)
    if not (both or (isinstance(value, str) and "-" in value)):
        raise ValueError(f"{what} = {value!r}: give each pair as 'cat-dog' or as ['cat', 'dog']")


def _scaled(values: list[float], what: str) -> None:
    """Of images scaled to 0..1."""
    if not all(0 <= value <= 1 for value in values) or (what == "std" and 0 in values):
        above = ", above 0," if what == "std" else ""
        raise ValueError(
            f"{what} = {values!r}: give a number from 0 to 1{above} for each channel, of images scaled to 0..1, "
            f"such as {EXAMPLES[what]}"
        )


def _normalisation(mean: list[float], std: list[float]) -> None:
    if len(mean) != len(std):
        raise ValueError(
            f"mean = {mean}, std = {std}: give both, a number for each channel, such as {EXAMPLES['mean']} and "
            f"{EXAMPLES['std']}"
        )


EXAMPLES = {
    "networks": '["vgg19", "resnet18"]',
    "profiles": '["laptop", "long"]',
    "seeds": "[0, 1]",
    "pairs": '["cat-dog"]',
    "rates": "[0.1, 0.2]",
    "early": "[1, 3]",
    "beside": '["vgg19"]',
    "classes": '["cat", "dog"]',
    "setups": '["big-lr", "small-lr"]',
    "arguments": '{"width": 16}',
    "mean": "[0.49, 0.48, 0.45]",
    "std": "[0.25, 0.24, 0.26]",
}
"""Values of parameters that are lists or a dict, by the parameter's name: their type alone does not say how to write
them."""


OPTIONS = {
    "scale": choices.SCALES,
    "sign": choices.SIGNS,
    "bn": (*choices.BN, runs.AUGMENTED),
    "precision": choices.PRECISIONS,
}
"""What the options of a plane may be."""

RULES: dict[str, Rule] = {
    "profile": _one_of(runs.PROFILES),
    "profiles": _each(_one_of(runs.PROFILES)),
    "network": _network,
    "other": _training,
    "beside": _each(_training),
    "networks": _each(_one_of(choices.NETWORKS)),
    "weights": _unless_empty(_weights),
    "setup": _one_of(choices.SETUPS),
    "setups": _each(_one_of(choices.SETUPS)),
    "augment": _one_of(choices.AUGMENTS),
    "saved": _unless_empty(_folder),
    "dataset": _unless_empty(_data),
    "mean": _scaled,
    "std": _scaled,
    "pairs": _each(_pair),
    "classes": _each(lambda name, _: name),
    "split": _one_of(("train", "test")),
    "seed": lambda value, _: checks.seed(value),
    "updates": checks.whole,
    "repeats": checks.whole,
    "rates": _each(checks.share),
    "early": _each(checks.whole),
    "epochs": _or_zero(checks.whole),
    "points": _unless_empty(checks.odd),
    "images": _or_zero(checks.whole),
    "sigma": _or_zero(checks.half_side),
    "level": _or_zero(checks.share),
    "scale": _one_of(OPTIONS["scale"]),
    "precision": _one_of(OPTIONS["precision"]),
    "counts": _one_of(choices.COUNTS),
    "tolerance": checks.share,
    "threshold": checks.below_one,
}
"""By the parameter's name; a run itself looks at its width."""


def check(values: Mapping[str, Any]) -> None:
    """Raise ValueError for the first of a notebook's `values` that is out of its range, FileNotFoundError for a folder
    of images that is not there."""
    for name, value in values.items():
        if name in RULES:
            RULES[name](value, name)
    _normalisation(values.get("mean", []), values.get("std", []))

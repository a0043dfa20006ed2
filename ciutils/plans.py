"""The heavy steps of a chapter: its runs and its interference spaces, known before any of them exists.

The workflow makes them jobs of their own; the chapter then loads what they left. A notebook that is not in `PLANS`
computes everything itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ciutils import datasets, ego, experiments, paper, parameters
from ciutils.experiments import Profile, Run

Key = tuple[str, str]
"""(network, setup)."""


@dataclass(frozen=True)
class Plan:
    """A chapter's runs by (network, setup), and for each the planes to measure: arguments of `Run.space`.

    `planes` finds pairs and half sides where they were not given, so the chapter's runs must be trained.
    """

    runs: Mapping[Key, Run]
    planes: Callable[[Key], list[dict]] | None = None


def plan(notebook: Path, given: Mapping[str, object]) -> Plan | None:
    """The plan of `notebook` with the parameters `given`, or None for a notebook without one.

    Raises ValueError for a parameter that the notebook does not take, or a value of the wrong type.
    """
    source = parameters.of_notebook(notebook)
    values = parameters.defaults(source) | parameters.verify(given, parameters.declared(source))
    make = PLANS.get(notebook.stem)
    return make(values) if make else None


def _runs(values: Mapping, networks: list[str], setups: list[str]) -> tuple[Profile, dict[Key, Run]]:
    size = experiments.profile(values["profile"])
    fields = ("dataset", "epochs", "width", "seed")
    changes = {name: values[name] for name in fields if values.get(name)}
    return size, {(network, setup): size.run(network, setup, **changes) for network in networks for setup in setups}


def _cctm(values: Mapping) -> Plan:
    networks = values["networks"] or list(experiments.profile(values["profile"]).networks)
    return Plan(_runs(values, networks, [values["setup"]])[1])


def _label_dancing(values: Mapping) -> Plan:
    return Plan(_runs(values, [values["network"]], [values["setup"]])[1])


def _classwise_losses(values: Mapping) -> Plan:
    size, runs = _runs(values, [values["network"]], [values["setup"]])
    points, images = values["points"] or size.points, values["images"] or size.images

    def planes(key: Key) -> list[dict]:
        run = runs[key]
        every_pair = size.pairs_of(run)
        sigma = values["sigma"] or run.sigma(every_pair, images, values["level"])
        pairs = values["pairs"] or every_pair[:2]
        return [{"pair": pair, "sigma": sigma, "points": points, "images": images} for pair in pairs]

    return Plan(runs, planes)


def _sharpness(values: Mapping) -> Plan:
    networks, setups = values["networks"], values["setups"]
    size, runs = _runs(values, networks, setups)
    points, images = values["points"] or size.points, values["images"] or size.images
    options = {"points": points, "images": images, "scale": values["scale"], "precision": values["precision"]}
    last = (networks[-1], setups[-1])

    def sigma(key: Key, pairs: list[str]) -> float:
        if values["sigma"]:
            return float(f"{values['sigma'] * paper.SIGMA_RATIOS[key[1]]:.6g}")
        if "big-lr" in setups:
            return runs[key].paper_sigma(pairs, images, values["level"])
        return runs[key].sigma(pairs, images, values["level"])

    def planes(key: Key) -> list[dict]:
        run, pairs = runs[key], values["pairs"] or list(size.pairs_of(runs[last]))
        half = sigma(key, pairs)
        egos = [{"pair": pair, "sigma": half, **options} for pair in pairs]
        reach = _reach(run, pairs[0], half, values["scale"])
        control = {"pair": "random", "sigma": float(f"{reach:.2g}"), **options, "random": True, "scale": "filter"}
        recalibrated = [{**egos[0], "bn": "recalibrated"}] if key == last else []
        return [*egos, control, *recalibrated]

    return Plan(runs, planes)


def _reach(run: Run, pair: str, sigma: float, scale: str) -> float:
    """Weight distance of a plane's edge, the mean of its two axes."""
    directions = run.directions()
    names = [directions.names[each] for each in datasets.class_pair(directions.names, pair)]
    chosen = ego.rescaled(directions.only(names), scale, run.model())
    return float(sum(sigma * norm / chosen.weight_norm for norm in chosen.norms.values)) / 2


PLANS: dict[str, Callable[[Mapping], Plan]] = {
    "cctm": _cctm,
    "classwise_losses": _classwise_losses,
    "label_dancing": _label_dancing,
    "sharpness": _sharpness,
}

"""What a chapter computes: its runs, and the planes to measure on each, known before any of them exists.

Notebooks take their runs and planes from here, and so does the workflow, which can make each a job of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ciutils import experiments, paper, parameters
from ciutils.experiments import Profile, Run

Key = tuple[str, str]
"""(network, setup)."""

CLOSE, RANDOM, RECALIBRATED = "close", "random", "recalibrated"
"""Names of the planes that a chapter measures beside its pairs' own."""

CLOSER = 10
"""How many times smaller than the first pair's plane its close one is."""


@dataclass(frozen=True)
class Plan:
    """A chapter's runs by (network, setup), and for each the planes to measure: name -> arguments of `Run.space`.

    A plane is named by its pair, or is `CLOSE` or one of the controls `RANDOM` and `RECALIBRATED`. `pairs` and `planes`
    find pairs and half sides where they were not given, so the chapter's runs must be trained, and are trained now if
    they are not.
    """

    runs: Mapping[Key, Run]
    pairs: Callable[[], list[str]] | None = None
    planes: Callable[[Key], dict[str, dict]] | None = None


def plan(notebook: Path, given: Mapping[str, object]) -> Plan | None:
    """The plan of `notebook` with the parameters `given`, or None for a notebook without one.

    Raises ValueError for a parameter that the notebook does not take, or a value of the wrong type.
    """
    source = parameters.of_notebook(notebook)
    values = parameters.defaults(source) | parameters.verify(given, parameters.declared(source))
    make = PLANS.get(notebook.stem)
    return make(values) if make else None


def cctm(values: Mapping) -> Plan:
    """One run for each network; `values`: the notebook's parameters."""
    networks = values["networks"] or list(experiments.profile(values["profile"]).networks)
    return Plan(_runs(values, networks, [values["setup"]])[1])


def label_dancing(values: Mapping) -> Plan:
    """One run; `values`: the notebook's parameters."""
    return Plan(_runs(values, [values["network"]], [values["setup"]])[1])


def classwise_losses(values: Mapping) -> Plan:
    """The planes of the chosen pairs of one run, or of the profile's first two, whose half sides are found on all of
    the profile's pairs; `values`: the notebook's parameters."""
    size, runs = _runs(values, [values["network"]], [values["setup"]])
    (run,) = runs.values()
    options = {"points": values["points"] or size.points, "images": values["images"] or size.images}

    def pairs() -> list[str]:
        return values["pairs"] or list(size.pairs_of(run))[:2]

    def planes(_: Key) -> dict[str, dict]:
        searched = values["images"] or size.control_images
        sigma = values["sigma"] or run.sigma(size.pairs_of(run), searched, values["level"])
        return {pair: {"pair": pair, "sigma": sigma, **options} for pair in pairs()}

    return Plan(runs, pairs, planes)


def sharpness(values: Mapping) -> Plan:
    """For every network and setup: the pairs' planes, the first one's close to the network, and a random one that
    reaches as far as the first; for the last network the first one's with batch-norm recalibrated. All but the pairs',
    and the search for half sides, are on the profile's `control_images`, where no number of images is given. `values`:
    the notebook's parameters."""
    networks, setups = values["networks"], values["setups"]
    size, runs = _runs(values, networks, setups)
    options = {"points": values["points"] or size.points, "images": values["images"] or size.images,
               "scale": values["scale"], "precision": values["precision"]}  # fmt: skip
    control = {"images": values["images"] or size.control_images}
    last = (networks[-1], setups[-1])

    def pairs() -> list[str]:
        return values["pairs"] or list(size.pairs_of(runs[last]))

    def sigma(setup: str, run: Run) -> float:
        """The paper's ratio of big-lr's half side, or found for the setup itself where big-lr is left out."""
        if values["sigma"]:
            return float(f"{values['sigma'] * paper.SIGMA_RATIOS[setup]:.6g}")
        rule = run.paper_sigma if "big-lr" in setups else run.sigma
        return rule(pairs(), control["images"], values["level"])

    def planes(key: Key) -> dict[str, dict]:
        run, half = runs[key], sigma(key[1], runs[key])
        found = {pair: {"pair": pair, "sigma": half, **options} for pair in pairs()}
        first = next(iter(found.values())) | control
        found[CLOSE] = first | {"sigma": float(f"{half / CLOSER:.6g}")}
        reach = run.random_sigma(first["pair"], half, values["scale"])
        found[RANDOM] = options | control | {"pair": RANDOM, "random": True, "sigma": reach, "scale": "filter"}
        return found | ({RECALIBRATED: first | {"bn": "recalibrated"}} if key[0] == networks[-1] else {})

    return Plan(runs, pairs, planes)


def _runs(values: Mapping, networks: list[str], setups: list[str]) -> tuple[Profile, dict[Key, Run]]:
    size = experiments.profile(values["profile"])
    fields = ("dataset", "epochs", "width", "seed")
    changes = {name: values[name] for name in fields if values.get(name)}
    return size, {(network, setup): size.run(network, setup, **changes) for network in networks for setup in setups}


PLANS: dict[str, Callable[[Mapping], Plan]] = {
    "cctm": cctm,
    "classwise_losses": classwise_losses,
    "label_dancing": label_dancing,
    "sharpness": sharpness,
}

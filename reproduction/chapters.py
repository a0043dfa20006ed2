"""What each chapter wants: a flat list of artifacts, declared before any of them exists.

The list alone feeds the chapter's notebook, the estimates and the workflow. Where a half side or a pair is found from a
trained network, a want holds the rule that finds it. Verdicts are judged on all planes that are there, those of
chapters and others.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import xarray as xr

from ciutils.analyse import confusion
from ciutils.analyse.agreement import joined
from ciutils.analyse.surfaces import pair_of
from ciutils.classes import as_pair
from reproduction import gallery, paper, parameters, ranges
from reproduction.results import HISTORY, NOTEBOOKS, RANDOM, SIGNS, WEIGHTS, Pair, Results
from reproduction.runs import AUGMENTED, Profile, Run, in_print, profile, training

STEPS = ("history", "predictions", "test_images", "ego", "sigma", "random_sigma", "curvature", "space")
"""Methods of `Results`, each of which may need what those before it give."""

SHARED = ("history", "predictions", "ego")
"""Steps that depend on the run alone: made once for all chapters."""


def _nothing(_: Results) -> dict[str, object]:
    return {}


@dataclass(frozen=True)
class Want:
    """One artifact: `step` of `STEPS` on `run`.

    key: how the chapter calls it: (network, setup), and of a plane the place of its pair or its name. arguments: finds
    the step's other arguments. points, images: of a space's side, and of each point (0: all training images). given:
    the values of all the chapter's parameters.
    """

    step: str
    key: tuple[str | float, ...]
    run: Run
    arguments: Callable[[Results], dict[str, Any]] = _nothing
    points: int = 0
    images: int = 0
    given: Mapping[str, Any] = field(default_factory=dict)

    def get(self, results: Results, **more: object) -> xr.Dataset | float:
        """The artifact, loaded, or computed and kept."""
        return getattr(results, self.step)(self.run, **self.arguments(results), **more)

    def check(self, results: Results) -> None:
        """Raise ValueError if a network would be trained for classes, or a number of images, that its data lack."""
        cells = [[self.given[name]] for name in ("pair", "looked") if self.given.get(name)]  # which may be the same
        listed = [pairs for pairs in (self.given.get("pairs"), *cells) if pairs] or [[]]
        classes, images = self.given.get("classes", ()), self.given.get("images", 0)
        there = results.store.publishes(self.run.name, HISTORY if self.step == "history" else WEIGHTS)
        if (any(listed) or classes or images) and not self.run.classes and not there:
            with suppress(FileNotFoundError):  # without the data nothing can be trained
                for pairs in listed:
                    results.check(self.run, pairs, classes, images)


def wants(chapter: str, given: Mapping[str, object]) -> list[Want]:
    """What the notebook called `chapter` wants, with the parameters `given`, in the order of `STEPS`; nothing for one
    that declares nothing.

    Raises ValueError for a parameter that the notebook does not take, or a value of the wrong type or out of range.
    """
    source = _parameters_of(chapter)
    values = parameters.verify(parameters.defaults(source) | dict(given), parameters.declared(source))
    ranges.check(values)
    if chapter not in CHAPTERS:
        return []
    listed = [dataclasses.replace(want, given=values) for want in CHAPTERS[chapter](values)]
    return sorted(listed, key=lambda want: STEPS.index(want.step))


@functools.cache
def _parameters_of(chapter: str) -> str:
    return parameters.of_notebook(parameters.notebook(NOTEBOOKS, chapter))


def of_profile(size: str) -> list[Want]:
    """What all chapters want at one size, each training and its class gradients once; of its own data set alone."""
    found: dict[tuple, Want] = {}
    for chapter in CHAPTERS:
        for want in (each for each in wants(chapter, {"profile": size}) if each.run.dataset == profile(size).dataset):
            shared = want.step in SHARED
            found.setdefault((want.step, want.run) if shared else (chapter, want.step, want.key), want)
    return list(found.values())


def fetch(listed: Sequence[Want], step: str, results: Results) -> dict[tuple, xr.Dataset]:
    """The artifacts of one `step`, history, ego or space, by their keys, found or made now. Before any is made all that
    is `listed` is checked against its data."""
    for want in listed if results.store.compute else ():
        want.check(results)
    return {want.key: cast(xr.Dataset, want.get(results)) for want in listed if want.step == step}


def said(listed: Sequence[Want], results: Results) -> xr.Dataset:
    """What the networks of `listed` say of the test images, put together; see `agreement.joined`."""
    return joined({in_print(network): each for (network, _), each in fetch(listed, "predictions", results).items()})


def setting(listed: Sequence[Want]) -> str:
    """One line on what the trainings of a chapter are, and on how the paper's differ. Book: every chapter."""
    runs = [want.run for want in listed]

    def every(field: str) -> str:
        values = dict.fromkeys(getattr(run, field) for run in runs)
        *first, last = (in_print(each) for each in (sorted(values) if field == "epochs" else values))
        return f"{', '.join(first)} and {last}" if first else last

    parts = {"1.0": "", "0.5": "half ", "0.25": "a quarter of ", "0.125": "an eighth of "}
    part = parts.get(every("width"), f"{every('width')} of ")
    what = f"{every('network')} on {every('dataset')}, {part}the full width"
    line = f"{what}, {every('epochs')} epochs, seed {every('seed')}"
    same = {(run.dataset, run.width, run.epochs) for run in runs} == {("cifar10", 1.0, 200)}
    return line + ("" if same else "; the paper: CIFAR-10, the full width, 200 epochs")


def have(want: Want, loading: Results) -> bool:
    """Whether the artifact is in the store; `loading`: of a store that does not compute."""
    try:
        want.get(loading)
    except FileNotFoundError:
        return False
    return True


def pairs_of(size: Profile, run: Run, results: Results) -> list[Pair]:
    """The profile's pairs, or, of other data and where it has none, the first, the second and the last of the network's
    pairs by their share of errors."""
    if size.pairs and run.dataset == size.dataset:
        return list(size.pairs)
    counts = results.history(run)["test_counts"].isel(epoch=-1)
    table = confusion.pair_shares(counts)
    last = len(table) - 1
    chosen = table.iloc[sorted({0, min(1, last), last})]
    names = counts["true"].values.tolist()
    return [as_pair(names, *both) for both in zip(chosen["first"], chosen["second"], strict=True)]


def level_of(values: Mapping, run: Run, results: Results) -> float:
    """The mistake rate at a plane's border: the notebook's, or 5/9 of what guessing errs, 0.5 of ten classes."""
    return values["level"] or round(5 / 9 * (1 - 1 / results.history(run).sizes["true"]), 3)


def cctm(values: Mapping) -> list[Want]:
    """One training for each network; `values`: the notebook's parameters."""
    return _of_networks("history", values)


def agreement(values: Mapping) -> list[Want]:
    """What each network says of every image; `values`: the notebook's parameters."""
    return _of_networks("predictions", values)


def images(values: Mapping) -> list[Want]:
    """What each network says of every image, and the images that the chapter shows, whose data are the first network's;
    `values`: the notebook's parameters."""
    predictions = _of_networks("predictions", values)
    first = predictions[0]

    def shown(results: Results) -> dict[str, Any]:
        tables = gallery.tables(said(predictions, results), *cells_of(values, first.run, results))
        return {"positions": gallery.positions(tables)}

    return [*predictions, Want("test_images", first.key, first.run, shown)]


def cells_of(values: Mapping, run: Run, results: Results) -> tuple[Pair, Pair]:
    """(pair, looked) of the chapter on images: those given, else the first two of the profile's pairs."""
    pairs = pairs_of(profile(values["profile"]), run, results)
    return values["pair"] or pairs[0], values["looked"] or _at(1, pairs)


def dancers(values: Mapping) -> list[Want]:
    """Two trainings, one of them with the images that dance; `values`: the notebook's parameters."""
    return _of_trainings(values, [values["network"], values["other"]])


def elsewhere(values: Mapping) -> list[Want]:
    """The same networks on the profile's data, by ("here", network), and on other data, by ("there", network): their
    trainings, class gradients and what they say of every image; and the other data's images of the pair with the most
    errors. `values`: the notebook's parameters."""
    if not values["networks"][1:]:
        raise ValueError(f"networks = {values['networks']}: give at least two, to be held against each other")
    found, other = [], {name: values[name] for name in ("dataset", "epochs")}
    for place, data in (("there", other), ("here", {"dataset": "", "epochs": 0})):  # a reader's own data come first
        runs = {network: _run({**values, **data}, network, values["setup"]) for network in values["networks"]}
        for step in ("history", "ego", "predictions"):
            found += [Want(step, (place, network), run) for network, run in runs.items()]
    predictions = [want for want in found if want.step == "predictions" and want.key[0] == "there"]

    def shown(results: Results) -> dict[str, Any]:
        return {"positions": gallery.positions(first_pair(values, predictions, results))}

    return [*found, Want("test_images", predictions[0].key, predictions[0].run, shown)]


def first_pair(values: Mapping, predictions: Sequence[Want], results: Results) -> gallery.Tables:
    """The images of the first network's first pair, as one part of `gallery.tables`."""
    pair = pairs_of(profile(values["profile"]), predictions[0].run, results)[0]
    return {"pair": gallery.tables(said(predictions, results), pair, pair)["pair"]}


def humans(values: Mapping) -> list[Want]:
    """What each network says of every image, and every training of the profile; `values`: the notebook's parameters."""
    size = profile(values["profile"])
    pairs = [(network, setup) for network in size.networks for setup in size.setups[network]]
    histories = [Want("history", pair, _run(values, *pair)) for pair in pairs]
    return histories + _of_networks("predictions", values)


def sharing(values: Mapping) -> list[Want]:
    """What networks of all classes say, and, of each pair, networks that know only its two classes: after as many
    epochs, and after `updates` times as many, for as many updates. Keys: ("all", 1, seed), or (pair, times, seed).
    Nothing without pairs. `values`: the notebook's parameters."""
    pairs, found = sharing_pairs(values), []
    for seed in range(values["seed"], values["seed"] + values["repeats"]) if pairs else ():
        run = _run({**values, "seed": seed}, values["network"], values["setup"])
        found.append(Want("predictions", ("all", 1, seed), run))
        for pair in pairs:
            for times in dict.fromkeys((1, values["updates"])):
                own = dataclasses.replace(run, classes=pair, epochs=times * run.epochs)
                found.append(Want("predictions", ("-".join(pair), times, seed), own))
    return found


def sharing_pairs(values: Mapping) -> list[tuple[str, ...]]:
    """The pairs of classes that get networks of their own: those given, else the profile's."""
    given = [tuple(pair.split("-", 1)) if isinstance(pair, str) else tuple(pair) for pair in values["pairs"]]
    return given or list(profile(values["profile"]).sharing)


def doses(values: Mapping) -> list[Want]:
    """One network without label noise and one for each of `rates`, each with its egos and the pair's space on the plane
    of the first one's half side, by rate; and, by "early" and epochs, the egos of trainings broken off early, beside
    the whole one. Nothing without a pair. `values`: the notebook's parameters."""
    size, noisy = profile(values["profile"]), noisy_pair(values)
    if not noisy:
        return []
    clean = _run(values, values["network"], values["setup"])
    runs = {0.0: clean} | {rate: dataclasses.replace(clean, swapped=(*noisy, rate)) for rate in values["rates"]}
    points, images = values["points"] or size.points, values["images"] or size.control_images

    def searched(results: Results) -> dict[str, Any]:
        return {"pairs": [noisy], "images": images, "level": level_of(values, clean, results)}

    def plane(results: Results) -> dict[str, Any]:
        sigma = values["sigma"] or results.sigma(clean, **searched(results))
        return {"pair": noisy, "sigma": sigma, "points": points, "images": images}

    found = [Want(step, (rate,), run) for step in ("history", "ego") for rate, run in runs.items()]
    found += [] if values["sigma"] else [Want("sigma", (0.0,), clean, searched, images=images)]
    found += [Want("space", (rate,), run, plane, points, images) for rate, run in runs.items()]
    whole = dataclasses.replace(clean, setup="big-lr")  # its learning rate does not know when the training will end
    early = [Want("ego", ("early", each), dataclasses.replace(whole, epochs=each)) for each in values["early"]]
    return [*found, Want("history", ("early", whole.epochs), whole), *early]


def noisy_pair(values: Mapping) -> tuple[str, ...]:
    """The two classes that get label noise: those given, else the profile's most confused; () if it has none."""
    return next(iter(sharing_pairs({**values, "pairs": [values["pair"]] if values["pair"] else []})), ())


def label_dancing(values: Mapping) -> list[Want]:
    """One training, and others beside it, each "resnet18" or "vgg19 big-lr"; `values`: the notebook's parameters."""
    return _of_trainings(values, [values["network"], *values["beside"]])


def classwise_losses(values: Mapping) -> list[Want]:
    """The planes of the chosen pairs of one network, or of the profile's first two, whose half side is found on all of
    the profile's pairs, with both readings of batch-norm: recalibrated on `control_images`, where no number is given.
    `values`: the notebook's parameters."""
    size, key = profile(values["profile"]), (values["network"], values["setup"])
    run = _run(values, *key)
    points, control = values["points"] or size.points, values["images"] or size.control_images

    def searched(results: Results) -> dict[str, Any]:
        pairs = pairs_of(size, run, results)
        return {"pairs": pairs, "images": control, "level": level_of(values, run, results)}

    def plane(place: int, images: int, **bn: str) -> Callable[[Results], dict[str, Any]]:
        def found(results: Results) -> dict[str, Any]:
            pair = _at(place, values["pairs"] or pairs_of(size, run, results))
            sigma = values["sigma"] or results.sigma(run, **searched(results))
            return {"pair": pair, "sigma": sigma, "points": points, "images": images, **bn}

        return found

    found = [Want("history", key, run), Want("ego", key, run)]
    found += [] if values["sigma"] else [Want("sigma", key, run, searched, images=control)]
    for place in range(len(values["pairs"]) or 2):
        for bn, images in (("frozen", values["images"] or size.images), (AUGMENTED, control)):
            options = {} if bn == "frozen" else {"bn": bn}
            found.append(Want("space", (*key, place, bn), run, plane(place, images, **options), points, images))
    return found


def sharpness(values: Mapping) -> list[Want]:
    """For every network and setup: the profile's `planes`, the second order of each pair, and two controls of the first
    pair's widest plane that reach as far: a random one, and its own with random signs. All but the widest frozen ones
    are on the profile's `control_images`, where no number of images is given. `values`: the notebook's parameters."""
    size, setups = profile(values["profile"]), values["setups"]
    keys = [(network, setup) for network in values["networks"] for setup in setups]
    for name in ("networks", "setups"):
        if not values[name]:
            raise ValueError(f"{name} = []: give at least one")
    runs = {key: _run(values, *key) for key in keys}
    points = values["points"] or size.points
    images, control = values["images"] or size.images, values["images"] or size.control_images
    options = {"points": points, "scale": values["scale"], "precision": values["precision"]}

    def pairs(results: Results) -> list[Pair]:
        return values["pairs"] or pairs_of(size, runs[keys[-1]], results)

    def pair(place: int) -> Callable[[Results], dict[str, Any]]:
        return lambda results: {"pair": _at(place, pairs(results)), "images": control}

    def searched(run: Run) -> Callable[[Results], dict[str, Any]]:
        level = functools.partial(level_of, values, run)
        return lambda results: {"pairs": pairs(results), "images": control, "level": level(results)}

    def sigma(results: Results, run: Run) -> float:
        """The paper's ratio of big-lr's half side, or found for the setup itself where big-lr is left out."""
        if values["sigma"]:
            return float(f"{values['sigma'] * paper.SIGMA_RATIOS[run.setup]:.6g}")
        rule = results.paper_sigma if "big-lr" in setups else results.sigma
        return rule(run, **searched(run)(results))

    def reach(run: Run) -> Callable[[Results], dict[str, Any]]:
        return lambda results: {"pair": pairs(results)[0], "sigma": sigma(results, run), "scale": values["scale"]}

    def plane(run: Run, place: int, closer: int, bn: str, number: int) -> Callable[[Results], dict[str, Any]]:
        def found(results: Results) -> dict[str, Any]:
            half = float(f"{sigma(results, run) / closer:.6g}")
            both = {"pair": _at(place, pairs(results)), "sigma": half, "images": number, **options}
            return both | ({} if bn == "frozen" else {"bn": bn})

        return found

    def controls(run: Run, name: str) -> Callable[[Results], dict[str, Any]]:
        def found(results: Results) -> dict[str, Any]:
            widest = plane(run, 0, 1, "frozen", control)(results)
            if name == SIGNS:
                return widest | {"random": SIGNS}
            across = results.random_sigma(run, **reach(run)(results))
            return widest | {"pair": RANDOM, "random": True, "sigma": across, "scale": "filter"}

        return found

    found = [Want(step, key, runs[key]) for step in ("history", "ego") for key in keys]
    for key in keys if not values["sigma"] else []:
        if key[1] == "big-lr" or "big-lr" not in setups:
            found.append(Want("sigma", key, runs[key], searched(runs[key]), images=control))
    for key, run in runs.items():
        places = range(len(values["pairs"] or size.pairs) or 3)
        found.append(Want("random_sigma", key, run, reach(run)))
        found += [Want("curvature", (*key, place), run, pair(place), images=control) for place in places]
        for (closer, bn), count in size.planes.items():
            number = images if (closer, bn) == (1, "frozen") else control
            found += [
                Want("space", (*key, place, closer, bn), run, plane(run, place, closer, bn, number), points, number)
                for place in places[: count or None]
            ]
        found += [Want("space", (*key, name), run, controls(run, name), points, control) for name in (RANDOM, SIGNS)]
    return found


def planes(found: Mapping[tuple, xr.Dataset]) -> dict[tuple[str, str, str, int, str], xr.Dataset]:
    """The planes of pairs among what `sharpness` wants, by (network, setup, pair, times closer, "frozen" or
    "recalibrated"), close ones first."""
    own = sorted((key for key in found if len(key) == 5), key=lambda key: -key[3])
    statistics = {"frozen": "frozen", AUGMENTED: "recalibrated"}
    return {(*key[:2], pair_of(found[key]), key[3], statistics[key[4]]): found[key] for key in own}


def _at(place: int, pairs: Sequence[Pair]) -> Pair:
    """The pair at a place that was declared before it was known how many there are: two classes have only one."""
    return pairs[place % len(pairs)]


def _of_networks(step: str, values: Mapping) -> list[Want]:
    networks = values["networks"] or profile(values["profile"]).networks
    return [Want(step, (network, values["setup"]), _run(values, network, values["setup"])) for network in networks]


def _of_trainings(values: Mapping, called: Sequence[str]) -> list[Want]:
    """The histories of trainings, each `called` as `runs.training` reads it."""
    keys = dict.fromkeys(training(each, values["setup"]) for each in called)
    return [Want("history", key, _run(values, *key)) for key in keys]


def _run(values: Mapping, network: str, setup: str) -> Run:
    changes = {name: values[name] for name in ("dataset", "epochs", "width", "seed") if values.get(name)}
    return profile(values["profile"]).run(network, setup, **changes)


CHAPTERS: dict[str, Callable[[Mapping], list[Want]]] = {
    each.__name__: each
    for each in (
        *(agreement, cctm, classwise_losses, dancers, doses, elsewhere),
        *(humans, images, label_dancing, sharing, sharpness),
    )
}
"""By the notebook's name, which is the function's."""

"""Artifacts made by hand: a world in which the paper is right, one in which nothing that it claims is there."""

import math
from itertools import product

import numpy as np
import xarray as xr

from reproduction import paper
from reproduction.claims.evidence import NETWORKS, PAIRS, SPACE_NETWORKS, Evidence
from reproduction.readings import CHOICES

CLASSES = list(paper.CLASSES)
OBJECTS, EPOCHS = 1000, 200
SIGMA = {"big-lr": 1.0, "small-lr": 0.1, "anneal-lr": 20.0}
STEPS = np.linspace(-1, 1, 19)


def counts_of(errors, spread=0):
    """A confusion matrix of 1000 objects a class: `errors` by (true, predicted), `spread` in every other cell."""
    cells = np.full((10, 10), spread)
    for (true, predicted), number in errors.items():
        cells[CLASSES.index(true), CLASSES.index(predicted)] = number
    np.fill_diagonal(cells, 0)
    np.fill_diagonal(cells, OBJECTS - cells.sum(1))
    return xr.DataArray(cells, dims=("true", "predicted"), coords={"true": CLASSES, "predicted": CLASSES})


def history_of(test, epochs=None):
    """A history whose last test counts are `test`, with the same counts of each epoch in every way of counting."""
    if epochs is None:
        return xr.Dataset({"test_counts": test.expand_dims("epoch")}).assign_coords(epoch=[1])
    counts = xr.concat(epochs, "epoch")
    last = xr.concat([*epochs[:-1], test], "epoch")
    ways = {"running_counts": counts, "end_counts": counts, "test_counts": last}
    return xr.Dataset(ways).assign_coords(epoch=range(1, len(epochs) + 1))


def space_of(pair, sigma, rate=lambda a, b: 0.05 + 0 * a, loss=lambda name, a, b: 1 + 0 * a):
    """A space over [-sigma, sigma]^2; rate and loss are functions of theta / sigma."""
    first, second = pair.split("-")
    a, b = np.meshgrid(STEPS, STEPS, indexing="ij")
    wrong = np.rint(OBJECTS * np.clip(rate(a, b), 0, 0.9)).astype(int)
    counts = np.zeros((19, 19, 10, 10), int)
    for k in range(10):
        counts[:, :, k, k] = OBJECTS - wrong
        counts[:, :, k, (k + 1) % 10] = wrong
    grid = ("theta1", "theta2")
    return xr.Dataset(
        {
            "counts": ((*grid, "true", "predicted"), counts),
            "loss_sum": ((*grid, "true"), np.stack([OBJECTS * loss(name, a, b) for name in CLASSES], -1)),
            "undefined": (grid, np.zeros((19, 19), int)),
            "done": ("theta1", np.ones(19, bool)),
        },
        coords={"theta1": sigma * STEPS, "theta2": sigma * STEPS, "true": CLASSES, "predicted": CLASSES},
        attrs={"first": first, "second": second, "norm1": 1.0, "norm2": 1.0, "cosine": 0.0, "weight_norm": 1.0},
    )


def exponential(slopes, other=(0.1, 0.2)):
    """Each class's loss rises along its own direction: exp(slope1 theta1 + slope2 theta2)."""

    def loss(name, a, b):
        first, second = slopes.get(name, other)
        return np.exp(first * a + second * b)

    return loss


def bowl(first, second, across=0.0):
    return lambda a, b: 0.05 + first * a**2 + second * b**2 + across * a * b


def in_every_reading(spaces):
    """The same space, by (network, setup, pair), in each reading of batch-norm, at the whole range."""
    return {(*key, each, "1"): space for key, space in spaces.items() for each in CHOICES["batch_norm"].readings}


# --- the paper is right

INTERFERING = {
    "plane": {"ship": 12, "bird": 11, "truck": 6},
    "bird": {"cat": 12, "deer": 11, "frog": 10, "plane": 10, "dog": 9},
    "cat": {"bird": 12, "frog": 12, "deer": 10, "horse": 8, "plane": 7},
    "deer": {"bird": 10, "cat": 9, "horse": 9},
    "dog": {"horse": 10, "bird": 9, "deer": 8, "frog": 7},
    "frog": {"cat": 11, "bird": 10},
    "horse": {"dog": 9, "deer": 9},
    "ship": {"plane": 12},
    "truck": {"car": 20},
}


def interfering(cat_dog, dog_cat, car_truck=25, car_else=2):
    errors = {(true, other): number for true, others in INTERFERING.items() for other, number in others.items()}
    errors |= {("car", other): car_else for other in ("ship", "plane", "bird", "frog")}
    return errors | {("cat", "dog"): cat_dog, ("dog", "cat"): dog_cat, ("car", "truck"): car_truck}


def one_note(name, other, height, rest, note):
    """The errors of a class: `height` are called `other`, and `rest` is spread over the other classes, or is nearly all
    of `note`, which then is the largest."""
    spread = [each for each in CLASSES if each not in (name, other)]
    errors = (
        dict.fromkeys(spread, rest // len(spread)) if note == other else dict.fromkeys(spread, 2) | {note: rest - 14}
    )
    return {(name, other): height} | {(name, each): number for each, number in errors.items()}


def dancing_epochs():
    """CAT and DOG move against each other, most at the start; other notes sound among theirs."""
    epochs = []
    for epoch in range(EPOCHS):
        early, swing = epoch < 0.59 * EPOCHS, round(40 * math.exp(-epoch / 60)) * (-1) ** epoch
        on_cat = ("bird", "frog")[epoch % 4 - 1] if early and epoch % 4 in (1, 2) else "dog"
        on_dog = {3: "horse", 13: "deer"}.get(epoch % 20, "cat")
        errors = one_note("cat", "dog", 70 + swing, 130, on_cat) | one_note("dog", "cat", 90 - swing, 160, on_dog)
        for name, other, period in (("car", "truck", 6), ("truck", "car", 2)):
            note = ("plane", "ship")[epoch // period % 2] if epoch % period == 0 else other
            errors |= one_note(name, other, 40, 60, note)
        epochs.append(counts_of(errors))
    return epochs


def right():
    bowls = {
        ("vgg19", "cat-dog"): bowl(2, 0.15),
        ("resnet18", "cat-dog"): bowl(0.15, 2),
        "truck-car": bowl(0.4, 0.4, -0.4),
        "horse-ship": bowl(0.4, 0.4),
    }
    curvature = {"vgg19": {"small-lr": 0.1, "anneal-lr": 0.3}, "resnet18": {"small-lr": 1.2, "anneal-lr": 0.055}}
    losses = {
        "cat-dog": exponential(
            {
                "cat": (-2, 2),
                "dog": (1.5, -1.5),
                "horse": (1.2, -1.2),
                "deer": (1, -1),
                **dict.fromkeys(("car", "truck", "plane", "ship"), (0.5, 0.5)),
            }
        ),
        "truck-car": exponential(
            {
                "truck": (-2, 1),
                "ship": (-2, 1.1),
                "car": (0.3, -2),
                "plane": (0.4, -2),
                "horse": (3, 0),
                **dict.fromkeys(("cat", "frog", "dog", "deer"), (2, 2)),
            },
            other=(-1, -1.5),
        ),
    }
    spaces = {}
    for (network, others), pair in product(curvature.items(), PAIRS):
        spaces[network, "big-lr", pair] = space_of(pair, SIGMA["big-lr"], bowls.get((network, pair)) or bowls[pair])
        for setup, bend in others.items():
            loss = {"loss": losses[pair]} if setup == "anneal-lr" and pair in losses else {}
            spaces[network, setup, pair] = space_of(pair, SIGMA[setup], bowl(bend, bend), **loss)
    tests = {
        ("vgg19", "anneal-lr"): counts_of(interfering(160, 150)),
        ("resnet18", "anneal-lr"): counts_of(interfering(110, 100)),
        ("googlenet", "anneal-lr"): counts_of(interfering(100, 90)),
        ("dla", "anneal-lr"): counts_of(interfering(100, 90, car_truck=40, car_else=1)),
        ("simple-dla", "anneal-lr"): counts_of(interfering(100, 90)),
        ("vgg19", "big-lr"): counts_of({}, 12),
        ("resnet18", "big-lr"): counts_of({}, 10),
        ("vgg19", "small-lr"): counts_of({}, 18),
        ("resnet18", "small-lr"): counts_of({}, 14),
    }
    histories = {key: history_of(test) for key, test in tests.items()}
    histories["vgg19", "anneal-lr"] = history_of(tests["vgg19", "anneal-lr"], dancing_epochs())
    return Evidence(histories, {}, in_every_reading(spaces), draws=200)


# --- it is the other way round


def opposite():
    others = [name for name in CLASSES if name not in ("cat", "dog")]
    around = {(name, others[(k + 1) % 8]): 100 for k, name in enumerate(others)}
    tests = {
        (network, "anneal-lr"): counts_of(around | {("cat", name): 30 for name in CLASSES if name != "cat"})
        for network in NETWORKS
    }
    tests["vgg19", "anneal-lr"] = counts_of(around)
    spread = {"vgg19": {"big-lr": 8, "small-lr": 2}, "resnet18": {"big-lr": 8, "small-lr": 4}}
    tests |= {(network, setup): counts_of({}, each) for network, of in spread.items() for setup, each in of.items()}
    epochs = []
    for epoch in range(EPOCHS):
        swing = 20 * (-1) ** epoch
        errors = {("cat", "horse"): 100, ("cat", "dog"): 40 + swing, ("dog", "frog"): 100 + swing}
        epochs.append(counts_of(errors | {("car", "bird"): 50, ("truck", "bird"): 50}))
    bowls = {
        ("vgg19", "cat-dog"): bowl(0.5, 0.9),
        ("resnet18", "cat-dog"): bowl(0.9, 0.5),
        "truck-car": bowl(1.2, 1.2, 1.2),
        "horse-ship": bowl(1.9, 1.9),
    }
    curvature = {"vgg19": {"small-lr": 2.0, "anneal-lr": 0.2}, "resnet18": {"small-lr": 0.1, "anneal-lr": 1.5}}
    losses = {
        "cat-dog": exponential(
            {
                "cat": (-2, -2),
                "dog": (1, 1),
                "car": (1, 1),
                "truck": (-1, 1),
                "plane": (-1, -1),
                "ship": (1, -1),
                "horse": (-1, -1),
                "deer": (1, -1),
            },
            other=(1, 1),
        ),
        "truck-car": exponential(
            {
                "car": (0, 1),
                "truck": (1, -1),
                "cat": (0.1, 0),
                "frog": (-0.1, 0),
                "dog": (0, 0.1),
                "deer": (0, -0.1),
                "horse": (0.1, 0),
                "plane": (0, -0.1),
                "ship": (-0.1, 0.1),
            },
            other=(0.1, 0.1),
        ),
    }
    spaces = {}
    for (network, of), pair in product(curvature.items(), PAIRS):
        spaces[network, "big-lr", pair] = space_of(pair, 1.0, bowls.get((network, pair)) or bowls[pair])
        for setup, bend in of.items():
            loss = {"loss": losses[pair]} if setup == "anneal-lr" and pair in losses else {}
            spaces[network, setup, pair] = space_of(
                pair, {"small-lr": 0.1, "anneal-lr": 2.0}[setup], bowl(bend, bend), **loss
            )
    histories = {key: history_of(test) for key, test in tests.items()}
    histories["vgg19", "anneal-lr"] = history_of(tests["vgg19", "anneal-lr"], epochs)
    return Evidence(histories, {}, in_every_reading(spaces), draws=200)


# --- nothing is there


def null():
    """All classes are missed alike, whatever the network and setup, and nothing moves; big-lr's planes are as steep for
    all pairs and at all angles, and all flat areas are as large."""
    even = counts_of({}, 20)
    keys = [*product(NETWORKS, ["anneal-lr"]), *product(SPACE_NETWORKS, ["big-lr", "small-lr"])]
    histories = {key: history_of(even) for key in keys}
    histories["vgg19", "anneal-lr"] = history_of(even, [even] * EPOCHS)
    spaces = {
        (network, setup, pair): space_of(
            pair, SIGMA[setup], bowl(*[0.4 * SIGMA[setup] ** 2] * 2), lambda name, a, b: 1 + (a**2 + b**2) / 20
        )
        for network, setup, pair in product(SPACE_NETWORKS, SIGMA, PAIRS)
    }
    return Evidence(histories, {}, in_every_reading(spaces), draws=200)


# --- as they would be measured


def drawn(evidence, random):
    """The artifacts of a world as samples of images give them."""

    def of_counts(counts):
        rates = counts.values / counts.values.sum(-1, keepdims=True)
        return counts.copy(data=random.multinomial(OBJECTS, rates))

    def of_space(space):
        counts = of_counts(space["counts"])
        error = np.sqrt(0.9 * 0.1 / (10 * OBJECTS))
        scale = 1 + random.normal(scale=0.03, size=10)  # the images of a class are the same at all points
        return space.assign(
            counts=counts,
            loss_sum=space["loss_sum"] * scale,
            standard_error=(("theta1", "theta2"), np.full((19, 19), error)),
        )

    histories = {
        key: history.assign({name: of_counts(history[name]) for name in history})
        for key, history in evidence.histories.items()
    }
    spaces = {key: of_space(space) for key, space in evidence.spaces.items()}
    return Evidence(histories, {}, spaces, draws=evidence.draws)

"""Rules give each verdict on artifacts made by hand: a world in which the paper is right, one in which it errs."""

import json
import math

import numpy as np
import pytest
import xarray as xr

from ciutils import train
from reproduction import claims, paper, runs
from reproduction.claims import Claim, Evidence, Number, Part, evidence
from reproduction.results import REPOSITORY, Results

CLASSES = list(paper.CLASSES)
OBJECTS = 1000


def counts_of(errors, spread=0):
    """A confusion matrix of 1000 objects a class: `errors` by (true, predicted), `spread` in every other cell."""
    cells = np.full((10, 10), spread)
    for (true, predicted), number in errors.items():
        cells[CLASSES.index(true), CLASSES.index(predicted)] = number
    np.fill_diagonal(cells, 0)
    np.fill_diagonal(cells, OBJECTS - cells.sum(1))
    return xr.DataArray(cells, dims=("true", "predicted"), coords={"true": CLASSES, "predicted": CLASSES})


def history_of(test, train=None):
    """A history whose last test counts are `test`, with training counts of each epoch."""
    train = [test] if train is None else train
    stacked = {"running_counts": xr.concat(train, "epoch"), "test_counts": xr.concat([test] * len(train), "epoch")}
    return xr.Dataset(stacked).assign_coords(epoch=range(1, len(train) + 1))


def space_of(pair, sigma, rate=lambda a, b: 0.05 + 0 * a, loss=lambda name, a, b: 1 + 0 * a):
    """A space over [-sigma, sigma]^2; rate and loss are functions of theta / sigma."""
    first, second = pair.split("-")
    steps = np.linspace(-1, 1, 19)
    a, b = np.meshgrid(steps, steps, indexing="ij")
    wrong = np.rint(OBJECTS * np.clip(rate(a, b), 0, 1)).astype(int)
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
        coords={"theta1": sigma * steps, "theta2": sigma * steps, "true": CLASSES, "predicted": CLASSES},
        attrs={"first": first, "second": second, "norm1": 1.0, "norm2": 1.0, "cosine": 0.0, "weight_norm": 1.0},
    )


def exponential(slopes, other=(0.1, 0.2)):
    """Each class's loss rises along its own direction: exp(slope1 theta1 + slope2 theta2)."""

    def loss(name, a, b):
        first, second = slopes.get(name, other)
        return np.exp(first * a + second * b)

    return loss


# --- a world in which the paper is right

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
    return counts_of(errors | {("cat", "dog"): cat_dog, ("dog", "cat"): dog_cat, ("car", "truck"): car_truck})


def dancing_epochs():
    """CAT and DOG move against each other, most at the start; weak interferers sound only then."""
    epochs = []
    for epoch in range(30):
        swing = round(60 * math.exp(-epoch / 8)) * (-1) ** epoch
        cat = {"dog": 60 + 2 * epoch + swing, "bird": 62, "frog": 63 if epoch == 3 else 61}
        dog = {"cat": 80 + 2 * epoch - swing, "horse": 62, "deer": 63 if epoch == 2 else 61}
        car = {"truck": 50, "plane": 60 if epoch == 1 else 20, "ship": 60 if epoch == 2 else 20}
        truck = {"car": 50, "plane": 60 if epoch in (1, 3) else 20, "ship": 60 if epoch == 2 else 20}
        rows = {"cat": cat, "dog": dog, "car": car, "truck": truck}
        epochs.append(counts_of({(true, other): n for true, row in rows.items() for other, n in row.items()}))
    return epochs


def right():
    bowls = {  # rises above 0.05 at distance 1 along the axes, by (network, pair), with big-lr
        ("vgg19", "cat-dog"): lambda a, b: 0.9 * a**2 + 0.2 * b**2,
        ("resnet18", "cat-dog"): lambda a, b: 0.2 * a**2 + 0.9 * b**2,
        "truck-car": lambda a, b: 0.3 * (a - b) ** 2 + 0.1 * (a + b) ** 2,
        "horse-ship": lambda a, b: 0.4 * (a**2 + b**2),
    }
    curvature = {"vgg19": {"small-lr": 0.3, "anneal-lr": 0.1}, "resnet18": {"small-lr": 2.0, "anneal-lr": 0.04}}
    spaces = {}
    for network, others in curvature.items():
        for pair in evidence.PAIRS:
            bowl = bowls.get((network, pair)) or bowls[pair]
            spaces[network, "big-lr", pair] = space_of(pair, 1.0, lambda a, b, bowl=bowl: 0.05 + bowl(a, b))
            for setup, sigma in (("small-lr", 0.1), ("anneal-lr", 10.0)):
                spaces[network, setup, pair] = space_of(
                    pair, sigma, lambda a, b, k=others[setup]: 0.05 + k * (a**2 + b**2)
                )
    cat_dog = exponential(
        {
            "cat": (-2, 2),
            "dog": (1.5, -1.5),
            "horse": (1.2, -1.2),
            "deer": (1, -1),
            **dict.fromkeys(("car", "truck", "plane", "ship"), (0.5, 0.5)),
        }
    )
    truck_car = exponential(
        {
            "truck": (-2, 1),
            "ship": (-2, 1.1),
            "car": (0.3, -2),
            "plane": (0.4, -2),
            "horse": (3, 0),
            **dict.fromkeys(("cat", "frog", "dog", "deer"), (2, 2)),
        },
        other=(1, 2),
    )
    history = {
        ("vgg19", "anneal-lr"): history_of(interfering(130, 120), dancing_epochs()),
        ("resnet18", "anneal-lr"): history_of(interfering(90, 80)),
        ("googlenet", "anneal-lr"): history_of(interfering(70, 60)),
        ("dla", "anneal-lr"): history_of(interfering(70, 60, car_truck=20, car_else=1)),
        ("simple-dla", "anneal-lr"): history_of(interfering(70, 60)),
        ("vgg19", "big-lr"): history_of(counts_of({}, 12)),
        ("resnet18", "big-lr"): history_of(counts_of({}, 10)),
        ("vgg19", "small-lr"): history_of(counts_of({}, 17)),
        ("resnet18", "small-lr"): history_of(counts_of({}, 15)),
    }
    return Evidence(
        history,
        spaces,
        {"cat-dog": space_of("cat-dog", 1.0, loss=cat_dog), "truck-car": space_of("truck-car", 1.0, loss=truck_car)},
    )


# --- a world in which it is wrong


def wrong():
    even = counts_of({}, 20)
    epochs = []
    for epoch in range(30):
        swing = 20 * (-1) ** epoch
        rows = {"cat": {"horse": 100 + swing}, "dog": {"frog": 100 + swing}, "car": {"bird": 50}, "truck": {"bird": 50}}
        epochs.append(counts_of({(true, other): n for true, row in rows.items() for other, n in row.items()}))
    histories = {
        (network, setup): history_of(even)
        for network in claims.NETWORKS
        for setup in ("anneal-lr", "big-lr", "small-lr")
    }
    histories["vgg19", "anneal-lr"] = history_of(even, epochs)
    sigma = {"big-lr": 1.0, "small-lr": 0.1, "anneal-lr": 10.0}
    spaces = {
        (network, setup, pair): space_of(pair, sigma[setup])
        for network in evidence.SPACE_NETWORKS
        for setup in sigma
        for pair in evidence.PAIRS
    }
    cat_dog = exponential(
        {"cat": (1, 0), "dog": (1, 1), "car": (1, 1), "truck": (-1, 1), "horse": (-1, -1), "deer": (1, -1)},
        other=(1, 1),
    )
    truck_car = exponential(
        {
            "car": (0, 1),
            "truck": (1, -1),
            "cat": (1, 0),
            "frog": (-0.1, 0),
            "dog": (0, 1),
            "deer": (0, -0.1),
            "horse": (0.1, 0),
            "plane": (0, -0.1),
            "ship": (-0.1, 0.1),
        },
        other=(0.1, 0.1),
    )
    return Evidence(
        histories,
        spaces,
        {"cat-dog": space_of("cat-dog", 1.0, loss=cat_dog), "truck-car": space_of("truck-car", 1.0, loss=truck_car)},
    )


RIGHT, WRONG = right(), wrong()
SEPARATE = {"C04", "C18", "C27"}
"""Claims that no single world can make true, or false, together with the others; they have tests of their own."""


def parts_of(id, evidence):
    return {part.what: part for part in claims.judge(claims.CLAIMS[id], evidence).parts}


def verdict(id, evidence):
    return claims.judge(claims.CLAIMS[id], evidence).verdict


def test_every_claim_of_the_paper_is_judged():
    assert sorted(claims.CLAIMS) == [f"C{number:02}" for number in range(1, 28)]
    assert [each.claim.id for each in claims.judge_all(Evidence())] == sorted(claims.CLAIMS)


@pytest.mark.parametrize("id", sorted(set(claims.CLAIMS) - SEPARATE | {"C04"}))
def test_it_reproduces_where_the_paper_is_right(id):
    failed = [part for part in parts_of(id, RIGHT).values() if not part.holds]
    assert failed == []
    assert verdict(id, RIGHT) == "reproduced"


@pytest.mark.filterwarnings("ignore:An input array is constant")
@pytest.mark.parametrize("id", sorted(set(claims.CLAIMS) - SEPARATE))
def test_it_does_not_reproduce_where_the_paper_is_wrong(id):
    held = [part for part in parts_of(id, WRONG).values() if part.holds]
    assert held == []
    assert verdict(id, WRONG) == "not reproduced"


@pytest.mark.parametrize("id", sorted(set(claims.CLAIMS) - {"C27"}))
def test_without_artifacts_it_is_not_testable(id):
    assert verdict(id, Evidence()) == "not testable here"


@pytest.mark.parametrize("id", ["C01", "C02", "C03", "C04"])
def test_a_network_that_is_missing_leaves_a_claim_on_all_of_them_partly(id):
    some = {key: value for key, value in RIGHT.histories.items() if key[0] != "dla"}
    assert verdict(id, Evidence(some)) == "partly"


def test_one_way_confusion_is_not_symmetric():
    around = counts_of({(name, CLASSES[(k + 1) % 10]): 100 for k, name in enumerate(CLASSES)})
    histories = {(network, "anneal-lr"): history_of(around) for network in claims.NETWORKS}
    assert verdict("C04", Evidence(histories)) == "not reproduced"


@pytest.mark.parametrize(("like", "expected"), [(True, "reproduced"), (False, "not reproduced")])
def test_similar_shapes_go_with_confusion(like, expected):
    """Two groups of classes, alike within: confused within the groups, or between them."""
    group = {name: k % 2 for k, name in enumerate(CLASSES)}
    directions = {name: ((1.0, 0.02 * k) if group[name] else (-1.0, 0.02 * k)) for k, name in enumerate(CLASSES)}
    errors = {(a, b): 20 for a in CLASSES for b in CLASSES if (group[a] == group[b]) == like}
    space = space_of("cat-dog", 1.0, loss=exponential(directions))
    world = Evidence(
        {("vgg19", "anneal-lr"): history_of(counts_of(errors, 2))}, {}, {"cat-dog": space, "truck-car": space}
    )
    assert verdict("C18", world) == expected


def test_proposition_1_needs_alphas_of_either_sign():
    parts = parts_of("C27", Evidence())
    assert [part.holds for part in parts.values()] == [True, False]
    assert parts["alphas of either sign"].numbers[0].value < 1e-12
    assert verdict("C27", Evidence()) == "partly"


def test_a_difference_within_the_sampling_error_does_not_hold():
    noisy = {
        key: space.assign(standard_error=(("theta1", "theta2"), np.full((19, 19), 0.1)))
        for key, space in RIGHT.spaces.items()
    }
    assert verdict("C07", Evidence(RIGHT.histories, noisy)) == "not reproduced"


@pytest.mark.parametrize(
    ("holds", "expected"),
    [
        ([True, True], "reproduced"),
        ([True, False], "partly"),
        ([False, False], "not reproduced"),
        ([None, None], "not testable here"),
        ([True, None], "partly"),
        ([False, None], "not reproduced"),
    ],
)
def test_parts_add_up_to_a_verdict(holds, expected):
    parts = [Part(str(k), each) for k, each in enumerate(holds)]
    claim = Claim("C00", "a statement", "", "a rule", "cctm#the-matrix", lambda _: parts)
    assert claims.judge(claim, Evidence()).verdict == expected


def test_a_share_carries_wilsons_interval():
    """Wilson's interval of 90 in 1000, from the closed formula."""
    (number, *_) = parts_of("C02", RIGHT)["resnet18"].numbers
    z, n, p = 1.959964, 1000, 0.09
    middle, half = (
        (p + z**2 / (2 * n)) / (1 + z**2 / n),
        z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)),
    )
    assert (number.name, number.value) == ("cat called dog", 9.0)
    assert (number.low, number.high) == pytest.approx((100 * (middle - half), 100 * (middle + half)), abs=1e-3)


def test_a_number_is_shown_with_its_interval():
    assert str(Number("cat called dog", 9.0, 7.4, 10.9, "%")) == "cat called dog 9% (7.4 to 10.9)"
    assert str(Number("pairs:", 3)) == "pairs: 3"
    assert str(Number("area", math.nan, 0, math.inf)) == "area not known"


@pytest.mark.parametrize("id", ["C11", "C12"])
def test_flat_areas_that_the_grid_cannot_tell_apart_do_not_hold(id):
    """The paper's world on planes so large that every flat area is smaller than a cell."""
    far = {
        key: space_of(key[2], float(space.theta1[-1]), lambda a, b: np.where(np.hypot(a, b) > 0.01, 0.9, 0.05))
        for key, space in RIGHT.spaces.items()
    }
    parts = [part for part in parts_of(id, Evidence(RIGHT.histories, far)).values() if part.what != "test accuracy"]
    assert not any(part.holds for part in parts)
    assert {str(number) for part in parts for number in part.numbers} == {"area not known"}


@pytest.mark.parametrize("claim", claims.CLAIMS.values(), ids=lambda claim: claim.id)
def test_its_link_leads_to_a_section_of_a_chapter(claim):
    notebook, section = claim.page.split("#")
    source = json.loads((REPOSITORY / "notebooks" / f"{notebook}.ipynb").read_text())
    lines = "".join("".join(cell["source"]) + "\n" for cell in source["cells"] if cell["cell_type"] == "markdown")
    titles = [line.lstrip("# ") for line in lines.splitlines() if line.startswith("#")]
    slugs = ["".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-") for title in titles]
    assert section in slugs


def test_what_is_published_is_gathered_and_nothing_is_computed(monkeypatch):
    monkeypatch.setattr(train, "train", lambda *_, **__: pytest.fail("trained"))
    assert claims.gather("paper", Results()) == Evidence()
    published = claims.gather("laptop", Results())
    assert ("resnet18", "anneal-lr") in published.histories
    assert verdict("C02", Evidence(published.histories)) != "not testable here"


def test_planes_are_gathered_at_the_sigma_of_their_figure(monkeypatch):
    """Figures 2 to 4 by the ratio to big-lr's sigma, Figure 5 by the annealed network's own."""
    setups = dict.fromkeys(evidence.SPACE_NETWORKS, ("anneal-lr", "big-lr"))
    pairs = ("3-8", "1-2", "4-5")
    size = runs.Profile("digits", setups, 1, 0.02, 3, images=60, control_images=40, pairs=pairs, batch_size=256)
    monkeypatch.setitem(runs.PROFILES, "digits", size)
    monkeypatch.setattr(evidence, "PAIRS", pairs)
    monkeypatch.setattr(evidence, "DATASET", "digits")
    annealed, results = size.run("vgg19", "anneal-lr"), Results()
    ratio, own = (sigma(annealed, pairs, 40) for sigma in (results.paper_sigma, results.sigma))
    results.space(annealed, "3-8", ratio, 3, 60)
    results.space(annealed, "1-2", own, 3, 60)
    found = claims.gather("digits", results)
    assert set(found.histories) == {("vgg19", "anneal-lr"), ("vgg19", "big-lr")}
    assert {key: float(space.theta1[-1]) for key, space in found.spaces.items()} == {
        ("vgg19", "anneal-lr", "3-8"): pytest.approx(ratio)
    }
    assert {pair: float(space.theta1[-1]) for pair, space in found.classwise.items()} == {"1-2": pytest.approx(own)}

import itertools
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from scipy.special import logsumexp
from torch import nn

from ciutils import artifacts, data, measure
from ciutils.analyse import responses, surfaces
from ciutils.measure import evaluator, spaces

CPU = {"device": "cpu", "precision": "fp32"}
ABC = ("a", "b", "c")


class Position(nn.Module):
    """Its logits are its own two parameters and a zero, whatever the image: the loss tells where in the plane it is."""

    def __init__(self, first=0.0, second=0.0):
        super().__init__()
        self.where = nn.Parameter(torch.tensor([first, second]))
        self.other = nn.Parameter(torch.ones(1))  # so that no network has the norm 0

    def forward(self, images):
        logits = torch.cat([self.where, self.where.new_zeros(1)])
        return logits.expand(len(images), 3) + 0 * images.mean((1, 2, 3), dtype=logits.dtype)[:, None]


class InATuple(Position):
    def forward(self, images):
        return (super().forward(images),)


THREE = data.Split(torch.zeros(6, 1, 2, 2), torch.tensor([0, 0, 0, 1, 1, 2]), ABC)


def axes_of(model, names=("a", "b"), rows=((1.0, 0.0), (0.0, 1.0))):
    norm = float(sum(value.detach().square().sum() for value in model.parameters())) ** 0.5
    return measure.Directions(names, {"where": torch.tensor(rows)}, norm)


def space_of(model, directions=None, split=THREE, pair="a-b", sigma=(1.0, 3.0), points=(5, 7), **options):
    directions = directions or axes_of(model)
    return measure.interference_space(model, split, directions, pair, sigma, points, **CPU | options)


# --- grids


@pytest.mark.parametrize(("sign", "second"), [("descent", -1), ("paper", 1)])
def test_every_point_is_where_its_coordinates_say(sign, second):
    space = space_of(Position(0.3, -0.2), sign=sign)
    assert space["counts"].dims == ("theta1", "theta2", "true", "predicted")
    np.testing.assert_allclose(space["theta1"], [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(space["theta2"], [-3, -2, -1, 0, 1, 2, 3])
    for i, theta1 in enumerate(space["theta1"].values):
        for j, theta2 in enumerate(space["theta2"].values):
            logits = np.array([0.3 - theta1, -0.2 + second * theta2, 0])
            losses = (logsumexp(logits) - logits) * [3, 2, 1]
            np.testing.assert_allclose(space["loss_sum"][i, j], losses, rtol=1e-5)
            assert space["counts"][i, j].sum() == space["counts"][i, j, :, np.argmax(logits)].sum() == 6


@pytest.mark.parametrize("pair", [(1, 2), "a-b", ("a", "B")])
def test_the_plane_is_that_of_the_two_directions_named_or_numbered(pair):
    model = Position(0.3, -0.2)
    directions = axes_of(model, ("A", "a", "b"), ((7.0, 7.0), (1.0, 0.0), (0.0, 1.0)))
    assert space_of(model, directions, pair=pair)["loss_sum"].equals(space_of(model)["loss_sum"])
    two = axes_of(model, ("airplane", "automobile"))
    assert space_of(model, two, pair=(0, 1))["loss_sum"].equals(space_of(model)["loss_sum"])


def test_positions_are_those_of_the_classes_whichever_have_directions():
    """A class without images has no direction, and directions may be asked for in any order."""
    model = Position(0.3, -0.2)
    expected = space_of(model)["loss_sum"]
    turned = axes_of(model, ("b", "a"), ((0.0, 1.0), (1.0, 0.0)))
    assert space_of(model, turned, pair=(0, 1))["loss_sum"].equals(expected)
    without = axes_of(model, ("b", "c"))
    assert space_of(model, without, pair=(1, 2))["loss_sum"].equals(expected)
    with pytest.raises(ValueError, match="pair 'a-b': class 'a' has no direction; 'b', 'c' have one"):
        space_of(model, without, pair="a-b")


def test_distances_are_in_units_of_the_weights_norm():
    model = Position(3**0.5, 0.0)  # of norm 2
    space = space_of(model, axes_of(model, rows=((3.0, 0.0), (0.0, 4.0))))
    np.testing.assert_allclose(space["distance1"], space["theta1"] * 3 / 2)
    np.testing.assert_allclose(space["distance2"], space["theta2"] * 4 / 2)


def test_the_space_of_a_linear_softmax_is_the_closed_form():
    """Class gradients, losses and counts of softmax(W x) at every point, computed with numpy."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(60, 1, 2, 2, generator=generator)
    split = data.Split(images, torch.arange(60) % 3, ABC)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False))
    directions = measure.ego_directions(model, split, batch_size=7, device="cpu")
    space = space_of(model, directions, split, "c-a", batch_size=13)

    weight = model[1].weight.detach().double().numpy()
    inputs, labels = images.flatten(1).double().numpy(), split.labels.numpy()

    def gradient(position):
        mine = inputs[labels == position]
        shares = np.exp(mine @ weight.T)
        shares /= shares.sum(1, keepdims=True)
        return (shares - np.eye(3)[position]).T @ mine / len(mine)

    for i, theta1 in enumerate(space["theta1"].values):
        for j, theta2 in enumerate(space["theta2"].values):
            logits = inputs @ (weight - theta1 * gradient(2) - theta2 * gradient(0)).T
            losses = logsumexp(logits, axis=1) - logits[np.arange(60), labels]
            counts = np.zeros((3, 3), int)
            np.add.at(counts, (labels, logits.argmax(1)), 1)
            np.testing.assert_array_equal(space["counts"][i, j], counts)
            np.testing.assert_allclose(space["loss_sum"][i, j], np.bincount(labels, losses, minlength=3), rtol=1e-4)


def test_a_point_without_finite_output_is_nan_and_the_others_are_untouched():
    class Root(Position):
        def forward(self, images):
            return super().forward(images) + (self.where[0] + 0.75).sqrt() * 0

    sound, broken = space_of(Position()), space_of(Root())
    outside = broken["theta1"] > 0.75
    assert surfaces.mistake_rate(broken).sel(theta1=1.0).isnull().all()
    assert surfaces.class_loss(broken).sel(theta1=1.0).isnull().all()
    xr.testing.assert_identical(broken["counts"][~outside], sound["counts"][~outside])
    xr.testing.assert_identical(broken["loss_sum"][~outside], sound["loss_sum"][~outside])


# --- Proposition 1

numbers = st.floats(-5, 5)


@given(arrays.arrays(np.float64, (3, 4), elements=numbers), st.floats(0.01, 0.99), numbers, numbers)
def test_an_interference_model_is_a_convex_combination_of_two_ego_models(vectors, share, alpha1, alpha2):
    """l (w - a1 g1) + (1 - l)(w - a2 g2) is the plane's point (l a1, (1 - l) a2), whatever the signs of a1 and a2."""
    origin, first, second = ({"w": torch.from_numpy(each)} for each in vectors)
    plane = evaluator.Plane(origin, [first, second], torch.device("cpu"))
    ego1, ego2 = plane.at(alpha1, 0)["w"], plane.at(0, alpha2)["w"]
    point = plane.at(share * alpha1, (1 - share) * alpha2)["w"]
    torch.testing.assert_close(share * ego1 + (1 - share) * ego2, point, rtol=0, atol=1e-12)


# --- interruption, shards


def assert_same_measurement(one, other):
    """The same bits everywhere, but for the seconds that they took."""
    xr.testing.assert_identical(*(each.assign_attrs(seconds=0.0) for each in (one, other)))


def test_four_shards_merged_are_one_run(tiny_model, tiny_data):
    directions = measure.ego_directions(tiny_model, tiny_data.train, device="cpu")
    whole = space_of(tiny_model, directions, tiny_data.train)
    shards = [space_of(tiny_model, directions, tiny_data.train, shard=(each, 4)) for each in range(4)]
    assert [int(shard["done"].sum()) for shard in shards] == [2, 1, 1, 1]
    merged = measure.merge(shards)
    assert_same_measurement(merged, whole)
    assert merged.attrs["seconds"] == pytest.approx(sum(shard.attrs["seconds"] for shard in shards))


def test_a_missing_or_foreign_shard_is_refused():
    shards = [space_of(Position(), shard=(each, 2)) for each in range(2)]
    with pytest.raises(ValueError, match="3 of 5 rows are missing"):
        measure.merge(shards[1:])
    with pytest.raises(ValueError, match="a shard is of another space: plane is"):
        measure.merge([shards[0], space_of(Position(1.0), shard=(1, 2))])
    with pytest.raises(ValueError, match="a shard is of another space: its theta2 differs"):
        measure.merge([shards[0], space_of(Position(), sigma=(1.0, 2.0), shard=(1, 2))])


def test_no_shards_are_no_space():
    with pytest.raises(ValueError, match="there are no shards: give at least one"):
        measure.merge([])


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no artifact at {tmp_path}, a folder: name a file"):
        space_of(Position(), checkpoint=tmp_path)


def test_numpys_numbers_measure_the_same_space():
    plain = {"sigma": (0.5, 0.25), "points": (3, 5), "shard": (1, 2), "batch_size": 7, "tolerance": 0.5, "logits": 0}
    numpys = {"sigma": np.array([0.5, 0.25]), "points": np.array([3, 5]), "shard": (np.int64(1), np.int64(2))}
    numpys |= {"batch_size": np.int64(7), "tolerance": np.float32(0.5), "logits": np.int64(0)}
    one, other = (space_of(InATuple(), **each) for each in (plain, numpys))
    xr.testing.assert_equal(one, other)
    assert one.attrs["configuration"] == other.attrs["configuration"]


def test_an_interrupted_space_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole = space_of(Position(0.3, 0.1))
    saves = []
    write = artifacts.save_dataset

    def third_write_fails(dataset, path):
        saves.append(path)
        if len(saves) == 3:
            raise OSError("No space left on device")
        write(dataset, path)

    monkeypatch.setattr(artifacts, "save_dataset", third_write_fails)
    with pytest.raises(OSError, match="No space left"):
        space_of(Position(0.3, 0.1), checkpoint=tmp_path / "space.nc")
    assert int(artifacts.load_dataset(tmp_path / "space.nc")["done"].sum()) == 2
    monkeypatch.setattr(artifacts, "save_dataset", write)
    assert_same_measurement(space_of(Position(0.3, 0.1), checkpoint=tmp_path / "space.nc"), whole)


def test_the_seconds_before_an_interruption_count(tmp_path):
    checkpoint = tmp_path / "space.nc"
    finished = space_of(Position(), checkpoint=checkpoint)
    assert finished.attrs["seconds"] > 0
    finished["done"].values[-1] = False
    artifacts.save_dataset(finished.assign_attrs(seconds=1000.0), checkpoint)
    assert space_of(Position(), checkpoint=checkpoint).attrs["seconds"] > 1000


def test_a_killed_space_goes_on_to_the_same_bits(tmp_path):
    code = """
import sys, torch
from pathlib import Path
from ciutils import artifacts, data, measure, models
torch.manual_seed(0)
model = models.build("resnet18", 3, 3, 0.05)
split = data.Split(torch.randint(256, (60, 3, 16, 16), dtype=torch.uint8), torch.arange(60) % 3, tuple("abc"))
directions = measure.random_directions(model, ("a", "b"))
space = measure.interference_space(model, split, directions, "a-b", 0.1, 9, device="cpu", checkpoint=sys.argv[1])
artifacts.save_dataset(space, Path(sys.argv[2]))
"""
    killed, checkpoint = tmp_path / "killed.nc", tmp_path / "rows.nc"
    process = subprocess.Popen([sys.executable, "-c", code, checkpoint, killed])
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([sys.executable, "-c", code, checkpoint, killed], check=True)
    subprocess.run([sys.executable, "-c", code, tmp_path / "other.nc", tmp_path / "whole.nc"], check=True)
    assert_same_measurement(artifacts.load_dataset(killed), artifacts.load_dataset(tmp_path / "whole.nc"))


def test_a_checkpoint_of_another_space_is_refused(tmp_path):
    space_of(Position(), checkpoint=tmp_path / "space.nc")
    with pytest.raises(ValueError, match="space.nc is of another space: sign is 'descent' there, 'paper' here"):
        space_of(Position(), sign="paper", checkpoint=tmp_path / "space.nc")


# --- the network, the audit, the early stop


def test_the_network_is_only_read(tiny_model, tiny_data):
    tiny_model.train()
    before = {key: value.clone() for key, value in tiny_model.state_dict().items()}
    modes = [module.training for module in tiny_model.modules()]
    directions = measure.random_directions(tiny_model)
    space_of(tiny_model, directions, tiny_data.train, "random1-random2", points=3, precision="bf16")
    assert all(torch.equal(before[key], value) for key, value in tiny_model.state_dict().items())
    assert modes == [module.training for module in tiny_model.modules()]


def test_the_audit_is_the_largest_difference_from_fp32(tiny_model, tiny_data):
    directions = measure.ego_directions(tiny_model, tiny_data.train, device="cpu")
    spaces = {
        precision: space_of(tiny_model, directions, tiny_data.train, sigma=2.0, points=5, precision=precision)
        for precision in ("fp32", "bf16")
    }
    rates = {precision: surfaces.mistake_rate(space).values for precision, space in spaces.items()}
    audited = [(2, 2), (3, 3), (3, 1), (1, 3), (1, 1)]  # the middle, and halfway to each corner
    largest = max(abs(rates["fp32"][point] - rates["bf16"][point]) for point in audited)
    assert spaces["bf16"].attrs["audit_largest_difference"] == pytest.approx(largest)
    assert "audit_largest_difference" not in spaces["fp32"].attrs


def test_an_early_stop_knows_the_rate_to_the_tolerance(tiny_model):
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (4000, 2, 8, 8), dtype=torch.uint8, generator=generator)
    split = data.Split(images, torch.randint(3, (4000,), generator=generator), ABC)
    directions = measure.random_directions(tiny_model)
    exact, quick = (
        space_of(tiny_model, directions, split, "random1-random2", 0.5, 5, batch_size=100, tolerance=tolerance)
        for tolerance in (None, 0.05)
    )
    rate = surfaces.mistake_rate(exact)
    assert ((quick["low"] <= rate) & (rate <= quick["high"])).all()
    assert (quick["high"] - quick["low"] <= 0.1).all()
    assert quick["counts"].sum() < 0.5 * exact["counts"].sum()
    np.testing.assert_allclose(exact["low"], rate)
    np.testing.assert_allclose(exact["high"], rate)


@settings(max_examples=20)
@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_the_interval_misses_no_more_often_than_stated(rate, seed):
    """Draw without replacement, look after every batch, and see whether any look's interval misses."""
    random = np.random.default_rng(seed)
    mistakes = np.zeros(1000, int)
    mistakes[: round(1000 * rate)] = 1
    missed = 0
    for _ in range(40):
        seen = np.cumsum(random.permutation(mistakes))[99::100]
        bounds = [spaces._interval(int(k), 100 * (i + 1), 1000, 10) for i, k in enumerate(seen)]
        missed += not all(low <= mistakes.mean() <= high for low, high in bounds)
    assert missed <= 8  # of 40 at 5 percent: more has a probability of one in ten thousand


class Sign(nn.Module):
    """Batch-norm of one weight times the image; "above" if that is positive."""

    def __init__(self):
        super().__init__()
        self.scale, self.norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=1e-12, affine=False)
        nn.init.constant_(self.scale.weight, 1.0)
        self.other = nn.Parameter(torch.ones(1))

    def forward(self, images):
        value = self.norm(self.scale(images)).flatten(1)
        return torch.cat([0 * value, value], 1)


def pixels(values):
    images = torch.tensor(values).view(-1, 1, 1, 1)
    return data.Split(images, (images.flatten() > 0).long(), ("below", "above"))


def test_recalibrated_statistics_are_those_of_the_images_given():
    """Weights 2.5, 1 and -0.5. With the statistics of images that are 0 and 2, a pixel x comes to x - 1 at whatever
    positive weight, and to 1 - x at a negative one: their mean is 1, their deviation 1."""
    model, split, around_one = Sign().eval(), pixels([-3.0, -0.5, 0.4, 0.8, 1.6, 3.0]), pixels([0.0, 2.0] * 500)
    tensors = {"scale.weight": torch.tensor([1.0, 0.0]).view(2, 1, 1, 1, 1), "other": torch.tensor([[0.0], [1.0]])}
    directions, options = measure.Directions(split.classes, tensors, 2**0.5), {"batch_size": 500, "bn": "recalibrated"}
    sigma, points = (1.5, 1e-6), 3
    space = space_of(model, directions, split, "below-above", sigma, points, statistics=around_one, **options)
    counts, losses = (space[name].isel(theta2=1).values for name in ("counts", "loss_sum"))
    assert counts[0].tolist() == counts[1].tolist() == [[2, 0], [2, 2]]  # only 1.6 and 3 are above
    assert counts[2].tolist() == [[0, 2], [2, 2]]
    x = split.images.flatten().numpy()
    for row, way in enumerate((1, 1, -1)):
        each = np.logaddexp(0, np.where(x > 0, -1, 1) * way * (x - 1))
        assert losses[row] == pytest.approx([each[x < 0].sum(), each[x > 0].sum()], rel=2e-3)  # a batch's n / (n - 1)
    assert space.attrs["statistics_largest_error"] < 1e-6
    frozen = space_of(model, directions, split, "below-above", sigma, points)  # mean 0, deviation 1
    assert frozen["counts"].isel(theta2=1)[0].values.tolist() == [[2, 0], [0, 4]]


def test_what_the_choice_of_the_images_for_statistics_costs_is_told():
    """One half of them is around 1, the other around -1: with the one 0.4 and 0.8 are taken for below, with the other
    -0.5 for above."""
    model, split = Sign().eval(), pixels([-3.0, -0.5, 0.4, 0.8, 1.6, 3.0])
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))  # in which batches are cut
    values = torch.empty(20)
    values[order] = torch.tensor([0.0, 2.0] * 5 + [0.0, -2.0] * 5)
    evaluated = evaluator.Evaluator(model, split, "recalibrated", 10, pixels(values.tolist()), **CPU)
    tensors = {"scale.weight": torch.zeros(2, 1, 1, 1, 1), "other": torch.ones(2, 1)}
    plane = evaluator.Plane(
        dict(model.named_parameters()), [{n: t[k] for n, t in tensors.items()} for k in (0, 1)], "cpu"
    )
    told = spaces._statistics_error(evaluated, plane, [np.zeros(1), np.zeros(1)])
    assert told["statistics_largest_error"] == pytest.approx((2 / 6 - 1 / 6) / 2)


def test_statistics_of_images_are_for_recalibrated_batch_norm_alone():
    with pytest.raises(ValueError, match="bn = 'frozen' takes no statistics from images: give bn = "):
        space_of(Position(), statistics=THREE)
    space = space_of(Position(), statistics=THREE, bn="recalibrated")
    assert np.isnan(space.attrs["statistics_largest_error"])  # one batch: there is nothing to compare
    with pytest.raises(ValueError, match="batch-norm statistics of other images: measure it whole"):
        measure.measured_again(space, Position(), THREE, axes_of(Position()), [(0, 0)])


# --- what follows from a space


def made(rate, sigma=(1.0, 1.0), points=21, norms=(1.0, 1.0), cosine=0.0, weight_norm=1.0):
    """A space whose mistake rate at (theta1, theta2) is `rate` of them, to one of 100,000 images."""
    axes = [each * np.linspace(-1, 1, points) for each in sigma]
    wrong = np.round(1e5 * np.clip(rate(*np.meshgrid(*axes, indexing="ij")), 0, 1)).astype(int)
    counts = np.zeros((points, points, 2, 2), int)
    counts[..., 0, 0], counts[..., 0, 1] = 100_000 - wrong, wrong
    grid = ("theta1", "theta2")
    return xr.Dataset(
        {
            "counts": ((*grid, "true", "predicted"), counts),
            "loss_sum": ((*grid, "true"), counts[..., 1] * 2.0),
            "undefined": (grid, np.zeros_like(wrong)),
            "done": ("theta1", np.ones(points, bool)),
        },
        coords={"theta1": axes[0], "theta2": axes[1], "true": ["a", "b"], "predicted": ["a", "b"]},
        attrs={
            "norm1": norms[0],
            "norm2": norms[1],
            "cosine": cosine,
            "weight_norm": weight_norm,
            "first": "a",
            "second": "b",
        },
    )


def bowl(theta1, theta2):
    return 0.1 + 0.4 * (theta1**2 + theta2**2)


def test_rates_and_losses_of_classes():
    space = space_of(Position(), points=3)
    point = {"theta1": 0, "theta2": 0}
    assert surfaces.mistake_rate(space).isel(point) == pytest.approx(1 - 2 / 6)  # all are called b
    np.testing.assert_allclose(surfaces.class_mistake_rate(space).isel(point), [1, 0, 1])
    logits = np.array([1.0, 3.0, 0])
    np.testing.assert_allclose(surfaces.class_loss(space).isel(point), logsumexp(logits) - logits, rtol=1e-6)


def test_standard_error_is_that_of_repeated_stratified_samples():
    """Draw 60 of 200 images many times, by class, and compare the spread of the mistake rate."""
    random = np.random.default_rng(0)
    wrong = {"a": np.arange(100) < 30, "b": np.arange(100) < 80}
    rates = [np.mean([random.choice(each, 30, replace=False).mean() for each in wrong.values()]) for _ in range(4000)]
    counts = np.array([[21, 9], [24, 6]])  # the expected sample
    space = made(bowl, points=3).isel(theta1=[1], theta2=[1])
    space["counts"].values[0, 0] = counts
    assert measure.standard_error(space, 200).item() == pytest.approx(np.std(rates), rel=0.05)
    assert measure.standard_error(space, 60).item() == 0


def with_losses(*surfaces, points=9):
    """A space whose classes have these mean losses, functions of (theta1, theta2)."""
    theta1, theta2 = np.meshgrid(*[np.linspace(-1, 1, points)] * 2, indexing="ij")
    names = [f"c{each}" for each in range(len(surfaces))]
    grid, classes = ("theta1", "theta2"), len(surfaces)
    counts = np.zeros((points, points, classes, classes), int) + 10 * np.eye(classes, dtype=int)
    losses = np.stack([10 * surface(theta1, theta2) for surface in surfaces], axis=-1)
    return xr.Dataset(
        {
            "counts": ((*grid, "true", "predicted"), counts),
            "loss_sum": ((*grid, "true"), losses),
            "undefined": (grid, np.zeros((points, points), int)),
            "done": ("theta1", np.ones(points, bool)),
        },
        coords={"theta1": theta1[:, 0], "theta2": theta2[0], "true": names, "predicted": names},
        attrs={"first": "c0", "second": "c1"},
    )


def slope(x, y):
    return x + 0.3 * y


def test_class_response_is_the_change_from_the_middle_to_the_edge():
    found = responses.class_response(with_losses(lambda x, y: 5 + x - 2 * y, lambda x, y: x * y))
    assert dict(zip(found["way"].values, found.sel(true="c0").values, strict=True)) == pytest.approx(
        {"+1": 1, "-1": -1, "+2": -2, "-2": 2, "+1 +2": -1, "-1 -2": 1, "+1 -2": 3, "-1 +2": -3}
    )
    np.testing.assert_allclose(found.sel(true="c1"), [0, 0, 0, 0, 1, 1, -1, -1])


@pytest.mark.parametrize(("reach", "share"), [(1.0, 1), (0.5, 0.5), (0.01, 0.25)])
def test_class_response_part_of_the_way_is_at_the_nearest_grid_point_but_not_the_middle(reach, share):
    found = responses.class_response(with_losses(lambda x, y: 5 + x - 2 * y), reach)
    assert float(found.sel(way="+1 -2", true="c0")) == pytest.approx(3 * share)


@pytest.mark.parametrize("reach", [0, -0.1, 1.1, "a"])
def test_a_reach_beyond_the_plane_is_one_line(reach):
    with pytest.raises(ValueError, match=f"reach = {reach!r}: give a number above 0 and at most 1"):
        responses.class_response(with_losses(lambda x, y: x + y), reach)


def test_a_shape_is_like_its_scaled_and_shifted_copy_and_unlike_its_mirror():
    space = with_losses(
        slope,
        lambda x, y: 7 + 3 * slope(x, y),
        lambda x, y: np.exp(slope(x, y)),
        lambda x, y: -slope(x, y),
        lambda x, y: slope(-x, y),
        lambda x, y: 0 * x,
    )
    found = responses.shape_similarity(space).sel(true="c0").values
    np.testing.assert_allclose(found[:4], [1, 1, 1, -1])
    # Mirrored in theta1, x + 0.3 y becomes -x + 0.3 y: the values correlate by (0.09 - 1) / 1.09, the ranks about so.
    assert found[4] == pytest.approx(-0.835, abs=0.05)
    assert np.isnan(found[5])


def square(values):
    names = [f"c{each}" for each in range(len(values))]
    return xr.DataArray(np.array(values), dims=("true", "other"), coords={"true": names, "other": names})


def test_matrices_that_agree_over_pairs_correlate():
    random = np.random.default_rng(0)
    values = random.normal(size=(10, 10))
    same = responses.pair_correlation(square(values), square(3 * values.T + 1), draws=500)
    assert same.correlation == pytest.approx(1)
    assert same.p_value < 0.01
    with pytest.raises(ValueError, match=r"matrices are \(10, 10\) and \(3, 3\)"):
        responses.pair_correlation(square(values), square(values[:3, :3]))


def test_the_correlation_over_pairs_is_spearmans_and_its_p_value_that_of_all_permutations():
    random = np.random.default_rng(2)
    one, other = random.normal(size=(2, 6, 6)).round(1)  # with ties
    upper = np.triu_indices(6, 1)

    def correlation(order):
        moved = (one + one.T)[np.ix_(order, order)]
        return stats.spearmanr(moved[upper], (other + other.T)[upper]).statistic

    found = responses.pair_correlation(square(one), square(other), draws=20_000)
    observed = correlation(range(6))
    every = np.array([correlation(order) for order in itertools.permutations(range(6))])
    assert found.correlation == pytest.approx(observed)
    assert found.p_value == pytest.approx((abs(every) >= abs(observed) - 1e-9).mean(), abs=0.02)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_few_classes_or_equal_pairs_have_no_correlation(classes):
    values = square(np.arange(classes**2).reshape(classes, classes))
    found = responses.pair_correlation(values, values if classes < 3 else square(np.ones((3, 3))), draws=20)
    assert np.isnan([found.correlation, found.p_value]).all()


def test_a_class_that_one_matrix_lacks_is_left_out():
    values, other = np.random.default_rng(3).normal(size=(2, 6, 6))
    rest = [0, 1, 3, 4, 5]
    expected = responses.pair_correlation(square(values[rest][:, rest]), square(other[rest][:, rest]), draws=50)
    other[2] = np.nan  # no images of it: its row of rates
    assert responses.pair_correlation(square(values), square(other), draws=50) == expected
    other[0, 1] = other[1, 0] = np.nan
    assert np.isnan(responses.pair_correlation(square(values), square(other)).correlation)


def test_matrices_that_name_other_classes_are_one_line():
    values = square(np.eye(3))
    with pytest.raises(ValueError, match="do not name the same classes in the same order"):
        responses.pair_correlation(values, values.isel(true=[1, 0, 2], other=[1, 0, 2]))


def test_one_class_is_like_itself():
    np.testing.assert_allclose(responses.shape_similarity(with_losses(slope)), [[1]])


def test_unrelated_matrices_seldom_correlate_even_if_classes_stand_out():
    """Cells of one class go together in both matrices: permuting cells would find far too much."""
    random = np.random.default_rng(1)

    def marked():
        effects = random.normal(size=8)
        return square(effects[:, None] + effects + 0.3 * random.normal(size=(8, 8)))

    p_values = [responses.pair_correlation(marked(), marked(), draws=100).p_value for _ in range(100)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.12  # 5 expected; above 12 has a probability of 0.2 percent


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_a_cut_reads_the_line_at_its_angle(angle):
    space = made(lambda x, y: 0.5 + 0.1 * x / 2 + 0.03 * y, sigma=(2.0, 1.0))
    found = surfaces.cut(space, angle, points=5)
    t = found["position"].values
    expected = 0.5 + 0.1 * t * np.cos(np.radians(angle)) + 0.03 * t * np.sin(np.radians(angle))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_sensitivity_finds_the_steep_diagonal():
    ridge = made(lambda x, y: 0.1 + 0.3 * np.abs(x - y), points=81)
    assert float(surfaces.sensitivity(ridge).idxmax("angle")) == 135
    test = surfaces.diagonal_test(ridge)
    assert (test.steepest, test.share_less) == (135, 1)
    assert test.at_45 == pytest.approx(0, abs=5e-3)
    # Mean of 0.3 |cos - sin| |t| over t in [-1, 1] is 0.15 sqrt(2) at 135 degrees.
    assert test.at_135 == pytest.approx(0.15 * 2**0.5, rel=0.02)


def test_an_undefined_point_leaves_what_is_averaged_over_it_undefined():
    space = made(bowl)
    space["undefined"].values[0, 0] = 1
    assert np.isnan(surfaces.mean_rise(space))
    part = made(bowl)
    part["done"].values[3] = False  # as in a shard; the cut at 90 degrees alone runs beside this row
    space["undefined"].values[10, 10] = 1
    for undefined in (space, part):
        found = surfaces.diagonal_test(undefined)
        assert np.isnan([found.steepest, found.at_135, found.mean, found.share_less]).all()
    assert not np.isnan(surfaces.sensitivity(part).sel(angle=90))


def test_a_round_bowl_has_no_steepest_diagonal():
    values = surfaces.sensitivity(made(bowl, points=81))
    assert float(values.max() - values.min()) < 0.01


def test_sigma_is_found_where_the_border_passes_the_level():
    split = data.Split(torch.zeros(4, 1, 2, 2), torch.tensor([0, 0, 0, 2]), ABC)
    model = Position(1.0, -5.0)  # says a: one of four is wrong, until theta1 passes 1

    def border(sigma):
        rate = surfaces.mistake_rate(space_of(model, split=split, sigma=sigma, points=3)).values
        return np.delete(rate.ravel(), 4).mean()

    found = measure.find_sigma(model, split, axes_of(model), ["a-b"], level=0.3, **CPU)
    assert border(found) >= 0.3 > border(found / 1.1)


def test_a_plane_below_the_level_spares_the_others(monkeypatch):
    """Both planes rise alike, so two take as many passes as one until the level is reached."""
    once, measured = evaluator.Evaluator.measure, []
    monkeypatch.setattr(evaluator.Evaluator, "measure", lambda self: measured.append(1) or once(self))
    split = data.Split(torch.zeros(4, 1, 2, 2), torch.tensor([0, 0, 0, 2]), ABC)
    model, passes, found = Position(1.0, -5.0), [], []
    for pairs in (["a-b"], ["a-b", "a-b"]):
        found.append(measure.find_sigma(model, split, axes_of(model), pairs, level=0.3, **CPU))
        passes.append(len(measured))
        measured.clear()
    assert found[0] == found[1]
    assert passes[1] < 2 * passes[0] - 8 * 5  # five steps at least lie below


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pairs": []}, r"pairs = \[\]: give a list of at least one pair"),
        ({"pairs": None}, "pairs = None: give a list of at least one pair"),
        ({"level": "x"}, "level = 'x': give a number above 0 and below 1"),
        ({"level": None}, "level = None: give a number above 0 and below 1"),
    ],
)
def test_a_half_side_of_nothing_is_one_line(options, message):
    with pytest.raises(ValueError, match=message):
        measure.find_sigma(Position(), THREE, axes_of(Position()), **{"pairs": ["a-b"], **CPU, **options})


def test_a_level_that_is_never_reached_gets_one_line():
    with pytest.raises(ValueError, match="level = 0.9: the mistake rate stays below it at any distance"):
        measure.find_sigma(Position(), THREE, axes_of(Position()), ["a-b"], level=0.9, **CPU)


def test_a_half_side_of_weights_that_are_all_zero_gets_one_line():
    model = Position()
    torch.nn.init.zeros_(model.other)
    with pytest.raises(ValueError, match="the network's weights are all zero"):
        measure.find_sigma(model, THREE, axes_of(model), ["a-b"], **CPU)


# --- errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 4}, "points = 4: give an odd number"),
        ({"points": 1}, "points = 1: give a whole number of at least 3"),
        ({"sigma": 0}, "sigma = 0: give a number above 0"),
        ({"sigma": (1.0, -1.0)}, "sigma = -1.0: give a number above 0"),
        ({"pair": "a-a"}, "pair 'a-a': a class has no interference space with itself"),
        ({"pair": "a-z"}, "unknown class 'z'"),
        ({"scale": "layer"}, "unknown scale 'layer'"),
        ({"sign": "plus"}, "unknown sign 'plus'"),
        ({"bn": "freeze"}, "unknown bn 'freeze'.*did you mean 'frozen'"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"sigma": (0.1, 0.2, 0.3)}, r"sigma = \(0.1, 0.2, 0.3\): give one value, or one for each of the two axes"),
        ({"sigma": "x"}, "sigma = 'x': give a number above 0"),
        ({"sigma": 1e308}, r"sigma = 1e\+308: give a number above 0 and at most 1e\+30"),
        ({"points": 10**9 + 1}, "points = 1000000001: give a whole number of at least 3 and at most 1001"),
        ({"shard": 5}, r"shard = 5: give \(i, n\) with 0 <= i < n"),
        ({"shard": ("0", "1")}, r"shard = \('0', '1'\): give \(i, n\)"),
        ({"shard": (0.5, 2)}, r"shard = \(0.5, 2\): give \(i, n\)"),
        ({"logits": ["a"]}, "logits = .'a'.: give the name or the position"),
        ({"shard": (4, 4)}, r"shard = \(4, 4\): give \(i, n\) with 0 <= i < n"),
        ({"tolerance": 0.0}, "tolerance = 0.0: give a number above 0 and at most 0.5"),
        ({"tolerance": 5}, "tolerance = 5: give a number above 0 and at most 0.5"),
        ({"split": data.Split(torch.zeros(0, 1, 2, 2), torch.zeros(0, dtype=torch.int64), ABC)}, "no images"),
    ],
)
def test_bad_arguments_get_one_line(options, message):
    with pytest.raises(ValueError, match=message) as error:
        space_of(Position(), **options)
    assert "\n" not in str(error.value)

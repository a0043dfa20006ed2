"""Networks and data that gave wrong numbers without a word."""

import copy
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from networks import plainly
from test_spaces import bowl, made
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ciutils import data, measure, train
from ciutils.analyse import flat, likeness, surfaces

CPU = {"device": "cpu", "precision": "fp32"}
ABC = ("a", "b", "c")


@pytest.fixture
def split():
    labels = torch.arange(60) % 3
    random = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return data.Split(random + 0.3 * labels.view(-1, 1, 1, 1), labels, ABC)


class Called(nn.Module):
    """Batch-norm as a function, in the mode of its parent."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 3)

    def forward(self, x):
        n = self.norm
        x = functional.batch_norm(
            self.conv(x), n.running_mean, n.running_var, n.weight, n.bias, self.training, 0.1, n.eps
        )
        return self.head(x.relu().flatten(1))


class Stubborn(nn.BatchNorm2d):
    def train(self, _mode=True):
        return super().train(False)


class Replacing(nn.BatchNorm2d):
    def forward(self, x):
        if self.training:
            self.running_mean = (0.9 * self.running_mean + 0.1 * x.mean((0, 2, 3))).detach()
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps
        )


def plain(norm):
    return nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))


def plane(model, split, **options):
    torch.manual_seed(0)
    directions = measure.random_directions(model, split.classes)
    return measure.interference_space(model.eval(), split, directions, "a-b", 1e-3, 3, **CPU | options)


@pytest.mark.parametrize("build", [Called, lambda: plain(Stubborn(4)), lambda: plain(Replacing(4))])
def test_batch_norms_that_take_no_statistics_are_not_recalibrated_to_none(build, split):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="batch-norm '(norm|1)' takes no statistics when it alone is in training mode"):
        plane(build(), split, bn="recalibrated")


def test_batch_norms_that_take_statistics_are_recalibrated(split):
    torch.manual_seed(0)
    assert plane(plain(nn.BatchNorm2d(4)), split, bn="recalibrated")["done"].all()


class OwnNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(4))

    def forward(self, x):
        return x - self.running_mean.view(1, -1, 1, 1)


def test_norms_that_keep_their_statistics_are_named(split):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="1 keep their statistics: they are no batch-norm of torch.nn"):
        plane(plain(OwnNorm()), split, bn="recalibrated")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda s: data.Split((255 * s.images).clamp(0, 255).to(torch.uint8), s.labels, ABC),
            "statistics are of Split",
        ),
        (lambda s: data.Split(s.images.repeat(1, 3, 1, 1), s.labels, ABC), "statistics are of Split.*give such images"),
        (lambda s: data.Split(s.images[..., :4], s.labels, ABC), "statistics are of Split"),
        (lambda s: s.images, "give a Split of some hundred images"),
    ],
)
def test_statistics_are_of_images_as_the_splits_are(change, told, split):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=told):
        plane(plain(nn.BatchNorm2d(4)), split, bn="recalibrated", statistics=change(split))


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.wave, self.head = nn.Parameter(torch.randn(8, 5, dtype=torch.cfloat)), nn.Linear(40, 3)

    def forward(self, x):
        return self.head((torch.fft.rfft2(x[:, 0]) * self.wave).abs().flatten(1))


def test_complex_parameters_are_refused(split):
    with pytest.raises(ValueError, match="parameter wave is complex: hold its two parts as real parameters"):
        measure.ego_directions(Complex(), split, device="cpu")


class Held(nn.Module):
    """Its bias is zero, and reached through a list."""

    def __init__(self):
        super().__init__()
        self.head, self.bias = nn.Linear(64, 3, bias=False), nn.Parameter(torch.zeros(3))
        self.held = [self.bias]

    def forward(self, x):
        return 3 * self.head(x.flatten(1)) + self.held[0]


def test_weights_in_a_list_are_seen_where_they_are_zero_too(split):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="reaches some of its weights otherwise than as parameters"):
        measure.ego_directions(Held(), split, device="cpu")


class OneOnly(nn.Sequential):
    def __deepcopy__(self, _memo):
        return self


def test_a_network_that_copies_to_itself_is_left_as_it_was(split):
    torch.manual_seed(0)
    model = OneOnly(*plain(nn.BatchNorm2d(4))).eval()
    before, logits = [type(each) for each in model], model(split.inputs()).detach()
    with pytest.warns(UserWarning, match="no fast copy of the network"):
        plane(model, split)
    assert [type(each) for each in model] == before
    assert all(each.requires_grad for each in model.parameters())
    assert torch.equal(model(split.inputs()), logits)


class Logarithm(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.k = nn.Linear(64, 3), nn.Parameter(torch.tensor(0.01))

    def forward(self, x):
        return self.head(x.flatten(1)) + torch.log(self.k)


def test_a_half_side_where_outputs_are_not_finite_is_not_found(split):
    torch.manual_seed(0)
    model = Logarithm().eval()
    tensors = {key: torch.zeros(2, *value.shape) for key, value in model.named_parameters()}
    tensors["k"] = torch.tensor([1.0, 1.0])
    tensors["head.bias"] = torch.eye(3)[:2]
    norm = float(sum(each.detach().square().sum() for each in model.parameters())) ** 0.5
    directions = measure.Directions(("a", "b"), tensors, norm)
    with pytest.raises(ValueError, match=r"outputs are not finite at theta .* no mistake rate is known there"):
        measure.find_sigma(model, split, directions, ["a-b"], 0.99, **CPU)


def test_tables_whose_columns_are_in_another_order_are_refused():
    table = xr.DataArray(np.arange(9.0).reshape(3, 3), dims=("true", "predicted"), coords={"true": list(ABC)})
    table = table.assign_coords(predicted=list(ABC))
    turned = table.isel(predicted=[2, 1, 0])
    with pytest.raises(ValueError, match="both in one order of classes"):
        likeness.likeness(table, turned)
    with pytest.raises(ValueError, match="both in one order of classes"):
        likeness.one_way(turned)


def test_a_part_of_a_space_or_a_turned_one_has_no_middle():
    space = made(bowl)
    for part in (
        space.isel(theta1=slice(2, 5), theta2=slice(2, 5)),
        space.isel(theta1=slice(None, None, -1)),
        space.isel(theta2=slice(0, 20)),
    ):
        for measured in (surfaces.mean_rise, flat.flat_area):
            with pytest.raises(ValueError, match="give a space with the network in its middle, ascending"):
                measured(part)
    third = space.isel(theta1=slice(7, 14), theta2=slice(7, 14))
    assert surfaces.mean_rise(third) < surfaces.mean_rise(copy.deepcopy(space))


class OwnMomentum(nn.BatchNorm2d):
    """As others write it: the mean and the variance of a batch, mixed in by its momentum."""

    def forward(self, x):
        if self.training:
            for kept, new in ((self.running_mean, x.mean((0, 2, 3))), (self.running_var, x.var((0, 2, 3)))):
                kept.mul_(1 - self.momentum).add_(self.momentum * new.detach())
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.1, self.eps
        )


def test_a_batch_norm_that_mixes_by_its_own_momentum_is_recalibrated_as_torchs_is(split):
    spaces = []
    for norm in (nn.BatchNorm2d(4), OwnMomentum(4)):
        torch.manual_seed(0)
        spaces.append(plane(plain(norm), split, bn="recalibrated", batch_size=20))
    np.testing.assert_allclose(spaces[1]["loss_sum"], spaces[0]["loss_sum"], rtol=1e-5)


class Detaching(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(64, 8), nn.Linear(8, 3)

    def forward(self, x):
        hidden = self.body(x.flatten(1))
        return self.head(hidden * hidden.detach())


class InFloat32(Detaching):
    def forward(self, x):
        return super().forward(x.float())


@pytest.mark.parametrize("build", [Detaching, InFloat32])
def test_curvature_of_a_network_that_detaches_is_refused(build, split):
    torch.manual_seed(0)
    model = build().eval()
    egos = measure.ego_directions(model, split, device="cpu")
    with pytest.raises(ValueError, match="let nothing in the network detach what depends on its weights"):
        measure.plane_derivatives(model, split, egos, "a-b", device="cpu")


def test_a_network_that_bends_close_by_has_a_derivative(split):
    """All its hidden units are on, by so little that a step of float32 would switch many off."""
    torch.manual_seed(0)
    body, head = nn.Linear(64, 8), nn.Linear(8, 3)
    model = nn.Sequential(nn.Flatten(), body, nn.ReLU(), head).eval()
    images = data.Split(torch.ones(30, 1, 8, 8), torch.arange(30) % 3, ABC)
    with torch.no_grad():
        body.bias.copy_(1e-5 - body.weight.sum(1))
    directions = measure.random_directions(model, images.classes)
    found = measure.plane_derivatives(model, images, directions, "a-b", device="cpu")
    gradients = torch.autograd.grad(functional.cross_entropy(model(images.images), images.labels), model.parameters())
    named = dict(zip(dict(model.named_parameters()), gradients, strict=True))
    expected = [
        -sum(float((named[key] * way[key]).sum()) for key in named) for way in (directions["a"], directions["b"])
    ]
    np.testing.assert_allclose(found["gradient"].mean("true"), expected, rtol=1e-3)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(_ctx, x):
        return 2 * x

    @staticmethod
    def backward(_ctx, gradient):
        return 2 * gradient


class Calling(nn.Module):
    def forward(self, x):
        return Doubled.apply(x)


class Attending(nn.Module):
    """norm: of what attention is given."""

    def __init__(self, norm):
        super().__init__()
        self.body, self.norm = nn.Linear(8, 8), norm
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.norm(self.body(x[:, 0]))
        return self.head(nn.functional.gelu(self.attend(x, x, x)[0]).mean(1))


def test_curvature_where_torch_knows_two_is_refused(split):
    """Of nn.LayerNorm, forward over forward mode is wrong in torch 2.14; if this fails, torch is right at last."""
    torch.manual_seed(0)
    model = Attending(nn.LayerNorm(8)).eval()
    egos = measure.ego_directions(model, split, device="cpu")
    with pytest.raises(ValueError, match="torch gives two second derivatives of the loss"):
        measure.plane_derivatives(model, split, egos, "a-b", device="cpu")


@pytest.mark.parametrize(
    "layer", [nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), Calling()], ids=["norm", "own"]
)
def test_what_has_no_curvature_in_forward_mode_is_told_in_one_line(layer, split):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), layer).eval()
    egos = measure.ego_directions(model, split, device="cpu")
    with pytest.raises(ValueError, match="the network holds what has no second derivative") as error:
        measure.plane_derivatives(model, split, egos, "a-b", device="cpu")
    assert "\n" not in str(error.value)


def test_curvature_of_attention_is_that_of_differences(split):
    torch.manual_seed(0)
    model = Attending(nn.Identity()).eval().double()
    exact = data.Split(split.images.double(), split.labels, ABC)
    egos = measure.ego_directions(model, exact, device="cpu")
    found = measure.plane_derivatives(model, exact, egos, "a-b", device="cpu")
    home, step, chosen = copy.deepcopy(model.state_dict()), 1e-4, exact.labels == 2

    def loss(theta):
        model.load_state_dict({key: value - theta * egos["a"].get(key, 0) for key, value in home.items()})
        with torch.no_grad():
            return functional.cross_entropy(model(exact.images[chosen]), exact.labels[chosen])

    there, here, back = (loss(theta) for theta in (step, 0.0, -step))
    np.testing.assert_allclose(found["gradient"].sel(true="c", direction="a"), (there - back) / (2 * step), rtol=1e-5)
    second = found["hessian"].sel(true="c", direction="a", other="a")
    np.testing.assert_allclose(second, (there - 2 * here + back) / step**2, rtol=1e-3)


def test_networks_that_hold_no_numbers_to_read_are_refused_in_one_line(split):
    float8 = plain(nn.BatchNorm2d(4))
    float8[0].to(torch.float8_e4m3fn)
    for model, told in (
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), "1.weight has no shape yet: run it once"),
        (plain(nn.BatchNorm2d(4)).to("meta"), "0.weight is on the device meta, which holds no values"),
        (float8, "0.weight is torch.float8_e4m3fn: convert it"),
        (lambda x: x.mean((2, 3)), "the network is a function: give the torch.nn.Module"),
    ):
        for measured in (measure.counts, measure.ego_directions):
            with pytest.raises(ValueError, match=told):
                measured(model, split)


def test_a_network_that_depends_on_company_in_its_last_images_alone_is_refused(split):
    """Of 600 images, only the last 100 are not all dark; before, the first 100 were asked."""

    class Company(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 3)

        def forward(self, x):
            return self.head((x * x.mean()).flatten(1))

    torch.manual_seed(0)
    images = torch.zeros(600, 1, 8, 8)
    images[500:] = torch.rand(100, 1, 8, 8)
    sorted_ = data.Split(images, torch.arange(600) // 200, ABC)
    with pytest.raises(ValueError, match="something else of an image in other company"):
        measure.counts(Company(), sorted_, device="cpu")


def test_seeds_angles_and_lone_pairs_that_mean_nothing_are_refused(split):
    space, table = made(bowl), xr.DataArray(np.arange(9.0).reshape(3, 3), dims=("true", "predicted"))
    table = table.assign_coords(true=list(ABC), predicted=list(ABC))
    for seed in (-1, "x", 0.5):
        with pytest.raises(ValueError, match=f"seed = {seed!r}: give a whole number"):
            likeness.likeness(table, table, seed=seed)
    for angle in ("x", float("nan"), None):
        with pytest.raises(ValueError, match=f"angle = {angle!r}: give a finite number"):
            surfaces.cut(space, angle)
    with pytest.raises(ValueError, match="points = 0: give a whole number of at least 1"):
        surfaces.cut(space, 45, points=0)
    model = plain(nn.BatchNorm2d(4)).eval()
    with pytest.raises(ValueError, match="pairs = 'a-b': give a list of at least one pair"):
        measure.find_sigma(model, split, measure.random_directions(model, ABC), "a-b")
    with pytest.raises(ValueError, match="logits = True: give the name or the position"):
        measure.counts(model, split, logits=True)
    with pytest.raises(ValueError, match="split is a Tensor: give a Split"):
        train.augmented(split.images, "crop-flip")


def test_labels_are_whole_numbers_in_any_container():
    images = torch.rand(3, 1, 8, 8)
    column = np.array([0, 1, 2], dtype=object)
    assert data.Split(images, column, ABC).labels.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="label 18446744073709551615 of image 0 is out of range"):
        data.Split(images, np.array([2**64 - 1, 0, 1], dtype=np.uint64), ABC)
    with pytest.raises(ValueError, match="true labels are no array of whole numbers"):
        train.Recorder(ABC).add("test", torch.zeros(3, dtype=torch.bfloat16), torch.zeros(3, dtype=torch.int64))


class Twice(nn.Module):
    """One batch-norm, called twice in a pass."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.norm = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = self.norm(self.one(x)).relu()
        return self.head(self.norm(3 * self.two(x) + 2).relu().mean((2, 3)))


def test_a_batch_norm_that_is_called_twice_is_recalibrated_over_all_its_calls(split):
    torch.manual_seed(0)
    model = Twice()
    found = plane(model, split, bn="recalibrated", batch_size=20)["loss_sum"].sel(theta1=0, theta2=0)
    model.norm.momentum = None  # torch's own mean over all calls
    model.norm.reset_running_stats()
    model.train()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for index in order.tensor_split(3):
            model(split.images[index])
        model.eval()
        expected = functional.cross_entropy(model(split.images), split.labels, reduction="sum")
    assert float(found.sum()) == pytest.approx(float(expected), rel=1e-5)


def test_recalibrating_where_there_is_no_batch_norm_says_that_it_changes_nothing(split):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="it is the same as frozen here, as the network has no batch-norm"):
        plane(plain(nn.Identity()), split, bn="recalibrated")


def test_curvature_whose_errors_cancel_in_the_mean_is_refused_too(split):
    """Two norms whose rule torch has wrong change the mean second derivative by less than a thousandth."""
    torch.manual_seed(1)
    body = [nn.Conv2d(1, 8, 3), nn.InstanceNorm2d(8), nn.GELU(), nn.Conv2d(8, 8, 3), nn.InstanceNorm2d(8), nn.GELU()]
    model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)).eval()
    egos = measure.ego_directions(model, split, device="cpu")
    with pytest.raises(ValueError, match="torch gives two second derivatives of the losses"):
        measure.plane_derivatives(model, split, egos, "a-b", device="cpu")


def test_directions_that_are_zero_span_no_plane(split):
    torch.manual_seed(0)
    model = plain(nn.BatchNorm2d(4)).eval()
    zero = {name: torch.zeros(3, *value.shape) for name, value in model.named_parameters()}
    norm = float(sum(each.detach().square().sum() for each in model.parameters())) ** 0.5
    directions = measure.Directions(ABC, zero, norm)
    for scale in ("gradient", "unit", "filter"):
        with pytest.raises(ValueError, match="the gradient of class 'a' is zero: no step along it changes the network"):
            measure.interference_space(model, split, directions, "a-b", 0.1, 3, scale=scale, **CPU)


def test_a_unit_that_is_dead_leaves_the_other_filters_theirs(split):
    torch.manual_seed(0)
    model = plain(nn.Identity()).eval()
    with torch.no_grad():
        model[0].bias[0] = -1e3
        model[0].weight[0] *= 5 / model[0].weight[0].norm()
    found = measure.rescaled(measure.ego_directions(model, split, device="cpu"), "filter", model)["a"]["0.weight"]
    assert found[0].abs().max() == 0
    torch.testing.assert_close(found[1:].flatten(1).norm(dim=1), model[0].weight[1:].detach().flatten(1).norm(dim=1))


def test_directions_measured_before_a_layer_was_frozen_are_refused_for_that(split):
    model = plain(nn.Identity()).eval()
    directions = measure.ego_directions(model, split, device="cpu")
    model[0].requires_grad_(False)
    with pytest.raises(ValueError, match=r"the directions move 0\.weight, which is frozen here"):
        measure.interference_space(model, split, directions, "a-b", 0.1, 3, **CPU)


def test_a_checkpoint_of_other_layers_or_frozen_ones_is_refused(split, tmp_path):
    images = data.ImageData("x", split, split)

    def network(activation):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), activation, nn.Linear(8, 3))

    train.train(network(nn.ReLU()), images, "big-lr", 1, checkpoint=tmp_path, augment="none", device="cpu")
    frozen = network(nn.ReLU())
    frozen[1].requires_grad_(False)
    for other in (network(nn.Tanh()), frozen):
        with pytest.raises(ValueError, match="is of another network: use another checkpoint folder"):
            train.train(other, images, "big-lr", 2, checkpoint=tmp_path, augment="none", device="cpu")


def test_what_is_no_split_is_refused_in_one_line(split):
    model = plain(nn.Identity()).eval()
    directions = measure.ego_directions(model, split, device="cpu")
    for other in (data.ImageData("x", split, split), (split.images, split.labels), [1, 2]):
        for measured in (
            lambda images: measure.counts(model, images),
            lambda images: measure.ego_directions(model, images),
            lambda images: measure.plane_derivatives(model, images, directions, "a-b"),
            lambda images: measure.interference_space(model, images, directions, "a-b", 0.1, 3),
        ):
            with pytest.raises(ValueError, match=f"images are a {type(other).__name__}: give a Split"):
                measured(other)
    with pytest.raises(ValueError, match="data are a Split: give an ImageData"):
        train.train(model, split, "big-lr", 1)
    for shards in ({}, measure.interference_space(model, split, directions, "a-b", 0.1, 3, **CPU), [1]):
        with pytest.raises(ValueError, match="give a list of spaces"):
            measure.merge(shards)


class Squeezing(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        return self.head(x.flatten(1)).squeeze()


class Labelled(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 3)

    def forward(self, x, labels):
        return self.head(x.flatten(1)) + labels


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 3, 8), nn.Flatten()),
            r"does not run on images \[1, 8, 8\] of torch.float32: Runtime",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(60, 3)), "mat1 and mat2 shapes.*; give the images that it was made for"),
        (Labelled(), "TypeError: .*missing 1 required positional argument: 'labels'"),
        (Squeezing(), r"shape \(3,\).*of one image too, whose dimension squeeze\(\) without a number drops"),
    ],
)
def test_networks_that_do_not_run_on_the_images_say_why_in_one_line(model, told, split):
    for measured in (measure.counts, measure.ego_directions):
        with pytest.raises(ValueError, match=told):
            measured(model.eval(), split, device="cpu")


def test_what_cannot_be_trained_is_refused_and_what_can_is_trained_whatever_the_caller_switched_off(split):
    images = data.ImageData("x", split, split)
    options = {"augment": "none", "device": "cpu"}
    with pytest.raises(ValueError, match="no parameter to train: set requires_grad on some"):
        train.train(plain(nn.Identity()).requires_grad_(False), images, "big-lr", 1, **options)
    with pytest.raises(ValueError, match=r"0\.weight is torch.float16, too coarse for steps"):
        train.train(plain(nn.BatchNorm2d(4)).half(), images, "big-lr", 1, **options)
    with torch.inference_mode(), pytest.raises(ValueError, match="outside of torch.inference_mode"):
        train.train(plain(nn.Identity()), images, "big-lr", 1, **options)
    losses = []
    for mode in (torch.enable_grad(), torch.no_grad()):
        torch.manual_seed(0)
        model = plain(nn.Identity())
        with mode:
            losses.append(train.train(model, images, "big-lr", 2, **options)["train_loss"].values)
    assert losses[0].tolist() == losses[1].tolist()
    with torch.inference_mode(), pytest.raises(ValueError, match=r"no gradient is known under torch.inference_mode"):
        measure.ego_directions(model, split)


def test_numbers_of_an_epoch_come_as_schedulers_give_them():
    recorder = train.Recorder(ABC)
    recorder.add("test", [0, 1, 2], [0, 1, 1])
    recorder.end_epoch(train_loss=np.array([0.5]), learning_rate=[0.1])
    recorder.add("test", [0, 1, 2], [0, 1, 1])
    for wrong in (None, [0.1, 0.2], torch.zeros(2), "x"):
        with pytest.raises(ValueError, match="learning_rate = .*: give one number"):
            recorder.end_epoch(learning_rate=wrong)
    recorder.end_epoch()
    assert recorder.history()["learning_rate"].values[0] == pytest.approx(0.1)
    assert recorder.history()["train_loss"].values[0] == 0.5


class Keeping(nn.Module):
    """Keeps what `make` gives of its head's weights from the first pass on, transposed."""

    def __init__(self, make, kept):
        super().__init__()
        self.head, self.make, self.kept = nn.Linear(64, 3), make, kept

    def forward(self, x):
        kept = self.kept if isinstance(self.kept, dict) else vars(self.kept)
        if "head" not in kept:
            kept["head"] = (self.make(self.head.weight.detach()).t().contiguous(),)
        return x.flatten(1) @ kept["head"][0] + self.head.bias


class Store:
    """What somebody keeps things in, in a file with the network."""


@pytest.mark.parametrize("make", [torch.clone, functional.normalize])
@pytest.mark.parametrize("measured", [measure.ego_directions, plane])
@pytest.mark.parametrize("kept", [dict, SimpleNamespace, Store])
def test_what_is_kept_of_weights_from_an_earlier_pass_is_named(measured, make, kept, split):
    model = Keeping(make, kept())
    measured(model, split, device="cpu")
    model(split.inputs())
    with pytest.raises(ValueError, match="computes with what it made of 'head.weight' before"):
        measured(model, split, device="cpu")


class Unused(nn.Module):
    """Its second head says nothing in evaluation mode, and all weights stand as they were at first."""

    def __init__(self):
        super().__init__()
        self.head, self.second = nn.Linear(64, 3), nn.Linear(64, 3)
        self.initial = [each.detach().clone() for each in self.parameters()]

    def forward(self, x):
        return self.head(x.flatten(1))


def test_a_copy_of_weights_that_nothing_reads_is_left_alone(split):
    torch.manual_seed(0)
    model = Unused()
    space = plane(model, split)
    np.testing.assert_array_equal(space["counts"][1, 1], plainly(model, split)[0])


@pytest.mark.parametrize("temperature", [1.0, 30.0])
def test_probabilities_are_not_taken_for_logits(temperature, split):
    def scaled(end):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), end)
        model[1].weight.data *= temperature
        return model

    with pytest.raises(ValueError, match=r"outputs are probabilities, .* without the softmax"):
        measure.counts(scaled(nn.Softmax(1)), split, **CPU)
    expected = measure.counts(scaled(nn.Identity()), split, **CPU)
    np.testing.assert_array_equal(measure.counts(scaled(nn.LogSoftmax(1)), split, **CPU), expected)


class Percent(nn.Module):
    def forward(self, x):
        return 100 * x.softmax(1)


def test_of_probabilities_in_percent_it_is_warned_and_of_centred_logits_not(split, recwarn):
    torch.manual_seed(0)
    layer = nn.Linear(64, 3)
    with pytest.warns(UserWarning, match="have the sum 100 for every image, as probabilities times a number do"):
        measure.counts(nn.Sequential(nn.Flatten(), layer, Percent()), split, **CPU)
    recwarn.clear()
    measure.counts(nn.Sequential(nn.Flatten(), layer, nn.LayerNorm(3, elementwise_affine=False)), split, **CPU)
    assert not recwarn.list


class Locked(dict):
    """Of somebody's, which may not be written to."""

    def clear(self):
        raise TypeError("locked")

    update = clear


class Named(OrderedDict):
    def __init__(self, name):
        super().__init__(first=1)
        self.name = name


@pytest.mark.parametrize("held", [Locked(first=1), Named("name")])
def test_a_container_that_cannot_be_copied_or_written_to_is_left_alone(held, split):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    model.held = held
    assert measure.counts(model, split, **CPU).sum() == len(split)
    assert dict(held) == {"first": 1}


class Listed(nn.Module):
    """Modules in a list, of which torch knows nothing."""

    def __init__(self, of):
        super().__init__()
        self.body, self.head = of([nn.Linear(64, 16), nn.ReLU()]), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.body[1](self.body[0](x.flatten(1))))


def test_modules_in_a_list_are_told_of(split, recwarn):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match=r"parameters that are not registered, in a list or the like \(Linear\)"):
        measure.ego_directions(Listed(list), split, device="cpu")
    recwarn.clear()
    measure.ego_directions(Listed(nn.ModuleList), split, device="cpu")
    assert not recwarn.list


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_networks_of_any_type_of_number_are_recalibrated(dtype, precision, split):
    torch.manual_seed(0)
    space = plane(plain(nn.BatchNorm2d(4)).to(dtype), split, bn="recalibrated", precision=precision)
    assert space["done"].all()


def test_an_error_within_a_network_names_its_line_and_does_not_blame_the_images(split):
    broken = Ending(lambda x: x + bias)  # noqa: F821, the fault
    with pytest.raises(ValueError, match=r"in line \d+ of test_silent.py: NameError: name 'bias' is .*; mend it$"):
        measure.counts(nn.Sequential(nn.Flatten(), nn.Linear(64, 3), broken), split, **CPU)


@pytest.mark.parametrize(
    "end",
    [
        lambda z: torch.where(z >= 0, 1 / (1 + torch.exp(-z)), torch.exp(z) / (1 + torch.exp(z))),
        lambda z: 1 - 1 / (1 + z.exp()),
        lambda z: 0.5 * (1 + torch.tanh(z / 2)),
    ],
)
def test_of_outputs_that_are_all_from_0_to_1_it_is_warned(end, split):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), Ending(end))
    model[1].weight.data *= 10
    with pytest.warns(UserWarning, match="all from 0 to 1, as probabilities are: losses and gradients are right for"):
        measure.counts(model, split, **CPU)


def test_an_output_is_chosen_by_a_key_that_is_a_number_or_by_its_position(split):
    torch.manual_seed(0)
    heads = nn.ModuleDict({"0": nn.Linear(64, 3), "1": nn.Linear(64, 3)})
    keyed = Ending(lambda x: {name: head(x) for name, head in heads.items()})
    placed = Ending(lambda x: tuple(head(x) for head in heads.values()))
    expected = measure.counts(nn.Sequential(nn.Flatten(), heads["1"]), split, **CPU)
    for end, which in ((keyed, "1"), (placed, "1"), (placed, 1)):
        assert measure.counts(nn.Sequential(nn.Flatten(), end), split, logits=which, **CPU).equals(expected)


class Ending(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    "end",
    [
        nn.Sigmoid(),
        nn.Hardsigmoid(),
        nn.Sequential(nn.Sigmoid(), nn.Hardtanh()),
        Ending(lambda x: 1 / (1 + torch.exp(-x))),
        Ending(lambda x: x.softmax(1).sqrt()),
        Ending(lambda x: torch.cat([x, x[:, :1]], 1).softmax(1)[:, :3]),
    ],
)
def test_outputs_of_a_sigmoid_or_a_part_of_a_softmax_are_not_taken_for_logits(end, split, recwarn):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), end)
    for scale in (10, 1, 0.001):  # what it says is certain, or all about a half
        model[1].weight.data *= scale
        with pytest.raises(ValueError, match="are all from 0 to 1 and those of a sigmoid or of a part of a soft"):
            measure.counts(model, split, **CPU)
    assert not recwarn.list


def test_logits_of_a_network_that_says_little_are_logits(split, recwarn):
    """All lie between 0 and 1, and a sigmoid is in the network, but not at its end."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 3))
    model[3].weight.data *= 0.001
    model[3].bias.data.copy_(torch.tensor([0.9, 0.1, 0.2]))
    counts = measure.counts(model, split, **CPU)
    assert counts.sel(predicted=ABC[0]).sum() == len(split)
    assert not recwarn.list


def test_the_digest_of_images_is_of_those_that_they_are_now(split):
    before = split.sha256
    split.images[0, 0, 0, 0] += 1
    changed = split.sha256
    assert changed != before
    split.images[0, 0, 0, 0] -= 1
    split.labels[0] = 2
    assert split.sha256 not in (before, changed)


def test_a_space_whose_directions_xarray_dropped_is_refused_in_one_line():
    space = made(bowl)
    with pytest.raises(ValueError, match="without first without second"):
        surfaces.mistake_rate(space.drop_attrs())


class Checkpointed(nn.Module):
    """Computes its body, or its head, again on the way back, by torch's older way."""

    def __init__(self, part):
        super().__init__()
        self.body, self.head, self.part = (
            nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh()),
            nn.Linear(8, 3),
            part,
        )

    def forward(self, x):
        if self.part == "body":
            return self.head(checkpoint(self.body, x.requires_grad_(), use_reentrant=True))
        return checkpoint(self.head, self.body(x), use_reentrant=True)


@pytest.mark.parametrize("part", ["body", "head"])
def test_gradients_go_through_reentrant_checkpoints(part, split):
    torch.manual_seed(0)
    model = Checkpointed(part)
    found = measure.ego_directions(model, split, ["b"], device="cpu")
    mine = split.labels == 1
    loss = functional.cross_entropy(model.head(model.body(split.images[mine])), split.labels[mine])
    names, parameters = zip(*model.named_parameters(), strict=True)
    for name, gradient in zip(names, torch.autograd.grad(loss, parameters), strict=True):
        torch.testing.assert_close(found["b"][name], gradient, atol=1e-6, rtol=1e-4)
    assert all(each.grad is None for each in parameters)


class Grouped(nn.Module):
    """Looks at the others of each group of images, as a norm over small groups does."""

    def __init__(self, size):
        super().__init__()
        self.head, self.size = nn.Linear(64, 3), size

    def forward(self, x):
        said = self.head(x.flatten(1))
        return torch.cat([each - each.mean(0) * (len(each) > 1) for each in said.split(self.size)])


class Placed(Grouped):
    """Looks at the place of an image in its batch."""

    def forward(self, x):
        said = self.head(x.flatten(1))
        return said + (torch.arange(len(x)) % self.size == 0)[:, None] * torch.tensor([1.0, 0.0, 0.0])


@pytest.mark.parametrize("build", [Grouped, Placed])
@pytest.mark.parametrize("size", [2, 5, 10, 30])
def test_networks_that_look_at_groups_in_a_batch_are_refused(build, size, split):
    with pytest.raises(ValueError, match="something else of an image in other company"):
        measure.counts(build(size), split, **CPU)


def test_kept_parametrizations_are_refused_while_they_are_kept(split):
    model = nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(64, 3)))
    with nn.utils.parametrize.cached(), pytest.raises(ValueError, match=r"parametrize.cached\(\) is on"):
        plane(model, split)
    plane(model, split)


class Drifting(nn.Module):
    """Says something else after each pass, by so little that no two passes show it."""

    def __init__(self, kept, count):
        super().__init__()
        self.head, self.kept, self.count = nn.Linear(64, 3), kept, count

    def forward(self, x):
        number = self.count(self.kept)
        number += 1
        return self.head(x.flatten(1)) + 1e-5 * float(number.sum()) * torch.eye(3)[0]


@pytest.mark.parametrize(
    ("kept", "count"),
    [
        (torch.zeros(1), lambda kept: kept),
        ([torch.zeros(1)], lambda kept: kept[0]),
        ({"a": (torch.zeros(1),)}, lambda kept: kept["a"][0]),
        (np.zeros(1), lambda kept: kept),
        ([[np.zeros(1)]], lambda kept: kept[0][0]),
    ],
)
def test_what_a_pass_writes_to_tensors_and_arrays_is_taken_off_again(kept, count, split):
    torch.manual_seed(0)
    model = Drifting(kept, count).eval()
    directions = measure.random_directions(model, split.classes)
    space = measure.interference_space(model, split, directions, "a-b", 1e-9, 5, batch_size=4, **CPU)
    assert float(count(kept)[0]) == 0
    np.testing.assert_allclose(space["loss_sum"], np.broadcast_to(space["loss_sum"][0, 0], (5, 5, 3)), rtol=1e-6)


class Diverging(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        said = self.head(x.flatten(1))
        if said.abs().max() > 100:
            raise RuntimeError("diverged")
        return said


def test_a_network_that_fails_far_out_says_so_in_one_line(split):
    model = Diverging()
    directions = measure.random_directions(model, split.classes)
    with pytest.raises(ValueError, match="does not run on images .*: RuntimeError: diverged"):
        measure.interference_space(model, split, directions, "a-b", 1e4, 3, **CPU)


def test_the_callers_autocast_changes_nothing(split):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    expected = measure.ego_directions(model, split, device="cpu")
    with torch.autocast("cpu", torch.bfloat16):
        found = measure.ego_directions(model, split, device="cpu")
    assert all(torch.equal(found.tensors[name], each) for name, each in expected.tensors.items())


def test_another_default_device_is_refused_in_one_line(split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with torch.device("meta"), pytest.raises(ValueError, match="torch's default device is meta: set it back to 'cpu'"):
        measure.counts(model, split, **CPU)


def _statistics_moved(model):
    model[1].running_mean += 5


def _frozen_part_scaled(model):
    model[0].weight.data *= 3


def _signs_turned(model):
    model[4].weight.data.neg_()


@pytest.mark.parametrize("change", [_statistics_moved, _frozen_part_scaled, _signs_turned])
def test_directions_of_another_state_of_the_network_are_refused(change, split):
    torch.manual_seed(0)
    model = plain(nn.BatchNorm2d(4)).eval()
    model[0].requires_grad_(False)
    egos = measure.ego_directions(model, split, device="cpu")
    controls = measure.random_signs(egos.only(["a", "b"]))
    measure.interference_space(model, split, controls, "a-b", 1e-3, 3, **CPU)
    change(model)
    for directions in (egos, controls):
        with pytest.raises(ValueError, match="of other weights or statistics of batch-norm than the network's"):
            measure.interference_space(model, split, directions, "a-b", 1e-3, 3, **CPU)

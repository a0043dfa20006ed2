"""Other people's networks: each works with the right value, or is refused in one line."""

import copy
import functools
import warnings
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import check, images_of, plainly
from test_evaluator import shaken
from torch import nn
from torch.nn import functional
from torch.nn import utils as nn_utils
from torch.utils.checkpoint import checkpoint

from ciutils import data, measure, train
from ciutils.measure.evaluator import Evaluator

CPU = {"device": "cpu"}


class Body(nn.Module):
    """A convolution, a batch-norm and a linear layer, with what the tests vary in `before` and `after`."""

    def __init__(self, conv=None, norm=None):
        super().__init__()
        self.conv = conv or nn.Conv2d(2, 6, 3, padding=1)
        self.norm = norm or nn.BatchNorm2d(6)
        self.head = nn.Linear(6 * 16, 3)

    def before(self, images):
        return images

    def features(self, images):
        return self.norm(self.conv(self.before(images))).relu()

    def after(self, features):
        return self.head(functional.max_pool2d(features, 2).flatten(1))

    def forward(self, images):
        return self.after(self.features(images))


class TwoNames(Body):
    """Its convolution and batch-norm are held by attributes and by a container; the container is called."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(self.conv, self.norm, nn.ReLU())

    def features(self, images):
        return self.body(images)


class InPlace(Body):
    def before(self, images):
        images -= 0.5
        return images.mul_(2)


class View(Body):
    def after(self, features):
        pooled = functional.max_pool2d(features, 2)
        return self.head(pooled.view(pooled.size(0), -1))


class TrainsNothing(Body):
    def train(self, mode=True):
        super().train(mode)


class SharedTwice(Body):
    """One layer called twice, with another batch-norm after each call."""

    def __init__(self):
        super().__init__()
        self.mix, self.other = nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6)

    def features(self, images):
        return self.other(self.mix(self.norm(self.mix(self.conv(images))))).relu()


class Sequences(nn.Module):
    """Rows of pixels through a recurrent network."""

    def __init__(self):
        super().__init__()
        self.rows, self.head = nn.LSTM(16, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, images):
        return self.head(self.rows(images.permute(0, 2, 1, 3).flatten(2))[0][:, -1])


class Copied(Body):
    """Its layers are called by shallow copies, which share their weights."""

    def __init__(self):
        super().__init__()
        self.conv_again, self.norm_again = copy.copy(self.conv), copy.copy(self.norm)

    def features(self, images):
        return self.norm_again(self.conv_again(images)).relu()


class KeepsProducts(Body):
    """In evaluation mode it keeps what follows from its weights, until it changes mode."""

    def __init__(self):
        super().__init__()
        self.kept = {}

    def train(self, mode=True):
        self.kept.clear()
        return super().train(mode)

    def after(self, features):
        if "twice" not in self.kept:
            self.kept["twice"] = 2 * self.head.weight
        return functional.linear(functional.max_pool2d(features, 2).flatten(1), self.kept["twice"])


class Lazy(Body):
    """It makes what it needs at its first pass, in three ways."""

    def __init__(self):
        super().__init__()
        self.register_buffer("kept", None)
        self.made = {}

    def before(self, images):
        if not hasattr(self, "scale"):
            self.scale = torch.full((1,), 0.5)
            self.kept = torch.ones(1)
            self.made["two"] = torch.full((1,), 2.0)
        return images * self.scale * self.kept * self.made["two"]


class SavesMemory(Body):
    """Parts of it run again on the way back."""

    def features(self, images):
        return checkpoint(super().features, images, use_reentrant=False)


class TwoPrecisions(Body):
    def __init__(self):
        super().__init__()
        self.head.double()

    def after(self, features):
        return super().after(features.double())


def old(normalise):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls them deprecated; other people's networks have them
        return normalise(nn.Conv2d(2, 6, 3, padding=1))


NETWORKS = {
    "plain": Body,
    "a module under two names": TwoNames,
    "images changed in place": InPlace,
    "view": View,
    "train() that returns None": TrainsNothing,
    "a layer called twice": SharedTwice,
    "recurrent": Sequences,
    "old weight_norm": lambda: Body(old(nn_utils.weight_norm)),
    "old spectral_norm": lambda: Body(old(nn_utils.spectral_norm)),
    "new weight_norm": lambda: Body(nn_utils.parametrizations.weight_norm(nn.Conv2d(2, 6, 3, padding=1))),
    "group norm": lambda: Body(norm=nn.GroupNorm(2, 6)),
    "instance norm": lambda: Body(norm=nn.InstanceNorm2d(6, affine=True, track_running_stats=True)),
    "batch-norm without weights": lambda: Body(norm=nn.BatchNorm2d(6, affine=False)),
    "frozen": lambda: Frozen(),
    "double": lambda: Body().double(),
    "shallow copies": Copied,
    "products kept in evaluation mode": KeepsProducts,
    "made at the first pass": Lazy,
    "parts run again": SavesMemory,
    "two precisions": TwoPrecisions,
}


def Frozen():  # noqa: N802
    model = Body()
    model.conv.requires_grad_(False)
    return model


def made(build):
    torch.manual_seed(0)
    model = build()
    shaken(model)
    return model


@pytest.fixture
def split():
    return images_of((2, 8, 8), 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_other_peoples_networks_equal_plain_torch(name, split):
    check(made(NETWORKS[name]), split)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_networks_in_half_precision_compute_in_it(dtype, split):
    check(made(Body).to(dtype), split, rtol=5e-2)


def test_images_of_any_floating_type_are_read_in_the_networks(split):
    expected = measure.counts(made(Body), split, **CPU)
    floats = data.Split(split.inputs().double(), split.labels, split.classes)
    np.testing.assert_array_equal(measure.counts(made(Body), floats, **CPU), expected)


def test_a_network_that_changes_images_in_place_leaves_the_space_and_the_images_alone(split):
    model = made(InPlace)
    directions = measure.random_directions(model)
    floats = data.Split(split.inputs(), split.labels, split.classes)
    before = floats.images.clone()
    space = measure.interference_space(model, floats, directions, (0, 1), 1e-9, 3, batch_size=5, **CPU)
    assert (space["counts"] == space["counts"][1, 1]).all()
    assert torch.equal(floats.images, before)


# --- outputs

Named = namedtuple("Named", ["logits", "aux"])
Unnamed = namedtuple("Unnamed", ["first", "second"])


class ModelOutput(OrderedDict):
    """As in transformers: a dict whose keys are attributes too."""


OUTPUTS = {
    "tuple with a hidden state": (lambda y: (y, y[:, :2]), None),
    "list": (lambda y: [y.mean(), y], None),
    "dict": (lambda y: {"logits": y, "features": y}, None),
    "dict without logits": (lambda y: {"scores": y, "features": y[:, :1]}, None),
    "ModelOutput": (lambda y: ModelOutput(loss=None, logits=y), None),
    "named tuple": (lambda y: Named(y, -y), None),
    "first of one": (lambda y: y, 0),
    "position": (lambda y: (-y, y), 1),
    "key": (lambda y: {"a": -y, "b": y}, "b"),
    "field": (lambda y: Unnamed(-y, y), "second"),
}


class With(Body):
    def __init__(self, wrap):
        super().__init__()
        self.wrap = wrap

    def forward(self, images):
        return self.wrap(super().forward(images))


@pytest.mark.parametrize("name", OUTPUTS)
def test_logits_are_found_in_every_kind_of_output(name, split):
    wrap, which = OUTPUTS[name]
    model, plain = made(lambda: With(wrap)), made(Body)
    counts, losses = plainly(plain, split)
    np.testing.assert_array_equal(measure.counts(model, split, logits=which, **CPU), counts)
    egos, expected = (
        measure.ego_directions(each, split, logits=pick, **CPU) for each, pick in ((model, which), (plain, None))
    )
    np.testing.assert_allclose(egos.inner, expected.inner, rtol=1e-5)
    space = measure.interference_space(model, split, egos, (0, 1), 0.1, 3, logits=which, precision="fp32", **CPU)
    np.testing.assert_allclose(space["loss_sum"][1, 1], losses, rtol=1e-5)
    history = train.train(model, data.ImageData("x", split, split), "small-lr", 1, logits=which, augment="none", **CPU)
    plain_history = train.train(plain, data.ImageData("x", split, split), "small-lr", 1, augment="none", **CPU)
    np.testing.assert_array_equal(history["end_counts"], plain_history["end_counts"])


@pytest.mark.parametrize(
    ("wrap", "which", "message"),
    [
        (lambda y: (y, y), None, r"holds 0: \[24, 3\], 1: \[24, 3\]: choose one of \[images, 3\] with logits="),
        (lambda y: {"a": y}, "b", r"holds 'a': \[24, 3\]: choose one"),
        (lambda y: {"a": y[:, :2]}, None, r"holds 'a': \[24, 2\]: choose one"),
        (lambda y: y, 7, r"logits = 7: the network has one output, \[24, 3\]; leave logits out"),
        (lambda y: y, "b", "logits = 'b': the network has one output"),
        (lambda y: y[..., None], None, r"outputs have shape \(24, 3, 1\): the split's 3 classes need \[images, 3\]"),
        (lambda y: "cat", None, "holds str: choose one"),
        (lambda y: y.repeat(2, 1), None, "gives 48 outputs for 24 images: give one for each"),
        (lambda y: y[:0], None, "gives 0 outputs for 24 images"),
        (lambda y: y.long(), None, "outputs are torch.int64, torch.strided: give logits, floating-point numbers"),
        (lambda y: y > 0, None, "outputs are torch.bool"),
        (lambda y: (y.to(torch.complex64),), 0, "outputs are torch.complex64"),
        (lambda y: y.to_sparse(), None, "outputs are torch.float32, torch.sparse_coo: .* in a dense tensor"),
        (lambda y: {"a": y}, ["a"], "logits = .'a'.: give the name or the position of one of the network's outputs"),
    ],
)
def test_outputs_without_logits_are_refused_in_one_line(wrap, which, message, split):
    with pytest.raises(ValueError, match=message) as error:
        measure.counts(made(lambda: With(wrap)), split, logits=which, **CPU)
    assert "\n" not in str(error.value)


# --- the proof


class DropoutOn(Body):
    def after(self, features):
        return super().after(functional.dropout(features, 0.5, training=True))


class StubbornDropout(Body):
    """Its dropout stays on in evaluation mode, for Monte Carlo estimates."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def train(self, mode=True):
        super().train(mode)
        self.drop.train()
        return self

    def after(self, features):
        return super().after(self.drop(features))


class Counter(Body):
    """It counts its calls, and says so."""

    calls = 0

    def before(self, images):
        self.calls += 1
        return images + self.calls


MEASURED = {
    "counts": lambda model, split: measure.counts(model, split, **CPU),
    "egos": lambda model, split: measure.ego_directions(model, split, **CPU),
    "space": lambda model, split: measure.interference_space(
        model, split, measure.random_directions(model), (0, 1), 0.1, 3, **CPU
    ),
    "training": lambda model, split: train.train(model, data.ImageData("x", split, split), "small-lr", 1, **CPU),
}


@pytest.mark.parametrize("measured", MEASURED)
@pytest.mark.parametrize(
    ("build", "where"),
    [(DropoutOn, "'head'"), (StubbornDropout, r"'drop' \(Dropout\)"), (Counter, r"'conv' \(Conv2d\)")],
)
def test_a_network_that_says_something_else_the_second_time_is_refused(build, where, measured, split):
    with pytest.raises(ValueError, match=f"something else of the same images the second time, first in {where}"):
        MEASURED[measured](made(build), split)


class Normless(Body):
    def __init__(self):
        super().__init__(norm=nn.BatchNorm2d(6, track_running_stats=False))


class Centred(Body):
    def before(self, images):
        return images - images.mean(0)


class StubbornNorm(Body):
    def train(self, mode=True):
        super().train(mode)
        self.norm.train()
        return self


@pytest.mark.parametrize("measured", MEASURED)
@pytest.mark.parametrize("build", [Normless, Centred])
def test_a_network_that_looks_at_the_other_images_is_refused(build, measured, split):
    with pytest.raises(ValueError, match="something else of an image in other company: let nothing in it, such as"):
        MEASURED[measured](made(build), split)


def test_batch_norm_that_stays_in_training_mode_is_refused(split):
    with pytest.raises(ValueError, match="something else of"):
        measure.counts(made(StubbornNorm), split, **CPU)


class InAList(Body):
    def __init__(self):
        super().__init__()
        self.tied = [self.head.weight]

    def after(self, features):
        return functional.linear(functional.max_pool2d(features, 2).flatten(1), self.tied[0])


class InAFunction(Body):
    def __init__(self):
        super().__init__()
        self.say = functools.partial(functional.linear, weight=self.head.weight, bias=self.head.bias)

    def after(self, features):
        return self.say(functional.max_pool2d(features, 2).flatten(1))


@pytest.mark.parametrize("measured", ["egos", "space"])
@pytest.mark.parametrize("build", [InAList, InAFunction])
def test_weights_that_are_reached_otherwise_than_as_parameters_are_refused(build, measured, split):
    model = made(build)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="reaches some of its weights otherwise than as parameters"):
        MEASURED[measured](model, split)
    np.testing.assert_array_equal(measure.counts(model, split, **CPU), plainly(model, split)[0])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Drifts(Body):
    """Each pass leaves it a little otherwise, by less than the proof can see."""

    def __init__(self):
        super().__init__()
        self.register_buffer("more", torch.zeros(1))
        self.passes = []

    def after(self, features):
        self.more.add_(3e-5)
        self.passes.append(None)
        return super().after(features) + self.more + 3e-5 * len(self.passes)


def test_a_network_that_drifts_is_measured_as_it_came(split):
    model = made(Drifts)
    directions = measure.random_directions(model)
    with pytest.warns(UserWarning, match="no fast copy"):
        space = measure.interference_space(model, split, directions, (0, 1), 1e-9, 5, device="cpu", precision="fp32")
    assert float(abs(space["loss_sum"] - space["loss_sum"][0, 0]).max()) < 1e-4
    assert (model.more.item(), model.passes) == (0, [])


class Merges(Body):
    """Going into evaluation mode it adds a product to its weights, and takes it off again in training mode."""

    def __init__(self):
        super().__init__()
        self.low, self.high, self.merged = nn.Parameter(torch.randn(1, 96)), nn.Parameter(torch.randn(3, 1)), False

    def train(self, mode=True):
        if mode is self.merged:
            self.head.weight.data += (-1.0 if mode else 1.0) * (self.high @ self.low).detach()
            self.merged = not mode
        return super().train(mode)

    def after(self, features):
        self.head.bias.data.clamp_(-0.01, 0.01)
        return super().after(features)


def test_what_a_network_does_to_its_own_weights_is_undone(split):
    model = made(Merges).train()
    before = copy.deepcopy(model.state_dict())
    counts = measure.counts(model, split, **CPU)
    measure.ego_directions(model, split, **CPU)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model.training, model.merged) == (True, False)
    np.testing.assert_array_equal(counts, plainly(model, split)[0])


def test_a_network_can_be_trained_after_it_was_measured(split):
    """What a first pass made can be asked for a gradient."""
    model = made(Lazy)
    measure.counts(model, split, **CPU)
    functional.cross_entropy(model.train()(split.inputs()), split.labels).backward()
    assert model.conv.weight.grad is not None


class TupleInTraining(Body):
    def forward(self, images):
        logits = super().forward(images)
        return (logits, logits) if self.training else logits


def test_a_network_may_say_several_things_in_training_alone(split):
    model = made(TupleInTraining)
    history = train.train(model, data.ImageData("x", split, split), "small-lr", 1, logits=0, **CPU)
    np.testing.assert_array_equal(history["test_counts"][-1], plainly(model, split)[0])


def test_a_quantised_network_has_no_directions(split):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(made(Body).eval(), {nn.Linear})
    with pytest.raises(ValueError, match="the network is quantised"):
        measure.ego_directions(model, split, **CPU)


class LayoutReader(Body):
    """A wrong number in silence: what it computes depends on how the numbers lie in memory."""

    def after(self, features):
        lying = torch.as_strided(features, (len(features), 96), (features[0].numel(), 4))
        return self.head(lying)


class Copies(Body):
    """Its copies compute something else."""

    def __deepcopy__(self, memo):
        return made(InPlace)


@pytest.mark.parametrize(("build", "slow"), [(LayoutReader, False), (Copies, True)])
def test_what_only_the_fast_path_does_differently_is_measured_plainly(build, slow, split):
    model = made(build)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        space = check(model, split)
    assert space.attrs["evaluated"] == ("module" if slow else "fast copy")
    assert [str(each.message)[:12] for each in said if "fast copy" in str(each.message)] == ["no fast copy"] * slow


def test_a_fast_copy_is_what_is_measured(split):
    assert check(made(Body), split).attrs["evaluated"] == "fast copy"
    assert len(Evaluator(made(TwoNames), split, "frozen", **CPU).network.folds) == 1


def test_what_is_no_module_is_refused(split):
    script = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(128, 3)))
    with pytest.raises(ValueError, match="the network is a RecursiveScriptModule: give the torch.nn.Module"):
        measure.counts(script, split, **CPU)
    with pytest.raises(ValueError, match="the network is a function"):
        measure.counts(lambda images: images, split, **CPU)
    with pytest.raises(ValueError, match="the network is a DataParallel: give the torch.nn.Module"):
        measure.counts(nn.DataParallel(Body()), split, **CPU)


def test_a_compiled_network_is_refused_before_it_is_compiled_for_each_weight(split):
    body = Body()
    for compiled in (torch.compile(body), nn.Sequential(torch.compile(body)), copy.deepcopy(body)):
        if not hasattr(compiled, "_orig_mod"):
            compiled.compile()
        with pytest.raises(ValueError, match="the network is compiled .*give the module that torch.compile was given"):
            measure.counts(compiled, split, **CPU)
    measure.counts(torch.compile(body)._orig_mod, split, **CPU)


def test_counts_are_in_the_networks_own_precision(split):
    """Logits that lie closer than bfloat16 can tell."""

    class Close(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(128, 3)

        def forward(self, images):
            return 100 + 1e-4 * self.head(images.flatten(1))

    model = Close()
    np.testing.assert_array_equal(measure.counts(model, split, **CPU), plainly(model, split)[0])


# --- anything built of the usual layers


class Random(nn.Module):
    """Layers drawn by a test: shared, called twice, held under two names, in place or not, with residuals."""

    def __init__(self, layers):
        super().__init__()
        kinds = {
            "conv": lambda: nn.Conv2d(4, 4, 3, padding=1, bias=False),
            "one": lambda: nn.Conv2d(4, 4, 1),
            "batch": lambda: nn.BatchNorm2d(4),
            "plain batch": lambda: nn.BatchNorm2d(4, affine=False),
            "group": lambda: nn.GroupNorm(2, 4),
            "instance": lambda: nn.InstanceNorm2d(4, affine=True),
            "relu": lambda: nn.ReLU(inplace=True),
            "gelu": nn.GELU,
        }
        self.stem, self.head = nn.Conv2d(2, 4, 1), nn.Linear(4, 3)
        self.held = nn.ModuleList(kinds[kind]() for kind, *_ in layers)
        self.again = nn.Sequential(*list(self.held)[:2])  # under a second name
        self.steps = [
            (step if again is None else again % (step + 1), residual)
            for step, (_, again, residual) in enumerate(layers)
        ]

    def forward(self, images):
        features = self.stem(images)
        for layer, residual in self.steps:
            now = self.held[layer](features.clone() if residual else features)
            features = features + now if residual else now
        return self.head(features.mean((2, 3)))


LAYERS = st.tuples(
    st.sampled_from(["conv", "one", "batch", "plain batch", "group", "instance", "relu", "gelu"]),
    st.none() | st.integers(0, 9),
    st.booleans(),
)


@settings(max_examples=40)
@given(st.lists(LAYERS, min_size=2, max_size=7), st.integers(0, 1000), st.sampled_from(["frozen", "recalibrated"]))
def test_networks_of_random_layers_are_evaluated_as_they_are(layers, seed, bn):
    torch.manual_seed(seed)
    model = shaken(Random(layers))
    split = images_of((2, 6, 6), 3, seed=seed)
    evaluator = Evaluator(model, split, bn, 9, device="cpu", precision="fp32")
    for _ in range(3):
        weights = {
            name: value.detach() + 0.2 * torch.randn_like(value) * value.detach().abs().mean()
            for name, value in model.named_parameters()
        }
        evaluator.move(weights)
        state = weights | {name: evaluator.classify.state[name] for name, _ in model.named_buffers()}
        expected = plainly(model, split, state)[1]
        np.testing.assert_allclose(evaluator.measure().loss_sum, expected, rtol=1e-3, atol=1e-6 * expected.max())


# --- what belongs to a network


def test_directions_of_another_network_are_refused(split):
    small, large = (
        made(lambda width=width: Body(nn.Conv2d(2, width, 3, padding=1), nn.BatchNorm2d(width))) for width in (6, 6)
    )
    other = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    for scale in ("gradient", "filter"):
        with pytest.raises(ValueError, match="directions are of another network: they have conv.weight of shape"):
            measure.interference_space(
                other, split, measure.random_directions(small), (0, 1), 0.1, 3, scale=scale, **CPU
            )
    assert measure.random_directions(large)


def test_directions_of_other_weights_are_refused(split):
    model = made(Body)
    directions = measure.ego_directions(model, split, **CPU)
    with torch.no_grad():
        model.head.weight.mul_(3)
    with pytest.raises(ValueError, match="the directions are of other weights"):
        measure.interference_space(model, split, directions, (0, 1), 0.1, **CPU)
    with pytest.raises(ValueError, match="the directions are of other weights"):
        measure.find_sigma(model, split, directions, [(0, 1)], **CPU)


class Activated(Body):
    def __init__(self):
        super().__init__()
        self.act, self.plain = nn.ReLU(), torch.ones(6, 1, 1)

    def features(self, images):
        return self.act(self.norm(self.conv(images)) * self.plain)


CHANGES = {
    "another layer": lambda model, split: setattr(model, "act", nn.Sigmoid()),
    "another setting": lambda model, split: setattr(model.norm, "eps", 1.0),
    "a plain tensor": lambda model, split: model.plain.mul_(-1),
    "images": lambda model, split: split.images.zero_(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_of_a_network_that_no_digest_knows_is_refused(change, tmp_path):
    model, split = made(Activated), images_of((2, 8, 8), 3, count=60)
    directions = measure.ego_directions(model, split, **CPU)
    given = (model, split, directions, (0, 1), 0.5, 3)
    measure.interference_space(*given, checkpoint=tmp_path / "space.nc", **CPU)
    CHANGES[change](model, split)
    with pytest.raises(ValueError, match="is of another (space|network or other images)"):
        measure.interference_space(*given, checkpoint=tmp_path / "space.nc", **CPU)


@pytest.mark.parametrize("change", ["statistics", "frozen weights"])
def test_a_checkpoint_of_another_state_is_refused(change, split, tmp_path):
    model = made(Frozen)
    directions = measure.random_directions(model)

    def space():
        measure.interference_space(model, split, directions, (0, 1), 0.1, 3, checkpoint=tmp_path / "rows.nc", **CPU)

    space()
    if change == "statistics":
        model.norm.running_mean += 5
        model.norm.running_var *= 9
    else:
        model.conv.weight.data *= 2
    with pytest.raises(ValueError, match="rows.nc is of another space: network is"):
        space()


def test_a_half_side_for_a_level_already_passed_is_warned_of(split):
    model = made(Body)
    own = 1 - plainly(model, split)[0].trace() / len(split)
    with pytest.warns(UserWarning, match=f"level = 0.1: the network's own mistake rate is {own:.3g} already"):
        measure.find_sigma(model, split, measure.random_directions(model), [(0, 1)], 0.1, **CPU)


def test_a_saturated_network_has_no_half_side(split):
    model = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    nn.init.zeros_(model[1].weight)
    model[1].bias.data = torch.tensor([1e4, 0, 0])
    one = data.Split(split.images, torch.zeros_like(split.labels), split.classes)
    with pytest.warns(UserWarning, match="left out, without images among these and so without a gradient: 'c1', 'c2'"):
        directions = measure.ego_directions(model, one, **CPU)
    tensors = {key: value.repeat(2, *[1] * (value.ndim - 1)) for key, value in directions.tensors.items()}
    doubled = measure.Directions(("c0", "c1"), tensors, directions.weight_norm)
    with pytest.raises(ValueError, match="the gradient of class 'c0' is zero"):
        measure.find_sigma(model, one, doubled, [("c0", "c1")], **CPU)


def test_only_the_classes_that_are_wanted_have_directions(split):
    model = made(Body)
    every = measure.ego_directions(model, split, **CPU)
    some = measure.ego_directions(model, split, ("c2", 0), **CPU)
    assert some.names == ("c2", "c0")
    assert all(torch.equal(some[name][key], every[name][key]) for name in some.names for key in every.tensors)


def test_a_checkpoint_of_another_width_is_refused_in_one_line(split, tmp_path):
    images = data.ImageData("x", split, split)
    train.train(made(Body), images, "small-lr", 1, checkpoint=tmp_path, **CPU)
    wider = Body(nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8))
    wider.head = nn.Linear(8 * 16, 3)
    with pytest.raises(ValueError, match="is of another network: use another checkpoint folder") as error:
        train.train(wider, images, "small-lr", 1, checkpoint=tmp_path, **CPU)
    assert "\n" not in str(error.value)

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import nn
from torch.nn import functional

from ciutils import data, measure, models
from ciutils.measure.evaluator import Evaluator
from ciutils.measure.folding import foldable


def shaken(model):
    """`model` with batch-norm statistics and weights that folding must not mistake for the neutral ones."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            if module.affine:
                module.weight.data.uniform_(0.5, 1.5, generator=generator)
                module.bias.data.normal_(generator=generator)
    return model.eval()


class Net(nn.Module):
    """A convolution and a batch-norm, with a forward pass given by the test."""

    def __init__(self, forward, norm=None):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = norm or nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)
        self.run = forward

    def forward(self, images):
        return self.head(self.run(self, images).mean((2, 3)))


def by_value(model, images):
    if images.sum() > 0:  # depends on the data: cannot be traced
        return model.norm(model.conv(images))
    return model.conv(images)


NETS = {
    "plain": (lambda: Net(lambda m, x: m.norm(m.conv(x)).relu()), True),
    "no affine": (lambda: Net(lambda m, x: m.norm(m.conv(x)), nn.BatchNorm2d(4, affine=False)), True),
    "training branch": (lambda: Net(lambda m, x: m.conv(x) if m.training else m.norm(m.conv(x))), True),
    "output read twice": (lambda: Net(lambda m, x: (lambda y: m.norm(y) + y)(m.conv(x))), False),
    "relu between": (lambda: Net(lambda m, x: m.norm(m.conv(x).relu())), False),
    "convolution called twice": (lambda: Net(lambda m, x: m.norm(m.conv(x)) + m.conv(x)), False),
    "norm called twice": (lambda: Net(lambda m, x: m.norm(m.conv(x)) + m.norm(x.repeat(1, 2, 1, 1))), False),
    "weight read directly": (lambda: Net(lambda m, x: m.norm(m.conv(x)) * m.conv.weight.norm()), False),
    "norm before": (lambda: Net(lambda m, x: m.conv(m.norm(x)), nn.BatchNorm2d(2)), False),
    "untraceable": (lambda: Net(by_value), False),
}


@pytest.fixture(params=NETS)
def net(request):
    torch.manual_seed(0)
    build, folds = NETS[request.param]
    return shaken(build()), folds


def moved(model, seed=1):
    """New values for every parameter of `model`."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value.detach() + 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in model.named_parameters()
    }


def expected(model, weights, split):
    """Counts and loss sums of the plain module at `weights`."""
    twin = copy.deepcopy(model).eval()
    with torch.no_grad():
        for name, value in twin.named_parameters():
            value.copy_(weights[name])
        logits = twin(split.inputs(dtype=next(twin.parameters()).dtype))
    losses = functional.cross_entropy(logits, split.labels, reduction="none").double()
    counts = confusion_matrix(split.labels, logits.argmax(1), labels=range(len(split.classes)))
    return counts, [float(losses[split.labels == each].sum()) for each in range(len(split.classes))]


def evaluate(model, split, weights, precision="fp32", bn="frozen", batch_size=30):
    evaluator = Evaluator(model, split, bn, batch_size, device="cpu", precision=precision)
    evaluator.move(weights)
    return evaluator.measure()


def test_folding_happens_exactly_where_it_is_exact(net, tiny_data):
    model, folds = net
    assert foldable(model) == ({"conv": "norm"} if folds else {})
    weights = moved(model)
    counts, losses = expected(model, weights, tiny_data.train)
    found = evaluate(model, tiny_data.train, weights)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.loss_sum, losses, rtol=1e-5)


def test_shared_weights_and_hooks_are_not_folded():
    model = shaken(NETS["plain"][0]())
    model.other = nn.Conv2d(2, 4, 3, padding=1, bias=False)
    model.other.weight = model.conv.weight
    assert foldable(model) == {}
    model = shaken(NETS["plain"][0]())
    model.conv.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert foldable(model) == {}
    model = Net(lambda m, x: m.norm(m.conv(x)), nn.BatchNorm2d(4, track_running_stats=False))
    assert foldable(model) == {}


@pytest.mark.parametrize("name", sorted(models.NETWORKS))
def test_every_batch_norm_of_our_networks_folds(name):
    model = shaken(models.build(name, width=0.03))
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(foldable(model)) == len(norms)
    split = data.Split(
        torch.randint(256, (20, 3, 32, 32), dtype=torch.uint8), torch.arange(20) % 10, tuple("abcdefghij")
    )
    weights = moved(model)
    np.testing.assert_allclose(evaluate(model, split, weights).loss_sum, expected(model, weights, split)[1], rtol=1e-4)


def test_weights_are_moved_again_and_back(net, tiny_data):
    model, _ = net
    evaluator = Evaluator(model, tiny_data.train, "frozen", 30, device="cpu", precision="fp32")
    home = dict(model.named_parameters())
    evaluator.move(home)
    first = evaluator.measure().loss_sum
    evaluator.move(moved(model))
    assert not np.array_equal(evaluator.measure().loss_sum, first)
    evaluator.move(home)
    np.testing.assert_array_equal(evaluator.measure().loss_sum, first)


def test_the_network_is_only_read(net, tiny_data):
    model, _ = net
    before = {key: value.clone() for key, value in model.state_dict().items()}
    evaluate(model, tiny_data.train, moved(model), bn="recalibrated")
    evaluate(model, tiny_data.train, moved(model), precision="bf16")
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert set(before) == set(model.state_dict())


def test_recalibrated_batch_norm_takes_the_statistics_of_the_images(tiny_data):
    """With one batch, that is what a network in training mode computes, but for the variance's N / (N - 1)."""
    model = shaken(NETS["plain"][0]())
    weights = moved(model)
    twin = copy.deepcopy(model).train()
    with torch.no_grad():
        for name, value in twin.named_parameters():
            value.copy_(weights[name])
        outputs = twin.conv(tiny_data.train.inputs())
        mean, variance = outputs.mean((0, 2, 3)), outputs.var((0, 2, 3))
        twin.norm.running_mean, twin.norm.running_var = mean, variance
    counts, losses = expected(twin, weights, tiny_data.train)
    found = evaluate(model, tiny_data.train, weights, bn="recalibrated", batch_size=1000)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_allclose(found.loss_sum, losses, rtol=1e-4)


class WithLayerNorm(nn.Module):
    """Not all of it may be bfloat16."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm, self.head = nn.Linear(128, 16), nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, images):
        return self.head(self.norm(self.embed(images.flatten(1))))


@pytest.mark.parametrize("bn", ["frozen", "recalibrated"])
@pytest.mark.parametrize("build", [NETS["plain"][0], NETS["untraceable"][0], WithLayerNorm])
def test_bf16_is_close_to_fp32(build, bn, tiny_data):
    torch.manual_seed(0)
    model = shaken(build())
    weights = moved(model)
    exact, rounded = (evaluate(model, tiny_data.train, weights, precision, bn) for precision in ("fp32", "bf16"))
    np.testing.assert_allclose(rounded.loss_sum, exact.loss_sum, rtol=0.05)
    assert not np.array_equal(rounded.loss_sum, exact.loss_sum)


def test_images_without_finite_output_are_counted():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    nn.init.constant_(model[1].weight, 2.0)
    images = torch.zeros(5, 1, 2, 2)
    images[3] = 3e38  # four times twice that is beyond float32
    split = data.Split(images, torch.arange(5) % 3, ("a", "b", "c"))
    assert evaluate(model, split, dict(model.named_parameters())).undefined == 1


def test_outputs_that_do_not_match_the_classes_get_one_line(tiny_data):
    model = nn.Sequential(nn.Flatten(), nn.Linear(128, 4))
    with pytest.raises(ValueError, match=r"outputs have shape .* need \[images, 3\]") as error:
        evaluate(model, tiny_data.train, dict(model.named_parameters()))
    assert "\n" not in str(error.value)


def test_batch_norms_are_those_that_keep_statistics():
    layers = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3, track_running_stats=False), nn.LayerNorm(3))
    assert measure.batch_norms(nn.ModuleDict({"a": layers})) == {"a.0": layers[0]}


def test_positions_of_very_many_classes_are_whole():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 40_000)).eval()
    model[1].bias.data[39_000] = 100
    images = data.Split(torch.rand(2, 1, 2, 2), torch.tensor([0, 39_999]), tuple(map(str, range(40_000))))
    assert measure.of_test(model, images, device="cpu")["test_predictions"].values.tolist() == [39_000] * 2


def test_what_is_said_of_test_images_is_what_the_module_says(tiny_model, tiny_data):
    said = measure.of_test(tiny_model, tiny_data.test)
    with torch.no_grad():
        expected = tiny_model.eval()(tiny_data.test.inputs()).softmax(1)
    np.testing.assert_array_equal(said["test_predictions"], expected.argmax(1))
    np.testing.assert_allclose(said["test_probabilities"].astype(float), expected, atol=1e-3)
    np.testing.assert_array_equal(said["test_labels"], tiny_data.test.labels)
    assert said["predicted"].values.tolist() == ["a", "b", "c"]

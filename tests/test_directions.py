import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ciutils import data, measure


def state_of(model):
    return (
        {key: value.clone() for key, value in model.state_dict().items()},
        [module.training for module in model.modules()],
        [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()],
    )


def same_state(first, second):
    return all(torch.equal(first[0][key], second[0][key]) for key in first[0]) and first[1:] == second[1:]


def mean_gradients(model, split, dtype):
    """Full-batch autograd of each class's mean loss, in evaluation mode."""
    twin = copy.deepcopy(model).eval()
    found = []
    for position in range(len(split.classes)):
        index = split.labels == position
        loss = functional.cross_entropy(twin(split.inputs(index, dtype)), split.labels[index])
        found.append(torch.autograd.grad(loss, list(twin.parameters())))
    return [torch.stack(each) for each in zip(*found, strict=True)]


@pytest.mark.parametrize("batch_size", [1, 7, 10, 1000])
def test_class_gradients_equal_full_batch_autograd_with_ragged_batches(tiny_model, tiny_data, batch_size):
    model = tiny_model.double().train()
    found = measure.ego_directions(model, tiny_data.train, batch_size=batch_size, device="cpu")
    for ours, theirs in zip(found.tensors.values(), mean_gradients(model, tiny_data.train, torch.float64), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_class_gradients_of_a_linear_softmax_are_the_closed_form():
    """g_c = mean over the class of (softmax(W x) - e_c) x^T."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(50, 1, 2, 2, generator=generator, dtype=torch.float64)
    split = data.Split(images, torch.arange(50) % 3, ("a", "b", "c"))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False)).double()
    weight = model[1].weight.detach().numpy()
    inputs, labels = images.flatten(1).numpy(), split.labels.numpy()
    scores = np.exp(inputs @ weight.T)
    residuals = scores / scores.sum(1, keepdims=True) - np.eye(3)[labels]
    found = measure.ego_directions(model, split, device="cpu")
    for position, name in enumerate(split.classes):
        mine = labels == position
        expected = residuals[mine].T @ inputs[mine] / mine.sum()
        np.testing.assert_allclose(found[name]["1.weight"], expected, atol=1e-14)
        np.testing.assert_allclose(found.norms.sel(direction=name), np.linalg.norm(expected))
    assert found.weight_norm == pytest.approx(np.linalg.norm(weight))


def test_norms_and_cosines(tiny_model, tiny_data):
    found = measure.ego_directions(tiny_model, tiny_data.train, device="cpu")
    flat = torch.cat([tensor.flatten(1).double() for tensor in found.tensors.values()], dim=1).numpy()
    norms = np.linalg.norm(flat, axis=1)
    np.testing.assert_allclose(found.norms, norms)
    np.testing.assert_allclose(found.cosine, flat @ flat.T / np.outer(norms, norms))
    assert list(found.cosine["direction"].values) == list(found.cosine["other"].values) == ["a", "b", "c"]


@pytest.mark.parametrize("breaks", [False, True])
def test_the_network_comes_back_as_it_was(tiny_model, tiny_data, breaks):
    tiny_model.train()
    tiny_model[1].eval()
    if breaks:
        tiny_model.append(nn.Linear(5, 3))
    before = state_of(tiny_model)
    if breaks:
        with pytest.raises(ValueError, match="shapes"):
            measure.ego_directions(tiny_model, tiny_data.train, device="cpu")
    else:
        measure.ego_directions(tiny_model, tiny_data.train, device="cpu")
    assert same_state(before, state_of(tiny_model))


def test_frozen_parameters_are_left_out(tiny_model, tiny_data):
    tiny_model[0].requires_grad_(False)
    found = measure.ego_directions(tiny_model, tiny_data.train, device="cpu")
    assert set(found.tensors) == {"1.weight", "1.bias", "6.weight", "6.bias"}


def test_names_aliases_and_positions_choose_a_direction(tiny_model):
    found = measure.random_directions(tiny_model, ("car", "dog"))
    assert all(torch.equal(found["automobile"][key], found["car"][key]) for key in found.tensors)
    assert torch.equal(found[1]["0.weight"], found["dog"]["0.weight"])
    assert found.only(["dog"]).names == ("dog",)


def test_random_signs_keep_every_element_but_for_its_sign(tiny_model, tiny_data):
    directions = measure.ego_directions(tiny_model, tiny_data.train, device="cpu")
    found = measure.random_signs(directions, seed=1)
    assert (found.names, found.weight_norm) == (directions.names, directions.weight_norm)
    for key, tensor in directions.tensors.items():
        assert torch.equal(found.tensors[key].abs(), tensor.abs())
    np.testing.assert_allclose(found.norms, directions.norms)
    kept = torch.cat([(found.tensors[key] == tensor)[tensor != 0] for key, tensor in directions.tensors.items()])
    assert abs(kept.double().mean() - 0.5) < 4 * 0.5 / len(kept) ** 0.5
    assert found.tensors.keys() == directions.tensors.keys()
    again, other = measure.random_signs(directions, seed=1), measure.random_signs(directions, seed=2)
    assert all(torch.equal(found.tensors[key], again.tensors[key]) for key in found.tensors)
    assert not all(torch.equal(found.tensors[key], other.tensors[key]) for key in found.tensors)


def test_random_directions_are_seeded_and_nearly_orthogonal(tiny_model):
    wide = nn.Linear(100, 100)
    first, again, other = (measure.random_directions(wide, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first["random1"]["weight"], again["random1"]["weight"])
    assert not torch.equal(first["random1"]["weight"], other["random1"]["weight"])
    assert abs(float(first.cosine[0, 1])) < 0.05  # five standard errors
    assert float(first.norms[0]) == pytest.approx(10100**0.5, rel=0.05)


def test_unit_scale_has_norm_one(tiny_model, tiny_data):
    found = measure.rescaled(measure.ego_directions(tiny_model, tiny_data.train, device="cpu"), "unit", tiny_model)
    np.testing.assert_allclose(found.norms, 1, rtol=1e-6)


def test_filter_scale_gives_each_filter_the_networks_norm(tiny_model):
    found = measure.rescaled(measure.random_directions(tiny_model), "filter", tiny_model)
    for name, weight in tiny_model.named_parameters():
        direction = found["random2"][name]
        if weight.ndim < 2:
            assert torch.equal(direction, torch.zeros_like(weight))
        else:
            torch.testing.assert_close(direction.flatten(1).norm(dim=1), weight.detach().flatten(1).norm(dim=1))


def test_gradient_scale_changes_nothing(tiny_model):
    found = measure.random_directions(tiny_model)
    assert measure.rescaled(found, "gradient", tiny_model) is found


def split_without_c(tiny_data):
    keep = tiny_data.train.labels != 2
    return data.Split(tiny_data.train.images[keep], tiny_data.train.labels[keep], ("a", "b", "c"))


def test_a_class_without_images_is_left_out_and_named(tiny_model, tiny_data):
    with pytest.warns(UserWarning, match="left out, without images among these and so without a gradient: 'c'$"):
        found = measure.ego_directions(tiny_model, split_without_c(tiny_data))
    assert found.names == ("a", "b")
    expected = measure.ego_directions(tiny_model, tiny_data.train)
    np.testing.assert_allclose(found.inner, expected.inner[:2, :2], rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda model, data: measure.ego_directions(model.requires_grad_(False), data.train),
            "no trainable parameters",
        ),
        (lambda model, data: measure.rescaled(measure.random_directions(model), "units", model), "did you mean 'unit'"),
        (lambda model, data: measure.random_directions(model, seed=-1), "seed = -1"),
        (lambda model, data: measure.random_directions(model)["random3"], "unknown class 'random3'"),
    ],
)
def test_bad_arguments_get_one_line(tiny_model, tiny_data, call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(tiny_model, tiny_data)
    assert "\n" not in str(error.value)


def test_a_seed_may_be_numpys(tiny_model):
    one, other = (measure.random_directions(tiny_model, seed=seed) for seed in (5, np.int64(5)))
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_weights_that_are_not_finite_are_named(tiny_model, tiny_data):
    tiny_model[6].bias.data[1] = torch.nan
    with pytest.raises(ValueError, match=r"parameter 6.bias is not finite"):
        measure.ego_directions(tiny_model, tiny_data.train)

import copy
import warnings

import numpy as np
import pytest
import torch
from networks import images_of
from test_evaluator import shaken
from torch import nn
from torch.nn import functional

from ciutils import data, measure

CPU = {"device": "cpu"}


def directions_of(model, seed=0):
    found = measure.random_directions(model, ("a", "b"), seed=seed)
    return measure.Directions(
        found.names, {key: 0.1 * value for key, value in found.tensors.items()}, found.weight_norm
    )


def test_softmax_regression_has_its_closed_form():
    """Logits are linear in theta: the Hessian is z' (diag p - p p') z with z the logits of the directions."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 3, bias=False)).double()
    split = images_of((2, 2, 2), 3, count=30)
    directions = directions_of(model)
    found = measure.plane_derivatives(model, split, directions, "a-b", batch_size=7, **CPU)

    inputs = split.inputs(dtype=torch.float64).flatten(1).numpy()
    share = functional.softmax(torch.from_numpy(inputs) @ model[1].weight.detach().T, dim=1).numpy()
    logits = -np.stack([inputs @ directions[name]["1.weight"].numpy().T for name in "ab"], 1)  # (image, a, class)
    gradient = np.einsum("iak,ik->ia", logits, share - np.eye(3)[split.labels])
    spread = np.einsum("iak,ik,ibk->iab", logits, share, logits)
    mean = np.einsum("iak,ik->ia", logits, share)
    hessian = spread - mean[:, :, None] * mean[:, None, :]
    for position in range(3):
        mine = split.labels.numpy() == position
        np.testing.assert_allclose(found["gradient"][position], gradient[mine].mean(0), rtol=1e-10)
        np.testing.assert_allclose(found["hessian"][position], hessian[mine].mean(0), rtol=1e-10)
        np.testing.assert_allclose(found["covariance"][position], np.cov(gradient[mine].T), rtol=1e-10)
        error = hessian[mine].std(0, ddof=1) / mine.sum() ** 0.5
        np.testing.assert_allclose(found["hessian_error"][position], error, rtol=1e-10)


def test_a_convolutional_network_agrees_with_finite_differences():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Softplus(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    ).double()
    shaken(model)
    split = images_of((2, 6, 6), 3, count=12)
    directions = directions_of(model)
    found = measure.plane_derivatives(model, split, directions, ("b", "a"), **CPU)

    def losses(first, second):
        moved = copy.deepcopy(model)
        with torch.no_grad():
            for name, value in moved.named_parameters():
                value -= first * directions["b"][name] + second * directions["a"][name]
            each = functional.cross_entropy(moved(split.inputs(dtype=torch.float64)), split.labels, reduction="none")
        return np.array([each[split.labels == position].mean() for position in range(3)])

    h = 1e-3
    middle = losses(0, 0)
    five = {k: (losses(k * h, 0), losses(0, k * h)) for k in (-2, -1, 1, 2)}
    for axis in (0, 1):
        a, b, c, d = (five[k][axis] for k in (-2, -1, 1, 2))
        np.testing.assert_allclose(found["gradient"][:, axis], (a - 8 * b + 8 * c - d) / (12 * h), rtol=1e-6, atol=1e-8)
        second = (-a + 16 * b - 30 * middle + 16 * c - d) / (12 * h * h)
        np.testing.assert_allclose(found["hessian"][:, axis, axis], second, rtol=1e-6, atol=1e-6)
    mixed = (losses(h, h) - losses(h, -h) - losses(-h, h) + losses(-h, -h)) / (4 * h * h)
    np.testing.assert_allclose(found["hessian"][:, 0, 1], mixed, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["hessian"][:, 0, 1], found["hessian"][:, 1, 0], rtol=1e-10)


def test_the_gradient_along_an_ego_is_minus_its_squared_norm(tiny_model, tiny_data):
    """Descending along its own gradient lowers a class's loss by the norm's square: Definition 1."""
    directions = measure.ego_directions(tiny_model, tiny_data.train, **CPU)
    found = measure.plane_derivatives(tiny_model, tiny_data.train, directions, "a-c", **CPU)
    inner = directions.inner.values
    expected = [[-inner[a, c] for a in (0, 2)] for c in range(3)]
    np.testing.assert_allclose(found["gradient"], expected, rtol=1e-3, atol=1e-6)


def test_a_class_without_images_is_nan(tiny_model, tiny_data):
    keep = tiny_data.train.labels != 1
    split = data.Split(tiny_data.train.images[keep], tiny_data.train.labels[keep], tiny_data.classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = measure.plane_derivatives(
            tiny_model, split, directions_of(tiny_model), "a-b", batch_size=np.int64(7), **CPU
        )
    assert found["images"].values.tolist() == split.labels.bincount(minlength=3).tolist()
    assert found["hessian"].isnull().all(("direction", "other")).values.tolist() == [False, True, False]


def test_directions_of_another_network_are_refused(tiny_model, tiny_data):
    with pytest.raises(ValueError, match="directions are of another network"):
        measure.plane_derivatives(tiny_model, tiny_data.train, directions_of(nn.Linear(2, 2)), "a-b", **CPU)

"""What any network must give, by plain torch: the reference for tests of other people's networks."""

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from torch.nn import functional

from ciutils import data, measure


def images_of(shape, classes, count=24, seed=0):
    """A split of random images, uint8 [count, *shape], with every class."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(256, (count, *shape), dtype=torch.uint8, generator=generator)
    return data.Split(images, torch.arange(count) % classes, tuple(f"c{each}" for each in range(classes)))


def plainly(model, split, weights=None, pick=lambda output: output):
    """Counts and loss sums of every class at `weights`, by the module itself in one batch, which they are put into."""
    model.eval()
    held = dict(model.named_parameters()) | dict(model.named_buffers())
    home = {name: held[name].detach().clone() for name in weights or {}}
    floating = [each for each in model.parameters() if each.is_floating_point()]
    inputs = split.inputs(dtype=floating[0].dtype if floating else torch.float32)
    with torch.no_grad():
        for name in home:
            held[name].copy_(weights[name])
        logits = pick(model(inputs.clone())).double()
        for name, value in home.items():
            held[name].copy_(value)
    losses = functional.cross_entropy(logits, split.labels, reduction="none")
    names = range(len(split.classes))
    sums = np.array([float(losses[split.labels == each].sum()) for each in names])
    return confusion_matrix(split.labels, logits.argmax(1), labels=names), sums


def gradient_of(model, split, position, pick=lambda output: output):
    """The gradient of one class's mean loss, all its images in one batch, by parameter name."""
    model.eval()
    wanted = {name: each for name, each in model.named_parameters() if each.requires_grad}
    mine = split.labels == position
    inputs = split.inputs(mine.nonzero().flatten(), next(iter(wanted.values())).dtype)
    loss = functional.cross_entropy(pick(model(inputs)), split.labels[mine])
    found = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
    return {
        name: torch.zeros_like(wanted[name]) if each is None else each for name, each in zip(wanted, found, strict=True)
    }


def check(model, split, pick=lambda output: output, rtol=1e-5, slack=(0.0, 0.0), **reading):
    """Counts, class gradients and a space of `model` against plain torch; returns the space.

    slack: how far a gradient's element, and a class's losses, may be off beyond the tolerance, where plain torch is."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    counts, _ = plainly(model, split, pick=pick)
    np.testing.assert_array_equal(measure.counts(model, split, batch_size=np.int64(7), device="cpu", **reading), counts)
    pair = split.classes[:2]
    directions = measure.ego_directions(model, split, pair, batch_size=np.int64(7), device="cpu", **reading)
    for position, name in enumerate(pair):
        expected = gradient_of(model, split, position, pick)
        assert set(directions.tensors) == set(expected)
        scale = max(float(value.abs().max()) for value in expected.values())
        for key, value in directions[name].items():
            np.testing.assert_allclose(value.float(), expected[key].float(), atol=100 * rtol * scale + slack[0])
    sigma = 0.02 * directions.weight_norm / float(directions.norms.max())
    space = measure.interference_space(
        model, split, directions, pair, sigma, 3, device="cpu", precision="fp32", batch_size=7, **reading
    )
    for i, theta1 in enumerate(space["theta1"].values):
        for j, theta2 in enumerate(space["theta2"].values):
            moved = {
                name: (value.detach() - theta1 * directions[0][name] - theta2 * directions[1][name]).to(value.dtype)
                for name, value in model.named_parameters()
                if name in directions.tensors
            }
            counts, losses = plainly(model, split, moved, pick)
            tolerance = {"rtol": rtol if (i, j) == (1, 1) else 10 * rtol, "atol": rtol * losses.max() + slack[1]}
            np.testing.assert_allclose(space["loss_sum"][i, j], losses, **tolerance)
            if (i, j) == (1, 1):
                np.testing.assert_array_equal(space["counts"][i, j], counts)
    after = model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    return space

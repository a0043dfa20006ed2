import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ciutils import models

PARAMETERS = {
    "vgg19": 20_040_522,
    "resnet18": 11_173_962,
    "googlenet": 6_166_250,
    "dla": 16_291_386,
    "simple-dla": 15_142_970,
}
"""Of the public CIFAR forms of the paper's networks, at full width and ten classes."""
MEGA_MACS = {"vgg19": 398, "resnet18": 555, "googlenet": 1522, "dla": 1031, "simple-dla": 913}
NETWORKS = sorted(models.NETWORKS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_full_width_parameters_and_operations_are_the_published_ones(name):
    with torch.device("meta"):
        model = models.build(name)
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, 32, 32))
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]
    assert round(counter.get_total_flops() / 2 / 1e6) == MEGA_MACS[name]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("channels", "size"), [(1, 4), (1, 8), (3, 32), (2, 28), (3, 64)])
def test_images_of_any_size_and_channels_become_logits(name, channels, size):
    model = models.build(name, num_classes=7, in_channels=channels, width=0.05)
    logits = model.eval()(torch.randn(3, channels, size, size))
    assert logits.shape == (3, 7)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", PARAMETERS)
def test_quarter_width_is_a_sixteenth_of_the_weights(name):
    with torch.device("meta"):
        narrow = models.build(name, width=0.25)
    share = sum(parameter.numel() for parameter in narrow.parameters()) / PARAMETERS[name]
    assert share == pytest.approx(1 / 16, rel=0.05)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradient_reaches_every_parameter(name):
    model = models.build(name, width=0.05)
    model(torch.randn(4, 3, 32, 32)).square().sum().backward()
    without = [key for key, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


@pytest.mark.parametrize("name", NETWORKS)
def test_an_image_is_judged_alone_in_evaluation_mode(name):
    model = models.build(name, width=0.05).eval()
    images = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(model(images)[2:3], model(images[2:3]), rtol=1e-4, atol=1e-5)


def test_the_seed_decides_the_weights():
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([parameter.flatten() for parameter in models.build("dla", width=0.05).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet"}, "unknown network 'resnet': choose from .*; did you mean 'resnet18'"),
        ({"name": "vgg19", "width": 0.0}, "width = 0.0: give a number above 0"),
        ({"name": "vgg19", "width": float("nan")}, "width = nan: give a number above 0"),
        ({"name": "vgg19", "num_classes": 0}, "num_classes = 0: give a whole number of at least 1"),
        ({"name": "vgg19", "in_channels": 1.5}, "in_channels = 1.5: give a whole number"),
    ],
)
def test_bad_arguments_get_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        models.build(**arguments)
    assert "\n" not in str(error.value)

"""Sets that are read once into a mapped file: the same images, whatever gives them."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from ciutils import data, measure
from ciutils.measure import evaluator
from reproduction.results import REPOSITORY

COLOURS = [(255, 0, 0), (0, 10, 200)]


class Pictures:
    """Photographs of one colour each, of different sizes."""

    classes = ("red", "blue")

    def __len__(self):
        return 6

    def __getitem__(self, place):
        return Image.new("RGB", (20 + place, 30 - place), COLOURS[place % 2]), place % 2


def test_images_of_a_set_and_of_a_loader_are_those_that_they_give(tiny_data):
    split = tiny_data.train
    pairs = TensorDataset(split.images, split.labels)
    for source in (pairs, DataLoader(pairs, batch_size=7), iter(pairs)):
        read = data.read_once(source, split.classes)
        assert torch.equal(read.images, split.images)
        assert torch.equal(read.labels, split.labels)
        assert (read.classes, read.resized) == (split.classes, "")
        assert read.sha256 == split.sha256


def test_floats_become_bytes_and_bytes_floats_where_that_is_asked_for(tiny_data):
    split = tiny_data.train
    scaled = TensorDataset(split.images / 255, split.labels)
    assert torch.equal(data.read_once(scaled, split.classes).images, split.images / 255)
    assert torch.equal(data.read_once(scaled, split.classes, precision="uint8").images, split.images)
    whole = TensorDataset(split.images, split.labels)
    assert torch.equal(data.read_once(whole, split.classes, precision="float32").images, split.images / 255)


def test_images_of_mixed_sizes_are_resized_and_what_is_measured_says_so(tiny_model):
    split = data.read_once(Pictures(), size=(8, 9))
    assert split.images.shape == (6, 3, 8, 9)
    expected = torch.tensor(COLOURS, dtype=torch.uint8)[torch.tensor([0, 1, 0, 1, 0, 1])]
    assert torch.equal(split.images, expected[:, :, None, None].expand(-1, -1, 8, 9))
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 9, 2))
    directions = measure.ego_directions(model, split)
    space = measure.interference_space(model, split, directions, "red-blue", 0.1, 3)
    assert space.attrs["resized"] == "8 x 9, bilinear, antialiased"


def test_a_space_of_images_that_are_not_kept_is_the_same(tiny_model, tiny_data, monkeypatch):
    directions = measure.ego_directions(tiny_model, tiny_data.train)
    spaces = []
    for kept in (evaluator.KEPT, 0):
        monkeypatch.setattr(evaluator, "KEPT", kept)
        for bn in ("frozen", "recalibrated"):
            spaces.append(
                measure.interference_space(tiny_model.eval(), tiny_data.train, directions, "a-b", 0.5, 3, bn=bn)
            )
    for one, other in zip(spaces[:2], spaces[2:], strict=True):
        assert one["counts"].equals(other["counts"])
        np.testing.assert_array_equal(one["loss_sum"], other["loss_sum"])


WRONG = [
    ({}, r"image 1 is uint8 of shape \(3, 29, 21\), others uint8 of \(3, 30, 20\): give size="),
    ({"size": (8, 8), "classes": ["red"]}, "label 1 of image 1 is out of range"),
    ({"size": (8, 8), "precision": "int4"}, "unknown precision 'int4'"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_cannot_be_read_is_one_line(options, message):
    with pytest.raises(ValueError, match=message):
        data.read_once(Pictures(), **options)


def test_sets_without_images_classes_or_a_range_are_one_line():
    one = TensorDataset(torch.full((1, 3, 4, 4), 2.0), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="image 0 is not from 0 to 1: it cannot become uint8"):
        data.read_once(one, ["a", "b"], precision="uint8")
    palette = [(Image.new("P", (4, 4)), 0)]
    with pytest.raises(ValueError, match="image 0 is of Pillow's mode P: convert it to L or RGB first"):
        data.read_once(palette, ["a", "b"])
    with pytest.raises(ValueError, match=r"image 0 is torch.int64 of shape \(3, 4, 4\): give uint8 or float"):
        data.read_once([(torch.zeros(3, 4, 4, dtype=torch.int64), 0)], ["a", "b"])
    with pytest.raises(ValueError, match="does not name its classes: give classes="):
        data.read_once(one)
    with pytest.raises(ValueError, match="holds no images"):
        data.read_once([], ["a", "b"])


MEMORY = """
import torch, torchvision
from ciutils import data, machine, measure

class Noise:
    classes = [f"class {place}" for place in range(10)]
    def __len__(self):
        return 2000
    def __getitem__(self, place):
        generator = torch.Generator().manual_seed(place)
        return torch.randint(256, (3, 224, 224), dtype=torch.uint8, generator=generator), place % 10

torch.manual_seed(0)
model = torchvision.models.resnet50(num_classes=10).eval()
cpu = torch.device("cpu")
split = data.read_once(Noise())
print("read", machine.peak_memory(cpu) / 2**30, flush=True)
measure.counts(model, split, device="cpu")
print("counts", machine.peak_memory(cpu) / 2**30, flush=True)
directions = measure.ego_directions(model, split, [0, 1], device="cpu")
print("egos", machine.peak_memory(cpu) / 2**30, flush=True)
measure.interference_space(model, split, directions, [0, 1], 1e-3, 3, device="cpu")
print("space", machine.peak_memory(cpu) / 2**30)
"""


@pytest.mark.slow
def test_resnet50_on_2000_images_of_224_x_224_takes_less_than_3_gib():
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert float(done.stdout.split()[-1]) < 3, done.stdout

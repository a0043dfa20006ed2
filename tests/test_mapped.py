"""Sets that are read once into a mapped file: the same images, whatever gives them."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from test_data import BLACK_WHITE, GREY, HIDDEN, NOISE, PALETTE, PICTURE, SOLID
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

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
    for kept in (evaluator.KEPT["cpu"], 0):
        monkeypatch.setitem(evaluator.KEPT, "cpu", kept)
        for bn in ("frozen", "recalibrated"):
            spaces.append(
                measure.interference_space(tiny_model.eval(), tiny_data.train, directions, "a-b", 0.5, 3, bn=bn)
            )
    for one, other in zip(spaces[:2], spaces[2:], strict=True):
        assert one["counts"].equals(other["counts"])
        np.testing.assert_array_equal(one["loss_sum"], other["loss_sum"])


WRONG = [
    ({}, r"image 1 is torch.uint8 \[3, 29, 21\], those before it torch.uint8 \[3, 30, 20\]: give size="),
    ({"size": (8, 8), "classes": ["red"]}, "label 1 of image 1 is out of range"),
    ({"size": (8, 8), "precision": "int4"}, "unknown precision 'int4'"),
    ({"size": 8}, r"size = 8: give \(height, width\), whole numbers of at least 1"),
    ({"size": (0, 4)}, r"size = \(0, 4\): give \(height, width\), whole"),
    ({"size": (4.0, 4.0)}, r"size = \(4.0, 4.0\): give \(height, width\), whole"),
    ({"size": (4, 4, 3)}, r"size = \(4, 4, 3\): give \(height, width\), whole"),
    ({"size": ()}, r"size = \(\): give \(height, width\), whole"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_cannot_be_read_is_one_line(options, message):
    with pytest.raises(ValueError, match=message):
        data.read_once(Pictures(), **options)


def test_loaders_that_leave_images_out_are_refused_and_those_that_shuffle_told():
    whole = TensorDataset(torch.rand(10, 1, 2, 2), torch.arange(10) % 2)
    with pytest.raises(ValueError, match="the loader leaves out its last images: make it with drop_last=False"):
        data.read_once(DataLoader(whole, 4, drop_last=True), ["a", "b"])
    for sampler in (WeightedRandomSampler([1.0] * 10, 10), RandomSampler(whole, replacement=True)):
        with pytest.raises(
            ValueError, match=r"the loader's \w*RandomSampler repeats some images and leaves others out"
        ):
            data.read_once(DataLoader(whole, 4, sampler=sampler), ["a", "b"])
    for size in (4, None):
        with pytest.warns(
            UserWarning, match="RandomSampler gives images in another order each time: make it with shuf"
        ):
            assert len(data.read_once(DataLoader(whole, size, shuffle=True), ["a", "b"])) == 10


def test_sets_without_images_classes_or_a_range_are_one_line():
    one = TensorDataset(torch.full((1, 3, 4, 4), 2.0), torch.zeros(1, dtype=torch.int64))
    with pytest.raises(ValueError, match="image 0 is not from 0 to 1 but from 2 to 2: .* give uint8 itself, or prec"):
        data.read_once(one, ["a", "b"], precision="uint8")
    with pytest.raises(ValueError, match=r"image 0 is torch.int64 of shape \(3, 4, 4\): give uint8 or float"):
        data.read_once([(torch.zeros(3, 4, 4, dtype=torch.int64), 0)], ["a", "b"])
    with pytest.raises(ValueError, match="does not name its classes: give classes="):
        data.read_once(one)
    with pytest.raises(ValueError, match="holds no images"):
        data.read_once([], ["a", "b"])


# --- items, whichever way they are read

ABC = ("a", "b", "c")
GIVEN = []


def given():
    return GIVEN[0], ConcatDataset([GIVEN[0], GIVEN[0]]), ABC


def loaded(pairs):
    """As a function of one's own gives them."""
    GIVEN[:] = [pairs]
    return data.load("test_mapped:given").train


def mapped(pairs):
    return data.read_once(pairs, ABC)


READERS = pytest.mark.parametrize("read", [loaded, mapped])


def grey(pixels):
    return np.asarray(pixels)[None]


@READERS
@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (PICTURE, NOISE.transpose(2, 0, 1)),
        (PALETTE, NOISE.transpose(2, 0, 1)),
        (Image.fromarray(SOLID), NOISE.transpose(2, 0, 1)),
        (GREY, grey(GREY)),
        (Image.fromarray(BLACK_WHITE > 0), grey(BLACK_WHITE)),
        (GREY.convert("LA"), grey(GREY)),
    ],
)
def test_pictures_are_grey_or_rgb_as_they_are_seen(read, picture, expected):
    found = read([(picture, 0), (picture, 2)])
    assert found.images.dtype == torch.uint8
    np.testing.assert_array_equal(found.images, np.stack([expected, expected]))
    assert found.labels.tolist() == [0, 2]


@READERS
@pytest.mark.parametrize("label", [2, np.int64(2), np.uint8(2), torch.tensor(2), torch.tensor([2]), np.array(2)])
def test_labels_are_whole_numbers_of_any_kind(read, label):
    assert read([(PICTURE, 0), (PICTURE, label)]).labels.tolist() == [0, 2]


BYTES, HALVES = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.full((3, 4, 4), 0.5)


@READERS
@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [(PICTURE.convert("CMYK"), 0)],
            r"image 0 is not grey, palette or RGB of 8 bits a channel \(CMYK\): convert it",
        ),
        ([(PICTURE, 0), (Image.fromarray(HIDDEN), 0)], "image 1 is partly transparent: put it on a background first"),
        ([(Image.new("F", (4, 4)), 0)], r"image 0 is not grey, .* \(F\): convert it first"),
        ([(BYTES, 0), (HALVES, 1)], r"image 1 is torch.float32 \[3, 4, 4\], .* torch.uint8 .*: give all in one type"),
        ([(PICTURE, 0), (GREY, 1)], r"image 1 is .* \[1, 5, 6\], those before it .* \[3, 5, 6\]: convert all to RGB"),
        ([(GREY, 0), (PICTURE, 1)], r"image 1 is .* \[3, 5, 6\], those before it .* \[1, 5, 6\]: convert all to RGB"),
        ([(BYTES, 0), (BYTES, 0.7)], "label of item 1 is 0.7: give the position of its class, a whole number"),
        ([(BYTES, torch.tensor(1.5))], "label of item 0 is 1.5: give the position of its class"),
        ([(BYTES, np.float32(1))], "label of item 0 is a float32: give the position of its class"),
        ([(BYTES, "cat")], "label of item 0 is 'cat': give the position of its class"),
        ([(BYTES, torch.eye(3)[1])], r"label of item 0 is a Tensor: .* \(argmax of one-hot\)"),
        ([(BYTES, None)], "label of item 0 is a NoneType: give the position of its class"),
        ([(BYTES, True)], "label of item 0 is a bool: give the position of its class"),
        ([(BYTES, -1)], "label -1 of image 0 is out of range: "),
        ([(BYTES, 20240101)], "label 20240101 of image 0 is out of range: "),
        ([(BYTES, 10**20)], "label 100000000000000000000 of image 0 is out of range: "),
        (
            [{"img": PICTURE, "label": 0}],
            r"item 0 is a dict of 'img', 'label': give pairs, as \(each\['image'\], each\[",
        ),
        ([None], r"item 0 is a NoneType: give \(image, label\)"),
        ([(BYTES, 0), (BYTES, 0, "x.png")], r"item 1 is a tuple of 3: give \(image, label\)"),
        ([BYTES[:2]], r"item 0 is a Tensor: give \(image, label\)"),
        ([(0, BYTES)], r"image 0 is torch.int64 of shape \(\): give uint8 or float"),
        ([("x.png", 0)], "the pixels of image 0 cannot become a tensor"),
        ([(None, 0)], "the pixels of image 0 cannot become a tensor"),
    ],
)
def test_an_item_that_cannot_be_taken_as_it_is_is_named_in_one_line(read, items, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(items)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "the data set is a NoneType: give a Dataset, a DataLoader, or .image, label. pairs"),
        (data.Split(BYTES[None], [0], ["a"]), "the data set is a Split: give a Dataset"),
        (DataLoader([{"image": BYTES, "label": 0}] * 3, 2), "item 0 is a dict of 'image', 'label': give pairs"),
        (DataLoader([(BYTES, 0, 1)] * 3, 2), "item 0 is a tuple of 3: give"),
        (DataLoader([(BYTES, 0.5)] * 3, 2), "label of item 0 is 0.5"),
    ],
)
def test_what_gives_no_pairs_is_one_line(given, message):
    with pytest.raises(ValueError, match=message):
        data.read_once(given, ABC)


class Stream(IterableDataset):
    """It has a length, and yet no items at places."""

    def __len__(self):
        return 3

    def __iter__(self):
        return iter([(BYTES + place, place) for place in range(3)])


@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_stream_is_read_as_it_comes(batch_size):
    for source in (Stream(), DataLoader(Stream(), batch_size)):
        read = mapped(source)
        assert (read.images[:, 0, 0, 0].tolist(), read.labels.tolist()) == ([0, 1, 2], [0, 1, 2])


def test_a_part_of_a_part_has_the_names_of_the_whole():
    part = Subset(Subset(Pictures(), [0, 1, 3]), [2, 0])
    for source in (part, DataLoader(part, 2, collate_fn=lambda pairs: tuple(zip(*pairs, strict=True)))):
        read = data.read_once(source, size=(2, 2))
        assert (read.classes, read.labels.tolist()) == (("red", "blue"), [1, 0])


class Relabelled:
    """Some classes of another data set, under labels of its own."""

    def __init__(self):
        self.dataset = Pictures()

    def __len__(self):
        return 2

    def __getitem__(self, place):
        return self.dataset[place][0], 0


def test_names_are_not_taken_from_a_data_set_whose_labels_may_be_others():
    with pytest.raises(ValueError, match="does not name its classes"):
        data.read_once(Relabelled(), size=(2, 2))


class Failing:
    classes = ABC

    def __len__(self):
        return 3

    def __getitem__(self, place):
        if place == 1:
            raise RuntimeError("worker lost\nsecond line")
        return BYTES, place


@READERS
def test_an_item_that_cannot_be_had_is_named_by_its_place(read):
    with pytest.raises(ValueError, match="item 1 cannot be read: RuntimeError: worker lost$"):
        read(Failing())


class Counted(TensorDataset):
    """Three classes in turn; it counts how often it was read."""

    def __init__(self, images):
        super().__init__(images, torch.arange(len(images)) % 3)
        self.reads = 0

    def __getitem__(self, place):
        self.reads += 1
        return super().__getitem__(place)


@pytest.mark.parametrize(
    ("images", "classes", "options", "message", "reads"),
    [
        (torch.zeros(50, 1, 2, 2), ABC, {"mean": [0.5], "std": [0.5]}, "float images are taken as they are", 1),
        (BYTES.expand(50, -1, -1, -1), ABC, {"mean": [0.5] * 3}, "std = None: give both", 1),
        (BYTES.expand(50, -1, -1, -1), ABC, {"mean": [0.5], "std": [0.5]}, "one number for each of 3 channels", 1),
        (BYTES.expand(50, -1, -1, -1), "aba", {}, "classes are 'str'", 0),
        (BYTES.expand(50, -1, -1, -1), [*"aba"], {}, "class 'a' is named 2 times", 0),
        (BYTES.expand(50, -1, -1, -1), [*"ab"], {}, "label 2 of image 2 is out of range: 2 classes allow 0 to 1", 3),
    ],
)
def test_what_does_not_fit_is_refused_before_all_are_read(images, classes, options, message, reads):
    pairs = Counted(images)
    with pytest.raises(ValueError, match=message):
        data.read_once(pairs, classes, **options)
    assert pairs.reads == reads


def test_names_that_contradict_the_sets_own_are_refused():
    pairs = TensorDataset(BYTES.expand(3, -1, -1, -1), torch.arange(3))
    pairs.classes = [*"abc"]
    assert data.read_once(pairs, [*"xyz"]).classes == ("x", "y", "z")
    with pytest.raises(ValueError, match="classes: class 1 is given the name 'c', by which the data set knows class 2"):
        data.read_once(pairs, [*"acb"])


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

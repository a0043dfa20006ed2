import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ciutils.data import ImageData, Split

IMAGES = torch.arange(6 * 2 * 3 * 4).view(6, 2, 3, 4).to(torch.uint8)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
ABC = ("a", "b", "c")
PLAIN = Split(IMAGES, LABELS, ABC)


@pytest.mark.parametrize(
    ("images", "labels", "classes"),
    [
        (IMAGES.numpy(), LABELS, ABC),
        (IMAGES.numpy()[::-1][::-1], LABELS, ABC),
        (IMAGES.to_sparse(), LABELS, ABC),
        (np.ma.array(IMAGES), np.ma.array(LABELS, mask=False), ABC),
        (IMAGES.contiguous(memory_format=torch.channels_last), LABELS, ABC),
        (IMAGES, LABELS.numpy(), ABC),
        (IMAGES, LABELS.tolist(), ABC),
        (IMAGES, LABELS.int(), ABC),
        (IMAGES, LABELS.to(torch.uint8), ABC),
        (IMAGES, LABELS.numpy().astype(">u2"), ABC),
        (IMAGES, LABELS, list(ABC)),
        (IMAGES, LABELS, np.array(ABC)),
    ],
)
def test_a_split_is_the_same_whatever_holds_its_values(images, labels, classes):
    split = Split(images, labels, classes)
    assert split.sha256 == PLAIN.sha256
    assert torch.equal(split.images, IMAGES)
    assert torch.equal(split.labels, LABELS)
    assert split.labels.dtype == torch.int64
    assert split.classes == ABC


def test_an_array_that_changes_later_does_not_change_the_split():
    images, labels = IMAGES.numpy().copy(), LABELS.numpy().copy()
    split = Split(images, labels, ABC)
    images[:], labels[:] = 0, 0
    assert split.sha256 == PLAIN.sha256


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (np.dtype(">f4"), torch.float32),
        (np.dtype("float16"), torch.float32),
    ],
)
def test_float_images_keep_their_values(dtype, kept):
    values = (IMAGES.float() - 70) / 8  # exact in eight bits of mantissa
    given_ = values.to(dtype) if isinstance(dtype, torch.dtype) else values.numpy().astype(dtype)
    split = Split(given_, LABELS, ABC)
    assert split.images.dtype == kept
    assert torch.equal(split.inputs(), values)


def test_mean_and_std_may_be_arrays():
    one = Split(IMAGES, LABELS, ABC, mean=(0.5, 0.25), std=(0.125, 0.5))
    other = Split(IMAGES, LABELS, ABC, mean=np.array([0.5, 0.25]), std=torch.tensor([0.125, 0.5]))
    assert one.sha256 == other.sha256 != PLAIN.sha256
    expected = (IMAGES / 255 - torch.tensor([0.5, 0.25]).view(2, 1, 1)) / torch.tensor([0.125, 0.5]).view(2, 1, 1)
    torch.testing.assert_close(other.inputs(), expected)


def broken(value):
    images = torch.zeros(5, 1, 2, 2)
    images[3, 0, 1, 0] = value
    return images


FLOATS = torch.zeros(6, 2, 3, 4)
LAST = torch.zeros(1, 6, 6, 3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Split(torch.zeros(2, 3, 4), [0, 0], ["a", "b"]), "give .N, channels, height"),
        (lambda: Split(torch.zeros(2, 1, 0, 4), [0, 0], ABC), r"shape \(2, 1, 0, 4\): give .N, channels, height"),
        (lambda: Split(IMAGES.int(), LABELS, ABC), "images are torch.int32: give uint8, or float"),
        (lambda: Split(IMAGES.numpy().astype(np.uint16), LABELS, ABC), "images are torch.uint16: give uint8"),
        (lambda: Split(LAST.numpy(), [0], ABC), r"shape \(1, 6, 6, 3\), channels last: give .N, channels, height, wi"),
        (lambda: Split(LAST[:, :5], [0], ABC), r"images.permute\(0, 3, 1, 2\) of a tensor"),
        (lambda: Split(LAST.float()[..., :1], [0], ABC), r"shape \(1, 6, 6, 1\), channels last"),
        (lambda: Split(IMAGES.to("meta"), LABELS, ABC), "images cannot become a tensor"),
        (lambda: Split(IMAGES, np.ma.array(LABELS, mask=LABELS == 1), ABC), "labels are masked: leave out the images"),
        (lambda: Split(IMAGES, LABELS, ABC, ["a", "b"], (0.5, 0.5)), "mean = .'a', 'b'., .* one number for each of 2"),
        (lambda: Split(IMAGES, LABELS, ABC, (0.5, 0.5), [None] * 2), "std = .None, None.: give one number for each"),
        (lambda: Split([[1, 2], [3]], LABELS, ABC), "images cannot become a tensor: give a tensor, an array"),
        (lambda: Split(broken(float("nan")), [0] * 5, ABC), "image 3 holds NaN or infinity"),
        (lambda: Split(broken(float("-inf")).half(), [0] * 5, ABC), "image 3 holds NaN or infinity"),
        (lambda: Split(IMAGES, [0, 2, 0, 0, 3, 1], ABC), "label 3 of image 4 is out of range: 3 classes allow 0 to 2"),
        (lambda: Split(IMAGES, np.array([0, -1, 0, 0, 0, 1]), ABC), "label -1 of image 1 is out of range"),
        (lambda: Split(IMAGES, LABELS[:5], ABC), "give whole numbers, one for each of the 6 images"),
        (lambda: Split(IMAGES, LABELS.float(), ABC), "labels are torch.float32 .*: give whole numbers"),
        (lambda: Split(IMAGES, LABELS == 1, ABC), "labels are torch.bool .*: give whole numbers"),
        (lambda: Split(IMAGES, [ABC[label] for label in LABELS], ABC), "labels cannot become a tensor"),
        (lambda: Split(IMAGES, LABELS, ("a", "a", "b")), "class 'a' is named 2 times"),
        (lambda: Split(IMAGES, LABELS, ("", "a", "b")), "class '': give each class a name"),
        (lambda: Split(IMAGES, LABELS, ABC, mean=(0.5, 0.5)), r"mean = \(0.5, 0.5\), std = None: give both"),
        (lambda: Split(IMAGES, LABELS, ABC, (0.5,), (0.5,)), "give one number for each of 2 channels"),
        (lambda: Split(IMAGES, LABELS, ABC, (0.5, 0.5), (0.5, 0.0)), "scaled to 0..1, std above 0"),
        (lambda: Split(IMAGES, LABELS, ABC, (123.0, 117.0), (0.5, 0.5)), "give those of images scaled to 0..1"),
        (lambda: Split(IMAGES, LABELS, ABC, (float("nan"), 0.5), (0.5, 0.5)), "give those of images scaled to 0..1"),
        (lambda: Split(FLOATS, LABELS, ABC, (0.5, 0.5), (0.5, 0.5)), "float images .* are, here from -?[0-9.]+ to"),
        (lambda: ImageData("x", PLAIN, Split(IMAGES[..., 1:], LABELS, ABC)), r"\(2, 3, 4\) .* \(2, 3, 3\) .*test"),
        (
            lambda: ImageData("x", PLAIN, Split(IMAGES[:, 1:], LABELS, ABC)),
            r"shapes are \(2, 3, 4\) in the training split, \(1, 3, 4\) in the test split",
        ),
        (lambda: ImageData("x", PLAIN, Split(FLOATS, LABELS, ABC)), "types are torch.uint8 .* torch.float32"),
        (
            lambda: ImageData("x", PLAIN, Split(IMAGES, LABELS, ("a", "c", "b"))),
            "classes are \\('a', 'b', 'c'\\) .* \\('a', 'c', 'b'\\)",
        ),
        (
            lambda: ImageData("x", PLAIN, Split(IMAGES, LABELS, ABC, (0.5, 0.5), (0.5, 0.5))),
            r"mean and std are \(None, None\) .*, \(\(0.5, 0.5\), \(0.5, 0.5\)\) in the test",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 12, 1000, 1), (2, 512, 1, 1), (2, 256, 3, 3), (2, 3, 32, 3), (2, 3, 5, 1)])
def test_signals_and_maps_of_many_channels_are_taken(shape):
    assert Split(torch.zeros(shape), [0, 1], ABC).images.shape == shape


def test_numbers_may_name_classes():
    assert Split(IMAGES, LABELS, (10, 20, 30)).classes == ("10", "20", "30")


def test_a_split_may_be_empty():
    assert len(Split(IMAGES[:0], [], ABC)) == 0


def test_digest_sees_a_pixel_and_a_label(tiny_data):
    def digest(images, labels):
        split = Split(images, labels, tiny_data.classes)
        return ImageData("t", split, tiny_data.test).sha256

    images, labels = tiny_data.train.images.clone(), tiny_data.train.labels.clone()
    original = digest(images.clone(), labels.clone())
    images[3, 0, 2, 2] ^= 1
    assert digest(images, tiny_data.train.labels) != original
    labels[5] = (labels[5] + 1) % 3
    assert digest(tiny_data.train.images, labels) != original


def test_a_stratified_subset_has_every_class_in_its_share(tiny_data):
    split = tiny_data.train
    chosen = split.stratified(40)
    assert len(chosen) == 40
    expected = split.labels.bincount() * 40 / len(split)
    assert (chosen.labels.bincount() - expected).abs().max() < 1
    pool = {(image.numpy().tobytes(), int(label)) for image, label in zip(split.images, split.labels, strict=True)}
    assert {
        (image.numpy().tobytes(), int(label)) for image, label in zip(chosen.images, chosen.labels, strict=True)
    } <= pool


def test_a_stratified_subset_is_seeded_and_the_whole_at_most(tiny_data):
    split = tiny_data.train
    assert (
        split.stratified(np.int64(40), np.int64(0)).sha256
        == split.stratified(40).sha256
        != split.stratified(40, seed=1).sha256
    )
    assert split.stratified(len(split)).sha256 == split.sha256
    with pytest.raises(ValueError, match="count = 102: the split holds 101 images"):
        split.stratified(102)


@given(st.lists(st.integers(0, 19), min_size=1, max_size=60), st.integers(0, 3), st.data())
def test_every_class_has_its_share_of_any_subset_to_one_image(labels, seed, data):
    count = data.draw(st.integers(1, len(labels)))
    split = Split(torch.arange(len(labels)).view(-1, 1, 1, 1).float(), labels, range(20))
    chosen = split.stratified(count, seed)
    assert len(set(chosen.images.flatten().tolist())) == count
    assert [labels[int(image)] for image in chosen.images.flatten()] == chosen.labels.tolist()
    share = split.labels.bincount(minlength=20) * count / len(labels)
    assert (chosen.labels.bincount(minlength=20) - share).abs().max() <= 1


def test_pictures_are_bytes_to_be_looked_at():
    """Floats lie between the darkest and the brightest of all; of two channels the first shows."""
    images = torch.tensor([[-1.0, 0.0], [0.5, 1.0]]).view(2, 1, 1, 2)
    seen = Split(images, [0, 1], ("a", "b")).pictures([1])
    assert (seen.dims, seen["test_image"].values.tolist()) == (("test_image", "row", "column", "channel"), [1])
    np.testing.assert_array_equal(seen.values.ravel(), [round(255 * 0.75), 255])
    assert seen.dtype == np.uint8
    two = torch.tensor([[7, 8], [9, 10]], dtype=torch.uint8).view(1, 2, 1, 2)
    assert Split(two, [0], ("a",)).pictures([0]).values.ravel().tolist() == [7, 8]

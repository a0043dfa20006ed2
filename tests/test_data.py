import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as tv

from ciutils.classes import class_index, class_pair
from ciutils.data import ImageData, Split, load, sources


def write_folder(folder, classes=("airplane", "cat"), size=(6, 5), count=4, seed=0):
    """An ImageFolder copy of random images; returns the images of each class, written in this order."""
    random = np.random.default_rng(seed)
    written = {}
    for part in ("train", "test"):
        for name in classes:
            (folder / part / name).mkdir(parents=True)
            written[part, name] = random.integers(0, 256, (count, *size[::-1], 3), dtype=np.uint8)
            for position, pixels in enumerate(written[part, name]):
                Image.fromarray(pixels).save(folder / part / name / f"{position}.png")
    return written


def test_digits_are_the_bundled_ones_split_by_class():
    data = load("digits")
    assert (len(data.train), len(data.test)) == (1200, 597)
    assert data.train.images.shape[1:] == (1, 8, 8)
    assert data.train.images.dtype == torch.uint8
    assert data.train.images.max() == 240
    shares = data.test.labels.bincount() / (data.test.labels.bincount() + data.train.labels.bincount())
    assert ((shares - 597 / 1797).abs() < 0.01).all()


def test_normalised_training_images_have_mean_zero_and_deviation_one():
    data = load("digits")
    inputs = data.train.inputs(dtype=torch.float64)
    assert abs(float(inputs.mean())) < 1e-5
    assert abs(float(inputs.std(correction=0)) - 1) < 1e-5


def test_folder_pixels_labels_and_paper_names(tmp_path):
    written = write_folder(tmp_path / "pets")
    data = load(f"folder:{tmp_path / 'pets'}")
    assert data.classes == ("plane", "cat")
    assert data.train.images.shape == (8, 3, 5, 6)
    for label, name in enumerate(("airplane", "cat")):
        ours = data.train.images[data.train.labels == label].permute(0, 2, 3, 1).numpy()
        expected = written["train", name]
        assert sorted(image.tobytes() for image in ours) == sorted(image.tobytes() for image in expected)


def test_same_images_give_the_same_data_whatever_the_copy(tmp_path, monkeypatch):
    """torchvision's CIFAR-10 files and an ImageFolder copy in another order: the same tensors, the same digest."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    written = write_folder(tmp_path / "folders" / "cifar10", names, size=(32, 32), count=2)
    files = tmp_path / "pickles" / "cifar-10-batches-py"
    files.mkdir(parents=True)

    def batch(part):
        return (
            np.concatenate([written[part, name] for name in names])[::-1],
            np.repeat(np.arange(10), 2)[::-1].tolist(),
        )

    for part, file_names in (("train", [f"data_batch_{k}" for k in range(1, 6)]), ("test", ["test_batch"])):
        images, labels = batch(part)
        for images_in_file, labels_in_file, file in zip(
            np.array_split(images, len(file_names)), np.array_split(labels, len(file_names)), file_names, strict=True
        ):
            rows = images_in_file.transpose(0, 3, 1, 2).reshape(-1, 3072)
            (files / file).write_bytes(pickle.dumps({"data": rows, "labels": labels_in_file.tolist()}))
    (files / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    monkeypatch.setattr(tv.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(tv.cifar, "check_integrity", lambda *a: True)
    folder = load("cifar10", root=tmp_path / "folders")
    pickles = load("cifar10", root=tmp_path / "pickles")
    assert folder.sha256 == pickles.sha256
    assert torch.equal(folder.train.images, pickles.train.images)
    assert torch.equal(folder.train.labels, pickles.train.labels)
    assert pickles.classes[:2] == ("plane", "car")


def test_decoded_folder_is_cached_and_a_changed_file_is_seen(tmp_path, monkeypatch):
    write_folder(tmp_path / "pets")
    first = load(f"folder:{tmp_path / 'pets'}")
    monkeypatch.setattr(sources, "_decode", lambda part: pytest.fail("decoded again"))
    assert load(f"folder:{tmp_path / 'pets'}").sha256 == first.sha256
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(tmp_path / "pets" / "train" / "cat" / "0.png")
    assert load(f"folder:{tmp_path / 'pets'}").sha256 != first.sha256


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


CIFAR = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.mark.parametrize(("wanted", "position"), [("automobile", 1), ("CAR", 1), ("plane", 0), (9, 9), ("cat", 3)])
def test_class_by_name_alias_or_position(wanted, position):
    assert class_index(CIFAR, wanted) == position


@pytest.mark.parametrize(
    ("pair", "positions"), [("cat-dog", (3, 5)), (("truck", 1), (9, 1)), ("airplane-SHIP", (0, 8))]
)
def test_class_pair(pair, positions):
    assert class_pair(CIFAR, pair) == positions


def test_class_pair_with_hyphens_in_names():
    assert class_pair(("t-shirt", "shirt", "t"), "t-shirt-shirt") == (0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("cifar11"), "unknown dataset 'cifar11': .*did you mean 'cifar10'"),
        (lambda: load("folder:/nowhere/at/all"), "no folder /nowhere/at/all"),
        (lambda: class_index(CIFAR, "catt"), "unknown class 'catt': .*did you mean 'cat'"),
        (lambda: class_index(CIFAR, 10), "class 10 is out of range: 10 classes allow 0 to 9"),
        (lambda: class_pair(CIFAR, "cat-cat"), "pair 'cat-cat': a class has no interference space with itself"),
        (lambda: class_pair(CIFAR, "cat"), "pair .*'cat'.*: give two classes"),
        (lambda: class_pair(CIFAR, "cat-dg"), "unknown class 'dg': .*did you mean 'dog'"),
        (lambda: Split(torch.zeros(2, 3, 4), torch.zeros(2).long(), ("a",)), "give .N, channels, height"),
        (lambda: Split(torch.zeros(2, 1, 2, 2), torch.tensor([0, 2]), ("a", "b")), "label 2 of image 1 is out"),
        (lambda: Split(torch.zeros(2, 1, 2, 2).int(), torch.tensor([0, 1]), ("a", "b")), "torch.int32: give"),
        (lambda: Split(torch.zeros(2, 1, 2, 2), torch.tensor([0]), ("a", "b")), "one for each of the 2 images"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_no_network_and_no_copy_names_the_three_ways(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\(1\).*\(2\).*\(3\).*CIUTILS_DATA") as caught:
        load("cifar10", root=tmp_path, download=False)
    assert "\n" not in str(caught.value)


def test_damaged_copy_is_named(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"half")
    with pytest.raises(ValueError, match="cifar-10-batches-py is damaged or incomplete"):
        load("cifar10", root=tmp_path)


def test_damaged_image_and_odd_size_are_named(tmp_path):
    write_folder(tmp_path / "pets")
    Image.fromarray(np.zeros((9, 6, 3), np.uint8)).save(tmp_path / "pets" / "train" / "cat" / "9.png")
    with pytest.raises(ValueError, match=r"9.png is 6 x 9, others 6 x 5: resize"):
        load(f"folder:{tmp_path / 'pets'}")
    (tmp_path / "pets" / "train" / "cat" / "9.png").write_bytes(b"\x89PNG half")
    with pytest.raises(ValueError, match=r"9.png cannot be read as an image"):
        load(f"folder:{tmp_path / 'pets'}")


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
    assert split.stratified(40).sha256 == split.stratified(40).sha256 != split.stratified(40, seed=1).sha256
    assert split.stratified(len(split)).sha256 == split.sha256
    with pytest.raises(ValueError, match="count = 102: the split holds 101 images"):
        split.stratified(102)

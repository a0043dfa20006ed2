import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as tv

from ciutils.data import load, sources


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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("cifar11"), "unknown dataset 'cifar11': .*did you mean 'cifar10'"),
        (lambda: load("folder:/nowhere/at/all"), "no folder /nowhere/at/all"),
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

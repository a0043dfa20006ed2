import errno
import gzip
import os
import pickle
import socket
import struct
import subprocess
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets as tv

from ciutils import artifacts, code, train
from ciutils.classes import class_pair
from ciutils.data import folders, load

NOISE = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
PICTURE = Image.fromarray(NOISE)


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


def test_a_constant_channel_is_zero_when_normalised_and_does_not_harm_the_others(tmp_path):
    write_folder(tmp_path / "pets")
    for path in (tmp_path / "pets").rglob("*.png"):
        pixels = np.array(Image.open(path))
        pixels[:, :, 1] = 77
        Image.fromarray(pixels).save(path)
    split = load(f"folder:{tmp_path / 'pets'}").train
    assert split.std[1] == 1
    inputs = split.inputs()
    assert not inputs[:, 1].any()
    torch.testing.assert_close(inputs[:, [0, 2]].std((0, 2, 3), correction=0), torch.ones(2))


def test_folder_pixels_labels_and_names(tmp_path):
    written = write_folder(tmp_path / "pets")
    data = load(f"folder:{tmp_path / 'pets'}")
    assert data.classes == ("airplane", "cat")
    assert class_pair(data.classes, "plane-cat") == (0, 1)
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


NAMES = [("automobile", "car", "van"), ("A", "a"), ("只有",), ("$x_$", "x" * 73, "<b>"), ("1", "10", "2")]


@pytest.mark.parametrize("names", NAMES)
def test_names_of_classes_stay_the_users(tmp_path, names):
    write_folder(tmp_path / "own", names, size=(8, 8))
    data = load(f"folder:{tmp_path / 'own'}")
    assert data.classes == tuple(sorted(names))
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, len(names)))
    history = train.train(model, data, "big-lr", epochs=1, device="cpu")
    artifacts.save_dataset(history, tmp_path / "history.nc")
    assert tuple(artifacts.load_dataset(tmp_path / "history.nc")["true"].values) == data.classes


# --- files of images


def saved(picture, **options):
    return lambda path: picture.save(path, **options)


GREY, PALETTE = PICTURE.convert("L"), PICTURE.convert("P", palette=Image.Palette.ADAPTIVE)  # 30 pixels, 256 colours
BLACK_WHITE = (NOISE[:, :, 0] > 127).astype(np.uint8) * 255
SOLID = np.dstack([NOISE, np.full((5, 6), 255, np.uint8)])
HIDDEN = np.dstack([NOISE, BLACK_WHITE])
DEEP = NOISE[:, :, 0].astype(np.uint16) * 256 + 5


def thrice(grey):
    return np.repeat(np.asarray(grey)[:, :, None], 3, 2)


@pytest.mark.parametrize(
    ("file", "write", "expected"),
    [
        *((f"x.{ending}", saved(PICTURE), NOISE) for ending in ("png", "bmp", "ppm", "tif", "PNG")),
        ("no-ending", saved(PICTURE, format="PNG"), NOISE),
        ("x.webp", saved(PICTURE, lossless=True), NOISE),
        ("lzw.tif", saved(PICTURE, compression="tiff_lzw"), NOISE),
        ("palette.png", saved(PALETTE), NOISE),
        ("palette.gif", saved(PALETTE), NOISE),
        ("grey.png", saved(GREY), thrice(GREY)),
        ("grey.gif", saved(GREY), thrice(GREY)),
        ("bits.png", saved(Image.fromarray(BLACK_WHITE > 0)), thrice(BLACK_WHITE)),
        ("solid.png", saved(Image.fromarray(SOLID)), NOISE),
    ],
)
def test_a_file_gives_the_pixels_that_were_written(tmp_path, file, write, expected):
    write(tmp_path / file)
    np.testing.assert_array_equal(folders._pixels(tmp_path / file), expected.transpose(2, 0, 1))


TURNED = {
    1: NOISE,
    2: NOISE[:, ::-1],
    3: NOISE[::-1, ::-1],
    4: NOISE[::-1],
    5: NOISE.transpose(1, 0, 2),
    6: NOISE[::-1].transpose(1, 0, 2),
    7: NOISE[::-1, ::-1].transpose(1, 0, 2),
    8: NOISE[:, ::-1].transpose(1, 0, 2),
}
"""What one sees with each value of EXIF's orientation: 6 is turned a quarter to the right, 8 to the left."""


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_an_image_is_turned_as_its_record_says(tmp_path, orientation, ending):
    record = Image.Exif()
    record[0x0112] = orientation
    PICTURE.save(tmp_path / f"x.{ending}", exif=record)
    np.testing.assert_array_equal(folders._pixels(tmp_path / f"x.{ending}"), TURNED[orientation].transpose(2, 0, 1))


def png(depth, kind, rows, size=(6, 5)):
    """A PNG file of any bit depth and kind of colour (2: RGB), which Pillow itself does not write."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def written(content):
    return lambda path: path.write_bytes(content)


TWO = {"save_all": True, "append_images": [PICTURE.transpose(Image.Transpose.ROTATE_180)]}
RGB16 = png(16, 2, [row.astype(">u2").tobytes() for row in NOISE.astype(int) * 256 + 5])


@pytest.mark.parametrize(
    ("file", "write", "message"),
    [
        ("x.png", saved(Image.fromarray(DEEP)), r"is not grey, palette or RGB of 8 bits a channel \(I;16\): convert"),
        ("x.tif", saved(Image.fromarray(DEEP)), r"is not grey, .* \(I;16\): convert it first"),
        ("x.tif", saved(Image.fromarray(NOISE[:, :, 0].astype(np.float32))), r"is not grey, .* \(F\): convert it"),
        ("x.tif", saved(Image.fromarray(NOISE[:, :, 0].astype(np.int32))), r"is not grey, .* \(I\): convert it"),
        ("x.png", written(RGB16), r"is not grey, .* \(RGB\): convert it"),
        ("x.ppm", written(b"P6 6 5 65535 " + bytes(180)), r"is not grey, .* \(RGB\): convert it"),
        ("x.ppm", written(b"P6 6 5 100 " + bytes(90)), r"is not grey, .* \(RGB\): convert it"),
        ("x.jpg", saved(PICTURE.convert("CMYK")), r"is not grey, .* \(CMYK\): convert it"),
        ("x.tif", saved(PICTURE.convert("LAB")), r"is not grey, .* \(LAB\): convert it"),
        ("x.png", saved(Image.fromarray(HIDDEN)), "is partly transparent: put it on a background first"),
        ("x.webp", saved(Image.fromarray(HIDDEN), lossless=True), "is partly transparent"),
        ("x.png", saved(Image.fromarray(HIDDEN).convert("LA")), "is partly transparent"),
        ("x.png", saved(PALETTE, transparency=PALETTE.getpixel((0, 0))), "is partly transparent"),
        ("x.png", saved(PICTURE, transparency=PICTURE.getpixel((0, 0))), "is partly transparent"),
        ("x.gif", saved(PICTURE, **TWO), "holds 2 pictures: keep one of them"),
        ("x.png", saved(PICTURE, **TWO), "holds 2 pictures"),
        ("x.webp", saved(PICTURE, **TWO), "holds 2 pictures"),
        ("x.tif", saved(PICTURE, **TWO), "holds 2 pictures"),
        ("x.jpg", saved(PICTURE, format="MPO", **TWO), "holds 2 pictures"),
        ("x.png", written(png(8, 2, [], (10_000, 10_000))), "cannot be read as an image .*exceeds limit of .* pixels"),
        ("x.png", written(png(8, 2, [], (60_000, 60_000))), "cannot be read as an image .*exceeds limit of .* pixels"),
        ("x.png", written(b"\x89PNG half"), "cannot be read as an image .*: replace or remove it"),
        ("x.png", written(png(8, 2, [row.tobytes() for row in NOISE])[:90]), "cannot be read as an image .*truncated"),
        ("notes.txt", written(b"cats"), "cannot be read as an image"),
        ("Thumbs.db", written(b""), "cannot be read as an image"),
    ],
)
def test_a_file_that_would_be_altered_or_cannot_be_read_is_named(tmp_path, file, write, message):
    write_folder(tmp_path / "pets")
    write(tmp_path / "pets" / "test" / "cat" / file)
    with pytest.raises(ValueError, match=f"^{tmp_path}/pets/test/cat/{file} {message}") as caught:
        load(f"folder:{tmp_path / 'pets'}")
    assert "\n" not in str(caught.value)


# --- folders of images


def test_hidden_folders_and_files_are_no_classes_and_no_images(tmp_path):
    write_folder(tmp_path / "pets")
    before = load(f"folder:{tmp_path / 'pets'}").sha256
    for place in (".ipynb_checkpoints", "cat/.ipynb_checkpoints"):
        (tmp_path / "pets" / "train" / place).mkdir()
        PICTURE.save(tmp_path / "pets" / "train" / place / "0-checkpoint.png")
    (tmp_path / "pets" / "train" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "pets" / "train" / "cat" / "._0.png").write_bytes(b"x")
    assert load(f"folder:{tmp_path / 'pets'}").sha256 == before


def test_images_at_any_depth_and_behind_links_belong_to_their_class(tmp_path):
    write_folder(tmp_path / "pets")
    before = load(f"folder:{tmp_path / 'pets'}").sha256
    cat = tmp_path / "pets" / "train" / "cat"
    (cat / "a" / "b").mkdir(parents=True)
    (cat / "0.png").rename(cat / "a" / "b" / "0.png")
    (tmp_path / "elsewhere").mkdir()
    (cat / "1.png").rename(tmp_path / "elsewhere" / "1.png")
    (cat / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "pets")
    assert load(f"folder:{tmp_path / 'link'}/").sha256 == before


def remove(path):
    for below in path.iterdir():
        below.unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pets: (pets / "train" / "cat").rename(pets / "train" / "dog"), r"different classes: \['cat', 'dog'\]"),
        (lambda pets: [remove(each) for each in (pets / "train").iterdir()], "train holds no images: put some into"),
        (lambda pets: PICTURE.save(pets / "train" / "0.png"), "train/0.png is in no class: move it into the folder"),
        (lambda pets: (pets / "train").rename(pets / "training"), "no folder .*train: .* must hold train/CLASS"),
        (lambda pets: PICTURE.resize((9, 9)).save(pets / "test" / "cat" / "9.png"), "9 x 9, others 6 x 5: resize all"),
    ],
)
def test_a_folder_that_does_not_fit_together_is_one_clear_line(tmp_path, change, message):
    write_folder(tmp_path / "pets")
    change(tmp_path / "pets")
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        load(f"folder:{tmp_path / 'pets'}")
    assert "\n" not in str(caught.value)


def test_a_class_without_any_images_is_left_out_and_named(tmp_path):
    write_folder(tmp_path / "pets")
    before = load(f"folder:{tmp_path / 'pets'}")
    for part in ("train", "test"):
        (tmp_path / "pets" / part / "dodo").mkdir()
    with pytest.warns(UserWarning, match=f"left out, without images: 'dodo' of {tmp_path}/pets"):
        found = load(f"folder:{tmp_path / 'pets'}")
    assert (found.classes, found.sha256) == (before.classes, before.sha256)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_with_images_in_one_part_stays(tmp_path, part):
    write_folder(tmp_path / "pets")
    remove(tmp_path / "pets" / part / "cat")
    found = load(f"folder:{tmp_path / 'pets'}")
    assert found.classes == ("airplane", "cat")
    assert 1 not in found.splits[part].labels
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(90, 2))
    history = train.train(model, found, "big-lr", epochs=1, device="cpu")
    assert history["test_counts"].sel(true="cat").sum() == (0 if part == "test" else 4)


def test_test_images_of_another_size_are_refused(tmp_path, monkeypatch):
    write_folder(tmp_path / "pets", size=(8, 8))
    write_folder(tmp_path / "large", size=(12, 12))
    for name in ("airplane", "cat"):
        for number in range(4):
            (tmp_path / "large" / "test" / name / f"{number}.png").replace(
                tmp_path / "pets" / "test" / name / f"{number}.png"
            )
    with pytest.raises(ValueError, match="test/airplane/0.png is 12 x 12, others 8 x 8: resize all images .* size="):
        load(f"folder:{tmp_path / 'pets'}")
    (tmp_path / "mine.py").write_text(
        "import torchvision\nfrom ciutils import data\n\ndef pictures():\n"
        "    paths = ['pets/train', 'pets/test']\n"
        "    return [data.read_once(torchvision.datasets.ImageFolder(path), size=(8, 9)) for path in paths]\n"
    )
    monkeypatch.chdir(tmp_path)
    found = load("mine.py:pictures")
    assert (found.classes, found.test.images.shape[1:]) == (("airplane", "cat"), (3, 8, 9))


# --- the cache


@pytest.fixture
def pets(tmp_path):
    write_folder(tmp_path / "pets")
    return f"folder:{tmp_path / 'pets'}"


@pytest.fixture
def kept(tmp_path, pets):
    """The file that the decoded images are kept in."""
    load(pets)
    (file,) = (tmp_path / "cache" / "decoded").glob("*.safetensors")
    return file


def never(_):
    raise AssertionError("decoded again")


def test_images_are_decoded_once(pets, kept, monkeypatch):
    first = load(pets).sha256
    monkeypatch.setattr(folders, "_decode", never)
    assert load(pets).sha256 == first


def test_a_file_overwritten_with_its_old_length_and_time_is_seen(tmp_path):
    write_folder(tmp_path / "pets")
    path = tmp_path / "pets" / "train" / "cat" / "x.bmp"
    PICTURE.save(path)
    before, times = load(f"folder:{tmp_path / 'pets'}").sha256, path.stat()
    Image.fromarray(255 - NOISE).save(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    after = load(f"folder:{tmp_path / 'pets'}")
    assert after.sha256 != before
    assert any((image.permute(1, 2, 0).numpy() == 255 - NOISE).all() for image in after.train.images)


def test_a_folder_has_one_file_in_the_cache_however_often_it_changes(tmp_path, pets, kept):
    (kept.parent / f".{kept.name}.abc.part").write_bytes(b"of a killed writer")
    PICTURE.save(tmp_path / "pets" / "train" / "cat" / "new.png")
    assert len(load(pets).train) == 9
    assert {path.suffix for path in kept.parent.iterdir()} <= {".safetensors", ".lock"}
    assert list(kept.parent.glob("*.safetensors")) == [kept]


def test_a_damaged_cache_is_made_again(pets, kept):
    first = load(pets).sha256
    content = kept.read_bytes()
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert load(pets).sha256 == first
    artifacts.load_tensors(kept)  # whole again


def test_other_code_decodes_again(pets, kept, monkeypatch):
    monkeypatch.setattr(code, "digest", lambda rooms: "edited")
    monkeypatch.setattr(folders, "_decode", never)
    with pytest.raises(AssertionError, match="decoded again"):
        load(pets)


def test_a_cache_that_cannot_be_written_names_folder_and_variable(tmp_path, pets, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CIUTILS_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        OSError, match=f"decoded images in {tmp_path}/file/decoded: Not a .*set CIUTILS_CACHE"
    ) as caught:
        load(pets)
    assert "\n" not in str(caught.value)


def test_a_full_disk_names_folder_and_variable(tmp_path, pets, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "cannot write it")

    monkeypatch.setattr(artifacts, "save_tensors", full)
    with pytest.raises(OSError, match="cache/decoded: No space left on device; free some.*CIUTILS_CACHE") as caught:
        load(pets)
    assert caught.value.errno == errno.ENOSPC


# --- copies


def test_an_empty_folder_is_no_copy(tmp_path, monkeypatch, capsys):
    """torchvision makes its folder before it knows that there is no network."""
    network, waited = False, []

    def maker(root, train, download):
        waited.append(socket.getdefaulttimeout())
        (root / "FashionMNIST" / "raw").mkdir(parents=True, exist_ok=True)
        if not download:
            raise RuntimeError("Dataset not\nfound")
        if not network:
            raise OSError(errno.ENOSPC, "No space left on device")
        return types.SimpleNamespace(data=np.zeros((2, 28, 28), np.uint8), targets=[0, 1], classes=["a", "b"])

    monkeypatch.setattr(tv, "FashionMNIST", maker)
    for download, why in ((True, r"\[Errno 28\] No space left on device"), (False, "Dataset not found")):
        with pytest.raises(FileNotFoundError, match=rf", nor from the network \({why}\): \(1\) with a network") as told:
            load("fashion-mnist", root=tmp_path, download=download)
        looked = (tmp_path / "FashionMNIST" / "raw", tmp_path / "fashion-mnist", tmp_path / "debian")
        assert str(told.value).startswith(f"no fashion-mnist at {', '.join(map(str, looked))}, ")
        assert "\n" not in str(told.value)
        assert capsys.readouterr().out.endswith(f": downloading it to {looked[0].parent}\n" if download else "")
        assert waited[-1] is not None
        assert socket.getdefaulttimeout() is None
    network = True
    assert load("fashion-mnist", root=tmp_path).train.images.shape == (2, 1, 28, 28)


def write_packed(folder, *left_out):
    """Two training images and one test image, as Fashion-MNIST's files: a magic number, sizes, bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 2), ("t10k", 1)):
        images, labels = (
            bytes([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 3]),
            bytes([0, 0, 8, 1, 0, 0, 0, count]),
        )
        images, labels = images + bytes(range(6 * count)), labels + bytes([9, 4][:count])
        for what, content in (("images-idx3", images), ("labels-idx1", labels)):
            if f"{part}-{what}" not in left_out:
                (folder / f"{part}-{what}-ubyte.gz").write_bytes(gzip.compress(content))


@pytest.mark.parametrize("place", ["data/FashionMNIST/raw", "debian"])
def test_a_packed_copy_of_fashion_mnist_is_read(place, tmp_path):
    write_packed(tmp_path / place)
    read = load("fashion-mnist", root=tmp_path / "data", download=False)
    found = {int(label): image.tolist() for image, label in zip(read.train.images, read.train.labels, strict=True)}
    assert found == {9: [[[0, 1, 2], [3, 4, 5]]], 4: [[[6, 7, 8], [9, 10, 11]]]}
    assert read.test.images.tolist() == [[[[0, 1, 2], [3, 4, 5]]]]
    assert read.classes[0] == "T-shirt/top"
    assert not list((tmp_path / place).glob("*-ubyte"))


def test_a_packed_copy_that_is_damaged_or_incomplete_is_refused(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    write_packed(raw, "t10k-labels-idx1")
    with pytest.raises(ValueError, match="FashionMNIST is damaged or incomplete: torchvision looks for"):
        load("fashion-mnist", root=tmp_path)
    write_packed(raw)
    for wrong in (gzip.compress(b"")[:-1], gzip.compress(bytes([0, 0, 8, 3, 0, 0, 0, 2])), b"no gzip"):
        (raw / "train-images-idx3-ubyte.gz").write_bytes(wrong)
        with pytest.raises(ValueError, match="train-images-idx3-ubyte.gz is damaged .*: move it away"):
            load("fashion-mnist", root=tmp_path)


@pytest.mark.parametrize("variable", ["CIUTILS_DATA", "CIUTILS_CACHE"])
def test_copies_are_looked_for_where_the_variables_say(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("CIUTILS_DATA")
    monkeypatch.setenv(variable, str(tmp_path / "here"))
    place = tmp_path / "here" / ("" if variable == "CIUTILS_DATA" else "data")
    write_folder(place / "cifar10", size=(32, 32))
    assert load("cifar10", download=False).classes == ("plane", "cat")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("cifar11"), "unknown dataset 'cifar11': .*did you mean 'cifar10'"),
        (lambda: load(Path("/data/pets")), "unknown dataset '/data/pets': choose from .*folder:PATH"),
        (lambda: load("folder:/nowhere/at/all"), "no folder /nowhere/at/all"),
        (lambda: load("folder:"), "'folder:' names no folder: give 'folder:PATH'"),
        (lambda: load("folder: "), "'folder: ' names no folder"),
        (lambda: load("folder:\0x"), r"'folder:\\x00x' leads to no folder: embedded null"),
        (lambda: load("folder:~nobody-of-that-name/pets"), "leads to no folder: Could not determine home"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda cat: (cat / "again").symlink_to(cat.parent),
            "train/cat/again leads back to a folder that it is in: re",
        ),
        (lambda cat: (cat / "self").symlink_to("self"), "train/cat/self is no file, nor a link to one: replace or rem"),
        (lambda cat: (cat / "x.png").symlink_to("/nowhere"), "train/cat/x.png is no file, nor a link to one"),
        (lambda cat: os.mkfifo(cat / "x.png"), "train/cat/x.png is no file, nor a link to one"),
    ],
)
def test_what_cannot_be_read_to_its_end_is_named(tmp_path, spoil, message):
    write_folder(tmp_path / "pets")
    spoil(tmp_path / "pets" / "train" / "cat")
    with pytest.raises(ValueError, match=message):
        load(f"folder:{tmp_path / 'pets'}")


def test_names_are_the_same_in_every_locale(tmp_path):
    """Of files any bytes, of classes UTF-8."""
    write_folder(tmp_path / "写真", classes=("猫", "犬"))
    first = tmp_path / "写真" / "train" / "猫" / "0.png"
    first.rename(first.with_name(os.fsdecode(b"\xff.png")))
    here = load(f"folder:{tmp_path / '写真'}")
    tell = "import sys; from ciutils import data; x = data.load(sys.argv[1]); print(ascii(x.classes), x.sha256)"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "CIUTILS_CACHE": str(tmp_path / "other")}
    done = subprocess.run(
        [sys.executable, "-c", tell, f"folder:{tmp_path / '写真'}"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | plain,
    )
    assert done.stdout.strip() == f"{('犬', '猫')!a} {here.sha256}"


def test_a_class_that_is_not_named_in_utf_8_is_refused(tmp_path):
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "train" / "cat").rename(tmp_path / "pets" / "train" / os.fsdecode(b"caf\xe9"))
    with pytest.raises(ValueError, match=r"class 'caf\\udce9': give each class a name, as text on one line"):
        load(f"folder:{tmp_path / 'pets'}")


def test_no_network_and_no_copy_names_the_three_ways(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"\(1\).*\(2\).*\(3\).*CIUTILS_DATA") as caught:
        load("cifar10", root=tmp_path, download=False)
    assert "\n" not in str(caught.value)


def test_damaged_copy_is_named(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"half")
    with pytest.raises(ValueError, match="cifar-10-batches-py is damaged or incomplete"):
        load("cifar10", root=tmp_path)

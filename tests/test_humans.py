"""What humans call CIFAR-10's images: sums over classes, and votes joined to images by what is in these."""

import pickle

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from torchvision import datasets as tv

from ciutils import data, files
from ciutils.analyse import agreement, confusion
from reproduction import humans, paper, runs
from reproduction.results import Results

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
RUN = runs.profile("laptop").run("vgg19")


def test_published_tables_give_the_known_shares():
    """Expected values: from the documentation of the copies that they were made from, to two digits."""
    found = humans.choices(Results())
    rates = 100 * confusion.cctm(found["counts"])
    tenh, tenn = (rates.sel(group=group) for group in ("CIFAR-10H", "CIFAR-10N"))
    known = {
        ("cat", "dog"): 4.24,
        ("dog", "cat"): 3.42,
        ("deer", "horse"): 4.31,
        ("deer", "dog"): 2.04,
        ("car", "truck"): 2.22,
        ("truck", "car"): 2.39,
        ("plane", "ship"): 2.01,
    }
    for (true, chosen), share in known.items():
        assert float(tenh.sel(true=true, predicted=chosen)) == pytest.approx(share, abs=0.006)
    known = {("truck", "car"): 12.45, ("car", "truck"): 9.87, ("cat", "dog"): 10.51, ("dog", "cat"): 8.28}
    for (true, chosen), share in known.items():
        assert float(tenn.sel(true=true, predicted=chosen)) == pytest.approx(share, abs=0.006)
    assert 1 - float(confusion.accuracy(found["counts"]).sel(group="CIFAR-10N")) == pytest.approx(0.1767, abs=6e-5)
    assert list(found["objects"]) == [1000, 5000]
    assert tuple(found["true"].values) == tuple(found["predicted"].values) == paper.CLASSES
    assert all(licence in found.attrs["attribution"] for licence in ("CC BY-NC-SA 4.0", "CC BY-NC 4.0"))


def test_sums_of_a_table_made_by_hand():
    """Two images of each class; of the cats, one has 3 of 4 votes for CAT and one for DOG, the other all for DOG."""
    labels = np.repeat(np.arange(10), 2)
    votes = 4 * np.eye(10, dtype=int)[labels]
    votes[6:8] = 0
    votes[6, [3, 5]] = 3, 1
    votes[7, 5] = 4
    found = humans.tabulate(votes, labels, 6 * np.eye(10, dtype=int))
    expected = 8 * np.eye(10, dtype=int)
    expected[3, [3, 5]] = 3, 5
    np.testing.assert_array_equal(found["counts"].sel(group="CIFAR-10H"), expected)
    assert list(found["objects"]) == [2, 2]


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A reader's copies: torchvision's files with two test images a class, the same as a folder of images in another
    order, and votes in the order of the files. Returns (images, labels, votes) in that order."""
    random, folder = np.random.default_rng(0), tmp_path / "data"
    images = random.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    labels = random.permutation(np.repeat(np.arange(10), 2))
    votes = random.multinomial(50, np.full(10, 0.1), 20)
    raw = folder / "cifar-10-batches-py"
    raw.mkdir(parents=True)
    rows = {"data": images.transpose(0, 3, 1, 2).reshape(-1, 3072), "labels": labels.tolist()}
    for file in ("test_batch", *(f"data_batch_{k}" for k in range(1, 6))):
        (raw / file).write_bytes(pickle.dumps(rows))
    (raw / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES}))
    for part in ("train", "test"):
        for place, (image, label) in enumerate(zip(images, labels, strict=True)):
            file = folder / "cifar10" / part / NAMES[label] / f"{20 - place}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    np.save(folder / humans.VOTES, votes)
    monkeypatch.setattr(tv.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(tv.cifar, "check_integrity", lambda *a: True)
    monkeypatch.setattr(humans, "SHA256", files.sha256_of({"counts": votes}))
    return images, labels, votes


def test_votes_are_joined_to_images_by_what_is_in_them(fetched):
    images, labels, votes = fetched
    found, test = humans.votes(RUN, Results()), data.load("cifar10").test
    row_of = {image.tobytes(): row for row, image in enumerate(images)}
    rows = [row_of[image.tobytes()] for image in test.images.permute(0, 2, 3, 1).numpy()]
    assert rows != list(range(20))
    np.testing.assert_array_equal(found["test_labels"], labels[rows])
    np.testing.assert_allclose(found["test_probabilities"], votes[rows] / 50)
    np.testing.assert_array_equal(found["test_predictions"], votes[rows].argmax(1))


def test_humans_stand_beside_networks(fetched):
    one = humans.votes(RUN, Results())
    said = agreement.joined({"vgg19": one, "dla": one.assign(test_predictions=one["test_labels"])})
    found = humans.beside(said, RUN, Results())
    assert list(found["network"]) == ["vgg19", "dla", "humans"]
    for name, expected in {"humans": one["test_predictions"], "dla": one["test_labels"]}.items():
        np.testing.assert_array_equal(found["test_predictions"].sel(network=name), expected)


def test_networks_are_compared_with_humans_on_all_images_and_on_pairs():
    """One network errs where humans do, the other, on cats and dogs alone, where they do not."""
    labels = np.repeat(np.arange(10), 20)
    theirs, apart = labels.copy(), labels.copy()
    theirs[::4] = (labels[::4] + 1) % 10
    apart[::4] = (labels[::4] + 1) % 10
    pets = np.isin(labels, [3, 5])
    apart[pets] = np.where(np.arange(200)[pets] % 4 == 1, 0, labels[pets])
    said = [
        xr.Dataset(
            {
                "test_labels": ("test_image", labels),
                "test_predictions": ("test_image", answers),
                "test_probabilities": (("test_image", "predicted"), np.eye(10)[answers]),
            },
            coords={"predicted": list(paper.CLASSES)},
        )
        for answers in (theirs, apart, theirs)
    ]
    everybody = agreement.joined(dict(zip(("alike", "apart", "humans"), said, strict=True)))
    table = humans.consistency(everybody, [("cat", "dog"), ("car", "ship")]).set_index(["images", "network"])["value"]
    assert list(table.index) == [
        (images, name) for images in ("all", "CAT and DOG", "CAR and SHIP") for name in ("alike", "apart")
    ]
    assert table["all", "alike"] == table["CAT and DOG", "alike"] == table["CAR and SHIP", "apart"] == 1
    # on pets each misses a quarter, none of it in common: (1/2 - 5/8) / (3/8)
    assert table["CAT and DOG", "apart"] == pytest.approx(-1 / 3)


@pytest.mark.parametrize("missing", [humans.VOTES, "cifar-10-batches-py"])
def test_without_both_copies_one_line_says_what_to_fetch(fetched, tmp_path, missing):
    (tmp_path / "data" / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(
        FileNotFoundError, match=r"put https://\S+cifar10h-counts.npy .*CC BY-NC-SA 4.0.* at .*"
    ) as error:
        humans.votes(RUN, Results())
    assert "\n" not in str(error.value)


def test_nobody_was_asked_about_other_data(fetched):
    with pytest.raises(FileNotFoundError, match="no human votes on single images of digits"):
        humans.votes(runs.profile("digits").run("vgg19"), Results())


def test_other_votes_are_refused(fetched, tmp_path):
    np.save(tmp_path / "data" / humans.VOTES, fetched[2] + 1)
    with pytest.raises(ValueError, match="is not CIFAR-10H's cifar10h-counts.npy: move it away and fetch https://"):
        humans.votes(RUN, Results())


def test_images_of_another_copy_are_refused(fetched, tmp_path):
    file = next((tmp_path / "data" / "cifar10" / "test").glob("*/*.png"))
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(file)
    with pytest.raises(ValueError, match="the test images of cifar10 are not those at .*: take both from one copy"):
        humans.votes(RUN, Results())

import copy
import dataclasses
import itertools
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch.nn import functional

from ciutils import artifacts, data, measure, train
from ciutils.analyse import dancing
from ciutils.choices import COUNTS
from ciutils.train import augment, loop
from reproduction.results import REPOSITORY

QUICK = {"batch_size": 16, "device": "cpu"}


def same_bits(first, second):
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def test_setups_are_the_papers():
    assert {name: (s.learning_rate, s.schedule, s.momentum, s.weight_decay) for name, s in train.SETUPS.items()} == {
        "big-lr": (0.01, "constant", 0.9, 5e-4),
        "small-lr": (0.0001, "constant", 0.9, 5e-4),
        "anneal-lr": (0.1, "cosine", 0.9, 5e-4),
    }


def test_learning_rate_follows_the_cosine(tiny_model, tiny_data):
    history = train.train(tiny_model, tiny_data, "anneal-lr", epochs=4, **QUICK)
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2
    np.testing.assert_allclose(history.learning_rate, expected, rtol=1e-12)


def test_history_counts_every_image_once_an_epoch(tiny_model, tiny_data):
    history = train.train(tiny_model, tiny_data, "big-lr", epochs=3, **QUICK)
    assert history.running_counts.dims == ("epoch", "true", "predicted")
    assert list(history["true"].values) == ["a", "b", "c"]
    assert list(history.epoch.values) == [1, 2, 3]
    splits = tiny_data.splits
    for split, counts in (("train", "running_counts"), ("train", "end_counts"), ("test", "test_counts")):
        expected = np.tile(splits[split].labels.bincount().numpy(), (3, 1))
        np.testing.assert_array_equal(history[counts].sum("predicted"), expected)


def test_it_learns(tiny_model, tiny_data):
    history = train.train(tiny_model, tiny_data, "big-lr", epochs=15, augment="none", **QUICK)
    last = history.test_counts.isel(epoch=-1).values
    assert np.trace(last) / last.sum() > 0.9
    assert history.train_loss[-1] < history.train_loss[0]


def test_one_epoch_equals_plain_torch_sgd(tiny_model, tiny_data):
    """The same batches through torch's own loop: the same weights, and running counts of what it predicted."""
    tiny_model[5] = torch.nn.Identity()  # dropout draws random numbers
    twin = copy.deepcopy(tiny_model)
    history = train.train(tiny_model, tiny_data, "big-lr", epochs=1, augment="none", precision="fp32", **QUICK)

    optimizer = torch.optim.SGD(twin.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    batches = augment.Batches(tiny_data.train, 16, "none", 0, torch.device("cpu"))
    counts = np.zeros((3, 3), int)
    for inputs, labels in batches.epoch(0):
        logits = twin(inputs)
        np.add.at(counts, (labels.numpy(), logits.argmax(1).numpy()), 1)
        optimizer.zero_grad()
        functional.cross_entropy(logits, labels).backward()
        optimizer.step()
    for ours, theirs in zip(tiny_model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(history.running_counts[0], counts)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_epochs_equal_one_and_one_resumed(tiny_model, tiny_data, tmp_path, precision):
    twin = copy.deepcopy(tiny_model)
    fresh = copy.deepcopy(tiny_model)
    options = {**QUICK, "precision": precision}
    whole = train.train(tiny_model, tiny_data, "anneal-lr", epochs=2, **options)

    state = tmp_path / "resume"
    stop = KeyboardInterrupt("after one epoch")
    step = loop.Progress.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Progress, "step", lambda self, note="": (step(self, note), (_ for _ in ()).throw(stop)))
        with pytest.raises(KeyboardInterrupt):
            train.train(twin, tiny_data, "anneal-lr", epochs=2, checkpoint=state, **options)
    resumed = train.train(fresh, tiny_data, "anneal-lr", epochs=2, checkpoint=state, **options)
    xr.testing.assert_identical(resumed.drop_vars("seconds"), whole.drop_vars("seconds"))
    assert same_bits(fresh, tiny_model)


KILLED = """
import sys, torch
sys.path.insert(0, sys.argv[2])
from ciutils import data, train
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
                            torch.nn.Flatten(), torch.nn.Linear(144, 10))
history = train.train(model, data.load("digits"), "anneal-lr", epochs=6, checkpoint=sys.argv[1], device="cpu")
torch.save(model.state_dict(), sys.argv[1] + ".weights")
history.drop_vars("seconds").to_netcdf(sys.argv[1] + ".nc", engine="h5netcdf")
"""


def test_sigkill_and_start_again_ends_in_the_same_bits(tmp_path):
    def start(name):
        root = str(Path(__file__).parent.parent)
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / name), root], stderr=subprocess.DEVNULL)

    assert start("undisturbed").wait(120) == 0
    process = start("killed")
    while not (tmp_path / "killed" / "state.pt").exists() and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert start("killed").wait(120) == 0
    first, second = (torch.load(tmp_path / f"{name}.weights", weights_only=True) for name in ("undisturbed", "killed"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    histories = [xr.load_dataset(tmp_path / f"{name}.nc", engine="h5netcdf") for name in ("undisturbed", "killed")]
    xr.testing.assert_identical(*histories)


def test_a_checkpoint_does_not_go_on_with_another_normalisation(tiny_model, tiny_data, tmp_path):
    def normalised(std):
        splits = [dataclasses.replace(split, mean=(0.5, 0.5), std=(std, std)) for split in tiny_data.splits.values()]
        return data.ImageData("tiny", *splits)

    first, second = normalised(0.25), normalised(0.5)
    assert first.sha256 == second.sha256 == tiny_data.sha256
    train.train(tiny_model, first, "big-lr", epochs=1, checkpoint=tmp_path / "resume", **QUICK)
    with pytest.raises(ValueError, match=r"is of another run: std was \(0.25, 0.25\), now \(0.5, 0.5\)"):
        train.train(tiny_model, second, "big-lr", epochs=1, checkpoint=tmp_path / "resume", **QUICK)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_float_images_of_any_precision_train_as_the_same_values_in_float32(tiny_data, dtype):
    """Values that every type holds exactly: the same history, the same weights."""
    models, histories = [], []
    for kind in (torch.float32, dtype):
        splits = [
            data.Split((split.images.float() / 256).to(kind), split.labels, split.classes)
            for split in tiny_data.splits.values()
        ]
        torch.manual_seed(0)
        models.append(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128, 3)))
        images = data.ImageData("tiny", *splits)
        histories.append(train.train(models[-1], images, "big-lr", 2, precision="fp32", **QUICK))
    assert same_bits(*models)
    assert histories[0].drop_vars("seconds").identical(histories[1].drop_vars("seconds"))


def test_checkpoint_of_another_run_is_refused(tiny_model, tiny_data, tmp_path):
    train.train(tiny_model, tiny_data, "big-lr", epochs=1, checkpoint=tmp_path / "resume", **QUICK)
    with pytest.raises(ValueError, match="resume is of another run: seed was 0, now 1"):
        train.train(tiny_model, tiny_data, "big-lr", epochs=1, seed=1, checkpoint=tmp_path / "resume", **QUICK)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("state.pt", "resume is not a readable checkpoint .*: move it away to train from the start"),
        ("epoch-0001.safetensors", "resume is not a readable checkpoint .*epoch-0001.safetensors is damaged"),
    ],
)
def test_truncated_checkpoint_is_refused(tiny_model, tiny_data, tmp_path, file, message):
    folder = tmp_path / "resume"
    train.train(tiny_model, tiny_data, "big-lr", epochs=1, checkpoint=folder, **QUICK)
    path = folder / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=message):
        train.train(tiny_model, tiny_data, "big-lr", epochs=1, checkpoint=folder, **QUICK)
    assert path.exists()


def test_one_flipped_bit_of_a_checkpoint_is_noticed(tiny_model, tiny_data, tmp_path):
    folder = tmp_path / "resume"
    train.train(tiny_model, tiny_data, "big-lr", epochs=1, checkpoint=folder, **QUICK)
    content = bytearray((folder / "state.pt").read_bytes())
    content[content.index(tiny_model[6].weight.detach().numpy().tobytes()) + 5] ^= 1
    (folder / "state.pt").write_bytes(content)
    with pytest.raises(ValueError, match="resume is not a readable checkpoint .*: move it away"):
        train.train(tiny_model, tiny_data, "big-lr", epochs=1, checkpoint=folder, **QUICK)


@pytest.mark.parametrize(
    ("option", "value"),
    [("seed", 1), ("augment", "none"), ("batch_size", 32), ("precision", "bf16"), ("epochs", 1), ("setup", "small-lr")],
)
def test_every_option_changes_the_run(tiny_model, tiny_data, option, value):
    twin = copy.deepcopy(tiny_model)
    settings = {"setup": "big-lr", "epochs": 2, "precision": "fp32", **QUICK}
    train.train(tiny_model, tiny_data, **settings)
    train.train(twin, tiny_data, **(settings | {option: value}))
    assert not same_bits(tiny_model, twin)


def test_the_last_epoch_tells_what_the_trained_network_says_of_every_image(tiny_model, tiny_data):
    history = train.train(tiny_model, tiny_data, "big-lr", epochs=2, precision="fp32", **QUICK)
    tiny_model.eval()
    last = history.isel(epoch=-1)
    for name, counts in (("train", "end_counts"), ("test", "test_counts")):
        split = tiny_data.splits[name]
        logits = tiny_model(split.inputs()).detach()
        expected = np.zeros((3, 3), int)
        np.add.at(expected, (split.labels.numpy(), logits.argmax(1).numpy()), 1)
        np.testing.assert_array_equal(last[counts], expected)
        np.testing.assert_array_equal(last[f"{name}_predictions"], logits.argmax(1))
        np.testing.assert_array_equal(last[f"{name}_labels"], split.labels)
        if name == "test":
            np.testing.assert_allclose(last["test_probabilities"], logits.softmax(1), atol=1e-3)
        else:
            each = functional.cross_entropy(logits, split.labels, reduction="none")
            np.testing.assert_allclose(last["train_losses"], each, rtol=2e-3, atol=1e-6)
    assert history.train_predictions.dtype == np.uint8
    assert history.train_losses.dtype == history.test_probabilities.dtype == np.float16


def test_counts_of_predictions_are_the_counts_in_every_epoch(tiny_model, tiny_data, tmp_path):
    history = train.train(tiny_model, tiny_data, "big-lr", epochs=4, **QUICK)
    artifacts.save_dataset(history, tmp_path / "history.nc")
    read = artifacts.load_dataset(tmp_path / "history.nc")
    xr.testing.assert_identical(read, history)
    for epoch in range(4):
        for name, counts in (("train", "end_counts"), ("test", "test_counts")):
            labels, predicted = read[f"{name}_labels"].values, read[f"{name}_predictions"].values[epoch]
            expected = [[((labels == true) & (predicted == other)).sum() for other in range(3)] for true in range(3)]
            np.testing.assert_array_equal(read[counts][epoch], expected)


def test_class_gradients_are_remembered_after_some_epochs(tiny_model, tiny_data):
    history = train.train(tiny_model, tiny_data, "big-lr", epochs=4, **QUICK)
    assert list(history["ego_epoch"].values) == [1, 3, 4]
    now = measure.ego_directions(tiny_model, tiny_data.train)
    np.testing.assert_allclose(history["ego_norms"][-1], now.norms, rtol=1e-5)
    np.testing.assert_allclose(history["ego_cosines"][-1], now.cosine, atol=1e-5)
    assert not np.allclose(history["ego_norms"][0], history["ego_norms"][-1])


def test_a_class_without_training_images_has_no_gradient_to_remember(tiny_model, tiny_data):
    some = tiny_data.train.labels != 1
    without = dataclasses.replace(
        tiny_data.train, images=tiny_data.train.images[some], labels=tiny_data.train.labels[some]
    )
    history = train.train(tiny_model, dataclasses.replace(tiny_data, train=without), "big-lr", epochs=1, **QUICK)
    assert "ego_norms" not in history
    assert history.end_counts[0, 1].sum() == 0


def test_what_is_written_after_an_epoch_does_not_grow_with_the_epochs(tiny_model, tiny_data, tmp_path):
    twin = copy.deepcopy(tiny_model)
    train.train(tiny_model, tiny_data, "big-lr", epochs=4, checkpoint=tmp_path / "short", **QUICK)
    train.train(twin, tiny_data, "big-lr", epochs=30, checkpoint=tmp_path / "long", **QUICK)
    short, long = ((tmp_path / name / "state.pt").stat().st_size for name in ("short", "long"))
    assert long == short
    sizes = [(tmp_path / "long" / f"epoch-{number:04}.safetensors").stat().st_size for number in (2, 29)]
    assert sizes[0] == sizes[1]


def drawn(index, room, flip, seed):
    return augment.draw_crops(index, room, flip, torch.Generator().manual_seed(seed))


def test_each_crop_is_a_window_of_its_own_image():
    images = torch.arange(5 * 2 * 8 * 6).view(5, 2, 8, 6)
    index = torch.tensor([4, 0, 0, 3])
    crops = augment.cropped(images, drawn(index, (4, 3), True, 3), (5, 4))
    assert crops.shape == (4, 2, 5, 4)
    for image, crop in zip(images[index], crops, strict=True):
        windows = image.unfold(1, 5, 1).unfold(2, 4, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        assert any(torch.equal(crop, window) or torch.equal(crop, window.flip(-1)) for window in windows)


@pytest.mark.parametrize("how", ["crop-flip", "crop", "none"])
def test_an_augmented_split_has_each_image_once_as_in_training(how):
    images = torch.arange(1, 1 + 6 * 2 * 8 * 8, dtype=torch.int64).view(6, 2, 8, 8).float() / 1000
    split = data.Split(images, torch.arange(6) % 3, ("a", "b", "c"))
    found = train.augmented(split, how, seed=3)
    assert torch.equal(found.labels, split.labels)
    for image, crop in zip(split.images, found.images, strict=True):
        padded = torch.nn.functional.pad(image, (1,) * 4) if how != "none" else image
        windows = padded.unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        mirrored = [torch.equal(crop, window.flip(-1)) for window in windows]
        assert any(torch.equal(crop, window) for window in windows) or (how == "crop-flip" and any(mirrored))
    assert torch.equal(found.images, train.augmented(split, how, seed=3).images)
    assert torch.equal(found.images, train.augmented(split, how, seed=4).images) == (how == "none")
    with pytest.raises(ValueError, match="unknown augment 'flip': choose from crop-flip, crop, none"):
        train.augmented(split, "flip")


def test_crops_and_flips_are_uniform():
    images = torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    images[0, 0] = torch.arange(16).view(4, 4)
    draws = 9000
    crops = augment.cropped(images, drawn(torch.zeros(draws, dtype=torch.int64), (3, 3), True, 0), (2, 2))
    flipped = crops[:, 0, 0, 0] > crops[:, 0, 0, 1]
    corner = torch.minimum(crops[:, 0, 0, 0], crops[:, 0, 0, 1])
    _, frequency = torch.stack([corner, flipped.long()]).unique(dim=1, return_counts=True)
    assert len(frequency) == 18
    assert abs(frequency - draws / 18).max() < 5 * (draws / 18) ** 0.5


def test_without_flips_no_crop_is_mirrored():
    images = torch.arange(16).view(1, 1, 4, 4)
    crops = augment.cropped(images, drawn(torch.zeros(500, dtype=torch.int64), (3, 3), False, 0), (2, 2))
    assert (crops[:, 0, 0, 0] < crops[:, 0, 0, 1]).all()


def test_a_last_batch_of_one_image_is_avoided(tiny_model):
    labels = torch.zeros(33, dtype=torch.int64)
    split = data.Split(torch.zeros(33, 2, 8, 8), labels, ("a", "b", "c"))
    sizes = [len(y) for _, y in augment.Batches(split, 16, "none", 0, torch.device("cpu")).epoch(0)]
    assert sizes == [11, 11, 11]


def test_no_batch_is_of_one_image_where_it_is_said_to_be_so():
    """By the batches themselves: the check agrees with them for all small sets and sizes."""
    for images, largest in itertools.product(range(1, 20), range(1, 20)):
        split = data.Split(torch.zeros(images, 1, 4, 4), torch.zeros(images, dtype=torch.int64), ("a", "b"))
        sizes = [len(y) for _, y in augment.Batches(split, largest, "none", 0, torch.device("cpu")).epoch(0)]
        with pytest.raises(ValueError, match="alone") if min(sizes) < 2 else nullcontext():
            train.check_batches(images, largest)


def test_a_network_without_batch_norm_trains_on_one_image_at_a_time(tiny_data):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(128, 3))
    history = train.train(model, tiny_data, "big-lr", epochs=1, batch_size=1)
    assert int(history["running_counts"].sum()) == 101


def test_numpys_numbers_train_the_same(tiny_model, tiny_data):
    again = copy.deepcopy(tiny_model)
    plain = train.train(tiny_model, tiny_data, "big-lr", epochs=1, batch_size=16, seed=3)
    numbers = {"epochs": np.int64(1), "batch_size": np.int32(16), "seed": np.uint64(3)}
    assert train.train(again, tiny_data, "big-lr", **numbers)["test_counts"].equals(plain["test_counts"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"setup": None}, "unknown setup None: choose from big-lr, small-lr, anneal-lr"),
        ({"device": "cpu:x"}, "device 'cpu:x': give 'auto', 'cpu', 'cuda' or 'cuda:N'"),
        ({"setup": "huge-lr"}, "unknown setup 'huge-lr': choose from big-lr, small-lr, anneal-lr; did you mean"),
        ({"epochs": 0}, "epochs = 0: give a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size = 2.5: give a whole number"),
        ({"seed": -1}, "seed = -1: give a whole number of at least 0"),
        ({"seed": 2**50}, "seed = 1125899906842624: give a whole number of at least 0 and at most 4294967295"),
        (
            {"batch_size": 1},
            "batch_size = 1: of 101 training images one is alone in its batch, and batch-norm needs two",
        ),
        ({"batch_size": 2}, "batch_size = 2: of 101 training images one is alone in its batch"),
        ({"augment": "flip"}, "unknown augment 'flip'"),
        ({"precision": "fp16"}, "unknown precision 'fp16': choose from auto, fp32, bf16"),
        ({"device": "gpu"}, "unknown device 'gpu': choose from auto, cpu, cuda"),
    ],
)
def test_bad_input_is_one_clear_line(tiny_model, tiny_data, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        train.train(tiny_model, tiny_data, **({"setup": "big-lr", "epochs": 1} | options))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_gpu_asked_for_where_there_is_none(tiny_model, tiny_data):
    with pytest.raises(ValueError, match="device 'cuda': no CUDA GPU is usable on this machine; use 'auto' or 'cpu'"):
        train.train(tiny_model, tiny_data, "big-lr", epochs=1, device="cuda")


def test_diverged_training_says_so(tiny_model, tiny_data):
    tiny_model[0].weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="loss is nan in epoch 1: the run diverged; .* they go from -?[0-9.]+ to"):
        train.train(tiny_model, tiny_data, "big-lr", epochs=1, **QUICK)


# --- recording one's own loop


def test_the_documented_example_of_ones_own_loop_runs(tmp_path):
    page = (REPOSITORY / "book" / "how-to-record.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    history = artifacts.load_dataset(tmp_path / "history.nc")
    assert history.running_counts.sum(("true", "predicted")).values.tolist() == [1400] * 25
    assert history.end_counts.sum(("true", "predicted")).values.tolist() == [1400] * 25
    assert history.test_counts.sum(("true", "predicted")).values.tolist() == [397] * 25
    assert "TakeOver" in done.stdout


def test_a_recorded_history_has_the_form_of_a_trained_one(tiny_model, tiny_data):
    trained = train.train(tiny_model, tiny_data, "big-lr", epochs=2, **QUICK)
    recorder = train.Recorder(tiny_data.classes)
    for epoch in range(2):
        for split in ("running", "end", "test"):
            true, predicted = np.nonzero(np.ones((3, 3)))
            times = trained[f"{split}_counts"][epoch].values.ravel()
            half = times // 2
            for part in (half, times - half):
                recorder.add(split, torch.tensor(true.repeat(part)), predicted.repeat(part))
        recorder.end_epoch(float(trained.train_loss[epoch]), float(trained.learning_rate[epoch]))
    recorded = recorder.history()
    xr.testing.assert_equal(recorded.drop_vars("seconds"), trained[list(recorded.variables)].drop_vars("seconds"))
    assert {*COUNTS, "train_loss", "learning_rate", "seconds"} == set(recorded.data_vars)


def test_a_recorder_takes_losses_as_training_loops_hold_them(recwarn):
    recorder = train.Recorder(("a", "b"))
    for loss in (torch.tensor(2.0, requires_grad=True) * 1, np.float32(1.5), 1):
        recorder.add("running", [0, 1], [1, 1])
        recorder.end_epoch(train_loss=loss)
    np.testing.assert_array_equal(recorder.history()["train_loss"], [2.0, 1.5, 1.0])
    assert not recwarn.list


@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        (
            [["running"], ["running", "end"]],
            "epoch 2 holds running_counts and end_counts, those before it running_counts:",
        ),
        (
            [["test", "end"], ["test"]],
            "epoch 2 holds test_counts, those before it end_counts and test_counts: add the same",
        ),
    ],
)
def test_a_recorder_never_shows_what_it_was_not_given(epochs, message):
    recorder = train.Recorder(("a", "b"))
    for added in epochs[:-1]:
        for kind in added:
            recorder.add(kind, [0, 1], [1, 1])
        recorder.end_epoch()
    for kind in epochs[-1]:
        recorder.add(kind, [0, 1], [1, 1])
    recorder.add("end", [], [])  # nothing
    with pytest.raises(ValueError, match=message) as error:
        recorder.end_epoch()
    assert "\n" not in str(error.value)
    history = recorder.history()
    assert [name for name in history if "counts" in name] == [
        f"{each}_counts" for each in ("running", "end", "test") if each in epochs[0]
    ]
    assert all(history[name].sum() == 2 for name in history if "counts" in name)


def test_a_recorder_is_told_which_epoch_it_records():
    recorder = train.Recorder(("a", "b"))
    for epoch in (1, 2):
        recorder.add("test", [0, 1], [0, 0])  # a look before the epoch
        recorder.begin_epoch(epoch)
        recorder.add("test", [0, 1], [0, 1])
        recorder.end_epoch()
    np.testing.assert_array_equal(recorder.history()["test_counts"], [np.eye(2)] * 2)
    for other in (1, 2, 4, 3.5):
        with pytest.raises(ValueError, match=f"epoch {other} begins where epoch 3 is next: end each"):
            recorder.begin_epoch(other)
    recorder.add("test", [0, 1], [0, 1])
    with pytest.raises(ValueError, match=r"epoch 3 ends and was not begun: .* after begin_epoch\(3\)"):
        recorder.end_epoch()
    assert recorder.history().sizes["epoch"] == 2


@pytest.mark.parametrize("counted", ["end", "test"])
def test_a_recorder_refuses_a_test_in_the_middle_of_an_epoch(counted):
    recorder = train.Recorder(("a", "b"))
    recorder.add("running", [0, 1], [0, 0])
    recorder.add(counted, [0, 1], [0, 0])
    recorder.add(counted, [0, 1], [0, 0])  # another batch
    with pytest.raises(ValueError, match=f"epoch 1 goes on after its '{counted}' predictions: add these once, at its"):
        recorder.add("running", [0, 1], [0, 0])


def test_a_recorder_leaves_out_what_was_never_added():
    recorder = train.Recorder(("a", "b"))
    recorder.add("test", [0, 1], [1, 1])
    recorder.end_epoch()
    history = recorder.history()
    assert [name for name in COUNTS if name in history] == ["test_counts"]
    with pytest.raises(ValueError, match="counts='end_counts': this history holds test_counts"):
        dancing.recalls(history)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda recorder: recorder.add("train", [0], [0]), "unknown counts 'train': choose from running, end, test"),
        (lambda recorder: recorder.add("end", [3], [0]), "true label 3 at position 0 is out of range"),
        (lambda recorder: recorder.end_epoch(), "epoch 1 holds no predictions"),
        (lambda recorder: recorder.history(), "no epoch has ended"),
        (lambda recorder: train.Recorder(("a", "b", "a")), r"class 'a' is named 2 times"),
        (lambda recorder: recorder.add("test", None, [0]), "true labels are object of shape .*: give whole numbers"),
        (lambda recorder: recorder.add("test", ["a"], [0]), "true labels are <U1 of shape .*: give whole numbers"),
        (lambda recorder: recorder.add("test", np.ma.array([0], mask=True), [0]), "true labels are masked"),
        (lambda recorder: train.Recorder(()), r"there are no classes: give the name of each"),
    ],
)
def test_a_recorder_used_wrongly_says_so_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(train.Recorder(("a", "b", "c")))
    assert "\n" not in str(error.value)

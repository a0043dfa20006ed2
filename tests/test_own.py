"""Your own network: what the page says is done as it is written, and libraries use the callbacks made for them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from test_names import HOSTILE, Elements
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ciutils import artifacts
from reproduction.page import rendered
from reproduction.results import REPOSITORY

OWN, RECORD = (REPOSITORY / "book" / name for name in ("your-network.md", "how-to-record.md"))


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def run(*words, folder):
    path = Path(sys.executable).parent
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PATH": f"{path}:/usr/bin:/bin", "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-900:]
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    """With mine.py, as the page has it."""
    (tmp_path / "mine.py").write_text(blocks(OWN, "python")[0])
    return tmp_path


def test_the_page_on_your_own_network_in_python(folder):
    _, *code = blocks(OWN, "python")
    said = run(sys.executable, "-c", "\n".join(code) + "\nprint(repr(directions))", folder=folder)
    assert "commit" not in said
    assert re.search(r"Directions\(10 of 5,962 weights in 6 tensors", said)
    whole, kept = (artifacts.load_dataset(folder / name) for name in ("shard-0.nc", "space.nc"))
    assert (whole["done"].sum(), kept["done"].sum()) == (5, 9)
    assert int(artifacts.load_dataset(folder / "counts.nc")["counts"].sum()) == 397
    tables = re.findall(r"^ *true predicted.*\n(?: *\d.*\n)+", said, re.MULTILINE)
    assert len(tables) == 2
    assert tables[0] == tables[1]  # of the counts, and of those that were saved and loaded


def test_the_page_on_your_own_network_by_its_command(folder):
    command, _ = blocks(OWN, "bash")
    run("bash", "-c", command, folder=folder)
    page = (folder / "mine.html").read_text()
    assert "Here it is Sequential on mine.py:pictures, 10 classes" in page.replace("&#46;", ".").replace("&#58;", ":")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)[^"']*""", page)
    assert not re.search(r"\{glue|Traceback|nan%", page)
    assert page.count("<interference-plane") == page.count("<interference-dance") == 1
    assert len(re.findall(r'<img[^>]*alt="(?!No description)[^"]+"', page)) == page.count("<img")


@pytest.mark.slow
def test_images_in_folders_and_weights_by_the_command_of_the_page(tmp_path):
    rng, names = np.random.default_rng(0), ["cup", "jug", "mug", "pan", "pot"]
    for part, number in (("train", 6), ("test", 3)):
        for label, name in enumerate(names):
            (tmp_path / "kitchen" / part / name).mkdir(parents=True)
            for place in range(number):
                pixels = rng.integers(40 * label, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "kitchen" / part / name / f"{place}.png")
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), tmp_path / "weights.pt")
    _, command = blocks(OWN, "bash")
    run("bash", "-c", f"{command.strip().replace('PATH', 'kitchen')} -p images 25 -p points 3", folder=tmp_path)
    assert "ResNet on folder:kitchen, 5 classes" in (tmp_path / "mine.html").read_text().replace("&#58;", ":")


def test_what_a_notebook_tells_is_text_in_its_page():
    """Hostile names add no element to the page that plain ones make; links to other pages are text."""

    def page(name):
        told = {"application/papermill.record/text/plain": repr(name)}
        outputs = [
            nbformat.v4.new_output("display_data", told, metadata={"scrapbook": {"name": "called"}}),
            nbformat.v4.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}}),
        ]
        cells = [
            nbformat.v4.new_markdown_cell("# Title\n\nIt is {glue:text}`called`, see [there](../there.md)."),
            nbformat.v4.new_code_cell("tell", outputs=outputs),
        ]
        return Elements(rendered(nbformat.v4.new_notebook(cells=cells)))

    plain = page("a")
    assert "It is a, see there." in plain.text
    for name in (*HOSTILE, "_x_", "a__x__"):
        shown = page(name)
        assert [element for element, *_ in shown.found] == [element for element, *_ in plain.found]
        assert f"It is {name}, see there." in shown.text


def test_a_page_says_what_was_found_and_not_how_far_the_work_once_was():
    said = [nbformat.v4.new_output("stream", name="stdout", text=line) for line in ("training: 10 of 12", "a result")]
    work, other = (nbformat.v4.new_code_cell("", outputs=[each]) for each in said)
    work.metadata["tags"] = ["remove-stdout"]
    page = rendered(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), work, other]))
    assert "a result" in page
    assert "10 of 12" not in page


def test_a_page_folds_nothing_and_tells_warnings_in_words():
    warning = "/tmp/ipykernel_1/2.py:4: UserWarning: level = 0.5: train <further>\n  sigma = found()\n"
    cells = [
        nbformat.v4.new_markdown_cell("# Title\n\n```{dropdown} Solutions\n1. One.\n2. Two.\n```"),
        nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("stream", name="stderr", text=warning)]),
    ]
    page = rendered(nbformat.v4.new_notebook(cells=cells))
    assert "<strong>Solutions</strong>" in page
    assert re.search(r"<li>\s*One\.\s*</li>", page)
    assert "<b>Note:</b> level = 0.5: train &lt;further&gt;</p>" in page
    assert not re.search("dropdown|ipykernel|found", page.partition("<main>")[2])


# --- callbacks

IMAGES, LABELS = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3
EPOCHS = 2


def callback(place):
    found = {}
    exec(blocks(RECORD, "python")[place], found)
    return found["Record"](["a", "b", "c"])


def assert_recorded(record, model, running=True, epochs=EPOCHS):
    """As many images as there are in each epoch; the last test counts are those of the trained network."""
    history = record.recorder.history()
    assert history.test_counts.sum(("true", "predicted")).values.tolist() == [60] * epochs
    if running:
        assert history.running_counts.sum(("true", "predicted")).values.tolist() == [60] * epochs
    with torch.no_grad():
        said = model.eval()(IMAGES)
    expected = np.zeros((3, 3), int)
    np.add.at(
        expected, (LABELS.numpy(), (said if isinstance(said, torch.Tensor) else said["logits"]).argmax(1).numpy()), 1
    )
    np.testing.assert_array_equal(history.test_counts[-1], expected)


@pytest.fixture
def lightnings(tmp_path):
    """A trainer with these arguments, and a function that calls one of its methods with network and images."""
    lightning = pytest.importorskip("lightning", reason="needs lightning: pip install -e .[loops]")

    class Net(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, images):
            return self.layer(images)

        def training_step(self, batch, _):
            logits = self(batch[0])
            return {"loss": nn.functional.cross_entropy(logits, batch[1]), "logits": logits}

        validation_step = training_step

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "default_root_dir": tmp_path}
    net, loader = Net(), DataLoader(TensorDataset(IMAGES, LABELS), 15)

    def made(record, **arguments):
        arguments = {"max_epochs": EPOCHS, "accelerator": "cpu", **quiet, **arguments}
        return lightning.Trainer(callbacks=[record], **arguments), net, loader

    return made


@pytest.mark.filterwarnings("ignore")
def test_lightning_records(lightnings):
    record = callback(1)
    trainer, net, loader = lightnings(record)
    trainer.fit(net, loader, loader)
    assert_recorded(record, net)


@pytest.mark.filterwarnings("ignore")
def test_a_look_before_or_after_a_training_is_no_epoch_of_lightnings(lightnings):
    record = callback(1)
    trainer, net, loader = lightnings(record)
    trainer.validate(net, loader)
    trainer.fit(net, loader, loader)
    trainer.validate(net, loader)
    trainer.fit_loop.max_epochs = EPOCHS + 1  # the same training goes on
    trainer.fit(net, loader, loader)
    assert_recorded(record, net, epochs=EPOCHS + 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"val_check_interval": 0.5}, "epoch 1 goes on after its 'test' predictions: .*val_check_interval=1.0"),
        (
            {"check_val_every_n_epoch": 2},
            "epoch 2 holds running_counts and test_counts, those before it running_counts: .*check_val_every_n_epoch=1",
        ),
    ],
)
def test_what_lightning_tests_otherwise_than_once_an_epoch_is_refused(lightnings, arguments, message):
    trainer, net, loader = lightnings(callback(1), **arguments)
    with pytest.raises(ValueError, match=message):
        trainer.fit(net, loader, loader)


@pytest.mark.filterwarnings("ignore")
def test_a_second_training_of_lightnings_is_refused_by_the_same_record(lightnings):
    record = callback(1)
    trainer, net, loader = lightnings(record)
    trainer.fit(net, loader, loader)
    another, net, loader = lightnings(record)
    with pytest.raises(ValueError, match="epoch 1 begins where epoch 3 is next"):
        another.fit(net, loader, loader)


@pytest.fixture
def huggings(tmp_path):
    """A network and a trainer of it with these arguments."""
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install -e .[loops]")
    pytest.importorskip("accelerate", reason="needs accelerate: pip install -e .[loops]")

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, images, labels=None):
            logits = self.layer(images)
            told = {} if labels is None else {"loss": nn.functional.cross_entropy(logits, labels)}
            return told | {"logits": logits}

    def made(record, **arguments):
        arguments = {"num_train_epochs": EPOCHS, "eval_strategy": "epoch", **arguments}
        told = transformers.TrainingArguments(
            str(tmp_path), use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, **arguments
        )
        rows = [{"images": image, "labels": label} for image, label in zip(IMAGES, LABELS, strict=True)]
        net, sets = Net(), {"train_dataset": rows, "eval_dataset": rows}
        return net, transformers.Trainer(net, told, compute_metrics=record, callbacks=[record], **sets)

    return made


@pytest.mark.filterwarnings("ignore")
def test_hugging_faces_trainer_records(huggings):
    record = callback(2)
    net, trainer = huggings(record)
    trainer.evaluate()
    trainer.train()
    trainer.evaluate()
    assert_recorded(record, net, running=False)
    with pytest.raises(ValueError, match="epoch 1 begins where epoch 3 is next: .*a Recorder of its own"):
        trainer.train()


@pytest.mark.filterwarnings("ignore")
def test_hugging_faces_trainer_is_refused_without_a_test_at_the_end_of_each_epoch(huggings):
    _, trainer = huggings(callback(2), eval_strategy="steps", eval_steps=5)
    with pytest.raises(ValueError, match="epoch 2 begins where epoch 1 is next: .*eval_strategy='epoch'"):
        trainer.train()


@pytest.mark.filterwarnings("ignore")
def test_a_part_of_an_epoch_is_not_recorded_of_hugging_faces_trainer(huggings):
    record = callback(2)
    _, trainer = huggings(record, max_steps=12)  # of 8 an epoch
    trainer.train()
    assert record.recorder.history().sizes["epoch"] == 1


@pytest.mark.filterwarnings("ignore")
def test_skorch_records():
    skorch = pytest.importorskip("skorch", reason="needs skorch: pip install -e .[loops]")
    from skorch.helper import predefined_split

    record, whole = callback(3), TensorDataset(IMAGES, LABELS)
    net = skorch.NeuralNetClassifier(
        nn.Linear(4, 3),
        criterion=nn.CrossEntropyLoss,
        max_epochs=EPOCHS,
        train_split=predefined_split(whole),
        callbacks=[record],
        verbose=0,
    )
    for _ in range(2):  # each a training of its own
        net.fit(whole, None)
        assert_recorded(record, net.module_)
    net.partial_fit(whole, None)
    assert_recorded(record, net.module_, epochs=2 * EPOCHS)

import sys

import pytest
import torch
from hypothesis import settings

from ciutils import data
from ciutils.show import page
from reproduction import chapters

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    """No test reads or writes anybody's data, runs or cache."""
    monkeypatch.setenv("CIUTILS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CIUTILS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CIUTILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(data.sources, "DEBIAN", tmp_path / "debian")


@pytest.fixture(autouse=True)
def _draws_are_the_same_each_time():
    """What a test draws depends on no test before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def displayed(monkeypatch):
    """What is shown below a cell, in order."""
    everything = []
    monkeypatch.setattr(page.ipython, "display", lambda *each: everything.extend(each))
    return everything


@pytest.fixture
def tiny_data():
    """Three classes of 8 x 8 images with 2 channels, told apart by brightness, in sizes that no batch divides."""
    generator = torch.Generator().manual_seed(0)

    def split(count):
        labels = torch.randint(3, (count,), generator=generator)
        noise = torch.randint(60, (count, 2, 8, 8), generator=generator)
        return data.Split((noise + 70 * labels[:, None, None, None]).to(torch.uint8), labels, ("a", "b", "c"))

    return data.ImageData("tiny", split(101), split(47))


@pytest.fixture
def tiny_model():
    """A network with batch-norm and dropout, small enough to train in a blink."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, padding=1),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(24, 3),
    )


@pytest.fixture
def paper_chapters(monkeypatch):
    """Those of the paper's experiments alone, whatever others there are."""
    names = ("cctm", "sharpness", "classwise_losses", "label_dancing")
    monkeypatch.setattr(chapters, "CHAPTERS", {name: chapters.CHAPTERS[name] for name in names})

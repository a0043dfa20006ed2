"""Walls between the rooms: checked by import-linter (see pyproject.toml), and by taking torch away."""

import subprocess
import sys
from pathlib import Path

import papermill
import pytest
import yaml

from ciutils import choices, models, train
from reproduction import ranges
from reproduction.results import REPOSITORY

WITHOUT = """
import sys
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.split(".")[0] in {missing} else found(name, *more)
"""
"""What makes packages unimportable, as if they were not installed."""

HEAVY = ["torch", "torchvision", "safetensors", "sklearn", "statsmodels", "myst_nb", "jupyter_book", "snakemake"]
"""Packages that `pip install -e .[explore]` does not install."""

CHAPTERS = yaml.safe_load((REPOSITORY / "workflow" / "chapters.yaml").read_text("utf-8"))["chapters"]
PUBLISHED = {name: given for name, given in CHAPTERS.items() if given.get("profile") == "laptop"}
"""The chapters that show what is in `results/`."""

LIGHT = [f"ciutils.{name}" for name in ("analyse", "show", "store", "record", "machine")]
LIGHT += [f"reproduction.{name}" for name in ("chapters", "claims", "humans", "records")]

QUICK = ("agreement-cifar10", "label_dancing-cifar10")

DRAW = """
from pathlib import Path
from ciutils import artifacts, show
from ciutils.analyse import confusion, dancing, responses, surfaces
space = artifacts.load_dataset(Path(sys.argv[1]))
figure, _ = show.contours({("a", "b"): surfaces.mistake_rate(space)}, 0.05)
show.display(figure, space)
print("drawn")
"""


def run(code, missing, *arguments):
    code = WITHOUT.format(missing=missing) + code
    words = [sys.executable, "-c", code, *arguments]
    return subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=False)


def test_no_import_goes_through_a_wall():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_published_space_is_drawn_without_torch():
    path = next((REPOSITORY / "results").glob("*/space-cat-dog-*.nc"))
    done = run(DRAW, HEAVY, str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("drawn\n")


@pytest.mark.parametrize("room", LIGHT)
def test_what_needs_no_torch_does_not_load_it(room):
    done = run(f"import {room}; print('torch' in sys.modules)", [])
    assert done.stdout == "False\n", done.stderr


def test_what_reads_published_sets_is_not_loaded_for_ones_own():
    """torchvision and scikit-learn take longer to import than all else that a first cell imports."""
    loaded = "print({'torchvision', 'sklearn'} & {*sys.modules})"
    done = run(f"from ciutils import data, measure, models, train; {loaded}", [])
    assert done.stdout == "set()\n", done.stderr


@pytest.fixture
def light(tmp_path, monkeypatch):
    """Kernels that find nothing of `HEAVY`."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(missing=HEAVY))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{REPOSITORY}")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in PUBLISHED]
)
def test_a_published_chapter_executes_without_torch(light, tmp_path, name):
    notebook = REPOSITORY / "notebooks" / f"{name.partition('-')[0]}.ipynb"
    out = tmp_path / "out.ipynb"
    executed = papermill.execute_notebook(notebook, out, PUBLISHED[name], progress_bar=False)
    shown = [each.get("data", {}) for cell in executed.cells for each in cell.get("outputs", [])]
    assert any('<img class="figure"' in "".join(data.get("text/html", "")) for data in shown)


def test_without_torch_what_would_have_to_be_made_is_one_line(light, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match=r"history.nc is neither in .*, which takes torch"):
        papermill.execute_notebook(
            REPOSITORY / "notebooks" / "cctm.ipynb", tmp_path / "out.ipynb", {"profile": "digits"}, progress_bar=False
        )


def test_the_names_that_are_chosen_from_are_those_of_what_there_is():
    assert tuple(models.NETWORKS) == choices.NETWORKS
    assert tuple(train.SETUPS) == choices.SETUPS
    assert set(choices.OPTIONS) == set(ranges.OPTIONS)
    for name, default in choices.OPTIONS.items():
        assert default in ranges.OPTIONS[name]


def test_measuring_needs_none_of_the_books_packages():
    """A GPU node has torch and xarray, and seldom what notebooks are executed and rendered with."""
    missing = ["IPython", "ipywidgets", "jupyter_book", "myst_nb", "nbformat", "papermill", "pydantic", "snakemake"]
    done = run("from ciutils import measure, train, models, data, store", missing)
    assert done.returncode == 0, done.stderr

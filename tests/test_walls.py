"""Walls between the rooms: checked by import-linter (see pyproject.toml), and by taking torch away."""

import subprocess
import sys
from pathlib import Path

import pytest

from reproduction.results import REPOSITORY

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(f"no module named {{name}}", name=name)
sys.meta_path.insert(0, Missing())
"""
"""What makes packages unimportable."""

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
    done = run(DRAW, ["torch", "torchvision", "safetensors"], str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("drawn\n")


@pytest.mark.parametrize(
    "room", ["analyse", "show", "counts", "artifacts", "lookup", "provenance", "store", "record", "machine"]
)
def test_what_needs_no_torch_does_not_load_it(room):
    done = run(f"import ciutils.{room}; print('torch' in sys.modules)", [])
    assert done.stdout == "False\n", done.stderr


def test_measuring_needs_none_of_the_books_packages():
    """A GPU node has torch and xarray, and seldom what notebooks are executed and rendered with."""
    missing = ["IPython", "ipywidgets", "jupyter_book", "myst_nb", "nbformat", "papermill", "pydantic", "snakemake"]
    done = run("from ciutils import measure, train, models, data, store", missing)
    assert done.returncode == 0, done.stderr

"""Each notebook executes whole with tiny parameters, and refuses wrong ones before it computes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from reproduction import chapters, parameters
from reproduction.results import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
READING = [
    path.stem
    for path in NOTEBOOKS
    if parameters.defaults(parameters.of_notebook(path)).get("profile") not in ("digits", None)
]
"""Notebooks that only read what is published: at the size of digits, the others' default, nothing is."""

SMALL = {"profile": "digits", "network": "resnet18", "networks": ["resnet18"], "epochs": 2, "width": 0.02}
SMALL |= {"points": 3, "images": 100}
TINY = {path.stem: {} if path.stem in READING else chapters.taken(path.stem, SMALL) for path in NOTEBOOKS}
"""Parameters with which a notebook takes seconds: those of SMALL that it takes."""
TINY["cctm"]["networks"] = ["resnet18", "vgg19"]

by_name = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def _inline_figures(monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)


def execute(notebook, tmp_path, parameters):
    return papermill.execute_notebook(
        notebook, tmp_path / "out.ipynb", parameters, progress_bar=False, log_output=False, cwd=tmp_path
    )


PLOTLY = "application/vnd.plotly.v1+json"


def texts(output):
    return [output["data"][kind] for kind in ("text/markdown", "text/html") if kind in output.get("data", {})]


def kinds(cell):
    """The kinds of output that a cell has: image/png and the like."""
    return {kind for each in cell.get("outputs", []) for kind in each.get("data", {})}


@by_name
def test_it_executes_whole_and_every_figure_says_what_it_shows_and_where_it_comes_from(notebook, tmp_path, caplog):
    executed = execute(notebook, tmp_path, TINY[notebook.stem])
    assert "unknown parameter" not in caplog.text
    assert any(Path(os.environ["CIUTILS_RUNS"]).glob("*/run.json")) == (notebook.stem not in READING)
    with_figure = [cell for cell in executed.cells if kinds(cell) & {"image/png", PLOTLY}]
    assert with_figure
    for cell in with_figure:
        text = "".join("".join(texts(each)) for each in cell.outputs)
        assert "commit" in text, cell.source
        assert "aria-label" in text if PLOTLY in kinds(cell) else cell.metadata["mystnb"]["image"]["alt"], cell.source
    said = [each.text for cell in executed.cells for each in cell.get("outputs", []) if each.get("name") == "stderr"]
    # A network of two epochs errs more often than at the level of half sides; that is to be said.
    assert [each for each in said if "UserWarning: level = 0.5: the network's own mistake rate" not in each] == []


@by_name
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sead": 1}, "unknown parameter 'sead'.*did you mean 'seed'"),
        ({"seed": "one"}, "parameter seed = 'one': give int"),
        ({"profile": "labtop"}, "unknown profile 'labtop'.*did you mean 'laptop'"),
    ],
)
def test_a_wrong_parameter_stops_it_before_anything_is_computed(notebook, tmp_path, wrong, message):
    with pytest.raises(papermill.PapermillExecutionError, match=message):
        execute(notebook, tmp_path, TINY[notebook.stem] | wrong)
    assert not Path(os.environ["CIUTILS_RUNS"]).exists()
    assert nbformat.read(tmp_path / "out.ipynb", as_version=4).metadata.papermill.exception


def live(notebook, folder, change):
    """A copy of `notebook` in `folder` as somebody saved it whose `change` went into its cells."""
    copy = nbformat.read(notebook, as_version=4)
    change(copy.cells)
    nbformat.write(copy, folder / notebook.name)
    return folder / notebook.name


def typed(text):
    """What somebody types below the parameters."""

    def change(cells):
        cells[1].source += f"\n{text}"

    return change


@by_name
@pytest.mark.parametrize("text", ['datset: str = "folder:/data/x"', 'datset = "folder:/data/x"'])
def test_a_name_misspelt_in_a_live_notebook_stops_it(notebook, tmp_path, text):
    with pytest.raises(papermill.PapermillExecutionError, match="unknown parameter 'datset': choose from profile"):
        execute(live(notebook, tmp_path, typed(text)), tmp_path, TINY[notebook.stem])
    assert not Path(os.environ["CIUTILS_RUNS"]).exists()


def twice(cells):
    """All cells once more, below."""
    cells += [nbformat.v4.new_code_cell(cell.source) for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", ["claims", "label_dancing", "sharpness"])
def test_its_cells_can_be_run_again(name, tmp_path):
    executed = execute(live(REPOSITORY / "notebooks" / f"{name}.ipynb", tmp_path, twice), tmp_path, TINY[name])
    assert not any(output.output_type == "error" for cell in executed.cells for output in cell.get("outputs", []))


def test_without_its_first_cell_it_says_what_to_run(tmp_path):
    notebook = live(REPOSITORY / "notebooks" / "cctm.ipynb", tmp_path, lambda cells: cells.pop(1))
    with pytest.raises(papermill.PapermillExecutionError, match="run the notebook's first cell, which declares"):
        execute(notebook, tmp_path, {})


@pytest.mark.parametrize("name", ["cctm", "machines"])
def test_it_runs_as_a_script_in_a_locale_that_knows_no_letters(name, tmp_path):
    """As `jupyter nbconvert --to script` writes it."""
    cells = nbformat.read(REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4).cells
    for key, value in TINY[name].items():
        cells[1].source = re.sub(rf"^({key}: [^=]+)= .*$", rf"\1= {value!r}", cells[1].source, flags=re.MULTILINE)
    code = ["# In[ ]:\n\n\n" + cell.source for cell in cells if cell.cell_type == "code"]
    script = tmp_path / "a scrípt.py"
    script.write_text("\n\n\n".join(["#!/usr/bin/env python\n# coding: utf-8", *code]), encoding="utf-8")
    spoken = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, script], env=os.environ | spoken, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]


def test_papermills_own_paths_are_no_parameters(tmp_path):
    paths = {"PAPERMILL_INPUT_PATH": "a", "PAPERMILL_OUTPUT_PATH": "b", "PAPERMILL_OUTPUT_DIR_PATH": "c"}
    executed = execute(REPOSITORY / "notebooks" / "machines.ipynb", tmp_path, TINY["machines"] | paths)
    assert not executed.metadata.papermill.exception


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"profile": "digits"}, "profile = 'digits': the claims are about CIFAR-10; choose from laptop, long, paper"),
        ({"epochs": 7}, "profile laptop has no run of these epochs, width and seed: execute cctm with them first"),
        ({"seeds": [-1]}, "seed = -1: give a whole number of at least 0"),
    ],
)
def test_claims_without_their_runs_say_so(given, message, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match=message):
        execute(REPOSITORY / "notebooks" / "claims.ipynb", tmp_path, given)


@pytest.mark.parametrize("given", [{"tolerance": 0.002}, {"images": 5}])
def test_flat_areas_of_few_images_and_small_tolerances_are_drawn(given, tmp_path):
    """Two standard errors below the tolerance may be below 0, which nobody asked for."""
    tiny = TINY["sharpness"] | {"setups": ["big-lr"], "sigma": 0.1} | given
    assert not execute(REPOSITORY / "notebooks" / "sharpness.ipynb", tmp_path, tiny).metadata.papermill.exception


def test_classes_are_understood_however_they_are_written(tmp_path):
    given = {"profile": "laptop", "classes": ["CAT", "automobile"], "pair": "Airplane-dog"}
    executed = execute(REPOSITORY / "notebooks" / "label_dancing.ipynb", tmp_path, given)
    assert not executed.metadata.papermill.exception


@by_name
def test_it_closes_with_what_was_found_and_exercises(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    sections = prose.split("\n## ")
    assert sections[-1].startswith("Exercises\n\n1. ")
    assert "\n2. " in sections[-1]
    assert notebook.stem in READING or sections[-2].startswith("What was found\n")


@by_name
def test_its_source_holds_no_output(notebook):
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


@by_name
def test_papermill_lists_its_parameters_with_their_types(notebook):
    found = papermill.inspect_notebook(notebook)
    assert {"profile", "seed"} <= set(found)
    assert all(each["inferred_type_name"] != "None" for each in found.values())


@pytest.mark.parametrize("seed", [0, 1])
def test_machines_counts_each_published_run_once(seed, tmp_path):
    executed = execute(REPOSITORY / "notebooks" / "machines.ipynb", tmp_path, {"seed": seed})
    kept = {
        each.metadata["scrapbook"]["name"]: "".join(*each.data.values())
        for cell in executed.cells
        for each in cell.get("outputs", [])
        if "scrapbook" in each.metadata
    }
    published = list((REPOSITORY / "results").glob("cifar10-*-w0.25-e30-*"))
    runs = {folder.name.removesuffix("-train_counts=end") for folder in published}  # the same training once more
    assert kept["runs"] == str(len(runs))
    assert kept["artifacts"] == str(sum(len(list(folder.glob("*.nc"))) for folder in published))

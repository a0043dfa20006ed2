"""Each notebook executes whole with tiny parameters, and refuses wrong ones before it computes."""

import os
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

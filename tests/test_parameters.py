import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest

from reproduction import parameters
from reproduction.results import REPOSITORY

NAMES = "profile networks epochs width"
CHECKING = "from reproduction import parameters"
CELL = """profile: str = "digits"  # size
networks: list[str] = []
epochs: int | None = None
width: float = 1.0
"""
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))


def notebook(*cells):
    """The namespace that a kernel has after executing `cells`."""
    namespace = {"In": ["", *cells]}
    for cell in cells:
        exec("\n".join(line for line in cell.splitlines() if not line.startswith("%")), namespace)
    return namespace


def check(*cells):
    return parameters.check(notebook(*cells), NAMES)


def test_declared_defaults_and_injected_values_come_back():
    assert check(CELL, '# Parameters\nwidth = 0.5\nnetworks = ["vgg19"]\n') == {
        "profile": "digits",
        "networks": ["vgg19"],
        "epochs": None,
        "width": 0.5,
    }


def test_names_of_later_cells_and_magics_are_no_parameters():
    before = ("%matplotlib inline", f"%matplotlib inline\n{CELL}", CHECKING)
    later = check(*before, "results = 3\nprofle = 1\nother: int = 2", CHECKING)
    assert list(later) == NAMES.split()


def test_whole_number_is_a_float():
    assert check(CELL, "# Parameters\nwidth = 1")["width"] == 1


@pytest.mark.parametrize(
    ("injected", "message"),
    [
        ('netwroks = ["vgg19"]', r"unknown parameter 'netwroks': choose from profile, .*did you mean 'networks'\?"),
        ("zzz = 1", "unknown parameter 'zzz': choose from profile, networks, epochs, width$"),
        ('epochs = "three"', r"parameter epochs = 'three': give int \| None"),
        ('width = "thin"', "parameter width = 'thin': give float"),
        ("epochs = True", r"parameter epochs = True: give int \| None"),
        ('networks = "vgg19"', r"parameter networks = 'vgg19': give list\[str\]"),
        ("networks = [1]", r"parameter networks = \[1\]: give list\[str\]"),
    ],
)
def test_bad_parameters_stop_in_one_line(injected, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(CELL, f"# Parameters\n{injected}\n")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([CELL + 'ntworks: list[str] = ["vgg19"]'], "unknown parameter 'ntworks': .*did you mean 'networks'"),
        ([CELL + 'ntworks = ["vgg19"]'], "unknown parameter 'ntworks': .*did you mean 'networks'"),
        ([CELL + "epochs, wdth = 3, 1"], "unknown parameter 'wdth': .*did you mean 'width'"),
        ([CELL + "if True:\n    wdth = 1"], "unknown parameter 'wdth': .*did you mean 'width'"),
        ([CELL + "for wdth in [1]:\n    pass"], "unknown parameter 'wdth': .*did you mean 'width'"),
        ([CELL + "(wdth := 1)"], "unknown parameter 'wdth': .*did you mean 'width'"),
        ([CELL, "wdth = 1", CHECKING], "unknown parameter 'wdth': .*did you mean 'width'"),
        ([CELL, "wdth: float = 1.0", CHECKING, "more = 3"], "unknown parameter 'wdth': .*did you mean 'width'"),
        ([CELL, CHECKING, "more = 3", CELL, "wdth = 1", CHECKING], "unknown parameter 'wdth': .*did you mean 'width'"),
        ([CELL, 'width: float = "thin"', CHECKING], "parameter width = 'thin': give float"),
        ([CELL.replace("networks", "ntworks")], "unknown parameter 'ntworks': .*did you mean 'networks'"),
        ([CELL.replace("width: float = 1.0", "")], "parameter width is missing: declare it as width: TYPE = VALUE"),
        ([CELL.replace("width: float", "width")], "parameter width is missing: declare it as width: TYPE = VALUE"),
        ([CELL.replace("float = 1.0", "float")], "parameter width is missing: declare it as width: TYPE = VALUE"),
        ([], "run the notebook's first cell, which declares its parameters, before this one"),
        (["x: int = 3"], "run the notebook's first cell, which declares its parameters, before this one"),
    ],
)
def test_what_is_typed_into_a_live_notebook_is_checked_too(cells, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(*cells)
    assert "\n" not in str(caught.value)


def test_a_cell_that_was_corrected_and_run_again_is_the_one_that_counts():
    wrong = CELL + 'ntworks: list[str] = ["vgg19"]'
    corrected = CELL.replace("1.0", "0.5")
    assert check(wrong, "pass", corrected)["width"] == 0.5
    assert check(wrong, CHECKING, corrected, CHECKING, "x: int = 3", CHECKING)["width"] == 0.5


@pytest.mark.parametrize(
    "cells",
    [
        [CELL, "epochs = 3", CHECKING],
        [CELL, "epochs: int = 3", CHECKING],
        [CELL, "import os", "epochs = 3", CHECKING],
        [f"# Parameters\n{CELL}", "# Parameters\nepochs = 3\n", CHECKING],
        [CELL, CHECKING, "for other in ():\n    more = 1", CELL, "epochs = 3", CHECKING],
    ],
)
def test_a_cell_below_the_first_may_set_parameters(cells):
    assert check(*cells)["epochs"] == 3


def test_papermills_paths_are_nobodys_parameters():
    paths = "PAPERMILL_INPUT_PATH = 'a'\nPAPERMILL_OUTPUT_PATH = 'b'\nPAPERMILL_OUTPUT_DIR_PATH = 'c'"
    assert list(check(CELL, f"# Parameters\n{paths}\n")) == NAMES.split()


def test_lists_truth_values_and_numbers_passed_as_text_are_read_and_written_back():
    """`papermill -p networks '["vgg19"]'` passes text."""
    namespace = notebook(
        CELL + "live: bool = False\n", "# Parameters\nwidth = '1e-3'\nnetworks = '[\"vgg19\"]'\nlive = 'true'\n"
    )
    assert parameters.check(namespace, f"{NAMES} live")["networks"] == namespace["networks"] == ["vgg19"]
    assert namespace["live"] is True
    assert namespace["width"] == 0.001


def test_text_stays_text():
    given = notebook('title: str = "a"', '# Parameters\ntitle = "1"\n')
    assert parameters.check(given, "title")["title"] == "1"


def test_a_value_out_of_range_is_refused_with_the_names():
    with pytest.raises(ValueError, match="unknown profile 'digit': .*did you mean 'digits'"):
        check(CELL, '# Parameters\nprofile = "digit"\n')


def test_numpys_numbers_are_numbers():
    namespace = notebook(CELL) | {"epochs": np.int64(3), "width": np.float32(0.5), "networks": [np.str_("vgg19")]}
    values = parameters.check(namespace, NAMES)
    assert values == {"profile": "digits", "networks": ["vgg19"], "epochs": 3, "width": 0.5}
    assert type(values["epochs"]) is int


@pytest.mark.parametrize(
    "annotation",
    [
        "print('run')",
        "__import__('os').system('touch run')",
        "open('run', 'w')",
        "list[open('run', 'w')]",
        "int | open('run', 'w')",
        "(lambda: open('run', 'w'))()",
        "'int'",
        "Path",
        "dict[str, int]",
    ],
)
def test_an_annotation_is_read_and_never_run(annotation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    types = parameters.declared(f"value: {annotation} = 1")
    with pytest.raises(ValueError, match="is no type of a parameter: declare str, int, float, bool, list"):
        parameters.verify({"value": 1}, types)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("int", 1),
        ("None", None),
        ("int | None", None),
        ("list[int | str]", ["a", 1]),
        ("list[list[float]]", [[1.5], []]),
    ],
)
def test_types_of_parameters(annotation, value):
    assert parameters.verify({"x": value}, parameters.declared(f"x: {annotation} = 1")) == {"x": value}
    with pytest.raises(ValueError, match="parameter x = "):
        parameters.verify({"x": 1j}, parameters.declared(f"x: {annotation} = 1"))


@pytest.mark.parametrize("default", ["open('run', 'w')", "[x for x in (1, 2)]", "1 + y"])
def test_a_default_is_read_and_never_run(default, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="a default in the parameters cell is computed: write it as a plain value"):
        parameters.defaults(f"x: int = {default}")
    assert not list(tmp_path.iterdir())


OWN = {"saved": "", "network": "mine.py:network", "arguments": {"width": 16}, "points": 9, "pairs": []}


@pytest.mark.parametrize("measured", ["said.nc", "training"])
def test_a_folder_of_other_values_is_refused(measured, tmp_path):
    folder = tmp_path / "mine"
    values = OWN | {"saved": str(folder)}
    parameters.keep(values)
    parameters.keep(values | {"points": 7})  # nothing was measured yet
    (folder / measured).touch()
    parameters.keep(values | {"points": 7, "pairs": ["a-b"]})
    for name, other, said in (
        ("points", 9, "points = 7, and 9"),
        ("arguments", {}, "arguments = {'width': 16}, and {}"),
    ):
        with pytest.raises(
            ValueError, match=f"saved = '{folder}': .* {said} is asked for; name another folder, or ask"
        ):
            parameters.keep(values | {"points": 7, name: other})


def test_a_folder_of_which_nothing_was_noted_goes_on(tmp_path):
    (tmp_path / "said.nc").touch()
    parameters.keep(OWN | {"saved": str(tmp_path)})


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "cctn", "", "{x}", "`touch x`"])
def test_a_notebook_is_one_of_its_folder(name):
    with pytest.raises(ValueError, match=r"unknown notebook .*: choose from agreement, cctm, claims, "):
        parameters.notebook(REPOSITORY / "notebooks", name)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 3}', "\xff\xfe"])
def test_what_is_no_notebook_is_named(content, tmp_path):
    (tmp_path / "a.ipynb").write_text(content)
    with pytest.raises(ValueError, match=r"a.ipynb is not a notebook|a.ipynb has no cell tagged"):
        parameters.of_notebook(tmp_path / "a.ipynb")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_names_what_it_declares(path):
    declared = parameters.declared(parameters.of_notebook(path))
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert re.search(r'TAKES = \(?\s*"(.*?)"', cells[1])[1].split() == list(declared)
    assert not any(parameters.declared(cell) for cell in cells[1:])


@pytest.mark.parametrize(
    ("line", "said"),
    [("", "{'value': 3}"), ("valeu: int = 4", "unknown parameter 'valeu': choose from value; did you")],
)
def test_a_notebook_saved_as_a_script_is_checked_too(line, said, tmp_path):
    script = tmp_path / "scrípt.py"  # as `jupyter nbconvert --to script` writes it
    script.write_text(
        f"# coding: utf-8\n\n# In[ ]:\n\n\nvalue: int = 3\n{line}\n\n# In[ ]:\n\n\n"
        "from reproduction import parameters\n\nTAKES = 'value'\nprint(parameters.check(globals(), TAKES))\n\n"
        "# In[ ]:\n\n\nother: int = 4\nprint('猫'.encode())\n",
        encoding="utf-8",
    )
    spoken = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env=os.environ | spoken
    )
    assert said in done.stdout + done.stderr
    assert (done.returncode == 0) == (line == "")

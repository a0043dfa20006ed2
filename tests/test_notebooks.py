"""Each notebook executes whole with tiny parameters and any data, and refuses wrong ones before it computes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import papermill
import pytest
import torch
from myst_nb.core.variables import format_plain_text
from PIL import Image
from test_names import Elements

from ciutils import measure, models, show
from reproduction import chapters, parameters
from reproduction.results import REPOSITORY, Results

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
READING = [
    path.stem
    for path in NOTEBOOKS
    if parameters.defaults(parameters.of_notebook(path)).get("profile") not in ("digits", None)
]
"""Notebooks that only read what is published: at the size of digits, the others' default, nothing is."""

SMALL = {"profile": "digits", "network": "resnet18", "networks": ["resnet18"], "epochs": 2, "width": 0.02}
SMALL |= {"points": 3, "images": 100}
TAKEN = {path.stem: parameters.declared(parameters.of_notebook(path)) for path in NOTEBOOKS}
TINY = {
    name: {} if name in READING else {each: SMALL[each] for each in SMALL if each in taken}
    for name, taken in TAKEN.items()
}
"""Parameters with which a notebook takes seconds: those of SMALL that it takes."""
TINY |= {name: TINY[name] | {"networks": ["resnet18", "vgg19"]} for name in ("agreement", "cctm", "images")}
TINY["dancers"]["other"] = "vgg19"
TINY["elsewhere"] |= {"networks": ["resnet18", "vgg19"], "dataset": "digits"}
TINY["sharpness"]["setups"] = ["big-lr", "anneal-lr"]
TINY["sharing"] |= {"pairs": ["3-8"], "updates": 2, "repeats": 1}
TINY["doses"] |= {"rates": [0.2], "early": [1]}
TINY["your_network"] |= {"arguments": {"width": 0.02}}

OWN = ["your_network"]
"""Notebooks of no profile, which keep nothing in the store: what they measure is the reader's."""

PHONE, SMALLEST = 358, 9
"""Pixels: the width of a page on a phone, and the height of the smallest text there."""

OURS = {"table", "thead", "tbody", "tr", "th", "td", "caption", "p", "small", "span", "b", "div", "details", "summary"}
OURS |= {"figure", "figcaption", "img", "style", "svg", "rect", "i"}
"""Elements that figures and tables are made of."""

by_name = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def _inline_figures(monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)


def execute(notebook, tmp_path, parameters):
    return papermill.execute_notebook(
        notebook, tmp_path / "out.ipynb", parameters, progress_bar=False, log_output=False, cwd=tmp_path
    )


def begin(name, given, change=lambda cells: None):
    """Execute a notebook's cells in this process, with parameters as papermill gives them, after somebody's `change`:
    a kernel takes seconds."""
    scope = {"__name__": "__main__", "In": []}
    cells = nbformat.read(REPOSITORY / "notebooks" / f"{name}.ipynb", as_version=4).cells
    change(cells)
    for cell in cells:
        injected = "\n".join(f"{key} = {value!r}" for key, value in given.items())
        sources = [cell.source, injected] if "parameters" in cell.metadata.get("tags", []) else [cell.source]
        for source in sources if cell.cell_type == "code" else ():
            scope["In"].append(source)
            exec(compile(source, name, "exec"), scope)


def texts(output):
    return [output["data"][kind] for kind in ("text/markdown", "text/html") if kind in output.get("data", {})]


def is_played(output):
    """Whether it is a figure that a script draws."""
    return any("<interference-" in text for text in texts(output))


def is_figure(output):
    return any('class="figure"' in text or "class='photos'" in text for text in texts(output)) or is_played(output)


def warned(executed):
    """What an executed notebook says on stderr, but that a network is at the level of half sides already: one of few
    epochs is, and it is to be said."""
    said = [each.text for cell in executed.cells for each in cell.get("outputs", []) if each.get("name") == "stderr"]
    return [each for each in said if not re.search(r"UserWarning: level = \S+: the network's own mistake rate", each)]


def twice(cells):
    """All cells once more, below, but for the one that would set the parameters back to their defaults."""
    again = [cell for cell in cells if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", [])]
    cells += [nbformat.v4.new_code_cell(cell.source) for cell in again]


def artifacts():
    folder = Path(os.environ["CIUTILS_RUNS"])
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.suffix in (".nc", ".safetensors")}


@by_name
def test_it_executes_whole_and_every_figure_says_what_it_shows_and_where_it_comes_from(notebook, tmp_path, caplog):
    """With all that its chapter wants it computes nothing; and some run twice, as readers run a live one's cells."""
    name = notebook.stem
    for want in chapters.wants(name, TINY[name]) if name in chapters.CHAPTERS and name not in READING else ():
        want.get(Results())
    before = artifacts()
    again = name in ("claims", "label_dancing", "sharpness")
    executed = execute(live(notebook, tmp_path, twice) if again else notebook, tmp_path, TINY[name])
    assert artifacts() == before
    assert "unknown parameter" not in caplog.text
    assert any(Path(os.environ["CIUTILS_RUNS"]).glob("*/run.json")) == (notebook.stem not in READING + OWN)
    with_figure = [cell for cell in executed.cells if any(map(is_figure, cell.get("outputs", [])))]
    assert with_figure or notebook.stem == "claims"  # which has tiles and tables
    for cell in with_figure:
        text = "".join("".join(texts(each)) for each in cell.outputs)
        assert ("yours" if notebook.stem in OWN else "commit") in text, cell.source
        assert "<img" not in text or "aria-label" in text or re.search("<img[^>]* alt=.[^'\"]", text), cell.source
        assert not re.search("alt=(\"\"|'')", text), cell.source
        for width, share in re.findall('<img class="figure"[^>]* width="(.*?)"[^>]* data-smallest-text="(.*?)"', text):
            assert min(PHONE, int(width)) * float(share) >= SMALLEST, cell.source
    assert warned(executed) == []


@by_name
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sead": 1}, "unknown parameter 'sead'.*did you mean 'seed'"),
        ({"seed": "one"}, "parameter seed = 'one': give int"),
        ({"profile": "labtop"}, "unknown profile 'labtop'.*did you mean 'laptop'|unknown parameter 'profile'"),
    ],
)
def test_a_wrong_parameter_stops_it_before_anything_is_computed(notebook, wrong, message):
    with pytest.raises(ValueError, match=message):
        begin(notebook.stem, TINY[notebook.stem] | wrong)
    assert not Path(os.environ["CIUTILS_RUNS"]).exists()


def test_papermill_is_told_of_a_wrong_parameter(tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match="unknown parameter 'sead'.*did you mean 'seed'"):
        execute(REPOSITORY / "notebooks" / "cctm.ipynb", tmp_path, TINY["cctm"] | {"sead": 1})
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


MISSPELT = ['datset: str = "folder:/data/x"', 'datset = "folder:/data/x"']
UNKNOWN = "unknown parameter 'datset': choose from (profile|network)"


@by_name
@pytest.mark.parametrize("text", MISSPELT)
def test_a_misspelt_name_stops_it(notebook, text):
    with pytest.raises(ValueError, match=UNKNOWN):
        begin(notebook.stem, TINY[notebook.stem], typed(text))
    assert not Path(os.environ["CIUTILS_RUNS"]).exists()


@pytest.mark.parametrize("text", MISSPELT)
def test_a_name_misspelt_in_a_live_notebook_stops_it(tmp_path, text):
    with pytest.raises(papermill.PapermillExecutionError, match=UNKNOWN):
        execute(live(REPOSITORY / "notebooks" / "cctm.ipynb", tmp_path, typed(text)), tmp_path, TINY["cctm"])
    assert not Path(os.environ["CIUTILS_RUNS"]).exists()


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
        ({"profile": "digits"}, "profile = 'digits': the claims are about cifar10; choose from laptop, long, paper"),
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
    assert {"seed"} | ({"profile"} if notebook.stem not in OWN else set()) <= set(found)
    assert all(each["inferred_type_name"] != "None" for each in found.values())
    assert found.keys() == parameters.declared(parameters.of_notebook(notebook)).keys()


# --- data of any kind

DATA = {
    "two classes": {"shell": (120, 60), "stone": (130, 60)},
    "no errors": {"black": (10, 3), "white": (245, 3)},
    "never mistaken": {"shell": (120, 60), "stone": (130, 60), "white": (250, 1)},
    "markup": {
        "<img src=x onerror=alert(1)>": (120, 60),
        r"$\frac{": (130, 60),
        "_a*b* `c` [x](javascript:0) 猫": (140, 60),
    },
}
"""Brightness of the pixels of each class's images, and its spread."""

slow = pytest.mark.slow
CASES = [
    pytest.param(notebook, kind, marks=[slow] * (notebook in ("sharpness", "classwise_losses") or kind not in fast))
    for notebook, fast in {
        "cctm": ("no errors", "markup"),
        "label_dancing": ("two classes",),
        "classwise_losses": (),
        "sharpness": (),
        "your_network": ("two classes",),
    }.items()
    for kind in DATA
]


def pictures(folder, kinds):
    """A folder of images of 8 x 8 pixels, of the classes `kinds`, as a data set."""
    random = np.random.default_rng(0)
    for part, count in (("train", 80), ("test", 20)):
        for name, (level, spread) in kinds.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                grey = np.clip(random.normal(level, spread, (8, 8)), 0, 255).astype(np.uint8)
                Image.fromarray(np.stack([grey] * 3, -1)).save(folder / part / name / f"{number}.png")
    return f"folder:{folder}"


def kept(executed):
    """What the cells of an executed notebook glued, by name, in its plain form."""
    return {
        each.metadata["scrapbook"]["name"]: "".join(next(iter(each.data.values())))
        for cell in executed.cells
        for each in cell.get("outputs", [])
        if "scrapbook" in each.get("metadata", {})
    }


def prose(executed):
    """The text of an executed notebook as the book shows it."""
    values = kept(executed)

    def shown(role):
        key, _, form = role.group(1).partition(":")
        return format_plain_text(values[key], form or "s")

    cells = "\n".join(cell.source for cell in executed.cells if cell.cell_type == "markdown")
    return re.sub(r"\{glue:text\}`([^`]*)`", shown, cells)


def tables(executed):
    """Everything an executed notebook shows as HTML, but for what a script draws."""
    outputs = [each for cell in executed.cells for each in cell.get("outputs", []) if not is_played(each)]
    return "\n".join("".join(each.get("data", {}).get("text/html", "")) for each in outputs)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_it_executes_with_data_of_any_kind_and_one_network(name, kind, tmp_path):
    one = {"networks": ["resnet18"]} if "networks" in TINY[name] else {"network": "resnet18"}
    given = TINY[name] | one | {"dataset": pictures(tmp_path / "pictures", DATA[kind]), "epochs": 8}
    executed = execute(REPOSITORY / "notebooks" / f"{name}.ipynb", tmp_path, given)
    shown = Elements(tables(executed))
    for text in (prose(executed), shown.text):
        assert not re.search(r"\b(nan|inf|None)\b|NaN", text), re.findall(r".*(?:nan|inf|None|NaN)\b.*", text)
    assert {element for element, *_ in shown.found} <= OURS
    assert all(each.lower() in (prose(executed) + shown.text).lower() for each in DATA[kind])
    assert warned(executed) == []


UNEVEN = """
import torch
from torch.utils.data import TensorDataset

ERRORS = {(0, 1): 5, (1, 0): 4, (2, 0): 3, (3, 0): 20}  # of each ten of a class, but of the last


def images(said):
    return torch.eye(4)[torch.tensor(said)].view(-1, 1, 2, 2)


def pictures():
    cells = [(true, true, 10) for true in range(4)] + [(*cell, count) for cell, count in ERRORS.items()]
    labels, said = zip(*[(true, predicted) for true, predicted, count in cells for _ in range(count)])
    train = [label for label in range(3) for _ in range(200)] + [3]
    return (
        TensorDataset(images(train), torch.tensor(train)),
        TensorDataset(images(said), torch.tensor(labels)),
        ["c", "C", "o o", "rare"],
    )


def network():
    layer = torch.nn.Linear(4, 4)
    torch.nn.init.eye_(layer.weight)
    return torch.nn.Sequential(torch.nn.Flatten(), layer)
"""


def test_names_that_differ_in_case_and_rare_classes_stay_apart(tmp_path, monkeypatch):
    """The pair with the most errors has no image among those for gradients: the planes are of those that do."""
    (tmp_path / "uneven.py").write_text(UNEVEN)
    given = {"dataset": "uneven.py:pictures", "network": "uneven.py:network", "points": 3, "images": 20}
    given["saved"] = str(tmp_path / "kept")
    executed = execute(REPOSITORY / "notebooks" / "your_network.ipynb", tmp_path, given)
    told = kept(executed)
    assert "pair with the most errors is c and rare, with" in told["most"]
    assert told["pairs"] == "'c-C and c-o o'"
    assert told["egos"] == "'3 of 4 classes'"  # the rare one has no gradient
    said = [each for cell in executed.cells for each in cell.get("outputs", []) if each.get("name") == "stdout"]
    assert re.search(
        r"planes: about \d+\.\d minutes in all; less with fewer images", "".join(each.text for each in said)
    )
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".nc", ".json"}
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match="saved = .* holds what was measured with points = 3, and 5 is asked for; name"
    ):
        begin("your_network", given | {"points": 5})
    (tmp_path / "uneven.py").write_text(UNEVEN.replace("eye_", "ones_"))
    with pytest.raises(ValueError, match="holds what was measured with network, sha256 = '[0-9a-f]{16}', and"):
        begin("your_network", given)
    (tmp_path / "uneven.py").write_text(UNEVEN.replace("Flatten()", "Flatten(1)"))
    with pytest.raises(ValueError, match="measured with network's code, sha256 = '[0-9a-f]{16}', and"):
        begin("your_network", given)
    (tmp_path / "uneven.py").write_text(UNEVEN.replace('rare"]', 'few"]'))
    with pytest.raises(ValueError, match="measured with (network's code|images), sha256 = '[0-9a-f]{16}', and"):
        begin("your_network", given)
    assert all(f"<b>{cell}</b>" in tables(executed) for cell in ("rare called c", "c called C", "C called c"))


def test_gradients_of_zero_leave_a_page_without_planes(tmp_path):
    """As a network has that is certain of every training image: the CCTM and the images are worth a page."""
    certain = UNEVEN.replace("torch.nn.Sequential(torch.nn.Flatten(), layer)", "Certain(layer)")
    certain += """
class Certain(torch.nn.Sequential):
    def forward(self, images):
        return 1e4 * super().forward(images.flatten(1).round())
"""
    (tmp_path / "certain.py").write_text(certain)
    given = {"dataset": "certain.py:pictures", "network": "certain.py:network", "points": 3, "images": 20}
    executed = execute(REPOSITORY / "notebooks" / "your_network.ipynb", tmp_path, given)
    told = kept(executed)
    assert "Planes of c, C, o o are left out: their images are given so surely" in told["reach"]
    assert told["pairs"] == "'no pair'"
    assert "unknown" in told["conflict"]
    assert all("unknown, without a plane" in told[name] for name in ("rises_frozen", "rises_recalibrated", "third"))


def test_batch_norm_that_was_frozen_for_good_leaves_a_page_without_recalibrated_planes(tmp_path):
    frozen = UNEVEN.replace("torch.nn.Flatten(), layer", "Frozen(1), torch.nn.Flatten(), layer")
    frozen += """
class Frozen(torch.nn.BatchNorm2d):
    def train(self, mode=True):
        return super().train(False)
"""
    (tmp_path / "frozen.py").write_text(frozen)
    given = {"dataset": "frozen.py:pictures", "network": "frozen.py:network", "points": 3, "images": 20}
    told = kept(execute(REPOSITORY / "notebooks" / "your_network.ipynb", tmp_path, given))
    assert "not measured (bn = " in told["rises_recalibrated"]
    assert "in the plane of" in told["rises_frozen"]


def test_pairs_whose_names_are_the_same_text_stay_apart(tmp_path):
    (tmp_path / "named.py").write_text(UNEVEN.replace('["c", "C", "o o", "rare"]', '["a", "b-c", "a-b", "c"]'))
    given = {"dataset": "named.py:pictures", "network": "named.py:network", "points": 3, "images": 0}
    given |= {"pairs": [["a", "b-c"], ["a-b", "c"]], "saved": str(tmp_path / "kept"), "epochs": 1, "augment": "none"}
    executed = execute(REPOSITORY / "notebooks" / "your_network.ipynb", tmp_path, given)
    assert kept(executed)["pairs"] == "'a and b-c and a-b and c'"
    assert "No pair has a dance score" in kept(executed)["dance"]
    assert len(list((tmp_path / "kept").glob("space-*.nc"))) == 2


@pytest.mark.parametrize("name", sorted(TINY.keys() - set(READING)))
def test_data_of_one_class_is_one_line_before_anything_is_trained(name, tmp_path):
    dataset = pictures(tmp_path / "pictures", {"shell": (120, 60)})
    with pytest.raises(ValueError, match="has one class, 'shell': interference takes two or more"):
        begin(name, TINY[name] | {"dataset": dataset})
    assert not list(Path(os.environ["CIUTILS_RUNS"]).glob("*/*.safetensors"))


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("label_dancing", {"pair": "3-eight"}, "unknown class"),
        ("label_dancing", {"classes": ["ten"]}, "unknown class 'ten'"),
        ("label_dancing", {"counts": "end"}, "unknown counts 'end': choose from running_counts"),
        ("sharpness", {"pairs": ["3-8", "8-8"]}, "has no interference space with itself"),
        ("classwise_losses", {"pairs": ["3-ten"]}, "unknown class"),
        ("your_network", {"pairs": ["3-ten"]}, "unknown class"),
        ("your_network", {"network": "mine.py:net"}, "no file mine.py: give package.module:function"),
        ("your_network", {"points": 4}, "points = 4: give an odd number"),
        ("your_network", {"points": 0}, "points = 0: give a whole number of at least 3"),
        ("your_network", {"level": 0.9}, "level = 0.9: guessing among 10 classes errs at 0.9; give less, or 0"),
        ("your_network", {"logits": "7"}, "logits = 7: the network has one output, .*; leave logits out"),
        ("your_network", {"seed": -1}, "seed = -1: give a whole number of at least 0"),
        ("your_network", {"dataset": "no_such_package:f"}, "no package no_such_package is installed"),
    ],
)
def test_a_wrong_value_is_one_line_before_anything_is_trained(name, wrong, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        begin(name, TINY[name] | wrong)
    assert not list(Path(os.environ["CIUTILS_RUNS"]).glob("*/*.safetensors"))


def test_a_network_with_all_parameters_frozen_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    (tmp_path / "frozen.py").write_text(f"{UNEVEN}\n\ndef frozen():\n    return network().requires_grad_(False)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure, "of_test", None)
    with pytest.raises(ValueError, match="no trainable parameters: set requires_grad"):
        begin("your_network", {"dataset": "frozen.py:pictures", "network": "frozen.py:frozen"})


OF_ONES_OWN = f"""{UNEVEN}

def right():
    train, _, names = pictures()
    return train, torch.utils.data.Subset(train, range(0, 600, 6)), names


def turned():
    model = network()
    model[1].weight.data = model[1].weight.data[[1, 2, 0, 3]]
    return model


def fixed():
    model = torch.nn.Sequential(*network(), torch.nn.Linear(4, 4))
    model[1].requires_grad_(False)
    return model
"""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"dataset": "own.py:right", "network": "own.py:turned"},
            "Most images of c are called o o, of o o are called C, of C are called c: are the classes, by",
        ),
        ({"dataset": "own.py:right", "network": "own.py:fixed"}, "20 of its parameters require no gradient, so that"),
        ({"dataset": "own.py:right", "network": "own.py:network"}, "No test image is called by a wrong name."),
        (
            {"network": "resnet18", "weights": "w.pt", "arguments": {"width": 0.02}},
            "images' own mean and deviation: if",
        ),
        (
            {"network": "resnet18", "weights": "w.pt", "arguments": {"width": 0.02}, "mean": [0.0], "std": [1.0]},
            "that gets its images otherwise than in its training.",
        ),
    ],
)
def test_what_a_page_of_ones_own_cannot_know_is_said(tmp_path, monkeypatch, given, said):
    (tmp_path / "own.py").write_text(OF_ONES_OWN)
    monkeypatch.chdir(tmp_path)
    torch.save(models.build("resnet18", 10, 1, 0.02, seed=0).state_dict(), "w.pt")
    told = {}
    monkeypatch.setattr(show, "tell", lambda **sentences: told.update(sentences))
    begin("your_network", given, lambda cells: cells.__delitem__(slice(8, None)))
    assert said in told["caution"] + told["most"] + told["takes"]
    assert "images' own mean" not in told["caution"] or not given.get("mean")


def test_claims_are_judged_on_few_networks_and_one_seed(tmp_path):
    """With seed 1 two histories are published, and no plane."""
    executed = execute(
        REPOSITORY / "notebooks" / "claims.ipynb", tmp_path, {"profile": "laptop", "seed": 1, "seeds": [1]}
    )
    assert kept(executed)["spread"] == "'undefined'"
    assert not re.search(r"\bnan\b|NaN", prose(executed) + Elements(tables(executed)).text)


@pytest.mark.parametrize("seed", [0, 1])
def test_machines_counts_each_published_run_once(seed, tmp_path):
    executed = execute(REPOSITORY / "notebooks" / "machines.ipynb", tmp_path, {"seed": seed})
    published = list((REPOSITORY / "results").glob("cifar10-*-w0.25-e30-*"))
    runs = {folder.name.removesuffix("-train_counts=end") for folder in published}  # the same training once more
    assert kept(executed)["runs"] == str(len(runs))
    assert kept(executed)["artifacts"] == str(sum(len(list(folder.glob("*.nc"))) for folder in published))


def test_the_page_on_ones_own_network_names_all_its_parameters():
    page = (REPOSITORY / "book" / "your-network.md").read_text()
    named = [name for row in re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE) for name in re.findall("`(.*?)`", row)]
    assert sorted(named) == sorted(TAKEN["your_network"])

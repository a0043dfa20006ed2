import shutil

import nbformat
import pytest

import imports
from ciutils import code
from reproduction.results import REPOSITORY


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A copy of the packages that can be edited."""
    for name in ("ciutils", "reproduction"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "ciutils")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def digests():
    code.digest.cache_clear()
    chapter = imports.followed("from ciutils import show\nfrom reproduction.results import Results")
    return {
        "weights": code.digest(code.WEIGHTS),
        "measurements": code.digest(code.MEASUREMENTS),
        "chapter": [code.bare(path.read_text()) for path in chapter],
    }


EVERYTHING = {"weights", "measurements", "chapter"}


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("ciutils/models/__init__", EVERYTHING),  # the seeding of weights
        ("ciutils/models/vgg", EVERYTHING),
        ("ciutils/data/sources", EVERYTHING),
        ("ciutils/train/loop", EVERYTHING),
        ("ciutils/counts", EVERYTHING),  # which image counts where in a history
        ("ciutils/classes", EVERYTHING),  # which directions a pair means
        ("ciutils/measure/sigma", {"measurements", "chapter"}),  # the formula of half sides
        ("ciutils/measure/evaluator", {"measurements", "chapter"}),
        ("ciutils/show/spaces", {"chapter"}),
        ("ciutils/analyse/confusion", {"chapter"}),
        ("ciutils/store", {"chapter"}),
        ("reproduction/results", {"chapter"}),
        ("reproduction/claims/cctm", set()),
        ("reproduction/__main__", set()),
    ],
)
def test_what_depends_on_a_module_changes_with_its_code(clone, module, changed):
    before = digests()
    file = clone / f"{module}.py"
    file.write_text(file.read_text() + "\nNEW = 1\n")
    after = digests()
    assert {name for name in before if before[name] != after[name]} == changed


def test_a_new_file_in_a_room_is_seen(clone):
    before = digests()
    (clone / "ciutils" / "train" / "other.py").write_text("NEW = 1\n")
    assert digests()["weights"] != before["weights"]


def test_comments_docstrings_and_layout_change_nothing(clone):
    before = digests()
    for file in (clone / "ciutils").rglob("*.py"):
        text = file.read_text()
        docstring = '"""Something else.'
        file.write_text(f"# another comment\n\n{text.replace(text[: text.index('.') + 1], docstring, 1)}\n\n")
    assert digests() == before


@pytest.mark.parametrize(
    "source",
    [
        "import reproduction.paper, ciutils.checks as other\nimport numpy",
        "%load_ext x\nfrom reproduction import paper\nif True:\n    from ciutils.checks import one_of",
    ],
)
def test_whatever_the_form_of_an_import_it_is_followed(clone, source):
    cells = [source, "%%bash\nfrom ciutils import files; ls -l", "from ciutils import ("]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    nbformat.write(notebook, clone / "a.ipynb")
    before = imports.digest(clone / "a.ipynb")
    (clone / "ciutils" / "files.py").write_text("NEW = 1\n")
    assert imports.digest(clone / "a.ipynb") == before
    (clone / "ciutils" / "checks.py").write_text("NEW = 1\n")
    assert imports.digest(clone / "a.ipynb") != before
    before = imports.digest(clone / "a.ipynb")
    (clone / "reproduction" / "paper.py").write_text("NEW = 1\n")
    assert imports.digest(clone / "a.ipynb") != before


def test_a_notebook_depends_on_what_its_cells_import(clone):
    source = "from reproduction import paper\nfrom ciutils.checks import one_of\nimport numpy"
    found = {str(path) for path in imports.followed(source)}
    expected = {"ciutils/__init__.py", "ciutils/checks.py", "reproduction/__init__.py", "reproduction/paper.py"}
    assert found == expected

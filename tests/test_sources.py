import shutil

import nbformat
import pytest

from ciutils import experiments, sources


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that can be edited."""
    copy = tmp_path / "ciutils"
    shutil.copytree(sources.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sources, "PACKAGE", copy)
    yield copy
    sources.of_artifact.cache_clear()


def digests():
    sources.of_artifact.cache_clear()
    of = {"training": sources.TRAINING, "measuring": sources.MEASURING}
    found = {name: sources.of_artifact(roots) for name, roots in of.items()}
    chapter = experiments.REPOSITORY / "notebooks" / "cctm.ipynb"
    return found | {"chapter": sources.digest(sources.of_notebook(chapter))}


ALL = {"training", "measuring", "chapter"}


@pytest.mark.parametrize(
    ("module", "old", "new", "changed"),
    [
        ("training", "momentum: float = 0.9", "momentum: float = 0.8", ALL),
        ("training", "// 8\n", "// 4\n", ALL),
        ("models/vgg", "nn.MaxPool2d(2", "nn.AvgPool2d(2", ALL),
        ("models/layers", "bias: bool = False", "bias: bool = True", ALL),
        ("datasets", "/ 255", "/ 256", ALL),
        ("evaluation", "cross_entropy", "nll_loss", {"measuring", "chapter"}),
        ("interference", "1e-3 * directions", "1e-4 * directions", {"measuring", "chapter"}),
        ("interference", "def flat_area", "def flatter_area", {"chapter"}),
        ("confusion", "def symmetry", "def symmetries", {"chapter"}),
        ("figures", "magma_r", "viridis", {"chapter"}),
        ("experiments", "epochs=12", "epochs=13", {"chapter"}),
        ("storage", "complevel", "level", {"chapter"}),
        ("__main__", "verify", "verified", set()),
    ],
)
def test_what_depends_on_code_changes_with_it(package, module, old, new, changed):
    before = digests()
    file = package / f"{module}.py"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    after = digests()
    assert {name for name in before if before[name] != after[name]} == changed


def test_comments_docstrings_and_layout_change_nothing(package):
    before = digests()
    for file in package.rglob("*.py"):
        text = file.read_text()
        docstring = '"""Something else.'
        file.write_text(f"# another comment\n\n{text.replace(text[: text.index('.') + 1], docstring, 1)}\n\n")
    assert digests() == before


def test_a_notebook_depends_on_what_its_cells_import(tmp_path):
    cells = ["%matplotlib inline", "from ciutils import paper\nfrom ciutils.checks import one_of", "import numpy"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(book, tmp_path / "n.ipynb")
    assert sources.of_notebook(tmp_path / "n.ipynb") == ["checks", "paper"]


def test_an_unknown_module_gets_one_line():
    with pytest.raises(ValueError, match="no module 'trainings' in the package"):
        sources.modules("trainings")

import shutil

import pytest

from ciutils import sources


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package that can be edited."""
    copy = tmp_path / "ciutils"
    shutil.copytree(sources.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sources, "PACKAGE", copy)
    return copy


def digests():
    of = {"training": sources.TRAINING, "measuring": sources.MEASURING}
    found = {name: sources.digest(set(sources.modules(*roots)) - sources.BOOKKEEPING) for name, roots in of.items()}
    return found | {"chapter": sources.digest(sources.of_cells(["from ciutils import experiments, figures"]))}


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("training", {"training", "measuring", "chapter"}),
        ("models/vgg", {"training", "measuring", "chapter"}),
        ("evaluation", {"measuring", "chapter"}),
        ("figures", {"chapter"}),
        ("experiments", {"chapter"}),
        ("storage", {"chapter"}),
        ("__main__", set()),
    ],
)
def test_what_depends_on_a_module_changes_with_its_code(package, module, changed):
    before = digests()
    file = package / f"{module}.py"
    file.write_text(file.read_text() + "\nNEW = 1\n")
    after = digests()
    assert {name for name in before if before[name] != after[name]} == changed


def test_comments_docstrings_and_layout_change_nothing(package):
    before = digests()
    for file in package.rglob("*.py"):
        text = file.read_text()
        docstring = '"""Something else.'
        file.write_text(f"# another comment\n\n{text.replace(text[: text.index('.') + 1], docstring, 1)}\n\n")
    assert digests() == before


def test_a_notebook_depends_on_what_its_cells_import():
    cells = ["%matplotlib inline", "from ciutils import paper\nfrom ciutils.checks import one_of", "import numpy"]
    assert sources.of_cells(cells) == ["checks", "paper"]


def test_an_unknown_module_gets_one_line():
    with pytest.raises(ValueError, match="no module 'trainings' in the package"):
        sources.modules("trainings")

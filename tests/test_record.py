import json
import shutil
import subprocess

import pytest
import torch

from ciutils import artifacts, code, provenance, record


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _git():
    if not shutil.which("git"):
        pytest.skip("needs git")


@pytest.fixture
def unpack(monkeypatch):
    """Put the source into a folder, as from an archive, and let records be taken there."""

    def into(folder):
        for name in ("ciutils/record.py", "reproduction/runs.py", "notebooks/cctm.ipynb", "book/index.md"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)
        monkeypatch.setattr(code, "PACKAGE", folder / "ciutils")

    return into


@pytest.fixture
def other(tmp_path):
    """A clone of something else, with a commit."""
    folder = tmp_path / "other"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "README").write_text("something else")
    git(folder, "add", "README")
    git(folder, "commit", "-qm", "Something else")
    return folder


@pytest.fixture
def clone(tmp_path, unpack):
    folder = tmp_path / "clone"
    unpack(folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "All")
    return folder


def test_an_archive_without_git_is_of_an_unknown_commit(tmp_path, unpack):
    unpack(tmp_path / "archive")
    assert record._git_state() == ("unknown", False)


@pytest.mark.parametrize(("place", "tracked"), [(".", False), (".", True), ("below", False), ("below", True)])
def test_an_archive_inside_a_clone_of_something_else_is_of_an_unknown_commit(other, unpack, place, tracked):
    unpack(other / place)
    if tracked:
        git(other, "add", ".")
        git(other, "commit", "-qm", "With a copy of ours")
    assert record._git_state() == ("unknown", False)


def test_a_hook_of_another_repository_does_not_lend_its_commit(clone, other, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    state = record._git_state()
    monkeypatch.undo()
    assert state == (git(clone, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize(
    ("file", "dirty"),
    [
        ("ciutils/record.py", True),
        ("ciutils/new.py", True),
        ("reproduction/runs.py", True),
        ("notebooks/cctm.ipynb", True),
        ("book/index.md", False),
        ("out.ipynb", False),
    ],
)
def test_a_commit_is_with_changes_if_what_shapes_results_differs(clone, file, dirty):
    assert record._git_state() == (git(clone, "rev-parse", "HEAD"), False)
    (clone / file).write_text("changed")
    assert record._git_state() == (git(clone, "rev-parse", "HEAD"), dirty)
    git(clone, "config", "status.showUntrackedFiles", "no")
    assert record._git_state() == (git(clone, "rev-parse", "HEAD"), dirty)


def test_a_shallow_clone_is_of_its_commit(clone, tmp_path, monkeypatch):
    git(clone, "commit", "-q", "--allow-empty", "-m", "More")
    git(tmp_path, "clone", "-q", "--depth", "1", clone.as_uri(), "shallow")
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "shallow" / "ciutils")
    assert record._git_state() == (git(clone, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("suffix", ["safetensors", "json", "txt"])
def test_a_file_without_provenance_is_refused(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    if suffix == "safetensors":
        artifacts.save_tensors({"weights": torch.zeros(2)}, path, {})
    else:
        path.write_text(json.dumps([]))
    with pytest.raises(ValueError, match=f"{path} (carries no provenance|is not an artifact)"):
        provenance.of_file(path)

"""make sets up an installation of the clone's own, and runs nothing that it is given."""

import shutil
import subprocess

import pytest

from reproduction.results import REPOSITORY

HOSTILE = "a b `touch run` $(touch run) $(shell touch run) {x} '; touch run; ' <b> 猫.yaml"


@pytest.fixture
def clone(tmp_path):
    """A folder with what make needs, and an installation of its own."""
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed").write_text(f"{tmp_path.resolve()}\n")
    return tmp_path


def make(folder, *words):
    """What make does or, with --dry-run, would do."""
    done = subprocess.run(["make", "--silent", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_an_installation_stays_where_it_is(clone):
    assert "pip install" not in make(clone, "book", "--dry-run")


def test_the_pdf_is_printed_of_the_book_as_it_is(clone):
    told = make(clone, "pdf", "--dry-run")
    assert 0 < told.index("scripts/drive.py") < told.index("--builder singlehtml") < told.index("--print-to-pdf=")


def test_the_lab_is_a_copy_in_which_changes_stay(clone):
    (clone / "notebooks").mkdir()
    (clone / "notebooks" / "a b.ipynb").write_text("template")
    tools = clone / ".venv" / "bin"
    tools.mkdir()
    for name in ("pip", "jupyter"):
        (tools / name).write_text(f'#!/bin/sh\necho {name} "$@" >> told')
        (tools / name).chmod(0o755)
    make(clone, "lab", "FLAGS=--no-browser")
    assert (clone / "told").read_text().endswith("jupyter lab --notebook-dir=lab --no-browser\n")
    mine = clone / "lab" / "a b.ipynb"
    assert mine.read_text() == "template"
    mine.write_text("mine")
    make(clone, "lab")
    assert (mine.read_text(), (clone / "notebooks" / "a b.ipynb").read_text()) == ("mine", "template")


@pytest.mark.parametrize("name", ["copy", "c o p y", "`touch run`", "кóпия"])
def test_a_copied_clone_makes_its_own_installation(clone, tmp_path_factory, name):
    copy = shutil.copytree(clone, tmp_path_factory.mktemp("elsewhere") / name)
    told = make(copy, "book", "--dry-run")
    assert "python3 -m venv --clear .venv" in told
    assert "pip install" in told
    stamp = subprocess.run(["sh", "-c", "pwd -P"], cwd=copy, capture_output=True, check=True).stdout
    (copy / ".venv" / ".installed").write_bytes(stamp)  # as the last line of the recipe writes it
    assert "pip install" not in make(copy, "book", "--dry-run")
    assert not (copy / "run").exists()


def test_what_make_is_given_is_run_neither_by_make_nor_by_the_shell(clone):
    (clone / "workflow" / "scripts").mkdir(parents=True)
    (clone / "workflow" / "scripts" / "drive.py").write_text("import os, sys; print(sys.argv[1:], os.environ['SWEEP'])")
    told = make(clone, "sweep", f"SWEEP={HOSTILE}", "PROFILE=a b`touch run`$(shell touch run)", "FLAGS=-n `touch run`")
    words = [
        "sweep",
        "--workflow-profile",
        "workflow/profiles/a b`touch run`$(shell touch run)",
        "-n",
        "`touch",
        "run`",
    ]
    assert told == f"{words} {HOSTILE}\n"
    assert not (clone / "run").exists()

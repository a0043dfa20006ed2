"""A small copy of the clone in which a driver can work, with nobody's runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

from reproduction.results import REPOSITORY

PARTS = ("ciutils", "reproduction", "notebooks", "results", "workflow")


def scratch(folder, sweep=None):
    """Make `folder` a copy of what a driver needs; its sweep.yaml declares `sweep`."""
    for name in PARTS:
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if sweep:
        (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    return folder


def toy(folder, *cells):
    """Add a notebook called toy whose cells, after its parameters, are `cells`."""
    parameters = nbformat.v4.new_code_cell("value: int = 0\nname: str = 'a'", metadata={"tags": ["parameters"]})
    made = nbformat.v4.new_notebook(
        cells=[parameters, *map(nbformat.v4.new_code_cell, cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    (folder / "notebooks").mkdir(exist_ok=True)
    nbformat.write(made, folder / "notebooks" / "toy.ipynb")


def environment(folder):
    """Variables with which everything in `folder` uses its own code and runs, and this Python."""
    own = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "CIUTILS_RUNS": str(folder / "runs"),
        # a test's own, as conftest has it, where `folder` may be the repository itself
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(folder / "cache")),
    }
    return os.environ | own | ({"SWEEP": "sweep.yaml"} if (folder / "sweep.yaml").exists() else {})


def command(*words, profile="local"):
    """The driver's command line."""
    return [sys.executable, "-m", "snakemake", *words, "--workflow-profile", f"workflow/profiles/{profile}"]


def drive(folder, *words, profile="local"):
    """Run the driver to its end: its return code, and in stdout what it said."""
    return subprocess.run(
        command(*words, profile=profile),
        cwd=folder,
        env=environment(folder),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=3600,  # a queue that holds a job back would hold the test for ever
    )

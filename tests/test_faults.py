"""A short version of tests/faults.py, which kills a whole workflow many times."""

import subprocess
import sys

import faults
from scratch import drive, scratch, toy

from reproduction.results import REPOSITORY

QUICK = {
    "profile": "digits",
    "notebooks": [{"notebook": "label_dancing", "parameters": {"network": "resnet18", "epochs": 2, "width": 0.02}}],
}


def test_a_killed_group_and_its_stale_locks_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "SWEEP", QUICK)
    monkeypatch.setattr(faults, "AS_JOBS", ("sweep",))
    undisturbed = scratch(tmp_path / "undisturbed", QUICK)
    assert drive(undisturbed, "sweep").returncode == 0
    expected = faults.contents(undisturbed)
    assert {name.rpartition("/")[2] for name in expected} == {"history.nc", "weights.safetensors", "table.csv"}
    assert faults.judged(tmp_path / "killed", expected, faults.stale_locks).faults == []


def test_the_second_of_two_drivers_says_so_and_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "AS_JOBS", ("sweep",))
    folder = scratch(tmp_path / "clone", {"notebooks": [{"notebook": "toy"}]})
    toy(folder, "import time; time.sleep(8)")
    assert faults.two_drivers(folder).faults == []


def test_a_lock_is_held_by_what_was_started_even_if_its_parent_is_killed(tmp_path):
    lock, free = tmp_path / "lock", tmp_path / "free"
    locked = [sys.executable, REPOSITORY / "workflow" / "scripts" / "locked.py", lock]
    script = f"(while [ ! -e {free} ]; do sleep 0.1; done; echo first >> {tmp_path}/order) & echo started; wait"
    with subprocess.Popen([*locked, "bash", "-c", script], stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"started\n"
        first.kill()
    second = subprocess.Popen(
        [*locked, "bash", "-c", f"echo second >> {tmp_path}/order"], stderr=subprocess.PIPE, text=True
    )
    with second:
        assert "waiting for the process that holds" in second.stderr.readline()
        free.touch()
    assert (tmp_path / "order").read_text() == "first\nsecond\n"

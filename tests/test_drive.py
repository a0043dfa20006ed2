"""What the quiet driver tells of Snakemake's output."""

import os
import signal
import subprocess
import sys

import pytest

import drive

OUTPUT = """Building DAG of jobs...
Job stats:
job        count
-------  -------
chapter        1
total          3

[Wed Nov 25 22:41:35 2026]
localrule estimates:
    input: workflow/scripts/estimates.py
    output: book/chapters/estimates.md, book/chapters/more.md
    jobid: 2
    reason: Missing output files: book/chapters/estimates.md
[Wed Nov 25 22:41:36 2026]
Finished jobid: 2 (Rule: estimates)
1 of 3 steps (33%) done
[Wed Nov 25 22:41:36 2026]
rule chapter:
    input: notebooks/cctm.ipynb
    output: book/chapters/cctm-digits.ipynb
    jobid: 1
    wildcards: name=cctm-digits
[Wed Nov 25 22:41:37 2026]
Error in rule chapter:
    jobid: 1
    message: None
ValueError: the value, what is allowed, what to do
[Wed Nov 25 22:41:38 2026]
Shutting down, this might take some time.
"""


def test_a_line_for_each_step_and_errors_in_full():
    told = list(drive.told(iter(OUTPUT.splitlines())))
    assert told[0] == "begin  estimates book/chapters/estimates.md"
    assert told[1].startswith("end    estimates book/chapters/estimates.md, 1 of 3, ")
    assert told[2].startswith("begin  chapter")
    assert told[3:] == [
        "Error in rule chapter:",
        "    jobid: 1",
        "    message: None",
        "ValueError: the value, what is allowed, what to do",
    ]


def test_a_call_with_nothing_to_do_says_so():
    lines = ["Building DAG of jobs...", "Nothing to be done (all requested files are present and up to date)."]
    assert list(drive.told(iter(lines))) == lines[1:]


def test_runs_without_a_result_are_listed_though_others_went_on():
    lines = ["[Wed Nov 25 22:41:38 2026]", "1 of 6 runs have no result:", "- toy-value=2: ValueError: x; sweeps/logs"]
    assert list(drive.told(iter([*lines, "Complete log(s): a", "Elapsed time: 1"]))) == lines[1:]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_the_driver_stops_snakemake(number, tmp_path):
    program = tmp_path / "snakemake"
    program.write_text(
        "#!/bin/sh\ntrap 'echo ending jobs; exit 7' INT TERM\necho Error in x\nwhile :; do sleep 0.1; done"
    )
    program.chmod(0o755)
    driver = subprocess.Popen(
        [sys.executable, drive.__file__],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with driver:
        assert driver.stdout.readline() == "Error in x\n"
        # A terminal's interrupt goes to all of a group; a batch system's or make's request to end, to its child.
        (os.killpg if number == signal.SIGINT else os.kill)(driver.pid, number)
        assert "Traceback" not in driver.stdout.read()
    assert driver.returncode == 7
    assert "ending jobs" in (tmp_path / drive.LOG).read_text()

"""What the quiet driver tells of Snakemake's output."""

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
    output: book/chapters/estimates.md
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
    assert told[0].startswith("begin  estimates book/chapters/estimates.md")
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

"""What the driver tells of Snakemake's output, and what its scripts say of what they cannot use."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import yaml
from scratch import environment, scratch, toy

import drive
import estimates
import sweeps
from reproduction.results import REPOSITORY

SCRIPTS = REPOSITORY / "workflow" / "scripts"
HOSTILE = "a b `touch run` $(touch run) $(shell touch run) {x} '; touch run; ' <b> 猫.yaml"

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
cctm-digits, training: 7 of 30, loss 0.3, about 60 s left
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
    assert re.fullmatch(r"end    estimates book/chapters/estimates.md, 1 of 3, \d+ s, about \d+ s left", told[1])
    assert told[2].startswith("begin  chapter")
    assert told[3] == "cctm-digits, training: 7 of 30, loss 0.3, about 60 s left"
    assert told[4:] == [
        "Error in rule chapter:",
        "    jobid: 1",
        "    message: None",
        "ValueError: the value, what is allowed, what to do",
    ]


DRY = """Building DAG of jobs...
Job stats:
job          count
---------  -------
sweep_run        2

[Wed Nov 25 22:41:36 2026]
rule sweep_run:
    input: notebooks/toy.ipynb
    output: sweeps/mine/toy-value=1.ipynb
    jobid: 1
    reason: Missing output files: sweeps/mine/toy-value=1.ipynb
    wildcards: sweep=mine, run=toy-value=1
    resources: tmpdir=<TBD>

[Wed Nov 25 22:41:36 2026]
localrule collect:
    output: sweeps/mine/table.csv, book/chapters/sweep-mine.md
    jobid: 2
    reason: Missing output files: sweeps/mine/table.csv; Input files updated by another job: sweeps/mine/toy.ipynb

[Wed Nov 25 22:41:36 2026]
localrule sweep:
    input: sweeps/mine/table.csv, sweeps/mine/toy-value=1.ipynb
    jobid: 0
    reason: Input files updated by another job: sweeps/mine/table.csv, sweeps/mine/toy-value=1.ipynb

Reasons:
"""


def test_a_dry_run_is_a_line_for_each_step():
    assert list(drive.planned(iter(DRY.splitlines()))) == [
        "sweep_run toy-value=1: Missing output files: sweeps/mine/toy-value=1.ipynb",
        "collect sweeps/mine/table.csv: Missing output files: sweeps/mine/table.csv",
        "sweep: after other steps",
        "3 steps would be done",
    ]
    nothing = "Nothing to be done (all requested files are present and up to date)."
    assert list(drive.planned(iter(["Building DAG of jobs...", nothing]))) == [nothing]


def test_a_call_with_nothing_to_do_says_so():
    lines = ["Building DAG of jobs...", "Nothing to be done (all requested files are present and up to date)."]
    assert list(drive.told(iter(lines))) == lines[1:]


def test_runs_without_a_result_are_listed_though_others_went_on():
    lines = ["[Wed Nov 25 22:41:38 2026]", "1 of 6 runs have no result:", "- toy-value=2: ValueError: x; sweeps/logs"]
    assert list(drive.told(iter([*lines, "Complete log(s): a", "Elapsed time: 1"]))) == lines[1:]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_the_driver_stops_snakemake(number, tmp_path):
    (tmp_path / "snakemake.py").write_text(
        "import os\nos.execl('/bin/sh', 'sh', '-c', \"trap 'echo ending jobs; exit 7' INT TERM; "
        'echo Error in x; while :; do sleep 0.1; done")'
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, such as tests, ignore it
    driver = subprocess.Popen(
        [sys.executable, drive.__file__],
        cwd=tmp_path,
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


WRONG = [
    (["drive.py", "--no-such-flag"], "error: unrecognized arguments: --no-such-flag"),
    (["sweeps.py"], "error: name the declaration of one sweep"),
    (["sweeps.py", "a", "b"], "error: name the declaration of one sweep"),
    (["sweeps.py", "none.yaml"], "error: no sweep at none.yaml: workflow/sweeps/digits.yaml is an example"),
    (["sweeps.py", "."], "error: . cannot be read as text: "),
    (["estimates.py"], "error: "),
    (["estimates.py", "/dev/null/a.md"], "cannot write /dev/null/a.md: "),
    (["locked.py"], "error: locked.py"),
    (["locked.py", "lock", "no-such-command"], "error: locked.py lock no-such-command: "),
    (["locked.py", "/nowhere/lock", "true"], "error: locked.py /nowhere/lock true: "),
    (["execute.sh"], "error: execute.sh NOTEBOOK LOG OUTPUT PARAMETERS"),
    (["execute.sh", "none.ipynb", "log.ipynb", "out.ipynb", "{}"], "none.ipynb"),
    (["execute.sh", "toy.ipynb", "log.ipynb", "out.ipynb", "{"], "error: "),
    (["execute.sh", "toy.ipynb", "log.ipynb", "out.ipynb", '{"value": 1}'], "error: ValueError: 1 is wrong; log.ipynb"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_a_script_says_in_one_line_what_it_cannot_use(words, message, tmp_path):
    toy(tmp_path, "raise ValueError(f'{value} is wrong')")
    shutil.move(tmp_path / "notebooks" / "toy.ipynb", tmp_path)
    shell = ["bash"] if words[0].endswith(".sh") else [sys.executable]
    done = subprocess.run(
        [*shell, SCRIPTS / words[0], *words[1:]],
        cwd=tmp_path,
        env=environment(REPOSITORY),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "out.ipynb").exists()


def test_how_far_a_notebook_is_is_told_while_it_runs(tmp_path):
    cells = [
        "from ciutils import progress",
        "progress._SECONDS_BETWEEN_LINES = 0",
        "counted = progress.Progress(3, 'x')",
    ]
    search = "progress.Progress(None, 'search').step('note')"
    toy(tmp_path, *cells, "for _ in range(3):\n    counted.step('note')", search)
    variables = environment(tmp_path) | {"PYTHONPATH": str(REPOSITORY)}
    words = ["bash", SCRIPTS / "execute.sh", "notebooks/toy.ipynb", "log.ipynb", "run-a.ipynb", "{}"]
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [f"run-a, x: {k} of 3, note, about 0 s left" for k in (1, 2, 3)] + ["run-a, search: 1 done, note"]
    assert done.stdout.splitlines() == told
    assert all(map(drive.PROGRESS.match, told))


def test_estimates_and_tables_are_written_whole_or_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks" / "results" / "training-a.json").write_text("{}")
    assert estimates.main(["a.md"]) == 2
    assert "images a second, median" in capsys.readouterr().err
    assert not (tmp_path / "a.md").exists()


SWEPT = [
    (
        {"notebook": "sharpness", "product": {"pairs": [["3-5"], ["3-dgo"]]}},
        "sweep.yaml: .*: unknown class 'dgo': choose from",
    ),
    ({"notebook": "sharpness", "runs": [{"points": 4}]}, "sweep.yaml: .*points=4: points = 4: give an odd number"),
    (
        {"notebook": "label_dancing", "product": {"network": ["vgg19", 3]}},
        "sweep.yaml: parameter network = 3: give str",
    ),
    ({"notebook": "label_dancing", "product": {"dataset": ["folder:/nowhere"]}}, "sweep.yaml: .*: no folder /nowhere"),
    (
        {"notebook": "cctm", "product": {"seed": []}},
        "sweep.yaml: notebooks.0.product.seed: List should have at least 1",
    ),
]


@pytest.mark.parametrize(("part", "message"), SWEPT)
def test_a_wrong_sweep_is_refused_before_its_first_run(part, message, tmp_path):
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump({"profile": "digits", "notebooks": [part]}))
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        sweeps.check(sweeps.read(tmp_path / "sweep.yaml", REPOSITORY / "notebooks").runs, "sweep.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "message", "flags"),
    [
        (*SWEPT[0], []),
        (*SWEPT[0], ["--dry-run"]),
        (*SWEPT[0][:1], "shards = 'many': give a", ["--config", "shards=many"]),
    ],
)
def test_the_driver_says_what_is_wrong_with_a_sweep_in_one_line(part, message, flags, tmp_path):
    folder = scratch(tmp_path / "clone", {"profile": "digits", "notebooks": [part]})
    words = ["workflow/scripts/drive.py", "sweep", "--workflow-profile", "workflow/profiles/local", *flags]
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    *before, told = done.stderr.splitlines()
    assert told.startswith("error: ")
    assert re.search(message, told)
    assert before == []
    assert not (folder / "sweeps").exists()
    assert not (folder / "runs").exists()


def test_chapters_of_any_kind_are_refused_or_read(tmp_path):
    toy(tmp_path, "1")
    found = sweeps.chapters({"toy-b": {"value": 1}, "toy": {}}, tmp_path / "notebooks")
    assert {name: run.parameters for name, run in found.items()} == {"toy-b": {"value": 1}, "toy": {}}
    assert {run.notebook.stem for run in found.values()} == {"toy"}
    for name, each in (("toy b", {}), ("{x}", {}), ("toy-a", [1]), ("toy-a", None)):
        with pytest.raises(ValueError, match=r"workflow/chapters.yaml: .*: call it NOTEBOOK-DATA, plainly, and give"):
            sweeps.chapters({name: each}, tmp_path / "notebooks")
    with pytest.raises(ValueError, match="unknown notebook 'tyo'.*did you mean 'toy'"):
        sweeps.chapters({"tyo-b": {}}, tmp_path / "notebooks")


@pytest.mark.parametrize("spoken", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_names_of_any_kind_are_driven_and_run_by_nobody(tmp_path, spoken):
    """A clone, a declaration, values, what is glued and what fails: none of it is run, and all of it is told."""
    folder = scratch(tmp_path / "clône `touch run` {q}")
    values = ["`touch run`", "$(touch run)", "'; touch run; '", "{x}", "猫", "a b"]
    declared = {"notebooks": [{"notebook": "toy", "product": {"name": values}}]}
    (folder / HOSTILE).write_text(yaml.safe_dump(declared, allow_unicode=True), encoding="utf-8")
    toy(folder, "from myst_nb import glue\nglue('x', name, display=False)\nassert name != 'a b', '`touch run` 猫'")
    words = ["workflow/scripts/drive.py", "sweep", "--workflow-profile", "workflow/profiles/local"]
    names = environment(folder) | spoken | {"SWEEP": HOSTILE}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=names, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert "1 of 6 runs have no result:\n" in done.stderr.decode(errors="replace")
    (table,) = folder.glob("sweeps/*/table.csv")
    rows = sweeps.pd.read_csv(table).set_index("name")
    assert rows["glued.x"].dropna().to_dict() == {each: each for each in values[:-1]}
    assert not [path for path in tmp_path.rglob("run") if path.is_file()]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_clone_that_cannot_be_written_to_is_named(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", tmp_path], check=True)
    try:
        done = subprocess.run(
            [sys.executable, SCRIPTS / "drive.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: cannot write {tmp_path}/.snakemake/driver.log: Read-only file system; "
        "use a clone that you can write to\n"
    )

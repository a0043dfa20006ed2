"""A sweep: its declaration -> executed notebooks, named by their parameters -> one table and one page of the book."""

SWEEP_RUNS = {run.name: run for run in SWEEP.runs} if SWEEP else {}
SWEEP_NOTEBOOKS = [sweeps.executed(SWEEP, run) for run in SWEEP_RUNS.values()]
SWEEP_PAGES = sweeps.pages(SWEEP) if SWEEP else []


rule sweep:
    localrule: True
    input:
        SWEEP_PAGES,
        SWEEP_NOTEBOOKS,
        [heavy(sweeps.key(SWEEP, run)) for run in SWEEP_RUNS.values()],


rule sweep_run:
    input:
        lambda job: heavy(sweeps.key(SWEEP, SWEEP_RUNS[job.run])),
        notebook=lambda job: SWEEP_RUNS[job.run].notebook,
    output:
        "sweeps/{sweep}/{run}.ipynb",
    params:
        given=lambda job: json.dumps(SWEEP_RUNS[job.run].parameters),
        code=lambda job: imports.digest(SWEEP_RUNS[job.run].notebook),
        data=lambda job: sweeps.data(SWEEP_RUNS[job.run].parameters),
    log:
        notebook="sweeps/{sweep}/logs/{run}.ipynb",
    threads: SWEEP.threads if SWEEP else 1
    resources:
        gpu=GPU if not SHARDS else 0, mem_mb=8000, runtime=480,
    shell:
        EXECUTE


rule collect:
    localrule: True
    input:
        SWEEP_NOTEBOOKS,
    output:
        SWEEP_PAGES,
    params:
        sweep=lambda _: str(SWEEP),
    shell:
        'python workflow/scripts/sweeps.py "$SWEEP"'


onerror:
    if SWEEP:
        print(sweeps.collect(SWEEP), file=sys.stderr)

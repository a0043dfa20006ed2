"""The heavy steps of chapters and sweeps as jobs of their own: train -> ego -> sigma -> shards -> spaces -> notebook.

Each job leaves a stamp in runs/.jobs: a list of the files it made. Snakemake may remove stamps; it never sees the
artifacts themselves, so that nothing finished is lost when a job is called again.
"""

JOBS = RUNS / ".jobs"
EXECUTE = (
    "python workflow/locked.py {log.notebook}.lock"
    " bash workflow/execute.sh {input.notebook} {log.notebook} {output} {params.given:q}"
)

PLANNED = Path(".snakemake/planned.json")


def planned():
    """For each notebook that has a plan: whether it has planes, and its unpublished runs' settings by their names."""
    from ciutils import plans

    found = {}
    for name, target in TARGETS.items():
        plan = plans.plan(target.notebook, target.parameters)
        if plan:
            ours = [run for run in plan.runs.values() if not (run.published / run.name).exists()]
            profile = parameters.defaults(parameters.of_notebook(target.notebook)) | target.parameters
            found[name] = {"planes": plan.planes is not None, "runs": {
                run.name: {"profile": profile["profile"], "network": run.network, "setup": run.setup,
                           "dataset": run.dataset, "epochs": run.epochs, "width": run.width, "seed": run.seed}
                for run in ours
            }}
    return found


if not SHARDS:
    PLANS = {}
elif workflow.is_main_process:
    PLANS = planned()
    if not workflow.dryrun:
        PLANNED.write_text(json.dumps(PLANS))
else:  # a job on another machine reads what its driver found, and need not load torch to be told
    PLANS = json.loads(PLANNED.read_text())

RUN_SETTINGS = {name: run for plan in PLANS.values() for name, run in plan["runs"].items()}


def stamps_of(name, step):
    return [f"{JOBS}/{step}/{run}.json" for run in PLANS[name]["runs"]]


def heavy(name):
    """The stamps that a notebook waits for."""
    if name not in PLANS:
        return []
    return stamps_of(name, f"spaces/{name}" if PLANS[name]["planes"] else "train")


def heavy_files(name):
    """All stamps below a notebook."""
    if not heavy(name) or not PLANS[name]["planes"]:
        return heavy(name)
    return [*stamps_of(name, "train"), *stamps_of(name, "ego"), f"{JOBS}/sigma/{name}.json", *heavy(name)]


def options(job):
    return shlex.join(f"--{name}={value}" for name, value in RUN_SETTINGS[job.run].items())


def of_chapter(job):
    run = RUN_SETTINGS[job.run]
    return f"{TARGETS[job.target].notebook} --network {run['network']} --setup {run['setup']}"


def given(job):
    return json.dumps(TARGETS[job.target].parameters)


def data_of(job):
    return sweeps.data(RUN_SETTINGS[job.run])


rule train:
    output:
        f"{JOBS}/train/{{run}}.json",
    params:
        options=options,
        code=sources.of_artifact(sources.TRAINING),
        data=data_of,
    threads: THREADS
    resources:
        gpu=GPU, mem_mb=8000, runtime=480,
    shell:
        "python -m ciutils train {params.options} --done {output}"


rule ego:
    input:
        ancient(f"{JOBS}/train/{{run}}.json"),
    output:
        f"{JOBS}/ego/{{run}}.json",
    params:
        options=options,
        code=sources.of_artifact(sources.MEASURING),
        data=data_of,
    threads: THREADS
    resources:
        gpu=GPU, mem_mb=16000, runtime=60,
    shell:
        "python -m ciutils ego {params.options} --done {output}"


rule sigma:
    input:
        lambda job: ancient(stamps_of(job.target, "train") + stamps_of(job.target, "ego")),
    output:
        f"{JOBS}/sigma/{{target}}.json",
    params:
        given=given,
        notebook=lambda job: TARGETS[job.target].notebook,
        code=sources.of_artifact(sources.MEASURING),
    threads: THREADS
    resources:
        gpu=GPU, mem_mb=16000, runtime=60,
    shell:
        "python -m ciutils sigma {params.notebook} --parameters {params.given:q} --done {output}"


rule shard:
    input:
        ancient(f"{JOBS}/sigma/{{target}}.json"),
    output:
        # Not temp(): after a kill Snakemake would make these again, stop there and report success.
        f"{JOBS}/shards/{{target}}/{{run}}/{{shard}}.json",
    params:
        given=given,
        run=of_chapter,
        shards=SHARDS,
        code=sources.of_artifact(sources.MEASURING),
    threads: THREADS
    resources:
        gpu=GPU, mem_mb=16000, runtime=240,
    shell:
        "python -m ciutils spaces {params.run} --parameters {params.given:q}"
        " --shard {wildcards.shard} {params.shards} --done {output}"


rule spaces:
    input:
        ancient(expand(f"{JOBS}/shards/{{{{target}}}}/{{{{run}}}}/{{shard}}.json", shard=range(SHARDS))),
    output:
        f"{JOBS}/spaces/{{target}}/{{run}}.json",
    params:
        given=given,
        run=of_chapter,
        shards=SHARDS,
        code=sources.of_artifact(sources.MEASURING),
    threads: THREADS
    resources:
        mem_mb=16000, runtime=60,
    shell:
        "python -m ciutils spaces {params.run} --parameters {params.given:q} --gather {params.shards} --done {output}"

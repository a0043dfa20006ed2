"""The heavy steps of chapters and sweeps as jobs of their own: train -> ego -> sigma -> shards -> spaces -> notebook.

Each job leaves a stamp in runs/.jobs: a list of the files it made. Snakemake may remove stamps; it never sees the
artifacts themselves, so that nothing finished is lost when a job is called again.
"""

JOBS = RUNS / ".jobs"
EXECUTE = (
    "python workflow/locked.py {log.notebook}.lock"
    " bash workflow/execute.sh {input.notebook} {log.notebook} {output} {params.given:q}"
)

if SHARDS:
    from ciutils import plans

    PLANS = {name: plans.plan(target.notebook, target.parameters) for name, target in TARGETS.items()}
else:
    PLANS = {}


def unpublished(plan):
    return [run for run in plan.runs.values() if not (run.published / run.name).exists()]


def heavy(name):
    """The stamps that a notebook waits for."""
    plan = PLANS.get(name)
    if plan is None:
        return {}
    if plan.planes is None:
        return {"trained": [f"{JOBS}/train/{run.name}.json" for run in unpublished(plan)]}
    return {"spaces": [f"{JOBS}/spaces/{name}/{run.name}.json" for run in unpublished(plan)]}


def heavy_files(name):
    """All stamps below a notebook."""
    plan = PLANS.get(name)
    if plan is None:
        return []
    steps = ["train"] if plan.planes is None else ["train", "ego", f"spaces/{name}"]
    found = [f"{JOBS}/{step}/{run.name}.json" for step in steps for run in unpublished(plan)]
    return found + ([f"{JOBS}/sigma/{name}.json"] if plan.planes and found else [])


RUN_OF = {run.name: run for plan in PLANS.values() if plan for run in plan.runs.values()}
OPTIONS_OF = {
    run.name: f"--profile {TARGETS[name].parameters.get('profile', 'digits')} --network {network} --setup {setup}"
    f" --dataset {run.dataset} --epochs {run.epochs} --width {run.width!r} --seed {run.seed}"
    for name, plan in PLANS.items() if plan
    for (network, setup), run in plan.runs.items()
}


def of_chapter(job):
    target, run = TARGETS[job.target], RUN_OF[job.run]
    return f"{target.notebook} --network {run.network} --setup {run.setup}"


def given(job):
    return json.dumps(TARGETS[job.target].parameters)


def all_of(job, folder):
    return [f"{JOBS}/{folder}/{run.name}.json" for run in unpublished(PLANS[job.target])]


rule train:
    output:
        f"{JOBS}/train/{{run}}.json",
    params:
        options=lambda job: OPTIONS_OF[job.run],
        code=sources.of_artifact(sources.TRAINING),
        data=lambda job: sweeps.data({"dataset": RUN_OF[job.run].dataset}),
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
        options=lambda job: OPTIONS_OF[job.run],
        code=sources.of_artifact(sources.MEASURING),
        data=lambda job: sweeps.data({"dataset": RUN_OF[job.run].dataset}),
    threads: THREADS
    resources:
        gpu=GPU, mem_mb=16000, runtime=60,
    shell:
        "python -m ciutils ego {params.options} --done {output}"


rule sigma:
    input:
        lambda job: ancient(all_of(job, "train")),
        lambda job: ancient(all_of(job, "ego")),
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
        temp(f"{JOBS}/shards/{{target}}/{{run}}/{{shard}}.json"),
    params:
        given=given,
        run=of_chapter,
        shards=SHARDS,
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

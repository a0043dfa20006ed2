"""What chapters and sweeps want, made beforehand where jobs are sent to machines: one rule, a job for each artifact.

The driver asks the store what is there. A mark in .snakemake/jobs is an empty file that Snakemake needs to see that a
job is done; it says nothing that the store does not know, and goes whenever the store lacks the artifact.
"""

from ciutils.files import save_json

MARKS = Path(".snakemake/jobs")
PLANNED = Path(".snakemake/planned.json")


def planned():
    """Every job by its name: the chapter and parameters it belongs to, its place in the list of wants, the jobs before
    it. A training and its class gradients are one job for all chapters."""
    from reproduction import chapters, results

    loading = results.Results().loading
    jobs, targets = {}, {}
    for name, target in TARGETS.items():
        wants = chapters.wants(target.notebook.stem, target.parameters)
        named = [f"{want.run.name}/{want.step}" if want.step in chapters.SHARED else f"{name}/{place}-{want.step}"
                 for place, want in enumerate(wants)]
        targets[name] = list(dict.fromkeys(named))
        for place, (want, job) in enumerate(zip(wants, named)):
            if job not in jobs:
                before = [other for other, one in zip(named, wants)
                          if chapters.STEPS.index(one.step) < chapters.STEPS.index(want.step)]
                jobs[job] = {"chapter": target.notebook.stem, "parameters": target.parameters, "want": place,
                             "dataset": want.run.dataset, "before": before,
                             "shards": SHARDS if want.step == "space" else 0}
                if DRIVER.is_locked:  # else a dry run, beside a driver whose marks they are
                    mark(job, jobs[job]["shards"], chapters.have(want, loading))
    return {"jobs": jobs, "targets": targets}


def mark(job, shards, there):
    """Keep the marks of `job` and its shards if its artifact is there; one that another hand has made counts as old."""
    for file in map(Path, [*marks([job]), *shard_marks(job, shards)]):
        if not there:
            file.unlink(missing_ok=True)
        elif not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            os.utime(file, (0, 0))


def marks(jobs):
    return [f"{MARKS}/{job}.done" for job in jobs]


def shard_marks(job, shards):
    return marks(f"{job}.shard-{i}" for i in range(shards))


if not SHARDS:
    PLAN = {"jobs": {}, "targets": {}}
elif workflow.is_main_process:
    PLAN = planned()
    if not workflow.dryrun:
        save_json(PLAN, PLANNED)
else:  # a job on another machine reads what its driver found, and need not load torch to be told
    PLAN = json.loads(PLANNED.read_text(encoding="utf-8"))

JOBS = PLAN["jobs"]


def heavy(target):
    """The marks that a notebook waits for."""
    return marks(PLAN["targets"].get(target, []))


def before(wildcards):
    job = JOBS[wildcards.job]
    return ancient([*marks(job["before"]), *shard_marks(wildcards.job, 0 if wildcards.part else job["shards"])])


def sharing(wildcards):
    shards = JOBS[wildcards.job]["shards"]
    if wildcards.part:
        return f"--shard {wildcards.part.rpartition('-')[2]} {shards}"
    return f"--shards {shards}" if shards else ""


rule make:
    input:
        before,
    output:
        touch(f"{MARKS}/{{job}}{{part}}.done"),
    wildcard_constraints:
        job="|".join(map(re.escape, JOBS)) or "none",
        part=r"(\.shard-\d+)?",
    params:
        chapter=lambda job: JOBS[job.job]["chapter"],
        given=lambda job: json.dumps(JOBS[job.job]["parameters"]),
        want=lambda job: JOBS[job.job]["want"],
        sharing=sharing,
    threads: THREADS
    resources:
        gpu=GPU, mem_mb=16000, runtime=480,
    shell:
        "python -m reproduction make {params.chapter:q} --parameters {params.given:q} --want {params.want}"
        " {params.sharing}"

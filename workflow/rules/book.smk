"""The book: chapters executed, pages around them, built into _build/html."""


rule book:
    localrule: True
    input:
        expand("book/chapters/{chapter}.ipynb", chapter=config["chapters"]),
        SWEEP_PAGES,
        "book/chapters/estimates.md",
        files("book/*.md", "book/*.bib", "book/*.py", "book/*.js", "book/static/*", "ciutils/show/static/*", "ciutils/*/*.py"),
        "_config.yml",
        toc="_toc.yml",
    output:
        "_build/html/index.html",
    params:
        toc=lambda _, input: sweeps.toc(Path(input.toc), config["chapters"], SWEEP),
    threads: THREADS
    shell:
        "rm -rf _build/html && jupyter-book build . --toc {params.toc:q} --all -W -n --keep-going --quiet"


rule estimates:
    localrule: True
    input:
        "workflow/scripts/estimates.py",
        files("benchmarks/results/*.json"),
    output:
        "book/chapters/estimates.md",
    params:
        code=lambda _: imports.digest(Path("workflow/scripts/estimates.py")),
    shell:
        "python workflow/scripts/estimates.py {output:q}"


rule chapter:
    # papermill writes to the log, which Snakemake keeps when the notebook fails; only a whole one becomes a chapter.
    input:
        lambda chapter: heavy(chapter.name),
        notebook=lambda chapter: TARGETS[chapter.name].notebook,
    output:
        "book/chapters/{name}.ipynb",
    params:
        given=lambda chapter: json.dumps(TARGETS[chapter.name].parameters),
        code=lambda chapter: imports.digest(TARGETS[chapter.name].notebook),
        data=lambda chapter: sweeps.data(TARGETS[chapter.name].parameters),
        results=lambda chapter: sweeps.listing("results"),
    log:
        notebook="book/chapters/logs/{name}.ipynb",
    threads: THREADS
    resources:
        gpu=GPU if not SHARDS else 0, mem_mb=8000, runtime=240,
    shell:
        EXECUTE

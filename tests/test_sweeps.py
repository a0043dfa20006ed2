"""Sweeps: what is declared, what is run and when it is run again, what is collected."""

import dataclasses
import os
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from scratch import drive, scratch, toy
from test_notebooks import TINY

import sweeps
import swept
from ciutils import files
from ciutils.store import Store
from reproduction import chapters
from reproduction.results import REPOSITORY, Results


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder with the toy notebook."""
    toy(tmp_path, "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder, declaration):
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(declaration))
    return sweeps.read(file)


# --- declarations


def test_products_lists_and_shared_parameters(folder):
    sweep = read(
        folder,
        {
            "threads": 2,
            "notebooks": [
                {"notebook": "toy", "parameters": {"name": "b"}, "product": {"value": [1, 2]}},
                {"notebook": "toy", "product": {"value": [3]}, "runs": [{"name": "c"}, {"name": "d/e"}]},
            ],
        },
    )
    assert [(run.name, run.parameters) for run in sweep.runs] == [
        ("toy-value=1", {"name": "b", "value": 1}),
        ("toy-value=2", {"name": "b", "value": 2}),
        ("toy-name=c-value=3", {"name": "c", "value": 3}),
        (files.slug("toy-name=d/e-value=3"), {"name": "d/e", "value": 3}),
    ]
    assert (sweep.name, sweep.threads, sweep.chapters) == ("mine", 2, False)


def test_runs_that_are_the_same_however_they_are_written_are_refused(folder):
    file = folder / "mine.yaml"
    file.write_text("profile: digits\nnotebooks: [{notebook: cctm, product: {width: [0.1, 1e-1]}}]")
    with pytest.raises(ValueError, match="cctm-width=0.1 and cctm-width=1e-1 are the same run: take one of them out"):
        sweeps.read(file, REPOSITORY / "notebooks")


def test_the_example_is_two_networks_by_three_setups():
    root = REPOSITORY
    sweep = sweeps.read(root / "workflow" / "sweeps" / "digits.yaml", root / "notebooks")
    assert len({(run.parameters["network"], run.parameters["setup"]) for run in sweep.runs}) == len(sweep.runs) == 6
    assert {run.parameters["profile"] for run in sweep.runs} == {"digits"}


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"notebooks": [{"notebook": "toys"}]}, "unknown notebook 'toys': choose from toy; did you mean 'toy'"),
        ({"notebooks": [{"notebook": "../toy"}]}, "unknown notebook '../toy': choose from toy"),
        ({"notebooks": [{"notebook": "{toy}"}]}, "notebook '{toy}': the driver executes none that has a brace"),
        ({"notebooks": [{"notebook": "toy", "product": {"valeu": [1]}}]}, "unknown .* 'valeu'.*did you mean 'value'"),
        ({"notebooks": [{"notebook": "toy", "product": {"value": ["x"]}}]}, "parameter value = 'x': give int"),
        ({"profile": "digits", "notebooks": [{"notebook": "toy"}]}, "unknown parameter 'profile'"),
        ({"notebooks": [{"notebook": "toy", "product": {"value": 1}}]}, "notebooks.0.product.value: .*list"),
        ({"notebook": [{"notebook": "toy"}]}, "unknown key 'notebook': .*did you mean 'notebooks'"),
        ({"notebooks": [{"notebook": "toy", "prodct": {}}]}, "0: unknown key 'prodct': .*did you mean 'product'"),
        ({"notebooks": []}, "notebooks: .*at least 1"),
        (
            {"notebooks": [{"notebook": "toy", "runs": [{"name": "a"}, {"name": "a"}]}]},
            "two runs are called toy-name=a:",
        ),
        (
            {"notebooks": [{"notebook": "toy", "product": {"value": []}}]},
            "notebooks.0.product.value: .*at least 1 item",
        ),
        ({"notebooks": [{"notebook": "toy", "runs": []}]}, "notebooks.0.runs: .*at least 1 item"),
        (
            {"notebooks": [{"notebook": "toy", "product": {"value": [1]}, "runs": [{"name": "a"}, {"value": 2}]}]},
            "value is given twice: leave it in one of profile, parameters, product and runs",
        ),
        (
            {"notebooks": [{"notebook": "toy", "parameters": {"value": 1}, "product": {"value": [1]}}]},
            "value is given twice",
        ),
        (
            {"profile": "digits", "notebooks": [{"notebook": "toy", "parameters": {"profile": "digits"}}]},
            "profile is given twice",
        ),
        (
            {"notebooks": [{"notebook": "toy", "parameters": {"done": 1}}]},
            "parameter done: the sweep's table has a column",
        ),
        ({"threads": 0, "notebooks": [{"notebook": "toy"}]}, "threads: .*greater than or equal to 1"),
        ([], "mine.yaml: Input should be a valid dictionary$"),
        (None, "mine.yaml: Input should be a valid dictionary$"),
        ({"notebooks": ["toy"]}, "mine.yaml: notebooks.0: Input should be a valid dictionary$"),
    ],
)
def test_a_wrong_declaration_gets_one_line(folder, declaration, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(folder, declaration)
    assert "\n" not in str(caught.value)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "mine.yaml is not YAML"),
        ("notebooks: 1\nnotebooks: 2", "mine.yaml is not YAML: notebooks is given twice"),
        ("notebooks: [{notebook: toy, product: {value: [1], value: [2]}}]", "value is given twice"),
        (
            "a: !!python/object/apply:os.system ['touch run']",
            "mine.yaml is not YAML: could not determine a constructor",
        ),
        ("[" * 10_000, "mine.yaml is not YAML"),
        (b"\xff\xfe\x00", "mine.yaml cannot be read as text"),
    ],
)
def test_what_is_no_declaration_gets_one_line(folder, text, message):
    (folder / "mine.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message) as caught:
        sweeps.read(folder / "mine.yaml")
    assert "\n" not in str(caught.value)
    assert not (folder / "run").exists()


def test_a_notebook_of_the_folder_alone_can_be_swept(folder):
    """An annotation of a notebook elsewhere was run once, at a dry run."""
    (folder / "elsewhere").mkdir()
    toy(folder / "elsewhere", "1")
    with pytest.raises(ValueError, match="unknown notebook 'elsewhere/notebooks/toy': choose from toy"):
        read(folder, {"notebooks": [{"notebook": "elsewhere/notebooks/toy"}]})


def test_a_declaration_in_ones_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    (folder / "mine.yaml").write_text("notebooks: [{notebook: toy}]")
    assert sweeps.read(sweeps.Path("~/mine.yaml")).name == "mine"
    with pytest.raises(ValueError, match="there is no such home folder"):
        sweeps.read(sweeps.Path("~nobody-of-this-name/mine.yaml"))


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "`touch run`",
    "$(touch run)",
    "a b",
    "a  b",
    "'; touch run; '",
    "{x}",
    "{{ 7 * 7 }}",
    "{eval-rst}`x`",
    "$x$",
    "a|b",
    "# a\n\n<script>x</script>",
    "猫",
    "犬",
    "x" * 200,
)


def test_names_of_any_kind_are_plain_and_different(folder):
    sweep = read(folder, {"notebooks": [{"notebook": "toy", "product": {"name": list(HOSTILE)}}]})
    assert len({run.name for run in sweep.runs}) == len(HOSTILE)
    assert all(re.fullmatch(r"[A-Za-z0-9._+=-]{1,115}", run.name) for run in sweep.runs)
    for name in HOSTILE:
        plain = sweeps.Sweep(sweeps.Path(f"{name.replace('/', '')}.yaml"), (), 1, False).name
        assert re.fullmatch(r"[A-Za-z0-9._+=-]{1,115}", plain)


def test_no_text_of_a_sweep_means_anything_on_its_page(folder):
    """As MyST reads the page: under its title blocks of HTML alone, in which each text stands as it was given."""
    sweep = read(folder, {"notebooks": [{"notebook": "toy", "product": {"name": list(HOSTILE), "value": [1, 2]}}]})
    sweep = dataclasses.replace(sweep, file=sweeps.Path("<b>`touch run` {x}.yaml"))
    for run in sweep.runs:
        text = run.parameters["name"]
        if run.parameters["value"] == 1:
            executed(folder / sweeps.executed(sweep, run), glue(text, text))
        else:
            error = nbformat.v4.new_output("error", ename="ValueError", evalue=text, traceback=[])
            executed(folder / sweeps.kept(sweep, run), error)
    sweeps.collect(sweep)
    (page,) = folder.glob("book/chapters/*.md")
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    assert [token.type for token in tokens] == ["heading_open", "inline", "heading_close", *["html_block"] * 3]
    head, lost, table = (BeautifulSoup(token.content, "html.parser") for token in tokens[3:])
    assert "<b>`touch run` {x}.yaml" in head.get_text()
    assert {tag.name for tag in (*head.find_all(), *lost.find_all())} == {"p", "code", "br"}
    assert {tag.name for tag in table.find_all()} == {"table", "thead", "tbody", "tr", "th", "td"}
    cells = [cell.get_text() for cell in table.find_all(["th", "td"])]
    for text in (" ".join(each.split()) for each in HOSTILE):
        assert f"ValueError: {text}; " in lost.get_text()
        assert {text, f"glued.{text}"} <= set(cells)


# --- numbers against parameters


def test_a_mean_over_seeds_has_students_interval():
    """Of 1, 2, 3: 2, and 4.3027 standard errors of 1 / sqrt(3) to either side. A single seed has none."""
    found = swept.over_seeds(pd.Series([1.0, 2.0, 3.0, np.nan]))
    assert found.to_dict() == pytest.approx({"mean": 2, "half": 4.302653 / 3**0.5})
    assert np.isnan(swept.over_seeds(pd.Series([5.0]))["half"])


TABLE = pd.DataFrame(
    [
        {
            "width": width,
            "network": network,
            "seed": seed,
            "glued.a": 10 * width + seed,
            "glued.same": 1,
            "glued.t": "x",
        }
        for width in (1, 2)
        for network in ("one", "$two$")
        for seed in (0, 2)
    ]
)


def test_each_number_is_drawn_against_a_parameter_with_a_line_for_each_of_the_others():
    assert swept.varied(TABLE, ["width", "network", "seed"]) == ["width", "network"]
    assert swept.numbers(TABLE) == ["glued.a"]
    drawn = swept.figure(TABLE, "width", ["network"])
    (ax,) = drawn.axes
    assert (ax.get_xlabel(), ax.get_title()) == ("width", "a")
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"one", r"\$two\$"}
    for line, _, (bars,) in ax.containers:
        np.testing.assert_allclose(line.get_xydata(), [[1, 11], [2, 21]])
        (low, high), _ = (each[:, 1] for each in bars.get_segments())
        np.testing.assert_allclose([low, high], [11 - 12.7062, 11 + 12.7062], rtol=1e-5)  # t of one degree, times 1


def test_the_page_draws_what_the_runs_glued(folder):
    places = [f"folder:/data/{name}" for name in ("кошки и собаки", "猫", "قطط")]
    sweep = read(folder, {"notebooks": [{"notebook": "toy", "product": {"name": places, "value": [1, 2]}}]})
    assert len({run.name for run in sweep.runs}) == 6
    for place, run in enumerate(sweep.runs):
        executed(folder / sweeps.executed(sweep, run), glue("number", place))
    sweeps.collect(sweep)
    (page,) = folder.glob("book/chapters/*.md")
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))[3:]
    assert [token.type for token in tokens] == ["html_block"] * 4
    pictures = [BeautifulSoup(token.content, "html.parser").img for token in tokens[2:]]
    assert [picture["alt"].partition(";")[0] for picture in pictures] == [
        "toy: each number against name",
        "toy: each number against value",
    ]
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in pictures)


def test_a_missing_declaration_names_an_example(folder):
    with pytest.raises(ValueError, match="no sweep at none.yaml: workflow/sweeps/digits.yaml is an example"):
        sweeps.read(sweeps.Path("none.yaml"))


# --- results


def glue(name, value):
    return nbformat.v4.new_output(
        "display_data", {f"{sweeps.GLUED}text/plain": repr(value)}, metadata={"scrapbook": {"name": name}}
    )


def executed(file, *outputs):
    cell = nbformat.v4.new_code_cell("x", outputs=list(outputs))
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), file)


def test_the_table_has_numbers_and_texts_and_says_what_is_missing(folder):
    sweep = read(folder, {"notebooks": [{"notebook": "toy", "product": {"value": [1, 2, 3]}}]})
    done, failed, _ = sweep.runs
    executed(
        folder / sweeps.executed(sweep, done),
        glue("score", 0.25),
        glue("best", "a|b"),
        glue("count", 3),
        glue("p", float("nan")),
        glue("numpy", np.float64(0.5)),
        glue("far", float("-inf")),
        glue("figure", object()),
    )
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="diverged", traceback=[])
    executed(folder / sweeps.kept(sweep, failed), error)
    told = sweeps.collect(sweep)
    assert told.splitlines() == [
        "2 of 3 runs have no result:",
        "- toy-value=2: ValueError: diverged; sweeps/mine/logs/toy-value=2.ipynb",
        "- toy-value=3: not begun",
    ]
    table = pd.read_csv("sweeps/mine/table.csv")
    own = ["run", "notebook", "done", "value"]
    assert list(table.columns) == [*own, *(f"glued.{name}" for name in ("score", "best", "count", "p", "numpy", "far"))]
    assert list(table["done"]) == [True, False, False]
    assert table.loc[0, ["value", "glued.score", "glued.best", "glued.count"]].tolist() == [1, 0.25, "a|b", 3]
    assert table.loc[0, ["glued.numpy", "glued.far"]].tolist() == [0.5, float("-inf")]
    assert table.loc[1:, "glued.score"].isna().all()
    page = BeautifulSoup((folder / "book/chapters/sweep-mine.md").read_text(), "html.parser")
    assert all(line in page.find_all("p")[1].get_text() for line in told.splitlines())
    cells = [cell.get_text() for cell in page.find("tbody").find("tr").find_all("td")]
    assert cells == ["toy-value=1", "1", "0.25", "a|b", "3", "", "0.5", "-inf"]


def test_what_a_notebook_glues_takes_no_parameters_place(folder):
    """sharpness is swept over its tolerance, and glues it as percent under the same name."""
    declared = {"notebooks": [{"notebook": "toy", "product": {"value": [5, 10, 2]}}]}
    sweep = read(folder, declared)
    for run in sweep.runs[:2]:
        executed(folder / sweeps.executed(sweep, run), glue("value", f"{100 * run.parameters['value']}"))
    sweeps.collect(sweep)
    table = pd.read_csv("sweeps/mine/table.csv")
    assert table["value"].tolist() == [5, 10, 2]
    assert table["glued.value"].tolist()[:2] == [500, 1000]


def test_the_page_and_the_chapters_are_in_the_table_of_contents_only_when_asked_for(folder):
    (folder / "_toc.yml").write_text(yaml.safe_dump({"root": "book/index", "parts": [{"caption": "first"}]}))
    toc = sweeps.Path("_toc.yml")
    assert sweeps.toc(toc, [], None) == "_toc.yml"
    sweep = read(folder, {"chapters": True, "notebooks": [{"notebook": "toy"}]})
    executed(folder / sweeps.executed(sweep, sweep.runs[0]))
    assert sweeps.collect(sweep) == ""
    parts = yaml.safe_load(sweeps.Path(sweeps.toc(toc, [], sweep)).read_text())["parts"]
    assert parts[0] == {"caption": "first"}
    entry = parts[1]["chapters"][0]
    assert entry == {"file": "book/chapters/sweep-mine", "sections": [{"file": "book/chapters/sweep-mine-toy"}]}
    assert (folder / "book/chapters/sweep-mine-toy.ipynb").exists()


def test_a_chapter_that_the_table_of_contents_does_not_place_stands_at_its_end(folder):
    (folder / "_toc.yml").write_text("parts:\n- caption: first\n  chapters:\n  - file: book/chapters/a\n")
    parts = yaml.safe_load(sweeps.Path(sweeps.toc(sweeps.Path("_toc.yml"), ["a", "b"], None)).read_text())["parts"]
    assert [each["chapters"] for each in parts] == [[{"file": "book/chapters/a"}], [{"file": "book/chapters/b"}]]


def test_a_folder_of_images_is_other_data_once_a_file_has_changed(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    given = {"dataset": f"folder:{tmp_path}"}
    before = sweeps.data(given)
    assert sweeps.data(given) == before
    (tmp_path / "a.png").write_bytes(b"22")
    assert sweeps.data(given) != before
    assert sweeps.data({"dataset": "digits", "arguments": 300 * "x", "pairs": ["a-b"], "seed": 1}) == "digits"


@pytest.mark.parametrize("given", [{"dataset": "mine.py:pictures"}, {"network": "mine.py:network"}, {"weights": "w"}])
def test_files_that_parameters_name_are_other_data_once_they_have_changed(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py", "w"):
        (tmp_path / name).write_text("1")
    before = sweeps.data(given)
    assert sweeps.data(given) == before
    for name in ("mine.py", "w"):
        (tmp_path / name).write_text("2")
    assert sweeps.data(given) != before


def test_a_notebook_that_is_not_whole_is_found(tmp_path):
    notebook = tmp_path / "n.ipynb"
    assert not sweeps.broken(notebook)
    notebook.write_text('{"cells": []}')
    assert not sweeps.broken(notebook)
    notebook.write_text('{"cells": [')
    assert sweeps.broken(notebook)


# --- the driver


def to_run(told):
    """What a dry run would run."""
    return set(re.findall(r"output: sweeps/sweep/(\S+)\.ipynb", told.stdout))


def test_a_failed_run_stops_no_other_and_after_repair_it_alone_is_run(tmp_path):
    folder = scratch(tmp_path / "clone", {"notebooks": [{"notebook": "toy", "product": {"value": [1, 2, 3]}}]})
    imports = "from pathlib import Path\nfrom myst_nb import glue"
    fails = "assert value != 2 or Path('repaired').exists(), 'the second'"
    toy(folder, imports, fails, "glue('square', value**2, display=False)")
    planned = drive(folder, "sweep", "--dry-run")
    assert to_run(planned) == {"toy-value=1", "toy-value=2", "toy-value=3"}
    assert "Missing output files" in planned.stdout

    first = drive(folder, "sweep")
    made = folder / "sweeps" / "sweep"
    assert first.returncode != 0
    assert "1 of 3 runs have no result:\n- toy-value=2: AssertionError: the second; sweeps/sweep/logs/" in first.stdout
    assert {file.stem for file in made.glob("*.ipynb")} == {"toy-value=1", "toy-value=3"}
    assert (made / "logs" / "toy-value=2.ipynb").exists()
    assert pd.read_csv(made / "table.csv")["done"].tolist() == [True, False, True]

    (folder / "repaired").touch()
    times = {file: file.stat().st_mtime_ns for file in made.glob("*.ipynb")}
    assert to_run(drive(folder, "sweep", "--dry-run")) == {"toy-value=2"}
    assert drive(folder, "sweep").returncode == 0
    assert times == {file: file.stat().st_mtime_ns for file in times}
    assert pd.read_csv(made / "table.csv")["glued.square"].tolist() == [1, 4, 9]

    declared = {"notebooks": [{"notebook": "toy", "product": {"value": [1, 3, 4]}}]}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(declared))
    assert to_run(drive(folder, "sweep", "--dry-run")) == {"toy-value=4"}
    (made / "toy-value=3.ipynb").write_text((made / "toy-value=3.ipynb").read_text()[:-50])
    told = drive(folder, "sweep")
    assert "toy-value=3.ipynb: not a whole notebook, its job runs again" in told.stdout
    assert pd.read_csv(made / "table.csv")["glued.square"].tolist() == [1, 9, 16]


def test_a_space_made_of_shards_is_made_again_for_other_code_alone(tmp_path):
    given = TINY["classwise_losses"] | {"sigma": 0.1}
    folder = scratch(tmp_path / "clone", {"notebooks": [{"notebook": "classwise_losses", "parameters": given}]})
    (folder / "workflow" / "chapters.yaml").write_text("chapters: {machines: {}}")
    wants = chapters.wants("classwise_losses", given)
    results = Results(Store(folder / "runs", folder / "results"))
    for want in wants[:2]:
        want.get(results)
    job = ".snakemake/jobs/sweep.sweep.classwise_losses/2-space"
    words = (f"{job}.done", "--config", "shards=2", "threads=1")

    def planned():
        return set(re.findall(rf"output: {job}(\S*)\.done", drive(folder, *words, "--dry-run").stdout))

    assert [want.step for want in wants] == ["history", "ego", *["space"] * 4]
    assert drive(folder, *words).returncode == 0
    assert planned() == set()
    code = folder / "ciutils" / "measure" / "spaces.py"
    code.write_text(f"{code.read_text()}\nNEW = 1\n")
    assert planned() == {".shard-0", ".shard-1", ""}


def test_what_makes_a_chapter_run_again(tmp_path):
    folder = scratch(tmp_path / "clone")
    chapter = "book/chapters/agreement-cifar10.ipynb"
    results = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.glob("results/*/*")}
    assert drive(folder, chapter).returncode == 0

    def why():
        told = drive(folder, chapter, "--dry-run").stdout
        return told.split("reason: ")[1].splitlines()[0] if "reason: " in told else "nothing"

    (folder / "README.md").write_text("another")
    figures = folder / "ciutils" / "show" / "spaces.py"
    figures.write_text(f"# a comment\n{figures.read_text()}")
    (folder / "reproduction" / "__main__.py").write_text("print()")
    assert why() == "nothing"
    figures.write_text(f"{figures.read_text()}\nNEW = 1\n")
    assert "Params have changed" in why()
    assert drive(folder, chapter).returncode == 0
    assert why() == "nothing"

    newest = max(folder.glob("results/*/*.nc"))
    os.utime(newest)
    assert "Params have changed" in why()
    assert drive(folder, chapter).returncode == 0
    assert {file: file.read_bytes() for file in folder.glob("results/*/*")} == {
        file: content for file, (_, content) in results.items()
    }
    assert all(file.stat().st_mtime_ns == time for file, (time, _) in results.items() if file != newest)


def test_estimates_are_made_again_for_another_profile(tmp_path):
    folder = scratch(tmp_path / "clone")
    page = "book/chapters/estimates.md"
    assert drive(folder, page).returncode == 0
    profiles = folder / "reproduction" / "runs.py"
    profiles.write_text(f"# a comment\n{profiles.read_text()}")
    assert "Nothing to be done" in drive(folder, page, "--dry-run").stdout
    profiles.write_text(profiles.read_text().replace("epochs=200", "epochs=201"))
    assert "Params have changed" in drive(folder, page, "--dry-run").stdout

"""The figures to play with, driven in a browser as readers do: from a server and from a disk, with a mouse, with
fingers on a narrow page, with keys, and without scripts. What they say is compared with the artifacts."""

import functools
import html
import http.server
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from axe_playwright_python.sync_playwright import Axe
from filelock import FileLock
from playwright.sync_api import sync_playwright
from test_explorer import SLOPED, history_of
from test_names import HOSTILE, history, space

from ciutils import artifacts, show
from ciutils.analyse import confusion, dancing, surfaces
from ciutils.show import explorer
from ciutils.show import images as pictures
from reproduction import page as page_file
from reproduction.results import NOTEBOOKS, REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here, in which figures are driven")

RESULTS = REPOSITORY / "results"
BOOK = REPOSITORY / "_build" / "html"
SMALLEST = 9  # pixels of text as shown
ABC = ["cat", "dog", "frog"]


def published(pattern):
    return artifacts.load_dataset(next(RESULTS.glob(pattern)))


FROZEN = published("cifar10-resnet18-big-lr-*-s0/space-cat-dog-s0.027-p19-n10000.nc")
RECALIBRATED = published("cifar10-resnet18-big-lr-*-s0/space-cat-dog-*bn=augmented.nc")
OTHER = published("cifar10-resnet18-anneal-lr-*-s0/space-truck-car-*.nc")
HISTORIES = {
    network: published(f"cifar10-{network}-anneal-lr-*-s0/history.nc").rename(train_counts="running_counts")
    for network in ("resnet18", "vgg19")
}
SPACES = {("resnet18", "big-lr", "cat-dog"): FROZEN, ("resnet18", "anneal-lr", "truck-car"): OTHER}
COSINE = xr.DataArray(np.eye(2) - 0.5, dims=("one", "other"), coords={"one": ["a", "b"], "other": ["a", "b"]})
WIDE = pd.DataFrame(np.linspace(-1, 1, 80).reshape(2, 40), index=["a", "b"])
CLASSES = [str(name) for name in FROZEN["true"].values]

PROSE = r"""# A page

A formula in text, $w^* - \theta_1 g_{c_1}$, and one on a line of its own:

$$
\frac{1}{|D_c|} \sum_{x \in D_c} \nabla_w \, \ell(w^*; x, c)
$$

<details><summary>the rule</summary><p>what is folded</p></details>

<details class="source"><summary>where from</summary>sourceplace</details>

<table><tr><th>lefthand</th><td>righthand</td></tr></table>
"""


TEXT_PAGES = {
    "chapters/cctm-cifar10": "# Confused\n\nA {term}`CCTM`, as {cite:t}`diao2022` call it; on phones, {term}`CCTM`.\n",
    "glossary": "# Glossary\n\n```{glossary}\nCCTM\n  A matrix of classes $c_1$.\n```\n",
    "another": "# Another page\n\n## Which networks\n\nYour own, of barnacles.\n\n## What batch-norm does\n\nMuch.\n",
    "claims": "# Claims\n\nC07, C07.\n\n## Claim by claim\n\nC07 says so.\n",
    "stale": "# Stale\n\nBatch-norm, batch-norm.\n\n## Batch-norm, frozen or recalibrated, and more\n\nBatch-norm.\n",
    "your-network": "# Your own network\n\nAs the other.\n",
    "functions": "# Functions\n\n```{eval-rst}\n.. automodule:: ciutils.analyse.confusion\n   :members:\n```\n",
}
EXTENSIONS = sorted(REPOSITORY.glob("book/*.py"))


def notebook(*shown):
    cells = [nbformat.v4.new_markdown_cell(PROSE)]
    for each in shown:
        output = nbformat.v4.new_output("display_data", {"text/html": each.data})
        cells.append(nbformat.v4.new_code_cell("sourceword", outputs=[output], execution_count=1))
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python"}, "language_info": {"name": "python"}}
    metadata["language_info"]["pygments_lexer"] = "ipython3"
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def build(folder):
    """A book of a few pages, as the repository's is built; its pages."""
    parts = ("_config.yml", "book/search.js", "book/references.bib", "book/references.md", "workflow/chapters.yaml")
    for part in (*parts, "book/static", "ciutils/show/static", *(f"book/{each.name}" for each in EXTENSIONS)):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (REPOSITORY / part).is_dir() else shutil.copy)(REPOSITORY / part, folder / part)
    config = (folder / "_config.yml").read_text()
    assert config.count('repository: ""') == 1
    (folder / "_config.yml").write_text(config.replace('repository: ""', "repository: https://github.com/some/book"))
    recalibrated = {("resnet18", "big-lr", "cat-dog"): RECALIBRATED}
    played = explorer.planes(SPACES, recalibrated), explorer.dance(HISTORIES, ("cat", "dog"))
    maps = {key: surfaces.mistake_rate(each) for key, each in SPACES.items()}
    drawn = show.pictures(show.contours(maps)[0], "maps"), show.pictures([show.matrix(COSINE, "cosine")[0]], "matrix")
    page = notebook(*played, *drawn, show.heat_table(WIDE, "+.2f", "wide"))
    nbformat.write(page, folder / "book" / "playing.ipynb")
    (folder / "book" / "index.md").write_text("# Start\n\n[Play](playing.ipynb).\n")
    for name, text in TEXT_PAGES.items():
        (folder / "book" / f"{name}.md").parent.mkdir(exist_ok=True)
        (folder / "book" / f"{name}.md").write_text(text)
    pages = ["playing", "references", *TEXT_PAGES]
    chapters = "".join(f"  - file: book/{name}\n" for name in pages)
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{chapters}")
    words = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-W", "-n", "--keep-going"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def book(tmp_path_factory, worker_id):
    """The folder of the built pages, the same for all workers."""
    if worker_id == "master":
        return build(tmp_path_factory.mktemp("book"))
    shared = tmp_path_factory.getbasetemp().parent
    with FileLock(shared / "book.lock"):
        made = shared / "book" / "_build" / "html"
        return made if made.exists() else build(shared / "book")


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(params=["http", "file"])
def address(request, book):
    """Where a page of the book is, by its name."""
    if request.param == "file":
        yield lambda name: f"file://{book}/{name}"
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=book))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield lambda name: f"http://127.0.0.1:{server.server_port}/{name}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def visit(chromium):
    """Opens a page, and fails at the end if it complained, or asked for what is not there or elsewhere."""
    contexts, wrong = [], []

    def opened(url, **options):
        context = chromium.new_context(**({"viewport": {"width": 1400, "height": 900}} | options))
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        if options.get("java_script_enabled", True):  # else scripts are left, which the browser calls a failure
            page.on("requestfailed", lambda asked: wrong.append(asked.url))
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
        page.on("request", lambda asked: None if is_own(asked.url) else wrong.append(asked.url))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def is_own(url):
    return url.startswith(("file:", "data:", "http://127.0.0.1"))


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def figure(page, kind):
    """The figure once it is drawn."""
    found = page.locator(f"interference-{kind}").first
    found.locator("output b").wait_for()
    return found


def values(found, *names):
    return [int(found.locator(f"[name={name}]").input_value()) for name in names]


def assert_told(found, artifact):
    """The figure tells what `artifact` holds at the point where its sliders stand: (theta1, theta2)."""
    here = dict(zip(("theta1", "theta2"), values(found, "theta1", "theta2"), strict=True))
    rate, cctm = float(surfaces.mistake_rate(artifact)[here]), confusion.cctm(artifact["counts"][here]).values
    said = found.locator("output").inner_text()
    assert float(said.partition("%")[0]) == pytest.approx(100 * rate, abs=0.0501)
    one, two = (
        float(artifact[axis][place]) * artifact.attrs[f"norm{axis[-1]}"] / artifact.attrs["weight_norm"]
        for axis, place in here.items()
    )
    distance = np.sqrt(max(0, one**2 + two**2 + 2 * one * two * artifact.attrs["cosine"]))
    assert float(re.search(r"weight distance ([\d.e-]+?)\.? ", said)[1]) == pytest.approx(distance, rel=0.006, abs=1e-9)
    rows = found.locator("[data-part=there] tbody tr").all_inner_texts()
    losses = surfaces.class_loss(artifact)[here].values
    for row, label in zip(rows, range(len(CLASSES)), strict=True):
        name, *cells = row.split("\t")
        assert name == CLASSES[label]
        np.testing.assert_allclose([float(each or 0) for each in cells[:-1]], 100 * cctm[label], atol=0.0501)
        assert float(cells[-1]) == pytest.approx(losses[label], abs=0.00501 if losses[label] < 9.99 else 0.0501)


def aimed(found, part, across, up):
    """A place in a part of the figure from its left top corner; given as shares of the map from its left bottom one."""
    box = found.locator(f"[data-part={part}]").bounding_box()
    scale = box["width"] / 370
    return {"x": scale * (68 + 296 * across), "y": scale * (12 + 296 * (1 - up))}


def test_a_page_is_quiet_and_loads_the_data_that_are_chosen(visit, address):
    page = visit("about:blank")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/data/" in request.url else None)
    page.goto(address("book/playing.html"))
    plane = figure(page, "plane")
    figure(page, "dance")
    assert len(asked) == 2  # one space and one history
    plane.locator("[name=setup]").select_option("anneal-lr")
    plane.get_by_text("θ, truck", exact=True).wait_for()
    assert_told(plane, OTHER)
    assert len(set(asked)) == len(asked) == 3
    assert page.locator("math").count() == 2
    assert page.locator(".formula math").bounding_box()["height"] > 20
    assert page.locator("script:not([src])[data-book], script[data-name]").count() == 0


def test_pages_hold_no_data_and_copies_of_notebooks_no_outputs(book):
    page = (book / "book" / "playing.html").read_text("utf-8")
    assert not re.search(r'src="[^"]*(thebe|mathjax|https?:)|<script type="application/json|<style data-book', page)
    copy = nbformat.read(book / "_sources" / "book" / "playing.ipynb", as_version=4)
    assert [cell.outputs for cell in copy.cells if cell.cell_type == "code"] == [[]] * 5
    assert len(re.findall('src="../_images/[0-9a-f]+.png"', page)) >= len(SPACES) + 1
    assert not re.search("base64,.{5000}", page)
    assert len(list(book.glob("_static/data/*.js"))) == len(SPACES) + 1 + len(HISTORIES)
    assert list(book.rglob("*.map")) == []


def test_a_plane_is_walked_with_a_mouse(visit, address):
    page = visit(address("book/playing.html"))
    plane = figure(page, "plane")
    assert values(plane, "theta1", "theta2") == [9, 9]
    assert_told(plane, FROZEN)
    map_ = plane.locator("[data-part=map]")
    map_.click(position=aimed(plane, "map", 0.03, 0.03))
    assert values(plane, "theta1", "theta2") == [0, 0]
    assert_told(plane, FROZEN)
    map_.hover(position=aimed(plane, "map", 0.5, 0.5))
    page.mouse.down()
    map_.hover(position=aimed(plane, "map", 0.97, 0.5))
    page.mouse.up()
    assert values(plane, "theta1", "theta2") == [18, 9]
    assert_told(plane, FROZEN)
    plane.locator("[name=recalibrated]").check()
    plane.get_by_text("of 2,000 training images").wait_for()
    assert_told(plane, RECALIBRATED)


def test_a_plane_is_walked_with_a_finger_and_swipes_scroll(visit, address):
    page = visit(address("book/playing.html"), **PHONE)
    plane = figure(page, "plane")
    map_ = plane.locator("[data-part=map]")
    map_.tap(position=aimed(plane, "map", 0.97, 0.97))
    assert values(plane, "theta1", "theta2") == [18, 18]
    assert_told(plane, FROZEN)
    map_.evaluate("each => each.scrollIntoView({block: 'center', behavior: 'instant'})")
    box, before = map_.bounding_box(), page.evaluate("scrollY")
    touch = page.context.new_cdp_session(page)
    for kind, moved in [("touchStart", 0), *(("touchMove", 20 * step) for step in range(1, 11)), ("touchEnd", None)]:
        points = [] if moved is None else [{"x": box["x"] + 100, "y": box["y"] + 250 - moved}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_function("before => scrollY > before + 100", arg=before)
    still = "() => { const before = window.before; window.before = scrollY; return before === scrollY; }"
    page.wait_for_function(still, polling=200)  # a tap on a page that still moves does nothing but stop it
    assert values(plane, "theta1", "theta2") == [18, 18]
    plane.locator("[name=distance]").tap()
    plane.locator("[name=recalibrated]").tap()
    plane.get_by_text("of 2,000 training images").wait_for()
    assert plane.get_by_text("harms cat ← weight distance → helps cat").count() == 1
    assert_told(plane, RECALIBRATED)


def test_a_plane_is_walked_with_keys(visit, address):
    page = visit(address("book/playing.html"))
    plane = figure(page, "plane")
    plane.locator("[data-part=map]").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert values(plane, "theta1", "theta2") == [10, 8]
    assert_told(plane, FROZEN)
    plane.locator("[name=theta2]").press("Home")
    assert values(plane, "theta1", "theta2") == [10, 0]
    assert_told(plane, FROZEN)
    plane.locator("[data-part=map]").press("Home")  # to the network
    assert values(plane, "theta1", "theta2") == [9, 9]
    plane.locator("[name=recalibrated]").press("Space")
    plane.get_by_text("of 2,000 training images").wait_for()
    assert_told(plane, RECALIBRATED)


def test_recalibrated_statistics_stay_wanted_where_a_plane_has_none(visit, address):
    page = visit(address("book/playing.html"))
    plane, recalibrated = figure(page, "plane"), page.locator("[name=recalibrated]")
    recalibrated.check()
    plane.locator("[name=setup]").select_option("anneal-lr")
    plane.get_by_text("θ, truck", exact=True).wait_for()
    assert not recalibrated.is_checked()
    assert recalibrated.is_disabled()
    plane.locator("[name=setup]").select_option("big-lr")
    plane.get_by_text("θ, dog", exact=True).wait_for()
    assert recalibrated.is_checked()
    assert_told(plane, RECALIBRATED)


def test_with_the_map_of_a_loss_the_loss_at_the_point_is_told(visit, address):
    plane = figure(visit(address("book/playing.html")), "plane")
    plane.locator("[name=shown]").select_option("loss of dog")
    middle = float(surfaces.class_loss(FROZEN).sel(true="dog")[9, 9])
    told = re.search(r"The mean loss of dog: ([\d.]+) nats\.", plane.locator("output").inner_text())
    assert float(told[1]) == pytest.approx(middle, abs=0.00501)


@pytest.mark.parametrize("angle", [0, 45, 135])
def test_a_cut_is_that_of_the_artifact_and_its_ends_are_named(visit, book, angle):
    page = visit(f"file://{book}/book/playing.html")
    plane = figure(page, "plane")
    plane.locator("[name=angle]").fill(str(angle))
    expected = 100 * surfaces.cut(FROZEN, angle, 41).values[:: -1 if angle > 90 else 1]  # from the map's left
    drawn = plane.locator("[data-part=cut] path.line").get_attribute("d")
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", drawn)]
    np.testing.assert_allclose([(142 - y) / 1.32 for y in heights], expected, atol=0.05)
    ends = plane.locator("[data-part=cut] text.end").all_text_contents()
    names = {
        0: ["harms cat", "helps cat"],
        45: ["harms cat", "harms dog", "helps cat", "helps dog"],
        135: ["harms cat", "helps dog", "helps cat", "harms dog"],
    }
    assert ends == names[angle]


def test_drawn_by_weight_distance_the_plane_lies_as_it_does_among_the_weights(visit, book):
    page = visit(f"file://{book}/book/playing.html")
    plane = figure(page, "plane")
    plane.locator("[name=distance]").check()
    first, *_, last = (
        [[float(each) for each in point.split(",")] for point in points.split()]
        for points in plane.locator("polygon").evaluate_all("all => all.map(one => one.getAttribute('points'))")
    )
    corner = np.array(first[0])
    along = [np.array(place) - corner for place in (first[1], first[3])]  # a cell's edges
    lengths = [np.linalg.norm(each) for each in along]
    step = [float(FROZEN[axis][1] - FROZEN[axis][0]) for axis in ("theta1", "theta2")]
    expected = [step[k] * FROZEN.attrs[f"norm{k + 1}"] for k in (0, 1)]
    assert lengths[0] / lengths[1] == pytest.approx(expected[0] / expected[1], rel=1e-4)
    assert along[0] @ along[1] / np.prod(lengths) == pytest.approx(FROZEN.attrs["cosine"], abs=1e-4)
    assert all(0 <= place <= 372 for point in (*first, *last) for place in point)


def test_a_class_loss_is_drawn(visit, book):
    page = visit(f"file://{book}/book/playing.html")
    plane = figure(page, "plane")
    plane.locator("[name=shown]").select_option("loss of cat")
    said = plane.locator("[data-part=cut] svg").get_attribute("aria-label")
    losses = surfaces.class_loss(FROZEN).sel(true="cat")
    assert float(re.search(r"([\d.]+) in the middle", said)[1]) == pytest.approx(float(losses[9, 9]), abs=0.00501)
    top = float(plane.locator("[data-part=scale]").inner_text().split()[1])
    assert top == pytest.approx(np.percentile(losses, 95), rel=0.05)


def assert_danced(found, name, counts, pair):
    """The figure tells what the training `name` holds at the epoch where its slider stands."""
    (place,) = values(found, "epoch")
    told = HISTORIES[name]
    cctm = confusion.cctm(told[counts])[place]
    notes = dancing.notes(told, 0.001, counts)
    said = found.locator("output").inner_text()
    assert said.startswith(f"Epoch {int(told['epoch'][place])}: ")
    for one in pair:
        label = int(notes.sel(true=one)[place])
        match = re.search(rf"recall of {one} ([\d.]+)%, its note (\w+)(?: \(([\d.]+)%\))?", said)
        assert float(match[1]) == pytest.approx(100 * float(cctm.sel(true=one, predicted=one)), abs=0.0501)
        assert match[2] == (CLASSES[label] if label >= 0 else "none")
        if label >= 0:
            assert float(match[3]) == pytest.approx(100 * float(cctm.sel(true=one)[label]), abs=0.0501)
    rows = found.locator("[data-part=matrix] tbody tr").all_inner_texts()
    shown = [[float(each or 0) for each in row.split("\t")[1:]] for row in rows]
    np.testing.assert_allclose(shown, 100 * cctm.values, atol=0.0501)


@pytest.mark.parametrize("hand", ["mouse", "finger"])
def test_a_dance_is_played_with_a_mouse_or_a_finger(visit, address, hand):
    page = visit(address("book/playing.html"), **(PHONE if hand == "finger" else {}))
    dance = figure(page, "dance")

    def press(selector):
        found = dance.locator(selector).first
        found.tap() if hand == "finger" else found.click()

    assert values(dance, "epoch") == [29]  # what the training comes to
    press("[name=back]")
    press("[name=back]")
    press("[name=forward]")
    assert values(dance, "epoch") == [28]
    assert_danced(dance, "resnet18", "test_counts", ("cat", "dog"))
    press("[name=forward]")
    press("[name=play]")  # from the first epoch
    page.wait_for_function("(({ value }) => value >= 3 && value < 28)(document.querySelector('[name=epoch]'))")
    press("[name=play]")
    assert dance.locator("[name=play]").inner_text() == "play"
    assert_danced(dance, "resnet18", "test_counts", ("cat", "dog"))
    dance.locator("[name=counts]").select_option("running_counts")
    assert_danced(dance, "resnet18", "running_counts", ("cat", "dog"))
    press("[data-part=matrix] tbody tr:nth-child(2) td:nth-child(11)")  # CAR called TRUCK
    assert_danced(dance, "resnet18", "running_counts", ("car", "truck"))
    dance.locator("[name=run]").select_option("vgg19")
    dance.get_by_text("vgg19", exact=True).last.wait_for()
    assert_danced(dance, "vgg19", "running_counts", ("car", "truck"))


def test_two_classes_dance(visit, address):
    dance = figure(visit(address("book/playing.html")), "dance")
    assert dance.locator("[name=a] option:disabled").all_inner_texts() == ["dog"]
    dance.locator("[name=b]").select_option("truck")
    assert dance.locator("[name=a] option:disabled").all_inner_texts() == ["truck"]
    assert dance.locator("[name=b] option:disabled").all_inner_texts() == ["cat"]


def test_a_dance_is_played_with_keys(visit, address):
    page = visit(address("book/playing.html"))
    dance = figure(page, "dance")
    dance.locator("[name=epoch]").focus()
    for key in ("Home", "ArrowRight", "End", "ArrowLeft"):
        page.keyboard.press(key)
    assert values(dance, "epoch") == [28]
    assert_danced(dance, "resnet18", "test_counts", ("cat", "dog"))
    dance.locator("[name=play]").press("Enter")
    page.wait_for_function("document.querySelector('[name=epoch]').value === '29'")
    dance.locator("[name=play]").get_by_text("play").wait_for()  # it stops at the end
    assert_danced(dance, "resnet18", "test_counts", ("cat", "dog"))
    dance.locator("[name=a]").press("Home")
    assert_danced(dance, "resnet18", "test_counts", ("plane", "dog"))
    matrix = dance.locator("[data-part=matrix]")
    for key in ("ArrowUp", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowDown"):  # none above the first row
        matrix.press(key)
    assert_danced(dance, "resnet18", "test_counts", ("bird", "horse"))
    for _ in range(5):
        matrix.press("ArrowLeft")
    assert_danced(dance, "resnet18", "test_counts", ("bird", "car"))  # over the diagonal


def test_curves_are_those_of_all_trainings(visit, book):
    page = visit(f"file://{book}/book/playing.html")
    dance = figure(page, "dance")
    dance.locator("[name=curves]").check()
    cell = dance.locator("[data-part=matrix] tbody tr:nth-child(4) td:nth-child(7)")  # CAT called DOG
    cell.locator(".strip").nth(1).wait_for()
    rates = {name: confusion.cctm(each["test_counts"]) for name, each in HISTORIES.items()}
    means = {name: each.values.reshape(15, 2, 10, 10).mean(axis=1) for name, each in rates.items()}  # of 30 epochs
    top = np.stack(list(means.values()))[..., ~np.eye(10, dtype=bool)].max()
    strips = cell.locator(".strip").evaluate_all("all => all.map(one => one.getAttribute('d'))")
    for drawn, name in zip(strips, ("vgg19", "resnet18"), strict=True):  # the chosen one is on top
        heights = [((98 - float(y)) / 94) ** 2 * top for y in re.findall(r"[ML][\d.]+ ([\d.]+)", drawn)]
        np.testing.assert_allclose(heights, means[name][:, 3, 5], atol=0.001)
    assert dance.locator("[data-part=cell] .legend span").all_inner_texts() == ["resnet18", "vgg19"]
    assert f"means of 2; a cell's top is {100 * top:.1f}%" in dance.locator("caption").inner_text()


def test_without_scripts_there_is_a_picture_of_each_and_formulas_are_drawn(visit, address):
    page = visit(address("book/playing.html"), java_script_enabled=False)
    for kind in ("plane", "dance"):
        found = page.locator(f"interference-{kind}")
        assert found.locator("img").first.bounding_box()["height"] > 100
        assert not found.locator("form").is_visible()
    assert page.locator(".formula math").bounding_box()["height"] > 20


def test_on_paper_folded_text_is_open(visit, book):
    page = visit(f"file://{book}/book/playing.html")
    folded = page.get_by_text("what is folded")
    assert not folded.evaluate("each => each.checkVisibility()")
    plane = figure(page, "plane")
    plane.locator("[name=recalibrated]").check()
    page.emulate_media(media="print")
    assert plane.get_by_text("batch-norm recalibrated").is_visible()  # what was chosen, and nothing else
    assert not plane.get_by_text("drawn by weight distance").is_visible()
    assert plane.get_by_text("angle of the cut, 135°").is_visible()
    assert folded.evaluate("each => each.checkVisibility()")
    assert not page.locator("[name=play]").is_visible()
    assert page.locator("[data-part=map] svg").is_visible()


TEXTS = """figure => [...figure.querySelectorAll('text, td, th, label, caption, output, .legend')].map(each => {
  const svg = each.ownerSVGElement;
  return parseFloat(getComputedStyle(each).fontSize) * (svg ? svg.getScreenCTM().a : 1);
})"""


def serious(page):
    """What axe-core finds that keeps readers out."""
    found = Axe().run(page, context="article", options={"preload": False}).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["wide", "phone"])
def test_figures_are_readable_and_within_reach(visit, book, size, mode):
    page = visit(f"file://{book}/book/playing.html", color_scheme=mode, **size)
    for kind in ("plane", "dance"):
        found = figure(page, kind)
        assert min(found.evaluate(TEXTS)) >= SMALLEST
        assert found.evaluate("figure => figure.scrollWidth <= figure.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert serious(page) == []


@pytest.mark.parametrize(("link", "said"), [("CCTM", "A matrix of classes"), ("2022", "Class Interference of Deep")])
def test_terms_and_citations_say_what_they_stand_for(visit, book, link, said):
    page = visit(f"file://{book}/book/chapters/cctm-cifar10.html")
    found, tip = page.locator("article a", has_text=link).first, page.locator(".tip", has_text=said).first
    assert not tip.is_visible()
    assert not found.get_attribute("title")  # which the browser would show beside it
    found.hover()
    assert tip.is_visible()
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    page.keyboard.press("Tab")  # the browser shows focus that a key has moved
    found.focus()
    assert tip.is_visible()


def test_what_a_term_stands_for_is_whole_on_a_phone(visit, book):
    page = visit(f"file://{book}/book/chapters/cctm-cifar10.html", **PHONE)
    terms = page.locator("article a:has(+ .tip)").all()
    assert terms
    for term in terms:
        term.focus()
        box = page.locator(".tip:visible").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["viewport"]["width"]


def test_each_work_that_is_cited_is_listed_once(visit, book):
    page = visit(f"file://{book}/book/references.html")
    listed = page.locator("#what-is-cited .citation").all_inner_texts()
    assert len(listed) == len(re.findall("^@", (REPOSITORY / "book" / "references.bib").read_text(), re.MULTILINE))
    assert all(text.count("arXiv:") <= 1 and text.count(text[:20]) == 1 for text in listed)


def test_functions_lead_to_the_page_that_explains_them_and_it_leads_back(visit, book):
    page = visit(f"file://{book}/book/chapters/cctm-cifar10.html")
    page.locator(".in-code a", has_text="analyse.confusion.interferers").click()
    assert page.url.endswith("book/functions.html#ciutils.analyse.confusion.interferers")
    explained = page.locator("dl", has=page.locator("[id='ciutils.analyse.confusion.interferers']"))
    explained.get_by_role("link", name="CCTM").click()
    assert page.url.endswith("book/chapters/cctm-cifar10.html")


def found_for(visit, address, words):
    """Where the hits of a search lead, the best first."""
    page = visit(address(f"search.html?q={words.replace(' ', '+')}"))
    page.locator("#search-results .search-summary", has_text=re.compile("finished|did not match")).wait_for()
    return [each.get_attribute("href") for each in page.locator("#search-results li a").all()]


def test_search_finds_text_and_neither_code_nor_where_figures_are_from(visit, address):
    assert found_for(visit, address, "formula") == ["book/playing.html"]
    assert found_for(visit, address, "righthand") == ["book/playing.html"]  # in a table
    assert found_for(visit, address, "sourceword") == []
    assert found_for(visit, address, "sourceplace") == []


@pytest.mark.parametrize("words", ["constructor", "__proto__"])
def test_a_word_that_every_object_of_javascript_has_is_searched_like_any_other(visit, address, words):
    assert found_for(visit, address, words) == []


def test_search_leads_to_the_section_and_to_the_term(visit, address):
    assert found_for(visit, address, "barnacles") == ["book/another.html#which-networks", "book/another.html"]
    assert found_for(visit, address, "cctm")[0] == "book/glossary.html#term-CCTM"


def test_a_question_is_searched_by_its_other_words(visit, address):
    assert found_for(visit, address, "why do I, and who does, have barnacles") == []  # no page has "have"
    assert found_for(visit, address, "why do I, and who, barnacles")[0] == "book/another.html#which-networks"


def test_a_claims_number_leads_to_the_claim(visit, address):
    assert found_for(visit, address, "C07")[0] == "book/claims.html#C07"


def test_search_finds_first_the_page_whose_title_is_asked_for(visit, address):
    first = found_for(visit, address, "own network")[:2]
    assert first == ["book/your-network.html", "book/another.html#which-networks"]


def test_search_finds_first_the_section_whose_title_is_asked_for(visit, address):
    assert found_for(visit, address, "batch-norm")[0] == "book/another.html#what-batch-norm-does"


def test_a_repository_with_a_host_gives_buttons_to_sources_and_live_copies(visit, book):
    page = visit(f"file://{book}/book/chapters/cctm-cifar10.html")
    links = {each.get_attribute("href") for each in page.locator(".article-header-buttons a").all()}
    assert "https://github.com/some/book/blob/HEAD/notebooks/cctm.ipynb" in links
    assert "https://mybinder.org/v2/gh/some/book/HEAD?labpath=notebooks/cctm.ipynb" in links
    page.goto(f"file://{book}/book/glossary.html")
    links = {each.get_attribute("href") for each in page.locator(".article-header-buttons a").all()}
    assert "https://github.com/some/book/blob/HEAD/book/glossary.md" in links


def test_a_cell_of_the_cctm_shows_its_images_by_mouse_by_touch_and_by_keys(visit, tmp_path):
    """One picture behind each of three cells, CAT called DOG the largest; no script is needed."""
    counts = np.array([[6, 3, 1], [2, 8, 0], [0, 0, 10]])
    cctm = xr.DataArray(counts / 10, dims=("true", "predicted"), coords={"true": ABC, "predicted": ABC})
    row = {"networks": 1, "of": 1, "probability": 0.9}
    tables = {(ABC[a], ABC[b]): pd.DataFrame([row], index=[k]) for k, (a, b) in enumerate([(0, 1), (0, 2), (1, 0)])}
    images = xr.DataArray(np.zeros((3, 8, 8, 3), np.uint8), dims=("test_image", "row", "column", "channel"))
    content = pictures.cells(cctm, tables, images.assign_coords(test_image=[0, 1, 2])).data
    file = tmp_path / "cells.html"
    file.write_text(f"<!doctype html><html lang='en'><title>cells</title>{content}</html>", encoding="utf-8")

    def shown(page):
        return [each.inner_text() for each in page.locator(".cells section:visible p").all()]

    page = visit(file.as_uri(), java_script_enabled=False)
    assert shown(page) == ["CAT called DOG"]
    page.get_by_role("radio", name="DOG called CAT, 20.0 percent").click()
    assert shown(page) == ["DOG called CAT"]
    assert page.locator(".cells section:visible img").count() == 1
    page.keyboard.press("ArrowUp")  # the one before, in the order of the table
    assert shown(page) == ["CAT called FROG"]
    phone = visit(file.as_uri(), **PHONE)
    phone.get_by_role("radio", name="CAT called FROG, 10.0 percent").tap()
    assert shown(phone) == ["CAT called FROG"]


FIGURES = """[...document.querySelectorAll('article img.figure')].filter(each => each.checkVisibility()).map(each => {
  const {left, right, top} = each.getBoundingClientRect();
  return {text: each.dataset.smallestText * each.clientWidth, inside: left >= 0 && right <= innerWidth, top,
    drawn: each.complete && each.naturalWidth > 0};
})"""


def assert_readable(page):
    """All figures of a page are there whole, and none has text under 9 pixels as shown; where they begin."""
    page.wait_for_function("[...document.images].every(each => each.complete || !each.checkVisibility())")
    figures = page.evaluate(FIGURES)
    assert all(each["inside"] and each["drawn"] for each in figures)
    assert min((each["text"] for each in figures), default=SMALLEST) >= SMALLEST
    return [each["top"] for each in figures]


def test_figures_lie_side_by_side_on_a_wide_page_and_below_each_other_on_a_phone(visit, address):
    first, second, _, _ = assert_readable(visit(address("book/playing.html")))
    assert first == second
    first, second, _, _ = assert_readable(visit(address("book/playing.html"), **PHONE))
    assert first < second


@pytest.mark.parametrize(("mode", "shown"), [("light", "figure"), ("dark", "figure dark")])
def test_a_page_shows_the_pictures_of_its_mode_and_paper_the_light_ones(visit, book, mode, shown):
    page = visit(f"file://{book}/book/playing.html", color_scheme=mode)
    figures = "[...document.querySelectorAll('img.figure')]"
    seen = f"{figures}.filter(each => each.checkVisibility()).map(each => each.className)"
    assert page.evaluate(seen) == 4 * [shown]
    page.emulate_media(media="print")
    assert page.evaluate(seen) == 4 * ["figure"]
    root = page.locator("html")
    ground = "each => getComputedStyle(each).getPropertyValue('--pst-color-background')"
    assert (root.evaluate(ground), root.evaluate("each => getComputedStyle(each).colorScheme")) == ("#fff", "light")
    inks = "all => all.map(each => getComputedStyle(each).color)"
    assert set(page.locator("main section p, .highlight pre").evaluate_all(inks)) == {"rgb(34, 40, 50)"}


def test_a_wide_table_scrolls_in_its_place_and_shows_that_it_does(visit, book):
    page = visit(f"file://{book}/book/playing.html", **PHONE)
    table = page.locator(".wide")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    mask = "each => getComputedStyle(each).maskImage"
    assert "gradient" in table.evaluate(mask)
    heads, corner = table.locator("tbody th").first, table.locator("thead th").first
    before = heads.bounding_box()["x"]
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.wide').scrollLeft > 10")
    assert heads.bounding_box()["x"] == pytest.approx(before, abs=1)
    assert corner.bounding_box()["x"] == pytest.approx(before, abs=1)
    table.evaluate("each => each.scrollTo(each.scrollWidth, 0)")
    page.wait_for_function(f"({mask})(document.querySelector('.wide')) === 'none'")


def test_names_are_text_in_a_browser(visit, tmp_path):
    first, other = dict.fromkeys(HOSTILE), dict.fromkeys(f"class {each}" for each in range(len(HOSTILE)))
    counted = {}
    for kind, names in (("hostile", list(first)), ("plain", list(other))):
        shown = explorer.planes({(names[0], names[1], names[2]): space(names)}).data
        shown += explorer.dance({names[0]: history(names), names[1]: history(names)}, (0, 1)).data
        (tmp_path / f"{kind}.html").write_text(f"<!doctype html><meta charset=utf-8>{shown}", encoding="utf-8")
        page = visit(f"file://{tmp_path}/{kind}.html")
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        figure(page, "dance").locator("[name=curves]").check()
        figure(page, "dance").locator(".strip").nth(1).wait_for()
        text = figure(page, "plane").inner_text() + figure(page, "dance").inner_text()
        assert all(name in text for name in names)
        counted[kind] = page.evaluate("[...document.querySelectorAll('*')].map(each => each.tagName).sort().join()")
    assert counted["hostile"] == counted["plain"]


def test_a_notebook_holds_all_that_its_figures_need(visit, tmp_path):
    """As one executes it by hand: data and script are in the page, the script once for each figure."""
    shown = explorer.planes({("net", "big-lr", "sloped"): SLOPED}).data
    shown += explorer.dance({"one": history_of([[1, 9], [0, 10]], [[8, 2], [2, 8]])}, ("a", "b")).data
    (tmp_path / "out.html").write_text(f"<!doctype html><meta charset=utf-8>{shown}", encoding="utf-8")
    page = visit(f"file://{tmp_path}/out.html")
    assert figure(page, "plane").locator("output").inner_text().startswith("10.0% of ")
    assert "recall of a 80.0%" in figure(page, "dance").locator("output").inner_text()  # of the last epoch


def test_ticks_of_a_small_plane_keep_clear_of_the_name_of_their_axis(visit, tmp_path):
    small = FROZEN.assign_coords({axis: FROZEN[axis] * 1e-4 for axis in ("theta1", "theta2")})
    (tmp_path / "out.html").write_text(
        f"<!doctype html><meta charset=utf-8>{explorer.planes({('net', 'big-lr', 'cat-dog'): small}).data}",
        encoding="utf-8",
    )
    texts = figure(visit(f"file://{tmp_path}/out.html"), "plane").locator("[data-part=map] text")
    boxes = {each.text_content(): each.bounding_box() for each in texts.all()}
    (name,) = (box for text, box in boxes.items() if text.startswith("harms dog"))
    (tick,) = (box for text, box in boxes.items() if re.fullmatch(r"−\d\.\de−6", text))  # of both axes: the last drawn
    assert tick["x"] > name["x"] + name["width"]


def test_where_all_are_called_one_name_no_class_is_singled_out(visit, tmp_path):
    fallen = FROZEN.copy(deep=True)
    fallen["counts"][{"predicted": slice(None)}] = 0
    fallen["counts"].loc[{"predicted": "truck"}] = 200
    fallen["counts"].loc[{"true": "bird", "predicted": "ship"}] = 200
    (tmp_path / "out.html").write_text(
        f"<!doctype html><meta charset=utf-8>{explorer.planes({('net', 'big-lr', 'cat-dog'): fallen}).data}",
        encoding="utf-8",
    )
    plane = figure(visit(f"file://{tmp_path}/out.html"), "plane")
    assert "Most: 8 classes called truck, 100.0%." in plane.locator("output").inner_text()
    assert "the white line: 5 percentage points above the network's own rate" in plane.inner_text()


def test_names_and_large_losses_are_not_cut_on_a_phone(visit, tmp_path):
    names = [f"a boot of number {each}" for each in range(20)]
    steep = space(names)
    asked = np.array([0.0123, 1.5, 12.345, 123.456, 1234.56, 9999.7, 12345.6, 1.5e7])
    losses = np.resize(asked, len(names))
    steep["loss_sum"] = steep["counts"].sum("predicted") * xr.DataArray(losses, dims="true")
    shown = explorer.planes({("net", "big-lr", "steep"): steep}).data
    (tmp_path / "out.html").write_text(f"<!doctype html><meta charset=utf-8>{shown}", encoding="utf-8")
    page = visit(f"file://{tmp_path}/out.html", **PHONE)
    heads = figure(page, "plane").locator("tbody th")
    assert len(set(heads.all_inner_texts())) == len(names)
    assert heads.evaluate_all("all => all.every(each => each.scrollWidth <= each.clientWidth)")
    spans = figure(page, "plane").locator("thead th span")
    assert spans.evaluate_all("all => all.every(each => each.scrollHeight <= each.clientHeight)")
    cells = figure(page, "plane").locator("tbody td:last-child")
    told = [cell.inner_text() for cell in cells.all()]
    assert told[:8] == ["0.01", "1.50", "12.3", "123", "1235", "1e+4", "1e+4", "2e+7"]
    assert cells.evaluate_all("all => all.every(each => each.scrollWidth <= each.clientWidth)")


def test_a_page_of_ones_own_network_is_one_file_that_is_played(visit, tmp_path):
    given = {"arguments": '{"width": 0.02}', "epochs": "2", "points": "3", "images": "100"}
    page_file.write(NOTEBOOKS / "your_network.ipynb", given, tmp_path / "mine.html")
    page = visit(f"file://{tmp_path}/mine.html")
    plane, dance = figure(page, "plane"), figure(page, "dance")
    plane.locator("[data-part=map]").focus()
    page.keyboard.press("ArrowRight")
    assert values(plane, "theta1", "theta2") == [2, 1]
    dance.locator("[name=forward]").click()
    assert dance.locator("output").inner_text().startswith("Epoch 2: ")
    narrow = visit(f"file://{tmp_path}/mine.html", **PHONE)
    assert narrow.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_data_that_are_not_there_are_said_to_be_missing(chromium, book, tmp_path):
    shutil.copytree(book, tmp_path / "html", ignore=shutil.ignore_patterns("data"))
    page = chromium.new_page()
    page.goto(f"file://{tmp_path}/html/book/playing.html")
    for kind in ("plane", "dance"):
        page.locator(f"interference-{kind}").get_by_text("The data of this choice could not be loaded.").wait_for()
    page.close()


# --- the whole book, where it is built

CLOSED = """[...document.querySelectorAll('article details:not(.hide) > :not(summary, .dark)')]
  .filter(each => !each.checkVisibility()).map(each => each.textContent)"""
PAGES = sorted(BOOK.glob("book/**/*.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_book_is_quiet_and_its_figures_are_drawn(visit, page):
    assert_readable(visit(f"file://{page}"))
    opened = visit(f"file://{page}", **PHONE)
    assert_readable(opened)
    for kind in ("plane", "dance"):
        for found in opened.locator(f"interference-{kind}").all():
            found.locator("output b").wait_for()
    opened.emulate_media(media="print")
    assert opened.evaluate(CLOSED) == []
    assert page.stat().st_size < 3e6


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_book_keeps_nobody_out(visit, page, mode):
    assert serious(visit(f"file://{page}", color_scheme=mode)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_of_the_book_lead_somewhere(page):
    links = re.findall(r'<a [^>]*href="([^"]*)"', page.read_text(encoding="utf-8"))
    for link in {html.unescape(each) for each in links if not re.match(r"[a-z]+:", each)}:
        file, _, place = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_file(), link
        named = f"id=[\"']?{re.escape(html.escape(unquote(place)))}[\"' >]"
        assert not place or re.search(named, target.read_text(encoding="utf-8")), link


@pytest.mark.skipif(not PAGES, reason="the book is not built: make book")
def test_the_book_is_light():
    assert sum(path.stat().st_size for path in BOOK.rglob("*") if path.is_file()) < 30e6
    assert max(path.stat().st_size for path in BOOK.glob("_static/data/*")) < 300_000


LIVE = """
from pathlib import Path
import numpy as np, xarray as xr
from IPython.display import display
from ciutils import artifacts
from ciutils.analyse import agreement
from ciutils.show import explorer, images

def grey(positions):
    dims = ("test_image", "row", "column", "channel")
    return xr.DataArray(np.full((len(positions), 8, 8, 3), 90, np.uint8), {{"test_image": np.asarray(positions)}}, dims)

results = Path({results!r})
one, other, history, said = (artifacts.load_dataset(next(results.glob(each))) for each in {patterns!r})
history = history.rename(train_counts="running_counts")
planes = explorer.planes({{("resnet18", "big-lr", "cat-dog"): one, ("resnet18", "big-lr", "truck-car"): other}})
display(planes, explorer.dance({{"training": history}}, ("cat", "dog")), explorer.walk(one))
display(images.choose(agreement.joined({{"vgg19": said}}), grey))
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Where JupyterLab shows the folder `tmp_path`."""
    monkeypatch.delenv("MPLBACKEND")  # a kernel's own shows figures
    pytest.importorskip("jupyterlab", reason="`make lab` installs JupyterLab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        f"--port={port}",
        "--no-browser",
        "--allow-root",
        "--IdentityProvider.token=",
        f"--notebook-dir={tmp_path}",
    ]
    with subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], cwd=tmp_path) as server:
        while server.poll() is None and socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(1)
        yield f"http://127.0.0.1:{port}/lab/tree"
        server.terminate()


@pytest.mark.slow
def test_in_jupyterlab_a_plane_is_walked_and_a_training_played_with_a_running_kernel(chromium, lab, tmp_path):
    patterns = (
        "cifar10-resnet18-big-lr-*-s0/space-cat-dog-s0.027-p19-n10000.nc",
        "cifar10-resnet18-big-lr-*-s0/space-truck-car-*.nc",
        "cifar10-vgg19-anneal-lr-*-e30-*-s0/history.nc",
        "cifar10-vgg19-anneal-lr-*-e30-*-s0/predictions.nc",
    )
    cell = nbformat.v4.new_code_cell(LIVE.format(results=str(RESULTS), patterns=patterns))
    written = nbformat.v4.new_notebook(cells=[cell], metadata=notebook().metadata)
    nbformat.write(written, tmp_path / "live.ipynb")
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(f"{lab}/live.ipynb")
    page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
    page.get_by_text("Kernel status: Idle").first.wait_for(state="attached")
    page.locator(".jp-NotebookPanel .jp-InputArea-editor").first.click()
    while page.locator(".jp-NotebookPanel .jp-InputArea-prompt").first.inner_text() == "[ ]:":  # keys may come too soon
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)

    plane, dance = figure(page, "plane"), figure(page, "dance")
    assert_told(plane, FROZEN)
    drawn = plane.locator("[data-part=map]").inner_html()
    plane.locator("[name=plane]").select_option("truck-car")
    plane.get_by_text("θ, truck", exact=True).wait_for()
    assert plane.locator("[data-part=map]").inner_html() != drawn
    matrix = plane.locator("[data-part=there]").inner_html()
    plane.locator("[name=theta1]").press("Home")
    assert_told(plane, artifacts.load_dataset(next(RESULTS.glob(patterns[1]))))
    assert plane.locator("[data-part=there]").inner_html() != matrix

    danced = dance.locator("[data-part=matrix]").inner_html()
    dance.locator("[name=epoch]").press("Home")
    assert values(dance, "epoch") == [0]
    assert dance.locator("[data-part=matrix]").inner_html() != danced

    walked = page.locator(".widget-vbox").filter(has=page.locator(".noUi-handle"))
    seen, said = walked.locator("img").get_attribute("src"), walked.locator(".widget-label").last.inner_text()
    rate = 100 * float(surfaces.mistake_rate(FROZEN)[9, 9])
    assert said.startswith(f"{rate:.1f}%")
    walked.locator(".noUi-handle").first.press("ArrowRight")
    rate = 100 * float(surfaces.mistake_rate(FROZEN)[10, 9])
    walked.get_by_text(f"{rate:.1f}% of the training images are misclassified here").wait_for()
    page.wait_for_function("seen => document.querySelector('.widget-vbox img')?.src !== seen", arg=seen)

    said = artifacts.load_dataset(next(RESULTS.glob(patterns[3])))
    names = said["predicted"].values.tolist()
    cats = said["test_labels"] == names.index("cat")
    missed = int((said["test_predictions"].values[cats] == names.index("dog")).sum())
    chosen = page.locator(".widget-vbox").filter(has_text="true class")
    chosen.locator("select").nth(0).select_option("cat")
    chosen.locator("select").nth(1).select_option("dog")
    chosen.get_by_text(f"{missed} images; the first 24 are shown").wait_for()
    page.wait_for_function("document.querySelectorAll('.widget-vbox .photos img').length === 24")

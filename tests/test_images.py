"""Pictures of the images behind confusions, and which images are shown."""

import base64
import io
import re
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from PIL import Image
from test_agreement import said_of

from ciutils import artifacts, provenance
from ciutils.analyse import agreement, confusion
from ciutils.show import images as pictures
from reproduction import gallery
from reproduction.results import REPOSITORY


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    plt.close("all")


CLASSES = ("cat", "dog", "frog")
LABELS = [0, 0, 0, 1, 1, 2]
GIVEN = {
    "one": [[0.1, 0.9, 0], [0.3, 0.6, 0.1], [0.2, 0, 0.8], [0.7, 0.3, 0], [0.1, 0.9, 0], [0, 0, 1]],
    "two": [[0.2, 0.8, 0], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.6, 0.4, 0], [0.2, 0.8, 0], [0, 0, 1]],
}
"""Image 0 is a cat that both call a dog, 1 one that the first calls so, 2 one that both call a frog; 3 is a dog that
both call a cat; 4 and 5 are recognised."""


def said(classes=CLASSES):
    answers = [np.argmax(given, 1) for given in GIVEN.values()]
    return agreement.joined(dict(zip(GIVEN, said_of(answers, LABELS, GIVEN.values(), classes), strict=True)))


def pixels(channels=3, images=range(6)):
    drawn = np.random.default_rng(0).integers(0, 256, (6, 8, 8, channels), dtype=np.uint8)[list(images)]
    return xr.DataArray(drawn, dims=("test_image", "row", "column", "channel"), coords={"test_image": list(images)})


def words_of(ax):
    return [text.get_text() for text in ax.texts]


def test_a_sheet_shows_each_image_with_what_is_said_of_it():
    table = agreement.behind(said(), "cat", "dog")
    _, ax = pictures.sheet({"CAT called DOG": table}, pixels(), said())
    assert words_of(ax) == ["CAT called DOG", "2 of 2, 85%", "1 of 2, 45%"]
    for shown, image in zip(ax.images, (0, 1), strict=True):
        np.testing.assert_array_equal(shown.get_array(), pixels()[image])
    assert ax.images[0].get_extent()[0] < ax.images[1].get_extent()[0]


def test_bars_part_each_networks_probability_into_label_wrong_name_and_others():
    table = agreement.behind(said(), "cat", "dog").iloc[1:]
    _, ax = pictures.sheet({"": table}, pixels(), said())
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    widths = np.reshape([bar.get_width() for bar in bars], (2, 3))
    np.testing.assert_allclose(widths, [[0.3, 0.6, 0.1], [0.6, 0.3, 0.1]], atol=1e-3)
    assert [bar.get_facecolor()[:3] for bar in bars[:3]] == [to_rgb(colour) for colour in pictures._PARTS.values()]
    tops = [bar.get_y() for bar in bars[::3]]
    assert tops == sorted(tops)  # the axis points downwards: the first network is at the top


def test_a_table_of_several_cells_names_each_images():
    table = pd.concat([agreement.behind(said(), *cell) for cell in (("cat", "frog"), ("dog", "cat"))])
    _, ax = pictures.sheet({"both": table}, pixels(), said())
    assert words_of(ax) == ["both", "CAT → FROG", "2 of 2, 80%", "DOG → CAT", "2 of 2, 65%"]


def test_humans_are_one_more_bar_and_no_network():
    table = agreement.behind(said(), "cat", "dog").head(1)
    humans = said_of([np.argmax(GIVEN["one"], 1)], LABELS, [GIVEN["one"]], CLASSES)[0]
    with_humans = agreement.joined({name: said().sel(network=name, drop=True) for name in GIVEN} | {"humans": humans})
    figure, ax = pictures.sheet({"": table}, pixels(), with_humans)
    assert len(ax.patches) == 9
    assert "2 of 2, 85%" in words_of(ax)
    assert "one, two, humans" in figure.legends[0].get_title().get_text()


def test_lines_break_after_so_many_images_and_do_not_overlap():
    table = pd.concat([agreement.behind(said(), "cat", "dog")] * 3).iloc[:5]
    _, ax = pictures.sheet({"a": table, "b": table}, pixels(), said(), columns=2)
    tops = sorted({image.get_extent()[3] for image in ax.images})
    assert len(tops) == 6
    assert min(np.diff(tops)) > 1  # the side of an image
    lowest = max(bar.get_y() + bar.get_height() for bar in ax.patches)
    assert lowest < ax.get_ylim()[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images_and_empty_tables_are_drawn(channels):
    table = agreement.behind(said(), "cat", "dog")
    _, ax = pictures.sheet({"some": table, "none": table.head(0)}, pixels(channels), said())
    assert len(ax.images) == 2
    assert "none" in words_of(ax)
    np.testing.assert_array_equal(ax.images[0].get_array()[..., 0], pixels(channels)[0, :, :, 0])


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def drawn(address):
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_guess_hides_its_answer_until_it_is_opened(channels):
    table = pd.concat([agreement.behind(said(), "dog", "cat"), agreement.behind(said(), "cat", "dog")])
    page = pictures.quiz(table, pixels(channels)).data
    tags = Tags(page)
    assert [("open" in each) for each in tags.named("details")] == [False] * 3
    assert {image["alt"] for image in tags.named("img")} == {"CAT or DOG?"}
    answers = re.findall(r"</summary><b>(\w+)</b><br>(.*?)</details>", page)
    assert answers == [("CAT", "2 of 2 say DOG"), ("CAT", "1 of 2 say DOG"), ("DOG", "2 of 2 say CAT")]
    for image, place in zip(tags.named("img"), (0, 1, 3), strict=True):
        np.testing.assert_array_equal(drawn(image["src"]), np.broadcast_to(pixels(channels)[place], (8, 8, 3)))


def rates():
    return confusion.cctm(agreement.counts_drawn_anew(said(), draws=1)[0])


def of_cells():
    cells = [("cat", "dog"), ("cat", "frog"), ("dog", "cat")]
    return {cell: agreement.behind(said(), *cell) for cell in cells}


def test_every_cell_with_images_can_be_chosen_and_shows_them_alone():
    page = pictures.cells(rates(), of_cells(), pixels()).data
    tags = Tags(page)
    radios = tags.named("input")
    assert [(each["type"], each["name"], each["value"]) for each in radios] == [
        ("radio", "cell", key) for key in ("0-1", "0-2", "1-0")
    ]
    assert [each["aria-label"] for each in radios] == [
        "CAT called DOG, 50.0 percent",
        "CAT called FROG, 33.3 percent",
        "DOG called CAT, 50.0 percent",
    ]
    assert [each["data-cell"] for each in tags.named("section")] == ["0-1", "0-2", "1-0"]
    for key in ("0-1", "0-2", "1-0"):
        assert f".cells:has([value='{key}']:checked) [data-cell='{key}'] {{ display: block; }}" in page
    assert [image["alt"] for image in tags.named("img")] == ["CAT called DOG"] * 2 + [
        "CAT called FROG",
        "DOG called CAT",
    ]
    captions = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert captions == ["2 of 2, 85%", "1 of 2, 45%", "2 of 2, 80%", "2 of 2, 65%"]


def test_the_largest_cell_is_open_at_first():
    found = Tags(pictures.cells(rates(), {("cat", "frog"): of_cells()["cat", "frog"]}, pixels()).data).named("input")
    assert [each["value"] for each in found if "checked" in each] == ["0-2"]


def test_pages_need_no_script_and_no_other_host():
    for page in (pictures.quiz(of_cells()["cat", "dog"], pixels()), pictures.cells(rates(), of_cells(), pixels())):
        assert "<script" not in page.data
        assert not re.findall(r"(?:src|href)\s*=\s*['\"](?!data:)", page.data)


def test_names_of_classes_are_text_and_neither_markup_nor_formulas():
    classes = ("<b>'cat'", 'd"o&g', "$frog$")
    heard = said(classes)
    table = agreement.behind(heard, 0, 1)
    page = pictures.quiz(table, pixels()).data
    cctm = confusion.cctm(agreement.counts_drawn_anew(heard, draws=1)[0])
    page += pictures.cells(cctm, {classes[:2]: table}, pixels()).data
    assert "<b>'" not in page
    assert {image["alt"] for image in Tags(page).named("img")} == {"<B>'CAT'?", "<B>'CAT' called D\"O&G"}
    figure, ax = pictures.sheet({"$x$": agreement.behind(heard, 0, 2)}, pixels(), heard)
    figure.draw_without_rendering()
    assert not any(text.get_parse_math() for text in ax.texts)


def test_choosing_a_cell_shows_its_images():
    asked = []

    def give(positions):
        asked.append(list(positions))
        return pixels(images=positions)

    controls, report, _ = pictures.choose(said(), give).children
    true, predicted, network = controls.children
    assert report.value == "2 images; the first 2 are shown"
    predicted.value = "frog"
    network.value = "two"
    true.value = "dog"
    assert asked == [[0, 1], [2], [2]]
    assert report.value == "0 images; the first 0 are shown"


# --- which images are shown


def test_a_gallery_holds_the_images_of_each_part():
    tables = gallery.tables(said(), "cat-dog", "cat-frog")
    shown = {part: {title: list(table.index) for title, table in of.items()} for part, of in tables.items()}
    assert shown == {
        "guess": {"": [0, 1, 3]},
        "certain": {"The most certain errors": [0, 2, 3, 1]},
        "pair": {"CAT called DOG": [0, 1], "DOG called CAT": [3]},
        "looked": {"CAT called FROG": [2]},
        "largest": {"one: CAT called DOG": [0, 1], "two: DOG called CAT": [3]},
        "cells": {("cat", "dog"): [0, 1], ("cat", "frog"): [2], ("dog", "cat"): [3]},
    }
    assert list(gallery.positions(tables)) == [0, 1, 2, 3]


def test_without_errors_there_is_nothing_to_show():
    right = said_of([LABELS], LABELS, [np.eye(3)[LABELS]], CLASSES)[0]
    with pytest.raises(ValueError, match="no network misses a test image"):
        gallery.tables(agreement.joined({"one": right}), "cat-dog", "cat-frog")


def test_published_images_are_of_the_data_that_networks_were_asked_about():
    published = list((REPOSITORY / "results").glob("*/images-*.nc"))
    assert published
    for path in published:
        images, predictions = (artifacts.load_dataset(file) for file in (path, path.with_name("predictions.nc")))
        digests = {provenance.of(each)["data_sha256"] for each in (images, predictions)}
        assert len(digests) == 1
        assert "Krizhevsky" in images.attrs["attribution"]
        assert images["images"].dtype == np.uint8

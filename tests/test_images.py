"""Pictures of the images behind confusions, and which images are shown."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from test_agreement import said_of

from ciutils import artifacts, provenance
from ciutils.analyse import agreement, confusion
from ciutils.show import images as pictures
from reproduction import gallery
from reproduction.results import REPOSITORY

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


def captions(page):
    return [each.split("<svg")[0] for each in re.findall("<figcaption>(.*?)</figcaption>", page)]


def bars_of(page):
    """Of each image, its bars: for each, where its three parts begin and how long they are, in hundredths."""
    found = []
    for tile in re.findall("<svg.*?</svg>", page):
        parts = [(float(each["x"]), float(each["width"]), each["fill"]) for each in Tags(tile).named("rect")]
        found.append([parts[place : place + 3] for place in range(0, len(parts), 3)])
    return found


@pytest.mark.parametrize(
    ("networks", "told"),
    [
        (["one", "two"], "Each bar is what one of these says. From the top: one, two."),
        (["one"], "The bar is what one says."),
    ],
)
def test_a_sheet_says_whose_its_bars_are(networks, told):
    heard = said().sel(network=networks)
    assert told in pictures.sheet({"": agreement.behind(heard, "cat", "dog")}, pixels(), heard).data


def test_a_sheet_shows_each_image_with_what_is_said_of_it():
    table = agreement.behind(said(), "cat", "dog")
    page = pictures.sheet({"CAT called DOG": table}, pixels(), said()).data
    assert "<b>CAT called DOG</b>" in page
    assert captions(page) == ["2 of 2, 85%", "1 of 2, 45%"]
    for shown, image in zip(Tags(page).named("img"), (0, 1), strict=True):
        assert shown["alt"] == "CAT → DOG"
        np.testing.assert_array_equal(drawn(shown["src"]), pixels()[image])


def test_bars_part_each_networks_probability_into_label_wrong_name_and_others():
    table = agreement.behind(said(), "cat", "dog").iloc[1:]
    page = pictures.sheet({"": table}, pixels(), said()).data
    colours = tuple(pictures._PARTS.values())
    ((first, second),) = bars_of(page)
    assert tuple(zip(*first, strict=True)) == ((0, 30, 90), (30, 60, 10), colours)
    assert tuple(zip(*second, strict=True)) == ((0, 60, 90), (60, 30, 10), colours)
    heights = [int(each["y"]) for each in Tags(page).named("rect")]
    assert heights == sorted(heights)  # the first network is at the top
    assert "On average 45% to the label, 45% to the wrong name" in page


def test_a_table_of_several_cells_names_each_images():
    table = pd.concat([agreement.behind(said(), *cell) for cell in (("cat", "frog"), ("dog", "cat"))])
    page = pictures.sheet({"both": table}, pixels(), said()).data
    assert captions(page) == ["1: CAT → FROG<br>2 of 2, 80%", "2: DOG → CAT<br>2 of 2, 65%"]


def test_humans_are_one_more_bar_and_no_network():
    table = agreement.behind(said(), "cat", "dog").head(1)
    humans = said_of([np.argmax(GIVEN["one"], 1)], LABELS, [GIVEN["one"]], CLASSES)[0]
    with_humans = agreement.joined({name: said().sel(network=name, drop=True) for name in GIVEN} | {"humans": humans})
    page = pictures.sheet({"": table}, pixels(), with_humans).data
    assert [len(bars) for bars in bars_of(page)] == [3]
    assert captions(page) == ["2 of 2, 85%"]
    assert "From the top: one, two, humans." in page


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_images_and_empty_tables_are_drawn(channels):
    table = agreement.behind(said(), "cat", "dog")
    page = pictures.sheet({"some": table, "none": table.head(0)}, pixels(channels), said()).data
    shown = Tags(page).named("img")
    assert len(shown) == 2
    assert "<b>none</b>" in page
    np.testing.assert_array_equal(drawn(shown[0]["src"])[..., 0], pixels(channels)[0, :, :, 0])


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
    return confusion.cctm(agreement.counts_drawn_anew(said(), draws=1).sum("network")[0])


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
    cctm = confusion.cctm(agreement.counts_drawn_anew(heard, draws=1).sum("network")[0])
    page += pictures.cells(cctm, {classes[:2]: table}, pixels()).data
    assert "<b>'" not in page
    assert {image["alt"] for image in Tags(page).named("img")} == {"<B>'CAT'?", "<B>'CAT' called D\"O&G"}
    page = pictures.sheet({"$x$ <i>": agreement.behind(heard, 0, 2)}, pixels(), heard).data
    assert "<b>$x$ &lt;i&gt;</b>" in page
    assert "<b>'" not in page
    assert [image["alt"] for image in Tags(page).named("img")] == ["<B>'CAT' → $FROG$"]
    assert "class='mathjax_ignore tex2jax_ignore'" in page


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


def test_images_to_guess_are_not_those_whose_labels_stand_below(monkeypatch):
    monkeypatch.setattr("reproduction.gallery.SHEET", 1)
    monkeypatch.setattr("reproduction.gallery.GUESS", 1)
    tables = gallery.tables(said(), "cat-dog", "cat-frog")
    assert list(tables["pair"]["CAT called DOG"].index) == [0]
    assert list(tables["guess"][""].index) == [1, 3]  # of DOG called CAT there is one alone


def test_without_errors_there_is_nothing_to_show():
    right = said_of([LABELS], LABELS, [np.eye(3)[LABELS]], CLASSES)[0]
    with pytest.raises(ValueError, match="no network misses a test image"):
        gallery.tables(agreement.joined({"one": right}), "cat-dog", "cat-frog")


def test_published_images_are_of_the_data_that_networks_were_asked_about():
    published = list((REPOSITORY / "results").glob("*/images-*.nc"))
    assert published
    for path in published:
        images, history = (artifacts.load_dataset(file) for file in (path, path.with_name("history.nc")))
        asked = history if "test_probabilities" in history else artifacts.load_dataset(path.with_name("predictions.nc"))
        digests = {provenance.of(each)["data_sha256"] for each in (images, asked)}
        assert len(digests) == 1
        dataset = provenance.of(images)["configuration"]["dataset"]
        assert {"cifar10": "Krizhevsky", "fashion-mnist": "Zalando"}[dataset] in images.attrs["attribution"]
        assert images["images"].dtype == np.uint8

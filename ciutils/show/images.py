"""The images behind confusions: contact sheets, a guessing game, and a CCTM whose cells open.

Images are uint8 (test_image, row, column, channel), where test_image is the position in the test split. Tables of
images are as `analyse.agreement.behind` gives them, one or several put together. The HTML has no script in it.
"""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Mapping

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import HTML, display
from matplotlib.colors import to_hex

from ciutils.analyse import agreement
from ciutils.show.axes import INTERFERENCE_COLOURS, LEFT_OUT, readable_on
from ciutils.show.text import PLAIN, address

_PARTS = {"the label": "#2f6db3", "the wrong name": "#e0752f", "all other names": "#b5b5b5"}
"""Colours of the probability that an image's label gets, the wrong name that it is shown for, and all others."""


_CHOSEN = 24
"""Images of a cell that a live notebook shows."""


def called(true: str, predicted: str) -> str:
    """How a cell is named: "CAT called DOG"."""
    return f"{true.upper()} called {predicted.upper()}"


def sheet(rows: Mapping[str, pd.DataFrame], images: xr.DataArray, said: xr.Dataset) -> HTML:
    """A contact sheet: under each title of `rows` the images of its table, and under each image what is said of it.

    said: as from `agreement.joined`; each of its networks is a bar, the first at the top, parted into the probabilities
    of the label, of the wrong name and of all others. Where a table is of several cells, each image has a number, and
    its cell is named.
    Book: *Look at them*.
    """
    sections = []
    for title, table in rows.items():
        several = len(table[["true", "predicted"]].drop_duplicates()) > 1
        tiles = []
        for number, (image, row) in enumerate(table.iterrows(), 1):
            cell = html.escape(f"{row['true']} → {row['predicted']}".upper())
            caption = f"{number}: {cell}<br>" * several + _votes(row) + _bars(said.isel(test_image=int(image)), row)
            tiles.append(_tile(cell, images, image, caption))
        sections.append(f"<p><b>{html.escape(title)}</b></p><div class='photos'>{''.join(tiles)}</div>")
    legend = "".join(f"<span><i style='background: {colour}'></i>{name}</span>" for name, colour in _PARTS.items())
    networks = [html.escape(str(name)) for name in said["network"].values]
    whose = f"Each bar is what one of these says. From the top: {', '.join(networks)}"
    told = f"{whose if networks[1:] else f'The bar is what {networks[0]} says'}. It is divided into: {legend}"
    return HTML(f"{_STYLE}<div class='{PLAIN}'>{''.join(sections)}<p class='parts'>{told}</p></div>")


def quiz(table: pd.DataFrame, images: xr.DataArray) -> HTML:
    """A guessing game: each image of `table`, and, once it is opened, its label and how many networks say what.

    They stand in the order of their positions, which says nothing of their classes. Book: *Look at them*.
    """
    question = html.escape(" or ".join(sorted(set(table["true"].str.upper()))) + "?")
    tiles = []
    for image, row in table.sort_index().iterrows():
        true, predicted = (html.escape(row[key].upper()) for key in ("true", "predicted"))
        answer = f"<b>{true}</b><br>{row['networks']} of {row['of']} say {predicted}"
        picture = f"<img alt='{question}' src='{_address(images, image)}'>"
        tiles.append(f"<details><summary>{picture}</summary>{answer}</details>")
    return HTML(f"{_STYLE}<div class='photos guess'>{''.join(tiles)}</div>")


def cells(cctm: xr.DataArray, tables: Mapping[tuple[str, str], pd.DataFrame], images: xr.DataArray) -> HTML:
    """A CCTM to choose a cell of, by pointer or arrow keys, and below it the images behind that cell.

    cctm: (true, predicted), whose rates are written into the cells. tables: the images of each cell (true, predicted)
    that can be chosen. Each choice is a radio button, and a rule of style shows the images of the one that is checked.
    Book: *Look at them*.
    """
    names = [str(name) for name in cctm["true"].values]
    highest = max(float(cctm.sel(true=true, predicted=predicted)) for true, predicted in tables)
    heads = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in names)
    lines, rules, sections = [], [], []
    for row, true in enumerate(names):
        line = f"<th scope='row'>{html.escape(true)}</th>"
        for column, predicted in enumerate(names):
            if (true, predicted) not in tables:
                empty = LEFT_OUT if row == column else to_hex(plt.get_cmap(INTERFERENCE_COLOURS)(0.0))
                line += f"<td style='background: {empty}'></td>"
                continue
            key, words = f"{row}-{column}", html.escape(called(true, predicted))
            line += f"<td>{_choice(key, words, float(cctm[row, column]), highest)}</td>"
            rules.append(f".cells:has([value='{key}']:checked) [data-cell='{key}'] {{ display: block; }}")
            sections.append(_section(key, words, tables[true, predicted], images))
        lines.append(f"<tr>{line}</tr>")
    table_ = f"<table><tr><td></td>{heads}</tr>{''.join(lines)}</table>"
    return HTML(f"{_STYLE}<style>{''.join(rules)}</style><div class='cells'>{table_}{''.join(sections)}</div>")


def choose(said: xr.Dataset, pixels: Callable[[np.ndarray], xr.DataArray]) -> widgets.VBox:
    """Choose a network and a cell, and see the images behind it. For a live notebook.

    pixels: gives the images at positions of the test split. Book: *Look at them*.
    """
    classes, networks = ([str(name) for name in said[dim].values] for dim in ("predicted", "network"))
    network = widgets.Dropdown(options=[("any network", ""), *((name, name) for name in networks)], description="by")
    true = widgets.Dropdown(options=classes, description="true class")
    predicted = widgets.Dropdown(options=classes, value=classes[1], description="called")
    report, picture = widgets.Label(), widgets.Output()

    def look(*_: object) -> None:
        table = agreement.behind(said, true.value, predicted.value, network.value)
        report.value = f"{len(table)} images; the first {min(len(table), _CHOSEN)} are shown"
        shown = table.head(_CHOSEN)
        with picture:
            picture.clear_output(wait=True)
            if len(shown):
                title = called(true.value, predicted.value)
                display(sheet({title: shown}, pixels(shown.index), said))

    for control in (network, true, predicted):
        control.observe(look, "value")
    look()
    return widgets.VBox([widgets.HBox([true, predicted, network]), report, picture])


def _bars(said: xr.Dataset, row: pd.Series) -> str:
    """A bar for each network, 100 wide; each part reaches from where the one before ends."""
    probabilities = said["test_probabilities"].astype(float)
    label, wrong = (probabilities.sel(predicted=row[key]).values for key in ("true", "predicted"))
    bars = []
    for line, parts in enumerate(zip(label, wrong, 1 - label - wrong, strict=True)):
        starts = np.cumsum([0, *parts[:2]])
        bars += [
            f"<rect x='{100 * start:.1f}' y='{7 * line}' width='{100 * part:.1f}' height='5' fill='{colour}'/>"
            for start, part, colour in zip(starts, parts, _PARTS.values(), strict=True)
        ]
    means = ", ".join(f"{100 * part.mean():.0f}% to {name}" for part, name in zip((label, wrong), _PARTS, strict=False))
    return f"<svg viewBox='0 0 100 {7 * len(label)}' role='img' aria-label='On average {means}'>{''.join(bars)}</svg>"


def _votes(row: pd.Series) -> str:
    votes = f"{row['networks']} of {row['of']}, " if row["of"] > 1 else ""
    return f"{votes}{100 * row['probability']:.0f}%"


def _choice(key: str, words: str, rate: float, highest: float) -> str:
    """A cell to be chosen, as dark as its share of the highest rate."""
    colour = plt.get_cmap(INTERFERENCE_COLOURS)(rate / highest)
    told = f"{words}, {100 * rate:.1f} percent"
    return (
        f"<label style='background: {to_hex(colour)}; color: {readable_on(colour)}' title='{told}'>"
        f"<input type='radio' name='cell' value='{key}' aria-label='{told}'{' checked' * (rate == highest)}>"
        f"{100 * rate:.1f}</label>"
    )


def _section(key: str, words: str, table: pd.DataFrame, images: xr.DataArray) -> str:
    tiles = [_tile(words, images, image, _votes(row)) for image, row in table.iterrows()]
    return f"<section data-cell='{key}'><p><b>{words}</b></p><div class='photos'>{''.join(tiles)}</div></section>"


def _tile(words: str, images: xr.DataArray, image: int, caption: str) -> str:
    picture = f"<img alt='{words}' src='{_address(images, image)}'>"
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _address(images: xr.DataArray, image: int) -> str:
    """An image as an address that holds it."""
    content, pixels = io.BytesIO(), images.sel(test_image=image).values
    plt.imsave(content, np.repeat(pixels, 3 // pixels.shape[-1], axis=-1), format="png")  # grey as colours
    return address(content.getvalue())


_STYLE = """<style>
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(100px, 1fr)); gap: 10px; text-align: center;
  margin-bottom: 1.2rem; }
.photos img { width: 88px; height: 88px; border-radius: 4px; }
.photos figure { margin: 0; padding: 0; }
.photos figure figcaption { color: var(--pst-color-text-base, inherit); padding: 3px 0 0; opacity: 1; }
.photos svg { display: block; width: 88px; margin: 3px auto 0; }
.parts { font-size: 0.85em; }
.parts i { display: inline-block; width: 1.5em; height: 0.6em; margin: 0 0.3em 0 0.8em; }
.photos figcaption, .guess details { font-size: 12px; line-height: 1.3; margin: 0; border: 0; }
.guess summary { list-style: none; cursor: pointer; outline-offset: -3px; }
.guess summary::-webkit-details-marker { display: none; }
.cells { overflow-x: auto; }
.cells table { border-collapse: separate; border-spacing: 2px; font-size: 12px; margin: 0 auto 10px; }
.cells th { font-weight: normal; padding: 2px 4px; }
.cells td { padding: 0; }
.cells label { display: block; position: relative; min-width: 40px; padding: 5px 0; text-align: center; }
.cells input { position: absolute; opacity: 0; inset: 0; margin: 0; cursor: pointer; }
.cells label:is(:has(:checked), :has(:focus-visible)) { outline: 3px solid #2f6db3; outline-offset: -3px; }
.cells label:has(:focus-visible) { outline-style: dashed; }
.cells section { display: none; }
@supports not selector(:has(a)) { .cells section { display: block; } }
@media (max-width: 500px) { .cells table { font-size: 10px; border-spacing: 1px; } .cells label { min-width: 28px; } }
</style>"""
"""Beside the HTML, so that a live notebook, which has no style sheet of the book, shows the same."""

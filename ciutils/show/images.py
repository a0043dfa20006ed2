"""The images behind confusions: contact sheets, a guessing game, and a CCTM whose cells open.

Images are uint8 (test_image, row, column, channel), where test_image is the position in the test split. Tables of
images are as `analyse.agreement.behind` gives them, one or several put together. The HTML has no script in it.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from ciutils.analyse import agreement
from ciutils.show.axes import INTERFERENCE_COLOURS, readable_on

_PARTS = {"the label": "#2f6db3", "the wrong name": "#e0752f", "all other names": "#d9d9d9"}
"""Colours of the probability that an image's label gets, the wrong name that it is shown for, and all others."""

_SIDE = 1.25
"""Of an image, in inches."""
_LINE, _BAR, _GAP = 0.16, 0.06, 0.07
"""Heights of a line of text and of a bar, and the gap between images, in sides of an image."""


def called(true: str, predicted: str) -> str:
    """How a cell is named: "CAT called DOG"."""
    return f"{true.upper()} called {predicted.upper()}"


def sheet(
    rows: Mapping[str, pd.DataFrame], images: xr.DataArray, said: xr.Dataset, columns: int = 6
) -> tuple[Figure, Axes]:
    """A contact sheet: under each title of `rows` the images of its table, and under each image what is said of it.

    said: as from `agreement.joined`; each of its networks is a bar, the first at the top, parted into the probabilities
    of the label, of the wrong name and of all others. Where a table is of several cells, each image's is named.
    Book: *Look at them*.
    """
    networks = [str(name) for name in said["network"].values]
    figure, ax = plt.subplots(layout="constrained")
    bottom = 0.0
    for title, table in rows.items():
        ax.text(0, bottom + _LINE, title, fontsize=11, fontweight="bold", va="center", parse_math=False)
        top = bottom + 2 * _LINE
        several = len(table[["true", "predicted"]].drop_duplicates()) > 1
        height = 1 + _LINE * (2 + several) + _BAR * len(networks) + _GAP
        for place, (image, row) in enumerate(table.iterrows()):
            x, y = place % columns * (1 + _GAP), top + place // columns * height
            _draw(ax, images.sel(test_image=image).values, x, y)
            lines = [f"{row['true']} → {row['predicted']}".upper()] * several + [_votes(row)]
            for line, words in enumerate(lines, 1):
                ax.text(x + 0.5, y + 1 + line * _LINE, words, fontsize=9, ha="center", va="center", parse_math=False)
            _bars(ax, said.isel(test_image=int(image)), row, x, y + 1 + _LINE * (len(lines) + 0.7))
        bottom = top + -(-max(len(table), 1) // columns) * height
    width = columns * (1 + _GAP) - _GAP
    ax.set(xlim=(0, width), ylim=(bottom, 0), aspect="equal")
    ax.axis("off")
    figure.set_size_inches(_SIDE * width, _SIDE * bottom + 0.6)
    figure.legend(
        handles=[Patch(color=colour, label=f"given to {name}") for name, colour in _PARTS.items()],
        title="Each bar is what one of them says. From the top: " + ", ".join(networks),
        ncols=len(_PARTS),
        loc="outside lower center",
        frameon=False,
        fontsize=9,
        title_fontsize=9,
    )
    return figure, ax


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
    return HTML(f"{_STYLE}<div class='tiles guess'>{''.join(tiles)}</div>")


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
                line += "<td></td>"
                continue
            key, words = f"{row}-{column}", html.escape(called(true, predicted))
            line += f"<td>{_choice(key, words, float(cctm[row, column]), highest)}</td>"
            rules.append(f".cells:has([value='{key}']:checked) [data-cell='{key}'] {{ display: block; }}")
            sections.append(_section(key, words, tables[true, predicted], images))
        lines.append(f"<tr>{line}</tr>")
    table_ = f"<table><tr><td></td>{heads}</tr>{''.join(lines)}</table>"
    return HTML(f"{_STYLE}<style>{''.join(rules)}</style><div class='cells'>{table_}{''.join(sections)}</div>")


def choose(said: xr.Dataset, pixels: Callable[[np.ndarray], xr.DataArray], most: int = 24) -> widgets.VBox:
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
        report.value = f"{len(table)} images; the first {min(len(table), most)} are shown"
        shown = table.head(most)
        with picture:
            picture.clear_output(wait=True)
            if len(shown):
                title = called(true.value, predicted.value)
                figure = sheet({title: shown}, pixels(shown.index), said)[0]
                display(figure)
                plt.close(figure)  # else the notebook shows it once more, below the widget

    for control in (network, true, predicted):
        control.observe(look, "value")
    look()
    return widgets.VBox([widgets.HBox([true, predicted, network]), report, picture])


def _draw(ax: Axes, pixels: np.ndarray, x: float, y: float) -> None:
    """An image with its upper left corner at (x, y), of side 1; smoothed, since so few pixels are seen better so."""
    ax.imshow(_coloured(pixels), extent=(x, x + 1, y + 1, y), interpolation="lanczos")


def _bars(ax: Axes, said: xr.Dataset, row: pd.Series, x: float, y: float) -> None:
    probabilities = said["test_probabilities"].astype(float)
    label, wrong = (probabilities.sel(predicted=row[key]).values for key in ("true", "predicted"))
    for line, parts in enumerate(zip(label, wrong, 1 - label - wrong, strict=True)):
        left = x
        for width, colour in zip(parts, _PARTS.values(), strict=True):
            ax.add_patch(Rectangle((left, y + line * _BAR), width, 0.8 * _BAR, color=colour, lw=0))
            left += width


def _coloured(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


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
    tiles = [
        f"<figure><img alt='{words}' src='{_address(images, image)}'><figcaption>{_votes(row)}</figcaption></figure>"
        for image, row in table.iterrows()
    ]
    return f"<section data-cell='{key}'><p><b>{words}</b></p><div class='tiles'>{''.join(tiles)}</div></section>"


def _address(images: xr.DataArray, image: int) -> str:
    """An image as an address that holds it."""
    content = io.BytesIO()
    plt.imsave(content, _coloured(images.sel(test_image=image).values), format="png")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


_STYLE = """<style>
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)); gap: 10px; text-align: center; }
.tiles img { width: 88px; height: 88px; border-radius: 4px; }
.tiles figure { margin: 0; }
.tiles figcaption, .guess details { font-size: 12px; line-height: 1.3; margin: 0; border: 0; }
.guess summary { list-style: none; cursor: pointer; }
.guess summary::-webkit-details-marker { display: none; }
.cells { overflow-x: auto; }
.cells table { border-collapse: separate; border-spacing: 2px; font-size: 12px; margin: 0 auto 10px; }
.cells th { font-weight: normal; padding: 2px 4px; }
.cells td { padding: 0; }
.cells label { display: block; position: relative; min-width: 40px; padding: 5px 0; text-align: center; }
.cells input { position: absolute; opacity: 0; inset: 0; margin: 0; cursor: pointer; }
.cells label:has(:checked) { outline: 3px solid #2f6db3; }
.cells label:has(:focus-visible) { outline: 3px dashed #2f6db3; }
.cells section { display: none; }
@supports not selector(:has(a)) { .cells section { display: block; } }
</style>"""
"""Beside the HTML, so that a live notebook, which has no style sheet of the book, shows the same."""

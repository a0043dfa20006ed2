"""Figures to play with: a plane to walk in, a training to play; and a walk with widgets for a live notebook.

They read artifacts only. The first two are HTML with native controls, drawn by `static/figures.js`. What a notebook
displays is whole: data, script and style are in it. The book's build (`book/light.py`) takes them out into files, so
that a page is light, and the data of a choice are loaded when it is made.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from IPython.display import HTML, display
from matplotlib.figure import Figure

from ciutils import checks
from ciutils.analyse import confusion, dancing, surfaces
from ciutils.choices import COUNTS
from ciutils.classes import class_pair
from ciutils.counts import CELLS
from ciutils.show import page
from ciutils.show import spaces as pictures
from ciutils.show.axes import INTERFERENCE_COLOURS, most_confused
from ciutils.show.confusion import cctm_heatmap, same_classes
from ciutils.show.dancing import dance as dance_picture

Key = tuple[str, str, str]

_STATIC = Path(__file__).parent / "static"
_COLOURS = (255 * plt.get_cmap(INTERFERENCE_COLOURS)(np.linspace(0, 1, 11))[:, :3]).round().astype(int).tolist()
_SAID = {
    "running_counts": "training images, during epochs",
    "end_counts": "training images, at the end of epochs",
    "test_counts": "test images, at the end of epochs",
}


def planes(
    spaces: Mapping[Key, xr.Dataset], recalibrated: Mapping[Key, xr.Dataset] | None = None, tolerance: float = 0.05
) -> HTML:
    """Interference spaces to walk in, one at a time: a map of the mistake rate, or of a class's loss, with a point; the
    CCTM, the losses and the mistake rate there; and a cut through the network at a chosen angle.

    spaces: by (network, setup, plane), each of these a choice. recalibrated: the same planes, where they were measured,
    with batch-norm statistics taken anew at each point. tolerance: the white line is where the rate is that much above
    the middle's. Of more than `axes.READABLE` classes the plane's own two are shown, and those confused most at it.

    Source: arXiv:2211.01370, Figures 2 to 5. Book: *Sharpness*, *Class-wise losses*.
    """
    files: dict[str, str] = {}
    for key in checks.by_name(spaces, "spaces"):
        if not isinstance(key, tuple) or len(key) != 3:
            raise ValueError(f"spaces has the key {key!r}: give (network, setup, plane), three texts")
    offered = [
        dict(zip(("network", "setup", "plane"), key, strict=True), frozen=_kept(_plane(space), files))
        | ({"recalibrated": _kept(_plane(recalibrated[key]), files)} if recalibrated and key in recalibrated else {})
        for key, space in spaces.items()
    ]
    choices = "".join(
        _select(name, {each: each for each in dict.fromkeys(space[name] for space in offered)})
        for name in ("network", "setup", "plane")
    )
    first = next(iter(spaces.values()))
    drawn, _ = pictures.contours({", ".join(next(iter(spaces))): surfaces.mistake_rate(first)}, tolerance)
    controls = f"""
<div class="choices">{choices}{_select("shown", {"": "mistakes of all classes"}, "map of")}
{_check("recalibrated", "batch-norm recalibrated, where measured", hidden=not recalibrated)}
{_check("distance", "drawn by weight distance")}</div>
<output></output>
<div class="panels">
<div><div data-part="map" tabindex="0" role="application" aria-label="Map: arrow keys move the point"></div>
<div data-part="scale"></div><div class="steps">{_slider("theta1")}{_slider("theta2")}</div></div>
<div><div class="matrix" data-part="there" tabindex="0" role="group" aria-label="CCTM"></div>
<div data-part="cut"></div>{_slider("angle", 'max="175" step="5" value="135"')}</div>
</div>"""
    given = {"spaces": offered, "colours": _COLOURS, "tolerance": tolerance}
    return _figure("plane", "A plane to walk in: its map, and the CCTM at a point", given, controls, drawn, files)


def dance(
    histories: Mapping[str, xr.Dataset],
    pair: tuple[str | int, str | int],
    counts: str = "test_counts",
    threshold: float = 0.001,
) -> HTML:
    """Trainings to play, epoch by epoch: the recalls and the notes of two classes, and the CCTM, or, of all trainings
    together, each of its cells as a curve.

    histories: by name, all of the same classes. pair, counts: those chosen at first. threshold: as of `dancing.notes`.
    Of more than `axes.READABLE` classes the pair is shown, and those confused most at the end of the first training.
    Source: arXiv:2211.01370, Figures 6 and 7. Book: *Label dancing*.
    """
    first = next(iter(checks.by_name(histories, "histories").values()))
    tables = {name: dancing.counts_of(each, counts) for name, each in histories.items()}
    classes = same_classes(tables, ("epoch", *CELLS))
    own = class_pair(classes, pair)
    chosen = _with(own, most_confused([confusion.cctm(first[counts][-1]).values]))
    names = {str(place): str(classes[label]) for place, label in enumerate(chosen)}
    files: dict[str, str] = {}
    runs = [
        {"name": name, "file": _kept(_history(each.sel(true=classes, predicted=classes), chosen), files)}
        for name, each in histories.items()
    ]
    at_first = [list(chosen).index(label) for label in own]
    ways = {how: said for how, said in _SAID.items() if any(how in history for history in histories.values())}
    last = first.sizes["epoch"] - 1  # what a training comes to; it plays from its first epoch
    epochs = _slider("epoch", f'value="{last}" max="{last}"')
    choices = (
        _select("run", {name: name for name in histories}, "training")
        + _select("counts", ways, "counted on", counts)
        + "".join(_select(key, names, f"class {key}", str(place)) for key, place in zip("ab", at_first, strict=True))
    )
    controls = f"""
<div class="choices">{choices}{_check("curves", "curves of all trainings")}</div>
<div class="steps"><button type="button" name="back" aria-label="one epoch back">◀</button>
<button type="button" name="play">play</button>
<button type="button" name="forward" aria-label="one epoch on">▶</button>{epochs}</div>
<output></output>
<div class="panels"><div><div data-part="recalls"></div><div data-part="notes"></div></div>
<div><div class="matrix" data-part="matrix" tabindex="0" role="group" aria-label="CCTM"></div>
<div data-part="cell"></div></div></div>"""
    picture, _ = dance_picture(first, str(classes[own[0]]), str(classes[own[1]]), counts)
    given = {"runs": runs, "colours": _COLOURS, "threshold": threshold}
    return _figure("dance", "A training to play, epoch by epoch", given, controls, [picture], files)


def walk(space: xr.Dataset) -> widgets.VBox:
    """Two sliders over a measured plane, and the CCTM at the point where they stand. For a live notebook.

    Book: *Execute a notebook*.
    """
    rates = surfaces.mistake_rate(space)
    first, second = (str(space.attrs[name]) for name in ("first", "second"))
    steps = {
        axis: widgets.SelectionSlider(
            options=[(f"{float(value):.3g}", number) for number, value in enumerate(space[axis].values)],
            value=space.sizes[axis] // 2,
            description=f"theta, {name}".replace("$", r"\$"),  # a description is typeset by MathJax
            continuous_update=False,
            style={"description_width": "initial"},
        )
        for axis, name in (("theta1", first), ("theta2", second))
    }
    report, picture = widgets.Label(), widgets.Output()

    def move(*_: object) -> None:
        here = {axis: slider.value for axis, slider in steps.items()}
        rate = float(rates.isel(here))
        share = f"{100 * rate:.1f}%" if np.isfinite(rate) else "an undefined share"
        report.value = f"{share} of the training images are misclassified here"
        figure = cctm_heatmap(confusion.cctm(space["counts"].isel(here)))[0]
        with picture:
            picture.clear_output(wait=True)
            display(figure)
        plt.close(figure)  # else the notebook shows it once more, below the widget

    for slider in steps.values():
        slider.observe(move, "value")
    move()
    return widgets.VBox([*steps.values(), report, picture])


# --- data, as figures.js reads them


def _plane(space: xr.Dataset) -> dict[str, object]:
    rate, losses = (of(space).transpose("theta1", "theta2", ...) for of in (surfaces.mistake_rate, surfaces.class_loss))
    counts = space["counts"].transpose("theta1", "theta2", "true", "predicted")
    images = counts.sum("predicted").max(("theta1", "theta2"))
    classes = [str(name) for name in space["true"].values]
    own = [classes.index(name) for name in (space.attrs["first"], space.attrs["second"]) if name in classes]
    chosen = _with(own, most_confused([confusion.cctm(counts[surfaces.centre(space)]).values]))
    cells = [_text(each) for each in _cells(counts.values, chosen)]
    weight_norm = float(space.attrs["weight_norm"])
    return {
        "names": [space.attrs["first"], space.attrs["second"]],
        "theta1": _rounded(space["theta1"].values),
        "theta2": _rounded(space["theta2"].values),
        "distance": _rounded([space.attrs[name] / weight_norm for name in ("norm1", "norm2")]),
        "cosine": float(space.attrs["cosine"]),
        "classes": [classes[label] for label in chosen],
        "of": len(classes),
        "images": int(images.sum()),
        "mistakes": _whole(rate.values.ravel() * int(images.sum())),
        "losses": [_rounded(each) for each in losses.values.reshape(-1, len(classes))[:, chosen]],
        "totals": _text(images.values[chosen]),
        "counts": [each if known else None for each, known in zip(cells, np.isfinite(rate.values.flat), strict=True)],
    }


def _history(history: xr.Dataset, chosen: np.ndarray) -> dict[str, object]:
    ways = {how: history[how].transpose("epoch", "true", "predicted").values for how in COUNTS if how in history}
    return {
        "epochs": history["epoch"].values.tolist(),
        "classes": [str(name) for name in history["true"].values[chosen]],
        "of": history.sizes["true"],
        "totals": {how: [_text(each) for each in counts.sum(-1)[:, chosen]] for how, counts in ways.items()},
        "counts": {how: [_text(each) for each in _cells(counts, chosen)] for how, counts in ways.items()},
    }


def _with(own: Sequence[int], chosen: np.ndarray) -> np.ndarray:
    """The classes `chosen` for a figure, of which the last give way to the labels `own` if these are not among them."""
    if set(own) <= set(chosen):
        return chosen
    return np.array([*own, *(label for label in chosen if label not in own)])[: len(chosen)]


def _cells(counts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Counts (..., true, predicted) of the `chosen` classes: (place, cell)."""
    return counts[..., chosen, :][..., chosen].reshape(-1, len(chosen) ** 2)


def _text(numbers: np.ndarray) -> str:
    """Whole numbers, most of which are 0, in few characters: "3,,1" is 3, 0, 1."""
    return ",".join(str(each) if each else "" for each in numbers.tolist())


def _rounded(values: Sequence[float] | np.ndarray) -> list[float | None]:
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


def _whole(values: np.ndarray) -> list[int | None]:
    return [round(value) if np.isfinite(value) else None for value in values.tolist()]


# --- HTML


def _kept(content: Mapping[str, object], files: dict[str, str]) -> str:
    """Put `content` as JSON into `files`, under a name that is the digest of it; return the name."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c")  # "</script>" is a name
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    files[name] = text
    return name


def _figure(
    kind: str,
    description: str,
    given: Mapping[str, object],
    controls: str,
    drawn: Sequence[Figure],
    files: Mapping[str, str],
) -> HTML:
    kept = [f'<script type="application/json" data-name="{name}">{text}</script>' for name, text in files.items()]
    return HTML(f"""{_static("style", "figures.css")}
<interference-{kind} class="playing mathjax_ignore tex2jax_ignore" role="group" aria-label="{html.escape(description)}"
data-figure="{html.escape(json.dumps(given))}"><form autocomplete="off">{controls}</form>
<noscript><p>With scripts, this picture can be played.</p>
{page.pictures(drawn, f"{description}; without JavaScript, as a picture").data}</noscript>
</interference-{kind}>{"".join(kept)}{_static("script", "figures.js")}""")


def _static(tag: str, file: str) -> str:
    return f'<{tag} data-book="figures">{(_STATIC / file).read_text("utf-8")}</{tag}>'


def _select(name: str, options: Mapping[str, str], label: str = "", chosen: str = "") -> str:
    """A choice of `options`, texts by value; one of a single option is hidden, as there is nothing to choose."""
    listed = "".join(
        f'<option value="{html.escape(value)}"{" selected" * (value == chosen)}>{html.escape(text)}</option>'
        for value, text in options.items()
    )
    hidden = " hidden" * (len(options) == 1 and name != "shown")
    return f'<label class="choice"{hidden}>{label or name}<select name="{name}">{listed}</select></label>'


def _check(name: str, label: str, hidden: bool = False) -> str:
    return f'<label class="check"{" hidden" * hidden}><input type="checkbox" name="{name}">{label}</label>'


def _slider(name: str, more: str = "") -> str:
    text = f'<span data-part="{name}"></span>'
    return f'<label class="slider">{text}<input type="range" name="{name}" min="0" {more}></label>'

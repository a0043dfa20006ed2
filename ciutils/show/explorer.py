"""Figures to turn, cut and play, as plotly figures; and a live walk over a measured plane, as a widget.

They read artifacts only. In a live notebook plotly and ipywidgets draw them; in the book's pages, which
hold no server, plotly's own script does, from the book's folder.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import xarray as xr
from IPython.display import display
from matplotlib.colors import to_hex
from plotly.subplots import make_subplots

from ciutils.analyse import confusion, dancing, surfaces
from ciutils.show import page
from ciutils.show.axes import INTERFERENCE_COLOURS, most_confused
from ciutils.show.confusion import cctm_heatmap
from ciutils.show.text import in_plotly, in_scene

_COLOURS = [[level, to_hex(plt.get_cmap(INTERFERENCE_COLOURS)(level))] for level in np.linspace(0, 1, 11).tolist()]
_INK, _GRID, _CLEAR = "#808080", "rgba(128,128,128,0.3)", "rgba(0,0,0,0)"  # readable on a light and on a dark page
_POSITIONS = 41  # of a cut
_CONFIG = {"displaylogo": False, "responsive": True, "typesetMath": False}
_LOADER = """<script>if (!window.Plotly) document.write(
  '<script src="' + (document.documentElement.dataset.content_root || '') + '_static/plotly.min.js"><\\/script>'
);</script>"""
"""Loads plotly's script once in a page, from the book's own folder, whose way Sphinx writes into each page."""


def show(figure: go.Figure, description: str, *artifacts: xr.Dataset) -> None:
    """Display a plotly figure, and under it one line on where its `artifacts` come from.

    description: what it shows, for those who cannot see it. Live notebooks take the figure, the book its HTML.
    """
    drawn = figure.to_html(full_html=False, include_plotlyjs=False, auto_play=False, config=_CONFIG)
    shown = f'<div role="figure" aria-label="{html.escape(description)}">{_LOADER}{drawn}</div>'
    live = figure.to_plotly_json() | {"config": _CONFIG}
    display({"application/vnd.plotly.v1+json": live, "text/html": shown}, raw=True)
    display(page.source(*artifacts))


def planes(spaces: Mapping[str, xr.Dataset], step: int = 15) -> go.Figure:
    """Mistake rates of several spaces as surfaces to turn, one at a time, with a cut at every `step` degrees beside it.

    The cut runs through the network, as in `analyse.surfaces.cut`; the line on the surface shows where.
    Source: arXiv:2211.01370, Figures 2 to 4. Book: chapter *Sharpness*.
    """
    angles = list(range(0, 180, step))
    figure = make_subplots(1, 2, specs=[[{"type": "scene"}, {"type": "xy"}]], column_widths=[0.62, 0.38])
    for space in spaces.values():
        figure.add_trace(_surface(space), 1, 1)
        line, curve = _cut(space, angles[0])
        figure.add_trace(line, 1, 1)
        figure.add_trace(curve, 1, 2)
    moving = [number for number in range(3 * len(spaces)) if number % 3]
    figure.frames = [
        go.Frame(
            name=str(angle), traces=moving, data=[each for space in spaces.values() for each in _cut(space, angle)]
        )
        for angle in angles
    ]
    _show_only(figure, 0, len(spaces))
    figure.update_layout(
        updatemenus=[_menu(spaces)], sliders=[_slider([str(angle) for angle in angles], "angle of the cut, degrees: ")]
    )
    figure.update_xaxes(title="along the cut", gridcolor=_GRID, zeroline=False)
    figure.update_yaxes(title="mistakes, percent", range=[0, 100], gridcolor=_GRID, zeroline=False)
    axis = {"showbackground": False, "gridcolor": _GRID, "zerolinecolor": _GRID}
    figure.update_scenes(
        xaxis=axis,
        yaxis=axis,
        zaxis=axis | {"range": [0, 95], "title": {"text": "%"}},
        camera={"eye": {"x": 1.5, "y": -1.5, "z": 1.2}},
    )
    figure.update_layout(
        {key.replace(".", "_"): text for key, text in _axis_titles(next(iter(spaces.values()))).items()}
    )
    return _styled(figure, 520)


def epochs(history: xr.Dataset, counts: str = "test_counts") -> go.Figure:
    """The CCTM of every epoch of a history, to play; the diagonal left out, one colour scale for all.

    The scale ends at twice the last epoch's largest cell: what is above it early is as dark. Of more than
    `axes.READABLE` classes those that are confused most in the last epoch are shown.
    Book: chapter *Label dancing*.
    """
    rates = confusion.cctm(dancing.counts_of(history, counts))
    chosen = most_confused([rates[-1].values])
    cctm = 100 * rates.values[:, chosen][:, :, chosen]
    cctm = np.where(np.eye(len(chosen), dtype=bool), np.nan, cctm)
    names, numbers = (
        [in_plotly(rates["true"].values[each]) for each in chosen],
        [str(each) for each in rates["epoch"].values],
    )
    top = 2 * float(np.nanmax(cctm[-1], initial=0)) or 100.0

    def heat(rates: np.ndarray) -> go.Heatmap:
        return go.Heatmap(
            x=names,
            y=names,
            z=_rounded(rates),
            zmin=0,
            zmax=top,
            colorscale=_COLOURS,
            colorbar={"title": {"text": "percent"}},
            hovertemplate="%{y} called %{x}: %{z:.1f}%<extra></extra>",
        )

    figure = go.Figure(heat(cctm[0]))
    figure.frames = [go.Frame(name=number, data=[heat(rates)]) for number, rates in zip(numbers, cctm, strict=True)]
    figure.update_layout(
        updatemenus=[_play_button()],
        sliders=[_slider(numbers, "epoch: ")],
        # else names that are numbers or dates would be placed by their value
        xaxis={"title": "predicted class", "type": "category", "constrain": "domain", "showgrid": False},
        yaxis={
            "title": "true class",
            "type": "category",
            "autorange": "reversed",
            "scaleanchor": "x",
            "constrain": "domain",
            "showgrid": False,
        },
    )
    return _styled(figure, 620)


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


def _surface(space: xr.Dataset) -> go.Surface:
    rate = surfaces.mistake_rate(space)
    first, second = in_plotly(rate.attrs["first"]), in_plotly(rate.attrs["second"])
    return go.Surface(
        x=rate["theta1"].values,
        y=rate["theta2"].values,
        z=_rounded(100 * rate.values.T),
        cmin=0,
        cmax=90,
        colorscale=_COLOURS,
        showscale=False,
        hovertemplate=f"theta, {first} %{{x:.3g}}<br>theta, {second} %{{y:.3g}}<br>%{{z:.1f}}%<extra></extra>",
    )


def _cut(space: xr.Dataset, angle: int) -> tuple[go.Scatter3d, go.Scatter]:
    rates = 100 * surfaces.cut(space, angle, _POSITIONS)
    position, radians = rates["position"].values, np.radians(angle)
    x, y = (
        position * float(space[axis][-1]) * turn(radians) for axis, turn in (("theta1", np.cos), ("theta2", np.sin))
    )
    drawn = {"mode": "lines", "showlegend": False, "line": {"color": "deepskyblue", "width": 6}}
    lifted = _rounded(rates.values + 1)  # just above the surface
    return (
        go.Scatter3d(x=x, y=y, z=lifted, hoverinfo="skip", **drawn),
        go.Scatter(x=_rounded(position), y=_rounded(rates.values), **drawn | {"line": {"color": "deepskyblue"}}),
    )


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values, 2)  # of percent; pages stay small


def _show_only(figure: go.Figure, chosen: int, count: int) -> None:
    for number in range(3 * count):
        figure.data[number].visible = number // 3 == chosen


def _menu(spaces: Mapping[str, xr.Dataset]) -> dict[str, object]:
    """A choice of one space: its three traces are shown, and the axes take its classes' names."""

    def choice(position: int, name: str, space: xr.Dataset) -> dict[str, object]:
        visible = [number // 3 == position for number in range(3 * len(spaces))]
        return {"label": in_plotly(name), "method": "update", "args": [{"visible": visible}, _axis_titles(space)]}

    return {
        "buttons": [choice(position, *each) for position, each in enumerate(spaces.items())],
        "x": 0,
        "xanchor": "left",
        "y": 1.12,
        "yanchor": "top",
        "direction": "down",
    }


def _axis_titles(space: xr.Dataset) -> dict[str, object]:
    names = {"xaxis": space.attrs["first"], "yaxis": space.attrs["second"]}
    return {f"scene.{axis}.title.text": in_scene(f"theta, {name}") for axis, name in names.items()}


def _slider(steps: list[str], prefix: str) -> dict[str, object]:
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    return {
        "currentvalue": {"prefix": prefix},
        "pad": {"t": 40},
        "steps": [{"label": step, "method": "animate", "args": [[step], at_once]} for step in steps],
    }


def _play_button() -> dict[str, object]:
    pace = {"fromcurrent": True, "frame": {"duration": 500, "redraw": True}, "transition": {"duration": 0}}
    pause = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}}
    return {
        "type": "buttons",
        "direction": "right",
        "x": 0,
        "xanchor": "left",
        "y": 1.1,
        "yanchor": "top",
        "buttons": [
            {"label": "play", "method": "animate", "args": [None, pace]},
            {"label": "pause", "method": "animate", "args": [[None], pause]},
        ],
    }


def _styled(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 60, "r": 20, "t": 60, "b": 40},
        font={"color": _INK},
        paper_bgcolor=_CLEAR,
        plot_bgcolor=_CLEAR,
        modebar={"bgcolor": _CLEAR, "color": _INK},
    )
    return figure

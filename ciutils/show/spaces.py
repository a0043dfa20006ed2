"""Pictures of interference spaces. Every function returns lists of figures and of axes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D

from ciutils import checks
from ciutils.show.axes import (
    INTERFERENCE_COLOURS,
    READABLE,
    SMALLEST,
    colour_bar,
    one_height,
    out_of,
    panels,
    theta_labels,
)
from ciutils.show.text import WIDEST, in_figure, number

Rates = Mapping[str, xr.DataArray] | Mapping[tuple[str, ...], xr.DataArray]

_LARGE = 3.15, 3.1
"""Inches of a panel: three lie side by side on a wide page."""
_SMALL = 2.15, 2.3
"""Of a panel, where there are more than three: four lie side by side on a wide page, two on a phone's."""
_SHORT, _LONG = 15, 20
"""Characters of an axis' label there up to which its middle is the axis'; and of one line of a longer one."""


def surfaces(rates: Rates) -> tuple[list[Figure], list[Axes]]:
    """Mistake rates over planes as 3-D surfaces, a panel for each, named by its key, a text or several, such as
    (network, setup, pair).

    Each (theta1, theta2); one height and colour scale, 0 to 90 percent as in the paper. The point: the network itself.

    Source: arXiv:2211.01370, Figures 2 to 4. Book: *Sharpness*.
    """
    figures, axes = panels(_checked(rates), _LARGE, projection="3d")
    for rate, ax in zip(rates.values(), axes, strict=True):
        _draw_surface(ax, rate, 100 * rate.values, 90)
        middle = 100 * rate.values[rate.shape[0] // 2, rate.shape[1] // 2]
        ax.plot([0], [0], [middle], "o", color="deepskyblue", ms=5, zorder=10)
        ax.set(zlabel="mistakes, percent", **theta_labels(rate, WIDEST))
    return figures, axes


def contours(rates: Rates, tolerance: float | None = None) -> tuple[list[Figure], list[Axes]]:
    """Mistake rates over planes as maps, a panel for each, named by its key; last of the figures is the colour bar.

    The white line, with a `tolerance`, is where the rate is that much above the middle point's: the rim of the flat
    area.

    Source: arXiv:2211.01370, Figures 2 to 4. Book: *Sharpness*.
    """
    large = len(_checked(rates)) <= 3
    figures, axes = panels(rates, _LARGE if large else _SMALL)
    for rate, ax in zip(rates.values(), axes, strict=True):
        _draw_map(ax, rate, 100 * rate.values, 90)
        middle = rate.values[rate.shape[0] // 2, rate.shape[1] // 2]
        if tolerance is not None and np.nanmin(rate, initial=1) <= middle + tolerance < np.nanmax(rate, initial=0):
            ax.contour(rate["theta1"], rate["theta2"], rate.values.T, levels=[middle + tolerance], colors="white")
        if large:
            ax.set(**theta_labels(rate, WIDEST))
        else:
            _label(ax, rate)
    return [*figures, colour_bar(axes[0].collections[0], "mistakes, percent")], axes


def class_surfaces(losses: xr.DataArray, label: str) -> tuple[list[Figure], list[Axes]]:
    """A value of every class, (theta1, theta2, true), over one plane: a 3-D surface each with one scale, and last of
    the figures the colour bar.

    The top of the scale is the 95th percentile, so that one steep corner does not flatten the rest. Of more than
    `axes.READABLE` classes the plane's own two are shown, and those whose value varies most. Classes without images
    have no panel, and are named below.
    Source: arXiv:2211.01370, Figure 5. Book: *Class-wise losses*.
    """
    return _class_panels(losses, label, None, solid=True)


def class_maps(losses: xr.DataArray, label: str, highest: float | None = None) -> tuple[list[Figure], list[Axes]]:
    """The same as maps; the corners say what helps and what harms which class. highest: another top of the scale."""
    return _class_panels(losses, label, highest, solid=False)


def _checked(rates: Rates) -> Rates:
    for key, rate in checks.by_name(rates, "rates").items():
        checks.array(rate, f"rates of {key}", ("theta1", "theta2"), "surfaces.mistake_rate")
    return rates


def _class_panels(
    losses: xr.DataArray, label: str, highest: float | None, solid: bool
) -> tuple[list[Figure], list[Axes]]:
    checks.array(losses, "losses", ("theta1", "theta2", "true"), "surfaces.class_loss")
    classes, own = losses["true"].values, [losses.attrs[name] for name in ("first", "second")]
    spread = (losses.max(("theta1", "theta2")) - losses.min(("theta1", "theta2"))).values
    present = np.flatnonzero(np.isfinite(spread))
    if not len(present):
        raise ValueError("losses are known of no class: give those of a space that was measured")
    if len(present) > READABLE:
        order = np.lexsort([-spread[present], ~np.isin(classes[present], own)])
        present = np.sort(present[order[:READABLE]])
    top = highest if highest is not None else float(np.nanpercentile(losses, 95)) or 1.0
    figures, axes = panels(map(str, classes[present]), _SMALL, projection="3d" if solid else None)
    for name, ax in zip(classes[present], axes, strict=True):
        values = losses.sel(true=name)
        (_draw_surface if solid else _draw_map)(ax, values, np.minimum(values, top) if solid else values.values, top)
        if solid:
            ax.set(**theta_labels(losses, WIDEST))
        else:
            _label(ax, losses, "\nharms ← → helps")
    absent = [str(name) for name in classes[np.isnan(spread)]]
    label += out_of(present, classes[np.isfinite(spread)], "the plane's own and those that vary most")
    label += f"; without images: {', '.join(absent)}" if absent else ""
    return [*figures, colour_bar(axes[0].collections[0], label, extend="max")], axes


def _label(ax: Axes, rate: xr.DataArray, ways: str = "") -> None:
    """Labels of a small panel, with `ways` below. Long ones end where their axis does: before it is more room."""
    thetas = theta_labels(rate, _LONG)
    long = max(map(len, thetas.values())) > _SHORT
    ax.set_xlabel(thetas["xlabel"] + ways, loc="right" if long else "center")
    ax.set_ylabel(thetas["ylabel"] + ways, loc="top" if long else "center")


def _draw_surface(ax: Axes3D, plane: xr.DataArray, values: np.ndarray, top: float) -> None:
    theta1, theta2 = np.meshgrid(plane["theta1"], plane["theta2"], indexing="ij")
    ax.plot_surface(theta1, theta2, values, cmap=INTERFERENCE_COLOURS, vmin=0, vmax=top, edgecolor="0.5", linewidth=0.3)
    ax.set_zlim(0, top)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color((0.5, 0.5, 0.5, 0.25))  # of any ground
    ax.tick_params(labelsize=SMALLEST, pad=-3)  # nearer than labels of the axes, which else lie on them
    ax.tick_params(axis="z", pad=0)
    for axis, theta in ((ax.xaxis, plane["theta1"]), (ax.yaxis, plane["theta2"])):
        half = float(f"{float(theta.max()) / 2:.1g}")
        axis.set_ticks([-half, half])  # more labels, or nearer to the corner, would lie on each other
    ax.locator_params("z", nbins=3)
    _short_ticks(ax)
    ax.set_box_aspect(None, zoom=0.8)  # else the labels of the vertical axis are cut off


def _draw_map(ax: Axes, plane: xr.DataArray, values: np.ndarray, top: float) -> None:
    ax.pcolormesh(
        plane["theta1"],
        plane["theta2"],
        values.T,
        cmap=INTERFERENCE_COLOURS,
        vmin=0,
        vmax=top,
        shading="nearest",
        rasterized=True,
    )
    ax.plot(0, 0, "+", color="deepskyblue", ms=9, mew=2)
    ax.tick_params(labelsize=SMALLEST)
    ax.locator_params(axis="x", nbins=2)  # so that its labels stay apart in a panel of two inches
    ax.locator_params(axis="y", nbins=3)
    _short_ticks(ax)


def _short_ticks(ax: Axes) -> None:
    """0 rather than 0.0000, and 5e-4 rather than 0.0005, so that neighbours stay apart."""

    def short(value: float, _: float) -> str:
        if value == 0 or abs(value) >= 1e-3:
            return number(value, ".3g")
        return number(value, ".1e").replace(".0e", "e").replace("e−0", "e−")

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(short)


def sensitivities(by_angle: Mapping[str, Mapping[str, xr.DataArray]]) -> tuple[list[Figure], list[Axes]]:
    """How sharp the cut through the middle is at every angle: a panel for each outer key, a line for each inner one.

    Each (angle) as `analyse.surfaces.sensitivity` gives. Dotted lines: the two egos' axes and the diagonal at 135
    degrees.
    """
    figures, axes = panels(checks.by_name(by_angle, "cuts"), _LARGE)
    for lines, ax in zip(by_angle.values(), axes, strict=True):
        for name, values in lines.items():
            ax.plot(values["angle"], 100 * values, label=in_figure(name))
        for angle in (0, 90, 135):
            ax.axvline(angle, ls=":", color="gray", lw=1)
        ax.set(xlabel="angle of the cut, degrees", ylabel="sharpness, percent", xticks=range(0, 181, 45))
        ax.grid(axis="y", alpha=0.3)
        ax.legend(fontsize=SMALLEST)
    one_height(axes)
    return figures, axes

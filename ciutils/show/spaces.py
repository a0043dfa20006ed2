"""Pictures of interference spaces. Every function returns (figure, axes)."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D

from ciutils.show.axes import INTERFERENCE_COLOURS, READABLE, axes_of, grid, out_of, theta_labels
from ciutils.show.text import in_figure


def surfaces(rates: Mapping[tuple[str, str], xr.DataArray]) -> tuple[Figure, np.ndarray]:
    """Mistake rates over planes as 3-D surfaces, keyed by (row, column), such as (network, pair).

    Each (theta1, theta2); one height and colour scale, 0 to 90 percent as in the paper. The point: the network itself.

    Source: arXiv:2211.01370, Figures 2 to 4. Book: *Sharpness*.
    """
    figure, axes = grid(rates, 3.4, subplot_kw={"projection": "3d"})
    for (row, column), rate in rates.items():
        ax: Axes3D = axes[row, column]
        theta1, theta2 = np.meshgrid(rate["theta1"], rate["theta2"], indexing="ij")
        ax.plot_surface(
            theta1,
            theta2,
            100 * rate.values,
            cmap=INTERFERENCE_COLOURS,
            vmin=0,
            vmax=90,
            rcount=100,
            ccount=100,
            linewidth=0,
        )
        middle = 100 * rate.values[rate.shape[0] // 2, rate.shape[1] // 2]
        ax.plot([0], [0], [middle], "o", color="deepskyblue", ms=5, zorder=10)
        ax.set(title=in_figure(f"{row}, {column}", 40), zlim=(0, 90), **theta_labels(rate))
        ax.set_zlabel("mistakes, percent")
        ax.tick_params(labelsize=7)
        ax.locator_params(axis="x", nbins=4)
        ax.locator_params(axis="y", nbins=4)
        ax.set_box_aspect(None, zoom=0.85)  # else the labels of the vertical axis are cut off
    return figure, axes_of(axes, rates)


def contours(
    rates: Mapping[tuple[str, str], xr.DataArray], tolerance: float | None = None
) -> tuple[Figure, np.ndarray]:
    """Mistake rates over planes as maps, keyed by (row, column), with one colour scale.

    The white line, with a `tolerance`, is where the rate is that much above the middle point's: the rim of the flat
    area.

    Source: arXiv:2211.01370, Figures 2 to 4. Book: *Sharpness*.
    """
    figure, axes = grid(rates, 3.4)
    for (row, column), rate in rates.items():
        ax = axes[row, column]
        image = ax.pcolormesh(
            rate["theta1"],
            rate["theta2"],
            100 * rate.values.T,
            cmap=INTERFERENCE_COLOURS,
            vmin=0,
            vmax=90,
            shading="nearest",
            rasterized=True,
        )
        middle = rate.values[rate.shape[0] // 2, rate.shape[1] // 2]
        if tolerance is not None and np.nanmin(rate, initial=1) <= middle + tolerance < np.nanmax(rate, initial=0):
            ax.contour(rate["theta1"], rate["theta2"], rate.values.T, levels=[middle + tolerance], colors="white")
        ax.plot(0, 0, "+", color="deepskyblue", ms=9, mew=2)
        ax.set(title=in_figure(f"{row}, {column}", 40), **theta_labels(rate))
        ax.title.set_fontsize(10)
        ax.locator_params(axis="x", nbins=3)
        ax.locator_params(axis="y", nbins=5)
    figure.colorbar(image, ax=list(axes_of(axes, rates)), label="mistakes, percent", shrink=0.8)
    return figure, axes_of(axes, rates)


def class_surfaces(losses: xr.DataArray, label: str, highest: float | None = None) -> tuple[Figure, np.ndarray]:
    """A value of every class, (theta1, theta2, true), over one plane: 3-D surfaces with one scale, five a row.

    highest: the top of the scale; by default the 95th percentile, so that one steep corner does not flatten the rest.
    Of more than `axes.READABLE` classes the plane's own two are shown, and those whose value varies most. Classes
    without images have no panel, and are named below.
    Source: arXiv:2211.01370, Figure 5. Book: *Class-wise losses*.
    """
    return _class_panels(losses, label, highest, solid=True)


def class_maps(losses: xr.DataArray, label: str, highest: float | None = None) -> tuple[Figure, np.ndarray]:
    """The same as maps; the corners say what helps and what harms which class."""
    return _class_panels(losses, label, highest, solid=False)


def _class_panels(losses: xr.DataArray, label: str, highest: float | None, solid: bool) -> tuple[Figure, np.ndarray]:
    classes, own = losses["true"].values, [losses.attrs[name] for name in ("first", "second")]
    spread = (losses.max(("theta1", "theta2")) - losses.min(("theta1", "theta2"))).values
    present = np.flatnonzero(np.isfinite(spread))
    if len(present) > READABLE:
        order = np.lexsort([-spread[present], ~np.isin(classes[present], own)])
        present = np.sort(present[order[:READABLE]])
    absent = [str(name) for name in classes[np.isnan(spread)]]
    columns = min(5, len(present))
    rows = -(-len(present) // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(2.3 * columns + 0.9, 2.4 * rows + 0.4),
        squeeze=False,
        layout="constrained",
        subplot_kw={"projection": "3d"} if solid else {},
    )
    top = highest if highest is not None else float(np.nanpercentile(losses, 95)) or 1.0
    theta1, theta2 = np.meshgrid(losses["theta1"], losses["theta2"], indexing="ij")
    for name, ax in zip(classes[present], axes.flat, strict=False):
        values = losses.sel(true=name).values
        if solid:
            drawn = ax.plot_surface(
                theta1,
                theta2,
                np.minimum(values, top),
                cmap=INTERFERENCE_COLOURS,
                vmin=0,
                vmax=top,
                rcount=100,
                ccount=100,
                linewidth=0,
            )
            ax.set_zlim(0, top)
            ax.set_box_aspect(None, zoom=0.9)
        else:
            drawn = ax.pcolormesh(
                theta1, theta2, values, cmap=INTERFERENCE_COLOURS, vmin=0, vmax=top, shading="nearest", rasterized=True
            )
            ax.plot(0, 0, "+", color="deepskyblue", ms=8, mew=2)
        ax.set_title(in_figure(name), fontsize=10)
        ax.tick_params(labelsize=6)
        ax.locator_params(axis="x", nbins=3)
        ax.locator_params(axis="y", nbins=3)
    for ax in axes.flat[len(present) :]:
        ax.remove()
    first, second = own
    across = f"theta, {first}:  ascent (harms {first})  ←   → descent (helps {first})"
    across += out_of(present, classes[np.isfinite(spread)], "the plane's own and those that vary most")
    across += f"; without images: {', '.join(absent)}" if absent else ""
    figure.supxlabel(in_figure(across, 110), fontsize=9)
    figure.supylabel(in_figure(f"theta, {second}:  ascent  ←   → descent", 60), fontsize=9)
    figure.colorbar(drawn, ax=list(axes.flat[: len(present)]), label=label, shrink=0.8, extend="max")
    return figure, axes.flat[: len(present)]


def sensitivities(
    by_angle: Mapping[str, Mapping[str, xr.DataArray]], ylabel: str = "sharpness, percent"
) -> tuple[Figure, np.ndarray]:
    """How sharp the cut through the middle is at every angle: a panel for each outer key, a line for each inner one.

    Each (angle) as `analyse.surfaces.sensitivity` gives. Dotted lines: the two egos' axes and the diagonal at 135
    degrees.
    """
    figure, axes = plt.subplots(
        1, len(by_angle), figsize=(3.9 * len(by_angle) + 0.6, 3.4), squeeze=False, sharey=True, layout="constrained"
    )
    for (title, lines), ax in zip(by_angle.items(), axes.flat, strict=True):
        for name, values in lines.items():
            ax.plot(values["angle"], 100 * values, label=in_figure(name))
        for angle in (0, 90, 135):
            ax.axvline(angle, ls=":", color="gray", lw=1)
        ax.set(title=in_figure(title), xlabel="angle of the cut, degrees", xticks=range(0, 181, 45))
        ax.grid(axis="y", alpha=0.3)
    axes[0, 0].set_ylabel(ylabel)
    axes[0, 0].legend(fontsize=8)
    return figure, axes[0]

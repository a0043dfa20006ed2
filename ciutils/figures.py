"""Pictures of artifacts.

Every function returns (figure, axes); those that take `ax` draw on it, or on a figure of their own.
"""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from IPython.display import HTML, Image, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ciutils import claims, confusion, dancing, experiments

_Panels = dict[tuple[str, str], Axes]

INTERFERENCE_COLOURS = "magma_r"
"""Perceptually uniform, dark where interference is high, as in the paper's heat maps."""

LONGEST_WHOLE = 16
"""Characters of a table's longest entry up to which no entry is broken into lines."""


def show(shown: Figure | pd.DataFrame | HTML, *artifacts: xr.Dataset) -> Image | HTML:
    """Display a figure or a table in a notebook, and under it one line on where its `artifacts` come from.

    Returns what was displayed, so that another page can show the same. A table's index is shown unless it only counts
    rows. Book: every chapter.
    """
    if isinstance(shown, Figure):
        plt.close(shown)  # else the notebook shows it once more, below the line
        content = io.BytesIO()
        shown.savefig(content, format="png", dpi=160)
        rendered = Image(content.getvalue(), retina=True)
    elif isinstance(shown, HTML):
        rendered = shown
    else:
        # Browsers break lines at hyphens, so "anneal-lr" or "7e-08"; a table of short entries has room for them whole.
        whole = "whole-entries" if shown.astype(str).map(len).to_numpy().max(initial=0) <= LONGEST_WHOLE else None
        with pd.option_context("display.max_colwidth", None):
            rendered = HTML(
                shown.to_html(
                    index=not isinstance(shown.index, pd.RangeIndex), border=0, index_names=False, classes=whole
                )
            )
    display(rendered, Markdown(f"<small>{experiments.provenance_line(*artifacts)}</small>"))
    return rendered


def cctm_heatmap(
    cctm: xr.DataArray, highest: float | None = None, title: str = "", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Heat map of a CCTM (true, predicted) in percent, its diagonal left out.

    highest: the rate at the dark end of the colours; by default the largest off-diagonal one. Give one value to
    several heat maps to make their colours comparable. Rates are written into cells of up to 20 classes; the text
    turns white on dark cells. Rows without test objects (NaN) stay empty.

    Source: arXiv:2211.01370, Figures 1 and 8. Book: chapter *CCTM*.
    """
    figure, ax = _figure_and_axes(ax, (5.6, 5.2))
    classes = cctm["true"].values
    rates = 100 * cctm.values
    np.fill_diagonal(rates := rates.copy(), np.nan)
    top = 100 * highest if highest is not None else np.nanmax(rates, initial=0.0)
    image = ax.imshow(rates, cmap=INTERFERENCE_COLOURS, vmin=0, vmax=max(top, 1e-9))
    ax.set_xticks(range(len(classes)), classes, rotation=90)
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="predicted class", ylabel="true class", title=title)
    if len(classes) <= 20:
        for (row, column), rate in np.ndenumerate(rates):
            if np.isfinite(rate) and rate > 0:
                ax.text(column, row, f"{rate:.1f}", ha="center", va="center", fontsize=7,
                        color=_readable_on(image.cmap(image.norm(rate))))  # fmt: skip
    return figure, ax


def cctm_heatmaps(cctms: dict[str, xr.DataArray], columns: int = 2) -> tuple[Figure, np.ndarray]:
    """Heat maps of several CCTMs, named by their keys, with one colour scale for all; returns an axes for each."""
    highest = max(float(np.nanmax(_off_diagonal(cctm), initial=0.0)) for cctm in cctms.values())
    columns = min(columns, len(cctms))
    rows = -(-len(cctms) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.9 * columns + 0.8, 4.9 * rows), squeeze=False,
                                layout="constrained")  # fmt: skip
    drawn, empty = axes.flat[: len(cctms)], axes.flat[len(cctms) :]
    for (name, cctm), ax in zip(cctms.items(), drawn, strict=True):
        cctm_heatmap(cctm, highest, name, ax)
    for ax in empty:
        ax.remove()
    figure.colorbar(drawn[0].images[0], ax=list(drawn), label="share of the true class, percent", shrink=0.7)
    return figure, drawn


def recall_dots(
    recalls: dict[str, xr.DataArray], published: dict[str, xr.DataArray] | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """Recall of each class (true) in percent, a marker for each network; published values as hollow markers."""
    figure, ax = _figure_and_axes(ax, (7.2, 4.0))
    classes = next(iter(recalls.values()))["true"].values
    for position, (name, recall) in enumerate(recalls.items()):
        shift = (position - (len(recalls) - 1) / 2) * 0.12
        places = np.arange(len(classes)) + shift
        (points,) = ax.plot(places, 100 * recall.values, "o", ms=6, label=name)
        if published and name in published:
            ax.plot(places, 100 * published[name].values, "o", ms=6, mfc="none", color=points.get_color(),
                    label=f"{name}, the paper")  # fmt: skip
    ax.set_xticks(range(len(classes)), classes)
    ax.set(ylabel="recall, percent", xlabel="true class")
    ax.grid(axis="y", alpha=0.3)
    ax.legend(ncols=len(recalls), fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure, ax


def error_share(shares: dict[str, np.ndarray], even: float, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Cumulative share of all errors held by the first k class pairs, most erring first, for each network.

    shares: (pairs,) cumulative, as `confusion.pair_shares` gives. even: share of one pair if errors spread evenly.
    """
    figure, ax = _figure_and_axes(ax, (7.2, 4.0))
    for name, cumulative in shares.items():
        ax.plot(np.arange(1, len(cumulative) + 1), 100 * np.asarray(cumulative), marker=".", label=name)
    pairs = np.arange(1, max(map(len, shares.values())) + 1)
    ax.plot(pairs, 100 * even * pairs, "--", color="gray", label="errors spread evenly")
    ax.set(xlabel="class pairs, most errors first", ylabel="share of all errors, percent", ylim=(0, 102))
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    return figure, ax


def surfaces(rates: Mapping[tuple[str, str], xr.DataArray]) -> tuple[Figure, np.ndarray]:
    """Mistake rates over planes as 3-D surfaces, keyed by (row, column), such as (network, pair).

    Each (theta1, theta2); one height and colour scale, 0 to 90 percent as in the paper. The point: the network itself.

    Source: arXiv:2211.01370, Figures 2 to 4. Book: chapter *Sharpness*.
    """
    figure, axes = _grid(rates, 3.4, subplot_kw={"projection": "3d"})
    for (row, column), rate in rates.items():
        ax = axes[row, column]
        theta1, theta2 = np.meshgrid(rate["theta1"], rate["theta2"], indexing="ij")
        ax.plot_surface(theta1, theta2, 100 * rate.values, cmap=INTERFERENCE_COLOURS, vmin=0, vmax=90,
                        rcount=100, ccount=100, linewidth=0)  # fmt: skip
        middle = 100 * rate.values[rate.shape[0] // 2, rate.shape[1] // 2]
        ax.plot([0], [0], [middle], "o", color="deepskyblue", ms=5, zorder=10)
        ax.set(title=f"{row}, {column}", zlim=(0, 90), **_theta_labels(rate))
        ax.set_zlabel("mistakes, percent")
        ax.tick_params(labelsize=7)
        ax.locator_params(axis="x", nbins=4)
        ax.locator_params(axis="y", nbins=4)
        ax.set_box_aspect(None, zoom=0.85)  # else the labels of the vertical axis are cut off
    return figure, _axes_of(axes, rates)


def contours(
    rates: Mapping[tuple[str, str], xr.DataArray], tolerance: float | None = None
) -> tuple[Figure, np.ndarray]:
    """Mistake rates over planes as maps, keyed by (row, column), with one colour scale.

    The white line, with a `tolerance`, is where the rate is that much above the middle point's: the rim of the flat
    area.

    Source: arXiv:2211.01370, Figures 2 to 4. Book: chapter *Sharpness*.
    """
    figure, axes = _grid(rates, 3.4)
    for (row, column), rate in rates.items():
        ax = axes[row, column]
        image = ax.pcolormesh(rate["theta1"], rate["theta2"], 100 * rate.values.T, cmap=INTERFERENCE_COLOURS,
                              vmin=0, vmax=90, shading="nearest", rasterized=True)  # fmt: skip
        middle = rate.values[rate.shape[0] // 2, rate.shape[1] // 2]
        if tolerance is not None and np.nanmin(rate) <= middle + tolerance < np.nanmax(rate):
            ax.contour(rate["theta1"], rate["theta2"], rate.values.T, levels=[middle + tolerance], colors="white")
        ax.plot(0, 0, "+", color="deepskyblue", ms=9, mew=2)
        ax.set(title=f"{row}, {column}", **_theta_labels(rate))
        ax.title.set_fontsize(10)
        ax.locator_params(axis="x", nbins=3)
        ax.locator_params(axis="y", nbins=5)
    figure.colorbar(image, ax=list(_axes_of(axes, rates)), label="mistakes, percent", shrink=0.8)
    return figure, _axes_of(axes, rates)


def class_surfaces(losses: xr.DataArray, label: str, highest: float | None = None) -> tuple[Figure, np.ndarray]:
    """A value of every class, (theta1, theta2, true), over one plane: 3-D surfaces with one scale, two rows of five.

    highest: the top of the scale; by default the 95th percentile, so that one steep corner does not flatten the rest.
    Source: arXiv:2211.01370, Figure 5. Book: chapter *Class-wise losses*.
    """
    return _class_panels(losses, label, highest, solid=True)


def class_maps(losses: xr.DataArray, label: str, highest: float | None = None) -> tuple[Figure, np.ndarray]:
    """The same as maps; the corners say what helps and what harms which class."""
    return _class_panels(losses, label, highest, solid=False)


def _class_panels(losses: xr.DataArray, label: str, highest: float | None, solid: bool) -> tuple[Figure, np.ndarray]:
    classes = list(losses["true"].values)
    columns = min(5, len(classes))
    rows = -(-len(classes) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.3 * columns + 0.9, 2.4 * rows + 0.4), squeeze=False,
                                layout="constrained", subplot_kw={"projection": "3d"} if solid else {})  # fmt: skip
    top = highest if highest is not None else float(np.nanpercentile(losses, 95))
    theta1, theta2 = np.meshgrid(losses["theta1"], losses["theta2"], indexing="ij")
    for name, ax in zip(classes, axes.flat, strict=False):
        values = losses.sel(true=name).values
        if solid:
            drawn = ax.plot_surface(theta1, theta2, np.minimum(values, top), cmap=INTERFERENCE_COLOURS, vmin=0,
                                    vmax=top, rcount=100, ccount=100, linewidth=0)  # fmt: skip
            ax.set_zlim(0, top)
            ax.set_box_aspect(None, zoom=0.9)
        else:
            drawn = ax.pcolormesh(theta1, theta2, values, cmap=INTERFERENCE_COLOURS, vmin=0, vmax=top,
                                  shading="nearest", rasterized=True)  # fmt: skip
            ax.plot(0, 0, "+", color="deepskyblue", ms=8, mew=2)
        ax.set_title(name, fontsize=10)
        ax.tick_params(labelsize=6)
        ax.locator_params(axis="x", nbins=3)
        ax.locator_params(axis="y", nbins=3)
    for ax in axes.flat[len(classes) :]:
        ax.remove()
    first, second = losses.attrs["first"], losses.attrs["second"]
    figure.supxlabel(f"theta, {first}:  ascent (harms {first})  ←   → descent (helps {first})", fontsize=9)
    figure.supylabel(f"theta, {second}:  ascent  ←   → descent", fontsize=9)
    figure.colorbar(drawn, ax=list(axes.flat[: len(classes)]), label=label, shrink=0.8, extend="max")
    return figure, axes.flat[: len(classes)]


def dance(
    history: xr.Dataset, a: str, b: str, counts: str = "end_counts", interferers: int = 4
) -> tuple[Figure, np.ndarray]:
    """The label dance of class a with class b: their recalls above, the row of a in the CCTM below, by epoch.

    Arrows mark the moments of `dancing.moments`. Of the row, the `interferers` largest on average are drawn.
    Source: arXiv:2211.01370, Figure 6. Book: chapter *Label dancing*.
    """
    recall, moments = dancing.recalls(history, counts), dancing.moments(history, a, b, counts)
    figure, (above, below) = plt.subplots(2, 1, figsize=(8.4, 6.2), sharex=True, layout="constrained")
    epochs = history["epoch"].values
    above.plot(epochs, 100 * recall.sel(true=a), color="black", label=f"recall of {a}")
    above.plot(epochs, 100 * recall.sel(true=b), color="darkcyan", ls="--", label=f"recall of {b}")
    for kind, group in moments.groupby("kind"):
        for epoch, height in group[["epoch", "recall_a"]].drop_duplicates().itertuples(index=False):
            above.annotate("", (epoch, 100 * height), xytext=(0, -22), textcoords="offset points",
                           arrowprops={"arrowstyle": "->", "color": kind, "lw": 1.5})  # fmt: skip
    row = confusion.cctm(history[counts]).sel(true=a).drop_sel(predicted=a)
    classes = list(history["true"].values)
    for name in row.mean("epoch").to_series().sort_values().index[::-1][:interferers]:
        below.plot(epochs, 100 * row.sel(predicted=name), ms=4, lw=0.8, label=f"{a} called {name}",
                   **_mark(classes.index(name)))  # fmt: skip
    above.set_ylabel("percent")
    below.set(xlabel="epoch", ylabel=f"percent of {a}")
    for ax in (above, below):
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    return figure, np.array([above, below])


_MARKS = (
    ("o", "tab:blue"), ("D", "tab:orange"), ("s", "black"), ("P", "hotpink"), ("v", "tab:brown"), ("x", "red"),
    ("^", "tab:green"), ("<", "tab:olive"), (">", "tab:cyan"), ("*", "tab:purple"),
)  # fmt: skip
"""Marker and colour of each label as an interferer; BIRD's, CAT's and DOG's are those of the paper's Figures 6, 7."""


def _mark(label: int) -> dict[str, str]:
    marker, colour = ("|", "gray") if label == dancing.NO_NOTE else _MARKS[label % len(_MARKS)]
    return {"marker": marker, "color": colour}


def notes_score(notes: xr.DataArray, classes: Sequence[str]) -> tuple[Figure, np.ndarray]:
    """Dancing notes as a score: a staff for each of `classes`, a note for each epoch at its label.

    notes: (epoch, true) as `dancing.notes` gives. Source: arXiv:2211.01370, Figure 7. Book: chapter *Label dancing*.
    """
    names = [str(name) for name in notes["true"].values]
    figure, axes = plt.subplots(len(classes), 1, figsize=(8.4, 1.9 * len(classes) + 0.4), sharex=True, squeeze=False,
                                layout="constrained")  # fmt: skip
    for ax, name in zip(axes.flat, classes, strict=True):
        line = notes.sel(true=name)
        for label in np.unique(line):
            sounding = line["epoch"].values[line.values == label]
            ax.plot(sounding, np.full(len(sounding), label), ls="none", ms=5, **_mark(int(label)))
        ax.set_yticks([dancing.NO_NOTE, *range(len(names))], ["none", *names], fontsize=7)
        ax.set_ylim(dancing.NO_NOTE - 0.7, len(names) - 0.3)
        ax.set_title(f"notes of {name}", fontsize=10, loc="left")
        ax.grid(axis="y", alpha=0.3)
    axes[-1, 0].set_xlabel("epoch")
    return figure, axes[:, 0]


_VERDICT_STYLES = {
    "reproduced": ("#1b7837", "✓"), "partly": ("#8073ac", "≈"), "not reproduced": ("#b35806", "✗"),
    "not testable here": ("#9e9e9e", "–"),
}  # fmt: skip
"""Colour and sign of each verdict; told apart by colour-blind readers, and on a dark page."""


def verdicts(judgements: Sequence[claims.Judgement]) -> tuple[Figure, Axes]:
    """The verdict on every claim at a glance: a tile each, a row for each chapter that shows it.

    Book: chapter *Claims*.
    """
    rows: dict[str, list[claims.Judgement]] = {}
    for each in judgements:
        rows.setdefault(each.claim.page.split("#")[0], []).append(each)
    longest = max(map(len, rows.values()))
    figure, ax = plt.subplots(figsize=(0.72 * longest + 2.2, 0.75 * len(rows) + 0.9), layout="constrained")
    for row, (chapter, members) in enumerate(rows.items()):
        ax.text(-0.7, row, chapter.replace("_", " "), ha="right", va="center", fontsize=10)
        for column, each in enumerate(members):
            colour, sign = _VERDICT_STYLES[each.verdict]
            ax.add_patch(Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, color=colour))
            ax.text(column, row, f"{each.claim.id}\n{sign}", ha="center", va="center", color="white", fontsize=10)
    ax.set(xlim=(-0.6, longest - 0.4), ylim=(len(rows) - 0.4, -0.6), aspect="equal")
    ax.axis("off")
    handles = [Rectangle((0, 0), 1, 1, color=colour, label=f"{sign} {name}")
               for name, (colour, sign) in _VERDICT_STYLES.items()]  # fmt: skip
    ax.legend(handles=handles, ncols=4, loc="upper center", bbox_to_anchor=(0.4, 0), frameon=False, fontsize=9)
    return figure, ax


def claims_table(judgements: Sequence[claims.Judgement], suffix: str) -> HTML:
    """Every claim with what the paper prints, the verdict, and, unfolded, the parts it rests on and the rule.

    suffix: of the pages that the claims link to, such as "cifar10" for cctm-cifar10.html. Book: chapter *Claims*.
    """
    rows = []
    for each in judgements:
        claim, (colour, sign) = each.claim, _VERDICT_STYLES[each.verdict]
        notebook, section = claim.page.split("#")
        held, missing = (sum(part.holds is what for part in each.parts) for what in (True, None))
        summary = f"{held} of {len(each.parts)} parts hold" + (f", {missing} not published" if missing else "")
        parts = "".join(
            f"<li>{_PART_SIGNS[part.holds]} {html.escape(part.what)}"
            + "".join(f"; {html.escape(str(number))}" for number in part.numbers)
            + ("; not published" if part.holds is None else "")
            + "</li>"
            for part in each.parts
        )
        rows.append(
            f'<tr id="{claim.id}"><td><a href="{notebook}-{suffix}.html#{section}">{claim.id}</a></td>'
            f"<td>{html.escape(claim.statement)}<br><small>The paper: {html.escape(claim.printed)}</small></td>"
            f'<td><span style="color:{colour};white-space:nowrap">{sign} {each.verdict}</span>'
            f"<details><summary>{summary}</summary><ul>{parts}</ul>"
            f"<small>Rule: {html.escape(claim.rule)}.</small></details></td></tr>"
        )
    head = "<tr><th></th><th>claim</th><th>verdict</th></tr>"
    return HTML(f'<table class="claims"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>')


_PART_SIGNS = {True: "✓", False: "✗", None: "–"}


def times(records: pd.DataFrame, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Minutes that each run took, by what they were spent on; `records` as `experiments.records` gives.

    Book: page *Machines and times*.
    """
    minutes = records.pivot_table(index="run", columns="kind", values="seconds", aggfunc="sum", fill_value=0) / 60
    minutes = minutes[[kind for kind in records["kind"].unique() if kind in minutes]]
    figure, ax = _figure_and_axes(ax, (8.4, 0.4 * len(minutes) + 1.3))
    left = np.zeros(len(minutes))
    for kind, values in minutes.items():
        ax.barh(range(len(minutes)), values, left=left, label=kind)
        left += values.to_numpy()
    ax.set_yticks(range(len(minutes)), minutes.index, fontsize=8)
    ax.invert_yaxis()
    ax.set_xlabel("minutes")
    ax.legend(ncols=4, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    return figure, ax


def sensitivities(
    by_angle: Mapping[str, Mapping[str, xr.DataArray]], ylabel: str = "sharpness, percent"
) -> tuple[Figure, np.ndarray]:
    """How sharp the cut through the middle is at every angle: a panel for each outer key, a line for each inner one.

    Each (angle) as `interference.sensitivity` gives. Dotted lines: the two egos' axes and the diagonal at 135 degrees.
    """
    figure, axes = plt.subplots(1, len(by_angle), figsize=(3.9 * len(by_angle) + 0.6, 3.4), squeeze=False, sharey=True,
                                layout="constrained")  # fmt: skip
    for (title, lines), ax in zip(by_angle.items(), axes.flat, strict=True):
        for name, values in lines.items():
            ax.plot(values["angle"], 100 * values, label=name)
        for angle in (0, 90, 135):
            ax.axvline(angle, ls=":", color="gray", lw=1)
        ax.set(title=title, xlabel="angle of the cut, degrees", xticks=range(0, 181, 45))
        ax.grid(axis="y", alpha=0.3)
    axes[0, 0].set_ylabel(ylabel)
    axes[0, 0].legend(fontsize=8)
    return figure, axes[0]


def matrix(values: xr.DataArray, label: str, title: str = "", ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Heat map of a matrix of cosines or correlations, -1 to 1 with its values written in; diagonal left out."""
    figure, ax = _figure_and_axes(ax, (6.0, 5.2))
    shown = np.where(np.eye(len(values), dtype=bool), np.nan, values.values)
    image = ax.imshow(shown, cmap="PuOr", vmin=-1, vmax=1)
    rows, columns = (list(values[dim].values) for dim in values.dims)
    ax.set_xticks(range(len(columns)), columns, rotation=90)
    ax.set_yticks(range(len(rows)), rows)
    for (row, column), value in np.ndenumerate(shown):
        if np.isfinite(value):
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7,
                    color=_readable_on(image.cmap(image.norm(value))))  # fmt: skip
    ax.set_title(title)
    figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    return figure, ax


def _grid(keys: Mapping[tuple[str, str], object], size: float, **options: object) -> tuple[Figure, _Panels]:
    rows, columns = (list(dict.fromkeys(key[part] for key in keys)) for part in (0, 1))
    figure, axes = plt.subplots(len(rows), len(columns), figsize=(size * len(columns) + 0.8, size * len(rows)),
                                squeeze=False, layout="constrained", **options)  # fmt: skip
    panels = {(row, column): axes[i, j] for i, row in enumerate(rows) for j, column in enumerate(columns)}
    for key in panels.keys() - keys.keys():
        panels[key].remove()
    return figure, panels


def _axes_of(panels: _Panels, keys: Mapping[tuple[str, str], object]) -> np.ndarray:
    return np.array([panels[key] for key in keys], dtype=object)


def _theta_labels(rate: xr.DataArray) -> dict[str, str]:
    return {"xlabel": f"theta, {rate.attrs['first']}", "ylabel": f"theta, {rate.attrs['second']}"}


def _off_diagonal(cctm: xr.DataArray) -> np.ndarray:
    return np.where(np.eye(cctm.shape[-1], dtype=bool), np.nan, cctm.values)


def _readable_on(colour: tuple[float, ...]) -> str:
    """Black or white text, by the background's luminance."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _figure_and_axes(ax: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    if ax is not None:
        return ax.figure, ax
    return plt.subplots(figsize=size, layout="constrained")

"""Charts as SVG: convergence, angular coverage, half-set reproducibility.

They have no background of their own and use matplotlib's objects alone, never pyplot, whose state is shared by the
whole process.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from holly_triton.core.types import Array
from holly_triton.validation.coverage import Views, mollweide

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY, BLUE, RULE = "#6b737d", "#2f6fb5", "#9aa2ab"
"""Readable on a light and on a dark page alike."""
CURVE_STEPS = 1500
"""A curve of more steps is thinned to about this many, which is finer than the page can show."""
WIDTH = 5.6
"""Of a chart, inches: its labels are readable in a window of 400 px, and not larger than the text in a wide one."""
LABEL_ROOM = 0.1
"""Space for a label such as "128 px", as a fraction of the chart's width: where sizes change more often, some labels are
left out."""
LOGARITHMIC = 3.0
"""Ratio of the largest to the smallest value from which on their axis is logarithmic: over less it has too few labels."""
MAP_CELLS = 144
"""Small cells from pole to pole of the map of directions."""


def data_uri(content: bytes, kind: str) -> str:
    """A picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def new_figure(width: float, height: float, **style: Any) -> "Figure":
    """A new figure of a size in inches, with a layout in which texts do not overlap."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", **style)
    FigureCanvasAgg(figure)
    return figure


def curves(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Loss and sigma over the steps, with the steps at which the pictures grew; None for less than two steps."""
    if len(history) < 2:
        return None
    from matplotlib.ticker import LogFormatter

    figure = new_figure(WIDTH, 4.0)
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = np.array([entry["step"] for entry in history])
    thin = slice(None, None, -(-len(steps) // CURVE_STEPS))
    for axes, key, label in ((upper, "loss", "loss"), (lower, "sigma_nm", "sigma, nm")):
        values = np.array([entry[key] for entry in history], dtype=float)
        axes.plot(steps[thin], values[thin], color=BLUE, linewidth=1.4)
        axes.set_ylabel(label)
        axes.ticklabel_format(axis="y", useOffset=False)
        if (values > 0).all() and values.max() > LOGARITHMIC * values.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(LogFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.5)))
        _sober(axes)
    sizes, labelled = [int(entry["size"]) for entry in history], -np.inf
    grown = [i for i in range(len(sizes)) if i == 0 or sizes[i] != sizes[i - 1]]
    for at in grown if len(grown) > 1 else ():  # localisations in 3D have no size of pictures
        for axes in (upper, lower):
            axes.axvline(steps[at], color=RULE, linewidth=0.7, linestyle=":")
        if steps[at] - labelled < LABEL_ROOM * (steps[-1] - steps[0]):
            continue
        labelled = steps[at]
        upper.annotate(
            f"{sizes[at]} px", (float(steps[at]), 1), xycoords=("data", "axes fraction"), xytext=(3, 3),
            textcoords="offset points", color=GREY, fontsize=8,
        )  # fmt: skip
    lower.set_xlabel("step")
    return _svg(figure)


def amplitudes(amplitude_nm: Array, held_out: Array) -> str:
    """Histogram of the amplitudes of a deformation, those of held-out particles above the others."""
    figure = new_figure(WIDTH, 2.4)
    axes = figure.subplots()
    parts, labels = [amplitude_nm[~held_out], amplitude_nm[held_out]], ["training", "held out"]
    some = [place for place, part in enumerate(parts) if len(part)]
    axes.hist(
        [parts[place] for place in some], bins="auto" if len(amplitude_nm) < 100 else 40, stacked=True,
        color=[(BLUE, "#d9822b")[place] for place in some], label=[labels[place] for place in some],
    )  # fmt: skip
    axes.legend(frameon=False, fontsize=8, labelcolor=GREY)
    axes.set_xlabel("amplitude, nm")
    axes.set_ylabel("particles")
    _sober(axes)
    return _svg(figure)


def agreement(resolution: Mapping[str, Any]) -> str:
    """Fourier shell correlation of two halves, from the figures of ``validation.fsc``."""
    figure = new_figure(WIDTH, 2.8)
    axes = figure.subplots()
    frequency = np.array(resolution["frequency_per_nm"], dtype=float)
    axes.plot(frequency, resolution["correlation"], color=BLUE, linewidth=1.4)
    axes.axhline(
        resolution["threshold"], color=RULE, linewidth=0.9, linestyle=":", label=f"{resolution['threshold']:g}"
    )
    axes.legend(frameon=False, fontsize=8, labelcolor=GREY)
    axes.set_xlim(0, frequency[-1])
    axes.set_xlabel("spatial frequency, 1/nm")
    axes.set_ylabel("correlation")
    _sober(axes)
    return _svg(figure)


def coverage(views: Views) -> str:
    """The sphere of directions in Mollweide's equal-area projection, each cell in multiples of the uniform share."""
    from matplotlib.patheffects import withStroke

    figure = new_figure(WIDTH, 3.1)
    axes = figure.add_subplot(projection="mollweide")
    # Many small cells for each: straight edges would cut the corners of the map.
    rows, columns = views.cells.shape
    heights, turns = np.linspace(-np.pi / 2, np.pi / 2, MAP_CELLS + 1), np.linspace(-np.pi, np.pi, 2 * MAP_CELLS + 1)
    row = ((np.sin((heights[1:] + heights[:-1]) / 2) + 1) / 2 * rows).astype(int)
    column = np.arange(2 * MAP_CELLS) * columns // (2 * MAP_CELLS)
    share = views.cells[row][:, column] / views.cells.mean()
    mesh = axes.pcolormesh(turns, heights, share, cmap="cividis", vmin=0, vmax=2, rasterized=True)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["geo"].set_color(RULE)
    halo = withStroke(linewidth=3, foreground="#00000099")
    for turn, word in ((-np.pi / 2, "left"), (0, "front"), (np.pi / 2, "right")):
        axes.text(turn, 0, word, color="white", fontsize=9, ha="center", va="center", path_effects=[halo])
    for end in (views.axis, -views.axis):
        axes.plot(*mollweide(end), "x", color="white", markersize=7, path_effects=[halo])
    axes.set_title("above", color=GREY, fontsize=9)
    axes.set_xlabel("below", color=GREY, fontsize=9)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.6, extend="max", ticks=[0, 0.5, 1, 1.5, 2])
    bar.set_label("times the uniform share", color=GREY, fontsize=9)
    bar.ax.tick_params(colors=GREY, labelsize=8)
    return _svg(figure)


def _sober(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(which="both", colors=GREY, labelsize=8)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(GREY)


def _svg(figure: "Figure") -> str:
    content = io.BytesIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return data_uri(content.getvalue(), "svg+xml")

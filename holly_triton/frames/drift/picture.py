"""A picture of the drift: its course along each axis, with its error."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.report.charts import new_figure

from .drift import Drift

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 120
COLOURS = ("#2f6fb5", "#c2571a", "#5c8a3a")


def draw_drift(path: Path, drift: Drift, title: str) -> None:
    """Write a PNG with the drift over the frames, a panel for each axis that is known.

    Raises:
        HollyError: The file can't be written.
    """
    axes = 3 if drift.path[:, 2].any() else 2
    figure = new_figure(8, 1 + 1.6 * axes, facecolor="white")
    panels = figure.subplots(axes, 1, sharex=True)
    for index, panel in enumerate(panels):
        _draw(panel, drift, index)
    panels[-1].set_xlabel("frame")
    figure.suptitle(title, fontsize=10, parse_math=False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _draw(panel: "Axes", drift: Drift, index: int) -> None:
    frame = np.arange(1, len(drift.path) + 1)
    course, error, colour = drift.path[:, index], drift.error[index], COLOURS[index]
    panel.fill_between(frame, course - error, course + error, color=colour, alpha=0.25, linewidth=0)
    panel.plot(frame, course, color=colour, linewidth=1.4)
    panel.plot(drift.knots, drift.at_knots[:, index], "o", color=colour, markersize=3.5)
    panel.set_ylabel(f"{'xyz'[index]}, nm")
    panel.spines[["top", "right"]].set_visible(False)
    said = "corrected" if drift.axes[index] else "not corrected: within its error"
    panel.set_title(f"r.m.s. {drift.rms[index]:.1f} nm, error {error:.1f} nm; {said}", fontsize=9, loc="left")

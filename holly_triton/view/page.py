"""A white page for text and scale bars, in pixels from the upper left corner (matplotlib)."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.types import Array

from .colours import SPREAD_MAP

DPI = 100
BLACK, GREY = "#1a1a1a", "#555555"
LONGEST_NAME = 30
"""Characters of a name in a legend; a longer one is cut."""


class Page:
    """A white page of ``width`` by ``height`` pixels."""

    def __init__(self, width: int, height: int) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self.canvas: Any = FigureCanvasAgg(self.figure)

    def write(self, x: float, y: float, text: str, size: float, color: str = GREY, **style: Any) -> None:
        """Add text of a size in pixels with its base line at ``y``."""
        style = {"fontsize": size * 72 / DPI, "color": color, "parse_math": False, **style}
        self.figure.text(x / self.width, 1 - y / self.height, text, **style)

    def line(self, x: list[float], y: list[float], **style: Any) -> None:
        """Add a line between two points."""
        from matplotlib.lines import Line2D

        self.figure.add_artist(Line2D(np.array(x) / self.width, 1 - np.array(y) / self.height, **style))

    def picture(self, left: int, top: int, pixels: Array) -> None:
        """Add an image ``[H, W, 3]`` without scaling."""
        axes = self._axes(left, top, pixels.shape[1], pixels.shape[0])
        axes.imshow(pixels, interpolation="none", aspect="auto")
        axes.set_axis_off()

    def scale_bar(self, left: float, y: float, longest_nm: float, px_per_nm: float, size: float) -> None:
        """Add a scale bar of a round length, at most ``longest_nm``, with its length beside it."""
        length_nm = round_length(longest_nm)
        length = length_nm * px_per_nm
        self.line([left, left + length], [y, y], color=BLACK, linewidth=size / 5, solid_capstyle="butt")
        self.write(left + length + 0.6 * size, y + 0.32 * size, f"{length_nm:g} nm", size, BLACK)

    def colour_bar(self, right: float, top: float, width: float, limit_nm: float, size: float) -> None:
        """Add the colour bar of the spread from 0 to the limit and beyond, with ticks below; it ends at ``right``."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.ticker import MaxNLocator

        axes = self._axes(right - width, top, width, size)
        colours = ScalarMappable(Normalize(0, limit_nm), SPREAD_MAP)
        bar = self.figure.colorbar(colours, axes, orientation="horizontal", extend="max", ticks=MaxNLocator(4))
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=size * 72 / DPI, labelcolor=GREY, color=GREY, length=size / 4)
        self.write(right - width - 0.8 * size, top + 0.85 * size, "spread, nm", size, ha="right")

    def legend(self, entries: Sequence[tuple[str, str]], right: float, top: float, size: float) -> None:
        """Add names, each behind a dot of its colour, side by side from ``right`` to the left."""
        from matplotlib.lines import Line2D

        dots = [Line2D([], [], marker="o", linestyle="", markersize=size * 0.6, color=colour) for _, colour in entries]
        shown = self.figure.legend(
            dots, [textwrap.shorten(name, LONGEST_NAME, placeholder="…") for name, _ in entries], loc="upper right",
            bbox_to_anchor=(right / self.width, 1 - top / self.height), ncols=len(entries), frameon=False,
            fontsize=size * 72 / DPI, labelcolor=BLACK, handletextpad=0.2, borderaxespad=0, borderpad=0,
        )  # fmt: skip
        for text in shown.get_texts():
            text.set_parse_math(False)

    def pixels(self) -> Array:
        """The page as an image ``[height, width, 3]`` uint8."""
        self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def save(self, path: Path) -> None:
        """Write a PNG.

        Raises:
            HollyError: The file can't be written.
        """
        with replacing(path) as partial:
            self.figure.savefig(partial, format="png")

    def _axes(self, left: float, top: float, width: float, height: float) -> Any:
        bottom = 1 - (top + height) / self.height
        return self.figure.add_axes((left / self.width, bottom, width / self.width, height / self.height))


def round_length(longest: float) -> float:
    """The greatest of 1, 2, 5, 10, 20, 50 ... that is not above ``longest``: the length of a scale bar."""
    decade = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * decade for step in (1, 2, 5) if step * decade <= longest * (1 + 1e-9)))

"""A picture of some frames with their localisations drawn over them: the first check of any result."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.stop import DONE, STOPPED
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.io.movies.movie import Movie
from holly_triton.report.charts import new_figure

from .localisations import localisations

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN, HEAD_IN = 4.4, 0.6
"""Side of a panel and height of the title, inches."""
DPI = 120
WIDEST_PX = 96
"""Largest side of a panel in pixels of the camera; of larger frames the part with the most localisations is shown."""
CELL_PX = 16
"""Side of the cells in which localisations are counted for this, pixels."""
MOST_KEPT = 64
"""Frames spread over a movie from which a typical one is chosen."""
RING_PX = 1.8
"""Radius of a ring, pixels."""
DARK, BRIGHT = 0.02, 0.997
"""Quantiles of the shown part that are black and white."""
DEPTHS = "cool"
"""Colours of z: cyan to magenta, which are distinguishable with any colour vision and on any grey."""


class Part(NamedTuple):
    """A part of a frame."""

    row: int
    column: int
    height: int
    width: int


class Kept:
    """Localisations of frames to choose from for a preview, in a memory that does not depend on the length of the movie.

    These are the most crowded frame, the first with any localisation, and frames spread over the movie.
    """

    def __init__(self) -> None:
        self.found = self.frames = 0
        self._first = self._crowd = localisations(0)
        self._spread: list[Array] = []
        self._blocks, self._every = 0, 1

    def add(self, frames: int, table: Array) -> None:
        """The next frames of the movie, and the localisations in them."""
        self.found, self.frames = self.found + len(table), self.frames + frames
        numbers, counts = np.unique(table["frame"], return_counts=True)
        if len(numbers):
            if not len(self._first):
                self._first = table[table["frame"] == numbers[0]]
            if counts.max() > len(self._crowd):
                self._crowd = table[table["frame"] == numbers[counts.argmax()]]
            if self._blocks % self._every == 0:
                middle = np.argsort(counts, kind="stable")[(len(counts) - 1) // 2]
                self._spread.append(table[table["frame"] == numbers[middle]])
            self._blocks += 1
        if len(self._spread) > MOST_KEPT:
            self._spread, self._every = self._spread[::2], 2 * self._every

    def table(self) -> Array:
        """The localisations of these frames, each frame once."""
        by_frame = {int(rows["frame"][0]): rows for rows in (self._first, self._crowd, *self._spread) if len(rows)}
        return np.concatenate([localisations(0), *(by_frame[frame] for frame in sorted(by_frame))])

    def report(self, out: Path, movie: Movie, pixel_nm: float, resume: str, said: Sequence[str] = ()) -> int:
        """Print what was found in a movie, and write the picture; the exit code, by whether it was stopped.

        Args:
            out: The table.
            movie: The movie.
            pixel_nm: Side of a pixel, nm.
            resume: The command that continues what was stopped.
            said: Other sentences.
        """
        stopped, preview = self.frames < len(movie), preview_beside(out)
        within = f"the first {self.frames} of {len(movie)} frames" if stopped else counted(len(movie), "frame")
        found = f"{counted(self.found, 'localisation')} in {within}"
        print("\n".join([f"{'Stopped. ' if stopped else ''}{out}: {found}", *said]))
        write_preview(preview, movie, self.table(), pixel_nm, words=found)
        print(f"{preview}: some of them drawn over their frames; look at it before using the table")
        if stopped:
            print(f"Go on with: {resume}")
        return STOPPED if stopped else DONE


def preview_beside(out: Path) -> Path:
    """Name of the picture beside a table."""
    return out.with_name(f"{out.stem}-preview.png")


def write_preview(
    path: Path, movie: Movie, table: Array, pixel_nm: float, *, truth: Array | None = None, words: str | None = None
) -> None:
    """Write a PNG of the most crowded frame, a typical one and the first with any localisation, each bare and with rings.

    Rings are drawn about the localisations, their colour is z. Where the truth is known, it is drawn in the place of the
    bare frame.

    Args:
        path: Name of the file, which ends in .png.
        movie: The movie.
        table: Localisations with the fields frame (from 1), x, y, z (nm).
        pixel_nm: Side of a pixel, nm.
        truth: Emitters with the same fields.
        words: How many localisations there are, where the table has only some of them.

    Raises:
        HollyError: The name does not end in .png, or the file can't be written.
    """
    if path.suffix.lower() != ".png":
        raise HollyError(f"{path}: the name must end in .png, the only format of this picture")
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    chosen = frames_to_show(table["frame"], len(movie))
    figure = new_figure(2 * PANEL_IN + 1.1, len(chosen) * (PANEL_IN + 0.35) + HEAD_IN, facecolor="white")
    grid = figure.subplots(len(chosen), 2, squeeze=False)
    depth = _depth(table["z"] if truth is None else np.concatenate([table["z"], truth["z"]]))
    results = {index: table[table["frame"] == index + 1] for index in chosen.values()}
    parts = {index: crowded_part(rows, movie.shape[1:], pixel_nm) for index, rows in results.items()}
    shown = {index: _cut(movie.frame(index), part) for index, part in parts.items()}
    # One scale of grey, so that a dim frame is seen to be one.
    ends = [np.quantile(frame, [DARK, BRIGHT]) for frame in shown.values()]
    grey = min(low for low, _ in ends), max(high for _, high in ends)
    for (name, index), (left, right) in zip(chosen.items(), grid, strict=True):
        here, part = results[index], parts[index]
        for axes in (left, right):
            _draw(axes, shown[index], part, pixel_nm, grey)
        title = "as recorded"
        if truth is not None:
            there = truth[truth["frame"] == index + 1]
            title = _counted(there, "emitter", _rings(left, there, part, pixel_nm, depth)) + " in the truth"
        left.set_title(f"{name}, frame {index + 1}: {title}", fontsize=9)
        right.set_title(_counted(here, "localisation", _rings(right, here, part, pixel_nm, depth)), fontsize=9)
    if depth[1] > depth[0]:
        bar = figure.colorbar(
            ScalarMappable(Normalize(*depth), DEPTHS), ax=grid.ravel().tolist(), shrink=0.5, aspect=30
        )
        bar.set_label("z, nm")
    words = words or f"{counted(len(table), 'localisation')} in {counted(len(movie), 'frame')}"
    figure.suptitle(f"{movie.path.name}: {words}", fontsize=11, parse_math=False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def frames_to_show(frame: Array, frames: int) -> dict[str, int]:
    """Indices of the frames that are shown, by what they are, each one once.

    Args:
        frame: The frame of each localisation ``[E]``, from 1.
        frames: Number of frames of the movie.
    """
    counts = np.bincount(frame, minlength=frames + 1)[1:]
    some = np.flatnonzero(counts)
    if not len(some):
        return {"First frame": 0}
    by_count = some[np.argsort(counts[some], kind="stable")]
    chosen = {
        "Most crowded": int(by_count[-1]), "Typical": int(by_count[(len(by_count) - 1) // 2]), "First": int(some[0]),
    }  # fmt: skip
    return {
        name: index for number, (name, index) in enumerate(chosen.items()) if index not in [*chosen.values()][:number]
    }


def crowded_part(rows: Array, shape: tuple[int, ...], pixel_nm: float) -> Part:
    """The part of a frame that holds the most localisations, of a side that can be seen; the whole of a small frame."""
    height, width = (min(side, WIDEST_PX) for side in shape)
    if not len(rows):
        return Part((shape[0] - height) // 2, (shape[1] - width) // 2, height, width)
    cells = [
        np.clip(rows[axis] / pixel_nm, 0, side - 1).astype(int) // CELL_PX
        for axis, side in zip("yx", shape, strict=True)
    ]
    counts = np.zeros([-(-side // CELL_PX) for side in shape], int)
    np.add.at(counts, tuple(cells), 1)
    around = counts.cumsum(0).cumsum(1)
    around = np.pad(around, ((1, 0), (1, 0)))
    high, wide = (max(1, side // CELL_PX) for side in (height, width))
    sums = around[high:, wide:] - around[:-high, wide:] - around[high:, :-wide] + around[:-high, :-wide]
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    return Part(min(int(row) * CELL_PX, shape[0] - height), min(int(column) * CELL_PX, shape[1] - width), height, width)


def _depth(z: Array) -> tuple[float, float]:
    """Ends of the colours of z, nm; equal where all are in one plane."""
    known = z[np.isfinite(z)]
    low, high = np.quantile(known, [0.01, 0.99]).tolist() if len(known) else (0.0, 0.0)
    return low, high


def _cut(frame: Array, part: Part) -> Array:
    return frame[part.row : part.row + part.height, part.column : part.column + part.width]


def _counted(rows: Array, word: str, shown: int) -> str:
    said = counted(len(rows), word)
    return said if shown == len(rows) else f"{said}, {shown} of them in this part"


def _draw(axes: "Axes", shown: Array, part: Part, pixel_nm: float, grey: tuple[float, float]) -> None:
    """A part of a frame in grey, with a scale bar."""
    edges = (part.column, part.column + part.width, part.row + part.height, part.row)
    axes.imshow(
        shown, cmap="gray", vmin=grey[0], vmax=max(grey[1], grey[0] + 1e-9), extent=edges, interpolation="nearest"
    )
    axes.set_xticks([])
    axes.set_yticks([])
    length = 1000.0 if part.width * pixel_nm > 3000 else 100.0
    left, bottom = part.column + 0.04 * part.width, part.row + 0.955 * part.height
    box = {"facecolor": "black", "edgecolor": "none", "pad": 1.5}
    axes.text(
        left, bottom - 0.02 * part.height, f"{length / 1000:g} µm", color="white", fontsize=8, va="bottom", bbox=box
    )
    axes.plot([left, left + length / pixel_nm], [bottom, bottom], color="black", linewidth=6, solid_capstyle="butt")
    axes.plot([left, left + length / pixel_nm], [bottom, bottom], color="white", linewidth=3, solid_capstyle="butt")


def _rings(axes: "Axes", rows: Array, part: Part, pixel_nm: float, depth: tuple[float, float]) -> int:
    """A ring about each position in a part of a frame; and their number."""
    from matplotlib import colormaps
    from matplotlib.collections import EllipseCollection
    from matplotlib.patheffects import withStroke

    x, y = rows["x"] / pixel_nm - part.column, rows["y"] / pixel_nm - part.row
    within = (x >= 0) & (x <= part.width) & (y >= 0) & (y <= part.height)
    places = np.stack([x[within] + part.column, y[within] + part.row], axis=1)
    share = np.nan_to_num(np.clip((rows["z"][within] - depth[0]) / max(depth[1] - depth[0], 1e-9), 0, 1))
    sides = np.full(len(places), 2 * RING_PX)
    rings = EllipseCollection(
        sides, sides, 0 * sides, units="xy", offsets=places, offset_transform=axes.transData, facecolors="none",
        edgecolors=colormaps[DEPTHS](share), linewidths=1.3, path_effects=[withStroke(linewidth=2.6, foreground="black")],
    )  # fmt: skip
    axes.add_collection(rings, autolim=False)
    return len(places)

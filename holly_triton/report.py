"""report.html: what a run found, on one page that opens offline, prints, and can be mailed as it is.

Every picture is inside the page. A part whose file is missing is left out with a sentence that says so. Figures
use matplotlib's objects alone, never pyplot, whose state is shared by the whole process.
"""

import base64
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from holly_triton.cloud import read_cloud
from holly_triton.errors import HollyError
from holly_triton.files import foreign, replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

GREY, BLUE, RULE = "#7d8590", "#2f6fb5", "#9aa2ab"
"""Readable on a light and on a dark page alike: the charts have no background of their own."""
CURVE_STEPS = 1500
"""A curve of more steps is thinned to about this many, which is finer than the page can show."""
PICTURES_PER_CELL = 10
"""The sphere of directions is cut so that each cell would hold about this many pictures, if all were even."""

LABELS = {
    "seconds": "Time, s",
    "sigma_nm": "Sigma of the last drawing, nm",
    "blur_nm": "Scatter of the labels about the points, nm",
    "loss": "Loss at the end",
    "steps": "Steps planned",
    "step": "Steps done",
    "rmsd": "RMSD, both directions, nm",
    "rmsd_truth_to_cloud": "RMSD, truth to result, nm",
    "rmsd_cloud_to_truth": "RMSD, result to truth, nm",
    "median": "Median distance, both directions, nm",
    "largest_truth_to_cloud": "Largest distance, truth to result, nm",
    "largest_cloud_to_truth": "Largest distance, result to truth, nm",
    "mirrored": "Mirror image fits better",
    "rmsd_units": "RMSD, units of the truth's file",
    "unit_nm": "One such unit, nm",
    "truth_points": "Points of the truth",
}
"""Plain words for keys of metrics.json; any other key speaks for itself."""
ELSEWHERE = {"history", "notes", "unit"}
"""Keys that the table leaves out: other parts of the page show them."""


@dataclass(frozen=True)
class Pair:
    """One input picture beside its reprojection, as data URIs."""

    name: str
    given: str
    reprojected: str


def write_report(run: Path) -> Path:
    """Builds ``run/report.html`` from the files of the run folder, and ``pictures/reprojections.png`` on the way.

    Raises:
        HollyError: `run` is no folder, one of its files is damaged, or the page cannot be written.
    """
    if not run.is_dir():
        raise HollyError(f"{run}: is no folder; give the folder that train wrote")
    metrics = _read_metrics(run / "metrics.json")
    reprojections = _read_reprojections(run / "pictures" / "reprojections.npz")
    if reprojections is not None:
        _write_reprojections(reprojections, run / "pictures" / "reprojections.png")
    directions = _read_directions(run / "poses.csv")
    coverage = None if directions is None else _coverage(directions)
    page = _template().render(
        name=run.resolve().name,
        metrics=metrics,
        cloud=_measure(run / "cloud.ply"),
        tables=_tables(metrics),
        cloud_picture=_picture(run / "pictures" / "cloud.png"),
        truth_picture=_picture(run / "pictures" / "truth.png"),
        curves=_curves(metrics.get("history") or []),
        pairs=[] if reprojections is None else list(_pairs(reprojections)),
        width_nm=None if reprojections is None else _length(reprojections.width_nm),
        coverage=coverage,
        coverage_plot=None if coverage is None else _coverage_plot(coverage),
        length=_length,
        number=_number,
    )
    path = run / "report.html"
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).parent)
    options: dict[str, Any] = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    return Environment(loader=loader, undefined=StrictUndefined, **options).get_template("report.html.j2")


# What the run folder holds.


def _read_metrics(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with foreign(path, "the figures of a run"):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(metrics, dict):
            raise ValueError("no table")
        return metrics


def _measure(path: Path) -> dict[str, Any] | None:
    """Points and extents along the principal axes, nm, longest first."""
    if not path.is_file():
        return None
    points = read_cloud(path).points
    centred = points - points.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    extents = np.sort(np.ptp(centred @ axes.T, axis=0))[::-1]
    return {"points": _number(len(points)), "extents": [_length(extent) for extent in extents]}


@dataclass(frozen=True)
class _Reprojections:
    inputs: Array  # [K, S, S], any intensity
    reprojections: Array  # [K, S, S]
    names: list[str]
    width_nm: float


def _read_reprojections(path: Path) -> _Reprojections | None:
    if not path.is_file():
        return None
    with foreign(path, "input pictures and reprojections"), np.load(path) as held:
        inputs, drawn = np.asarray(held["inputs"], float), np.asarray(held["reprojections"], float)
        if inputs.ndim != 3 or inputs.shape != drawn.shape or len(held["names"]) != len(inputs):
            raise ValueError(f"inputs {inputs.shape}, reprojections {drawn.shape}, {len(held['names'])} names")
        names = [str(name) for name in held["names"]]
        return _Reprojections(inputs, drawn, names, inputs.shape[2] * float(held["pixel_nm"]))


def _read_directions(path: Path) -> Array | None:
    """Where the viewer of each picture stood, unit vectors ``[P, 3]`` in the cloud's frame."""
    if not path.is_file():
        return None
    with foreign(path, "poses"), path.open(newline="", encoding="utf-8") as file:
        turns = [[float(row[axis]) for axis in ("rx", "ry", "rz")] for row in csv.DictReader(file)]
        if not turns:
            return None
        # A picture looks along z, which is the last row of its rotation; the viewer stands on the other side.
        return -np.asarray(Rotation.from_rotvec(turns).as_matrix())[:, 2]


# Words and numbers.


def _number(value: Any) -> str:
    """A value as a reader wants it: thousands apart, four significant digits, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and 1000 <= abs(value) < np.inf):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _length(value_nm: float) -> str:
    """Three significant digits, without a unit."""
    decimals = 2 - int(np.floor(np.log10(value_nm))) if value_nm > 0.01 else 3
    return f"{value_nm:,.{max(decimals, 0)}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _tables(metrics: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Groups of rows (label, value): the run itself, then each table within metrics.json."""
    groups = [("The run", metrics)]
    groups += [(_label(key), part) for key, part in metrics.items() if isinstance(part, dict)]
    return [(name, rows) for name, part in groups if (rows := list(_rows(part)))]


def _rows(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in part.items():
        if key not in ELSEWHERE and value is not None and not isinstance(value, dict | list):
            yield _label(key), _number(value)


def _label(key: str) -> str:
    return LABELS.get(key, key[:1].upper() + key[1:].replace("_", " "))


# Pictures.


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _png(picture: Any) -> str:
    content = io.BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return _uri(content.getvalue(), "png")


def _picture(path: Path) -> str | None:
    """A picture of the run in 256 colours, which suffice for two hues and make a third of the size."""
    from PIL import Image

    if not path.is_file():
        return None
    with foreign(path, "PNG"), Image.open(path) as picture:
        return _png(picture.convert("RGB").quantize(256, dither=Image.Dither.NONE))


def _pairs(reprojections: _Reprojections) -> Iterator[Pair]:
    from matplotlib import colormaps
    from PIL import Image

    def coloured(picture: Array) -> str:
        return _png(Image.fromarray(colormaps["inferno"](picture, bytes=True)[:, :, :3]))

    for name, (given, drawn) in zip(reprojections.names, _scaled(reprojections), strict=True):
        yield Pair(name, coloured(given), coloured(drawn))


def _scaled(reprojections: _Reprojections) -> Iterator[tuple[Array, Array]]:
    """Both of a pair ``[S, S]`` at equal total intensity and on one scale from 0 to 1."""
    for given, drawn in zip(reprojections.inputs, reprojections.reprojections, strict=True):
        given, drawn = (np.maximum(picture, 0) / max(picture.sum(), 1e-12) for picture in (given, drawn))
        brightest = max(given.max(), drawn.max(), 1e-12)
        yield given / brightest, drawn / brightest


def _write_reprojections(reprojections: _Reprojections, path: Path) -> None:
    """The same pairs in one PNG, four pairs a row."""
    columns = 4
    rows = -(-len(reprojections.names) // columns)
    figure = _figure(columns * 3.4, rows * 1.95 + 0.45, facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.suptitle(f"Input (left) and reprojection (right), each {_length(reprojections.width_nm)} nm wide")
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, name, pair in zip(grid.flat, reprojections.names, _scaled(reprojections), strict=False):
        axes.imshow(np.hstack(pair), cmap="inferno", vmin=0, vmax=1)
        axes.axvline(pair[0].shape[1] - 0.5, color="white", linewidth=1.5)
        axes.set_title(name[:40], fontsize=8, parse_math=False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=110)


def _figure(width: float, height: float, **style: Any) -> "Figure":
    """A figure of its own, in inches, its texts laid out so that none overlaps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", **style)
    FigureCanvasAgg(figure)
    return figure


def _svg(figure: "Figure") -> str:
    content = io.BytesIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return _uri(content.getvalue(), "svg+xml")


def _curves(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Loss and sigma over the steps, with the steps at which the pictures grew."""
    if len(history) < 2:
        return None
    from matplotlib.ticker import LogFormatter

    figure = _figure(9.5, 4.8)
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = np.array([entry["step"] for entry in history])
    thin = slice(None, None, -(-len(steps) // CURVE_STEPS))
    for axes, key, label in ((upper, "loss", "loss"), (lower, "sigma_nm", "sigma, nm")):
        values = np.array([entry[key] for entry in history], dtype=float)
        axes.plot(steps[thin], values[thin], color=BLUE, linewidth=1.4)
        axes.set_ylabel(label)
        if (values > 0).all():
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(LogFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2.0, 0.5)))
        _sober(axes)
    sizes = [int(entry["size"]) for entry in history]
    for at in [i for i in range(len(sizes)) if i == 0 or sizes[i] != sizes[i - 1]]:
        for axes in (upper, lower):
            axes.axvline(steps[at], color=RULE, linewidth=0.7, linestyle=":")
        upper.annotate(
            f"{sizes[at]} px", (float(steps[at]), 1), xycoords=("data", "axes fraction"), xytext=(3, 3),
            textcoords="offset points", color=GREY, fontsize=8,
        )  # fmt: skip
    lower.set_xlabel("step")
    return _svg(figure)


def _sober(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.tick_params(which="both", colors=GREY, labelsize=8)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(GREY)


def _coverage(viewers: Array) -> Array:
    """Pictures per cell of a sphere cut into cells of equal area ``[rows, 2 rows]``.

    From viewers' positions ``[P, 3]``; the front is in the middle, above (-y) last, the right (+x) right of it.
    """
    rows = int(np.clip(np.sqrt(len(viewers) / PICTURES_PER_CELL / 2), 3, 12))
    turn, height = np.arctan2(viewers[:, 0], -viewers[:, 2]), np.clip(-viewers[:, 1], -1, 1)
    counts = np.histogram2d(height, turn, bins=(rows, 2 * rows), range=((-1, 1), (-np.pi, np.pi)))[0]
    return np.asarray(counts, dtype=int)


def _coverage_plot(coverage: Array) -> str:
    """The sphere of directions in Mollweide's equal-area projection, each cell in times the even share."""
    from matplotlib.patheffects import withStroke

    figure = _figure(7.0, 3.9)
    axes = figure.add_subplot(projection="mollweide")
    # Each cell as 12 x 12 small ones: straight edges would cut the corners of the map.
    share = np.kron(coverage / coverage.mean(), np.ones((12, 12)))
    heights = np.arcsin(np.linspace(-1, 1, share.shape[0] + 1))
    turns = np.linspace(-np.pi, np.pi, share.shape[1] + 1)
    mesh = axes.pcolormesh(turns, heights, share, cmap="cividis", vmin=0, vmax=2, rasterized=True)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["geo"].set_color(RULE)
    halo = withStroke(linewidth=3, foreground="#00000099")
    for turn, word in ((-np.pi / 2, "left"), (0, "front"), (np.pi / 2, "right")):
        axes.text(turn, 0, word, color="white", fontsize=9, ha="center", va="center", path_effects=[halo])
    axes.set_title("above", color=GREY, fontsize=9)
    axes.set_xlabel("below", color=GREY, fontsize=9)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.6, extend="max", ticks=[0, 0.5, 1, 1.5, 2])
    bar.set_label("times the even share", color=GREY, fontsize=9)
    bar.ax.tick_params(colors=GREY, labelsize=8)
    return _svg(figure)

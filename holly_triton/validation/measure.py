"""Sizes, shape and symmetry of a structure, with their uncertainty as far as independent runs show it; lengths in nm."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import stdtrit

from holly_triton.core.errors import HollyError
from holly_triton.core.files import natural_order
from holly_triton.core.types import Array
from holly_triton.geometry.plane import plane_frame
from holly_triton.geometry.pointset import gyration
from holly_triton.io.metrics import METRICS, Metrics, read_metrics
from holly_triton.io.run_files import read_run_channels, read_run_cloud

from .alignment import align
from .angular_order import is_significant, shape_order
from .shape import Shape, fit_shape, some_of, without_outliers
from .symmetry import find_symmetries

EXTENT_PERCENTILES = (1, 99)
CONFIDENCE = 0.95
ALONG_AXIS = 0.94
"""Cosine of 20 degrees: an axis this near to that of the fitted surface is the same."""
SIZES = ("gyration_nm", "diameter_nm", "height_nm", "thickness_nm")
OF_CHANNEL = (
    "model",
    "axes_nm",
    "axes_interval_nm",
    *(key for size in SIZES for key in (size, size.replace("_nm", "_interval_nm"))),
)
"""Figures of the points of one channel."""
HARDLY_EXPLAINED = 0.82
"""Of the loss of a structureless control: a structure that leaves more gets no shape and no symmetry reported. Heuristic,
set between these measurements: real nuclear pores 0.74, bunnies with half of their labels missing 0.77, the worst right
run of the CEP152 model 0.79, all other right runs less; pictures of nothing but noise 0.87 and 0.89, DNA origami whose
poses were not found 0.88, direct poses that got stuck 0.93 and 1.11. Where each picture shows little, right
structures leave as much as noise does: a true pore of 32 sites under its true poses comes to 0.86 with a scatter of 4 nm, to
0.95 with 60 % of the sites missing besides, bunnies 22 nm off with 70 % missing to 0.92. So runs on few labels are not refused
for it; runs on separate pictures distinguish these from noise."""


def measure_points(
    points_nm: Array,
    *,
    members: Sequence[Array] = (),
    seed: int = 0,
    symmetries: Sequence[Mapping[str, Any]] | None = None,
    confirmed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Sizes, shape and rotational symmetry of a cloud.

    With two members or more, 95 % intervals are ``value ± t s``: s is the standard error of the members' mean, taken about
    the cloud's own value, and t is Student's for their number less one. Each is aligned with the cloud first: where two
    extents are alike, the directions along which a cloud extends most are arbitrary. A single cloud gives no interval: its
    points are not independent measurements.

    Args:
        points_nm: ``[N, 3]``, at least 4, not all in a line.
        members: clouds ``[N_k, 3]`` nm of runs of their own, in any frame and handedness.
        seed: of the choice from a large cloud.
        symmetries: figures of ``find_symmetries`` that are known already; searched in the cloud if not given.
        confirmed: figures of ``angular_order.confirm_order`` from two half sets.

    Returns:
        Figures fit for JSON; every length has its ``..._interval_nm``; what does not apply is None. ``axes_nm`` are the
        extents along the principal axes, two of them where the cloud is ``flat``. ``diameter_nm`` is of the circle in the
        middle of the surface; ``height_nm`` between two rings or the ends of a cylinder; ``thickness_nm`` of a torus'
        tube; ``residual_nm`` root mean square, also of a shape that was refused. ``turns`` is the order that stands out
        about the ``axis`` of the shape, with its ``p_value`` where two half sets give one.

    Raises:
        ValueError: not finite points ``[N, 3]``, fewer than four, or all in a line.
    """
    return _measured(points_nm, _aligned(points_nm, members, seed), seed, symmetries, confirmed)


def _aligned(points: Array, members: Sequence[Array], seed: int = 0) -> list[Array]:
    """Clouds ``[N_k, 3]`` in the frame and handedness of points ``[N, 3]``; one alone, of which nothing is measured, as it is."""
    _checked(points)
    if len(members) < 2:
        return [*members]
    return [align(member, points, seed).aligned for member in members]


def _measured(
    points_nm: Array,
    members: Sequence[Array],
    seed: int = 0,
    symmetries: Sequence[Mapping[str, Any]] | None = None,
    confirmed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """``measure_points`` of members in the frame of the points."""
    rng = np.random.default_rng(seed)
    points, left_out = _checked(points_nm)
    some = some_of(points, rng)
    shape = fit_shape(some)
    found = shape if shape and not shape.against else None
    axes = _axes(points)
    sizes = _sizes(points, found, axes)
    half = np.full_like(sizes, np.nan)
    if len(members) > 1:
        clouds = [_checked(member)[0] for member in members]
        shapes = [found and fit_shape(some_of(cloud, rng), like=found) for cloud in clouds]
        others = [_sizes(cloud, own, axes) for cloud, own in zip(clouds, shapes, strict=True)]
        half = _half_width(sizes, np.array(others))
    if symmetries is None:
        symmetries = [one.figures() for one in find_symmetries(some)]
    p_value = None if confirmed is None else confirmed["p_value"]
    turns = None if found is None else {**shape_order(found, points).figures(), "p_value": p_value}
    nearest = cKDTree(points).query(points, k=2)[0][:, 1]
    flat = plane_frame(points) is not None
    return {
        "unit": "nm",
        "points": len(points),
        "left_out": left_out,
        "flat": flat,
        **_figures(sizes, half, extents=2 if flat else 3),
        "model": found and found.name,
        "nearest_model": shape and shape.name,
        "against_model": None if shape is None else shape.against,
        "residual_nm": shape and shape.residual,
        "nearest_neighbour_nm": {
            "median": float(np.median(nearest)),
            "quartiles": np.quantile(nearest, [0.25, 0.75]).tolist(),
        },
        "symmetry": _symmetry(found, confirmed, symmetries),
        "turns": turns,
        "confirmed": None if confirmed is None else dict(confirmed),
        "mirror_image": flat or any(s["name"] == "mirror" and _holds(s) for s in symmetries),
        "errors_from": "repeats" if len(members) > 1 else None,
        "members": len(members),
    }


def measure_run(folder: Path) -> dict[str, Any]:
    """``measure_points`` of a run, or of a study with its runs as members; symmetries as the run tested them.

    ``channels`` holds the sizes of each channel by its name, its ``points`` and ``from_centre_nm``, the distance of its centroid
    from that of all points; None for a cloud of one channel.

    Raises:
        HollyError: the folder holds no cloud, or a file is damaged.
    """
    points = read_run_cloud(folder)
    repeats, halves = (sorted(folder.glob(f"{kind}-*/cloud.ply"), key=_member) for kind in ("repeat", "half"))
    members = [read_run_cloud(cloud.parent) for cloud in repeats or halves]
    metrics = read_metrics(folder) if (folder / METRICS).is_file() else Metrics()
    try:
        members = _aligned(points, members)
        figures = _measured(points, members, symmetries=metrics.symmetry, confirmed=metrics.angular_order)
    except ValueError as error:
        raise HollyError(f"{folder}: its cloud cannot be measured: {error}") from error
    if len(members) > 1 and not repeats:
        figures["errors_from"] = "half sets"
    figures["symmetry_from"] = "the cloud alone" if metrics.symmetry is None else METRICS
    channels = read_run_channels(folder)
    figures["channels"] = None
    if channels is not None and len(channels.names) > 1:
        folders = [cloud.parent for cloud in repeats or halves]
        figures["channels"] = {
            name: {
                **_sizes_of_channel(points[channels.named(name)], _channel_of(folders, members, name)),
                "from_centre_nm": float(
                    np.linalg.norm(points[channels.named(name)].mean(axis=0) - points.mean(axis=0))
                ),
            }
            for name in channels.names
        }
    return figures


def _channel_of(folders: Sequence[Path], clouds: Sequence[Array], name: str) -> list[Array]:
    """The points of one channel in the clouds of a study's runs; none where one of them lacks it."""
    found = [read_run_channels(folder) for folder in folders]
    if any(channels is None or name not in channels.names for channels in found):
        return []
    return [cloud[channels.named(name)] for cloud, channels in zip(clouds, found, strict=True) if channels is not None]


def _sizes_of_channel(points: Array, members: Sequence[Array]) -> dict[str, Any]:
    """The sizes of one channel, of members in its frame; only the number of its points where these are too few or in a line."""
    try:
        figures = _measured(points, members, symmetries=())
    except ValueError:
        return {"points": len(points)}
    return {"points": len(points), **{key: figures[key] for key in OF_CHANNEL}}


def is_explained(loss_of_structure: float, loss_of_ball: float) -> bool:
    """Whether a structure fits its pictures appreciably better than the structureless control (``results``)."""
    return loss_of_structure <= HARDLY_EXPLAINED * loss_of_ball


def _member(cloud: Path) -> list[tuple[int, str]]:
    return natural_order(cloud.parent)


def _checked(points: Array) -> tuple[Array, int]:
    """Points without outliers, and the number of these."""
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
        raise ValueError(f"points must be finite [N, 3], at least four; found shape {points.shape}")
    kept = without_outliers(points)
    length, breadth = np.linalg.svd(kept - kept.mean(axis=0), compute_uv=False)[:2] if len(kept) > 3 else (0, 0)
    if breadth <= 1e-6 * length:
        raise ValueError("points must not all be equal or in one line")
    return kept, len(points) - len(kept)


def _axes(points: Array) -> Array:
    """The principal axes of points as rows ``[3, 3]``, that of the largest extent first."""
    axes: Array = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    return axes[np.argsort(-_extents(points, axes))]


def _extents(points: Array, axes: Array) -> Array:
    """Extents of points along axes, the rows ``[3, 3]``: ``[3]``, nm."""
    along = (points - points.mean(axis=0)) @ axes.T
    return np.asarray(np.ptp(np.percentile(along, EXTENT_PERCENTILES, axis=0), axis=0))


def _sizes(points: Array, shape: Shape | None, axes: Array) -> Array:
    """Extents along three axes, gyration, diameter, height and thickness ``[7]``, nm; NaN for what is not there."""
    surface = (None, None, None) if shape is None else (2 * shape.radius, shape.height, shape.tube)
    return np.array([*_extents(points, axes), gyration(points), *surface], dtype=np.float64)


def _half_width(sizes: Array, others: Array) -> Array:
    """Half the 95 % interval of each size ``[7]`` from those of the members ``[K, 7]``: Student's t."""
    count = len(others)
    squared = np.square(others - sizes).sum(axis=0) / (count - 1)
    return np.asarray(stdtrit(count - 1, (1 + CONFIDENCE) / 2) * np.sqrt(squared / count))


def _figures(sizes: Array, half: Array, extents: int) -> dict[str, Any]:
    """The sizes and their intervals by name, with the given number of the three extents."""
    values = [None if np.isnan(size) else float(size) for size in sizes]
    # A size that a member has not, since nothing could be fitted to it, has no interval.
    intervals = [
        None if np.isnan(h) else [max(0.0, float(size - h)), float(size + h)]
        for size, h in zip(sizes, half, strict=True)
    ]
    figures: dict[str, Any] = {"axes_nm": values[:extents], "axes_interval_nm": intervals[:extents]}
    for name, value, interval in zip(SIZES, values[3:], intervals[3:], strict=True):
        figures[name], figures[name.replace("_nm", "_interval_nm")] = value, interval
    return figures


def _holds(symmetry: Mapping[str, Any]) -> bool:
    """Whether individual points coincide and the data, where tested, are compatible with it."""
    return symmetry["verdict"] == "symmetric" and symmetry["supported"] is not False


def _symmetry(
    shape: Shape | None, confirmed: Mapping[str, Any] | None, symmetries: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The rotational symmetry that is supported: about the axis of the shape or, without one, any axis."""
    axes = [s for s in symmetries if s["name"] != "mirror"]
    if shape is not None:
        axes = [s for s in axes if abs(np.dot(s["axis"], shape.fit.frame[:, 2])) > ALONG_AXIS]
    order, p_value = max((int(s["name"][1:]) for s in axes if _holds(s)), default=None), None
    if confirmed is not None and is_significant(confirmed):
        order, p_value = confirmed["order"], confirmed["p_value"]
    same: Mapping[str, Any] = next((s for s in axes if s["name"] == f"C{order}"), {})
    if order is None or same.get("supported") is False:
        return None
    kept = ("axis", "verdict", "rmsd", "spacing", "positional_error", "loss_change", "supported")
    return {"order": order, "p_value": p_value, **{key: same.get(key) for key in kept}}

"""How large a structure is, what shape it has, and how sure that is: the figures a biologist asks for, in nm."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import norm, t

from holly_triton.core.errors import HollyError
from holly_triton.core.files import natural_order
from holly_triton.geometry.plane import plane_frame
from holly_triton.particles.run.metrics import METRICS, Metrics, read_metrics
from holly_triton.particles.run.run_files import read_run_cloud

from .angular_order import shape_turns
from .shape import LEFT_OUT, Shape, fit_shape, refit, some_of, without_strays
from .symmetry import find_symmetries

Array = NDArray[Any]

EXTENT_PERCENTILES = (1, 99)
RESAMPLES = 50
"""The standard error that these give is right to 10 %."""
CONFIDENCE = 0.95
SIGNIFICANT = 3.0
"""Sigma at which an order counts as found."""
ALONG_AXIS = 0.94
"""Cosine of 20 degrees: an axis this near to the wall's is the same."""
SIZES = ("gyration_nm", "diameter_nm", "height_nm", "thickness_nm")
HARDLY_EXPLAINED = 0.82
"""Of the loss that a ball leaves: a structure that leaves more tells no shape and no symmetry. Measured: real nuclear
pores 0.74, bunnies with half of their labels missing 0.77, the worst right run of the CEP152 model 0.79, all other right
runs less; pictures of nothing but noise 0.87 and 0.89, DNA origami whose poses were not found 0.88, direct poses that
got stuck 0.93 and 1.11. Where each picture shows little, a right structure is doubted too: a true pore of 32 sites under
its true poses comes to 0.86 with a scatter of 4 nm, to 0.95 with 60 % of the sites missing besides, bunnies 22 nm off with
70 % missing to 0.92. Only runs on separate pictures can tell these from noise."""
FOLD = dict(zip(range(2, 13), "two three four five six seven eight nine ten eleven twelve".split(), strict=True))


def measure_points(
    points_nm: Array,
    *,
    members: Sequence[Array] = (),
    seed: int = 0,
    symmetries: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Sizes, shape and rotational symmetry of a cloud.

    95 % intervals are ``value ± t s``. With two members or more, s is the standard error of their mean, taken about
    the cloud's own value, and t is Student's for their number less one; each is measured in its own frame, on which
    no size depends. Otherwise s is the standard error of a bootstrap over the points and t is 1.96: that is how well
    this cloud tells its own size and knows nothing of the errors of the reconstruction.

    Args:
        points_nm: ``[N, 3]``, at least 4, not all in a line.
        members: clouds ``[N_k, 3]`` nm of independent runs, in any frame and hand.
        seed: of the bootstrap, and of the choice from a large cloud.
        symmetries: figures of ``find_symmetries`` that are known already; sought in the cloud if not given.

    Returns:
        Figures fit for JSON; every length has its ``..._interval_nm``; what does not apply is None. ``axes_nm`` are the
        extents along the principal axes, two of them where the cloud is ``flat``. ``diameter_nm`` is of the circle in the middle of the wall; ``height_nm`` between two rings or the ends of a cylinder;
        ``thickness_nm`` of a torus' tube; ``residual_nm`` root mean square, also of a shape that was refused.

    Raises:
        ValueError: not finite points ``[N, 3]``, fewer than four, or all in a line.
    """
    rng = np.random.default_rng(seed)
    points, left_out = _checked(points_nm)
    some = some_of(points, rng)
    shape = fit_shape(some)
    found = shape if shape and not shape.against else None
    sizes = _sizes(points, found)
    if len(members) > 1:
        clouds = [_checked(member)[0] for member in members]
        others = [_sizes(cloud, found and fit_shape(some_of(cloud, rng), like=found)) for cloud in clouds]
    else:
        resamples = [some[rng.integers(len(some), size=len(some))] for _ in range(RESAMPLES)]
        others = [_sizes(resample, found and refit(found, resample)) for resample in resamples]
    half = _half_width(sizes, np.array(others), members=len(members) > 1)
    if symmetries is None:
        symmetries = [one.figures() for one in find_symmetries(some)]
    turns = None if found is None else shape_turns(found, points)
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
        "symmetry": _symmetry(found, turns, symmetries),
        "turns": turns,
        "mirror_image": flat or any(s["name"] == "mirror" and _borne(s) for s in symmetries),
        "errors_from": "repeats" if len(members) > 1 else "bootstrap",
        "members": len(members),
    }


def measure_run(folder: Path) -> dict[str, Any]:
    """``measure_points`` of a run, or of a study with its runs as members; symmetry as the run put it to the pictures.

    Raises:
        HollyError: the folder holds no cloud, or a file is damaged.
    """
    points = read_run_cloud(folder)
    repeats, halves = (sorted(folder.glob(f"{kind}-*/cloud.ply"), key=_member) for kind in ("repeat", "half"))
    members = [read_run_cloud(cloud.parent) for cloud in repeats or halves]
    metrics = read_metrics(folder) if (folder / METRICS).is_file() else Metrics()
    try:
        figures = measure_points(points, members=members, symmetries=metrics.symmetry)
    except ValueError as error:
        raise HollyError(f"{folder}: its cloud cannot be measured: {error}") from error
    if len(members) > 1 and not repeats:
        figures["errors_from"] = "half sets"
    figures["symmetry_from"] = "the cloud alone" if metrics.symmetry is None else METRICS
    return figures


def is_explained(loss_of_structure: float, loss_of_ball: float) -> bool:
    """Whether a structure explains its pictures so much better than a ball (``results``) that its shape means something."""
    return loss_of_structure <= HARDLY_EXPLAINED * loss_of_ball


def headline(figures: Mapping[str, Any]) -> str:
    """One sentence that says only what the figures support."""
    if figures.get("explained") is False:
        return f"A cloud of {_extents(figures)} that explains the pictures hardly better than a ball: no shape or symmetry is claimed."
    symmetry = figures["symmetry"]
    parts = [_shape_in_words(figures)]
    if symmetry is not None:
        sigma = symmetry["sigma"]
        fold = f"{FOLD[symmetry['order']]}fold symmetry"
        parts.append(f"{fold}, point upon point" if sigma is None else f"{fold} about its axis at {sigma:.1f} sigma")
    if not figures["flat"]:  # where all is in one plane, so is the mirror image
        parts.append("it is its own mirror image" if figures["mirror_image"] else "the hand is undetermined")
    return "; ".join(parts) + "."


def explain(figures: Mapping[str, Any]) -> str:
    """All figures in words, on one screen, and the warnings if they come with some."""
    low, high = EXTENT_PERCENTILES
    nearest = figures["nearest_neighbour_nm"]
    extents = " x ".join(
        _with_error(*pair) for pair in zip(figures["axes_nm"], figures["axes_interval_nm"], strict=True)
    )
    lines = [
        headline(figures),
        "",
        f"Extent      {extents} nm along the principal axes (percentiles {low} to {high})",
        f"Gyration    {_sized(figures, 'gyration_nm')}, the root mean square distance from the middle",
        "Neighbours  {:.1f} nm to the nearest point (median; half of them {:.1f} to {:.1f} nm)".format(
            nearest["median"], *nearest["quartiles"]
        ),
    ]
    if figures.get("explained") is not False:
        lines.append(f"Shape       {_fit_in_words(figures)}")
        lines.append(f"Symmetry    {_symmetry_in_words(figures)}")
    lines.append(f"Errors      {_errors_in_words(figures)}")
    if figures["left_out"]:
        lines.append(f"Left out    {figures['left_out']} points over {LEFT_OUT:g} times the median distance away")
    lines.extend(f"Warning: {warning}" for warning in figures.get("warnings", ()))
    return "\n".join(lines)


def _member(cloud: Path) -> list[tuple[int, str]]:
    return natural_order(cloud.parent)


def _checked(points: Array) -> tuple[Array, int]:
    """Points without strays, and how many those were."""
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
        raise ValueError(f"points must be finite [N, 3], at least four; found shape {points.shape}")
    kept = without_strays(points)
    length, breadth = np.linalg.svd(kept - kept.mean(axis=0), compute_uv=False)[:2] if len(kept) > 3 else (0, 0)
    if breadth <= 1e-6 * length:
        raise ValueError("points must not all be equal or in one line")
    return kept, len(points) - len(kept)


def _sizes(points: Array, shape: Shape | None) -> Array:
    """Three extents, largest first, gyration, diameter, height and thickness ``[7]``, nm; NaN for what is not there."""
    centred = points - points.mean(axis=0)
    along = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    extents = np.sort(np.ptp(np.percentile(along, EXTENT_PERCENTILES, axis=0), axis=0))[::-1]
    wall = (None, None, None) if shape is None else (2 * shape.radius, shape.height, shape.tube)
    return np.array([*extents, np.sqrt(np.square(centred).sum(axis=1).mean()), *wall], dtype=np.float64)


def _half_width(sizes: Array, others: Array, *, members: bool) -> Array:
    """Half the 95 % interval of each size ``[7]`` from other measurements of it ``[K, 7]``."""
    count = len(others)
    squared = np.square(others - (sizes if members else others.mean(axis=0))).sum(axis=0) / (count - 1)
    quantile = (1 + CONFIDENCE) / 2
    if members:
        return np.asarray(t.ppf(quantile, count - 1) * np.sqrt(squared / count))
    return np.asarray(norm.ppf(quantile) * np.sqrt(squared))


def _figures(sizes: Array, half: Array, extents: int) -> dict[str, Any]:
    """The sizes and their intervals by name, so many of the three extents."""
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


def _borne(symmetry: Mapping[str, Any]) -> bool:
    """Whether points fall upon points and the pictures, if asked, do not speak against it."""
    return symmetry["verdict"] == "symmetric" and symmetry["supported"] is not False


def _symmetry(
    shape: Shape | None, turns: Mapping[str, Any] | None, symmetries: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The rotational symmetry that the evidence bears out: about the wall's axis or, without a wall, any axis."""
    axes = [s for s in symmetries if s["name"] != "mirror"]
    if shape is not None:
        axes = [s for s in axes if abs(np.dot(s["axis"], shape.fit.frame[:, 2])) > ALONG_AXIS]
    order, sigma = max((int(s["name"][1:]) for s in axes if _borne(s)), default=None), None
    if turns is not None and turns["sigma"] >= SIGNIFICANT:
        order, sigma = turns["order"], turns["sigma"]
    same: Mapping[str, Any] = next((s for s in axes if s["name"] == f"C{order}"), {})
    if order is None or same.get("supported") is False:
        return None
    return {
        "order": order,
        "sigma": sigma,
        **{key: same.get(key) for key in ("verdict", "rmsd", "spacing", "loss_change", "supported")},
    }


def _with_error(value: float, interval: Sequence[float] | None, unit: str = "") -> str:
    """Such as ``98 ± 4``; the error is rounded up, and in words where it is as large as the value."""
    if interval is None:
        return f"{value:.0f}{unit}"
    half = interval[1] - value
    if half >= value:
        return f"{value:.0f}{unit} (very uncertain)"
    digits = 0 if half > 1 else 1
    return f"{value:.{digits}f} ± {abs(np.ceil(half * 10**digits - 1e-9)) / 10**digits:.{digits}f}{unit}"


def _sized(figures: Mapping[str, Any], name: str) -> str:
    return _with_error(figures[name], figures[name.replace("_nm", "_interval_nm")], " nm")


def _extents(figures: Mapping[str, Any]) -> str:
    return " x ".join(f"{extent:.0f}" for extent in figures["axes_nm"]) + " nm"


def _shape_in_words(figures: Mapping[str, Any]) -> str:
    seen = figures.get("height_seen") is not False
    unseen = "seen from one side" if figures["flat"] else "its height uncertain"
    if figures["model"] is None:
        size = f"A {'flat ' if figures['flat'] else ''}structure of {_extents(figures)}"
        return size if seen else f"{size}, {unseen}"
    across = f"{_sized(figures, 'diameter_nm')} across"
    if figures["model"] == "torus":
        words, height = f"A torus, {across} its middle line", f"its tube {_sized(figures, 'thickness_nm')} thick"
    elif figures["model"] == "cylinder":
        words, height = f"A hollow cylinder, {across}", f"{_sized(figures, 'height_nm')} long"
    elif figures["height_nm"] is None:
        words, height = f"A ring, {across}", ""
    else:
        words, height = f"A ring, {across}", f"of two layers {_sized(figures, 'height_nm')} apart"
    height = height if seen else unseen
    words += f", {height}" if height else ""
    return words + (" (± within this one run)" if figures["errors_from"] == "bootstrap" else "")


def _fit_in_words(figures: Mapping[str, Any]) -> str:
    if figures["model"] is not None:
        return f"{figures['model']}; points lie {figures['residual_nm']:.1f} nm from it (root mean square)"
    if figures["nearest_model"] is None:
        return "none sought: too few points for a ring, torus or cylinder"
    return (
        f"no ring, torus or cylinder; points lie {figures['residual_nm']:.1f} nm (root mean square) from the nearest, "
        f"a {figures['nearest_model']}, but {figures['against_model']}"
    )


def _symmetry_in_words(figures: Mapping[str, Any]) -> str:
    symmetry, turns, said = figures["symmetry"], figures["turns"], []
    if turns is not None:
        said.append(
            "about the axis order {order} is the strongest ({strength:.2f} of 1, {sigma:.1f} sigma; next order "
            "{next_order}, {next_strength:.2f})".format(**turns)
        )
    if symmetry is not None and symmetry["verdict"] == "symmetric":
        said.append(f"points fall upon points after 1/{symmetry['order']} of a turn")
    elif turns is None:
        said.append("no turn by 1/2 to 1/12 is borne out")
    elif turns["sigma"] < SIGNIFICANT:
        said.append(f"below {SIGNIFICANT:g} sigma none is believed")
    if symmetry is not None and symmetry["supported"]:
        said.append(f"the pictures do not speak against it (loss {symmetry['loss_change']:+.0%} when made symmetric)")
    elif symmetry is not None:
        said.append("from the cloud alone, not put to the pictures")
    elif turns is not None and turns["sigma"] >= SIGNIFICANT:
        said.append("the pictures speak against it")
    return "; ".join(said)


def _errors_in_words(figures: Mapping[str, Any]) -> str:
    if figures["errors_from"] == "bootstrap":
        return (
            "95 % intervals from a bootstrap over the points of this one cloud. They do not know the error of the\n"
            "            reconstruction, which can be larger; train with --repeats 5 to learn it."
        )
    kind = figures["errors_from"]
    shared = ", which share no picture" if kind == "half sets" else ", which share their pictures and so their flaws"
    few = ". Two say little about their spread: the intervals are wide for that" if figures["members"] == 2 else ""
    return f"95 % intervals from {figures['members']} {kind}{shared}{few}."

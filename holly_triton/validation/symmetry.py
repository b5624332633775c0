"""Rotations and reflections that map a cloud onto itself, and whether the data are compatible with them.

An operation through the centroid rotates the cloud by 1/n of a full turn about an axis (C2 to C12), or reflects it
across a plane. Its figure is the symmetrised root-mean-square nearest-neighbour distance (``rmsd_nm``) between the cloud
and its image, minimised over the axis. Four lengths give that figure a meaning:

- ``spacing_nm``, between neighbouring points: another random sample of the same shape would lie about one spacing away;
- ``chance_nm``, the same distance about an arbitrary axis: a cloud that fills a sphere lies within a spacing of every
  rotated copy and is not symmetric for that;
- ``slip_nm``, how far the image moves when its angle is freed too: a ring of eight lies close to itself after 1/9 of
  a turn, but closer after 1/8, and slips there;
- ``positional_error_nm`` of the cloud itself, where known: images of points with independent errors e lie sqrt(2) e
  apart, so a distance within that is no evidence of asymmetry, whatever it does to a loss that is nearly nothing.

The search is wide first and exact last: directions over a hemisphere and the principal axes, then ICP in which
only the axis is free (pair nearest points, move the axis uphill).

A flat cloud is its own mirror image across its plane, which carries no information. There only rotations in the plane and
reflections across lines in it are considered, and an arbitrary one of these is what chance gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from holly_triton.core.progress import following
from holly_triton.core.types import Array
from holly_triton.geometry.pointset import spacing

from .operations import DIRECTIONS, KINDS, Kind

COARSE_SAMPLE, FINE_SAMPLE = 64, 1000
"""Points that look for their neighbour (among all) in the wide and the close search."""
MOST_POINTS = 2000
"""Largest number of points that are used, which takes seconds."""
REFINED, KEPT = 48, 4
"""Axes that are refined, and most axes of one kind that are reported."""
APART_DEG = 10.0
"""Two axes closer than this are one."""
SYMMETRIC, NEARLY = (1 / 3, 1 / 3), (1.4, 1 / 2)
"""Largest RMSD of each verdict, of the spacing and of chance. Coincident points lie nearer than a square
lattice shifted at random, 0.41 of the spacing away; two random samples of one shape lie 1 apart, up to 1.25 where their
centroid is off. Some directions are always better than others: where nothing is symmetric, the best is at 0.6 to 0.9
of chance."""
SLIP, LEAST_SLIP = 2.0, 0.02
"""A copy may slip by this many standard errors of the fitted angle, or by this part of the spacing."""
SUPPORTED = 0.01
"""Relative rise of the loss on imposing a symmetry up to which the data are compatible with it. On two
runs of the CEP152 model with a tenth of the labels missing its true plane changed the loss by -7 % and -1 %, the
near C2 that an offset breaks by +1 % and +9 %."""
ERRORS, LARGEST = 2.5, 0.05
"""Standard errors by which the loss may rise further, since several operations are tried, and the largest rise, however uncertain."""
WITHIN = 1.5
"""Times sqrt(2) positional errors: images that lie nearer are within the error. The ratio is 1 for Gaussian errors."""
EXPLAINED = 10.0
"""Masked L1 (of 100) up to which what remains is misplaced points and poses; above, it is mostly missing labels, scatter
and noise, which average out over the particles and do not measure the error of a point."""
LOSS_PER_WIDTH = 80.0
"""Masked L1 of a Gaussian drawn beside its place, per displacement in standard deviations: 100 sqrt(2 / pi)."""


class Change(NamedTuple):
    """Change of the loss of the data when the structure is replaced."""

    share: float
    """Relative to the loss before."""
    error: float = 0.0
    """Its standard error over the particles; 0 where those are compared by which the structure was made."""


@dataclass(frozen=True)
class Symmetry:
    """One operation on a cloud, through its centroid, and how well the cloud has it.

    Attributes:
        name: ``"C2"`` to ``"C12"``, or ``"mirror"``.
        verdict: ``"symmetric"``: individual points coincide; ``"nearly"``: the same shape to within the spacing.
        axis: ``[3]`` of length 1: the axis of rotation, or the normal of the plane.
        matrix: ``[3, 3]``, determinant +1 or -1.
        rmsd_nm: symmetrised nearest-neighbour RMSD between the cloud and its image.
        spacing_nm: see ``spacing``.
        chance_nm: median of that RMSD over arbitrary axes.
        slip_nm: root mean square distance that the image moves when its angle is freed.
        loss_change: relative change of the data's loss when the cloud is symmetrised; None if not computed.
        loss_error: its standard error, as in ``Change``.
        positional_error_nm: of the cloud's points, 3D, root mean square; None where not known.
    """

    name: str
    verdict: Literal["symmetric", "nearly", "not"]
    axis: Array
    matrix: Array
    rmsd_nm: float
    spacing_nm: float
    chance_nm: float
    slip_nm: float
    loss_change: float | None = None
    loss_error: float = 0.0
    positional_error_nm: float | None = None

    @property
    def within_error(self) -> bool:
        """Whether the cloud and its image differ by no more than the positional error allows."""
        return self.positional_error_nm is not None and self.rmsd_nm <= WITHIN * 2**0.5 * self.positional_error_nm

    @property
    def supported(self) -> bool | None:
        """Whether the data are compatible with it; None if that was not tested."""
        if self.within_error:
            return True
        allowed = min(SUPPORTED + ERRORS * self.loss_error, LARGEST)
        return None if self.loss_change is None else self.loss_change <= allowed

    def figures(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "name": self.name,
            "axis": self.axis.tolist(),
            "verdict": self.verdict,
            "rmsd": self.rmsd_nm,
            "spacing": self.spacing_nm,
            "chance": self.chance_nm,
            "slip": self.slip_nm,
            "positional_error": self.positional_error_nm,
            "unit": "nm",
            "loss_change": self.loss_change,
            "loss_error": self.loss_error,
            "supported": self.supported,
        }


def find_symmetries(
    points: Array,
    impose: Callable[[Array], Change] | None = None,
    positional_error_nm: float | None = None,
    *,
    kinds: Sequence[Kind] = KINDS,
) -> list[Symmetry]:
    """The best axis of each of C2 to C12 and the best mirror plane, and further axes that are symmetric too.

    With ``impose``, every operation that is at least nearly a symmetry is imposed: the loss of the cloud joined with its
    images, relative to the loss of the cloud. A loss that is convex in the picture can't rise by that if the structure
    has the symmetry, save for errors of the points and the poses. It shows that a symmetry is only approximate. It
    cannot show that a cloud that is symmetric already has lost an asymmetry: independent runs can.

    Args:
        points: ``[N, 3]`` nm, at least 4.
        impose: Change of the data's loss if the structure were these points ``[M, 3]``, of any number, in the frame of
            ``points``. The images of a point lie together.
        positional_error_nm: of the points, 3D, root mean square (``residual_error`` or ``matching.positional_error``).
        kinds: Those that are searched for.

    Raises:
        ValueError: not ``[N, 3]`` with at least 4 points, or NaN or inf among them.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
        raise ValueError(f"points must be finite [N, 3], at least four; found shape {points.shape}")
    centre = points.mean(axis=0)
    cloud = points - centre
    found = [
        replace(symmetry, positional_error_nm=positional_error_nm)
        for kind in following(kinds)
        for symmetry in _of_kind(kind, cloud)
    ]
    return found if impose is None else [_tested(symmetry, cloud, centre, impose) for symmetry in following(found)]


def residual_error(loss: float, width_nm: float) -> float | None:
    """Positional error, nm, to which a run's remaining loss amounts; None where most of the loss has other causes.

    A Gaussian of width w drawn d beside its place leaves a masked L1 of ``100 sqrt(2 / pi) d / w`` for small d.

    Args:
        loss: Masked L1 of the structure, 100 at most where nothing overlaps.
        width_nm: Standard deviation that points were drawn with.
    """
    return width_nm * loss / LOSS_PER_WIDTH if loss <= EXPLAINED else None


def thinned(points: Array) -> Array:
    """At most ``MOST_POINTS`` of the points ``[N, 3]``, evenly chosen."""
    return points[:: -(-len(points) // MOST_POINTS)]


def self_distance(points: Array, matrix: Array) -> float:
    """Symmetrised nearest-neighbour RMSD of points ``[N, 3]`` and their image under ``matrix [3, 3]`` about the centroid."""
    cloud = points - points.mean(axis=0)
    return float(np.sqrt(_mean_square(cKDTree(cloud), cloud, matrix[None])[0]))


def _of_kind(kind: Kind, cloud: Array) -> list[Symmetry]:
    """The best axis, and others, up to ``KEPT`` in all, that are symmetric."""
    tree, shuffled = cKDTree(cloud), np.random.default_rng(0).permutation(cloud)
    few, many = shuffled[:COARSE_SAMPLE], shuffled[:FINE_SAMPLE]
    axes = kind.start_axes(cloud)
    steps = (10, 50) if len(axes) > 1 else (0, 0)  # a flat cloud is rotated about its normal only
    squared = _mean_square(tree, few, kind.matrices(axes))
    arbitrary = squared if len(axes) > 1 else _mean_square(tree, few, _turns(axes))
    chance = float(np.sqrt(np.median(arbitrary)))
    axes = _refine(kind, tree, few, axes[np.argsort(squared, kind="stable")[:REFINED]], steps[0])
    axes = axes[_distinct(axes, _mean_square(tree, many, kind.matrices(axes)))]
    axes = _refine(kind, tree, many, axes, steps[1])
    rmsd = np.sqrt(_mean_square(tree, cloud, kind.matrices(axes)))
    best = _distinct(axes, rmsd)
    found = [_judged(kind, tree, many, axes[i], float(rmsd[i]), chance) for i in best]
    return [s for rank, s in enumerate(found) if rank == 0 or s.verdict == "symmetric"]


def _judged(kind: Kind, tree: cKDTree, query_points: Array, axis: Array, rmsd: float, chance: float) -> Symmetry:
    cloud, matrix = tree.data, kind.matrices(axis[None])[0]
    scale = spacing(cloud)
    freed = _free(tree, query_points, matrix)
    slip = float(np.sqrt(np.mean(np.square(cloud @ (freed - matrix).T).sum(axis=1))))
    # One parameter fitted to 3N coordinates; every pair is seen from both of its ends, which halves their number.
    error = rmsd * np.sqrt(2 / (3 * len(query_points)))
    verdict: Literal["symmetric", "nearly", "not"] = "not"
    if rmsd <= min(SYMMETRIC[0] * scale, SYMMETRIC[1] * chance) and slip <= max(SLIP * error, LEAST_SLIP * scale):
        verdict = "symmetric"
    elif rmsd <= min(NEARLY[0] * scale, NEARLY[1] * chance):
        verdict = "nearly"
    return Symmetry(kind.name, verdict, axis, matrix, rmsd, scale, chance, slip)


def _turns(axis: Array) -> Array:
    """Turns by any angle about the one axis of what is flat ``[1, 3]``: ``[D, 3, 3]``."""
    return np.asarray(Rotation.from_rotvec(np.linspace(0, np.pi, DIRECTIONS)[:, None] * axis).as_matrix())


def _mean_square(tree: cKDTree, query_points: Array, matrices: Array) -> Array:
    """Mean squared distance ``[D]`` from rotated to nearest original points and from original to rotated ones."""
    there, back = query_points @ matrices.transpose(0, 2, 1), query_points @ matrices
    return np.asarray(((tree.query(there)[0] ** 2).mean(axis=1) + (tree.query(back)[0] ** 2).mean(axis=1)) / 2)


def _refine(kind: Kind, tree: cKDTree, query_points: Array, axes: Array, steps: int) -> Array:
    """ICP with the axis alone free, of every axis ``[D, 3]``."""
    for _ in range(steps):
        moved = _best_axes(kind, _moments(tree, query_points, kind.matrices(axes)), axes)
        if np.abs(moved - axes).max() < 1e-9:
            break
        axes = moved
    return axes


def _free(tree: cKDTree, query_points: Array, matrix: Array) -> Array:
    """ICP with axis and angle free, from one operation ``[3, 3]`` to the nearest optimum of the same handedness."""
    for _ in range(50):
        left, _, right = np.linalg.svd(_moments(tree, query_points, matrix[None])[0])
        left[:, 2] *= np.sign(np.linalg.det(left @ right) * np.linalg.det(matrix))
        matrix, before = left @ right, matrix
        if np.abs(matrix - before).max() < 1e-9:
            break
    return matrix


def _moments(tree: cKDTree, query_points: Array, matrices: Array) -> Array:
    """Sum over the pairs that each operation makes, both ways, of where a point should go by where it is."""
    target = tree.data[tree.query(query_points @ matrices.transpose(0, 2, 1))[1]]
    source = tree.data[tree.query(query_points @ matrices)[1]]
    return np.asarray(target.transpose(0, 2, 1) @ query_points + query_points.T @ source)


def _best_axes(kind: Kind, moments: Array, axes: Array) -> Array:
    """Axes that maximise trace(moments^T M(axis)): the least squared distance of the pairs.

    By Rodrigues that trace is, but for a constant, ``a^T A a + b^T a``. With A shifted to be positive the form is
    convex, so a step to its gradient's direction can only raise it.
    """
    quadratic = kind.sign * (1 - np.cos(kind.angle)) * (moments + moments.transpose(0, 2, 1)) / 2
    skew = moments - moments.transpose(0, 2, 1)
    linear = kind.sign * np.sin(kind.angle) * np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
    lowest = np.linalg.eigvalsh(quadratic)[:, 0]
    quadratic = 2 * (quadratic - lowest[:, None, None] * np.eye(3))
    found, linear = axes[:, :, None], linear[:, :, None]
    for _ in range(30):
        found = quadratic @ found + linear
        found = found / (np.sqrt(np.square(found).sum(axis=1, keepdims=True)) + 1e-300)
    return np.asarray(found[:, :, 0])


def _distinct(axes: Array, cost: Array) -> list[int]:
    """Rows of the ``KEPT`` best axes of which no two lie close together."""
    kept: list[int] = []
    for row in np.argsort(cost, kind="stable"):
        if len(kept) == KEPT:
            break
        if (np.abs(axes[kept] @ axes[row]) < np.cos(np.deg2rad(APART_DEG))).all():
            kept.append(int(row))
    return kept


def _tested(symmetry: Symmetry, cloud: Array, centre: Array, impose: Callable[[Array], Change]) -> Symmetry:
    """The same with its ``loss_change``. The union of all copies is symmetric whatever the cloud."""
    if symmetry.verdict == "not":
        return symmetry
    copies = next(kind.copies for kind in KINDS if kind.name == symmetry.name)
    powers = [np.linalg.matrix_power(symmetry.matrix, power) for power in range(copies)]
    # The images of a point lie together, as the points of a channel do.
    change = impose(np.stack([cloud @ power.T for power in powers], axis=1).reshape(-1, 3) + centre)
    return replace(symmetry, loss_change=change.share, loss_error=change.error)

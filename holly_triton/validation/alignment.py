"""How far a cloud lies from the truth, after the best rigid alignment of either handedness.

The score is the symmetrised root-mean-square nearest-neighbour distance (``comparison.Alignment.rmsd``). ``align``
minimises that number over rotation, mirror and shift; no scaling, no point left out.

Plain ICP locks onto aliases of regular shapes (the CEP152 model rotated by one column scores 0.03 units), so the
search is wide first and exact last:

1. thousands of random starts of both handednesses, a few cheap ICP steps each, most of them dropped;
2. the best few spun about the truth's principal axes in small steps, also reflected: the aliases of a shape with
   an axis are such spins;
3. the best of those nudged by a few degrees: the aliases of a screw lie one point away;
4. two-way ICP to convergence, in the end with every point.

Each ICP step pairs points both ways and solves one joint Kabsch fit whose weights are those of the score, so with
exact neighbours no step can raise the score (Besl & McKay 1992; Kabsch 1976).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array

from .comparison import Alignment

STARTS = 16_000
"""Random start orientations, half of each handedness: the nearest to any orientation is about 7 degrees away, close
enough to find the one true fit even of a sphere of 300 evenly spread points."""
COARSE_SAMPLE = 128
FINE_SAMPLE = 1000
"""Points of each cloud that look for their neighbour (among all of the other's) in the wide and the close search."""
TABLE_CELLS = 48
"""Cells a side of the table of nearest points."""
SPIN_STEP_DEG = 5.0
NUDGES = 64
NUDGE_DEG = 8.0
CHUNK = 256
"""Poses handled at once: keeps the temporaries inside the processor's cache."""


@dataclass(frozen=True)
class _Poses:
    """B rigid maps of cloud onto truth, ``x -> matrix @ x + shift``; determinant -1 is the mirror image.

    Positions under all of them are ``[3, B, n]``: one matrix product, where a product for each pose takes eight times as long.
    """

    matrix: Array  # [B, 3, 3]
    shift: Array  # [B, 3]

    def take(self, chosen: Any) -> "_Poses":
        return _Poses(self.matrix[chosen], self.shift[chosen])

    def forward(self, cloud: Array) -> Array:
        """Positions in the cloud's frame ``[n, 3]`` seen in the truth's ``[3, B, n]``."""
        return np.asarray(_product(self.matrix.transpose(1, 0, 2), cloud) + self.shift.T[:, :, None])

    def backward(self, truth: Array) -> Array:
        """Positions in the truth's frame ``[m, 3]`` seen in the cloud's ``[3, B, m]``."""
        origin = np.einsum("bij,bi->jb", self.matrix, self.shift)
        return np.asarray(_product(self.matrix.transpose(2, 0, 1), truth) - origin[:, :, None])


def _product(matrix: Array, points: Array) -> Array:
    """``matrix [3, B, 3]`` times points ``[n, 3]``: ``[3, B, n]``."""
    return np.asarray(matrix.reshape(-1, 3) @ points.T).reshape(3, -1, len(points))


class _Side(Protocol):
    """One of the two clouds: neighbours are found for its query points, among all of its points."""

    @property
    def query_points(self) -> Array:
        """``[n, 3]``."""

    def nearest(self, positions: Array) -> Array:
        """The cloud's point nearest to each position, both ``[3, ...]``."""


_Sides = Sequence[_Side]  # the cloud, the truth


@dataclass(frozen=True)
class _Tree:
    """Exact neighbours, float64."""

    points: Array
    tree: cKDTree
    query_points: Array

    def nearest(self, positions: Array) -> Array:
        return np.moveaxis(np.take(self.points, self.tree.query(np.moveaxis(positions, 0, -1))[1], axis=0), -1, 0)


class _Table:
    """Neighbours looked up in a grid of cells, float32: right to about a cell, and some 30 times as quick."""

    def __init__(self, exact: _Tree) -> None:
        # An outlier must not stretch the cells: positions outside the box are looked up at its surface.
        self.half = np.float32(1.25 * np.quantile(np.abs(exact.points).max(axis=1), 0.98) + 1e-12)
        ticks = (np.arange(TABLE_CELLS) + 0.5) * (2 * self.half / TABLE_CELLS) - self.half
        cells = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"))
        self.answers = np.ascontiguousarray(exact.nearest(cells.reshape(3, -1)), dtype=np.float32)
        self.query_points = exact.query_points.astype(np.float32)

    def nearest(self, positions: Array) -> Array:
        cell = (positions + self.half) * (TABLE_CELLS / (2 * self.half))
        i, j, k = np.clip(cell, 0, TABLE_CELLS - 1, out=cell).astype(np.int32)
        return np.asarray(np.take(self.answers, (i * TABLE_CELLS + j) * TABLE_CELLS + k, axis=1, mode="clip"))


def align(cloud_nm: Array, truth_nm: Array, seed: int = 0, *, handed: bool = False) -> Alignment:
    """Fit the cloud onto the truth by rotation, mirror and shift, so that the nearest-neighbour RMSD is least.

    Args:
        cloud_nm: ``[N, 3]``.
        truth_nm: ``[M, 3]``.
        seed: of the start orientations and of the samples of large clouds.
        handed: whether the handedness of the cloud is known, so that its mirror image is not tried.

    Raises:
        ValueError: an array is not ``[N, 3]`` with at least one point, or holds NaN or inf.
    """
    cloud, truth = _checked(cloud_nm, "cloud"), _checked(truth_nm, "truth")
    cloud_centre, truth_centre = cloud.mean(axis=0), truth.mean(axis=0)
    cloud, truth = cloud - cloud_centre, truth - truth_centre
    pose = _search(cloud, truth, np.random.default_rng(seed), handed)
    matrix = pose.matrix[0]
    mirrored = bool(np.linalg.det(matrix) < 0)
    aligned = pose.forward(cloud)[:, 0].T
    to_cloud, _ = cKDTree(aligned).query(truth)
    to_truth, _ = cKDTree(truth).query(aligned)
    return Alignment(
        rotation=matrix @ np.diag([1.0, 1.0, -1.0]) if mirrored else matrix,
        mirrored=mirrored,
        translation=pose.shift[0] + truth_centre - matrix @ cloud_centre,
        aligned=aligned + truth_centre,
        cloud_to_truth=to_truth,
        truth_to_cloud=to_cloud,
        truth=truth + truth_centre,
    )


def _checked(points: Array, name: str) -> Array:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite points [N, 3], at least one; found shape {points.shape}")
    return points


def _search(cloud: Array, truth: Array, rng: np.random.Generator, handed: bool) -> _Poses:
    """The best pose (B = 1) between two clouds centred on their centroids."""
    shuffled = [(cKDTree(points), rng.permutation(points)) for points in (cloud, truth)]
    few, many, every = (
        [_Tree(tree.data, tree, points[:count]) for tree, points in shuffled]
        for count in (COARSE_SAMPLE, FINE_SAMPLE, None)
    )
    tables = [_Table(side) for side in few]

    poses = _narrow(_of_hand(_uniform_starts(rng), handed), tables)
    poses = _distinct(*_icp(poses, many, 3), 6)
    poses = _narrow(_of_hand(_moved(_spins(truth), poses), handed), tables)
    poses = _distinct(*_icp(poses, many, 20), 4)
    poses = _distinct(*_icp(_moved(_nudges(rng), poses), few, 15), 12)
    poses, squared = _icp(poses, many, 60)

    finalists = []
    for handedness in (1, -1):
        alike = np.flatnonzero(np.sign(np.linalg.det(poses.matrix)) == handedness)
        if len(alike):
            one = poses.take(alike[[np.argmin(squared[alike])]])
            finalists.append(_icp(one, every, 60))
    # The given handedness comes first: the mirror image wins only by fitting better, not by rounding.
    extent = float(np.square(truth).sum(axis=1).mean())
    return min(finalists, key=lambda found: np.round(found[1][0] / (extent + 1e-300), 12))[0]


def _of_hand(poses: _Poses, handed: bool) -> _Poses:
    """Those that keep the handedness, if it is known."""
    return poses.take(np.flatnonzero(np.linalg.det(poses.matrix) > 0)) if handed else poses


def _uniform_starts(rng: np.random.Generator) -> _Poses:
    """Random orientations uniform over O(3), centroid on centroid."""
    matrix = Rotation.random(STARTS, rng).as_matrix()
    matrix[STARTS // 2 :] *= -1
    return _Poses(matrix, np.zeros((STARTS, 3)))


def _spins(truth: Array) -> Array:
    """Rotations about, and reflections across, the principal axes ``[K, 3, 3]``: the likely aliases."""
    axes = np.linalg.svd(truth, full_matrices=False)[2] if len(truth) > 2 else np.eye(3)
    angles = np.deg2rad(np.arange(0, 360, SPIN_STEP_DEG))
    spins = [Rotation.from_rotvec(np.outer(angles, axis)).as_matrix() for axis in axes]
    flips = [np.eye(3), *(np.eye(3) - 2 * np.outer(axis, axis) for axis in axes)]
    return np.concatenate([spin @ flip for spin in spins for flip in flips])


def _nudges(rng: np.random.Generator) -> Array:
    """Small random rotations ``[K, 3, 3]``, none first: out of aliases one point away, as on a helix."""
    vectors = np.deg2rad(NUDGE_DEG) * rng.uniform(-1, 1, (NUDGES, 3))
    vectors[0] = 0
    return np.asarray(Rotation.from_rotvec(vectors).as_matrix())


def _moved(group: Array, poses: _Poses) -> _Poses:
    """Every pose followed by every map of the group ``[K, 3, 3]`` about the truth's centroid: K B poses."""
    matrix = group[:, None] @ poses.matrix
    shift = (group[:, None] @ poses.shift[:, :, None])[..., 0]
    return _Poses(matrix.reshape(-1, 3, 3), shift.reshape(-1, 3))


def _narrow(poses: _Poses, sides: _Sides) -> _Poses:
    """A few ICP steps, fewer poses, more steps: thousands of poses to two dozen that differ."""
    for steps, kept in ((4, 800), (8, 24)):
        poses = _distinct(*_icp(poses, sides, steps), kept)
    return poses


def _distinct(poses: _Poses, squared: Array, count: int) -> _Poses:
    """The best `count` poses of which no two lie within 2 degrees of each other."""
    flat = poses.matrix.reshape(-1, 9)
    alike = 1 + 2 * np.cos(np.deg2rad(2.0))  # the trace of a relative rotation
    kept: list[int] = []
    among = np.empty((count, 9), flat.dtype)
    for row in np.argsort(squared, kind="stable"):
        if len(kept) == count:
            break
        if (among[: len(kept)] @ flat[row] < alike).all():
            among[len(kept)] = flat[row]
            kept.append(row)
    return poses.take(kept)


def _icp(poses: _Poses, sides: _Sides, steps: int) -> tuple[_Poses, Array]:
    """Two-way ICP of every pose, at most `steps` steps; with the mean squared distance ``[B]`` reached."""
    chunks = range(0, len(poses.shift), CHUNK)
    done = [_icp_chunk(poses.take(slice(i, i + CHUNK)), sides, steps) for i in chunks]
    matrix = np.concatenate([chunk.matrix for chunk, _ in done])
    shift = np.concatenate([chunk.shift for chunk, _ in done])
    return _Poses(matrix, shift), np.concatenate([squared for _, squared in done])


def _icp_chunk(poses: _Poses, sides: _Sides, steps: int) -> tuple[_Poses, Array]:
    cloud, truth = sides
    dtype = cloud.query_points.dtype
    poses = _Poses(poses.matrix.astype(dtype), poses.shift.astype(dtype))
    previous = np.full(len(poses.shift), np.inf)
    for step in range(steps + 1):
        to_truth, to_cloud = poses.forward(cloud.query_points), poses.backward(truth.query_points)
        on_truth, on_cloud = truth.nearest(to_truth), cloud.nearest(to_cloud)
        squared = (_mean_square(to_truth - on_truth) + _mean_square(to_cloud - on_cloud)) / 2
        if step == steps or np.all(previous - squared <= 1e-7 * squared):
            break
        previous = squared
        poses = _kabsch(cloud.query_points, on_truth, on_cloud, truth.query_points, np.linalg.det(poses.matrix))
    return poses, squared


def _mean_square(offsets: Array) -> Array:
    return np.asarray(np.einsum("ibn,ibn->b", offsets, offsets) / offsets.shape[-1])


def _kabsch(cloud: Array, on_truth: Array, on_cloud: Array, truth: Array, handedness: Array) -> _Poses:
    """The maps with least squares of ``cloud [n, 3]`` onto ``on_truth [3, B, n]``, and of ``on_cloud [3, B, m]`` onto ``truth [m, 3]``.

    Both halves weigh as much. The determinant keeps the sign of `handedness` ``[B]``.
    """
    source_centre = (cloud.mean(axis=0) + on_cloud.mean(axis=-1).T) / 2
    target_centre = (on_truth.mean(axis=-1).T + truth.mean(axis=0)) / 2
    outer = (_moments(on_truth, cloud).transpose(1, 0, 2) + _moments(on_cloud, truth).transpose(1, 2, 0)) / 2
    outer = outer - target_centre[:, :, None] * source_centre[:, None]
    left, _, right = np.linalg.svd(outer.astype(np.float64))
    left[:, :, 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right) * handedness)[:, None]
    matrix = (left @ right).astype(cloud.dtype)
    return _Poses(matrix, target_centre - np.einsum("bij,bj->bi", matrix, source_centre))


def _moments(paired: Array, points: Array) -> Array:
    """Mean product of coordinates of ``paired [3, B, n]`` and of points ``[n, 3]``: ``[3, B, 3]``."""
    product = paired.reshape(-1, len(points)) @ points / len(points)
    return np.asarray(product).reshape(3, -1, 3)

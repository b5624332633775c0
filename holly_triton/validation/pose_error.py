"""How far recovered poses lie from the true ones, after one global rotation, mirror and shift of the cloud.

A reconstruction knows its frame only up to ``cloud = Q H truth + c``, with Q a rotation, c a shift and H the
identity or the mirror M = diag(1, 1, -1). A picture is ``xy = (R p)[:2] + t`` and does not see M on the left, so the
true pose (T, t0) of a picture becomes in the cloud's frame

    R = T Q^T  or, for the mirror image,  R = M T M Q^T,        t = t0 - (R c)[:2].

A symmetry S of the truth makes further poses right: ``T S``, or ``M T S`` where S is a reflection, since a structure
with a mirror plane shows every picture from a second side as well. A pose is scored against the nearest of them.

Of 3D localisations a pose is ``R p + t`` with all three components, which do see M and reflections: the mirror image is not
tried, and only the rotations among the symmetries make further poses right.

Many poses may be wrong. So Q starts from a vote (each picture proposes the Q that would make it right) and is refined
as a median, by reweighted least squares over the pictures near it (Weiszfeld's iteration on SO(3); Hartley, Aftab &
Trumpf 2011); c likewise.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from holly_triton.core.types import Array

MIRROR = np.diag([1.0, 1.0, -1.0])
RIGHT_DEG = 10.0
"""A pose nearer than this counts as right."""
PROPOSALS, VOTERS = 200, 1000
"""Pictures that propose a rotation, and pictures that vote: with one pose in twenty right, ten proposals are good."""
FAR_DEG = 30.0
"""Beyond this a wrong pose is not more wrong: it must not pull."""
NEAR_DEG = 1.0
"""Within this the median is a mean, so that the fit can leave the picture that proposed it."""
STEPS = 50


@dataclass(frozen=True)
class PoseError:
    """Errors of P poses once the global frame is taken out: ``cloud = rotation @ mirrored(truth) + centre_nm``.

    Attributes:
        rotation: Q ``[3, 3]``.
        mirrored: whether z -> -z comes first; False where both mirror images fit equally well.
        centre_nm: c ``[3]``.
        angle_deg: angle between each pose and the nearest right one ``[P]``.
        shift_nm: distance between each shift and the true one ``[P]``.
    """

    rotation: Array
    mirrored: bool
    centre_nm: Array
    angle_deg: Array
    shift_nm: Array

    def figures(self) -> dict[str, Any]:
        """Fit for JSON."""
        return {
            "median_angle": float(np.median(self.angle_deg)),
            "p90_angle": float(np.quantile(self.angle_deg, 0.9)),
            "share_right": float(np.mean(self.angle_deg < RIGHT_DEG)),
            "right_below": RIGHT_DEG,
            "angle_unit": "degrees",
            "median_shift": float(np.median(self.shift_nm)),
            "unit": "nm",
            "mirrored": self.mirrored,
            "pictures": len(self.angle_deg),
        }


def find_pose_error(
    rotation: Array, shift: Array, true_rotation: Array, true_shift: Array, symmetry: Array | None = None
) -> PoseError:
    """Scores recovered poses against the truth, picture by picture.

    Shifts must be from the same origin on both sides. A run gives them from each particle's centroid, the simulation
    from the picture's centre, and labels that are missing or scattered move the centroid. So pass
    ``run_shift + dataset.centres[:, :2]`` for localisations, which adds back what reading subtracted, and match the
    rows by ``dataset.names``: particles without emitters have a true pose but no recovered one. Comparing the bare
    run's shifts would charge the labels' chance to the method.

    Args:
        rotation: recovered ``[P, 3, 3]``.
        shift: recovered ``[P, 2]`` nm; of 3D localisations ``[P, 3]``.
        true_rotation: ``[P, 3, 3]``.
        true_shift: ``[P, 2]`` nm, or ``[P, 3]``.
        symmetry: operations ``[G, 3, 3]`` that map the truth onto itself, about the origin of its frame, the identity
            among them; determinant -1 for reflections. The identity alone if not given.

    Raises:
        ValueError: shapes that do not fit, no picture, NaN or inf, or a symmetry that is not orthogonal.
    """
    rotation, true_rotation = (_checked(r, n, (3, 3)) for r, n in ((rotation, "rotation"), (true_rotation, "truth")))
    seen = 3 if np.shape(shift)[1:] == (3,) else 2
    shift, true_shift = (_checked(t, n, (seen,)) for t, n in ((shift, "shift"), (true_shift, "true shift")))
    if not len(rotation) == len(shift) == len(true_rotation) == len(true_shift):
        raise ValueError("recovered and true poses must be of the same pictures, in the same order")
    group = _checked(np.eye(3)[None] if symmetry is None else symmetry, "symmetry", (3, 3))
    if not np.allclose(group @ group.transpose(0, 2, 1), np.eye(3), atol=1e-6):
        raise ValueError("symmetry must hold orthogonal matrices")
    if seen == 3:
        group = group[np.linalg.det(group) > 0]
    right = _right_poses(true_rotation, group)
    hands = [_fit_rotation(rotation, right)]
    if seen == 2:
        hands.append(_fit_rotation(rotation, MIRROR @ right @ MIRROR))
    # The given handedness comes first: the other wins only by fitting better, not by rounding.
    mirrored = seen == 2 and bool(round(hands[1][1], 6) < round(hands[0][1], 6))
    found, _, angle = hands[mirrored]
    centre = _fit_centre(rotation, true_shift - shift)
    residual = true_shift - shift - rotation[:, :seen] @ centre
    return PoseError(found, mirrored, centre, np.rad2deg(angle), np.linalg.norm(residual, axis=1))


def _checked(values: Array, name: str, shape: tuple[int, ...]) -> Array:
    values = np.asarray(values, dtype=np.float64)
    if values.shape[1:] != shape or values.ndim != len(shape) + 1 or len(values) == 0 or not np.isfinite(values).all():
        wanted = ", ".join(map(str, shape))
        raise ValueError(f"{name} must be finite, [count, {wanted}] with a count above 0; found shape {values.shape}")
    return values


def _right_poses(true_rotation: Array, group: Array) -> Array:
    """Every proper rotation that shows the same picture as the true one ``[P, G, 3, 3]``."""
    right = true_rotation[:, None] @ group
    improper = np.linalg.det(group) < 0
    right[:, improper] = MIRROR @ right[:, improper]
    return right


def _fit_rotation(rotation: Array, right: Array) -> tuple[Array, float, Array]:
    """The Q that brings R Q nearest to right poses ``[P, G, 3, 3]``, its cost, and the angles left ``[P]``, radians."""
    proposed = rotation.transpose(0, 2, 1)[:, None] @ right  # [P, G, 3, 3]: the Q that makes each pose right
    count = len(rotation)
    few = np.linspace(0, count - 1, min(count, PROPOSALS)).astype(int)
    voters = proposed[np.linspace(0, count - 1, min(count, VOTERS)).astype(int)]
    # The right pose that a picture chose makes no odds: its Q differs by a symmetry, or is outvoted.
    candidates = proposed[few, 0]
    found = min(candidates, key=lambda candidate: _cost(_nearest(voters, candidate)[1]))
    for _ in range(STEPS):
        nearest, angle = _nearest(proposed, found)
        weight = (angle < np.deg2rad(FAR_DEG)) / np.maximum(angle, np.deg2rad(NEAR_DEG))
        moved = _to_rotation(np.einsum("p,pij->ij", weight, nearest))
        if np.abs(moved - found).max() < 1e-9:
            break
        found = moved
    angle = _nearest(proposed, found)[1]
    return found, _cost(angle), angle


def _cost(angle: Array) -> float:
    return float(np.minimum(angle, np.deg2rad(FAR_DEG)).mean())


def _nearest(proposed: Array, rotation: Array) -> tuple[Array, Array]:
    """Of each picture's proposals ``[P, G, 3, 3]`` the nearest to a rotation, and the angle between them."""
    # |A - B|^2 = 8 sin^2(angle / 2), which keeps its digits where the trace loses them.
    distance = np.linalg.norm(proposed - rotation, axis=(2, 3))
    chosen = distance.argmin(axis=1)
    rows = np.arange(len(proposed))
    half_sine = np.minimum(distance[rows, chosen] / 8**0.5, 1)
    return proposed[rows, chosen], 2 * np.arcsin(half_sine)


def _to_rotation(matrix: Array) -> Array:
    """The nearest rotation to a matrix ``[3, 3]``."""
    left, _, right = np.linalg.svd(matrix)
    left[:, 2] *= np.linalg.det(left @ right)
    return np.asarray(left @ right)


def _fit_centre(rotation: Array, offset: Array) -> Array:
    """The c with the least sum of ``|offset - R c|`` over the components of the shifts: a median, so that wrong poses don't pull."""
    rows = rotation[:, : offset.shape[1]]
    weight = np.ones(len(rows))
    centre = np.zeros(3)
    floor = 1e-6 * float(np.abs(offset).max()) + 1e-12
    for _ in range(STEPS):
        scale = np.sqrt(weight)[:, None]
        moved = np.linalg.lstsq((rows * scale[..., None]).reshape(-1, 3), (offset * scale).ravel(), rcond=None)[0]
        if np.abs(moved - centre).max() < floor:
            break
        centre = moved
        weight = 1 / np.maximum(np.linalg.norm(offset - rows @ centre, axis=1), floor)
    return np.asarray(centre)

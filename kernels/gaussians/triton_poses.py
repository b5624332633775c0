# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
r"""The Triton backend of ``pose_scores``: one kernel.

A program owns a block of poses of one particle, and meets the particle's localisations in their order, a block at a time. It puts
them into the structure, reads the eight voxels about each, which the caches hold, and adds the weighted value to a table of
poses by lanes. The lanes are summed last, so every sum has a fixed order, and nothing but the scores is written.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from ..launch import aligned, bounds, launch

CONSTANTS: dict[str, Any] = {"POSES": 32, "LOCALISATIONS": 16, "warps": 4}

RUNTIME = ["E", "R", "D", "H", "W", "own", "shifted", "weighted"]


@triton.jit
def axis_place(position, size):
    """First and second voxel beside positions along an axis, and the fraction of the way between them."""
    near = tl.minimum(tl.maximum(position, 0.0), size - 1.0)
    first = tl.floor(tl.where(position == position, near, 0.0))
    fraction = tl.where(position == position, near - first, position)  # a NaN shows
    voxel = first.to(tl.int32)
    return voxel, tl.minimum(voxel + 1, size - 1), fraction


@triton.jit
def line_value(row, first, second, fraction):
    """Value between two voxels of a row."""
    before, after = tl.load(row + first), tl.load(row + second)
    return before + fraction * (after - before)


@triton.jit
def look_up(density, x, y, z, D, H, W):
    """Log-density at positions x, y, z in voxels, by linear interpolation, the nearest border's outside."""
    i0, i1, along_x = axis_place(x, W)
    j0, j1, along_y = axis_place(y, H)
    k0, k1, along_z = axis_place(z, D)
    near, far = density + k0 * (H * W), density + k1 * (H * W)
    near_0, near_1 = line_value(near + j0 * W, i0, i1, along_x), line_value(near + j1 * W, i0, i1, along_x)
    far_0, far_1 = line_value(far + j0 * W, i0, i1, along_x), line_value(far + j1 * W, i0, i1, along_x)
    near_plane = near_0 + along_y * (near_1 - near_0)
    far_plane = far_0 + along_y * (far_1 - far_0)
    return near_plane + along_z * (far_plane - near_plane)


@triton.jit(do_not_specialize=RUNTIME)
def score_poses(
    xyz, offsets, rotation, shift, density, weights, scores, scale, E, R, D, H, W, own, shifted, weighted,
    POSES: tl.constexpr, LOCALISATIONS: tl.constexpr,
):  # fmt: skip
    """Scores [P, R]; program (particle p, block of poses). ``scale`` is in voxels per unit of length."""
    blocks = tl.cdiv(R, POSES)
    p = (tl.program_id(0) // blocks).to(tl.int64)
    r = (tl.program_id(0) % blocks) * POSES + tl.arange(0, POSES)
    valid = r < R
    matrix = rotation + 9 * (tl.where(own != 0, p, 0) * R + r)
    xx, xy, xz = tl.load(matrix, valid, 0.0), tl.load(matrix + 1, valid, 0.0), tl.load(matrix + 2, valid, 0.0)
    yx, yy, yz = tl.load(matrix + 3, valid, 0.0), tl.load(matrix + 4, valid, 0.0), tl.load(matrix + 5, valid, 0.0)
    zx, zy, zz = tl.load(matrix + 6, valid, 0.0), tl.load(matrix + 7, valid, 0.0), tl.load(matrix + 8, valid, 0.0)
    move, moves = shift + 3 * (p * R + r), valid & (shifted != 0)
    tx, ty, tz = tl.load(move, moves, 0.0), tl.load(move + 1, moves, 0.0), tl.load(move + 2, moves, 0.0)
    first, last = bounds(offsets, p, E)
    total = tl.zeros([POSES, LOCALISATIONS], tl.float32)
    for start in range(first, last, LOCALISATIONS):
        e = start + tl.arange(0, LOCALISATIONS)
        given = e < last
        weight = tl.load(weights + e, given & (weighted != 0), 1.0)
        x = tl.load(xyz + 3 * e, given, 0.0)[None, :] - tx[:, None]
        y = tl.load(xyz + 3 * e + 1, given, 0.0)[None, :] - ty[:, None]
        z = tl.load(xyz + 3 * e + 2, given, 0.0)[None, :] - tz[:, None]
        # The transposed rotation.
        column = scale * (x * xx[:, None] + y * yx[:, None] + z * zx[:, None]) + (W - 1) * 0.5
        line = scale * (x * xy[:, None] + y * yy[:, None] + z * zy[:, None]) + (H - 1) * 0.5
        plane = scale * (x * xz[:, None] + y * yz[:, None] + z * zz[:, None]) + (D - 1) * 0.5
        value = look_up(density, column, line, plane, D, H, W)
        total += tl.where(given[None, :], weight[None, :] * value, 0.0)
    tl.store(scores + p * R + r, tl.sum(total, 1), mask=valid)


def pose_scores_triton(
    xyz: Tensor,
    offsets: Tensor,
    rotation: Tensor,
    shift: Tensor | None,
    log_density: Tensor,
    voxel: float,
    weights: Tensor | None,
) -> Tensor:
    """``pose_scores`` for checked arguments in float32."""
    P, R = len(offsets) - 1, rotation.shape[-3]
    scores = xyz.new_empty(P, R)
    parts = (xyz, offsets.to(xyz.device), rotation, xyz if shift is None else shift, log_density,
             xyz if weights is None else weights)  # fmt: skip
    launch(
        score_poses, P * -(-R // CONSTANTS["POSES"]), *(aligned(part.contiguous()) for part in parts), scores, 1 / voxel,
        len(xyz), R, *log_density.shape, int(rotation.ndim == 4), int(shift is not None), int(weights is not None),
        **CONSTANTS,
    )  # fmt: skip
    return scores

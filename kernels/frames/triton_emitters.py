# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
r"""The Triton backend of ``splat_psf``: camera frames of ragged lists of 3D emitters.

A program owns a tile of a frame. It meets the frame's emitters in their order, so the sum over them has a fixed order.
Of a group of emitters it first finds those that light the tile; each of these adds, to every pixel of the tile,
64 terms of the cubic B-splines::

    frame[i, j] += sum_b beta_b(1 - f_y) sum_c beta_c(1 - f_x) sum_a w beta_a(q) C[k + a, i - first_y - 3 + b, j - first_x - 3 + c]

with the notation of ``emitters``. The table fits the caches: nothing of the size of a patch is written. It draws data,
so there is no gradient.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from ..arguments import Shape
from ..launch import aligned, bounds, launch, tile_of_program
from .table import PsfTable

CONSTANTS: dict[str, Any] = {"EMITTERS": 16, "TILE": 16, "warps": 2}

FAR = tl.constexpr(2.0**29)
"""A coordinate in pixels outside any frame, which a whole number of 32 bits holds."""

RUNTIME = ["E", "B", "H", "W", "planes", "rows", "columns", "weighted"]


@triton.jit
def axis_place(position, length, table_length):
    """First pixel that emitters light along an axis, and the fraction u at which ``beta`` is sampled.

    The fraction is split off before the centre is added, which would round it.
    """
    whole = tl.floor(position)
    shift = length - table_length
    fraction = position - whole + 0.5 * (shift & 1)
    carried = fraction >= 1
    finite = tl.where(position == position, tl.minimum(tl.maximum(whole, -FAR), FAR), 0.0)
    first = finite.to(tl.int32) + carried.to(tl.int32) + (shift >> 1) - 1
    return first, 1 - tl.where(carried, fraction - 1, fraction)


@triton.jit
def spline_weights(fraction):
    """``beta`` at u + 1, u, u - 1 and u - 2 for a fraction u from 0 to 1."""
    rest = 1 - fraction
    inner = 4 - 3 * fraction * fraction * (1 + rest)
    rest_inner = 4 - 3 * rest * rest * (1 + fraction)
    sixth: tl.constexpr = 1 / 6
    return rest * rest * rest * sixth, inner * sixth, rest_inner * sixth, fraction * fraction * fraction * sixth


@triton.jit
def load_emitters(xyz, weights, weighted, e, valid):
    """X, y, z and photons of the emitters e."""
    x = tl.load(xyz + 3 * e, mask=valid, other=0.0)
    y = tl.load(xyz + 3 * e + 1, mask=valid, other=0.0)
    z = tl.load(xyz + 3 * e + 2, mask=valid, other=0.0)
    return x, y, z, tl.load(weights + e, mask=valid & (weighted != 0), other=1.0)


@triton.jit
def is_spoilt(x, y, z, weight):
    """Whether an emitter holds a NaN, or infinitely many photons: its whole frame is NaN."""
    photons = weight - weight
    return (x != x) | (y != y) | (z != z) | (photons != photons)


@triton.jit
def patch_of_emitter(psf, i, j, x, y, plane, weight, H, W, planes, rows, columns):
    """What an emitter adds to pixels i [TILE] by j [TILE]; ``plane`` is its z in planes of values."""
    plane = tl.minimum(tl.maximum(plane, 0.0), planes - 3.0)
    lower = tl.minimum(tl.floor(plane), planes - 4.0)
    psf += lower.to(tl.int32) * rows * columns
    first_y, u_y = axis_place(y, H, rows)
    first_x, u_x = axis_place(x, W, columns)
    along_z, along_y, along_x = spline_weights(plane - lower), spline_weights(u_y), spline_weights(u_x)
    patch = tl.zeros([i.shape[0], j.shape[0]], tl.float32)
    for b in tl.static_range(4):
        r = i - first_y - 3 + b
        line = tl.zeros([i.shape[0], j.shape[0]], tl.float32)
        for c in tl.static_range(4):
            s = j - first_x - 3 + c
            inside = ((r >= 0) & (r < rows))[:, None] & ((s >= 0) & (s < columns))[None, :]
            entry = psf + ((r * columns)[:, None] + s[None, :])
            value = tl.zeros([i.shape[0], j.shape[0]], tl.float32)
            for a in tl.static_range(4):
                value += along_z[a] * tl.load(entry + a * rows * columns, mask=inside, other=0.0)
            line += along_x[c] * value
        patch += along_y[b] * line
    return weight * patch


@triton.jit(do_not_specialize=RUNTIME)
def draw_psf(
    xyz, offsets, psf, weights, frames, z_first, z_step, E, B, H, W, planes, rows, columns, weighted,
    EMITTERS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Frames [B, H, W]; program (b, tile) adds every emitter of frame b that lights its tile."""
    b, _, i, _, j, _ = tile_of_program(H, W, 1, TILE)
    first, last = bounds(offsets, b, E)
    top, left = tl.min(i, 0), tl.min(j, 0)
    lane = tl.arange(0, EMITTERS)
    image = tl.zeros([TILE, TILE], tl.float32)
    for start in range(first, last, EMITTERS):
        x, y, z, weight = load_emitters(xyz, weights, weighted, start + lane, start + lane < last)
        first_y, u_y = axis_place(y, H, rows)
        first_x, u_x = axis_place(x, W, columns)
        lights = (first_y < top + TILE) & (first_y + rows + 3 > top)
        lights = lights & (first_x < left + TILE) & (first_x + columns + 3 > left)
        lights = (lights | is_spoilt(x, y, z, weight)) & (start + lane < last)
        hits = tl.sum(tl.where(lights, 1 << lane, 0), 0)
        for k in range(EMITTERS):
            if (hits >> k) & 1:
                x1, y1, z1, weight1 = load_emitters(xyz, weights, weighted, start + k, True)
                plane = (z1 - z_first) / z_step
                patch = patch_of_emitter(psf, i, j, x1, y1, plane, weight1, H, W, planes, rows, columns)
                image += tl.where(is_spoilt(x1, y1, z1, weight1), float("nan"), patch)
    into = frames + b * H * W
    tl.store(into + (i * W)[:, None] + j[None, :], image, mask=(i < H)[:, None] & (j < W)[None, :])


def splat_psf_triton(xyz: Tensor, offsets: Tensor, psf: PsfTable, weights: Tensor | None, shape: Shape) -> Tensor:
    """``splat_psf`` for checked arguments in float32."""
    (E, B), (H, W) = (len(xyz), len(offsets) - 1), shape
    xyz, offsets = aligned(xyz.contiguous()), aligned(offsets.to(xyz.device).contiguous())
    photons = xyz if weights is None else aligned(weights.contiguous())
    frames = xyz.new_empty(B, H, W)
    tile = CONSTANTS["TILE"]
    launch(
        draw_psf, B * -(-H // tile) * -(-W // tile), xyz, offsets, aligned(psf.coefficients.contiguous()), photons,
        frames, psf.z_first, psf.z_step, E, B, H, W, *psf.coefficients.shape, int(weights is not None), **CONSTANTS,
    )  # fmt: skip
    return frames

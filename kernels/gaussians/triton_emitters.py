# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
r"""The Triton backend of ``splat_emitters``: ragged lists of emitters to pictures.

Picture b holds the emitters from ``offsets[b]`` to ``offsets[b + 1]``, each at (x, y) with widths of its own
and w photons::

    image[i, j] = sum_e  w_e / (2 pi sigma_x sigma_y)  gy[e, i] gx[e, j]

Blocks of emitters are counted over the whole batch, so a block may belong to two pictures: each uses its own part by
a mask, and the box that bounds the block for culling is that of both. Offsets stay on the device: each program finds
the blocks of its picture, and every picture, of 30 or of 30 000 emitters, is shared by S programs per tile. It draws
data, so there is no gradient.
"""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from ..arguments import Shape
from ..blocks import CULL_GROUP, PROGRAMS, Blocks, blocks_for, split_evenly
from ..launch import (
    add_spots,
    aligned,
    architecture,
    blocks_at_tile,
    bounds,
    box_edges,
    is_nonfinite,
    lanes,
    launch,
    load_shared,
    peak,
    pictures,
    pitch,
    store_boxes,
    store_tile,
    tile_of_program,
)  # fmt: skip

PRECISION = "tf32x3"
"""Precision of the products: the drawing is the reference of all comparisons."""

RUNTIME = ["E", "B", "H", "W", "quads", "splits", "sigma_row", "sigma_column", "weighted"]


@triton.jit
def load_emitters(
    xy, sigma, weights, sigma_row, sigma_column, weighted, start, first, last,
    POINTS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """X, y, widths, photons and whether it counts of each emitter from start that lies from first to last."""
    lane, start = tl.arange(0, POINTS), tl.cast(start, tl.int64)
    valid = (lane >= first - start) & (lane < last - start)
    x = load_shared(xy + 2 * start, 2 * lane, valid, 0.0, LANES)
    y = load_shared(xy + 2 * start + 1, 2 * lane, valid, 0.0, LANES)
    sigma_row = tl.cast(sigma_row, tl.int64)  # a slice of a larger tensor may have any stride
    sigma += start * sigma_row
    row = lane * sigma_row
    sigma_x = load_shared(sigma, row, valid, 1.0, LANES)
    sigma_y = load_shared(sigma + sigma_column, row, valid, 1.0, LANES)
    weight = load_shared(weights + start, lane, valid & (weighted != 0), 1.0, LANES)
    # Only ``check`` refuses a width below 0; here its absolute value is used, or its box would be inverted.
    return x, y, tl.abs(sigma_x), tl.abs(sigma_y), tl.where(valid, weight, 0.0), valid


@triton.jit(do_not_specialize=RUNTIME)
def emitter_boxes(
    xy, sigma, weights, boxes, E, sigma_row, sigma_column, weighted, POINTS: tl.constexpr, GROUP: tl.constexpr
):
    """Boxes [4, blocks] that each block of emitters reaches; a program does GROUP blocks."""
    block = tl.program_id(0).to(tl.int64) * GROUP
    x, y, sigma_x, sigma_y, weight, valid = load_emitters(
        xy, sigma, weights, sigma_row, sigma_column, weighted, block * POINTS, 0, E, GROUP * POINTS, 1
    )
    nonfinite = is_nonfinite(x, y, sigma_x, sigma_y, weight)
    x_low, x_high = box_edges(x, sigma_x, valid, nonfinite, GROUP)
    y_low, y_high = box_edges(y, sigma_y, valid, nonfinite, GROUP)
    store_boxes(boxes, block + tl.arange(0, GROUP), tl.cdiv(E, POINTS), x_low, x_high, y_low, y_high)


@triton.jit(do_not_specialize=RUNTIME)
def draw_emitters(
    xy, offsets, sigma, weights, boxes, images, E, B, H, W, quads, splits, sigma_row, sigma_column, weighted,
    POINTS: tl.constexpr, LANES: tl.constexpr, GROUP: tl.constexpr, TILE: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Partial pictures [splits, B, H, 4 quads]; program (b, tile, split) adds every splits-th group."""
    b, split, i, rows, j, columns = tile_of_program(H, W, splits, TILE)
    first, last = bounds(offsets, b, E)
    first_group = first // (POINTS * GROUP)
    groups = tl.cdiv(last, POINTS * GROUP)
    image = tl.zeros([TILE, TILE], tl.float32)
    for group in range(first_group + split, groups, splits):
        hits = blocks_at_tile(boxes, group, tl.cdiv(E, POINTS), columns, rows, GROUP)
        for k in range(GROUP):
            start = (group * GROUP + k) * POINTS
            if ((hits >> k) & 1) & (start + POINTS > first) & (start < last):
                x, y, sigma_x, sigma_y, weight, _ = load_emitters(
                    xy, sigma, weights, sigma_row, sigma_column, weighted, start, first, last, POINTS, LANES
                )
                amplitude = peak(weight, sigma_x, sigma_y)
                image = add_spots(image, x, y, sigma_x, sigma_y, amplitude, columns, rows, PRECISION)
    store_tile(images, image, b, split, i, j, B, H, quads)


def draw_constants(blocks: Blocks) -> dict[str, Any]:
    """What distinguishes the variants of ``draw_emitters``."""
    return {
        "POINTS": blocks.points, "LANES": lanes(blocks.points, blocks.warps), "GROUP": CULL_GROUP,
        "TILE": blocks.tile, "PRECISION": PRECISION, "warps": blocks.warps,
    }  # fmt: skip


def box_constants(blocks: Blocks) -> dict[str, Any]:
    """What distinguishes the variants of ``emitter_boxes``."""
    return {"POINTS": blocks.points, "GROUP": CULL_GROUP, "warps": 4}


def splat_emitters_triton(xy: Tensor, offsets: Tensor, sigma: Tensor, weights: Tensor | None, shape: Shape) -> Tensor:
    """``splat_emitters`` for checked arguments: sigma [E, 2] or [1, 2], of any strides."""
    E, B, (H, W) = xy.shape[0], offsets.shape[0] - 1, shape
    xy, offsets, sigma = aligned(xy.contiguous()), aligned(offsets.to(xy.device).contiguous()), aligned(sigma)
    blocks = blocks_for(architecture(xy), PRECISION, H, W)
    count = -(-E // blocks.points)
    groups = -(-count // CULL_GROUP)
    row, column = (0 if size == 1 else step for size, step in zip(sigma.shape, sigma.stride(), strict=True))
    photons = xy if weights is None else aligned(weights.contiguous())
    widths = row, column, int(weights is not None)
    boxes = xy.new_empty(4, count)
    launch(emitter_boxes, groups, xy, sigma, photons, boxes, E, *widths, **box_constants(blocks))
    tiles = B * -(-H // blocks.tile) * -(-W // blocks.tile)
    splits = split_evenly(groups, max(1, PROGRAMS // max(1, tiles)))
    images = xy.new_empty(splits, B, H, pitch(W))
    launch(
        draw_emitters, tiles * splits, xy, offsets, sigma, photons, boxes, images,
        E, B, H, W, pitch(W) // 4, splits, *widths, **draw_constants(blocks),
    )  # fmt: skip
    return pictures(images, W)

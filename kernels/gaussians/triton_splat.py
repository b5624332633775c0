# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
r"""The Triton backend of ``splat``: projection, Gaussians and matrix products fused, forward and backward.

Point n is projected onto picture b at ``(x, y) = R[:2] p + t`` with widths ``sigma_x^2 = sigma^2 + own_x^2``, y
alike, and amplitude ``a = w / 2 pi sigma_x sigma_y``. With ``gx[n, j] = exp(-(j - x)^2 / 2 sigma_x^2)`` and
gy alike::

    image[i, j] = sum_n a_n gy[n, i] gx[n, j]                           one product a block and tile

Forward: a program processes a tile of a picture and every S-th group of point blocks, in order, and keeps the
tile in registers. S > 1 only where pictures and tiles alone do not fill the device; the S partial pictures
are then summed in order.

Backward, with ``D = dL/dimage``, ``u = k (j - x) / sigma_x``, ``v`` alike for y (``k`` as in
``launch``): one product ``M[n, i] = sum_j gx[n, j] D[i, j]``, and again with gx u and, for widths, gx
u^2 in place of gx, and sums over the rows i::

    m0 = sum gy M[gx]       mx1 = sum gy M[gx u]      mx2 = sum gy M[gx u^2]
                            my1 = sum gy v M[gx]      my2 = sum gy v^2 M[gx]
    dL/da = m0     dL/dx = a mx1 / k sigma_x     dL/dsigma_x = a (mx2 / k^2 - m0) / sigma_x     y alike

(Its part through the amplitude is in dL/dsigma_x.) Two products, as many as by rows and by columns, but D is
needed in one layout only, and each Gaussian is computed once. Then by the chain rule::

    dL/dp = R[:2]^T (dL/dx, dL/dy)      dL/dR[:2] = (dL/dx, dL/dy) p^T      dL/dt = (dL/dx, dL/dy)
    dL/dsigma = dL/dsigma_x sigma / sigma_x + dL/dsigma_y sigma / sigma_y
    dL/d own_x = dL/dsigma_x own_x / sigma_x        dL/dw = m0 / 2 pi sigma_x sigma_y

A program processes a block of points and a run of pictures: gradients of its points stay in registers over the
run, and per picture and block 16 sums leave (pose gradients). All partial sums are added in fixed order. The
gradient kernel takes 128 to 254 registers a thread, so two or three programs of four warps share a
multiprocessor, and the products of one hide the exponentials of another. D is read from the second-level cache once a
block and picture: 64 KiB against 2 Mflop a product at 128 x 128.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..arguments import Cloud, Shape
from ..autograd import differentiable_once
from ..blocks import CULL_FROM, CULL_GROUP, PROGRAMS, Blocks, blocks_for, split_evenly
from ..launch import (
    INVERSE_TAU,
    K,
    add_partial,
    add_spots,
    aligned,
    architecture,
    axis_offsets,
    blocks_at_tile,
    box_edges,
    halves,
    is_nonfinite,
    lanes,
    launch,
    load_cloud,
    load_pose,
    padded,
    peak,
    pictures,
    pitch,
    pixel_centres,
    product,
    project,
    spot_width,
    store_boxes,
    store_tile,
    tile_of_program,
    tile_range,
    transposed,
)  # fmt: skip

RUNTIME = ["N", "B", "H", "W", "quads", "splits", "share", "sigma_stride", "weighted", "own", "scaled"]
"""Arguments without variants for 1 or multiples of 16, so that exactly the inspected variants ship."""


@triton.jit(do_not_specialize=RUNTIME)
def cloud_boxes(
    points, rotation, shift, sigma, weights, point_sigma, boxes, N, B, sigma_stride, weighted, own,
    POINTS: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """Boxes [B, 4, blocks] that blocks of points reach on each picture; a program does GROUP blocks."""
    blocks = tl.cdiv(N, POINTS)
    groups = tl.cdiv(blocks, GROUP)
    b = (tl.program_id(0) // groups).to(tl.int64)
    first = (tl.program_id(0) % groups) * GROUP
    start = first * POINTS
    valid = tl.arange(0, GROUP * POINTS) < N - start
    to_x, to_y, width = load_pose(rotation, shift, sigma, sigma_stride, b)
    px, py, pz, weight, own_x, own_y = load_cloud(
        points, weights, point_sigma, weighted, own, start, N, GROUP * POINTS, 1
    )
    x, y = project(to_x, px, py, pz), project(to_y, px, py, pz)
    sigma_x, sigma_y = spot_width(width, own_x), spot_width(width, own_y)
    nonfinite = is_nonfinite(x, y, sigma_x, sigma_y, weight)
    x_low, x_high = box_edges(x, sigma_x, valid, nonfinite, GROUP)
    y_low, y_high = box_edges(y, sigma_y, valid, nonfinite, GROUP)
    store_boxes(boxes + b * 4 * blocks, first + tl.arange(0, GROUP), blocks, x_low, x_high, y_low, y_high)


@triton.jit(do_not_specialize=RUNTIME)
def draw_cloud(
    points, rotation, shift, sigma, weights, point_sigma, boxes, images,
    N, B, H, W, quads, splits, sigma_stride, weighted, own,
    POINTS: tl.constexpr, LANES: tl.constexpr, GROUP: tl.constexpr, TILE: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Partial pictures [splits, B, H, 4 quads]; program (b, tile, split) adds every splits-th group."""
    b, split, i, rows, j, columns = tile_of_program(H, W, splits, TILE)
    blocks = tl.cdiv(N, POINTS)
    to_x, to_y, width = load_pose(rotation, shift, sigma, sigma_stride, b)
    image = tl.zeros([TILE, TILE], tl.float32)
    for group in range(split, tl.cdiv(blocks, GROUP), splits):
        hits = blocks_at_tile(boxes + b * 4 * blocks, group, blocks, columns, rows, GROUP)
        for k in range(GROUP):
            if (hits >> k) & 1:
                start = (group * GROUP + k) * POINTS
                px, py, pz, weight, own_x, own_y = load_cloud(
                    points, weights, point_sigma, weighted, own, start, N, POINTS, LANES
                )
                x, y = project(to_x, px, py, pz), project(to_y, px, py, pz)
                sigma_x, sigma_y = spot_width(width, own_x), spot_width(width, own_y)
                amplitude = peak(weight, sigma_x, sigma_y)
                image = add_spots(image, x, y, sigma_x, sigma_y, amplitude, columns, rows, PRECISION)
    store_tile(images, image, b, split, i, j, B, H, quads)


@triton.jit
def spot_moments(
    D, x, y, sigma_x, sigma_y, range_x, range_y, H, W, quads,
    TILE: tl.constexpr, WIDTHS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The moments m0, mx1, mx2, my1 and my2 of spots [POINTS] on the picture D [H, 4 quads]; without WIDTHS mx2 and my2 are 0.

    The spots reach the tiles of ``range_x`` and ``range_y``, each the first of them and their number.
    """
    POINTS: tl.constexpr = x.shape[0]
    m0 = tl.zeros([POINTS], tl.float32)
    mx1 = tl.zeros([POINTS], tl.float32)
    mx2 = tl.zeros([POINTS], tl.float32)
    my1 = tl.zeros([POINTS], tl.float32)
    my2 = tl.zeros([POINTS], tl.float32)
    first_x, tiles_x = range_x
    first_y, tiles_y = range_y
    for tile in range(tiles_x * tiles_y):
        i, rows = pixel_centres(first_y + tile // tiles_x, H, TILE)
        j, columns = pixel_centres(first_x + tile % tiles_x, W, TILE)
        inside = (i < H)[:, None] & (j < 4 * quads)[None, :]
        part = tl.load(D + (i * 4 * quads)[:, None] + j[None, :], mask=inside, other=0.0)  # [TILE, TILE]
        u = axis_offsets(columns[None, :], x[:, None], sigma_x[:, None])  # [POINTS, TILE]
        v = axis_offsets(rows[None, :], y[:, None], sigma_y[:, None])
        gx, gy = tl.exp2(-u * u), tl.exp2(-v * v)
        factor = transposed(halves(part, PRECISION))
        zero = tl.zeros([POINTS, TILE], tl.float32)
        # The highest power of u first: each product after it keeps less in registers.
        if WIDTHS:
            mx2 += tl.sum(gy * product(halves(gx * u * u, PRECISION), factor, zero, PRECISION), 1)
        mx1 += tl.sum(gy * product(halves(gx * u, PRECISION), factor, zero, PRECISION), 1)
        Q = gy * product(halves(gx, PRECISION), factor, zero, PRECISION)
        m0 += tl.sum(Q, 1)
        my1 += tl.sum(Q * v, 1)
        if WIDTHS:
            my2 += tl.sum(Q * v * v, 1)
    return m0, mx1, mx2, my1, my2


@triton.jit(do_not_specialize=RUNTIME)
def cloud_gradients(
    points, rotation, shift, sigma, weights, point_sigma, grad_images, grad_scale, grad_points, grad_poses,
    N, B, H, W, quads, splits, share, sigma_stride, weighted, own, scaled,
    POINTS: tl.constexpr, LANES: tl.constexpr, TILE: tl.constexpr, WIDTHS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Partial gradients: program (block, split) goes over pictures split * share to (split + 1) * share.

    grad_images [B, H, 4 quads] is multiplied by ``grad_scale`` [B]. grad_points [splits, 6, N] holds
    dL/d(x, y, z, weight, own x, own y). grad_poses [blocks, B, 4, 4] holds, as a homogeneous matrix,
    dL/d(rotation, shift) in its first two rows and dL/dsigma in the last corner. Without WIDTHS, the
    entries of widths are undefined.
    """
    split = tl.program_id(0) % splits
    block = tl.program_id(0) // splits
    start = block * POINTS
    lane = tl.arange(0, POINTS)
    valid = lane < N - start
    px, py, pz, weight, own_x, own_y = load_cloud(points, weights, point_sigma, weighted, own, start, N, POINTS, LANES)
    entry = tl.arange(0, 16)[None, :]
    column = entry % 4
    homogeneous = tl.where(column == 0, px[:, None], tl.where(column == 1, py[:, None], pz[:, None]))
    homogeneous = tl.where(column == 3, 1.0, homogeneous)  # [POINTS, 16]: (p, 1), four times
    sum_px = tl.zeros([POINTS], tl.float32)
    sum_py = tl.zeros([POINTS], tl.float32)
    sum_pz = tl.zeros([POINTS], tl.float32)
    sum_weight = tl.zeros([POINTS], tl.float32)
    sum_own_x = tl.zeros([POINTS], tl.float32)
    sum_own_y = tl.zeros([POINTS], tl.float32)
    first = split.to(tl.int64) * share
    for b in range(first, tl.minimum(first + share, B)):
        to_x, to_y, width = load_pose(rotation, shift, sigma, sigma_stride, b)
        x, y = project(to_x, px, py, pz), project(to_y, px, py, pz)
        sigma_x, sigma_y = spot_width(width, own_x), spot_width(width, own_y)
        nonfinite = is_nonfinite(x, y, sigma_x, sigma_y, weight)
        x_low, x_high = box_edges(x, sigma_x, valid, nonfinite, 1)
        y_low, y_high = box_edges(y, sigma_y, valid, nonfinite, 1)
        range_x = tile_range(tl.min(x_low, 0), tl.max(x_high, 0), W, TILE)
        range_y = tile_range(tl.min(y_low, 0), tl.max(y_high, 0), H, TILE)
        picture = grad_images + b * H * quads * 4
        m0, mx1, mx2, my1, my2 = spot_moments(
            picture, x, y, sigma_x, sigma_y, range_x, range_y, H, W, quads, TILE, WIDTHS, PRECISION
        )
        scale = tl.load(grad_scale + b, mask=scaled != 0, other=1.0)
        a = peak(weight, sigma_x, sigma_y) * scale
        dx, dy = a * mx1 / (K * sigma_x), a * my1 / (K * sigma_y)
        dsigma_x, dsigma_y = a * (mx2 / (K * K) - m0) / sigma_x, a * (my2 / (K * K) - m0) / sigma_y
        sum_px += to_x[0] * dx + to_y[0] * dy
        sum_py += to_x[1] * dx + to_y[1] * dy
        sum_pz += to_x[2] * dx + to_y[2] * dy
        sum_weight += scale * m0 * INVERSE_TAU / (sigma_x * sigma_y)
        sum_own_x += dsigma_x * own_x / sigma_x
        sum_own_y += dsigma_y * own_y / sigma_y
        dsigma = dsigma_x * width / sigma_x + dsigma_y * width / sigma_y
        row = entry // 4
        pull = tl.where(row == 0, dx[:, None], tl.where(row == 1, dy[:, None], dsigma[:, None]))
        pose = tl.sum(tl.where(row == 2, 0.0, pull * homogeneous), 0)
        tl.store(grad_poses + (block.to(tl.int64) * B + b) * 16 + tl.arange(0, 16), pose)
    row_length = tl.cast(N, tl.int64)  # five of them can pass 2^31
    into = grad_points + (split * 6 * row_length + start) + lane
    tl.store(into, sum_px, mask=valid)
    tl.store(into + row_length, sum_py, mask=valid)
    tl.store(into + 2 * row_length, sum_pz, mask=valid)
    tl.store(into + 3 * row_length, sum_weight, mask=valid)
    tl.store(into + 4 * row_length, sum_own_x, mask=valid)
    tl.store(into + 5 * row_length, sum_own_y, mask=valid)


def contiguous(*parts: Tensor | None) -> Cloud:
    """Parts of a cloud as the kernels read them."""
    return Cloud(*(None if part is None else aligned(part.contiguous()) for part in parts))  # type: ignore[arg-type]


def pointers(cloud: Cloud) -> tuple[Tensor, ...]:
    """A contiguous cloud in the kernels' layout; points are passed in place of missing arguments, and are not read."""
    return tuple(cloud.points if part is None else part for part in cloud)


def flags(cloud: Cloud) -> tuple[int, int, int]:
    """The stride of sigma, whether weights and whether own widths are given."""
    return int(cloud.sigma.shape[0] > 1), int(cloud.weights is not None), int(cloud.point_sigma is not None)


def draw_constants(blocks: Blocks, cull: bool, precision: str) -> dict[str, Any]:
    """What distinguishes the variants of ``draw_cloud``."""
    group = CULL_GROUP if cull else 1
    return {
        "POINTS": blocks.points, "LANES": lanes(blocks.points, blocks.warps), "GROUP": group,
        "TILE": blocks.tile, "PRECISION": precision, "warps": blocks.warps,
    }  # fmt: skip


def box_constants(blocks: Blocks) -> dict[str, Any]:
    """What distinguishes the variants of ``cloud_boxes``."""
    return {"POINTS": blocks.points, "GROUP": CULL_GROUP, "warps": 4}


def gradient_constants(blocks: Blocks, widths: bool, precision: str) -> dict[str, Any]:
    """What distinguishes the variants of ``cloud_gradients``; ``widths``: for sigma or point_sigma too."""
    return {
        "POINTS": blocks.back_points, "LANES": lanes(blocks.back_points, blocks.back_warps),
        "TILE": blocks.back_tile, "WIDTHS": widths, "PRECISION": precision, "warps": blocks.back_warps,
    }  # fmt: skip


def draw(cloud: Cloud, shape: Shape, precision: str) -> Tensor:
    """Pictures ``[B, H, W]``."""
    N, B, (H, W) = cloud.points.shape[0], cloud.rotation.shape[0], shape
    blocks = blocks_for(architecture(cloud.points), precision, H, W)
    tiles = B * -(-H // blocks.tile) * -(-W // blocks.tile)
    count = -(-N // blocks.points)
    cull = N >= CULL_FROM and tiles > B
    boxes = cloud.points.new_empty(B, 4, count) if cull else cloud.points  # not read without culling
    groups = -(-count // CULL_GROUP) if cull else -(-count // 4)
    if cull:
        launch(cloud_boxes, B * groups, *pointers(cloud), boxes, N, B, *flags(cloud), **box_constants(blocks))
    splits = split_evenly(groups, max(1, PROGRAMS // max(1, tiles)))
    images = cloud.points.new_empty(splits, B, H, pitch(W))
    launch(
        draw_cloud, tiles * splits, *pointers(cloud), boxes, images, N, B, H, W, pitch(W) // 4, splits,
        *flags(cloud), **draw_constants(blocks, cull, precision),
    )  # fmt: skip
    return pictures(images, W)


def gradients(
    cloud: Cloud, grad_images: Tensor, grad_scale: Tensor | None, precision: str, needed: tuple[bool, ...]
) -> list[Tensor | None]:
    """Gradients of the cloud's parts, in their order, those needed; grad_scale [B] multiplies grad_images."""
    N, (B, H, W) = cloud.points.shape[0], grad_images.shape
    blocks = blocks_for(architecture(cloud.points), precision, H, W)
    count = -(-N // blocks.back_points)
    splits = split_evenly(B, -(-PROGRAMS // max(1, count)))
    grad_points = cloud.points.new_empty(splits, 6, N)
    grad_poses = cloud.points.new_empty(count, B, 4, 4)
    launch(
        cloud_gradients, count * splits, *pointers(cloud), padded(grad_images),
        cloud.points if grad_scale is None else aligned(grad_scale.contiguous()), grad_points, grad_poses,
        N, B, H, W, pitch(W) // 4, splits, -(-B // max(1, splits)), *flags(cloud),
        int(grad_scale is not None), **gradient_constants(blocks, needed[3] or needed[5], precision),
    )  # fmt: skip
    found: list[Tensor | None] = [None] * len(cloud)
    if needed[0] or needed[4] or needed[5]:
        by_point = add_partial(grad_points)  # [6, N]
        found[0], found[4], found[5] = by_point[:3].T, by_point[3], by_point[4:].T
    if needed[1] or needed[2] or needed[3]:
        by_pose = add_partial(grad_poses)  # [B, 4, 4]
        found[1], found[2], found[3] = by_pose[:, :3, :3], by_pose[:, :2, 3], by_pose[:, 3, 3]
    if needed[3] and found[3] is not None and cloud.sigma.shape[0] != B:
        found[3] = found[3].sum(0, keepdim=True)
    return [gradient if wanted else None for gradient, wanted in zip(found, needed, strict=True)]


class _Splat(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Shape, precision: str, *parts: Tensor | None) -> Tensor:
        cloud = contiguous(*parts)
        ctx.precision = precision
        ctx.save_for_backward(*cloud)
        return draw(cloud, shape, precision)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_images: Tensor) -> tuple[Tensor | None, ...]:
        cloud = Cloud(*ctx.saved_tensors)
        return None, None, *gradients(cloud, grad_images, None, ctx.precision, ctx.needs_input_grad[2:])


def splat_triton(cloud: Cloud, shape: Shape, precision: str) -> Tensor:
    """``splat`` for checked arguments in float32."""
    images: Tensor = _Splat.apply(shape, precision, *cloud)
    return images

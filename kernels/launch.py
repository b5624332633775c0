# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
# Device code is Triton's own language: its arguments are tensors of a compiler, which mypy doesn't know.
r"""Common parts of the Triton kernels: Gaussians, projection, culling and the launch.

Gaussians are powers of two: with ``k = sqrt(log2(e) / 2)`` and ``u = k (j - x) / sigma``, ``exp(-(j - x)^2 /
2 sigma^2)`` is ``2^(-u^2)``: a difference, two products and one special-function instruction a sample. The
difference is taken first: ``k j / sigma - k x / sigma`` would be one instruction less, but suffers from cancellation,
with an error of 2e-5 for a Gaussian of sigma 0.5 at the edge of 2048 pixels.

Spots are cut where they are below 1e-7 of their peak, ``CUT`` sigma from the centre, by whole blocks: a
block of points is skipped for a tile where the box around all its discs misses the tile. The box is that of
the projected positions with each point's own width, so it holds for any 3x3 matrix. The box of a
point with a NaN is unbounded: the point is drawn, so that the NaN is visible in the picture.
"""

import functools
import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn.functional import pad

INTERPRETED: bool = triton.knobs.runtime.interpret
"""Whether TRITON_INTERPRET was set when the kernels were decorated."""

K = tl.constexpr(math.sqrt(math.log2(math.e) / 2))
CUT = tl.constexpr(math.sqrt(2 * math.log(1e7)))
INVERSE_TAU = tl.constexpr(1 / (2 * math.pi))
WIDENED = tl.constexpr(INTERPRETED)
"""The interpreter multiplies bfloat16 as if its bits were a whole number, so that it is given float32 of the same value."""
FAR = tl.constexpr(1e18)
"""A finite coordinate in pixels, outside any picture."""


MOST_INT32 = 2**31 - 1
_compiled: dict[tuple[Any, ...], Any] = {}


def launch(kernel: Any, programs: int, *arguments: Any, warps: int, **constants: Any) -> None:
    """Run ``programs`` programs of a kernel on the device of its first argument; 0 is allowed."""
    if not programs:
        return
    device = arguments[0].get_device()
    if INTERPRETED:
        kernel[(programs,)](*arguments, num_warps=warps, num_stages=1, **constants)
    elif device == torch.cuda.current_device():
        run_compiled(device, kernel, programs, arguments, warps, constants)
    else:
        with torch.cuda.device(device):
            run_compiled(device, kernel, programs, arguments, warps, constants)


def run_compiled(
    device: int, kernel: Any, programs: int, arguments: tuple[Any, ...], warps: int, constants: dict[str, Any]
) -> None:
    """Run a kernel through Triton the first time, which compiles it, and then its binary directly.

    Triton looks at every argument of every call to find the binary that fits, which takes five times as long as the
    launch. Here the constants decide alone: sizes have no variants, and all that a kernel is given is aligned. Only a
    whole number beyond int32 has a binary of its own.
    """
    key = (kernel.fn, device, warps, *constants.values())
    if max((value for value in arguments if value.__class__ is int), default=0) > MOST_INT32:
        key = (*key, *(value.__class__ is int and value > MOST_INT32 for value in arguments))
    binary = _compiled.get(key)
    if binary is None:
        _compiled[key] = kernel[(programs,)](*arguments, num_warps=warps, num_stages=1, **constants)
    else:
        binary[programs, 1, 1](*arguments, *constants.values())


def lanes(points: int, warps: int) -> int:
    """Number of lanes that load each point of a block, so that every thread loads one value."""
    return max(1, 32 * warps // points)


def architecture(like: Tensor) -> int:
    """Compute capability of a tensor's device, 90 for 9.0; the interpreter uses Hopper's blocks."""
    return _architecture(like.get_device()) if like.is_cuda else 90


@functools.cache
def _architecture(device: int) -> int:
    major, minor = torch.cuda.get_device_capability(device)
    return 10 * major + minor


def pitch(width: int) -> int:
    """Length of a row in memory: a multiple of 4, so that the kernels move 16 bytes at a time."""
    return 4 * -(-width // 4)


def aligned(part: Tensor) -> Tensor:
    """A tensor that starts at a multiple of 16 bytes, as the inspected variants require; a slice may not."""
    return part if part.data_ptr() % 16 == 0 else part.clone()


def padded(images: Tensor) -> Tensor:
    """Contiguous pictures [B, H, pitch(W)], zeros beyond W."""
    width = images.shape[-1]
    return aligned(images.contiguous()) if width == pitch(width) else pad(images, (0, pitch(width) - width))


def add_partial(partial: Tensor) -> Tensor:
    """Sum over the first axis, always in the same order; the shares of one program need no sum."""
    return partial[0] if partial.shape[0] == 1 else partial.sum(0)


def pictures(partial: Tensor, width: int) -> Tensor:
    """Pictures [B, H, W] from partial ones [splits, B, H, pitch(W)]."""
    images = add_partial(partial)
    return images if images.shape[-1] == width else images[..., :width].contiguous()


@triton.jit
def pixel_centres(tile, length, SIZE: tl.constexpr):
    """Pixel indices [SIZE] of a tile along one axis, and their centres relative to the picture's."""
    index = tile * SIZE + tl.arange(0, SIZE)
    return index, index.to(tl.float32) - (length - 1) * 0.5


@triton.jit
def tile_of_program(H, W, splits, SIZE: tl.constexpr):
    """Picture b, split, and pixels and centres along y and x of program ``(b tiles + tile) splits + split``."""
    tiles_x, tiles_y = tl.cdiv(W, SIZE), tl.cdiv(H, SIZE)
    split = tl.program_id(0) % splits
    tile = tl.program_id(0) // splits
    b = (tile // (tiles_x * tiles_y)).to(tl.int64)
    i, rows = pixel_centres(tile // tiles_x % tiles_y, H, SIZE)
    j, columns = pixel_centres(tile % tiles_x, W, SIZE)
    return b, split, i, rows, j, columns


@triton.jit
def store_tile(images, image, b, split, i, j, B, H, quads):
    """A tile into partial pictures [splits, B, H, 4 quads]."""
    into = images + (split.to(tl.int64) * B + b) * H * quads * 4
    tl.store(into + (i * 4 * quads)[:, None] + j[None, :], image, mask=(i < H)[:, None] & (j < 4 * quads)[None, :])


@triton.jit
def bounds(offsets, b, E):
    """First element of picture b and the one after its last, from offsets [B + 1] into E elements.

    They are clamped, so that offsets out of order or out of range give nonsense but never a read outside.
    """
    first = tl.minimum(tl.maximum(tl.load(offsets + b), 0), E)
    return first, tl.minimum(tl.maximum(tl.load(offsets + b + 1), first), E)


@triton.jit
def load_pose(rotation, shift, sigma, sigma_stride, b):
    """What maps points to x and to y of picture b, and its sigma [B] (stride 0: shared).

    Each map is a row of the rotation [B, 3, 3] with its part of the shift [B, 2].
    """
    row = rotation + b * 9
    xx, xy, xz = tl.load(row), tl.load(row + 1), tl.load(row + 2)
    yx, yy, yz = tl.load(row + 3), tl.load(row + 4), tl.load(row + 5)
    tx, ty = tl.load(shift + b * 2), tl.load(shift + b * 2 + 1)
    return (xx, xy, xz, tx), (yx, yy, yz, ty), tl.load(sigma + b * sigma_stride)


@triton.jit
def load_shared(pointer, offset, valid, other, LANES: tl.constexpr):
    """Values [POINTS] at pointer + offset, by LANES lanes each.

    Triton treats a tensor with fewer elements than the program has threads as cheap, and loads it (and computes
    everything derived from it) again in every thread that needs it, with dozens of loads for one. If it is reduced
    from enough lanes, it is shared.
    """
    lane = tl.zeros([1, LANES], tl.int32)
    return tl.max(tl.load(pointer + (offset[:, None] + lane), mask=valid[:, None], other=other), 1)


@triton.jit
def load_cloud(points, weights, point_sigma, weighted, own, start, N, POINTS: tl.constexpr, LANES: tl.constexpr):
    """Points [N, 3], weights [N] (1 if not ``weighted``), widths [N, 2] (0 if not ``own``); 0 beyond N."""
    start = tl.cast(start, tl.int64)
    lane = tl.arange(0, POINTS)
    valid = lane < N - start
    points += 3 * start
    point_sigma += 2 * start
    px = load_shared(points, 3 * lane, valid, 0.0, LANES)
    py = load_shared(points + 1, 3 * lane, valid, 0.0, LANES)
    pz = load_shared(points + 2, 3 * lane, valid, 0.0, LANES)
    weight = load_shared(weights + start, lane, valid & (weighted != 0), 1.0, LANES)
    weight = tl.where(valid, weight, 0.0)
    own_x = load_shared(point_sigma, 2 * lane, valid & (own != 0), 0.0, LANES)
    own_y = load_shared(point_sigma + 1, 2 * lane, valid & (own != 0), 0.0, LANES)
    return px, py, pz, weight, own_x, own_y


@triton.jit
def project(to, px, py, pz):
    """One coordinate of points on a picture. Infinity becomes FAR, where 0 times it is 0; a NaN stays one."""
    position = to[0] * px + to[1] * py + to[2] * pz + to[3]
    return tl.clamp(position, -FAR, FAR, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def spot_width(sigma, own):
    """Standard deviation along an axis of points that have a width of their own."""
    return tl.sqrt(sigma * sigma + own * own)


@triton.jit
def axis_offsets(pixels, x, sigma):
    """``k (j - x) / sigma``; pixels and spots come with axes that broadcast."""
    return (pixels - x) * (K / sigma)


@triton.jit
def peak(weight, sigma_x, sigma_y):
    """Amplitude of a spot of integral ``weight``."""
    return weight * INVERSE_TAU / (sigma_x * sigma_y)


@triton.jit
def halves(part, PRECISION: tl.constexpr):
    """A factor of a product as the tensor cores take it: itself, or for a product in three its upper and its lower bits."""
    if PRECISION == "bf16x3":
        # Rounded by whole numbers: conversions share their slow unit with the exponentials. A NaN shows in the lower half.
        bits = part.to(tl.int32, bitcast=True) + 0x8000
        lower = (part - (bits & -0x10000).to(tl.float32, bitcast=True)).to(tl.bfloat16)
        upper = (bits >> 16).to(tl.int16).to(tl.bfloat16, bitcast=True)
        if WIDENED:
            upper, lower = upper.to(tl.float32), lower.to(tl.float32)
        found = (upper, lower)
    elif PRECISION == "tf32x3":
        # Rounded, so that the lower half has either sign: the tensor cores cut its last bits, always towards zero.
        upper = (part.to(tl.int32, bitcast=True) + 0x1000 & -0x2000).to(tl.float32, bitcast=True)
        found = (upper, part - upper)
    else:
        found = (part, part)
    return found


@triton.jit
def transposed(factor):
    """The halves of the transpose."""
    return tl.trans(factor[0]), tl.trans(factor[1])


@triton.jit
def product(a, b, total, PRECISION: tl.constexpr):
    """The total plus the product of two factors from ``halves``, in three of them without that of the lower bits."""
    SINGLE: tl.constexpr = "ieee" if PRECISION == "ieee" else "tf32"
    if PRECISION == "bf16x3" or PRECISION == "tf32x3":
        total = tl.dot(a[1], b[0], total, input_precision=SINGLE)
        total = tl.dot(a[0], b[1], total, input_precision=SINGLE)
    return tl.dot(a[0], b[0], total, input_precision=SINGLE)


@triton.jit
def add_spots(image, x, y, sigma_x, sigma_y, amplitude, columns, rows, PRECISION: tl.constexpr):
    """The image [TH, TW] plus gy^T diag(a) gx of a block of spots [K]."""
    ux = axis_offsets(columns[None, :], x[:, None], sigma_x[:, None])  # [K, TW]
    uy = axis_offsets(rows[:, None], y[None, :], sigma_y[None, :])  # [TH, K]
    gx = tl.exp2(-ux * ux)
    gy = tl.exp2(-uy * uy) * amplitude[None, :]
    return product(halves(gy, PRECISION), halves(gx, PRECISION), image, PRECISION)


@triton.jit
def box_edges(x, sigma, valid, nonfinite, GROUP: tl.constexpr):
    """Lowest and highest coordinate that spots of GROUP blocks reach; unbounded where one is not finite."""
    POINTS: tl.constexpr = x.shape[0] // GROUP
    low = tl.where(nonfinite, float("-inf"), x - CUT * sigma)
    high = tl.where(nonfinite, float("inf"), x + CUT * sigma)
    low = tl.reshape(tl.where(valid, low, float("inf")), [GROUP, POINTS])
    high = tl.reshape(tl.where(valid, high, float("-inf")), [GROUP, POINTS])
    return tl.min(low, 1), tl.max(high, 1)


@triton.jit
def is_nonfinite(x, y, sigma_x, sigma_y, weight):
    """Whether a spot holds a NaN (or infinities that cancel), so that it must not be culled."""
    total = x + y + sigma_x + sigma_y + weight
    return total != total


@triton.jit
def store_boxes(boxes, block, blocks, x_low, x_high, y_low, y_high):
    """Rows of boxes [4, blocks]."""
    tl.store(boxes + block, x_low, mask=block < blocks)
    tl.store(boxes + blocks + block, x_high, mask=block < blocks)
    tl.store(boxes + 2 * blocks + block, y_low, mask=block < blocks)
    tl.store(boxes + 3 * blocks + block, y_high, mask=block < blocks)


@triton.jit
def blocks_at_tile(boxes, group, blocks, columns, rows, GROUP: tl.constexpr):
    """Bit k is set where block ``GROUP group + k`` reaches the tile (boxes [4, blocks]); one alone does."""
    if GROUP == 1:
        hits = 1
    else:
        lane = tl.arange(0, GROUP)
        block = group * GROUP + lane
        known = block < blocks
        x_low = tl.load(boxes + block, mask=known, other=float("inf"))
        x_high = tl.load(boxes + blocks + block, mask=known, other=float("-inf"))
        y_low = tl.load(boxes + 2 * blocks + block, mask=known, other=float("inf"))
        y_high = tl.load(boxes + 3 * blocks + block, mask=known, other=float("-inf"))
        hit = (x_low <= tl.max(columns, 0)) & (x_high >= tl.min(columns, 0))
        hit = hit & (y_low <= tl.max(rows, 0)) & (y_high >= tl.min(rows, 0))
        hits = tl.sum(tl.where(hit, 1 << lane, 0), 0)
    return hits


@triton.jit
def tile_range(low, high, length, SIZE: tl.constexpr):
    """First tile and number of tiles that coordinates from low to high reach on an axis of length pixels."""
    centre = (length - 1) * 0.5
    tiles = (length + SIZE - 1) // SIZE
    beyond = tiles * SIZE * 1.0
    first = tl.floor(tl.minimum(tl.maximum(low + centre, 0.0), beyond) / SIZE).to(tl.int32)
    last = tl.floor(tl.minimum(tl.maximum(high + centre, -1.0), beyond) / SIZE).to(tl.int32)
    return first, tl.maximum(tl.minimum(last, tiles - 1) - first + 1, 0)

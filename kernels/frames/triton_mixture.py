# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
r"""The Triton backend of ``emitter_nll``: three kernels for what ``mixture`` derives, in its notation.

1. ``frame_totals``: ``log sum_j p_j`` of every frame, a program a frame.
2. ``mixture_nll``: a program takes a block of emitters of any frames and visits the pixels of their windows one after
   the other, in the same order for all, with a running maximum m and a running sum s of ``exp(l_k - m)``; the
   result is ``-(m + log s)``.
3. ``mixture_gradients``: a program owns a tile of a frame's pixels and meets the frame's emitters in their order.
   Each whose window reaches the tile has its l_k computed again, and adds its share to the nine gradients of every
   pixel. So each sum has a fixed order, and nothing is added to memory.
"""

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..autograd import differentiable_once
from ..launch import aligned, bounds, launch, tile_of_program
from .output import Output

TOTAL_CONSTANTS: dict[str, Any] = {"PIXELS": 1024, "warps": 4}
NLL_CONSTANTS: dict[str, Any] = {"EMITTERS": 64, "warps": 2}
GRADIENT_CONSTANTS: dict[str, Any] = {"EMITTERS": 16, "TILE": 16, "warps": 4}

FAR = tl.constexpr(2.0**29)
"""A coordinate in pixels outside any frame, which a whole number of 32 bits holds."""
LOG_TAU_SQUARED = tl.constexpr(2 * math.log(2 * math.pi))
"""Four times the half logarithm of 2 pi."""

RUNTIME = ["E", "B", "H", "W", "window", "pixels"]


@triton.jit
def log_sigmoid(logit):
    """``log p``."""
    return tl.minimum(logit, 0.0) - tl.log(1 + tl.exp(-tl.abs(logit)))


@triton.jit
def first_pixel(position, length, window):
    """First pixel of a window along an axis, about the pixel that holds the emitter; far outside for a NaN."""
    cell = tl.floor(position + 0.5 * length)
    cell = tl.where(position == position, tl.minimum(tl.maximum(cell, -FAR), FAR), FAR)
    return cell.to(tl.int32) - window // 2


@triton.jit
def load_emitters(emitters, e, valid):
    """X, y, z and log photons of the emitters e."""
    entry = emitters + 4 * e
    x, y = tl.load(entry, mask=valid, other=0.0), tl.load(entry + 1, mask=valid, other=0.0)
    return x, y, tl.load(entry + 2, mask=valid, other=0.0), tl.load(entry + 3, mask=valid, other=0.0)


@triton.jit
def load_output(logits, mean, sigma, b, pixel, pixels, valid):
    """The logit, four means and four deviations of pixels of frame b; outside, p is 0 and deviations are 1."""
    wide = tl.cast(pixels, tl.int64)  # three of them can pass 2^31
    logit = tl.load(logits + b * wide + pixel, mask=valid, other=-FAR)
    mean += 4 * b * wide + pixel
    sigma += 4 * b * wide + pixel
    mean_x, mean_y = tl.load(mean, mask=valid, other=0.0), tl.load(mean + wide, mask=valid, other=0.0)
    mean_z = tl.load(mean + 2 * wide, mask=valid, other=0.0)
    mean_n = tl.load(mean + 3 * wide, mask=valid, other=0.0)
    sigma_x, sigma_y = tl.load(sigma, mask=valid, other=1.0), tl.load(sigma + wide, mask=valid, other=1.0)
    sigma_z = tl.load(sigma + 2 * wide, mask=valid, other=1.0)
    sigma_n = tl.load(sigma + 3 * wide, mask=valid, other=1.0)
    return logit, (mean_x, mean_y, mean_z, mean_n), (sigma_x, sigma_y, sigma_z, sigma_n)


@triton.jit
def slopes(emitter, column, row, mean, sigma):
    """``d / sigma`` of x, y, z and log photons, with the pixel's centre from the frame's centre."""
    slope_x, slope_y = (emitter[0] - column - mean[0]) / sigma[0], (emitter[1] - row - mean[1]) / sigma[1]
    return slope_x, slope_y, (emitter[2] - mean[2]) / sigma[2], (emitter[3] - mean[3]) / sigma[3]


@triton.jit
def log_density(slope, sigma):
    """Logarithm of the four Gaussians' product."""
    square = slope[0] * slope[0] + slope[1] * slope[1] + slope[2] * slope[2] + slope[3] * slope[3]
    logs = tl.log(sigma[0]) + tl.log(sigma[1]) + tl.log(sigma[2]) + tl.log(sigma[3])
    return -0.5 * square - logs - LOG_TAU_SQUARED


@triton.jit(do_not_specialize=RUNTIME)
def frame_totals(logits, totals, pixels, PIXELS: tl.constexpr):
    """``log sum_j p_j`` [B]: the largest term first, then the sum relative to it."""
    b = tl.program_id(0).to(tl.int64)
    logits += b * pixels
    lane = tl.arange(0, PIXELS)
    most = tl.full([PIXELS], -FAR, tl.float32)
    for start in range(0, pixels, PIXELS):
        logit = tl.load(logits + start + lane, mask=start + lane < pixels, other=-FAR)
        most = tl.maximum(most, log_sigmoid(logit))
    top = tl.max(most, 0)
    sums = tl.zeros([PIXELS], tl.float32)
    for start in range(0, pixels, PIXELS):
        logit = tl.load(logits + start + lane, mask=start + lane < pixels, other=-FAR)
        sums += tl.exp(log_sigmoid(logit) - top)
    tl.store(totals + b, top + tl.log(tl.sum(sums, 0)))


@triton.jit
def frame_of_emitters(offsets, e, B):
    """The frame of emitters e by bisection of offsets [B + 1]; within 0 to B - 1 whatever these are."""
    low = tl.zeros(e.shape, tl.int32)
    high = tl.zeros(e.shape, tl.int32) + B
    width = B
    while width > 1:  # the frame is at least low and below high
        middle = (low + high) // 2
        after = tl.load(offsets + middle) <= e
        low, high = tl.where(after, middle, low), tl.where(after, high, middle)
        width = (width + 1) // 2
    return low


@triton.jit(do_not_specialize=RUNTIME)
def mixture_nll(logits, mean, sigma, emitters, offsets, totals, nll, E, B, H, W, window, EMITTERS: tl.constexpr):
    """Negative log-likelihood [E]; program t does a block of emitters."""
    e = tl.program_id(0).to(tl.int64) * EMITTERS + tl.arange(0, EMITTERS)
    valid = e < E
    emitter = load_emitters(emitters, e, valid)
    b = frame_of_emitters(offsets, e, B).to(tl.int64)
    total = tl.load(totals + b, mask=valid, other=0.0)
    first_i, first_j = first_pixel(emitter[1], H, window), first_pixel(emitter[0], W, window)
    most = tl.full([EMITTERS], -1e38, tl.float32)
    sums = tl.zeros([EMITTERS], tl.float32)
    pixels_inside = tl.zeros([EMITTERS], tl.int32)
    for k in range(0, window * window):
        i, j = first_i + k // window, first_j + k % window
        inside = valid & (i >= 0) & (i < H) & (j >= 0) & (j < W)
        logit, means, sigmas = load_output(logits, mean, sigma, b, i * W + j, H * W, inside)
        column, row = j.to(tl.float32) - (W - 1) * 0.5, i.to(tl.float32) - (H - 1) * 0.5
        term = log_sigmoid(logit) - total + log_density(slopes(emitter, column, row, means, sigmas), sigmas)
        term = tl.where(inside, term, most)
        higher = tl.maximum(most, term)
        sums = sums * tl.exp(most - higher) + tl.where(inside, tl.exp(term - higher), 0.0)
        most = higher
        pixels_inside += inside.to(tl.int32)
    # Without a pixel there is nothing to score; a NaN shows.
    nowhere = tl.where((emitter[0] != emitter[0]) | (emitter[1] != emitter[1]), float("nan"), 0.0)
    some = pixels_inside > 0
    tl.store(nll + e, tl.where(some, -(most + tl.log(tl.where(some, sums, 1.0))), nowhere), mask=valid)


@triton.jit(do_not_specialize=RUNTIME)
def mixture_gradients(
    logits, mean, sigma, emitters, offsets, totals, nll, grad_nll, grad_logits, grad_mean, grad_sigma,
    E, B, H, W, window, EMITTERS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """Gradients of logits [B, H, W], mean and sigma [B, 4, H, W]; program (b, tile)."""
    b, _, i, rows, j, columns = tile_of_program(H, W, 1, TILE)
    first, last = bounds(offsets, b, E)
    pixel = (i * W)[:, None] + j[None, :]
    within = (i < H)[:, None] & (j < W)[None, :]
    logit, means, sigmas = load_output(logits, mean, sigma, b, pixel, H * W, within)
    log_share = log_sigmoid(logit) - tl.load(totals + b)  # log p_k - log sum_j p_j
    lane = tl.arange(0, EMITTERS)
    zero = tl.zeros([TILE, TILE], tl.float32)
    sum_g, sum_gr = tl.zeros([EMITTERS], tl.float32), zero  # of g_e over the frame, of g_e r_ek in each pixel
    sum_mean_x, sum_mean_y, sum_mean_z, sum_mean_n = zero, zero, zero, zero
    sum_sigma_x, sum_sigma_y, sum_sigma_z, sum_sigma_n = zero, zero, zero, zero
    for start in range(first, last, EMITTERS):
        valid = start + lane < last
        block = load_emitters(emitters, start + lane, valid)
        first_i, first_j = first_pixel(block[1], H, window), first_pixel(block[0], W, window)
        scored = valid & (first_i < H) & (first_i + window > 0) & (first_j < W) & (first_j + window > 0)
        sum_g += tl.load(grad_nll + start + lane, mask=scored, other=0.0)
        reaches = scored & (first_i <= tl.max(i, 0)) & (first_i + window > tl.min(i, 0))
        reaches = reaches & (first_j <= tl.max(j, 0)) & (first_j + window > tl.min(j, 0))
        hits = tl.sum(tl.where(reaches, 1 << lane, 0), 0)
        for k in range(EMITTERS):
            if (hits >> k) & 1:
                emitter = load_emitters(emitters, start + k, True)
                i_in = i - first_pixel(emitter[1], H, window)
                j_in = j - first_pixel(emitter[0], W, window)
                inside = ((i_in >= 0) & (i_in < window))[:, None] & ((j_in >= 0) & (j_in < window))[None, :]
                slope = slopes(emitter, columns[None, :], rows[:, None], means, sigmas)
                likelihood = log_share + log_density(slope, sigmas)
                r = tl.exp(tl.where(inside, likelihood + tl.load(nll + start + k), -FAR))
                gr = tl.where(inside, tl.load(grad_nll + start + k) * r, 0.0)
                sum_gr += gr
                sum_mean_x += tl.where(inside, gr * slope[0], 0.0)
                sum_mean_y += tl.where(inside, gr * slope[1], 0.0)
                sum_mean_z += tl.where(inside, gr * slope[2], 0.0)
                sum_mean_n += tl.where(inside, gr * slope[3], 0.0)
                sum_sigma_x += tl.where(inside, gr * (slope[0] * slope[0] - 1), 0.0)
                sum_sigma_y += tl.where(inside, gr * (slope[1] * slope[1] - 1), 0.0)
                sum_sigma_z += tl.where(inside, gr * (slope[2] * slope[2] - 1), 0.0)
                sum_sigma_n += tl.where(inside, gr * (slope[3] * slope[3] - 1), 0.0)
    wide = tl.cast(H * W, tl.int64)
    gradient = tl.exp(log_sigmoid(-logit)) * (tl.exp(log_share) * tl.sum(sum_g, 0) - sum_gr)
    tl.store(grad_logits + b * wide + pixel, gradient, mask=within)
    grad_mean += 4 * b * wide + pixel
    grad_sigma += 4 * b * wide + pixel
    tl.store(grad_mean, -sum_mean_x / sigmas[0], mask=within)
    tl.store(grad_mean + wide, -sum_mean_y / sigmas[1], mask=within)
    tl.store(grad_mean + 2 * wide, -sum_mean_z / sigmas[2], mask=within)
    tl.store(grad_mean + 3 * wide, -sum_mean_n / sigmas[3], mask=within)
    tl.store(grad_sigma, -sum_sigma_x / sigmas[0], mask=within)
    tl.store(grad_sigma + wide, -sum_sigma_y / sigmas[1], mask=within)
    tl.store(grad_sigma + 2 * wide, -sum_sigma_z / sigmas[2], mask=within)
    tl.store(grad_sigma + 3 * wide, -sum_sigma_n / sigmas[3], mask=within)


def _contiguous(output: Output) -> Output:
    return Output(*(aligned(part.contiguous()) for part in output))


class _EmitterNll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, emitters: Tensor, offsets: Tensor, window: int, *parts: Tensor) -> Tensor:
        output = _contiguous(Output(*parts))
        emitters, offsets = aligned(emitters.contiguous()), aligned(offsets.contiguous())
        E, (B, H, W) = emitters.shape[0], output.logits.shape
        totals, nll = emitters.new_empty(B), emitters.new_empty(E)
        launch(frame_totals, B, output.logits, totals, H * W, **TOTAL_CONSTANTS)
        blocks = -(-E // NLL_CONSTANTS["EMITTERS"])
        launch(mixture_nll, blocks, *output, emitters, offsets, totals, nll, E, B, H, W, window, **NLL_CONSTANTS)
        ctx.window = window
        ctx.save_for_backward(*output, emitters, offsets, totals, nll)
        return nll

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_nll: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        output, emitters = Output(*saved[:3]), saved[3]
        gradients = Output(*(torch.empty_like(part) for part in output))
        (B, H, W), tile = output.logits.shape, GRADIENT_CONSTANTS["TILE"]
        launch(
            mixture_gradients, B * -(-H // tile) * -(-W // tile), *saved, aligned(grad_nll.contiguous()), *gradients,
            len(emitters), B, H, W, ctx.window, **GRADIENT_CONSTANTS,
        )  # fmt: skip
        return None, None, None, *gradients


def emitter_nll_triton(output: Output, emitters: Tensor, offsets: Tensor, window: int) -> Tensor:
    """``emitter_nll`` for checked arguments in float32, all on one device."""
    nll: Tensor = _EmitterNll.apply(emitters, offsets, window, *output)
    return nll

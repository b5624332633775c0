# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, untyped-decorator, no-any-return"
r"""The Triton backend of ``normalised_masked_l1``: normalisations, mask, distance and gradient at once.

With output ``o = f I``, ``f = scale / sum I``, wanted ``q = scale T / sum T`` and ``s`` the sign of ``o -
q`` where ``q > threshold``, 0 elsewhere::

    loss = sum s (o - q)                    dloss/dI = f (s - sum(s o) / scale)

The last term is the normalisation's own: brightening one pixel dims all others. A picture whose sum is 0 (or
so small that f overflows) has f = 0: it stays 0, and so does its gradient. A program processes one picture in three
passes: sums, loss, gradient. The picture stays in the second-level cache, and the order of every sum is fixed.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..autograd import differentiable_once
from ..launch import aligned, launch

CONSTANTS: dict[str, Any] = {"PIXELS": 2048, "warps": 8}


@triton.jit
def normaliser(total, scale):
    """The ratio scale / total, or 0 where total is 0 or so near that it overflows; NaN stays NaN."""
    factor = scale / tl.where(total == 0, float("inf"), total)
    return tl.where(tl.abs(factor) == float("inf"), 0.0, factor)


@triton.jit
def masked_sign(output, wanted, threshold, inside):
    """Sign of output - wanted where wanted exceeds the threshold, else 0; a NaN stays one."""
    distance = output - wanted
    sign = tl.where(distance > 0, 1.0, tl.where(distance < 0, -1.0, distance))
    counts = inside & ((wanted > threshold) | (distance != distance))
    return tl.where(counts, sign, 0.0)


@triton.jit(do_not_specialize=["pixels", "differentiate"])
def compare_pictures(
    images, target, loss, gradient, pixels, scale, threshold, differentiate, PIXELS: tl.constexpr
):  # fmt: skip
    """Loss [B] and, if ``differentiate``, gradient [B, pixels] of pictures [B, pixels], a program each."""
    b = tl.program_id(0).to(tl.int64)
    images += b * pixels
    target += b * pixels
    gradient += b * pixels
    lane = tl.arange(0, PIXELS)
    sums = tl.zeros([PIXELS], tl.float32)
    target_sums = tl.zeros([PIXELS], tl.float32)
    for start in range(0, pixels, PIXELS):
        inside = start + lane < pixels
        sums += tl.load(images + start + lane, mask=inside, other=0.0)
        target_sums += tl.load(target + start + lane, mask=inside, other=0.0)
    factor = normaliser(tl.sum(sums, 0), scale)
    target_factor = normaliser(tl.sum(target_sums, 0), scale)
    distances = tl.zeros([PIXELS], tl.float32)
    pulls = tl.zeros([PIXELS], tl.float32)
    for start in range(0, pixels, PIXELS):
        inside = start + lane < pixels
        output = tl.load(images + start + lane, mask=inside, other=0.0) * factor
        wanted = tl.load(target + start + lane, mask=inside, other=0.0) * target_factor
        sign = masked_sign(output, wanted, threshold, inside)
        distances += sign * (output - wanted)
        pulls += sign * output
    tl.store(loss + b, tl.sum(distances, 0))
    if differentiate:
        pull = tl.sum(pulls, 0) / scale
        for start in range(0, pixels, PIXELS):
            inside = start + lane < pixels
            output = tl.load(images + start + lane, mask=inside, other=0.0) * factor
            wanted = tl.load(target + start + lane, mask=inside, other=0.0) * target_factor
            sign = masked_sign(output, wanted, threshold, inside)
            tl.store(gradient + start + lane, factor * (sign - pull), mask=inside)


def compare(
    images: Tensor, target: Tensor, scale: float, threshold: float, differentiate: bool
) -> tuple[Tensor, Tensor | None]:
    """Loss ``[B]`` and its gradient ``[B, H, W]`` with respect to contiguous images, if required."""
    target = aligned(target.contiguous())
    loss = images.new_empty(images.shape[0])
    gradient = torch.empty_like(images) if differentiate else None
    launch(
        compare_pictures, images.shape[0], images, target, loss, images if gradient is None else gradient,
        images.shape[1] * images.shape[2], scale, threshold, int(differentiate), **CONSTANTS,
    )  # fmt: skip
    return loss, gradient


class _NormalisedMaskedL1(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, target: Tensor, scale: float, threshold: float, differentiate: bool
    ) -> Tensor:
        loss, gradient = compare(aligned(images.contiguous()), target, scale, threshold, differentiate)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_loss[:, None, None], None, None, None, None


def normalised_masked_l1_triton(images: Tensor, target: Tensor, scale: float, threshold: float) -> Tensor:
    """``normalised_masked_l1`` for checked arguments."""
    differentiate = torch.is_grad_enabled() and images.requires_grad
    loss: Tensor = _NormalisedMaskedL1.apply(images, target, scale, threshold, differentiate)
    return loss

"""Drawing and comparison in one, a chunk at a time, by the separable backend: ``reconstruction_loss``, ``reconstruction_divergence``.

A chunk of pictures is drawn, compared and differentiated while its Gaussians are in the cache. The figures of each
picture are linear in the incoming gradient, so that what is kept for the backward pass are the gradients of every point
in every picture, of a large cloud those of the pictures, which is then drawn again.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..arguments import Cloud
from ..autograd import differentiable_once
from .separable import Canvas, SpotGradients, add_gradients, each_sigma, gradients_of, widths_needed, zeros_like

HELD_BYTES = 64 * 2**20
"""Bytes of gradients of every point in every picture that may be kept for the backward pass."""
SMALLEST = 1e-20
"""In place of the intensity of an empty picture, whose logarithm must be finite."""


class Compared(NamedTuple):
    """A chunk of drawings compared with its targets; gradients are those of the first figure, None unless required."""

    figures: tuple[Tensor, ...]  # each [b]
    by_images: Tensor | None = None  # [b, H, W]
    by_background: Tensor | None = None  # [b]


COMPARED = 6
"""Arrays of the size of the pictures that a comparison has at a time."""
Compare = Callable[[Tensor, Tensor, bool], Compared]
"""Of drawings and targets ``[b, H, W]``, with gradients or without; the drawings may be overwritten."""


def normalised_l1(
    images: Tensor, target: Tensor, scale: float, mask_threshold: float, differentiate: bool
) -> tuple[Tensor, Tensor | None]:
    """Loss ``[B]`` and, if required, its gradient with respect to the images ``[B, H, W]``.

    With output ``o = f I`` and ``f = scale / sum I``, and ``s`` the sign of ``o - target`` inside the mask:
    ``dL/dI = f (s - sum(s o) / scale)``. A picture whose sum is 0,
    or so small that ``f`` overflows, has ``f = 0``: it and its gradient stay 0.
    """
    factor = _normaliser(images, scale)
    output = images * factor
    wanted = target * _normaliser(target, scale)
    distance = output - wanted
    mask = torch.gt(wanted, mask_threshold, out=torch.empty_like(wanted))  # several times as fast as masked_fill
    sign = distance.sign().mul_(mask)
    loss = distance.mul_(sign).sum((1, 2))
    if not differentiate:
        return loss, None
    pull = output.mul_(sign).sum((1, 2), keepdim=True) / scale
    return loss, sign.sub_(pull).mul_(factor)


def _normaliser(images: Tensor, scale: float) -> Tensor:
    factor = scale / images.sum((1, 2), keepdim=True)
    return factor.masked_fill_(factor.isinf(), 0)


class _Comparison(torch.autograd.Function):
    """Figures ``[B]`` of pictures, of which the first is differentiable in the cloud and in the background."""

    @staticmethod
    def forward(
        ctx: Any, compare: Compare, target: Tensor, grad_enabled: bool, background: Tensor | None, *parts: Any
    ) -> tuple[Tensor, ...]:
        cloud, needed = Cloud(*parts), ctx.needs_input_grad[4:]
        differentiate = grad_enabled and any(ctx.needs_input_grad)
        canvas = Canvas(cloud, (target.shape[1], target.shape[2]), pictures=COMPARED)
        pairs_bytes = len(target) * len(cloud.points) * target.element_size()
        hold = len(canvas.blocks) == 1 and len(SpotGradients._fields) * pairs_bytes <= HELD_BYTES
        grad_images = torch.empty_like(target) if differentiate and not hold else None
        found: list[Compared] = [] if len(target) else [compare(target, target, False)]
        held = []
        for images in canvas.images:
            drawn = torch.zeros_like(target[images])
            axes = canvas.draw(images, drawn)
            found.append(compare(drawn, target[images], differentiate))
            gradient = found[-1].by_images
            if grad_images is not None and gradient is not None:
                grad_images[images] = gradient
            elif gradient is not None and axes is not None:
                held.append(axes.gradients(gradient, widths_needed(needed)))
            found[-1] = found[-1]._replace(by_images=None)
        whole = (torch.cat(same) if same[0] is not None else None for same in zip(*held, strict=True))
        figures = tuple(torch.cat(same) for same in zip(*(one.figures for one in found), strict=True))
        by_background = [one.by_background for one in found if one.by_background is not None]
        ctx.save_for_backward(*parts, grad_images, torch.cat(by_background) if by_background else None, *whole)
        ctx.mark_non_differentiable(*figures[1:])
        return figures

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        count = len(Cloud._fields)
        cloud, (grad_images, by_background) = Cloud(*ctx.saved_tensors[:count]), ctx.saved_tensors[count : count + 2]
        held = ctx.saved_tensors[count + 2 :]
        if grad_images is not None:
            widths_too = widths_needed(ctx.needs_input_grad[4:])
            gradients = gradients_of(cloud, grad_images * grad_loss[:, None, None], widths_too)
        else:
            gradients = zeros_like(cloud)
            scaled: list[Any] = [None if part is None else part * grad_loss[:, None] for part in held]
            if scaled:
                add_gradients(gradients, cloud, slice(None), slice(None), SpotGradients(*scaled))
        pull = None
        if ctx.needs_input_grad[3]:  # of no pictures it is 0, as the other gradients are
            pull = grad_loss.new_zeros(()) if by_background is None else (by_background * grad_loss).sum()
        return None, None, None, pull, *gradients


def reconstruction_loss_separable(cloud: Cloud, target: Tensor, scale: float, mask_threshold: float) -> Tensor:
    """``reconstruction_loss`` for checked arguments."""

    def compare(images: Tensor, target: Tensor, differentiate: bool) -> Compared:
        loss, gradient = normalised_l1(images, target, scale, mask_threshold, differentiate)
        return Compared((loss,), gradient)

    parts = (compare, target, torch.is_grad_enabled(), None, *each_sigma(cloud))  # forward can't see whether it is
    (loss,) = _Comparison.apply(*parts)  # type: ignore[no-untyped-call,unused-ignore]
    return loss  # type: ignore[no-any-return,unused-ignore]


def reconstruction_divergence_separable(
    cloud: Cloud, background: Tensor, target: Tensor, scale: float, mask_threshold: float
) -> tuple[Tensor, Tensor]:
    """``reconstruction_divergence`` for checked arguments."""
    # A tensor throughout: reading it as a number would wait for a GPU, and can't be captured in a CUDA graph.
    share, least = background.detach().sigmoid(), mask_threshold / scale

    def compare(images: Tensor, target: Tensor, differentiate: bool) -> Compared:
        wanted = target / target.sum((1, 2), keepdim=True).clamp_min(SMALLEST)
        total = images.sum((1, 2), keepdim=True).clamp_min(SMALLEST)
        drawn, mask = images.div_(total), torch.empty_like(target)
        # Where a comparison gives floats it is several times as fast as masked_fill, and two operations are as lerp.
        torch.gt(wanted, least, out=mask)
        loss = scale * mask.mul_(torch.sub(drawn, wanted).abs_()).sum((1, 2))
        density = torch.mul(drawn, 1 - share, out=mask).add_(share / drawn.shape[1:].numel())
        ratio = torch.div(wanted, density, out=density)
        # Where nothing is wanted 0 times a finite logarithm; PyTorch's xlogy takes three times as long.
        divergence = ratio.clamp_min(SMALLEST).log_().mul_(wanted).sum((1, 2))
        if not differentiate:
            return Compared((divergence, loss))
        fitted = drawn.mul_(ratio).sum((1, 2))
        by_images = torch.sub(fitted[:, None, None], ratio, out=drawn)
        by_images.mul_(torch.where(total > SMALLEST, (1 - share) / total, 0))  # an empty picture stays empty
        return Compared((divergence, loss), by_images, (1 - share) * (fitted - wanted.sum((1, 2))))

    parts = (
        compare,
        target,
        torch.is_grad_enabled(),
        background,
        *each_sigma(cloud),
    )  # forward can't see whether it is
    divergence, loss = _Comparison.apply(*parts)  # type: ignore[no-untyped-call,unused-ignore]
    return divergence, loss

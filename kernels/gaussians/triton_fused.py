# mypy: disable-error-code="no-untyped-call, untyped-decorator"
"""The Triton backend of ``reconstruction_loss``: drawing, comparison and every gradient on the device.

``dL/dp = sum_b g_b (dloss_b/dimage_b) (dimage_b/dp)``, g the incoming gradient. Forward draws, compares
and keeps dloss/dimage, the only tensor of the size of the pictures that outlives the call; backward is the
gradient kernel of ``triton_splat`` on it, which takes g as a factor a picture. Three to four launches
forward, three backward.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..arguments import Cloud
from ..autograd import differentiable_once
from .triton_loss import compare
from .triton_splat import contiguous, draw, gradients


class _Options(NamedTuple):
    """What is no tensor of the cloud; autograd unpacks every argument of a function, so they come as one."""

    target: Tensor
    scale: float
    threshold: float
    precision: str
    grad_enabled: bool


class _ReconstructionLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, options: _Options, *parts: Tensor | None) -> Tensor:
        cloud, target = contiguous(*parts), options.target
        images = draw(cloud, (target.shape[1], target.shape[2]), options.precision)
        differentiate = options.grad_enabled and any(ctx.needs_input_grad[1:])
        loss, grad_images = compare(images, target, options.scale, options.threshold, differentiate)
        ctx.precision = options.precision
        ctx.save_for_backward(grad_images, *cloud)
        return loss

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        grad_images, *parts = ctx.saved_tensors
        found = gradients(Cloud(*parts), grad_images, grad_loss, ctx.precision, ctx.needs_input_grad[1:])
        return None, *found


def reconstruction_loss_triton(cloud: Cloud, target: Tensor, scale: float, threshold: float, precision: str) -> Tensor:
    """``reconstruction_loss`` for checked arguments in float32."""
    options = _Options(target, scale, threshold, precision, torch.is_grad_enabled())  # forward can't see the last
    loss: Tensor = _ReconstructionLoss.apply(options, *cloud)
    return loss

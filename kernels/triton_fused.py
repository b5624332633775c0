# mypy: disable-error-code="no-untyped-call, untyped-decorator"
"""The Triton backend of ``reconstruction_loss``: drawing, comparison and every gradient on the device.

``dL/dp = sum_b g_b (dloss_b/dimage_b) (dimage_b/dp)``, g the gradient that comes in. Forward draws, compares
and keeps dloss/dimage, the only thing of the size of the pictures that outlives the call; backward is the
gradient kernel of ``triton_splat`` on it, which takes g as a factor a picture. Three to four launches
forward, three backward.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .triton_loss import compare
from .triton_splat import Cloud, draw, gradients


class _ReconstructionLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, target: Tensor, scale: float, threshold: float, precision: str, *parts: Tensor | None
    ) -> Tensor:
        cloud = Cloud.of(*parts)
        images = draw(cloud, (target.shape[1], target.shape[2]), precision)
        loss, grad_images = compare(images, target, scale, threshold, any(ctx.needs_input_grad[4:]))
        ctx.precision = precision
        ctx.save_for_backward(grad_images, *cloud)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        grad_images, *parts = ctx.saved_tensors
        needed = ctx.needs_input_grad[4:]
        return (
            None,
            None,
            None,
            None,
            *gradients(Cloud(*parts), grad_images, grad_loss, ctx.precision, needed),
        )


def reconstruction_loss_triton(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Tensor,
    weights: Tensor | None,
    point_sigma: Tensor | None,
    target: Tensor,
    scale: float,
    threshold: float,
    precision: str,
) -> Tensor:
    """``reconstruction_loss`` for checked arguments: sigma [B] or [1], point_sigma [N, 2], float32."""
    parts = points, rotation, shift, sigma, weights, point_sigma
    loss: Tensor = _ReconstructionLoss.apply(target, scale, threshold, precision, *parts)
    return loss

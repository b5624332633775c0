"""``normalised_masked_l1``: distance between a drawing and a picture, independent of their brightness."""

from typing import Any

import torch
from torch import Tensor

from ..arguments import (
    Backend,
    check_not_negative,
    check_pictures,
    check_positive,
    check_values,
    choose_backend,
)  # fmt: skip
from ..autograd import differentiable_once, public_operation
from .separable_fused import normalised_l1


class _NormalisedMaskedL1(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, target: Tensor, scale: float, mask_threshold: float, differentiate: bool
    ) -> Tensor:
        loss, gradient = normalised_l1(images, target, scale, mask_threshold, differentiate)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_loss[:, None, None], None, None, None, None


@public_operation
def normalised_masked_l1(
    images: Tensor,
    target: Tensor,
    *,
    scale: float = 100.0,
    mask_threshold: float = 1e-4,
    backend: Backend | None = None,
    check: bool = False,
) -> Tensor:
    """Sum of ``|normalised image - normalised target|`` where the normalised target exceeds a threshold.

    Each picture is normalised to an intensity of ``scale`` over the whole of it (Blundell et al. 2021,
    section 3.2). A picture whose sum is 0 stays 0 and has zero gradient. It is differentiable once, in ``images``;
    second derivatives (``create_graph=True``) raise NotImplementedError.

    Args:
        images: ``[B, H, W]``.
        target: ``[B, H, W]``, raw; no gradient.
        scale: The intensity to which every picture is normalised.
        mask_threshold: 0 or more; 1e-4 is for 128 x 128, as normalised intensity decreases with the number of pixels.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (any device), or None to choose by device
            and dtype.
        check: Also check that all values are finite, which waits for the device.

    Returns:
        Loss of each picture ``[B]``.

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import normalised_masked_l1
        >>> picture = torch.rand(1, 8, 8)
        >>> normalised_masked_l1(3 * picture, picture).item() < 1e-4
        True
    """
    images = check_pictures("images", images)
    count, height, width = images.shape
    target = check_pictures("target", target, images, B=count, H=height, W=width).detach()
    scale = check_positive("scale", scale)
    mask_threshold = check_not_negative("mask_threshold", mask_threshold)
    if check:
        check_values(images=images, target=target)
    if choose_backend(backend, images) == "triton":
        from .triton_loss import normalised_masked_l1_triton

        return normalised_masked_l1_triton(images, target, scale, mask_threshold)
    differentiate = torch.is_grad_enabled() and images.requires_grad  # forward can't see the first
    loss: Tensor = _NormalisedMaskedL1.apply(images, target, scale, mask_threshold, differentiate)  # type: ignore[no-untyped-call,unused-ignore]
    return loss

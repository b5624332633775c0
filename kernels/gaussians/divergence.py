"""``reconstruction_divergence``: draw, normalise, and measure how far the drawn density is from the pictures, in one call."""

from typing import Any

import torch
from torch import Tensor

from ..arguments import (
    PRECISIONS,
    Backend,
    Cloud,
    Precision,
    Sigma,
    check_choice,
    check_cloud,
    check_not_negative,
    check_pictures,
    check_positive,
    check_tensor,
    choose_backend,
)  # fmt: skip
from ..autograd import differentiable_once, public_operation
from .loss import normalised_masked_l1
from .points import splat
from .separable_fused import SMALLEST, reconstruction_divergence_separable


@public_operation
def reconstruction_divergence(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Sigma,
    background: Tensor,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    scale: float = 100.0,
    mask_threshold: float = 1e-4,
    backend: Backend | None = None,
    precision: Precision = "tf32x3",
) -> tuple[Tensor, Tensor]:
    """The Kullback-Leibler divergence of a cloud's density from pictures, and the masked L1 of both beside it.

    The density of a picture I of sum s on P pixels is ``p = (1 - b) I / s + b / P``, b being the share of a uniform background;
    a target is normalised to a sum of 1 as q. The divergence is ``sum q log(q / p)``: up to a constant the negative
    log-likelihood of a localisation, mean over those that the target shows.

    It is differentiable once, in points, rotation, shift, sigma, weights and background; the masked L1 is not. A picture in
    which nothing is drawn has no gradient but that of the background.

    Args:
        points: Cloud ``[N, 3]``, pixels.
        rotation: ``[B, 3, 3]``; any matrix, of which the first two rows are used.
        shift: ``[B, 2]``, pixels.
        sigma: Standard deviation, pixels: a number or ``[B]``, above 0.
        background: Logit of b ``[]``.
        target: Raw pictures ``[B, H, W]``, normalised inside; no gradient.
        weights: Integral of each point's Gaussian ``[N]``; 1 if not given.
        scale: The intensity to which the masked L1 normalises.
        mask_threshold: Pixels of the masked L1: those whose target, normalised so, exceeds it.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (any device), or None to choose by device and dtype.
        precision: Precision of Triton's products.

    Returns:
        Divergence ``[B]``, nats, and masked L1 ``[B]``.

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape or device.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import reconstruction_divergence, splat
        >>> cloud, pose = torch.tensor([[3.0, 0.0, 5.0], [-4.0, 2.0, 0.0]]), (torch.eye(3)[None], torch.zeros(1, 2))
        >>> target = splat(cloud, *pose, sigma=2.0, shape=(32, 32))
        >>> fitted, _ = reconstruction_divergence(cloud, *pose, 2.0, torch.tensor(-12.0), target)
        >>> shifted, _ = reconstruction_divergence(cloud + 1, *pose, 2.0, torch.tensor(-12.0), target)
        >>> abs(fitted.item()) < 1e-4 < shifted.item()
        True
    """
    cloud = check_cloud(points, rotation, shift, sigma, weights, None)
    background = check_tensor("background", background, "", cloud.points)
    target = check_pictures("target", target, cloud.points, B=len(cloud.rotation)).detach()
    scale = check_positive("scale", scale)
    mask_threshold = check_not_negative("mask_threshold", mask_threshold)
    check_choice("precision", precision, PRECISIONS)
    if choose_backend(backend, cloud.points) == "triton":
        return _composed(cloud, background, target, scale, mask_threshold, precision)
    return reconstruction_divergence_separable(cloud, background, target, scale, mask_threshold)


def _composed(
    cloud: Cloud, background: Tensor, target: Tensor, scale: float, mask_threshold: float, precision: Precision
) -> tuple[Tensor, Tensor]:
    """On a GPU, whose drawing and comparison are kernels of their own."""
    shape = target.shape[1], target.shape[2]
    pose = cloud.points, cloud.rotation, cloud.shift, cloud.sigma
    images = splat(*pose, shape, weights=cloud.weights, precision=precision)
    loss = normalised_masked_l1(images.detach(), target, scale=scale, mask_threshold=mask_threshold)
    found: Tensor = _Divergence.apply(images, background, target)  # type: ignore[no-untyped-call,unused-ignore]
    return found, loss


class _Divergence(torch.autograd.Function):
    """The divergence ``[B]`` of pictures from drawings I of sum s.

    With ``a = sum(q / p * I / s)`` the gradients are ``dD/dI = (1 - b) / s (a - q / p)`` and, with respect to the logit of
    b, ``(1 - b) (a - sum q)``. In closed form they take a third of the operations, each a launch on a GPU, of automatic ones.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, background: Tensor, target: Tensor) -> Tensor:
        wanted = target / target.sum((1, 2), keepdim=True).clamp_min(SMALLEST)
        total = images.sum((1, 2), keepdim=True).clamp_min(SMALLEST)
        drawn, share = images / total, background.sigmoid()
        density = torch.lerp(drawn, drawn.new_full((), 1 / drawn.shape[1:].numel()), share)
        ctx.save_for_backward(total, drawn, density, 1 - share, wanted)
        return torch.nn.functional.kl_div(density.log(), wanted, reduction="none").sum((1, 2))

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        total, drawn, density, structure, wanted = ctx.saved_tensors
        ratio = wanted / density
        fitted = (ratio * drawn).sum((1, 2))
        factor = torch.where(total > SMALLEST, structure / total, 0)  # an empty picture stays empty
        grad_images = (fitted[:, None, None] - ratio) * (factor * grad[:, None, None])
        return grad_images, structure * ((fitted - wanted.sum((1, 2))) * grad).sum(), None

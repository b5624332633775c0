"""``reconstruction_loss``: projection, drawing, normalisation, mask and L1 in one call."""

from torch import Tensor

from ..arguments import (
    PRECISIONS,
    Backend,
    Precision,
    Sigma,
    check_choice,
    check_cloud,
    check_not_negative,
    check_pictures,
    check_positive,
    check_values,
    choose_backend,
)  # fmt: skip
from ..autograd import public_operation
from .separable_fused import reconstruction_loss_separable


@public_operation
def reconstruction_loss(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Sigma,
    target: Tensor,
    *,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
    scale: float = 100.0,
    mask_threshold: float = 1e-4,
    backend: Backend | None = None,
    precision: Precision = "tf32x3",
    check: bool = False,
) -> Tensor:
    """``normalised_masked_l1(splat(...), target)`` with its gradients, holding a chunk of Gaussians at most.

    It is differentiable once, in points, rotation, shift, sigma, weights and point_sigma; second derivatives
    (``create_graph=True``) raise NotImplementedError.

    Args:
        points: Cloud ``[N, 3]``, pixels.
        rotation: ``[B, 3, 3]``; any matrix, of which the first two rows are used.
        shift: ``[B, 2]``, pixels.
        sigma: Standard deviation, pixels: a number or ``[B]``, above 0.
        target: Raw pictures ``[B, H, W]``, normalised inside; no gradient.
        weights: Integral of each point's Gaussian ``[N]``; 1 if not given.
        point_sigma: A width of each point's own, ``[N]`` or ``[N, 2]``, pixels, added to sigma in quadrature.
        scale: The intensity to which every picture is normalised.
        mask_threshold: Only pixels whose normalised target exceeds it count; 0 or more.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (any device), or None to choose by device
            and dtype.
        precision: Precision of Triton's products: tf32 (relative error 3e-4), bf16x3 (5e-6) and tf32x3 (4e-7) on tensor
            cores, or ieee; the separable backend's are PyTorch's own.
        check: Also check values (finite, sigma above 0), which waits for the device.

    Returns:
        Loss of each picture ``[B]``.

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import reconstruction_loss, splat
        >>> cloud, pose = torch.tensor([[3.0, 0.0, 5.0], [-4.0, 2.0, 0.0]]), (torch.eye(3)[None], torch.zeros(1, 2))
        >>> target = splat(cloud, *pose, sigma=2.0, shape=(32, 32))
        >>> moved = (cloud + 1.0).requires_grad_()
        >>> reconstruction_loss(moved, *pose, 2.0, target).sum().backward()
        >>> bool((moved.grad[:, :2] > 0).all()), moved.grad[:, 2].tolist()
        (True, [0.0, 0.0])
    """
    cloud = check_cloud(points, rotation, shift, sigma, weights, point_sigma)
    target = check_pictures("target", target, cloud.points, B=len(cloud.rotation)).detach()
    scale = check_positive("scale", scale)
    mask_threshold = check_not_negative("mask_threshold", mask_threshold)
    check_choice("precision", precision, PRECISIONS)
    chosen = choose_backend(backend, cloud.points)
    if check:
        check_values(**cloud._asdict(), target=target)
    if chosen == "triton":
        from .triton_fused import reconstruction_loss_triton

        return reconstruction_loss_triton(cloud, target, scale, mask_threshold, precision)
    return reconstruction_loss_separable(cloud, target, scale, mask_threshold)

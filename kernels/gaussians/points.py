"""``splat``: pictures of a cloud under many poses."""

from torch import Tensor

from ..arguments import (
    PRECISIONS,
    Backend,
    Precision,
    Shape,
    Sigma,
    check_choice,
    check_cloud,
    check_shape,
    check_values,
    choose_backend,
)  # fmt: skip
from ..autograd import public_operation
from .separable import splat_separable


@public_operation
def splat(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Sigma,
    shape: Shape,
    *,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
    backend: Backend | None = None,
    precision: Precision = "tf32x3",
    check: bool = False,
) -> Tensor:
    """Draw one Gaussian a point, of integral ``weights[n]``, sampled at pixel centres (Blundell et al. 2021, eq. 2).

    It is differentiable once, in points, rotation, shift, sigma, weights and point_sigma; second derivatives
    (``create_graph=True``) raise NotImplementedError. The same input gives the same bits. Triton leaves out blocks of
    points where each of them is below 1e-7 of its peak (5.68 sigma away).

    Args:
        points: Cloud ``[N, 3]``, pixels.
        rotation: ``[B, 3, 3]``; any matrix, of which the first two rows are used.
        shift: ``[B, 2]``, pixels, added after the rotation; (0, 0) is the picture's centre ((W-1)/2,
            (H-1)/2).
        sigma: Standard deviation, pixels: a number or ``[B]``, above 0.
        shape: (H, W).
        weights: Integral of each point's Gaussian ``[N]``; 1 if not given.
        point_sigma: A width of each point's own, ``[N]`` or (x, y) ``[N, 2]``, pixels, added to sigma in
            quadrature.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (any device), or None to choose by device
            and dtype.
        precision: Precision of Triton's products: tf32 (relative error 3e-4), bf16x3 (5e-6) and tf32x3 (4e-7) on tensor
            cores, or ieee; the separable backend's are PyTorch's own.
        check: Also check values (finite, sigma above 0), which waits for the device.

    Returns:
        Pictures ``[B, H, W]`` in the dtype of ``points`` (float32 or float64).

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import splat
        >>> images = splat(torch.zeros(1, 3), torch.eye(3)[None], torch.zeros(1, 2), sigma=2.0, shape=(31, 33))
        >>> images.shape, round(images.sum().item(), 4)
        (torch.Size([1, 31, 33]), 1.0)
    """
    cloud = check_cloud(points, rotation, shift, sigma, weights, point_sigma)
    shape = check_shape(shape)
    check_choice("precision", precision, PRECISIONS)
    chosen = choose_backend(backend, cloud.points)
    if check:
        check_values(**cloud._asdict())
    if chosen == "triton":
        from .triton_splat import splat_triton

        return splat_triton(cloud, shape, precision)
    return splat_separable(cloud, shape)

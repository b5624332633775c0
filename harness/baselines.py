"""What the kernels are measured against: the naive separable product under autograd, and the dense reference.

Every backend of the harness is a function with the public signature, so that one runner serves all of them.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from holly_triton import kernels
from holly_triton.kernels.gaussians import reference

from .cases import Case, Inputs

BACKENDS = ("triton", "separable", "naive", "dense")
NAIVE_TENSORS = 8
"""Tensors of images x points x (height + width) that the naive version holds at once, for autograd too."""
DENSE_TENSORS = 8
"""Tensors of images x points x height x width in the dense version."""


def operation(case: Case, backend: str) -> Callable[..., Tensor]:
    """A function with the signature of the case's public operation."""
    if backend == "dense":
        return getattr(reference, case.op)  # type: ignore[no-any-return]
    if backend == "naive":
        return NAIVE[case.op]
    options: dict[str, Any] = {"backend": backend}
    if case.op in ("splat", "reconstruction_loss"):
        options["precision"] = case.precision
    return functools.partial(getattr(kernels, case.op), **options)


def forward(case: Case, backend: str, inputs: Inputs) -> Tensor:
    """What the operation returns, without gradients."""
    with torch.no_grad(), products(case.precision, inputs.cotangent.device):
        return operation(case, backend)(**inputs.arguments)


def forward_backward(case: Case, backend: str, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
    """What the operation returns, and the gradient of every differentiable argument."""
    with products(case.precision, inputs.cotangent.device):
        out = operation(case, backend)(**inputs.arguments)
        leaves = [inputs.arguments[name] for name in inputs.differentiable]
        if not leaves:
            return out, {}
        gradients = torch.autograd.grad(out, leaves, inputs.cotangent, materialize_grads=True, allow_unused=True)
    return out.detach(), dict(zip(inputs.differentiable, gradients, strict=True))


@contextlib.contextmanager
def products(precision: str, device: torch.device) -> Iterator[None]:
    """PyTorch's own matrix products at the kernels' class of precision: tf32, or all 24 bits."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def needed_bytes(case: Case, backend: str, images: int) -> int:
    """About what a backend's forward and backward pass hold at once; 0 for those that work in chunks."""
    sides = {
        "naive": NAIVE_TENSORS * (case.height + case.width),
        "dense": DENSE_TENSORS * case.height * case.width,
    }
    points = 1 if case.op == "normalised_masked_l1" else case.points
    return 4 * images * points * sides.get(backend, 0)


def naive_splat(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Tensor,
    shape: tuple[int, int],
    *,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
) -> Tensor:
    """One batched matrix product of Gaussians along rows and columns, as anybody would write it."""
    xy = points @ rotation[:, :2].transpose(1, 2) + shift[:, None]  # [B, N, 2]
    width = sigma.reshape(-1, 1, 1)  # [B or 1, 1, 1]
    if point_sigma is not None:
        width = (width**2 + point_sigma.reshape(len(points), -1) ** 2).sqrt()  # [B or 1, N, 1 or 2]
    gx = axis(xy[..., 0], width[..., 0], shape[1])  # [B, N, W]
    gy = axis(xy[..., 1], width[..., -1], shape[0])  # [B, N, H]
    if weights is not None:
        gx = gx * weights[:, None]
    return torch.bmm(gy.transpose(1, 2), gx)


def axis(position: Tensor, sigma: Tensor, length: int) -> Tensor:
    """Gaussians of integral 1 along one axis."""
    centres = torch.arange(length, dtype=position.dtype, device=position.device) - (length - 1) / 2
    offset = (centres - position[..., None]) / sigma[..., None]
    gaussians: Tensor = torch.exp(-(offset**2) / 2) / ((2 * torch.pi) ** 0.5 * sigma[..., None])
    return gaussians


def naive_reconstruction_loss(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Tensor,
    target: Tensor,
    *,
    mask_threshold: float,
    weights: Tensor | None = None,
    point_sigma: Tensor | None = None,
) -> Tensor:
    """The naive picture and the loss written with plain operations."""
    shape = (target.shape[1], target.shape[2])
    images = naive_splat(points, rotation, shift, sigma, shape, weights=weights, point_sigma=point_sigma)
    return reference.normalised_masked_l1(images, target, mask_threshold=mask_threshold)


def naive_splat_emitters(
    xy: Tensor, offsets: Tensor, sigma: Tensor, shape: tuple[int, int], *, weights: Tensor | None = None
) -> Tensor:
    """One matrix product a picture."""
    width = (sigma.reshape(-1, 1) if sigma.ndim < 2 else sigma).expand(len(xy), 2)
    gx, gy = axis(xy[:, 0], width[:, 0], shape[1]), axis(xy[:, 1], width[:, 1], shape[0])
    if weights is not None:
        gx = gx * weights[:, None]
    bounds = offsets.tolist()
    pictures = [gy[a:b].T @ gx[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
    images: Tensor = torch.stack(pictures) if pictures else xy.new_zeros(0, *shape)
    return images


NAIVE: dict[str, Callable[..., Tensor]] = {
    "splat": naive_splat,
    "reconstruction_loss": naive_reconstruction_loss,
    "normalised_masked_l1": reference.normalised_masked_l1,
    "splat_emitters": naive_splat_emitters,
}

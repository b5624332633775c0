r"""The separable backend: plain PyTorch on any device, and the default on a CPU.

A Gaussian separates, so a picture is a matrix product. With :math:`g^x_{nj} = \exp(-(j - x_n)^2 / 2\sigma_x^2)`, :math:`g^y`
alike, and amplitude :math:`a_n = w_n / 2\pi\sigma_x\sigma_y`::

    image[i, j]  = sum_n  a_n gy[n, i] gx[n, j]

N (H + W) exponentials and one (H x N)(N x W) product, instead of N H W exponentials. Backward, with
``D = dLoss/dImage``, two more products give everything, and nothing of size B x N x H x W ever exists::

    P[n, j]      = gx[n, j] sum_i gy[n, i] D[i, j]          Q[n, i] = gy[n, i] sum_j gx[n, j] D[i, j]
    dL/da_n      = sum_j P[n, j]
    dL/dx_n      = a_n sum_j P[n, j] (j - x_n)   / sigma_x^2            dL/dy_n from Q alike
    dL/dsigma_x  = a_n sum_j P[n, j] (j - x_n)^2 / sigma_x^3            (the exponent's part; autograd adds that of a_n)

The work goes in chunks that stay in a CPU's cache: on two cores that is worth as much as the arithmetic, and it
bounds memory whatever N is. Projection and amplitude are O(B N) and left to autograd.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .arguments import Shape

CHUNK_BYTES = 6 * 2**20
"""Gaussians held at once. Measured on 2 cores (350 points, 32 to 128 px): 3 to 12 MiB are alike, whole batches slower."""


class Spots(NamedTuple):
    """Gaussians in the pictures, pixels from the centre; ``[B, 1]`` where all points of a picture share a value."""

    x: Tensor  # [B, N]
    y: Tensor  # [B, N]
    sigma_x: Tensor  # [B, N] or [B, 1]
    sigma_y: Tensor  # [B, N] or [B, 1]
    amplitude: Tensor  # [B, N] or [B, 1]

    def block(self, images: slice, points: slice) -> "Spots":
        """The spots of some points in some pictures."""
        return Spots(*(part[images] if part.shape[1] == 1 else part[images, points] for part in self))


def project_spots(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    sigma: Tensor,
    weights: Tensor | None,
    point_sigma: Tensor | None,
) -> Spots:
    """Where a cloud's points fall under each pose, how wide and how bright they are."""
    xy = points @ rotation[:, :2].transpose(1, 2) + shift[:, None]  # [B, N, 2]
    sigma_x = sigma_y = sigma.expand(len(rotation))[:, None]  # [B, 1]
    if point_sigma is not None:
        sigma_x, sigma_y = (torch.hypot(sigma_x, width) for width in point_sigma.unbind(1))  # [B, N]
    amplitude = 1 / (2 * torch.pi * sigma_x * sigma_y)
    if weights is not None:
        amplitude = amplitude * weights
    return Spots(xy[..., 0], xy[..., 1], sigma_x, sigma_y, amplitude)


def pixel_centres(length: int, like: Tensor) -> Tensor:
    """Pixel centres along one axis ``[length]``, relative to the picture's centre."""
    return torch.arange(length, dtype=like.dtype, device=like.device) - (length - 1) / 2


def axis_gaussians(position: Tensor, sigma: Tensor, centres: Tensor) -> Tensor:
    """Gaussians of peak 1 along one axis: positions ``[...]``, centres ``[L]`` to ``[..., L]``."""
    steepness = 0.5**0.5 / sigma[..., None]
    gaussians = centres * steepness - position[..., None] * steepness
    torch.addcmul(gaussians.new_zeros(()), gaussians, gaussians, value=-1, out=gaussians)
    return gaussians.exp_()


def splat_separable(spots: Spots, shape: Shape) -> Tensor:
    """Pictures ``[B, H, W]`` of the spots, differentiable in each of their parts."""
    images: Tensor = _Splat.apply(shape, *spots)
    return images


def reconstruction_loss_separable(spots: Spots, target: Tensor, scale: float, mask_threshold: float) -> Tensor:
    """``normalised_masked_l1`` of the spots' pictures ``[B]``; gradients are taken while the Gaussians are at hand."""
    loss: Tensor = _ReconstructionLoss.apply(target, scale, mask_threshold, *spots)
    return loss


def normalised_l1(images: Tensor, target: Tensor, scale: float, mask_threshold: float) -> tuple[Tensor, Tensor]:
    """Loss ``[B]`` and its gradient with respect to the images ``[B, H, W]``.

    With output ``o = f I`` and ``f = scale / sum I``, and ``s`` the sign of ``o - target`` inside the mask:
    ``dL/dI = f (s - sum(s o) / scale)``. A picture whose sum is 0 has ``f = 0``: it stays 0, and so does its gradient.
    """
    wanted = target * _normaliser(target, scale)
    factor = _normaliser(images, scale)
    output = images * factor
    sign = (output - wanted).sign_() * (wanted > mask_threshold)
    loss = (sign * (output - wanted)).sum((1, 2))
    pull = (sign * output).sum((1, 2), keepdim=True) / scale
    return loss, factor * (sign - pull)


def _normaliser(images: Tensor, scale: float) -> Tensor:
    total = images.sum((1, 2), keepdim=True)
    return torch.where(total == 0, torch.zeros_like(total), scale / total)


class _Axes(NamedTuple):
    """Gaussians of one chunk along both axes, with the pixel centres they were sampled at."""

    gx: Tensor  # [B, N, W]
    gy: Tensor  # [B, N, H]
    columns: Tensor  # [W]
    rows: Tensor  # [H]

    @staticmethod
    def of(spots: Spots, shape: Shape) -> "_Axes":
        rows, columns = (pixel_centres(length, spots.x) for length in shape)
        return _Axes(
            axis_gaussians(spots.x, spots.sigma_x, columns), axis_gaussians(spots.y, spots.sigma_y, rows), columns, rows
        )

    def image(self, amplitude: Tensor) -> Tensor:
        if amplitude.shape[1] == 1:
            return torch.bmm(self.gy.transpose(1, 2), self.gx) * amplitude[..., None]
        return torch.bmm(self.gy.transpose(1, 2), self.gx * amplitude[..., None])

    def gradients(self, grad_image: Tensor, spots: Spots, sigma_too: bool) -> Spots:
        """dL/d(x, y, sigma_x, sigma_y, amplitude), each ``[B, N]`` (sigma: zeros unless asked for)."""
        along_x = torch.bmm(self.gy, grad_image).mul_(self.gx)
        grad_amplitude, grad_x, grad_sigma_x = _moments(along_x, self.columns, spots.x, spots.sigma_x, sigma_too)
        along_y = torch.bmm(self.gx, grad_image.transpose(1, 2)).mul_(self.gy)
        _, grad_y, grad_sigma_y = _moments(along_y, self.rows, spots.y, spots.sigma_y, sigma_too)
        a = spots.amplitude
        return Spots(a * grad_x, a * grad_y, a * grad_sigma_x, a * grad_sigma_y, grad_amplitude)


def _moments(weight: Tensor, centres: Tensor, x: Tensor, sigma: Tensor, second: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over pixels of ``weight``, of ``weight (j - x) / sigma^2`` and, if asked, ``weight (j - x)^2 / sigma^3``."""
    basis = torch.stack([torch.ones_like(centres), centres], dim=1)
    zeroth, first = (weight @ basis).unbind(-1)
    slope = (first - x * zeroth) / sigma**2
    if not second:
        return zeroth, slope, torch.zeros_like(zeroth)
    # Taken about x, not from raw moments, whose difference would lose four digits at the edge of the frame.
    offset = centres - x[..., None]
    spread = torch.einsum("bnj,bnj->bn", weight, offset.mul_(offset)) / sigma**3
    return zeroth, slope, spread


def _chunks(spots: Spots, shape: Shape) -> tuple[list[slice], list[slice]]:
    """Slices of pictures and of points whose Gaussians fit CHUNK_BYTES together (one picture, one point at least)."""
    images, points = spots.x.shape
    pairs = max(1, CHUNK_BYTES // (spots.x.element_size() * sum(shape)))
    return list(_slices(images, max(1, pairs // max(1, points)))), list(_slices(points, pairs))


def _slices(total: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, total)) for start in range(0, total, step))


def _empty_gradients(spots: Spots) -> Spots:
    return Spots(*(torch.empty_like(spots.x) for _ in spots))


def _store(into: Spots, images: slice, points: slice, values: Spots) -> None:
    for whole, part in zip(into, values, strict=True):
        whole[images, points] = part


def _reduced(gradients: Spots, spots: Spots, needed: tuple[bool, ...]) -> list[Tensor | None]:
    """Gradients in the shape of the inputs: summed over the points where these share a value."""
    return [
        (gradient if part.shape[1] > 1 or gradient.shape[1] == 1 else gradient.sum(1, keepdim=True)) if wanted else None
        for gradient, part, wanted in zip(gradients, spots, needed, strict=True)
    ]


class _Splat(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Shape, *parts: Tensor) -> Tensor:
        spots = Spots(*parts)
        ctx.shape = shape
        ctx.save_for_backward(*parts)
        images = spots.x.new_zeros(len(spots.x), *shape)
        image_slices, point_slices = _chunks(spots, shape)
        for chunk in image_slices:
            for block in point_slices:
                part = spots.block(chunk, block)
                images[chunk] += _Axes.of(part, shape).image(part.amplitude)
        return images

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_images: Tensor) -> tuple[Tensor | None, ...]:
        spots = Spots(*ctx.saved_tensors)
        needed = ctx.needs_input_grad[1:]
        gradients = _empty_gradients(spots)
        image_slices, point_slices = _chunks(spots, ctx.shape)
        for chunk in image_slices:
            for block in point_slices:
                part = spots.block(chunk, block)
                axes = _Axes.of(part, ctx.shape)
                _store(gradients, chunk, block, axes.gradients(grad_images[chunk], part, needed[2] or needed[3]))
        return None, *_reduced(gradients, spots, needed)


class _ReconstructionLoss(torch.autograd.Function):
    """Draws, compares and differentiates a chunk at a time; the loss of each picture is linear in what comes back."""

    @staticmethod
    def forward(ctx: Any, target: Tensor, scale: float, mask_threshold: float, *parts: Tensor) -> Tensor:
        spots = Spots(*parts)
        needed = ctx.needs_input_grad[3:]
        shape = (target.shape[1], target.shape[2])
        loss = spots.x.new_empty(len(spots.x))
        gradients = _empty_gradients(spots)
        image_slices, point_slices = _chunks(spots, shape)
        for chunk in image_slices:
            blocks = [(block, spots.block(chunk, block)) for block in point_slices]
            images = target.new_zeros(target[chunk].shape)
            axes = None
            for _, part in blocks:
                axes = _Axes.of(part, shape)
                images += axes.image(part.amplitude)
            loss[chunk], grad_images = normalised_l1(images, target[chunk], scale, mask_threshold)
            if not any(needed):
                continue
            for block, part in blocks:
                # One block is still at hand; several are drawn again rather than held.
                held = axes if axes is not None and len(blocks) == 1 else _Axes.of(part, shape)
                _store(gradients, chunk, block, held.gradients(grad_images, part, needed[2] or needed[3]))
        ctx.save_for_backward(*_reduced(gradients, spots, needed))
        return loss

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        scaled = (None if gradient is None else gradient * grad_loss[:, None] for gradient in ctx.saved_tensors)
        return None, None, None, *scaled

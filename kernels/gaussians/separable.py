"""The separable backend: plain PyTorch on any device, and the default on a CPU.

A Gaussian separates, so a picture is a matrix product. With ``gx[n, j] = exp(-(j - x_n)^2 / 2 sigma_x^2)``,
``gy`` alike, and amplitude ``a_n = w_n u_n``, ``u_n = 1 / (2 pi sigma_x sigma_y)``::

    image[i, j]  = sum_n  a_n gy[n, i] gx[n, j]

N (H + W) exponentials and one (H x N)(N x W) product, instead of N H W exponentials. Backward, with
``D = dLoss/dImage``, two more products give everything, and nothing of size B x N x H x W ever exists::

    P[n, j]        = gx[n, j] sum_i gy[n, i] D[i, j]        Q[n, i] = gy[n, i] sum_j gx[n, j] D[i, j]
    dL/dw_n        = u_n sum_j P[n, j]
    dL/dx_n        = a_n sum_j P[n, j] (j - x_n) / sigma_x^2                        dL/dy_n from Q alike
    dL/dsigma_x^2  = a_n sum_j P[n, j] ((j - x_n)^2 / sigma_x^2 - 1) / 2 sigma_x^2

The work is done in chunks that fit a CPU's cache, in buffers that are reused: on two cores this matters as much as
the arithmetic, and it bounds memory for any N.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..arguments import Cloud, Shape
from ..autograd import differentiable_once

CHUNK_BYTES = 8 * 2**20
"""Bytes of the Gaussians held at a time, with their products and pictures. Measured on one thread (112 and 354 points, 16 to
128 px): 6 to 12 MiB are equally fast, 1 MiB takes 1.4 to 2 times as long, 24 MiB up to a third more."""

FAR = 1e18
"""A coordinate in pixels outside any picture that replaces infinite ones: it is finite, so that 0 times an offset is 0."""

CUT = -52.0
"""Exponents of 2 below this give 0: beyond 8.5 sigma, 2e-16 of the peak. Numbers below the float range are slow on a CPU."""


class Block(NamedTuple):
    """Gaussians of some points in some pictures, pixels from the centre; ``[b, 1]`` where points share it."""

    x: Tensor  # [b, n]
    y: Tensor  # [b, n]
    sigma_x: Tensor  # [b, n] or [b, 1]
    sigma_y: Tensor  # [b, n] or [b, 1]
    unit: Tensor  # [b, n] or [b, 1]: peak of a Gaussian of integral 1
    amplitude: Tensor  # [b, n] or [b, 1]


def project(cloud: Cloud, images: slice, points: slice) -> Block:
    """Positions, widths and amplitudes of some points in some pictures, a block at a time to save memory."""
    # Not a matrix product: in tf32, positions would lose three digits.
    turn, along = cloud.rotation[images, :2, :, None], cloud.points[points].T.contiguous()
    both = cloud.shift[images, :, None] + turn[:, :, 0] * along[0]  # [b, 2, n]
    for k in (1, 2):
        both.addcmul_(turn[:, :, k], along[k])
    x, y = both.clamp_(-FAR, FAR).unbind(1)  # a NaN stays one
    sigma_x = sigma_y = cloud.sigma[images, None]  # [b, 1]
    if cloud.point_sigma is not None:
        sigma_x, sigma_y = (torch.hypot(sigma_x, width) for width in cloud.point_sigma[points].unbind(1))
    unit = 1 / (2 * torch.pi * sigma_x * sigma_y)
    amplitude = unit if cloud.weights is None else unit * cloud.weights[points]
    return Block(x, y, sigma_x, sigma_y, unit, amplitude)


def pixel_centres(length: int, like: Tensor) -> Tensor:
    """Pixel centres along one axis ``[length]``, relative to the picture's centre."""
    return torch.arange(length, dtype=like.dtype, device=like.device) - (length - 1) / 2


def axis_gaussians(position: Tensor, sigma: Tensor, centres: Tensor, out: Tensor | None = None) -> Tensor:
    """Gaussians of peak 1 along one axis: positions ``[...]``, centres ``[L]`` to ``[..., L]``."""
    # PyTorch's exp2 takes 0.4 of the time of its exp on a CPU.
    scale = (0.5 * math.log2(math.e)) ** 0.5 / sigma[..., None]
    gaussians = torch.sub(centres, position[..., None], out=out).mul_(scale)
    torch.addcmul(gaussians.new_zeros(()), gaussians, gaussians, value=-1, out=gaussians)
    return torch.threshold_(gaussians, CUT, -math.inf).exp2_()


class SpotGradients(NamedTuple):
    """Gradients of every point in every picture, ``[b, n]``."""

    x: Tensor
    y: Tensor
    weight: Tensor
    variance_x: Tensor | None  # twice that of sigma_x^2; None where no width needs it
    variance_y: Tensor | None


class _Axes(NamedTuple):
    """Gaussians of a block along both axes, and buffers for their products."""

    block: Block
    gx: Tensor  # [b, n, W]
    gy: Tensor  # [b, n, H]
    columns: Tensor  # [W]
    rows: Tensor  # [H]
    room: tuple[Tensor, Tensor]  # flat, for [b, n, W] or [b, n, H] each

    def draw(self, into: Tensor, shared: bool) -> None:
        """Add the block to its pictures, without an amplitude that all points share."""
        scaled = self.gx
        if not shared:
            scaled = torch.mul(self.gx, self.block.amplitude[..., None], out=_like(self.room[0], self.gx))
        into.baddbmm_(self.gy.transpose(1, 2), scaled)

    def gradients(self, grad_images: Tensor, widths_too: bool) -> SpotGradients:
        """The block's gradients; those of the variances only if required."""
        block = self.block
        along_x = torch.bmm(self.gy, grad_images, out=_like(self.room[0], self.gx)).mul_(self.gx)
        total, x, variance_x = self._moments(along_x, self.columns, block.x, block.sigma_x, widths_too)
        turned = grad_images.transpose(1, 2)
        along_y = torch.bmm(self.gx, turned, out=_like(self.room[0], self.gy)).mul_(self.gy)
        _, y, variance_y = self._moments(along_y, self.rows, block.y, block.sigma_y, widths_too)
        return SpotGradients(x, y, block.unit * total, variance_x, variance_y)

    def _moments(
        self, along: Tensor, centres: Tensor, position: Tensor, sigma: Tensor, second_too: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Sums over pixels of ``along``, and its first and second moments about the point."""
        total = along.sum(-1)
        offset = torch.sub(centres, position[..., None], out=_like(self.room[1], along))
        slope = self.block.amplitude / sigma**2
        first = slope * along.mul_(offset).sum(-1)
        if not second_too:
            return total, first, None
        return total, first, slope * (along.mul_(offset).sum(-1) / sigma**2 - total)


class Canvas:
    """The work cut into blocks that fit CHUNK_BYTES (or one point in one picture), and buffers for one.

    Beside the Gaussians a block has room for so many arrays of the size of its ``pictures``.
    """

    def __init__(self, cloud: Cloud, shape: Shape, pictures: int = 1):
        like, count, many = cloud.points, len(cloud.points), len(cloud.rotation)
        lengths = (shape[1], shape[0], max(shape), max(shape))
        pairs = max(1, CHUNK_BYTES // (like.element_size() * sum(lengths)))
        self.cloud = cloud
        self.rows, self.columns = (pixel_centres(length, like) for length in shape)
        held = like.element_size() * (count * sum(lengths) + pictures * shape[0] * shape[1])
        self.images = list(_slices(many, max(1, CHUNK_BYTES // held)))
        self.blocks = list(_slices(count, pairs))
        pairs = min(pairs, count * many)
        self._gx, self._gy, *self._room = (like.new_empty(pairs * length) for length in lengths)

    def lay(self, images: slice, points: slice) -> _Axes:
        """Sample a block's Gaussians, which replace those of the block before."""
        block = project(self.cloud, images, points)
        pairs = block.x.shape
        gx = self._gx[: pairs.numel() * len(self.columns)].view(*pairs, -1)
        gy = self._gy[: pairs.numel() * len(self.rows)].view(*pairs, -1)
        axis_gaussians(block.x, block.sigma_x, self.columns, out=gx)
        axis_gaussians(block.y, block.sigma_y, self.rows, out=gy)
        return _Axes(block, gx, gy, self.columns, self.rows, (self._room[0], self._room[1]))

    def draw(self, images: slice, into: Tensor) -> _Axes | None:
        """Draw pictures into zeros, and return the last of their blocks, which is the only one of a small cloud."""
        shared, axes = self.cloud.weights is None and self.cloud.point_sigma is None, None
        for points in self.blocks:
            axes = self.lay(images, points)
            axes.draw(into, shared)
        if axes is not None and shared:
            into.mul_(axes.block.amplitude[..., None])
        return axes


def _like(room: Tensor, wanted: Tensor) -> Tensor:
    return room[: wanted.numel()].view(wanted.shape)


def _slices(total: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, total)) for start in range(0, total, step))


def add_gradients(into: Cloud, cloud: Cloud, images: slice, points: slice, gradients: SpotGradients) -> None:
    """Carry a block's gradients back to the cloud and its poses."""
    for axis, pull in enumerate((gradients.x, gradients.y)):
        into.points[points].addmm_(pull.T, cloud.rotation[images, axis])
        into.rotation[images, axis].addmm_(pull, cloud.points[points])
        into.shift[images, axis] += pull.sum(1)
    if into.weights is not None:
        into.weights[points] += gradients.weight.sum(0)
    if gradients.variance_x is None or gradients.variance_y is None:
        return
    into.sigma[images] += cloud.sigma[images] * (gradients.variance_x + gradients.variance_y).sum(1)
    if into.point_sigma is not None and cloud.point_sigma is not None:
        variance = torch.stack([gradients.variance_x.sum(0), gradients.variance_y.sum(0)], dim=1)
        into.point_sigma[points] += cloud.point_sigma[points] * variance


def zeros_like(cloud: Cloud) -> Cloud:
    """Room for the gradients of a cloud."""
    zeros: list[Any] = [None if part is None else part.new_zeros(part.shape) for part in cloud]
    return Cloud(*zeros)


def gradients_of(cloud: Cloud, grad_images: Tensor, widths_too: bool) -> Cloud:
    """The gradients of a cloud, given those of its pictures ``[B, H, W]``."""
    canvas = Canvas(cloud, (grad_images.shape[1], grad_images.shape[2]))
    into = zeros_like(cloud)
    for images in canvas.images:
        for points in canvas.blocks:
            found = canvas.lay(images, points).gradients(grad_images[images], widths_too)
            add_gradients(into, cloud, images, points, found)
    return into


class _Splat(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Shape, *parts: Any) -> Tensor:
        cloud = Cloud(*parts)
        ctx.save_for_backward(*parts)
        canvas = Canvas(cloud, shape)
        drawn = cloud.points.new_zeros(len(cloud.rotation), *shape)
        for images in canvas.images:
            canvas.draw(images, drawn[images])
        return drawn

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_images: Tensor) -> tuple[Tensor | None, ...]:
        cloud = Cloud(*ctx.saved_tensors)
        return None, *gradients_of(cloud, grad_images, widths_needed(ctx.needs_input_grad[1:]))


def widths_needed(needed: tuple[bool, ...]) -> bool:
    """Whether a gradient is required of any width, given which are of the parts of the cloud."""
    return Cloud(*needed).sigma or Cloud(*needed).point_sigma  # type: ignore[arg-type,return-value]


def splat_separable(cloud: Cloud, shape: Shape) -> Tensor:
    """``splat`` for checked arguments."""
    images: Tensor = _Splat.apply(shape, *each_sigma(cloud))  # type: ignore[no-untyped-call,unused-ignore]
    return images


def each_sigma(cloud: Cloud) -> Cloud:
    """The cloud with a sigma for every picture."""
    return cloud._replace(sigma=cloud.sigma.expand(len(cloud.rotation)))

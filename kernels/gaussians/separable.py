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

CHUNK_BYTES = 24 * 2**20
"""Bytes of the Gaussians held at a time, with their products. Measured on 2 cores (100 to 10 000 points, 16 to
128 px): 6 to 24 MiB are equally fast on one thread; more calls cost waits where cores are shared."""

FAR = 1e18
"""A coordinate in pixels outside any picture that replaces infinite ones: it is finite, so that 0 times an offset is 0."""

HELD_BYTES = 64 * 2**20
"""Bytes of gradients of every point in every picture that a loss may keep for the backward pass."""

CUT = -36.0
"""Exponents below this are treated as 0: beyond 8.5 sigma, 2e-16 of the peak. An exponential that leaves the float
range takes ten to forty times as long on a CPU."""


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
    turn, along = cloud.rotation[images], cloud.points[points].T.contiguous()
    x, y = (cloud.shift[images, axis, None] + turn[:, axis, :1] * along[0] for axis in range(2))
    for k in (1, 2):
        x.addcmul_(turn[:, 0, k, None], along[k])
        y.addcmul_(turn[:, 1, k, None], along[k])
    x.clamp_(-FAR, FAR)  # a NaN stays one
    y.clamp_(-FAR, FAR)
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
    gaussians = torch.sub(centres, position[..., None], out=out).mul_(0.5**0.5 / sigma[..., None])
    torch.addcmul(gaussians.new_zeros(()), gaussians, gaussians, value=-1, out=gaussians)
    gaussians.clamp_(min=CUT).exp_()
    return torch.threshold_(gaussians, 1.01 * math.exp(CUT), 0.0)


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
    sign = distance.sign().masked_fill_(wanted <= mask_threshold, 0)
    loss = distance.mul_(sign).sum((1, 2))
    if not differentiate:
        return loss, None
    pull = output.mul_(sign).sum((1, 2), keepdim=True) / scale
    return loss, sign.sub_(pull).mul_(factor)


def _normaliser(images: Tensor, scale: float) -> Tensor:
    factor = scale / images.sum((1, 2), keepdim=True)
    return factor.masked_fill_(factor.isinf(), 0)


class _SpotGradients(NamedTuple):
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

    def draw(self, into: Tensor) -> None:
        """Add the block to its pictures."""
        scaled = torch.mul(self.gx, self.block.amplitude[..., None], out=_like(self.room[0], self.gx))
        into.baddbmm_(self.gy.transpose(1, 2), scaled)

    def gradients(self, grad_images: Tensor, widths_too: bool) -> _SpotGradients:
        """The block's gradients; those of the variances only if required."""
        block = self.block
        along_x = torch.bmm(self.gy, grad_images, out=_like(self.room[0], self.gx)).mul_(self.gx)
        total, x, variance_x = self._moments(along_x, self.columns, block.x, block.sigma_x, widths_too)
        turned = grad_images.transpose(1, 2)
        along_y = torch.bmm(self.gx, turned, out=_like(self.room[0], self.gy)).mul_(self.gy)
        _, y, variance_y = self._moments(along_y, self.rows, block.y, block.sigma_y, widths_too)
        return _SpotGradients(x, y, block.unit * total, variance_x, variance_y)

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


class _Canvas:
    """The work cut into blocks that fit CHUNK_BYTES (or one point in one picture), and buffers for one."""

    def __init__(self, cloud: Cloud, shape: Shape):
        like, count, many = cloud.points, len(cloud.points), len(cloud.rotation)
        lengths = (shape[1], shape[0], max(shape), max(shape))
        pairs = max(1, CHUNK_BYTES // (like.element_size() * sum(lengths)))
        self.cloud = cloud
        self.rows, self.columns = (pixel_centres(length, like) for length in shape)
        self.images = list(_slices(many, max(1, pairs // max(1, count))))
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


def _like(room: Tensor, wanted: Tensor) -> Tensor:
    return room[: wanted.numel()].view(wanted.shape)


def _slices(total: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, total)) for start in range(0, total, step))


def _add_gradients(into: Cloud, cloud: Cloud, images: slice, points: slice, gradients: _SpotGradients) -> None:
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


def _zeros_like(cloud: Cloud) -> Cloud:
    zeros: list[Any] = [None if part is None else part.new_zeros(part.shape) for part in cloud]
    return Cloud(*zeros)


def _gradients(cloud: Cloud, grad_images: Tensor, widths_too: bool) -> Cloud:
    canvas = _Canvas(cloud, (grad_images.shape[1], grad_images.shape[2]))
    into = _zeros_like(cloud)
    for images in canvas.images:
        for points in canvas.blocks:
            found = canvas.lay(images, points).gradients(grad_images[images], widths_too)
            _add_gradients(into, cloud, images, points, found)
    return into


class _Splat(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Shape, *parts: Any) -> Tensor:
        cloud = Cloud(*parts)
        ctx.save_for_backward(*parts)
        canvas = _Canvas(cloud, shape)
        drawn = cloud.points.new_zeros(len(cloud.rotation), *shape)
        for images in canvas.images:
            for points in canvas.blocks:
                canvas.lay(images, points).draw(drawn[images])
        return drawn

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_images: Tensor) -> tuple[Tensor | None, ...]:
        cloud = Cloud(*ctx.saved_tensors)
        return None, *_gradients(cloud, grad_images, _widths_needed(ctx.needs_input_grad[1:]))


class _ReconstructionLoss(torch.autograd.Function):
    """Draws and compares a chunk at a time. The loss of each picture is linear in the incoming gradient.

    A small cloud is differentiated while its Gaussians are in memory; a large one is drawn again in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, target: Tensor, scale: float, mask_threshold: float, grad_enabled: bool, *parts: Any
    ) -> Tensor:
        cloud = Cloud(*parts)
        needed = ctx.needs_input_grad[4:]
        differentiate = grad_enabled and any(needed)
        canvas = _Canvas(cloud, (target.shape[1], target.shape[2]))
        pairs_bytes = len(target) * len(cloud.points) * target.element_size()
        hold = len(canvas.blocks) == 1 and len(_SpotGradients._fields) * pairs_bytes <= HELD_BYTES
        grad_images = torch.empty_like(target) if differentiate and not hold else None
        loss, held = target.new_empty(len(target)), []
        for images in canvas.images:
            drawn = torch.zeros_like(target[images])
            for points in canvas.blocks:
                axes = canvas.lay(images, points)
                axes.draw(drawn)
            loss[images], gradient = normalised_l1(drawn, target[images], scale, mask_threshold, differentiate)
            if grad_images is not None and gradient is not None:
                grad_images[images] = gradient
            elif gradient is not None:
                held.append(axes.gradients(gradient, _widths_needed(needed)))
        whole = (torch.cat(same) if same[0] is not None else None for same in zip(*held, strict=True))
        ctx.save_for_backward(*parts, grad_images, *whole)
        return loss

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, ...]:
        count = len(Cloud._fields)
        cloud, grad_images = Cloud(*ctx.saved_tensors[:count]), ctx.saved_tensors[count]
        held = ctx.saved_tensors[count + 1 :]
        if grad_images is not None:
            widths_too = _widths_needed(ctx.needs_input_grad[4:])
            gradients = _gradients(cloud, grad_images * grad_loss[:, None, None], widths_too)
        else:
            gradients = _zeros_like(cloud)
            scaled: list[Any] = [None if part is None else part * grad_loss[:, None] for part in held]
            if scaled:
                _add_gradients(gradients, cloud, slice(None), slice(None), _SpotGradients(*scaled))
        return None, None, None, None, *gradients


def _widths_needed(needed: tuple[bool, ...]) -> bool:
    return Cloud(*needed).sigma or Cloud(*needed).point_sigma  # type: ignore[arg-type,return-value]


def splat_separable(cloud: Cloud, shape: Shape) -> Tensor:
    """``splat`` for checked arguments."""
    images: Tensor = _Splat.apply(shape, *_each_sigma(cloud))  # type: ignore[no-untyped-call,unused-ignore]
    return images


def reconstruction_loss_separable(cloud: Cloud, target: Tensor, scale: float, mask_threshold: float) -> Tensor:
    """``reconstruction_loss`` for checked arguments."""
    parts = (target, scale, mask_threshold, torch.is_grad_enabled(), *_each_sigma(cloud))  # forward can't see it
    loss: Tensor = _ReconstructionLoss.apply(*parts)  # type: ignore[no-untyped-call,unused-ignore]
    return loss


def _each_sigma(cloud: Cloud) -> Cloud:
    return cloud._replace(sigma=cloud.sigma.expand(len(cloud.rotation)))

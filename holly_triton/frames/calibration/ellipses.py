"""Elliptic Gaussians fitted to single pictures, many at a time."""

import torch
from torch import Tensor

STEPS = 60
"""Steps of Levenberg and Marquardt; most pictures need ten."""


def fit_ellipses(images: Tensor, weights: Tensor) -> Tensor:
    """Gaussians of any width and direction, in the weighted least squares.

    Args:
        images: ``[n, S, S]`` float64, each with one spot near its middle.
        weights: ``[n, S, S]``, inverse variances, relative to each other.

    Returns:
        ``[n, 7]``: x and y of the centre, pixels from that of the picture; the variances along x and y and the covariance,
        square pixels, all with the 1/12 of a pixel; the integral; the background.
    """
    side = images.shape[-1]
    along = torch.arange(side, dtype=images.dtype, device=images.device) - (side - 1) / 2
    at = torch.stack(torch.meshgrid(along, along, indexing="xy")).flatten(1)  # [2, S * S]: x, y
    pixels, weights = images.flatten(1), weights.flatten(1)
    values = _start(pixels, at)
    damping = torch.full((len(images), 1, 1), 1e-2, dtype=images.dtype, device=images.device)
    residual, jacobian = _residual(values, pixels, at)
    for _ in range(STEPS):
        weighted = jacobian * weights[:, None]
        normal = weighted @ jacobian.mT
        diagonal = torch.diag_embed(normal.diagonal(dim1=1, dim2=2).clamp(min=1e-30))
        step = torch.linalg.solve(normal + damping * diagonal, (weighted * residual[:, None]).sum(2))
        tried = values + step
        residual_tried, jacobian_tried = _residual(tried, pixels, at)
        before, after = ((weights * part**2).sum(1) for part in (residual, residual_tried))
        better = (after < before) & _is_ellipse(tried, side)
        values = torch.where(better[:, None], tried, values)
        residual = torch.where(better[:, None], residual_tried, residual)
        jacobian = torch.where(better[:, None, None], jacobian_tried, jacobian)
        damping = (damping * torch.where(better, 0.3, 5.0)[:, None, None]).clamp(1e-9, 1e9)
    return values


def _start(pixels: Tensor, at: Tensor) -> Tensor:
    """A round spot in the middle, of the width that its peak and its sum give."""
    background = pixels.quantile(0.1, dim=1)
    total = (pixels - background[:, None]).sum(1).clamp(min=1e-12)
    variance = (total / (pixels.amax(1) - background).clamp(min=1e-12) / (2 * torch.pi)).clamp(
        1.0, float(at.max()) ** 2
    )
    zero = torch.zeros_like(total)
    return torch.stack([zero, zero, variance, variance, zero, total, background], dim=1)


def _is_ellipse(values: Tensor, side: int) -> Tensor:
    """Whether covariances are positive definite and centres within the picture."""
    _, _, xx, yy, xy, _, _ = values.unbind(1)
    inside = values[:, :2].abs().amax(1) < side / 2
    return inside & (xx > 0.1) & (yy > 0.1) & (xx * yy - xy * xy > 0.01)


def _residual(values: Tensor, pixels: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Picture minus model ``[n, p]``, and the derivatives of the model ``[n, 7, p]``."""
    x, y, xx, yy, xy, total, background = (part[:, None] for part in values.unbind(1))
    across, down = at[0] - x, at[1] - y
    determinant = (xx * yy - xy * xy).clamp(min=1e-6)
    u, v = (
        (yy * across - xy * down) / determinant,
        (xx * down - xy * across) / determinant,
    )  # inverse covariance * place
    shape = torch.exp(-(across * u + down * v) / 2) / (2 * torch.pi * determinant.sqrt())
    light = total * shape
    by = (
        light * u, light * v,
        light * (u * u - yy / determinant) / 2, light * (v * v - xx / determinant) / 2, light * (u * v + xy / determinant),
        shape, torch.ones_like(shape),
    )  # fmt: skip
    return pixels - light - background, torch.stack(by, dim=1)

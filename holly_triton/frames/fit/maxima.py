"""Candidates for emitters: local maxima of band-passed frames, as high above 0 as the camera's noise seldom is.

The band-pass is a difference of two Gaussians (Marr & Hildreth 1980): the narrow one is about as wide as the light of an
emitter, so that little of the noise remains; the wide one takes the background away.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.frames.bound import Noise
from holly_triton.frames.config.fitting import BAND_RATIO

REACH = 4.0
"""Standard deviations of a Gaussian at which its kernel ends."""


class Maxima(NamedTuple):
    """M maxima, in the order of their frames."""

    frame: Tensor  # [M], counted from 0
    row: Tensor  # [M]
    column: Tensor  # [M]
    offset: Tensor  # [M, 2] px: of the vertex from the centre of the pixel, along x and along y

    def take(self, kept: Tensor) -> "Maxima":
        """Those that a mask ``[M]`` marks."""
        return Maxima(*(part[kept] for part in self))


def local_maxima(frames: Tensor, seen: Tensor, noise: Noise, sigma_px: float, threshold: float) -> Maxima:
    """Maxima of band-passed frames.

    Args:
        frames: ``[B, H, W]`` photons, from which light that is accounted for may have been taken away.
        seen: ``[B, H, W]`` photons as they were recorded, from which the noise follows.
        noise: Of the camera, for pixels of these frames.
        sigma_px: Of the narrow Gaussian, pixels.
        threshold: Least height, standard deviations of the noise.
    """
    wide_px = BAND_RATIO * sigma_px
    band = smooth(frames, sigma_px) - smooth(frames, wide_px)
    variance = noise.dark + noise.each * smooth(seen, wide_px).clamp(min=0)
    # Squared, a Gaussian kernel is one whose width is smaller by the root of 2.
    deviation = (smooth(variance, sigma_px / math.sqrt(2)) * _noise_gain(sigma_px, wide_px)).sqrt()
    highest = band == functional.max_pool2d(band[:, None], 3, 1, 1)[:, 0]
    frame, row, column = (highest & (band > threshold * deviation)).nonzero(as_tuple=True)
    return Maxima(frame, row, column, _vertex(band, frame, row, column))


def smooth(frames: Tensor, sigma_px: float, beyond: Literal["replicate", "constant"] = "replicate") -> Tensor:
    """Frames ``[B, H, W]`` under a Gaussian; beyond their edges they continue as at the edge, or with 0."""
    kernel = _kernel(sigma_px).to(frames)
    reach = len(kernel) // 2
    wider = functional.pad(frames[:, None], (reach, reach, reach, reach), mode=beyond)
    across = functional.conv2d(wider, kernel[None, None, None, :])
    return functional.conv2d(across, kernel[None, None, :, None])[:, 0]


def _kernel(sigma_px: float, reach: int | None = None) -> Tensor:
    reach = math.ceil(REACH * sigma_px) if reach is None else reach
    values = torch.exp(-((torch.arange(-reach, reach + 1) / sigma_px) ** 2) / 2)
    return values / values.sum()


def _noise_gain(sigma_px: float, wide_px: float) -> float:
    """Sum of the squares of the band-pass's kernel."""
    reach = math.ceil(REACH * wide_px)
    narrow, wide = _kernel(sigma_px, reach), _kernel(wide_px, reach)
    return float((narrow @ narrow) ** 2 + (wide @ wide) ** 2 - 2 * (narrow @ wide) ** 2)


def _vertex(band: Tensor, frame: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Vertex of a parabola through three pixels along x and along y ``[M, 2]`` px, at most half a pixel away."""
    height, width = band.shape[1:]
    top = band[frame, row, column]
    parts = []
    for down, right in ((0, 1), (1, 0)):
        before = band[frame, (row - down).clamp(min=0), (column - right).clamp(min=0)]
        after = band[frame, (row + down).clamp(max=height - 1), (column + right).clamp(max=width - 1)]
        at_edge = (row < down) | (row >= height - down) | (column < right) | (column >= width - right)
        bend = (2 * top - before - after).clamp(min=1e-12)
        parts.append(torch.where(at_edge, 0.0, ((after - before) / (2 * bend)).clamp(-0.5, 0.5)))
    return torch.stack(parts, dim=1)

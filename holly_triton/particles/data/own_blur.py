"""The blur that pictures bring along, measured from their mean power spectrum."""

import math

import torch
from torch import Tensor

CLEAR = 10.0
"""Times the noise at which a spatial frequency stands clear of it."""
LOW, MIDDLE = 0.4, 0.7
"""Of the highest clear frequency: below ``LOW`` the structure itself shapes the power spectrum."""
FEWEST_RINGS = 4
"""Frequencies that a slope is taken from."""
CHUNK = 256
"""Pictures treated at a time, so that temporaries stay small beside the data."""


def own_blur(images: Tensor) -> float:
    """Standard deviation of the blur of pictures ``[P, H, W]``, pixels: point spread, drawing width, and the pixels themselves.

    Point sources at places that differ from picture to picture have a flat mean power spectrum at high spatial
    frequencies k, which a Gaussian blur s multiplies by ``exp(-4 pi^2 s^2 k^2)`` and noise lifts by a constant. So the
    slope of the logarithm against k^2, where the spectrum stands clear of that constant, gives s. What blurs every
    picture alike can't be told from the structure, so a structure that is smooth itself makes s too large; 0 where no
    frequency stands clear.
    """
    frequency, power = _mean_power(images)
    floor = power[-max(2, len(power) // 10) :].median()
    last = int((power > CLEAR * floor).long().cumprod(0).sum())
    middle = int(last * MIDDLE)
    rings = [slice(int(last * LOW), middle), slice(middle, last)]
    if last - middle < FEWEST_RINGS:
        return 0.0
    # The structure steepens the lower of the two, noise the upper: the lesser slope is nearer to the blur's alone.
    return min(_gaussian_width(frequency[ring], power[ring] - floor) for ring in rings)


def _gaussian_width(frequency: Tensor, power: Tensor) -> float:
    """Standard deviation of the Gaussian whose power spectrum falls as ``power`` does, 0 where that does not fall."""
    square, height = frequency**2, power.log()
    square, height = square - square.mean(), height - height.mean()
    slope = float((square * height).sum() / square.square().sum())
    return math.sqrt(max(0.0, -slope)) / (2 * math.pi)


def _mean_power(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power of normalised pictures over rings of equal spatial frequency, and that frequency in 1 / pixel, up to 1/2."""
    side = min(images.shape[1:])
    total = torch.zeros(images.shape[1], images.shape[2] // 2 + 1, dtype=torch.float64)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].double()
        total += torch.fft.rfft2(chunk / chunk.sum((1, 2), keepdim=True)).abs().square().sum(0).cpu()
    rows, columns = torch.fft.fftfreq(images.shape[1]), torch.fft.rfftfreq(images.shape[2])
    ring = (torch.hypot(rows[:, None], columns) * side).round().long().flatten()
    rings = torch.bincount(ring)[: side // 2 + 1]
    power = torch.bincount(ring, total.flatten())[: side // 2 + 1] / rings / len(images)
    return torch.arange(side // 2 + 1) / side, power

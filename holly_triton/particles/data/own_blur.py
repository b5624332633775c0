"""The blur that pictures bring along, measured in their mean power spectrum and taken out as far as noise allows."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

CLEAR = 10.0
"""Times the noise's power at which a spatial frequency stands clear of it."""
LOW, MIDDLE = 0.4, 0.7
"""Of the highest clear frequency: below ``LOW`` the structure itself shapes the power spectrum."""
UNALIASED = 0.45
"""Spatial frequency, 1 / pixel, below which a Gaussian of 0.7 px hardly overlaps with its alias."""
FEWEST_RINGS = 4
"""Frequencies that a slope is taken from."""
FADED = 0.05
"""What a sharpened Gaussian has left at the highest clear frequency, where it is cut off: less would blur, more would ring."""
MOST_GAIN = 100.0
"""Largest factor on an amplitude when pictures are sharpened: what the frame cuts off, or a threshold, is raised with it."""
SAMPLED = 1024
"""Pictures, about, that the spectrum is the mean of."""
TINY = 1e-30
"""In place of the noise of pictures that have none."""
CHUNK = 256
"""Pictures treated at a time, so that temporaries stay small beside the data."""


class OwnBlur(NamedTuple):
    """The blur of pictures, pixels."""

    sigma: float
    """Standard deviation: point spread, drawing width, and the pixels themselves; 0 where noise hides it."""
    clear: float
    """Highest spatial frequency to sharpen: clear of the noise, and raised by no more than ``MOST_GAIN``; 1 / pixel, or 0."""

    @property
    def sharpest(self) -> float:
        """Smallest standard deviation that ``sharpened`` should leave, pixels: the pictures' own where it can't be lessened."""
        if not self.clear:
            return self.sigma
        return min(self.sigma, math.sqrt(-math.log(FADED) / 2) / (math.pi * self.clear))


NO_BLUR = OwnBlur(0.0, 0.0)


def own_blur(images: Tensor) -> OwnBlur:
    """The blur of pictures ``[P, H, W]``.

    N point sources at places that differ from picture to picture have a mean power spectrum that is 1 / N at all high
    spatial frequencies k. A Gaussian blur s multiplies it by ``exp(-4 pi^2 s^2 k^2)``, and noise lifts it by a constant.
    So the slope of the logarithm against k^2, where the spectrum stands clear of that constant, gives s. What blurs every
    picture alike cannot be separated from the structure, so a structure that is smooth itself makes s too large.
    """
    frequency, power = _mean_power(images)
    # The corners of the spectrum hold noise alone.
    floor = power[-max(2, len(power) // 10) :].median().clamp_min(TINY)
    clear = int((power > CLEAR * floor)[frequency <= 0.5].long().cumprod(0).sum())
    last = int((frequency[:clear] <= UNALIASED).sum())
    middle = int(last * MIDDLE)
    rings = [slice(int(last * LOW), middle), slice(middle, last)]
    if last - middle < FEWEST_RINGS:
        return NO_BLUR
    # The structure steepens the lower of the two, noise the upper: the lesser slope is nearer to the blur's alone.
    sigma = min(_gaussian_width(frequency[ring], power[ring] - floor) for ring in rings)
    gain_limit = math.sqrt(math.log(MOST_GAIN) / 2) / (math.pi * max(sigma, TINY))
    return OwnBlur(sigma, min(float(frequency[clear - 1]), gain_limit))


def sharpened(images: Tensor, blur: OwnBlur, sigma: float) -> Tensor:
    """Pictures ``[B, H, W]`` with less blur, as large as they are; a Gaussian's power is divided by that of another.

    Frequencies that don't stand clear of the noise are left out, so values ring about 0 and should be smoothed again.

    Args:
        images: Pictures with a Gaussian blur of ``blur.sigma``.
        blur: What was measured of them.
        sigma: Standard deviation that is left of it, pixels.
    """
    height, width = images.shape[1:]
    rows, columns = (
        frequencies(n, device=images.device)
        for frequencies, n in ((torch.fft.fftfreq, height), (torch.fft.rfftfreq, width))
    )
    square = rows[:, None] ** 2 + columns**2
    transfer = (2 * math.pi**2 * (blur.sigma**2 - sigma**2) * square).exp() * (square <= blur.clear**2)
    smaller: Tensor = torch.fft.irfft2(torch.fft.rfft2(images) * transfer, s=(height, width))
    return smaller


def _gaussian_width(frequency: Tensor, power: Tensor) -> float:
    """Standard deviation of the Gaussian whose power spectrum falls as ``power`` does, 0 where that does not fall."""
    square, height = frequency**2, power.log()
    square, height = square - square.mean(), height - height.mean()
    slope = float((square * height).sum() / square.square().sum())
    return math.sqrt(max(0.0, -slope)) / (2 * math.pi)


def _mean_power(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean power, of 1 at frequency 0, of pictures on rings of equal spatial frequency, and that frequency in 1 / pixel, up to the corners."""
    images = images[:: -(-len(images) // SAMPLED)]
    side = min(images.shape[1:])
    total = torch.zeros(images.shape[1], images.shape[2] // 2 + 1, dtype=torch.float64)
    # What the frame cuts off would put power into all frequencies.
    rows, columns = (torch.hann_window(n, dtype=torch.float64, device=images.device) for n in images.shape[1:])
    window = rows[:, None] * columns
    for start in range(0, len(images), CHUNK):
        chunk = window * images[start : start + CHUNK]
        spectrum = torch.fft.rfft2(chunk).abs().square()
        total += (spectrum / spectrum[:, :1, :1]).sum(0).cpu()
    rows, columns = torch.fft.fftfreq(images.shape[1]), torch.fft.rfftfreq(images.shape[2])
    ring = (torch.hypot(rows[:, None], columns) * side).round().long().flatten()
    power = torch.bincount(ring, total.flatten()) / torch.bincount(ring).clamp_min(1) / len(images)
    return torch.arange(len(power)) / side, power

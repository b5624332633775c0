"""Gain and offset of a camera from a movie: where it is brighter it is noisier, in proportion (photon transfer, Janesick 2007).

The variance of a pixel is ``F^2 G (mean - offset) + s^2``, with G ADU per photo-electron, the excess factor F^2 (2 for an
EM-CCD) and the read noise s in ADU. Noise is separated from the picture by differences of neighbours in space and of two
frames in time, and single emitters that switch on or off in between by medians. Pixels are sorted by their median over all
frames, so that neither the noise of single frames nor emitters flatten the line.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d
from scipy.special import ndtri

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.config.camera import GAIN_BINS, GAIN_OFF, GAIN_RISE, GAIN_SIGMA

from .model import Camera

STEP = np.array([1.0, -2.0, 1.0])
QUIET = 1 / float(ndtri(0.75))
"""Standard deviation over the median of the magnitudes of a normal variable."""
FEWEST, SMALLEST_PX = 4, 8


@dataclass(frozen=True)
class MeanVariance:
    """The line through variance over mean of a movie's pixels."""

    slope: float
    """ADU per photo-electron times the excess factor; NaN where the movie is too even."""
    zero: float
    """Mean in ADU at which the line has no variance: the offset, but for the read noise."""
    mean: float
    """Typical mean and variance of a pixel, ADU."""
    variance: float

    def offset(self, read_noise_adu: float) -> float:
        """The offset in ADU that follows with a read noise."""
        return self.zero + read_noise_adu**2 / self.slope


def mean_variance(frames: Array) -> MeanVariance:
    """Fit variance over mean.

    Args:
        frames: ``[T, H, W]`` consecutive frames in ADU.

    Raises:
        HollyError: There are fewer than four frames, or they are smaller than 8 pixels a side.
    """
    if len(frames) < FEWEST or min(frames.shape[1:]) < SMALLEST_PX:
        raise HollyError("the camera can't be checked with fewer than four frames, or with frames below 8 x 8 pixels")
    inner = (slice(None), slice(1, -1), slice(1, -1))
    weights = STEP**2 / (STEP**2).sum()
    smooth = _filtered(frames, weights)[inner]
    sorting = np.median(smooth, axis=0)
    pairs = 2 * (len(frames) // 2)
    noise = _filtered(np.subtract(frames[1:pairs:2], frames[:pairs:2], dtype=np.float64), STEP)[inner]
    noise /= math.sqrt(2 * (STEP**2).sum() ** 2)
    mean = (smooth[:pairs:2] + smooth[1:pairs:2]) / 2
    order = np.argsort(sorting.ravel(), kind="stable")
    parts = np.array_split(order, min(GAIN_BINS, max(2, noise.size // 2000), len(order)))
    noise, mean = (values.reshape(len(values), -1) for values in (noise, mean))
    x = np.array([np.median(mean[:, part]) for part in parts])
    y = np.array([(QUIET * np.median(np.abs(noise[:, part]))) ** 2 for part in parts])
    # Of a variance from the median of n magnitudes; neighbours share pixels, so that n counts about a quarter.
    error = y * math.sqrt(2 / 0.37 / (noise.size / len(parts) / 4))
    # The darkest and brightest groups are left out: emitters, not the background, make the brightest.
    middle = slice(len(parts) // 10, len(parts) - len(parts) // 10)
    x, y, error = x[middle], y[middle], error[middle]
    typical = float(np.median(mean)), float((QUIET * np.median(np.abs(noise))) ** 2)
    return _line(x, y, np.maximum(error, 1e-9), typical)


def _line(x: Array, y: Array, error: Array, typical: tuple[float, float]) -> MeanVariance:
    weight = error**-2
    centre = (weight * x).sum() / weight.sum()
    spread = (weight * (x - centre) ** 2).sum()
    height = (weight * y).sum() / weight.sum()
    if spread == 0:
        return MeanVariance(math.nan, math.nan, *typical)
    slope = (weight * (x - centre) * y).sum() / spread
    if slope < GAIN_SIGMA * spread**-0.5 or slope * np.ptp(x) < GAIN_RISE * height:
        return MeanVariance(math.nan, math.nan, *typical)
    return MeanVariance(float(slope), float(centre - height / slope), *typical)


def compare(found: MeanVariance, camera: Camera) -> list[str]:
    """Sentences on where a movie contradicts the camera that was entered; none where it agrees.

    The variance at the typical brightness decides, which emitters hardly change. Of a camera with maps, the means of the maps
    are compared.
    """
    offset, per_adu, read_noise = (float(np.mean(np.asarray(value))) for value in camera.pixels)
    gain, noise = camera.em_gain / per_adu, read_noise / per_adu
    if found.mean < offset:
        return [
            f"Pixels have {found.mean:.4g} ADU typically, which is below the offset that was entered, {offset:.4g} ADU: photons "
            "would be negative. Check offset_adu."
        ]
    expected = camera.excess * gain * (found.mean - offset) + noise**2
    if found.variance == 0 or expected == 0 or abs(math.log(found.variance / expected)) < math.log1p(GAIN_OFF):
        return []
    said = (
        f"Where the movie has {found.mean:.4g} ADU, its variance is {found.variance:.3g} ADU^2; with the camera that was entered "
        f"it would be {expected:.3g}, so that photons and uncertainties are wrong: check electrons_per_adu, em_gain and offset_adu"
        f"{', and whether the frames were averaged or filtered' if found.variance < expected else ''}."
    )
    if math.isnan(found.slope):
        return [said]
    return [
        f"{said} Mean and variance of its pixels give {found.slope / camera.excess:.3g} ADU per photo-electron and an offset of "
        f"{found.offset(noise):.4g} ADU; {gain:.3g} and {offset:.4g} were entered."
    ]


def _filtered(pictures: Array, weights: Array) -> Array:
    filtered: Array = np.asarray(pictures, dtype=np.float64)
    for axis in (1, 2):
        filtered = convolve1d(filtered, weights, axis=axis, mode="nearest")
    return filtered

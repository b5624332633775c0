"""Beads in a stack: where they are, and which can be used."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.config.calibration import Calibrating

BORDER, NEAR, SATURATED, FAINT = "cut off by the border", "too near to another", "saturated", "too faint"
DISAGREEING, CROWDED_OUT = "unlike the others", "not needed"


@dataclass(frozen=True)
class Bead:
    """A bead that was found."""

    x: float
    """Column of its centre in pixels, where the first pixel's centre is 0."""
    y: float
    """Row of its centre."""
    height: float
    """Its mean over the planes, smoothed, above the background."""
    reason: str = ""
    """Why it isn't used; empty if it is."""

    @property
    def used(self) -> bool:
        """Whether the PSF is made of it."""
        return not self.reason

    @property
    def pixel(self) -> tuple[int, int]:
        """Row and column of the pixel that holds it."""
        return round(self.y), round(self.x)


def find_beads(stack: Array, saturated: Array, settings: Calibrating, known: Array | None = None) -> list[Bead]:
    """Beads, the brightest first, and why some can't be used.

    Args:
        stack: Photons ``[D, H, W]``, or numbers proportional to them.
        saturated: Pixels that are saturated in some plane ``[H, W]`` bool.
        settings: Sizes and limits.
        known: Positions of beads ``[n, 2]`` (x, y), pixels, if they are known: no others are looked for.

    Raises:
        HollyError: Nothing stands out from the background.
    """
    mean = gaussian_filter(stack.mean(axis=0, dtype=np.float64), settings.smoothing_px)
    background = float(np.median(mean))
    heights = mean - background
    noise = 1.4826 * float(np.median(np.abs(heights)))
    if known is None:
        peak = heights == maximum_filter(heights, 2 * (settings.roi_px // 4) + 1)
        peaks = np.argwhere(peak & (heights > settings.noise_factor * noise) & (heights > 0))
        tall = heights[tuple(peaks.T)]
        found = peaks[tall >= settings.least_height * np.percentile(tall, 90)] if len(peaks) else peaks
        places = [(float(column), float(row)) for row, column in found]
    else:
        places = [(float(x), float(y)) for x, y in known]
    beads = [Bead(x, y, _at(heights, x, y)) for x, y in places]
    if not beads or heights.max() <= 0:
        raise HollyError(
            "no beads were found: nothing stands out from the background; is this a stack of beads, brighter than it?"
        )
    beads.sort(key=lambda bead: -bead.height)
    usual = float(np.median([bead.height for bead in beads]))
    judged = [_judged(bead, beads, usual, saturated, settings) for bead in beads]
    used = [bead for bead in judged if bead.used]
    spare = {id(bead) for bead in used[settings.most_beads :]}
    return [Bead(b.x, b.y, b.height, CROWDED_OUT) if id(b) in spare else b for b in judged]


def _judged(bead: Bead, beads: list[Bead], usual: float, saturated: Array, settings: Calibrating) -> Bead:
    """The same bead with the reason why it can't be used, if there is one."""
    half = settings.roi_px // 2
    (row, column), (rows, columns) = bead.pixel, saturated.shape
    reason = ""
    if row < half or column < half or row + half >= rows or column + half >= columns:
        reason = BORDER
    elif any(_is_near(bead, other, settings) for other in beads):
        reason = NEAR
    elif saturated[row - half : row + half + 1, column - half : column + half + 1].any():
        reason = SATURATED
    elif bead.height < settings.faint * usual:
        reason = FAINT
    return Bead(bead.x, bead.y, bead.height, reason)


def _is_near(bead: Bead, other: Bead, settings: Calibrating) -> bool:
    apart = max(abs(bead.x - other.x), abs(bead.y - other.y))
    return other is not bead and apart < settings.nearest * settings.roi_px


def _at(image: Array, x: float, y: float) -> float:
    row, column = (int(np.clip(round(place), 0, side - 1)) for place, side in zip((y, x), image.shape, strict=True))
    return float(image[row, column])


def cut_out(stack: Array, beads: list[Bead], side: int) -> Array:
    """A fixed region about each bead ``[n, D, side, side]`` float64, without its background.

    The background is that of the plane in which the rim is darkest: out of focus, the bead itself lights the rim.
    """
    half = side // 2
    regions = np.empty((len(beads), len(stack), side, side))
    for region, bead in zip(regions, beads, strict=True):
        row, column = bead.pixel
        region[:] = stack[:, row - half : row + half + 1, column - half : column + half + 1]
    rim = np.ones((side, side), dtype=bool)
    rim[1:-1, 1:-1] = False
    darkest = np.percentile(np.median(regions[:, :, rim], axis=2), 10, axis=1)
    regions -= darkest[:, None, None, None]
    return regions

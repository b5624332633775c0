"""Whether a movie looks like the frames that a method was made for: background, noise, width of spots, saturation.

A network that was trained on other frames gives a table all the same, and nothing in it shows that it is wrong.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.io.movies.movie import Movie

from .emitters import Emitters
from .spots import HALF_PX, background_of, isolated_spots, widths

PAIRS = 48
"""Pairs of consecutive frames that are looked at, spread over the movie: they suffice for all figures."""
FEWEST_SPOTS = 20
"""With fewer isolated spots their width is not compared."""
NOISE = (0.8, 1.25)
"""Bounds on the ratio of the measured variance to the camera's: beyond them standard deviations are wrong by over 12 %."""
WIDTH_MARGIN = 1.08
"""Factor by which the width of most spots may lie outside the PSF's range."""
SATURATED = 1e-5
"""Largest share of saturated pixels that is not mentioned."""
DEPTHS = 15
"""Depths at which the PSF is drawn for its range of widths."""
DRAWN_PHOTONS = 1e4
DARKEST = 0.2
"""Share of the pixels of a pair of frames, the darkest, in which the noise is measured."""
TRIMMED = 4.0
"""Differences beyond this many standard deviations, where emitters go on or off, do not count for the noise."""


class Recorder(Protocol):
    """What is needed of a camera."""

    def photons(self, adu: Tensor) -> Tensor:
        """Photons from ADU."""
        ...

    def variance(self, expected: Tensor) -> Tensor:
        """Variance of these photons where so many are expected."""
        ...

    def saturated(self, adu: Tensor) -> Tensor:
        """Where the camera's largest number is."""
        ...


class Drawn(Protocol):
    """What is needed of a PSF."""

    @property
    def pixel_nm(self) -> float:
        """Side of a pixel, nm."""
        ...

    @property
    def z_range_nm(self) -> tuple[float, float]:
        """Depths at which it is known, nm."""
        ...

    def draw(self, emitters: Emitters, shape: tuple[int, int]) -> Tensor:
        """Expected photons of frames."""
        ...


@dataclass(frozen=True)
class Ranges:
    """What a method was made for.

    Attributes:
        background: Least and largest background, photons a pixel.
        width_px: Least and largest width of an isolated spot, as ``spots.widths`` measures it, pixels.
        pixel_nm: Side of a pixel, nm.
    """

    background: tuple[float, float]
    width_px: tuple[float, float]
    pixel_nm: float


@dataclass(frozen=True)
class Look:
    """Figures of a movie.

    Attributes:
        background: Median of the background, photons a pixel.
        background_range: Its 5 and 95 % quantiles over the field and the movie.
        noise: Measured variance of the background over that of the camera at its level; NaN with less than two frames, or
            where all pixels are equal.
        spots: Isolated spots that were found.
        width_px: 5, 50 and 95 % quantiles of their width, pixels; NaN without any.
        saturated: Share of saturated pixels.
        pixel_nm: Side of a pixel as the file states it, nm.
    """

    background: float
    background_range: tuple[float, float]
    noise: float
    spots: int
    width_px: tuple[float, float, float]
    saturated: float
    pixel_nm: float | None = None


def look_at(movie: Movie, camera: Recorder) -> Look:
    """Figures of some frames of a movie, spread over it."""
    starts = np.unique(np.linspace(0, max(0, len(movie) - 2), PAIRS).astype(int))
    pairs = [next(movie.blocks(2, first=int(start)))[1] for start in starts]
    return replace(look_at_frames(np.stack(pairs), camera), pixel_nm=movie.pixel_nm)


def look_at_frames(pairs: Array, camera: Recorder) -> Look:
    """Figures of pairs of consecutive frames.

    Args:
        pairs: ``[n, 2, H, W]`` ADU; ``[n, 1, H, W]`` of a movie of single frames, without the noise.
        camera: The camera that recorded them.
    """
    adu = torch.from_numpy(pairs.astype(np.float32))
    photons = camera.photons(adu.flatten(0, 1)).reshape(adu.shape).numpy()
    flat = photons.reshape(-1, *photons.shape[2:])
    level = background_of(flat)
    # In each place the median over the frames, which emitters that blink do not reach.
    field = np.median(flat, axis=0)
    spread = (field - np.median(field)).ravel()[:, None] + level
    found = widths(isolated_spots(flat))
    found = found[np.isfinite(found)]
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95]).tolist() if len(found) else (np.nan,) * 3
    return Look(
        background=float(np.median(level)),
        background_range=(float(np.quantile(spread, 0.05)), float(np.quantile(spread, 0.95))),
        noise=_noise(photons, camera),
        spots=len(found),
        width_px=(low, middle, high),
        saturated=float(camera.saturated(adu).float().mean()),
    )


def widths_of(psf: Drawn) -> tuple[float, float]:
    """Least and largest width of a spot of a PSF over its depths, pixels, measured as in a movie."""
    side = 4 * HALF_PX + 1
    xyz = torch.full((DEPTHS, 3), side * psf.pixel_nm / 2)
    xyz[:, 2] = torch.linspace(*psf.z_range_nm, DEPTHS)
    emitters = Emitters.of(xyz, torch.full((DEPTHS,), DRAWN_PHOTONS), torch.ones(DEPTHS, dtype=torch.int64))
    inner = slice(HALF_PX, -HALF_PX)
    found = widths(psf.draw(emitters, (side, side)).cpu().numpy()[:, inner, inner])
    return float(np.nanmin(found)), float(np.nanmax(found))


def compare(look: Look, ranges: Ranges) -> list[str]:
    """In what a movie differs from what a method was made for: one sentence for each; none where it does not."""
    return [*_of_background(look, ranges), *_of_noise(look), *_of_width(look, ranges), *_of_pixels(look, ranges)]


def _noise(photons: Array, camera: Recorder) -> float:
    """Variance within pairs ``[n, 2, H, W]`` over the camera's, in the darkest pixels of each pair, where few emitters are.

    The camera's is taken at the mean of the two values: pixels that are dark by chance have the smaller variance.
    """
    if photons.shape[1] < 2:
        return float("nan")
    mean, difference = photons.mean(axis=1), photons[:, 0] - photons[:, 1]
    dark = mean <= np.quantile(mean, DARKEST, axis=(1, 2), keepdims=True)
    expected = 2 * camera.variance(torch.from_numpy(np.maximum(mean, 0))).numpy()[dark]
    squared = difference[dark] ** 2
    # Emitters that go on or off are far out; 2.198 is the ratio of the mean to the median of a squared Gaussian.
    kept = squared <= TRIMMED**2 * np.maximum(expected, 2.198 * np.median(squared))
    measured, given = float(squared[kept].sum()), float(expected[kept].sum())
    return measured / given if measured > 0 and given > 0 else float("nan")


def _of_background(look: Look, ranges: Ranges) -> list[str]:
    low, high = ranges.background
    least, most = look.background_range
    if look.background < 0:
        return [
            f"The background is {look.background:.3g} photons a pixel, below 0: the offset of the camera is too high, or the "
            "frames had their background taken away."
        ]
    if not low <= look.background <= high:
        side = "below" if look.background < low else "above"
        return [
            f"The background is {look.background:.3g} photons a pixel, {side} the range of {low:.3g} to {high:.3g} that the "
            "training covers: check offset and gain of the camera, or train with this background."
        ]
    if least < 0.5 * low or most > 1.5 * high:
        return [
            f"The background varies from {least:.3g} to {most:.3g} photons a pixel; the training covers {low:.3g} to "
            f"{high:.3g}: results in the darkest or the brightest parts of the field are less certain."
        ]
    return []


def _of_noise(look: Look) -> list[str]:
    low, high = NOISE
    if np.isnan(look.noise) or low <= look.noise <= high:
        return []
    reason = (
        "a gain that is too low, electrons per ADU that are too many, or an EM-CCD that was entered as another camera"
        if look.noise > high
        else "a gain that is wrong, or frames that were averaged, smoothed or filtered"
    )
    return [
        f"The noise of the background has {look.noise:.2g} times the variance that the camera would give it: {reason} would "
        "have this effect; stated uncertainties are wrong by the root of that factor."
    ]


def _of_width(look: Look, ranges: Ranges) -> list[str]:
    if look.spots < FEWEST_SPOTS:
        return []
    low, high = ranges.width_px
    middle = look.width_px[1]
    if middle < low / WIDTH_MARGIN or middle > high * WIDTH_MARGIN:
        side = "narrower" if middle < low else "wider"
        return [
            f"Isolated spots are {middle:.3g} px wide (standard deviation, median of {look.spots}), {side} than the PSF of the "
            f"model, {low:.3g} to {high:.3g} px over its depths: calibrate with beads of this microscope, and check the pixel "
            "size."
        ]
    return []


def _of_pixels(look: Look, ranges: Ranges) -> list[str]:
    said = []
    if look.pixel_nm is not None and not np.isclose(look.pixel_nm, ranges.pixel_nm, rtol=0.02):
        said.append(
            f"The movie states pixels of {look.pixel_nm:.4g} nm, the model has pixels of {ranges.pixel_nm:.4g} nm: one of them "
            "is of another camera or objective."
        )
    if look.saturated > SATURATED:
        said.append(
            f"{100 * look.saturated:.2g} % of the pixels are saturated: photons of the brightest emitters are too few, and "
            "their positions are less certain; reduce exposure or gain."
        )
    return said

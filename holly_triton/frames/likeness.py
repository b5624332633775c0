"""Whether a movie looks like the frames that a method was made for: background, width of spots, saturation.

A network that was trained on other frames gives a table all the same, and nothing in it shows that it is wrong.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.io.movies.movie import Movie

from .config.likeness import (
    DRAWN_PHOTONS,
    FEWEST_SPOTS,
    LOOKED_FRAMES,
    LOOKED_PIXELS,
    SATURATED,
    SPOT_DEPTHS,
    SPOT_HALF_PX,
    WIDTH_MARGIN,
)
from .emitters import Emitters
from .spots import background_of, isolated_spots, widths


class Recorder(Protocol):
    """What is needed of a camera."""

    def photons(self, adu: Tensor) -> Tensor:
        """Photons from ADU."""
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
        spots: Isolated spots that were found.
        width_px: 5, 50 and 95 % quantiles of their width, pixels; NaN without any.
        saturated: Share of saturated pixels.
        pixel_nm: Side of a pixel as the file states it, nm.
    """

    background: float
    background_range: tuple[float, float]
    spots: int
    width_px: tuple[float, float, float]
    saturated: float
    pixel_nm: float | None = None


def look_at(movie: Movie, camera: Recorder) -> Look:
    """Figures of some frames of a movie, spread over it."""
    most = min(LOOKED_FRAMES, max(2, LOOKED_PIXELS // (movie.shape[1] * movie.shape[2])))
    chosen = np.unique(np.linspace(0, len(movie) - 1, most).astype(int))
    frames = np.stack([movie.frame(int(index)) for index in chosen])
    return replace(look_at_frames(frames, camera), pixel_nm=movie.pixel_nm)


def look_at_frames(frames: Array, camera: Recorder) -> Look:
    """Figures of frames ``[n, H, W]`` in ADU, which this camera recorded."""
    adu = torch.from_numpy(frames.astype(np.float32))
    photons = camera.photons(adu).numpy()
    level = background_of(photons)
    # In each place the median over the frames, which emitters that blink do not reach.
    field = np.median(photons, axis=0)
    spread = (field - np.median(field)).ravel()[:, None] + level
    found = widths(isolated_spots(photons))
    found = found[np.isfinite(found)]
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95]).tolist() if len(found) else (np.nan,) * 3
    return Look(
        background=float(np.median(level)),
        background_range=(float(np.quantile(spread, 0.05)), float(np.quantile(spread, 0.95))),
        spots=len(found),
        width_px=(low, middle, high),
        saturated=float(camera.saturated(adu).float().mean()),
    )


def widths_of(psf: Drawn) -> tuple[float, float]:
    """Least and largest width of a spot of a PSF over its depths, pixels, measured as in a movie."""
    side = 4 * SPOT_HALF_PX + 1
    xyz = torch.full((SPOT_DEPTHS, 3), side * psf.pixel_nm / 2)
    xyz[:, 2] = torch.linspace(*psf.z_range_nm, SPOT_DEPTHS)
    emitters = Emitters.of(xyz, torch.full((SPOT_DEPTHS,), DRAWN_PHOTONS), torch.ones(SPOT_DEPTHS, dtype=torch.int64))
    inner = slice(SPOT_HALF_PX, -SPOT_HALF_PX)
    found = widths(psf.draw(emitters, (side, side)).cpu().numpy()[:, inner, inner])
    return float(np.nanmin(found)), float(np.nanmax(found))


def compare(look: Look, ranges: Ranges, *, wrong_camera: bool = False) -> list[str]:
    """In what a movie differs from what a method was made for: one sentence for each; none where it does not.

    Args:
        look: Of the movie.
        ranges: Of the method.
        wrong_camera: The camera is known to contradict the movie, so that photons of the background follow from that.
    """
    background = [] if wrong_camera else _of_background(look, ranges)
    return [*background, *_of_width(look, ranges), *_of_pixels(look, ranges)]


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
            "training covers: check offset and gain of the camera, whether there are so many emitters that no background is left "
            "between them, or train with this background."
        ]
    if least < 0.5 * low or most > 1.5 * high:
        return [
            f"The background varies from {least:.3g} to {most:.3g} photons a pixel; the training covers {low:.3g} to "
            f"{high:.3g}: results in the darkest or the brightest parts of the field are less certain."
        ]
    return []


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

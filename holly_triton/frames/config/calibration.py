"""Calibration with beads."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings


@dataclass(frozen=True)
class Calibrating(Settings):
    """From a stack of beads to a PSF."""

    model: Literal["spline", "gaussian"] = "spline"
    roi_px: Annotated[int, Bounds(9, 127)] = 29
    """Odd side of the region about a bead, the same in all planes: a region that follows the light would move with it."""
    keep_brightness: bool = False
    """Whether a bead's brightness over the planes belongs to the PSF; otherwise it is taken as bleaching."""
    plane_nm: Annotated[float, Bounds(1)] = 100.0
    """Distance of the table's planes. With less, the noise of the beads in the challenge's stack makes the axial bound too
    small (13.8 nm at 50 nm, 11.5 at 30); with 80 to 160 it is 14.4 to 14.6."""
    centre_nm: Annotated[float, Bounds(0)] = 100.0
    """The PSF is centred on the light of the planes within this distance of z = 0."""
    passes: Annotated[int, Bounds(1)] = 4
    """Times that the beads are aligned to their average."""
    smoothing_px: Annotated[float, Bounds(0.5)] = 2.0
    """Of the mean picture in which beads are found."""
    noise_factor: Annotated[float, Bounds(1)] = 8.0
    """A bead is this many standard deviations of the background above it."""
    least_height: Annotated[float, Bounds(0, 1)] = 0.05
    """It has at least this share of the height that nine in ten peaks do not reach."""
    faint: Annotated[float, Bounds(0, 1)] = 0.3
    """It is used if it has this share of the usual brightness."""
    nearest: Annotated[float, Bounds(0)] = 0.75
    """Least distance of two beads along x or y, as a share of the region: then the other lies outside of it, with its light."""
    most_beads: Annotated[int, Bounds(1)] = 50
    """Largest number of beads that are used, the brightest."""
    fewest_planes: Annotated[int, Bounds(6)] = 6
    scanned_nm: Annotated[float, Bounds(0)] = 50_000.0
    """Largest distance of the first plane from the last; no objective shows beads over more, so that the file is no stack of beads."""
    worst_residual: Annotated[float, Bounds(0)] = 0.15
    """A bead is unlike the others where the PSF leaves more of it unexplained than this share,"""
    residual_factor: Annotated[float, Bounds(1)] = 2.5
    """and more than this many times what it usually leaves,"""
    deepest_nm: Annotated[float, Bounds(0)] = 300.0
    """or where it lies this far above or below them."""
    widest: Annotated[float, Bounds(0, 1)] = 0.22
    """Largest standard deviation that a region shows, as a share of its side."""
    least_astigmatism: Annotated[float, Bounds(0)] = 0.3
    """Least change of the logarithm of the ratio of both widths over the depth."""
    photons: Annotated[float, Bounds(1)] = 5000.0
    """Photons of the emitter for which the bound is given,"""
    background: Annotated[float, Bounds(0)] = 50.0
    """and its background, a pixel."""
    worst_bound: Annotated[float, Bounds(1)] = 4.0
    """Depths are usable while no bound is larger than this many times the best one."""
    bound_steps: Annotated[int, Bounds(10)] = 151
    """Depths at which the bound is computed."""

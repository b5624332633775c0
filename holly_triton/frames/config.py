"""Every default of the family; ``core.config`` checks, reads and writes the settings among them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings

PIXEL_NM = 100.0
"""Side of a camera pixel of the SMLM challenge, nm, and the default."""
Z_RANGE_NM = (-700.0, 700.0)
"""Depths that are simulated and searched unless a calibration states its own, nm."""

# Cameras

SATURATION_ADU = 65535.0
"""Largest number of 16 bits, which cameras of this field store."""
CAMERAS: dict[str, dict[str, float | str]] = {
    "photons": {"kind": "photons"},
    "scmos": {
        "kind": "scmos", "quantum_efficiency": 0.9, "offset_adu": 100.0, "electrons_per_adu": 0.5,
        "read_noise_electrons": 1.5,
    },
    "challenge": {
        # The challenge cuts the decimals off: the mean in the dark is half an ADU below its baseline of 100.
        "kind": "emccd", "quantum_efficiency": 0.9, "offset_adu": 99.5, "electrons_per_adu": 45.0,
        "read_noise_electrons": 74.4, "em_gain": 300.0, "clock_induced": 0.002,
    },
}  # fmt: skip
"""Cameras by name: ideal counting of photons; a typical sCMOS; the EM-CCD of the SMLM challenge 2016 (Sage et al. 2019)."""

# PSF

HUANG = {"sigma0_nm": 130.0, "c_nm": 300.0, "d_nm": 400.0}
"""Width in focus, distance of both foci from 0, and depth of field of the default PSF, nm: a typical cylindrical lens."""
REACH = 4.0
"""Standard deviations of the widest Gaussian that a patch holds on each side: 0.01 % of the photons lie beyond."""
LARGEST_PATCH = 63
"""Largest side of a patch of a Gaussian, pixels; a wider Gaussian is cut off."""
LEAST_WIDTH = 0.3
"""A fitted width that falls below this share of that in focus is an artefact of the fit."""

# The Cramér-Rao bound

BOUND_RIDGE = 1e-9
"""Added to the diagonal of Fisher information scaled to 1: two emitters at one place then get a very large deviation."""

# PSFs of other programs

SMAP_JUMP = 0.01
"""Largest difference of neighbouring polynomials at a shared corner, as a share of the PSF's peak."""
LARGEST_YAML = 2**20
"""Bytes; calibrations have a few hundred."""
CURVE_STEPS = 201
"""Depths at which a polynomial is compared with a curve of Huang et al."""
WORST_CURVE = 0.1
"""Largest difference of their widths, as a share."""

# Calibration with beads


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

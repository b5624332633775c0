"""Defaults of simulated tomograms and subtomograms."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings

from .optics import Optics

POSITIVE = Bounds(0, open_least=True)

RESOLUTION_VOXELS = 2.0
"""Resolution at which structures are drawn unless another is given, voxels."""
TILT_DEG = (-60.0, 60.0)
"""First and last tilt."""

BODY_SPACING = 0.55
"""Spacing in voxels of the points whose voxels are a particle's own: below 1 / sqrt(3), so that no rotation leaves holes."""
BODY_LEVEL = 0.5
"""A particle's own voxels have at least this share of its mean density, which is weighted by the density itself."""
TRIES, TRIES_AT_ONCE, FIRST_POINTS = 4000, 128, 200
"""Places tried for one particle at most, tried at once, and points with which each is tried first."""

LEAFLETS_A, LEAFLET_THICKNESS_A = 40.0, 15.0
"""Distance of a membrane's two leaflets of head groups from each other, and the thickness of each."""
VESICLE_RADIUS_A = (200.0, 400.0)
SHEET_RADIUS_A = (1000.0, 3000.0)
"""Radii of the spheres of which membranes are parts."""
SHEET_SHARE = 0.5
"""Probability that a membrane is a sheet."""
MEMBRANE_TRIES = 50
FIRST_SPACING = 2.0
"""Spacing in voxels of the points with which a place for a membrane is tried first."""
TILE_PX = 12
"""Membranes are drawn in tiles of this side."""

DRAWN_SIGMA_PX = 1.3
"""Least standard deviation with which pictures are drawn, pixels; their transforms are corrected to the wanted one. What aliases
is 0.1 % at 0.8 of Nyquist."""
PATCH_SIGMAS = 5.0
"""Room around a particle in its patch, in the standard deviations of its points."""
PATCH_VALUES = 2**24
"""Numbers that drawing patches may hold at once: pictures times points times pixels of a side."""
OVERSAMPLING = 4
"""Samples a pixel of the projections that are interpolated in back-projection."""
LEAST_WEIGHT = 1e-3
"""Fourier inversion divides by the accumulated weight where it exceeds this."""
ROWS_AT_ONCE = 32
"""Planes at a right angle to the tilt axis that Fourier inversion treats at once."""

BOX = Bounds(4, 512)
"""Of the side of a simulated subtomogram, voxels."""


@dataclass(frozen=True)
class TomogramSettings(Settings):
    """A simulated tomogram, as its ``settings.toml`` holds it."""

    structures: str = "ribosome,groel,proteasome,apoferritin,sphere"
    """Names or files, separated by commas; optionally with a number of their own each, ``groel:30``."""
    particles: Annotated[int, Bounds(0)] = 20
    """Of each structure without a number of its own."""
    membranes: Annotated[int, Bounds(0)] = 2
    gold: Annotated[int, Bounds(0)] = 0
    """Gold beads of 100 Å."""
    size_x: Annotated[int, Bounds(8, 8192)] = 200
    size_y: Annotated[int, Bounds(8, 8192)] = 200
    size_z: Annotated[int, Bounds(8, 8192)] = 100
    voxel_size: Annotated[float, Bounds(0.5, 100)] = 13.68
    """Å."""
    resolution: Annotated[float, Bounds(1, 1000)] | None = None
    """Of the structures, Å; ``RESOLUTION_VOXELS`` voxels without one."""
    tilt: Annotated[float, Bounds(0, 90, open_least=True, open_most=True)] = 60.0
    """Tilts run from the negative of this to this, degrees."""
    step: Annotated[float, Bounds(0, 60, open_least=True)] = 3.0
    """About the angle between two tilts, degrees: both ends of the range are always there."""
    snr: Annotated[float, POSITIVE] | None = 0.1
    """Var(signal) / Var(noise) in the particles' boxes, behind optics, wedge and reconstruction; None for no noise."""
    noise_after: Annotated[float, Bounds(0, 1)] = 0.0
    """Share of the noise's variance that is added behind the optics."""
    path: Literal["series", "whole"] = "series"
    """By a tilt series and its reconstruction, or by the whole volume's transform times wedge and CTF."""
    reconstruction: Literal["back-projection", "fourier"] = "back-projection"
    optics: Optics = field(default_factory=Optics)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        return self.size_z, self.size_y, self.size_x

    @property
    def resolution_a(self) -> float:
        """Resolution of the structures, Å."""
        return RESOLUTION_VOXELS * self.voxel_size if self.resolution is None else self.resolution


SHIFT_SHARE = 0.1
"""Largest shift of a structure in its subtomogram along each axis, as a share of the box."""
BOXES_AT_ONCE = 32
"""Subtomograms simulated at a time."""
NULL = "null"
"""Class of the subtomograms that hold no structure."""
BYTES_A_VOXEL, BYTES_A_BOX_VOXEL = 40, 20
"""About the memory that simulating a tomogram takes, and a subtomogram with the room around it."""
QUICK = {"size_x": 96, "size_y": 96, "size_z": 56, "particles": 5, "membranes": 1, "step": 4.0, "voxel_size": 16.0}
"""What differs in a quick simulation."""


@dataclass(frozen=True)
class SimulationSettings(Settings):
    """All that a ``settings.toml`` holds."""

    tomograms: Annotated[int, Bounds(1)] = 1
    subtomograms: Annotated[int, Bounds(1)] | None = None
    """Of each class, in place of tomograms."""
    box: Annotated[int, BOX] = 40
    """Side of a subtomogram, voxels."""
    seed: Annotated[int, Bounds(0)] = 0
    classes: str = ""
    """The classes in the order of the numbers in the label volumes, which begin with 1; written, not read."""
    tomogram: TomogramSettings = field(default_factory=TomogramSettings)

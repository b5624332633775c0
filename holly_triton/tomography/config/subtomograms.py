"""Defaults of simulated subtomograms, one particle in each box."""

from dataclasses import dataclass, field
from typing import Annotated

from holly_triton.core.config import Bounds, Settings

from .optics import POSITIVE, Optics

NULL = "NULL"
"""Class of boxes with noise alone."""
DRAWN_AT_ONCE = 16
"""Subtomograms that are drawn at a time."""


@dataclass(frozen=True)
class SubtomogramSettings(Settings):
    """Simulated subtomograms, as a TOML file holds them."""

    structures: str = "sphere,ellipsoid,disc"
    """Names or files, separated by commas; each is a class, named after its structure."""
    null: bool = True
    """Whether boxes without a particle are another class."""
    per_class: Annotated[int, Bounds(4)] = 120
    """Poses of each class; noise, turns and small shifts are drawn anew at each use."""
    size: Annotated[int, Bounds(8, 512)] = 40
    """Voxels along a side."""
    voxel_size: Annotated[float, Bounds(0.5, 100)] = 9.2
    """Å."""
    resolution: Annotated[float, POSITIVE] | None = None
    """Of the structures, Å; two voxels if None."""
    tilt: Annotated[float, Bounds(0, 90, open_least=True, open_most=True)] = 60.0
    """Tilts run from the negative of this to this, degrees."""
    shift: Annotated[float, Bounds(0, 0.5)] = 0.1
    """Largest distance of a particle's centre from the box's along an axis, as a share of the box."""
    snr: Annotated[float, POSITIVE] | None = 0.1
    """Var(signal) / Var(noise) in the box, behind optics and wedge; None for no noise."""
    optics: Optics = field(default_factory=lambda: Optics(cs_mm=2.0, amplitude_contrast=0.0, mtf="sinc"))
    """The default is that of Xu et al. 2017: 300 kV, 5 µm, and their camera."""

    @property
    def tilts(self) -> tuple[float, float]:
        """First and last tilt, degrees."""
        return -self.tilt, self.tilt

"""Rows of the comparisons, in tables of values separated by commas."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeshRow:
    """One program on one set of noisy pictures of a known structure."""

    program: str
    version: str
    structure: str
    seed: int
    pictures: int
    points_by: str
    """How points were made of a volume; empty for a cloud."""
    rms_units: float
    """Symmetric nearest-neighbour distance from the truth, root mean square, in units of the mesh."""
    fsc_half_nm: float
    """Resolution at which the Fourier shell correlation with the truth falls to a half: of the volume, or of the cloud."""
    seconds: float
    """Of a processor, all steps."""
    device: str
    commit: str

    @property
    def run(self) -> tuple[object, ...]:
        """What a later row of the same replaces."""
        return self.program, self.structure, self.pictures, self.seed


@dataclass(frozen=True)
class AverageRow:
    """One program on one set of particles, all turned at random first."""

    program: str
    version: str
    particles: str
    seed: int
    radius_nm: float
    """Median distance of the localisations from the axis of the ring, all particles in their poses."""
    width_nm: float
    """Standard deviation of this distance, from its median absolute deviation."""
    amplitude: float
    """Of the eightfold order: |mean exp(8 i angle)| about the axis, mean of both rings where there are two."""
    layers_nm: float
    """Distance of the two rings along the axis; NaN for flat data."""
    seconds: float
    """Of a processor, all steps."""
    device: str
    commit: str

    @property
    def run(self) -> tuple[object, ...]:
        """What a later row of the same replaces."""
        return self.program, self.particles, self.seed

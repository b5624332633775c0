"""Defaults of the fit of a deformation."""

from dataclasses import dataclass
from typing import Annotated

from holly_triton.core.config import Bounds, Settings
from holly_triton.particles.bounds import Count, Positive, Share


@dataclass(frozen=True)
class Deforming(Settings):
    """``deformation``: a field of displacements of the finished structure, of which each particle has an amplitude.

    Lengths are relative to the radius of gyration of the data.
    """

    particles: Count = 50
    """Least number of particles."""
    degree: Annotated[int, Bounds(1, 3)] = 2
    """Degree of the polynomials in x, y and z that the displacements are: 1 for strains alone (a stretch, a shear), 2 for bends
    and for openings at one end too."""
    steps: Count = 60
    """Steps in which structure and field move."""
    sigma_start: Positive = 0.15
    """First blur of the points in addition to their own; the last one is that of any run."""
    annealed: Annotated[float, Bounds(0, 1, open_least=True)] = 0.4
    """Share of the steps in which it falls, geometrically."""
    slowing: Annotated[float, Bounds(0, 1, open_most=True)] = 0.5
    """Share of the steps after which they become shorter, to nothing at the end."""
    spread_start: Positive = 0.03
    """First standard deviation of the amplitudes."""
    most: Positive = 4.0
    """Largest amplitude, in standard deviations: much farther on a structure is turned inside out, and may look the same."""
    split_blur: Positive = 0.25
    """Blur of the structure at which the direction in which the particles differ most is found."""
    divided: Count = 2000
    """Largest number of particles from which it is found."""
    poses: Count = 4
    """Poses of each particle, of those that the run keeps."""
    least_weight: Share = 0.02
    """Poses of a smaller weight are left out."""
    climbs: Count = 2
    """Steps of each pose, with its amplitude, towards the maximum of its likelihood, each time that a particle is seen,"""
    last_climbs: Count = 6
    """and at the end."""

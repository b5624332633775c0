"""Defaults of the reconstruction from particles of few labels."""

from dataclasses import dataclass
from typing import Annotated

from holly_triton.core.config import Bounds, Settings
from holly_triton.particles.bounds import Amount, Count, Positive, Whole


@dataclass(frozen=True)
class Sparse(Settings):
    """Particles of few localisations, whose poses are drawn by the likelihood of each localisation (``posterior``).

    2D localisations follow these settings (``poses``). 3D ones follow those about when poses are drawn, and how, but for their number
    and for the last steps; the steps of the cloud, and these, are those of ``[spatial]``. Lengths are relative to the radius of gyration of the structure.
    """

    most: Whole = 40
    """Median number of localisations of a particle up to which this is done, and"""
    most_pairs: Whole = 4000
    """the same of pairs of a localisation and a point: the cost of a pose grows with them. On particles of more labels,
    pictures determine the poses nearly as well."""
    most_repeated: Whole = 200
    """Median number of localisations of a 3D particle up to which those of a label are merged, where a precision is stated, to see whether
    it has as few labels; it takes time as the square of that. 400 particles of ten labels, each localised ten times, gave an RMSD of
    2.1 nm so, and of 6.6 nm by the best poses (medians of three seeds)."""
    least_dispersion: Amount = 0.4
    """Least variance over mean of their numbers, the share of the labels that is missing. Of two rings of 16 sites, 30 % of them
    missing, poses that were drawn gave 4.60 nm (RMSD) in 178 s and pictures 4.44 nm in 23 s; half of them missing, 4.73 and 5.22 nm;
    three quarters, 4.96 and 15.4 nm (medians of three seeds, 2000 pictures)."""
    least_dispersion_in_space: Amount = 0.6
    """The same of 3D localisations. Of 300 particles of these rings (one seed), 60 % of the labels missing, poses that were drawn gave an
    RMSD of 2.2 nm and rings 59.7 nm apart, the best poses 6.4 and 49.6 nm; half of them missing, 5.3 and 59.5 against 4.1 and 53.2 nm. Of 60
    particles of six sites, nine of ten seen up to four times (dispersion 0.5), 50 steps gave 6.4 nm, and with the best poses 2.7."""
    independent: Positive = 8.0
    """In 3D, where several localisations come of a label, the least number of independent ones as which those of a particle count: a
    pose has six parameters."""
    localisations: Count = 100
    """Localisations of a particle that are used, drawn anew at each step where it has more."""
    steps: Count = 200
    """Steps in which the cloud moves."""
    batch: Count = 200
    """Particles of a step."""
    sigma_start: Positive = 0.4
    """First blur of the points in addition to their own."""
    sigma_end: Positive = 0.008
    """Last one, which is nothing beside the scatter of the labels."""
    annealed: Annotated[float, Bounds(0, 1, open_least=True)] = 0.6
    """Share of the steps in which it falls, geometrically."""
    slowing: Annotated[float, Bounds(0, 1, open_most=True)] = 0.8
    """Share of the steps after which the points' steps become shorter, to nothing at the end."""
    candidates: Count = 700
    """Random rotations that the particles of a step share,"""
    shifts: Count = 3
    """each with as many shifts of each particle's own,"""
    coarse: Positive = 0.25
    """compared at this blur."""
    samples: Count = 32
    """Poses of each particle that are drawn among them and follow the falling blur."""
    levels: Count = 4
    """Levels in which it falls to that of the cloud."""
    moves: Count = 2
    """Metropolis steps of each pose at each level."""
    kept: Count = 4
    """Poses of each particle along whose gradient the points move."""
    shift: Positive = 0.8
    """Standard deviation of a shift along each axis, over the root of the number of localisations: a little more than that of
    their centroid, which is 0.58 along each axis."""
    pixel: Positive = 0.5
    """Pixel of the projections in which candidates are looked up, in units of their blur."""
    background_width: Positive = 1.5
    """Width of the background, a Gaussian about the particle's centre."""

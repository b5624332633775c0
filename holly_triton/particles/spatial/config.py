"""Defaults of the reconstruction from 3D localisations."""

from dataclasses import dataclass, field
from typing import Annotated

from holly_triton.core.config import Bounds, Settings
from holly_triton.particles.bounds import Amount, Count, Positive, Share, Whole


@dataclass(frozen=True)
class PoseEffort(Settings):
    """How many poses of a particle of 3D localisations are compared, and with how many of its localisations."""

    candidates: Count = 500
    """Random rotations that the particles of a step share."""
    few: Count = 30
    """Localisations of a particle with which these are compared."""
    localisations: Count = 128
    """Localisations of a particle with which all other poses are compared, and along whose gradient the points move."""
    rounds: Count = 2
    """Rounds of perturbations of the best poses."""
    near: Count = 8
    """Perturbations of each pose in a round, itself included."""
    closer: Share = 0.5
    """Size of the perturbations of a round relative to that of the one before."""
    climbs: Whole = 0
    """Steps of each pose towards the nearest maximum of its likelihood, after each round."""


@dataclass(frozen=True)
class Counting(Settings):
    """How the number of points is chosen by the likelihood (``spatial.number``).

    Two sets of 15 simulated tetrahedra ended with 4 points at 0.34 to 0.43 and 0.25 to 0.55 nm from the truth (three seeds; 7.2 and
    7.4 nm with 160). One seed each: 100 simulated pores of 32 sites with 32 points at 0.27 nm (0.53 nm with 160), 240 others, 40 %
    of the labels missing, with 30 at 2.1 nm (2.7 nm with 80); of 306 real ones 88 of 89 points were left.
    """

    particles: Count = 1000
    """Particles, evenly spaced over the data, by which it is, and"""
    localisations: Count = 200
    """how many localisations of each."""
    first_passes: Count = 5
    """Passes over them in which the cloud is fitted before points are merged, and"""
    passes: Count = 2
    """after each merger."""
    fine: Count = 32
    """One part in so many of the points is merged at a time, and one point at least."""
    tolerance: Amount = 2.0
    """A number does as well as the best one if it falls short of it by so many standard errors."""
    given_up: Positive = 0.05
    """No fewer points are tried after a number at which points of free weights fall short of the best by so much, a localisation,
    natural logarithm."""


@dataclass(frozen=True)
class Spatial(Settings):
    """``dimensions = 3``: localisations in 3D, by the likelihood of each particle's localisations in weighed poses.

    Lengths are relative to the radius of gyration of the data.
    """

    steps: Count = 300
    """Steps in which the cloud moves."""
    batch: Count = 64
    """Particles of a step."""
    sigma_start: Positive = 0.35
    """First blur of the points in addition to their own."""
    sigma_end: Positive = 0.007
    """Last one, which is nothing beside the precision of a localisation."""
    annealed: Annotated[float, Bounds(0, 1, open_least=True)] = 0.5
    """Share of the steps in which it falls, geometrically."""
    global_search: Share = 0.8
    """Share of the steps in which candidate poses come from all of SO(3) too."""
    slowing: Annotated[float, Bounds(0, 1, open_most=True)] = 0.8
    """Share of the steps after which the points' steps become shorter, to nothing at the end."""
    starts: Count = 4
    """With a symmetry, random starts among which the likeliest is chosen: a cloud may settle about a wrong axis. Of 240 simulated
    pores with a quarter of their labels, in 150 steps and three seeds, C8 came to 4.6, 3.8 and 4.9 nm of the truth (without it to
    9.8, 12.4 and 11.9); from one start each, two of these seeds to 16.7 and 15.6 nm. They are compared"""
    chosen_after: Annotated[float, Bounds(0, 1, open_least=True)] = 0.35
    """after this share of the steps."""
    kept: Count = 8
    """Poses that are kept of each particle."""
    samples: Count = 16
    """Poses of a particle of few labels that are drawn while the cloud moves, as ``[sparse]`` says; all that are kept of them count
    alike. The best ones, weighed, distort the cloud where ten of 32 sites are seen: two rings 60 nm apart came to 48, 76, 54 and 38 nm
    (four seeds), and with these to 59 to 60. They are drawn in the levels and with the steps of ``[sparse]``, and in the end, when
    candidates no longer come from everywhere, in"""
    refined_levels: Count = 12
    """as many levels,"""
    refined_moves: Count = 4
    """with as many Metropolis steps at each. Under the true cloud of 100 such particles, 4 levels of 2 steps left poses 8.4 degrees from
    the true ones in the median, 12 levels of 4 steps 5.1, and 16 levels of 8 steps 4.7. The scatter that is fitted, of which there is
    none, fell from 4.4 to 2.9 nm. With as many in all steps, 120 in number, 300 particles gave rings 44 nm apart. All this was measured
    before the localisations of a label were merged."""
    least_weight: Share = 0.02
    """Poses of a smaller weight are left out of the gradient; with 1 a particle counts in its most likely pose alone,
    unless poses are drawn."""
    turn: Positive = 1.0
    """Standard deviation of the perturbations of a rotation, radians, in units of the points' blur."""
    least_turn: Amount = 0.04
    """Least value of it, radians."""
    shift: Amount = 0.6
    """Standard deviation of the perturbations of a shift along each axis, in units of the standard error of the mean of a
    particle's localisations,"""
    shift_blur: Amount = 0.1
    """and of the points' blur, which is added."""
    voxel: Positive = 0.5
    """Voxel of the log-density, in units of the points' blur."""
    blur_start: Positive = 0.15
    """First blur of the points of their own."""
    background_start: Annotated[float, Bounds(0, 1, open_least=True, open_most=True)] = 0.12
    """First share of the localisations in the background."""
    background_width: Positive = 1.2
    """First width of the background, a Gaussian about the particle's centre."""
    spread_rate: Share = 0.05
    """Share of its width that each step contributes."""
    relocate_every: Count = 10
    """Steps between relocations of points that explain hardly any localisations,"""
    relocate_from: Share = 0.2
    """from this share of the steps on,"""
    relocate_to: Share = 0.75
    """to this one."""
    relocated: Share = 0.05
    """Largest share of the points that is moved at once."""
    idle: Share = 0.4
    """A point is moved if it explains fewer localisations than this share of the mean."""
    counting: Counting = field(default_factory=Counting)
    """After the steps."""
    search: PoseEffort = field(default_factory=PoseEffort)
    """While the cloud moves."""
    last: PoseEffort = field(
        default_factory=lambda: PoseEffort(candidates=250, few=60, localisations=200, rounds=4, near=8, climbs=3)
    )
    """At the end, of every particle, and of those that were held out. With more candidates the search begins at a smaller blur,
    at which fewer orientations come to their maximum: of 60 particles of six sites, searched without a known pose, 97 % were
    right with 250, 92 % with 500."""

"""Defaults of template matching."""

from dataclasses import dataclass
from typing import Annotated, Literal

from holly_triton.core.config import Bounds, Settings

OVERSAMPLING = 3
"""Samples of a template's map per voxel along each axis before it is turned, since turning interpolates linearly."""
FILTER_ROOM = 1.25
"""Side of the box in which a template is filtered, in diameters of its mask."""
SOFT_VOXELS = 2.0
"""Width of the soft edge of a spherical mask, voxels."""
MASK_MARGIN = 1.0
"""What a spherical mask has beyond the template's radius, voxels."""
DENSITY_SHARE = 0.05
"""The radius of a template's map is that of its voxels above this share of the maximum."""
CROPS = ((3, 1), (5, 2), (2, 1), (5, 3), (3, 2), (4, 3), (1, 1))
"""Factors by which a tomogram may be Fourier-cropped for the search, as fractions, the coarsest first."""
SMALLEST_RADIUS = 3.0
"""Radius of a mask after cropping, voxels, at least."""
SEARCH_POWER = {False: 0.95, True: 0.5}
"""Without and with a CTF, which leaves most of a template's power at high frequencies: there 0.95 would be a search at full size."""
BASIS_SAMPLE = 3
"""Turned templates that the basis is found from, per function of the largest basis."""
LARGEST_BASIS = 384
"""Functions at most; a template that needs more is approximated less well in the search, and not at all in the refinement."""
LEAST_INSIDE = 0.5
"""Share of the mask that must lie inside of the tomogram for a position to have a score."""
FLAT = 1e-3
"""A position whose local standard deviation is below this share of the tomogram's has no score."""
CLIP_SIGMA, CLIP_SHARE = 8.0, 1e-3
"""Values farther than so many robust standard deviations from the median are set there, unless they are more than this share."""
BLOCK_BYTES = 2**30
"""Memory that a search may take on a CPU beside the tomogram; on a GPU half of what is free."""
TILE_ROTATIONS, TILE_VOXELS = 512, 4096
"""Scores at a time on a CPU: 8 MiB. On a GPU there are ``GPU_TILES`` times as many voxels."""
GPU_TILES = 64
CANDIDATE_SHARE = 0.8
"""Peaks of the search above this share of its threshold are refined."""
MOST_CANDIDATES = 2000
"""Peaks of a template that are refined at most, the highest ones."""
DECOY_CANDIDATES = 40
"""Peaks of a decoy that are refined, the highest ones,"""
TAIL_PEAKS, FEWEST_PEAKS = 16, 3
"""and how many of them, at most and at least, give the tail of their scores."""
EXPLAINING = 1.5
"""A peak of a decoy is that of a particle if the template scores so many times as much there."""
NULL_PLACES, NULL_ROTATIONS = 200, 16
"""Random places and rotations from which the standard deviation of the score at full band is estimated."""
FEW_ROTATIONS = 64
"""Rotations, drawn at random, at which scores of every voxel give the standard deviation, and the lowest ones the sign."""
TWINS, TWINS_APART = 6, 2.0
"""Rotations of a peak of the search that are compared at full band, no two nearer than so many angles of the grid."""
MOST_ROUNDS = 4
"""Of refinement."""
SIGN_PEAKS, SIGN_MARGIN = 10, 0.5
"""The contrast seems inverted if the mean of so many peaks of the negative score is higher, by so many standard deviations."""
SAME_VOXEL = 0.01
"""Relative difference of two voxel sizes up to which a template is not resampled."""
ROUNDS_SHARE = 0.7
"""Peaks whose score at full band is above this share of the threshold go through the rounds of refinement, which raised 9 of 10
peaks of a crowded tomogram by less than 1.31 times; the lower ones keep the rotation of the grid."""
CROWTHER_VOXELS = 2.5
"""Voxels of the search by which a template's surface moves from one rotation of the grid to the next, over both of its sides."""
ANGLES = (3.0, 30.0)
"""Least and largest angle that follow from a template's size."""


@dataclass(frozen=True)
class Matching(Settings):
    """A search for templates in a tomogram."""

    angle_deg: Annotated[float, Bounds(0.5, 90)] | None = None
    """Of ``geometry.sampling.rotation_grid``; None follows from the template's diameter and the resolution of the search
    (Crowther): ``CROWTHER_VOXELS`` voxels of the search over the diameter."""
    tilt_least_deg: Annotated[float, Bounds(-90, 90)] = -60.0
    tilt_most_deg: Annotated[float, Bounds(-90, 90)] = 60.0
    """First and last tilt, about y; -90 and 90 is no missing wedge."""
    contrast: Literal["dark", "bright"] = "dark"
    """Of macromolecules on their ground."""
    ctf: bool = False
    """Whether the templates get the CTF of the optics; without, their density alone, of the sign of ``contrast``."""
    false_positives: Annotated[float, Bounds(0, open_least=True)] = 1.0
    """Expected number in a tomogram and for each template, by which the threshold is set."""
    mirror: bool = False
    """Whether the mirrored templates are searched for too."""
    search_power: Annotated[float, Bounds(0, 1, open_least=True)] | None = None
    """Share of the power of the filtered template that lies below the resolution of the search at least; None is
    ``SEARCH_POWER``, which depends on the CTF."""
    basis_power: Annotated[float, Bounds(0, 1, open_least=True)] = 0.95
    """Share of the power of the turned templates that their basis holds."""
    rounds: Annotated[int, Bounds(0, MOST_ROUNDS)] = 2
    """Rounds of refinement; each halves the angle between rotations."""
    seed: Annotated[int, Bounds(0)] = 0
    """Of the random rotations and places from which the basis and the standard deviation of scores are found."""

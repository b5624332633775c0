"""The classical fit."""

from dataclasses import dataclass
from typing import Annotated

from holly_triton.core.config import Bounds, Settings

BAND_NARROW, BAND_RATIO = 0.6, 1.6
"""Width of the narrow Gaussian of the band-pass, in widths of the PSF, and of the wide one, in widths of the narrow one. Wider
ones find dimmer emitters and merge more neighbours."""
ENOUGH_LIGHT = 0.98
"""Share of an emitter's light that its region holds, on average over the depths."""
CORE = 1.6
"""Half side of the small region of a first fit, in widths of the PSF."""
DEPTHS = 7
"""Depths that are compared for the start of a fit."""
FARTHEST_PX = 1.5
"""Largest distance of an emitter from its maximum along x or y, pixels."""
LEAST_EXPECTED = 1e-2
"""Photons a pixel: less is never expected, so that no pixel in the dark decides alone."""
DAMPING, MOST_STEPS, SETTLED, TRIAL_STEPS = 0.03, 40, 0.02, 6
"""Of the method of Levenberg and Marquardt: first damping, largest number of steps, the step, in standard deviations, below
which it ends, and the number of steps that are tried from each start."""
FIT_CHUNK = 512
"""Regions that are fitted together: what they need fits a processor's cache."""
GROUND_PX = 4.0
"""Standard deviation of the Gaussian under which the background's variation is seen, pixels."""
UNEVEN_DOUBLES = 5.0
"""Unevenness of the background at which the variance of a result is twice that of an even one: at 2, 4 and 7 the errors were
1.1, 1.3 and 1.7 times the deviations of an even background (5000 and 1000 photons, default PSF)."""
FIT_PIXELS = 2**20
"""Pixels of the frames of a block."""
SAME_PIXEL = 0.01
"""Largest relative difference of the pixels of a movie and of a PSF, or of the PSF of a model."""
CROWDED_SHARE = 0.5
"""A movie is crowded if one emitter does not explain more than this share of its spots."""
ROUND_WIDTHS = (0.7, 2.5)
"""Least and largest width of a spot in 2D, in widths in focus."""


@dataclass(frozen=True)
class Fitting(Settings):
    """The classical fit of a movie."""

    threshold: Annotated[float, Bounds(0, open_least=True)] = 6.0
    """Least height of a maximum of the band-passed frame, standard deviations of its noise."""
    region_px: Annotated[int, Bounds(5, 127)] | None = None
    """Odd side of a region; None follows from the PSF."""
    max_misfit: Annotated[float, Bounds(0, open_least=True)] = 1.5
    """Largest deviance per degree of freedom, which is about 1 where one emitter explains the data; of single ones, one in a
    hundred is above 1.25, if the PSF and the camera are right."""
    max_sigma_nm: Annotated[float, Bounds(0, open_least=True)] = 100.0
    """Largest lateral standard deviation, nm."""
    nearest_px: Annotated[float, Bounds(0)] = 1.0
    """Two results nearer than this are of one emitter."""
    passes: Annotated[int, Bounds(1, 9)] = 2
    """Times that maxima are sought; after the first, in what is left over."""
    later_threshold: Annotated[float, Bounds(0, open_least=True)] = 12.0
    """Least height of these later maxima: errors of the fits before leave small ones."""
    sweeps: Annotated[int, Bounds(1, 99)] = 4
    """Times that all are fitted again after each later search, each with the light of the others as known."""


@dataclass(frozen=True)
class Polishing(Settings):
    """The fit of isolated detections."""

    region_px: Annotated[int, Bounds(5, 127)] | None = None
    """Odd side of a region; None follows from the PSF."""
    enough_light: Annotated[float, Bounds(0, 1)] = 0.99
    """Share of an emitter's light that its region then holds, on average over the depths."""
    room: Annotated[float, Bounds(0)] = 0.75
    """Others must be further away than this along x or y, in sides of the region: half of a side and their own light."""
    prior_widths: Annotated[float, Bounds(0, open_least=True)] = 3.0
    """Factor on a detection's deviations, which are its prior: they follow from the same data, which must not count twice."""
    most_misfit: Annotated[float, Bounds(0)] = 3.0
    """Largest excess of the deviance per degree of freedom over 1, in its standard deviations,"""
    most_residual: Annotated[float, Bounds(0)] = 4.0
    """and largest residual under a Gaussian as wide as an emitter's light, in standard deviations of the noise:"""
    residual_px: Annotated[float, Bounds(0.5)] = 1.5
    """that Gaussian's own, pixels. Beyond them a region holds more than one emitter."""
    most_uneven: Annotated[float, Bounds(0)] = 4.0
    """Largest standard deviation of the smoothed background in a region, over that of noise alone: at 7 the errors of the fit
    are those of the network that ships."""
    farthest_px: Annotated[float, Bounds(0)] = 2.0
    """Largest distance of the result from the detection along x or y, pixels."""

"""From a network's answers to particles."""

from typing import Literal

from .training import Target

Cluster = Literal["peaks", "mean-shift"]

SAME_VOXEL = 0.02
"""Largest relative difference of a tomogram's voxel from the model's."""
LEAST_FACTOR, MOST_FACTOR = 0.85, 1.8
"""A tomogram whose voxel the model's is between these times as large as is resampled, and any other is refused."""
SMOOTHING: dict[Target, float] = {"heat": 0.2, "spheres": 0.5, "shapes": 0.5}
"""Standard deviation, over a radius, of the Gaussian that maps are smoothed with before peaks are sought (the radius of the
smallest class) and before the classes of a peak are compared (each its own): the map of a sphere is flat inside."""
SMOOTHING_REACH = 3.0
"""Standard deviations at which that Gaussian is cut off."""
EXCLUSION = 0.6
"""Two particles of any classes are no nearer to each other than this share of the sum of their radii; the one of the higher
score is kept."""
LOWEST_SCORE = 0.05
"""Of a candidate from which a threshold is chosen."""
MIDDLE = 0.5
"""Threshold of a class that the validation tomograms lack."""

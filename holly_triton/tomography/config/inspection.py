"""How a volume is inspected: its values, its missing wedge, the sign of its contrast."""

BLOCK, MOST_BLOCKS = 64, 27
"""Voxels along a side of the blocks whose power spectra are averaged, and how many of them, evenly spread."""
SMALLEST_SIDE = 16
"""Fewer voxels along an axis show neither a wedge nor a contrast."""
FREQUENCIES = (0.08, 0.45)
"""Cycles per voxel between which power is examined: below, the window blurs the wedge; above, files are often filtered."""
EDGE = 0.5
"""Share of the usual power at which a wedge ends."""
LEAST_IN_PLANE = 0.05
"""Cycles per voxel in the plane of beam and tilt that a frequency needs for its angle to be known."""
ANGLE_BINS = 90
"""Over half a turn: bins of 2 degrees."""
MISSING_DEG = (16.0, 140.0)
"""Smallest and largest angle that a missing wedge is taken to have: tilts to 82 and to 20 degrees."""
DEEPEST = 33.0
"""Factor below the usual power beyond which less power does not count as deeper: leakage alone decides how deep it is."""
MOST_POWER, LEAST_EXPLAINED = 0.3, 0.9
"""A wedge is one if the mean power inside is at most this share of that outside (geometric means over the angles), and if
inside and outside explain at least this share of the variance of the logarithm. Simulated tomograms have 0.96 to 0.98; noise
that was smoothed along one axis or two, whose power falls off gradually, at most 0.81."""

SCALES = (1.5, 3.0, 6.0)
"""Standard deviations of the narrower of two Gaussians, voxels; the other is twice as wide, and their difference keeps blobs
of about this radius."""
CONTRAST_SIDE = 192
"""Voxels along a side of the central part that is examined."""
CONTRAST_PARTS = 3
"""Parts along each axis, which must agree."""
LEAST_ERRORS, LEAST_AGREEMENT = 5.0, 0.75
"""What makes the sign sure: the skewness in standard errors of that of noise, and the share of the parts' absolute
contributions that has its sign."""

SAMPLE = 2_000_000
"""Values from which the median and the number of different values are taken."""
MOST_LABELS = 64
"""A volume of at most so many different whole numbers is one of labels."""
LISTED = 12
"""Classes that are listed one by one."""
TILT_DOUBT = 6.0
"""Degrees by which the tilts that a tomogram's spectrum shows may differ from those given."""

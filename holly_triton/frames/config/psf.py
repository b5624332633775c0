"""PSFs, those of other programs, and the Cramér-Rao bound."""

HUANG = {"sigma0_nm": 130.0, "c_nm": 300.0, "d_nm": 400.0}
"""Width in focus, distance of both foci from 0, and depth of field of the default PSF, nm: a typical cylindrical lens."""
REACH = 4.0
"""Standard deviations of the widest Gaussian that a patch holds on each side: 0.01 % of the photons lie beyond."""
LARGEST_PATCH = 63
"""Largest side of a patch of a Gaussian, pixels; a wider Gaussian is cut off."""
LEAST_WIDTH = 0.3
"""A fitted width that falls below this share of that in focus is an artefact of the fit."""

# The Cramér-Rao bound

BOUND_RIDGE = 1e-9
"""Added to the diagonal of Fisher information scaled to 1: two emitters at one place then get a very large deviation."""

# PSFs of other programs

SMAP_JUMP = 0.01
"""Largest difference of neighbouring polynomials at a shared corner, as a share of the PSF's peak."""
LARGEST_YAML = 2**20
"""Bytes; calibrations have a few hundred."""
CURVE_STEPS = 201
"""Depths at which a polynomial is compared with a curve of Huang et al."""
WORST_CURVE = 0.1
"""Largest difference of their widths, as a share."""

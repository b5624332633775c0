"""Every default of the family; ``core.config`` checks, reads and writes the settings among them."""

PIXEL_NM = 100.0
"""Side of a camera pixel of the SMLM challenge, nm, and the default."""
Z_RANGE_NM = (-700.0, 700.0)
"""Depths that are simulated and searched unless a calibration states its own, nm."""

# PSF

HUANG = {"sigma0_nm": 130.0, "c_nm": 300.0, "d_nm": 400.0}
"""Width in focus, distance of both foci from 0, and depth of field of the default PSF, nm: a typical cylindrical lens."""
REACH = 4.0
"""Standard deviations of the widest Gaussian that a patch holds on each side: 0.01 % of the photons lie beyond."""
LARGEST_PATCH = 63
"""Largest side of a patch of a Gaussian, pixels; a wider Gaussian is cut off."""
LEAST_WIDTH = 0.3
"""A fitted width that falls below this share of that in focus is an artefact of the fit."""

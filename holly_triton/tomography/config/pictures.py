"""How pictures of tomograms are drawn."""

SLAB_ANGSTROM = 120.0
"""Thickness that is averaged for a picture of a slice: single slices of a tomogram are noise."""
BLUR_ANGSTROM = 16.0
"""Standard deviation of the Gaussian by which slices are smoothed, without which the eye sees noise and no particle."""
BLACKEST = 0.005
"""Quantile of a picture that is drawn black, and of its other end that is drawn white."""
PANEL_INCHES = 5.6
DPI = 110
SURFACE_DEVIATIONS, SURFACE_PX = 3.0, 260
"""Level of an isosurface, in standard deviations above the mean, and the side of its picture in pixels."""

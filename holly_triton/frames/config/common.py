"""What several rooms of the family share."""

from holly_triton.core.config import Bounds

PIXEL = Bounds(10, 1000)
"""Of the side of a camera pixel in the sample, nm: cameras have pixels of some micrometres behind a magnification of 25 to 250."""
PIXEL_NM = 100.0
"""Side of a camera pixel of the SMLM challenge, nm, and the default."""
Z_RANGE_NM = (-700.0, 700.0)
"""Depths that are simulated and searched unless a calibration states its own, nm."""

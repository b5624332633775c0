"""Every default of the family; ``core.config`` checks, reads and writes the settings among them."""

PIXEL_NM = 100.0
"""Side of a camera pixel of the SMLM challenge, nm, and the default."""
Z_RANGE_NM = (-700.0, 700.0)
"""Depths that are simulated and searched unless a calibration states its own, nm."""

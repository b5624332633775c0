"""Defaults of simulated tomograms and subtomograms."""

RESOLUTION_VOXELS = 2.0
"""Resolution at which structures are drawn unless another is given, voxels."""
TILT_DEG = (-60.0, 60.0)
"""First and last tilt."""

"""What several rooms of the family share."""

from holly_triton.core.config import Bounds

VOXEL = Bounds(0.1, 1000)
"""Of the side of a voxel, Å: from that of the finest maps of single particles to a cell in some hundred voxels."""

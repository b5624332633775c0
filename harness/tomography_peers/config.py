"""What is compared."""

VERSION = "pytme==0.3.6"
"""GPL-2.0; installed into an environment of its own, which needs gcc, and used as a program."""
SHAPE = (64, 128, 128)
"""Z, Y, X of a tomogram, voxels."""
VOXEL_A, SNR, TILT_DEG = 20.0, (0.1, 0.05), 60.0
PARTICLES = 12
"""Of each structure in a tomogram."""
TOLERANCE_A = 136.8
ANGLE_DEG = 20.0
CANDIDATES = 200
"""Peaks that pytme is asked for."""
START_UP = ("match", "--help")
"""What is run to find the processor time that pytme takes before it computes."""

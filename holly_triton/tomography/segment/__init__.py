"""A 3D network that labels the voxels of a tomogram, and the particles found in its output."""

"""Training a network that labels the voxels of tomograms."""

"""One 3D point cloud from many 2D views of one structure (HOLLy, Blundell et al. 2021)."""

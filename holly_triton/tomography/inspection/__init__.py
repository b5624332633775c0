"""What is in a file: values, voxel size, missing wedge and contrast of a volume; classes and positions of a list; atoms."""

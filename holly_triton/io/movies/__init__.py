"""Movies of camera frames, read in blocks: TIFF in all its kinds, dax, Picasso's raw, NumPy arrays and ND2."""

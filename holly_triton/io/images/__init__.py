"""Stacks of images: TIFF, FITS and MRC."""

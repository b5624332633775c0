"""Volumes: the correlation of subtomograms with rotated references in Fourier space."""

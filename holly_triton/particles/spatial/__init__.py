"""Structures from particles of 3D localisations: a likelihood, and poses that are weighed by it."""

"""Validation: reproducibility, resolution, symmetry, shape, pose error, angular coverage.

Pure functions on arrays, in nm. Every result has ``figures()``, fit for JSON; ``report`` states the same in sentences.
``group.py`` finds the symmetry group by which poses are scored.
"""

from . import consensus, fsc, pose_error, symmetry

__all__ = ["consensus", "pose_error", "fsc", "symmetry"]

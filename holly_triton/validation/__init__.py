"""What makes a result believable, or not: agreement of runs, resolution, false symmetry, pose error.

Pure functions on arrays, in nm. Every result has ``figures()``, fit for JSON, and its module ``explain``, the same in
plain sentences. ``group.py`` finds the symmetry group by which poses are scored.
"""

from . import consensus, fsc, pose_error, symmetry

__all__ = ["consensus", "pose_error", "fsc", "symmetry"]

"""What makes a result believable, or not: agreement of runs, resolution, false symmetry, pose error.

Pure functions on arrays, in nm. Each module has its result's ``figures()``, fit for JSON, and ``explain``, the same
in plain sentences.
"""

from . import consensus, pose_error, resolution, symmetry

__all__ = ["consensus", "pose_error", "resolution", "symmetry"]

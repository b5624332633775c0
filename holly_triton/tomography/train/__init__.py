"""Training a network that labels the voxels of tomograms."""

from .run import Run, carry_out, resume_run, start_run

__all__ = ["Run", "carry_out", "resume_run", "start_run"]

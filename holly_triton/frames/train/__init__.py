"""Training a localiser on frames that are simulated as it goes."""

from holly_triton.core.training import folder_of

from .recalibration import recalibrate
from .run import Run, carry_out, resume_run, start_run

__all__ = ["Run", "carry_out", "folder_of", "recalibrate", "resume_run", "start_run"]

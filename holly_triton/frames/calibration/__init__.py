"""The PSF from a stack of fluorescent beads, recorded at known depths."""

from .beads import Bead
from .calibrate import Calibration, calibrate
from .picture import draw_calibration

__all__ = ["Bead", "Calibration", "calibrate", "draw_calibration"]

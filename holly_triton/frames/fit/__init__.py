"""The classical localisation: local maxima, and the maximum likelihood of one emitter in each of their regions."""

from .frames import Found, fit_frames
from .polishing import polish
from .round import RoundPsf

__all__ = ["Found", "RoundPsf", "fit_frames", "polish"]

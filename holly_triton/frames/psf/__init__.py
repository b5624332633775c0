"""The point-spread function: how the light of one emitter spreads over the pixels of the camera at each depth."""

from .files import read_psf, write_psf
from .gaussian import GaussianPsf, HuangCurve, default_psf
from .model import Psf, check_depths
from .spline import SplinePsf

__all__ = [
    "GaussianPsf", "HuangCurve", "Psf", "SplinePsf", "check_depths", "default_psf", "read_psf", "write_psf",
]  # fmt: skip

"""The model that ships, and the demonstration."""

from dataclasses import dataclass

OTHER_PSF = 0.05
"""Share of the light that a movie's PSF may put elsewhere than that of the model that ships does, in the median over the
depths; and share of the pixel, and of the range of depths, by which it may differ."""
SHIPPED_DEPTHS = 15
"""Depths at which the two are compared."""
MOST_NOISE = 1.5
"""Factor by which the variance of the camera's noise may exceed that in the training; that of an EM-CCD is 2."""


@dataclass(frozen=True)
class Demo:
    """What ``holly-triton frames demo`` simulates."""

    frames: int = 2000
    quick_frames: int = 200
    density: float = 0.5
    """Nominal emitters per square micrometre."""
    seed: int = 12


DEMO = Demo()

"""What ``holly-triton tomo demo`` does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Demo:
    """A small crowded tomogram of the classes of the model that ships."""

    side: int = 128
    """Voxels along x and y."""
    depth: int = 64
    """Voxels along z."""
    particles: int = 12
    """Of each class,"""
    averaged: int = 30
    """and of the class that is averaged."""
    snr: float = 0.1
    tilt: float = 60.0
    """Largest tilt, degrees."""
    step: float = 3.0
    """Between tilts, degrees."""
    angle: float = 30.0
    """Between the rotations of template matching, degrees."""
    seed: int = 4


DEMO = Demo()
QUICK = Demo(side=80, depth=48, particles=2, averaged=10, step=5.0, angle=45.0, seed=5)

"""A simulated drift of the sample, and its file."""

from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.frames.config.drift import WALK_AXIAL, WALK_KNOTS

HEADER = "frame,x [nm],y [nm],z [nm]"


def drift_walk(frames: int, largest_nm: float, seed: int) -> Array:
    """Displacement of the sample in each frame ``[F, 3]``, nm: a smooth random walk that starts at 0.

    Args:
        frames: Number of frames.
        largest_nm: Largest lateral distance from the start; 0 for none.
        seed: Of the walk; it leaves other random choices as they are.
    """
    if largest_nm == 0 or frames == 1:
        return np.zeros((frames, 3))
    steps = np.random.default_rng(seed).normal(size=(WALK_KNOTS, 3)) * (1, 1, WALK_AXIAL)
    walk: Array = CubicSpline(np.linspace(0, 1, WALK_KNOTS), steps.cumsum(axis=0))(np.linspace(0, 1, frames))
    walk -= walk[0]
    scaled: Array = walk * (largest_nm / np.hypot(walk[:, 0], walk[:, 1]).max())
    return scaled


def write_drift(path: Path, displacement: Array) -> None:
    """Write the displacement of each frame ``[F, 3]``, nm, frames from 1.

    Raises:
        HollyError: The file can't be written.
    """
    rows = np.column_stack([np.arange(1, len(displacement) + 1), displacement])
    with replacing(path) as partial:
        np.savetxt(partial, rows, fmt="%d,%.3f,%.3f,%.3f", header=HEADER, comments="")

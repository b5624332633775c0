"""What the Cramér-Rao bound leaves to any method: a rough ceiling of the figures of a cell.

An emitter whose bound lies below half of the tolerances is taken as found, with an error as large as its bound; every other
one as missed, and nothing as false. It is no strict limit: a biased method may fall below the bound, and an unresolvable pair
may be matched by luck.
"""

import numpy as np
import torch

from holly_triton.core.types import Array
from holly_triton.frames.bound import cramer_rao
from holly_triton.frames.camera import camera_preset
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.psf import default_psf
from holly_triton.frames.score.figures import main_figures
from holly_triton.frames.score.matching import in_field

from .cells import SCORING, Cell, CellFrames
from .config import FRAME_PX, RESOLVABLE_NM


def ceiling_of(cell: Cell, made: CellFrames, emitters: int) -> dict[str, float]:
    """The figures of ``main_figures`` that the bound leaves, on the first frames of a cell.

    Args:
        cell: Which.
        made: Its frames.
        emitters: How many emitters these hold at least, where there are so many.
    """
    offsets = made.emitters.offsets
    count = min(int(torch.searchsorted(offsets, emitters)), made.emitters.frames)
    last = int(offsets[count])
    first = Emitters(made.emitters.xyz[:last], made.emitters.photons[:last], offsets[: count + 1])
    background = torch.full((count,), cell.snr.background)
    shape = (FRAME_PX, FRAME_PX)
    deviations = cramer_rao(first, background, default_psf(), camera_preset("photons"), shape, multi=True)
    truth = made.truth[:last]
    inside = in_field(truth, SCORING.width_nm, SCORING.height_nm, SCORING.border_nm)
    figures = main_figures(sums_of(deviations.numpy()[inside]), SCORING, flat=False)
    return {name: float(value) for name, value in figures.items()}


def sums_of(deviations: Array) -> Array:
    """What would be matched, missed and false, and summed squared errors ``[5]``, of emitters with bounds ``[E, 3 or more]``."""
    lateral, axial = np.hypot(deviations[:, 0], deviations[:, 1]), deviations[:, 2]
    found = (lateral < RESOLVABLE_NM[0]) & (axial < RESOLVABLE_NM[1])
    squares = (lateral[found].astype(np.float64) ** 2).sum(), (axial[found].astype(np.float64) ** 2).sum()
    return np.array([found.sum(), (~found).sum(), 0, *squares], dtype=np.float64)

"""Doubts about a tomogram in words, before a model is applied to it."""

import numpy as np

from holly_triton.core.types import Array

from .model import Model
from .normalise import Normalisation
from .picking import find_candidates

SIDE = 96
"""Voxels along each side of the middle of a tomogram, in which both contrasts are tried."""
CLEARLY, FEWEST = 2.0, 1.5
"""So many times the summed score of all picks, and so much more, with the other contrast is a reason to warn."""


def contrast_doubts(model: Model, values: Array, normalisation: Normalisation) -> list[str]:
    """A sentence where a model finds clearly more with the contrast inverted."""
    middle = tuple(slice(max(0, (size - SIDE) // 2), max(0, (size - SIDE) // 2) + SIDE) for size in values.shape)
    thresholds = np.array(model.thresholds)
    stated, inverted = (
        float(find_candidates(model, values[middle], scale, thresholds).scores.sum())
        for scale in (normalisation, normalisation.inverted)
    )
    if inverted > CLEARLY * stated + FEWEST:
        other = "bright" if normalisation.spread < 0 else "dark"
        return [
            f"with inverted contrast the model finds more (summed score {inverted:.1f}, and {stated:.1f} as it stands); is protein "
            f"{other} in this tomogram? Then give --contrast {other}."
        ]
    return []

"""One scale for all tomograms, the same in training and inference: protein bright, median 0, robust standard deviation 1."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.tomography.config.training import CLIP, MOST_SAMPLED, Contrast

REPEATS = 3
"""Estimates of median and deviation, each without what lay too far from the one before."""
SIGMA_PER_MAD = 1.4826
"""Standard deviation of a Gaussian over the median absolute deviation."""


@dataclass(frozen=True)
class Normalisation:
    """Of one tomogram: ``clip((values - median) / spread)``, with the sign that makes protein bright."""

    median: float
    spread: float
    """Robust standard deviation, negative where protein is dark."""

    @classmethod
    def of(cls, values: Array, contrast: Contrast, name: str) -> Self:
        """That of a tomogram ``[Z, Y, X]``, from voxels at regular distances where there are very many.

        A mean would follow gold beads and black borders. Median and median absolute deviation bear them, and are taken a second
        and a third time without what lies too far from them.

        Raises:
            HollyError: It holds no finite value, or more than half of the voxels have the same one.
        """
        step = max(1, round((values.size / MOST_SAMPLED) ** (1 / 3)))
        some = np.asarray(values[::step, ::step, ::step], np.float32)
        some = some[np.isfinite(some)]
        median, spread = 0.0, 0.0
        for _ in range(REPEATS if some.size else 0):
            median = float(np.median(some))
            spread = SIGMA_PER_MAD * float(np.median(np.abs(some - median)))
            if not spread > 0:
                break
            some = some[np.abs(some - median) <= CLIP * spread]
        if not spread > 0:
            raise HollyError(
                f"{name}: more than half of its voxels have the same value, or none is finite; cut its borders off"
            )
        return cls(median, -spread if contrast == "dark" else spread)

    @property
    def inverted(self) -> "Normalisation":
        """The same for the other contrast."""
        return Normalisation(self.median, -self.spread)

    def applied(self, values: Array) -> Tensor:
        """Normalised values, float32; voxels without a finite value become 0."""
        scaled = (torch.from_numpy(np.array(values, np.float32)) - self.median) / self.spread
        return scaled.nan_to_num(0.0, 0.0, 0.0).clamp_(-CLIP, CLIP)

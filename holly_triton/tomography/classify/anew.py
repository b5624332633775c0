"""Training subtomograms whose noise is drawn anew each time they are seen."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from holly_triton.tomography.config.simulation import SimulationSettings

from .drawn import with_noise
from .sets import standardised
from .sources import NOISE, Examples, Kinds, epoch_rows


@dataclass(frozen=True)
class Anew:
    """Signals with fresh noise in every epoch, and fixed examples to validate on.

    Attributes:
        kinds: what the subtomograms have in common.
        signals: without noise ``[N, n, n, n]``.
        classes: of the signals ``[N]`` int64.
        validation: examples of other poses.
        settings: of the simulation.
        seed: of order and noise.
    """

    kinds: Kinds
    signals: Tensor
    classes: Tensor
    validation: Examples
    settings: SimulationSettings
    seed: int

    @property
    def epoch(self) -> int:
        """Number of signals."""
        return len(self.classes)

    def batch(self, step: int, count: int) -> tuple[Tensor, Tensor]:
        """See ``sources.Source``."""
        rows = torch.from_numpy(epoch_rows(self.epoch, step, count, self.seed))
        number = np.random.SeedSequence([self.seed, NOISE, step]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(number >> np.uint64(1)))
        return standardised(with_noise(self.signals[rows], self.settings, generator)), self.classes[rows]

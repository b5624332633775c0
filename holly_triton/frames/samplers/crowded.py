"""Samplers on structures: how many emitters they draw follows from the nominal density, by a table measured on themselves."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.config.samplers import CALIBRATION_COUNTS, CALIBRATION_FRAMES, CHALLENGE_FIELD_NM
from holly_triton.frames.emitters import Emitters

from .density import nominal_density

TRIAL_RATE = 1000.0
"""A rate at which the emitters of one frame show how many there are per unit of rate."""
FLATTEST, STEEPEST = 1.0, 2.0
"""Exponents of the nominal density by the number of emitters: on a surface as seen from above, and on a line."""


class CrowdedSampler:
    """Base of samplers whose nominal density exceeds the number of emitters per area.

    A derived class draws at a rate: a number in proportion to the expected emitters of a frame.
    """

    calibration_field_nm: tuple[float, float] = CHALLENGE_FIELD_NM

    def draw_at(self, rate: Tensor, field_nm: tuple[float, float], generator: torch.Generator) -> Emitters:
        """Positions in a field for each rate ``[B]``, as ``Sampler.draw`` gives them."""
        raise NotImplementedError

    def draw(
        self, density: Tensor, field_nm: tuple[float, float], generator: torch.Generator, *, frames: float = 1.0
    ) -> Emitters:
        """See ``Sampler``."""
        return self.draw_at(self.rate(density).to(generator.device) * frames, field_nm, generator)

    def fluorophores(self, number: int, field_nm: tuple[float, float], generator: torch.Generator) -> Tensor:
        """About this number of positions ``[N, 3]`` on one structure, or all of its sites where they are fewer."""
        trial = torch.full((1,), TRIAL_RATE)
        found = len(self.draw_at(trial, field_nm, torch.Generator().manual_seed(0)).xyz)
        return self.draw_at(trial.to(generator.device) * (number / max(found, 1)), field_nm, generator).xyz

    def rate(self, density: Tensor) -> Tensor:
        """The rate ``[B]`` for nominal densities ``[B]``: interpolated, and at most the largest that was measured."""
        log_density, log_rate = self._table
        wanted = np.log(np.maximum(density.cpu().numpy().astype(np.float64), 1e-12))
        first = slice(0, 3)  # the sparsest rates, of which single distances are noisy
        slope = np.polyfit(log_rate[first], log_density[first], 1)[0] if len(log_rate) > 1 else STEEPEST
        below = log_rate[0] + (wanted - log_density[0]) / np.clip(slope, FLATTEST, STEEPEST)
        inside = np.interp(wanted, log_density, log_rate)
        return torch.from_numpy(np.exp(np.where(wanted < log_density[0], below, inside)).astype(np.float32))

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """Logarithms of nominal densities, rising, and of the rates at which they were measured."""
        generator = torch.Generator().manual_seed(0)
        per_rate = self._emitters_at(1.0, generator)
        rows: list[tuple[float, float]] = []
        for count in CALIBRATION_COUNTS:
            rate = count / per_rate
            drawn = self._inside(
                self.draw_at(torch.full((CALIBRATION_FRAMES,), rate), self.calibration_field_nm, generator)
            )
            density = nominal_density(drawn.xyz[:, :2].numpy(), drawn.offsets.numpy(), self.calibration_field_nm)
            # Where all sites of a structure emit, a higher rate changes nothing.
            if np.isfinite(density) and (not rows or density > rows[-1][0]):
                rows.append((density, rate))
        table = np.log(np.array(rows))
        return table[:, 0], table[:, 1]

    def _emitters_at(self, rate: float, generator: torch.Generator) -> float:
        """Mean emitters of a frame per unit of rate, at a rate at which there are a few."""
        for _ in range(60):
            drawn = self.draw_at(torch.full((CALIBRATION_FRAMES,), rate), self.calibration_field_nm, generator)
            mean = len(self._inside(drawn).xyz) / CALIBRATION_FRAMES
            if 1 <= mean <= 10:
                return mean / rate
            rate *= min(max(3 / max(mean, 1e-3), 1e-3), 1e3)
        raise ValueError("the structure gives no emitters in the field")

    def _inside(self, emitters: Emitters) -> Emitters:
        x, y = emitters.xyz[:, 0], emitters.xyz[:, 1]
        width, height = self.calibration_field_nm
        return emitters.take((x >= 0) & (x < width) & (y >= 0) & (y < height))

"""Emitters of a batch of frames: positions, photons, and which frame each one is in."""

from typing import NamedTuple

import torch
from torch import Tensor


class Emitters(NamedTuple):
    """E emitters in B frames, those of a frame one after the other."""

    xyz: Tensor
    """``[E, 3]`` nm: x along the columns and y along the rows, from the outer corner of the first pixel; z from the focus."""
    photons: Tensor
    """``[E]``: of each, as they arrive at the camera."""
    offsets: Tensor
    """``[B + 1]`` int64: those of frame b are ``offsets[b]`` to ``offsets[b + 1] - 1``."""

    @staticmethod
    def of(xyz: Tensor, photons: Tensor, counts: Tensor) -> "Emitters":
        """Emitters whose number in each frame ``[B]`` is given."""
        return Emitters(xyz, photons, torch.nn.functional.pad(counts.cumsum(0), (1, 0)))

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> Tensor:
        """Emitters in each frame ``[B]``."""
        return self.offsets.diff()

    def frame(self) -> Tensor:
        """The frame of each emitter ``[E]``, counted from 0."""
        return torch.repeat_interleave(self.counts)

    def take(self, kept: Tensor) -> "Emitters":
        """Those that a mask ``[E]`` marks; the number of frames stays."""
        counts = torch.bincount(self.frame()[kept], minlength=self.frames)
        return Emitters.of(self.xyz[kept], self.photons[kept], counts)

"""Regions about candidates, prepared for the likelihood of what the camera recorded there.

Every camera's variance is linear in the expected photons mu: v = dark + each mu. With s = dark / each, (y + s) / each of the
recorded photons y has the mean (mu + s) / each and the same variance, as a Poisson number has. Its likelihood is exact for a
counter of photons, the usual one for sCMOS cameras (Huang et al. 2013, Nature Methods 10, 653), and a quasi-likelihood for an
EM-CCD, whose excess noise halves what is known (each = 2).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.frames.bound import Noise
from holly_triton.frames.psf.model import pixels_of


class Regions(NamedTuple):
    """E regions of S x S pixels."""

    frame: Tensor
    """``[E]``, counted from 0."""
    corner: Tensor
    """``[E, 2]`` int64: row and column of the first pixel, which may lie outside of the frame."""
    data: Tensor
    """``[E, S, S]``: y + s."""
    shift: Tensor
    """``[E, S, S]``: s, and the light of other emitters, which are what is expected besides emitter and background."""
    weight: Tensor
    """``[E, S, S]``: 1 / each; 0 for pixels outside of the frame and for saturated ones."""

    @property
    def size(self) -> int:
        """Side, pixels."""
        return int(self.data.shape[-1])

    def take(self, kept: Tensor | slice) -> "Regions":
        """Those that a mask ``[E]``, indices or a slice name."""
        return Regions(*(part[kept] for part in self))


class Recorded(NamedTuple):
    """Frames and the noise of their pixels."""

    photons: Tensor
    """``[B, H, W]``."""
    noise: Noise
    usable: Tensor
    """``[B, H, W]`` bool: pixels that are not saturated."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.photons.shape[1]), int(self.photons.shape[2])


def cut(recorded: Recorded, frame: Tensor, corner: Tensor, size: int, others: Tensor | None = None) -> Regions:
    """Regions of this size whose first pixels are at ``corner [E, 2]`` (row, column) of the frames ``[E]``.

    Args:
        recorded: The frames.
        frame: Counted from 0.
        corner: May lie outside of the frame.
        size: Side of a region, pixels.
        others: ``[E, S, S]`` expected light of other emitters; None is none.
    """
    pixel, inside = pixels_of(corner, size, frame, recorded.shape)
    here = pixel - (frame * recorded.shape[0] * recorded.shape[1])[:, None, None] * inside
    each, dark = (recorded.noise.each.flatten()[here], recorded.noise.dark.flatten()[here])
    shift = dark / each
    weight = inside * recorded.usable.flatten()[pixel] / each
    data = recorded.photons.flatten()[pixel] + shift
    return Regions(frame, corner, data, shift if others is None else shift + others, weight)


def gathered(frames: Tensor, frame: Tensor, corner: Tensor, size: int) -> Tensor:
    """Pixels ``[E, S, S]`` of frames ``[B, H, W]`` in such regions; 0 outside of the frame."""
    pixel, inside = pixels_of(corner, size, frame, (int(frames.shape[1]), int(frames.shape[2])))
    return torch.where(inside, frames.flatten()[pixel], 0.0)

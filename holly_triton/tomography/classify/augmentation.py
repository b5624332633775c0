"""Changes of training subtomograms that keep class, hand and missing wedge."""

import numpy as np
import torch
from torch import Tensor

from holly_triton.tomography.config.classification import Augmentation

TURNS: tuple[tuple[int, ...], ...] = ((), (2, 3), (1, 3), (1, 2))
"""Axes of ``[B, Z, Y, X]`` that are reversed by no turn, and by 180 degrees about z, y and x."""


def turned(volumes: Tensor, turn: int) -> Tensor:
    """Volumes ``[B, n, n, n]`` turned by 180 degrees about the axis of ``TURNS``, with their centre ``n // 2`` kept."""
    axes = TURNS[turn]
    flipped = volumes.flip(axes) if axes else volumes
    return flipped.roll((1,) * len(axes), axes) if axes and volumes.shape[-1] % 2 == 0 else flipped


def augmented(volumes: Tensor, settings: Augmentation, random: np.random.Generator) -> Tensor:
    """Volumes ``[B, n, n, n]``, each turned about an axis and shifted by some voxels, what leaves on one side returning on the other."""
    changed = volumes
    if settings.turned:
        turns = torch.from_numpy(random.integers(len(TURNS), size=len(volumes))).to(volumes.device)
        changed = torch.empty_like(volumes)
        for turn in range(len(TURNS)):
            changed[turns == turn] = turned(volumes[turns == turn], turn)
    if settings.shift == 0:
        return changed
    size = volumes.shape[-1]
    shifts = torch.from_numpy(random.integers(-settings.shift, settings.shift + 1, size=(3, len(volumes), 1)))
    z, y, x = ((torch.arange(size) - shifts) % size).to(volumes.device)  # each [B, n]
    row = torch.arange(len(volumes), device=volumes.device)[:, None, None, None]
    return changed[row, z[:, :, None, None], y[:, None, :, None], x[:, None, None, :]]

"""Training patches, drawn on the fly around particles; those of a step follow from the seed and the step's number alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.tomography.config.training import Patching

from .scenes import Scene
from .targets import Targets

TURNS = ((), (1, 2), (0, 2), (0, 1))
"""Axes to flip for no turn and for 180 degrees about z, y and x of a patch ``[Z, Y, X]``: the group D2."""


class Batch(NamedTuple):
    """Patches and what a network is to answer for them."""

    inputs: Tensor
    """Normalised voxels ``[B, 1, P, P, P]``."""
    labels: Tensor
    """Classes ``[B, P, P, P]`` int64,"""
    shares: Tensor
    """and their shares, as ``Targets`` has them."""

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(*(part.to(device) for part in self))


def draw_patches(
    scenes: Sequence[Scene], targets: Targets, settings: Patching, side: int, count: int, random: np.random.Generator
) -> Batch:
    """Some patches: of each class that occurs about the same number, and some anywhere.

    Args:
        scenes: Tomograms with their particles.
        targets: How particles are drawn.
        settings: Where patches lie.
        side: P, voxels.
        count: B.
        random: Decides everything that is random.
    """
    numbered = [np.stack([np.full(len(scene.labels), i), np.arange(len(scene.labels))], axis=1) for i, scene in enumerate(scenes)]  # fmt: skip
    rows = np.concatenate(numbered) if numbered else np.zeros((0, 2), int)
    labels = np.concatenate([scene.labels.numpy() for scene in scenes])
    classes = np.unique(labels)
    drawn = []
    for _ in range(count):
        anywhere = random.random() < settings.background or not len(rows)
        if anywhere:
            scene = scenes[int(random.integers(len(scenes)))]
            middle = random.uniform(0, 1, 3) * np.array(scene.values.shape)
        else:
            which, row = rows[random.choice(np.flatnonzero(labels == random.choice(classes)))]
            scene = scenes[int(which)]
            middle = scene.centres[row].numpy() + side * random.uniform(-settings.jitter, settings.jitter, 3)
        corner = _corner(middle, side, scene.values.shape)
        parts = (scene.cut(corner, side), *targets.draw(scene, corner, side))
        turn = TURNS[random.integers(len(TURNS)) if settings.turned else 0]
        drawn.append([part.flip(turn) for part in parts])
    inputs, classes_drawn, shares = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    return Batch(inputs[:, None], classes_drawn, shares)


def _corner(middle: Array, side: int, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """First voxel of a patch: inside of the tomogram where that is large enough, else the patch is in its middle."""
    first = [
        int(np.clip(round(at - side / 2), 0, size - side)) if size >= side else (size - side) // 2
        for at, size in zip(middle.tolist(), shape, strict=True)
    ]
    return first[0], first[1], first[2]

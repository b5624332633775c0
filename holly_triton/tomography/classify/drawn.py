"""Simulated subtomograms: signals that are drawn once, and noise that can be drawn anew at each use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.progress import following
from holly_triton.core.types import Array
from holly_triton.geometry import random_rotations
from holly_triton.tomography.config.simulation import BOXES_AT_ONCE, NULL, SHIFT_SHARE, SimulationSettings
from holly_triton.tomography.simulate.whole import noise_boxes, simulate_subtomograms
from holly_triton.tomography.structures import Density


@dataclass(frozen=True)
class Signals:
    """Subtomograms without noise.

    Attributes:
        volumes: ``[N, n, n, n]`` float32, behind optics and wedge; 0 where there is no particle.
        labels: class of each ``[N]``.
        rotations: ``[N, 3, 3]``.
        positions: Å ``[N, 3]``.
    """

    volumes: Tensor
    labels: Array
    rotations: Tensor
    positions: Tensor


def draw_signals(densities: Sequence[Density], settings: SimulationSettings, generator: torch.Generator) -> Signals:
    """Subtomograms as ``tomo simulate --subtomograms`` makes them, class after class, without their noise.

    Args:
        densities: Structures of the classes; boxes without a particle follow them.
        settings: All else.
        generator: Of the poses.
    """
    seen, size, each = settings.tomogram, settings.box, settings.subtomograms or 0
    reach = SHIFT_SHARE * size * seen.voxel_size
    volumes, rotations, positions = [], [], []
    parts = [(density, start) for density in densities for start in range(0, each, BOXES_AT_ONCE)]
    for density, start in following(parts):
        count = min(BOXES_AT_ONCE, each - start)
        rotation = random_rotations(count, generator)
        shift = reach * (2 * torch.rand(count, 3, generator=generator, device=generator.device) - 1)
        drawn = simulate_subtomograms(
            density, rotation, shift, size=size, voxel=seen.voxel_size, resolution=seen.resolution_a, optics=seen.optics,
            tilt=(-seen.tilt, seen.tilt),
        )  # fmt: skip
        volumes.append(drawn / drawn.std(dim=(1, 2, 3), keepdim=True))
        rotations.append(rotation)
        positions.append(shift)
    device = generator.device
    return Signals(
        torch.cat([*volumes, torch.zeros(each, size, size, size, device=device)]),
        np.repeat([*(density.name for density in densities), NULL], each),
        torch.cat([*rotations, torch.eye(3, device=device).expand(each, 3, 3)]),
        torch.cat([*positions, torch.zeros(each, 3, device=device)]),
    )


def with_noise(signals: Tensor, settings: SimulationSettings, generator: torch.Generator) -> Tensor:
    """Signals ``[B, n, n, n]`` of variance 1 or 0, and noise of the settings' SNR."""
    seen = settings.tomogram
    if seen.snr is None:
        return signals
    noise = noise_boxes(
        len(signals), size=settings.box, voxel=seen.voxel_size, optics=seen.optics, tilt=(-seen.tilt, seen.tilt),
        noise_after=seen.noise_after, generator=generator, device=generator.device,
    )  # fmt: skip
    return signals + noise / math.sqrt(seen.snr)

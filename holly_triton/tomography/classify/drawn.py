"""Simulated subtomograms: signals that are drawn once, and noise that can be drawn anew at each use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.progress import following
from holly_triton.geometry import random_rotations
from holly_triton.geometry.volumes import frequencies, wedge
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.subtomograms import DRAWN_AT_ONCE, NULL, SubtomogramSettings
from holly_triton.tomography.simulate.optics import camera, ctf, spread
from holly_triton.tomography.simulate.whole import simulate_subtomograms
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
    labels: np.ndarray[tuple[int], np.dtype[np.str_]]
    rotations: Tensor
    positions: Tensor


def draw_signals(densities: Sequence[Density], settings: SubtomogramSettings, generator: torch.Generator) -> Signals:
    """The subtomograms of settings, class after class, each particle turned and shifted at random.

    Args:
        densities: Structures of the classes.
        settings: All else.
        generator: Of the poses.
    """
    count, size = settings.per_class, settings.size
    kinds: list[Density | None] = [*densities, *([None] if settings.null else [])]
    volumes, rotations, positions = [], [], []
    parts = [(kind, start) for kind in kinds for start in range(0, count, DRAWN_AT_ONCE)]
    for density, start in following(parts):
        many = min(DRAWN_AT_ONCE, count - start)
        rotation = random_rotations(many, generator)
        reach = settings.shift * size * settings.voxel_size
        shift = reach * (2 * torch.rand(many, 3, generator=generator, device=generator.device) - 1)
        volumes.append(
            torch.zeros(many, size, size, size, device=generator.device)
            if density is None
            else simulate_subtomograms(
                density, rotation, shift, size=size, voxel=settings.voxel_size, resolution=settings.resolution,
                optics=settings.optics, tilt=settings.tilts,
            )
        )  # fmt: skip
        rotations.append(rotation)
        positions.append(shift)
    labels = np.repeat([NULL if density is None else density.name for density in kinds], count)
    return Signals(torch.cat(volumes), labels, torch.cat(rotations), torch.cat(positions))


def with_noise(signals: Tensor, settings: SubtomogramSettings, generator: torch.Generator) -> Tensor:
    """Signals ``[B, n, n, n]`` and noise of the settings' SNR; where there is no signal, noise of variance 1.

    The noise passes through the optics and the wedge, as that of Xu et al. 2017, in a larger box than that of the signal, so
    that its opposite faces are not alike.
    """
    if settings.snr is None:
        return signals
    power = signals.var(dim=(1, 2, 3), keepdim=True)
    deviation = torch.where(power > 0, (power / settings.snr).sqrt(), 1.0)
    return signals + deviation * _noise(len(signals), settings, generator)


def _noise(count: int, settings: SubtomogramSettings, generator: torch.Generator) -> Tensor:
    """Noise behind optics and wedge ``[B, n, n, n]`` of variance 1."""
    size = settings.size
    room = math.ceil(spread(settings.optics, settings.voxel_size) / settings.voxel_size)
    large = size + 2 * room
    response = _response(large, settings.voxel_size, settings.optics, settings.tilts, generator.device)
    white = torch.randn(count, large, large, large, generator=generator, device=generator.device)
    noise = torch.fft.irfftn(torch.fft.rfftn(white, dim=(1, 2, 3)) * response, s=(large,) * 3, dim=(1, 2, 3))
    inner = slice(room, room + size)
    cut: Tensor = noise[:, inner, inner, inner]
    return cut


def _response(size: int, voxel: float, optics: Optics, tilt: tuple[float, float], device: torch.device) -> Tensor:
    """What optics and wedge leave of a cube's frequencies ``[n, n, n // 2 + 1]``, scaled so that white noise keeps its variance."""
    kz, ky, kx = frequencies((size,) * 3, device)
    k = (kx**2 + ky**2 + kz**2).sqrt()
    response = ctf(k / voxel, optics) * camera(2 * k, optics) * wedge((size,) * 3, tilt, device)
    twice = torch.full((size // 2 + 1,), 2.0, device=device)  # columns stand for their mirror images too,
    twice[0] = 1.0
    if size % 2 == 0:  # but for the first and, where it is Nyquist, the last
        twice[-1] = 1.0
    return response * (size**3 / (response.square() * twice).sum()).sqrt()

"""A crowded tomogram in memory: packed, seen by the microscope, reconstructed, with its truth."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.progress import following
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.simulation import TomogramSettings
from holly_triton.tomography.structures import Density, read_density
from holly_triton.tomography.structures.decoys import gold

from .packing import Packed, pack
from .progress import StoppedError
from .reconstruction import back_project, fourier_invert
from .scene import Group, groups
from .series import Series, Tilts
from .volume import WholeVolume

RECONSTRUCTIONS = {"back-projection": back_project, "fourier": fourier_invert}
MEMBRANE, GOLD = "membrane", "gold"


@dataclass(frozen=True)
class Tomogram:
    """A simulated tomogram.

    Attributes:
        volume: ``[Z, Y, X]`` float32.
        clean: the same without noise.
        labels: class of each voxel ``[Z, Y, X]`` uint8: 0 background, else the place in ``classes`` counted from 1.
        instances: particle of each voxel ``[Z, Y, X]`` int32: 0 none, else the row of the truth counted from 1; membranes
            have the numbers behind.
        truth: particles, gold beads included.
        classes: names by label; ``membrane`` is the last one where there are any.
        voxel: Å.
        snr: Var(signal) / Var(noise) as measured in the particles' boxes; infinite without noise.
        left_out: what was asked for but found no room, by class.
    """

    volume: Tensor
    clean: Tensor
    labels: Tensor
    instances: Tensor
    truth: ParticleList
    classes: list[str]
    voxel: float
    snr: float
    left_out: dict[str, int]


def read_classes(settings: TomogramSettings) -> list[tuple[Density, int]]:
    """The structures that settings name, with the number of each; gold beads last.

    Raises:
        HollyError: None is named, one is named twice, or one can't be read.
    """
    found: list[tuple[Density, int]] = []
    for part in filter(None, (part.strip() for part in settings.structures.split(","))):
        name, colon, number = part.rpartition(":")
        own = colon == ":" and number.isdecimal()
        found.append((read_density(name if own else part), int(number) if own else settings.particles))
    if not found:
        raise HollyError("structures: none is named; name each of the classes once, separated by commas")
    if settings.gold:
        found.append((gold(name=GOLD), settings.gold))
    names = [density.name for density, _ in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HollyError(f"structures: {twice[0]} is named twice; name each of the classes once, separated by commas")
    return found


def simulate_tomogram(
    settings: TomogramSettings, generator: torch.Generator, *, classes: list[tuple[Density, int]] | None = None,
    name: str = "", stopped: Callable[[], bool] = lambda: False,
) -> Tomogram:  # fmt: skip
    """Simulate a tomogram on the device of a generator. The same settings and seed give the same numbers on a CPU.

    Args:
        settings: Of the tomogram.
        generator: Of everything random.
        classes: What ``read_classes`` gives for the settings, which repeated calls need not read again.
        name: Of the tomogram in its truth.
        stopped: Whether to stop.

    Raises:
        HollyError: A structure can't be read.
        StoppedError: As ``stopped`` says.
    """
    classes = read_classes(settings) if classes is None else classes
    device, shape, voxel = generator.device, settings.shape, settings.voxel_size
    # Places are drawn on the CPU, from a seed that the generator gives.
    places = torch.Generator().manual_seed(int(torch.randint(2**62, (1,), generator=generator, device=device)))
    packed = pack(classes, shape, voxel, settings.resolution_a, places, membranes=settings.membranes)
    scene = list(groups(packed, [density for density, _ in classes], shape, voxel))
    clean, noisy = _seen(settings, _until(stopped, scene), generator)
    noise = None if settings.snr is None else _mixed(settings.noise_after, noisy)
    boxes = _boxes(packed, classes, shape, voxel)
    volume, snr = clean, math.inf
    if noise is not None and settings.snr is not None:
        volume = clean + noise * math.sqrt(_variance(clean, boxes) / (settings.snr * _variance(noise, boxes)))
        snr = _variance(clean, boxes) / _variance(volume - clean, boxes)
    names = [density.name for density, _ in classes]
    truth = ParticleList.of(
        [names[number - 1] for number in packed.label], packed.position, rotations=packed.rotation, tomogram=name
    )
    return Tomogram(
        volume, clean, torch.from_numpy(packed.labels), torch.from_numpy(packed.instances), truth,
        names + [MEMBRANE] * (settings.membranes > 0), voxel, snr, packed.left_out,
    )  # fmt: skip


def _until(stopped: Callable[[], bool], scene: list[Group]) -> Iterator[Group]:
    """The groups one after the other, each a share of the progress that is shown, by the number of its particles.

    Raises:
        StoppedError: As ``stopped`` says.
    """
    for group in following(scene, [len(group.position) for group in scene]):
        if stopped():
            raise StoppedError
        yield group
    if stopped():
        raise StoppedError


def _seen(
    settings: TomogramSettings, scene: Iterable[Group], generator: torch.Generator
) -> tuple[Tensor, Callable[[bool], Tensor]]:
    """What a tomogram shows of a scene, and what makes noise of any variance for it, from before the optics or not."""
    shape, voxel, resolution, optics = settings.shape, settings.voxel_size, settings.resolution_a, settings.optics
    if settings.path == "whole":
        tilt = (-settings.tilt, settings.tilt)
        whole = WholeVolume(shape, voxel, resolution, optics, tilt, generator.device)
        for group in scene:
            whole.add(*group)
        return whole.signal(), lambda before: whole.noise(generator, before=before)
    tilts = Tilts.symmetric(settings.tilt, settings.step, optics.dose, generator.device)
    series = Series(shape[1:], voxel, resolution, optics, tilts)
    for group in scene:
        series.add(*group)

    def reconstruct(pictures: Tensor) -> Tensor:
        return RECONSTRUCTIONS[settings.reconstruction](pictures, tilts.angles, shape[0])

    return reconstruct(series.pictures()), lambda before: reconstruct(series.noise(generator, before=before))


def _mixed(after: float, make: Callable[[bool], Tensor]) -> Tensor:
    """Noise, of which a share of the variance comes from behind the optics; what has no share is not made."""
    parts = []
    for share, before in ((1 - after, True), (after, False)):
        if share > 0:
            noise = make(before)
            parts.append(noise * (math.sqrt(share) / noise.std()))
    return torch.stack(parts).sum(0)


def _boxes(
    packed: Packed, classes: list[tuple[Density, int]], shape: tuple[int, int, int], voxel: float
) -> list[tuple[slice, ...]]:
    """The cube of each particle, with its diameter for a side; gold, whose contrast is much higher, has none."""
    boxes = []
    for label, position in zip(packed.label, packed.position, strict=True):
        density = classes[label - 1][0]
        if density.name != GOLD:
            low = np.maximum(0, np.floor((position - density.radius) / voxel)).astype(int)
            high = np.minimum(shape[::-1], np.ceil((position + density.radius) / voxel) + 1).astype(int)
            boxes.append(tuple(slice(*ends) for ends in zip(low[::-1], high[::-1], strict=True)))
    return boxes or [tuple(slice(0, side) for side in shape)]


def _variance(volume: Tensor, boxes: list[tuple[slice, ...]]) -> float:
    """Mean variance within boxes."""
    return float(torch.stack([volume[box].var() for box in boxes]).mean())

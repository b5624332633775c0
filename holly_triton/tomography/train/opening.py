"""The source of tomograms that the settings of a training name."""

from collections.abc import Sequence
from pathlib import Path

import torch

from holly_triton.core.config import read_config
from holly_triton.core.errors import HollyError
from holly_triton.tomography.config.picking import SAME_VOXEL
from holly_triton.tomography.config.training import Training

from .folder import Example, class_radii, read_folder
from .scenes import Scene
from .sources import Fixed, Kinds, Source

SETTINGS = ".toml"
"""Suffix of the settings of a simulation."""
NOISE = 1
"""Purpose of the random numbers of label noise; those of patches are for 0."""


def open_source(settings: Training, device: torch.device) -> Source:
    """Tomograms with truth for a training on a device.

    Raises:
        HollyError: The data can't be read or used.
    """
    folder = Path(settings.data)
    if folder.suffix == SETTINGS:
        return _simulated(folder, settings, device)
    examples = read_folder(folder, settings.contrast)
    if settings.validation is not None:
        others = read_folder(Path(settings.validation))
    elif len(examples) > 1:
        examples, others = examples[:-1], examples[-1:]
    else:
        raise HollyError(
            f"{folder}: has a single tomogram; thresholds are chosen on tomograms that are not trained on, so give others with --validation"
        )
    radii = class_radii(examples, settings.radii, folder)
    voxel = examples[0].volume.voxel
    if abs(others[0].volume.voxel / voxel - 1) > SAME_VOXEL:
        raise HollyError(
            f"{settings.validation}: its voxels are {others[0].volume.voxel:g} Å and those of {folder} {voxel:g} Å; they must be of one size"
        )
    kinds = Kinds(tuple(radii), tuple(radii.values()), voxel)
    generator = torch.Generator().manual_seed(settings.seed + NOISE)
    noisy = [
        scene.mislabelled(settings.noise, voxel, 1 + len(kinds.classes), generator)
        for scene in _scenes(examples, kinds, settings)
    ]
    return Fixed(kinds, noisy, _scenes(others, kinds, settings))


def _simulated(path: Path, settings: Training, device: torch.device) -> Source:
    from holly_triton.tomography.config.simulation import SimulationSettings

    from .simulated import Simulated

    if settings.validation is not None:
        raise HollyError(f"--validation {settings.validation}: {path} is a simulation, which makes tomograms for the validation too; leave it out")  # fmt: skip
    simulation = read_config(path, SimulationSettings).tomogram
    return Simulated.of(simulation, settings.renewal, settings.noise, settings.contrast, settings.seed, device)


def _scenes(examples: Sequence[Example], kinds: Kinds, settings: Training) -> list[Scene]:
    return [
        Scene.of(each.name, each.volume.values, kinds.voxel, each.truth, kinds.classes, settings.contrast)
        for each in examples
    ]

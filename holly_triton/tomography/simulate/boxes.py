"""A set of subtomograms written batch by batch: stopped after any of them, it goes on to the same bytes.

The HDF5 file has ``volumes`` [M, n, n, n], ``labels``, ``rotations`` (from the reference into the box) and ``positions`` (Å from
the centre). All of it is allocated at the start, so that no byte depends on when rows are written.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.progress import following, in_parts
from holly_triton.core.stop import stoppable
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.geometry import random_rotations
from holly_triton.tomography.config.simulation import BOXES_AT_ONCE, NULL, SHIFT_SHARE, SimulationSettings
from holly_triton.tomography.structures import Density

from .progress import Finished, StoppedError, save_progress
from .whole import noise_boxes, simulate_subtomograms

SUBTOMOGRAMS = "subtomograms.h5"
UNFINISHED = f"{SUBTOMOGRAMS}.unfinished"
VOLUMES, ROTATIONS, POSITIONS = "volumes", "rotations", "positions"


def write_subtomograms(
    out: Path, settings: SimulationSettings, classes: Sequence[Density], generator: torch.Generator, done: Finished
) -> list[str]:
    """Simulate the boxes that are not finished, and keep note of each batch.

    Args:
        out: The folder.
        settings: Of the simulation, whose ``subtomograms`` is the number of each class.
        classes: Structures; boxes of noise alone follow them.
        generator: As at the start.
        done: What is finished.

    Returns:
        A sentence on the set.

    Raises:
        HollyError: A file can't be written; what is finished stays.
        StoppedError: A signal requested a stop.
    """
    each, size, voxel = settings.subtomograms or 0, settings.box, settings.tomogram.voxel_size
    path, total = out / UNFINISHED, each * (len(classes) + 1)
    if done.generator is None:
        _allocate(path, settings, [density.name for density in classes] + [NULL])
    else:
        generator.set_state(done.generator)
    with stoppable() as stop, in_parts(max(1, len(classes) + 1 - done.boxes // each)) as begin:
        for number, density in enumerate((*classes, None)):
            if done.boxes >= each * (number + 1):
                continue
            begin(NULL if density is None else density.name)
            for first in following(range(done.boxes - each * number, each, BOXES_AT_ONCE)):
                boxes = _simulated(density, min(BOXES_AT_ONCE, each - first), settings, generator)
                _write(path, done.boxes, *boxes)
                done.boxes, done.generator = done.boxes + len(boxes[0]), generator.get_state()
                save_progress(out, settings, done)
                if stop.asked and done.boxes < total:
                    finished = f"{counted(done.boxes, 'subtomogram')} of {total}"
                    raise StoppedError(
                        f"Stopped; go on with the same command and --resume ({finished} finished and kept)"
                    )
    path.replace(out / SUBTOMOGRAMS)
    return [
        f"{out / SUBTOMOGRAMS}: {counted(total, 'subtomogram')} of {size} x {size} x {size} voxels of {voxel:g} Å, "
        f"{each} of each of {counted(len(classes), 'structure')} and {each} of noise alone."
    ]


def _allocate(path: Path, settings: SimulationSettings, names: list[str]) -> None:
    """The file with all but the values of the boxes."""
    import h5py

    each, size, seen = settings.subtomograms or 0, settings.box, settings.tomogram
    total = each * len(names)
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    try:
        with h5py.File(path, "w") as file:
            file.attrs.update(voxel_size=seen.voxel_size, tilt=seen.tilt, snr=seen.snr or math.inf)
            file["labels"] = np.repeat(np.array(names, dtype=h5py.string_dtype()), each)
            for name, shape in ((VOLUMES, (size,) * 3), (ROTATIONS, (3, 3)), (POSITIONS, (3,))):
                file.create_dataset(name, (total, *shape), "f4", dcpl=early)
    except OSError as error:
        raise HollyError(f"{path}: cannot be written ({error}); choose a folder with free space") from error


def _write(path: Path, row: int, volumes: Array, rotations: Array, positions: Array) -> None:
    import h5py

    rows = slice(row, row + len(volumes))
    try:
        with h5py.File(path, "r+") as file:
            file[VOLUMES][rows], file[ROTATIONS][rows], file[POSITIONS][rows] = volumes, rotations, positions
    except OSError as error:
        raise HollyError(f"{path}: cannot be written ({error}); free some space, then --resume") from error


def _simulated(
    density: Density | None, count: int, settings: SimulationSettings, generator: torch.Generator
) -> tuple[Array, Array, Array]:
    """Volumes, rotations and positions of some boxes of a class; None stands for noise alone."""
    seen, device = settings.tomogram, generator.device
    tilt, reach = (-seen.tilt, seen.tilt), SHIFT_SHARE * settings.box * seen.voxel_size
    rotation = random_rotations(count, generator)
    shift = reach * (2 * torch.rand(count, 3, generator=generator, device=device) - 1)
    if density is None:
        rotation, shift = torch.eye(3, device=device).expand(count, 3, 3), torch.zeros_like(shift)
        boxes = noise_boxes(
            count, size=settings.box, voxel=seen.voxel_size, optics=seen.optics, tilt=tilt,
            noise_after=seen.noise_after, generator=generator, device=device,
        )  # fmt: skip
    else:
        boxes = simulate_subtomograms(
            density, rotation, shift, size=settings.box, voxel=seen.voxel_size, resolution=seen.resolution_a,
            optics=seen.optics, tilt=tilt, snr=seen.snr or math.inf, noise_after=seen.noise_after, generator=generator,
        )  # fmt: skip
        # A box has no unit that anyone relies on: noise of variance 1, as in the boxes of noise alone.
        boxes = boxes / boxes.flatten(1).std(1).reshape(-1, 1, 1, 1)
    return boxes.cpu().numpy(), rotation.cpu().numpy(), shift.cpu().numpy()

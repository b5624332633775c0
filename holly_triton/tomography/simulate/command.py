"""What ``tomo simulate`` writes: tomograms with their truth, or sets of subtomograms."""

import math
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.folder import check_free
from holly_triton.core.optional import require
from holly_triton.core.progress import in_parts
from holly_triton.core.resumption import check_options
from holly_triton.core.stop import stoppable
from holly_triton.core.words import counted, rounded
from holly_triton.io.particle_lists.particle_list import joined
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.config.simulation import (
    BOXES_AT_ONCE,
    BYTES_A_BOX_VOXEL,
    BYTES_A_VOXEL,
    NULL,
    SimulationSettings,
)
from holly_triton.tomography.structures import Density

from .boxes import SUBTOMOGRAMS, UNFINISHED, write_subtomograms
from .progress import PROGRESS, Finished, StoppedError, is_unfinished, read_progress, save_progress
from .tomogram import MEMBRANE, Tomogram, read_classes, simulate_tomogram
from .whole import room_around

SETTINGS, TRUTH = "settings.toml", ("truth.star", "truth.csv")
WRITTEN = ("tomogram_*.mrc", "labels_*.mrc", *TRUTH, SUBTOMOGRAMS, UNFINISHED, PROGRESS)
"""All that a simulation leaves in its folder besides its settings."""


def simulate(
    out: Path, settings: SimulationSettings, device: torch.device, *, overwrite: bool = False, resume: bool = False
) -> list[str]:
    """Simulate what the settings ask for in a folder. On a CPU the same settings give the same bytes, stopped or not.

    Args:
        out: Folder; it is made.
        settings: Of the simulation.
        device: Where to compute.
        overwrite: Replace a simulation in an existing folder; other files in it stay.
        resume: Go on with one that was stopped.

    Returns:
        Sentences about what was written.

    Raises:
        HollyError: The folder is in use, a structure can't be read, memory or disk do not suffice, or a file can't be written.
        StoppedError: A signal requested a stop; what was finished is kept.
    """
    if resume and not is_unfinished(out) and (out / SETTINGS).is_file():
        check_options(out, read_config(out / SETTINGS, SimulationSettings).table(), settings.table(), {"classes"})
        return [f"{out}: is finished already"]
    done = read_progress(out, settings) if resume else Finished()
    if not resume:
        _check_folder(out, overwrite)
    classes = read_classes(settings.tomogram)
    _check_memory(settings)
    require("mrcfile", "writing MRC")  # known before the work, not after it
    if not resume:
        _check_disk(out, settings, len(classes))
        _make_place(out)
    if settings.subtomograms is not None:
        generator = generator_of(settings.seed, 0, device)
        lines = write_subtomograms(out, settings, [density for density, _ in classes], generator, done)
        names = [density.name for density, _ in classes] + [NULL]
    else:
        lines = _write_tomograms(out, settings, classes, device, done)
        names = [density.name for density, _ in classes] + [MEMBRANE] * (settings.tomogram.membranes > 0)
    write_config(out / SETTINGS, replace(settings, classes=",".join(names)))
    (out / PROGRESS).unlink(missing_ok=True)
    return lines


def generator_of(seed: int, number: int, device: torch.device) -> torch.Generator:
    """Random numbers of one tomogram of several, which depend on no other."""
    state = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]) >> 1)


def _write_tomograms(
    out: Path, settings: SimulationSettings, classes: list[tuple[Density, int]], device: torch.device, done: Finished
) -> list[str]:
    """Write those that are not finished, and keep note of each as it is."""
    tomogram, voxel = settings.tomogram, settings.tomogram.voxel_size
    save_progress(out, settings, done)
    with stoppable() as stop, in_parts(settings.tomograms - len(done)) as begin:
        for number in range(len(done) + 1, settings.tomograms + 1):
            name = f"tomogram_{number}"
            begin(name)
            generator = generator_of(settings.seed, number, device)
            try:
                made = simulate_tomogram(tomogram, generator, classes=classes, name=name, stopped=lambda: stop.asked)
            except StoppedError:
                finished = f"{counted(len(done), 'tomogram')} of {settings.tomograms}"
                raise StoppedError(f"Stopped; go on with the same command and --resume ({finished} finished and kept)") from None  # fmt: skip
            write_volume(out / f"{name}.mrc", made.volume.cpu().numpy(), voxel)
            write_volume(out / f"labels_{number}.mrc", made.labels.numpy(), voxel)
            done.truths.append(made.truth)
            for file in TRUTH:
                write_particles(out / file, joined(done.truths), voxel_size=voxel, shape=tomogram.shape)
            done.lines.append(_in_words(name, made))
            save_progress(out, settings, done)
    x, y, z = reversed(tomogram.shape)
    total = sum(len(truth) for truth in done.truths)
    whole = (
        f"{out}: {counted(settings.tomograms, 'tomogram')} of {x} x {y} x {z} voxels of {voxel:g} Å with "
        f"{counted(total, 'particle')} of {counted(len(classes), 'class', 'classes')}."
    )
    return [*done.lines, whole]


def _in_words(name: str, made: Tomogram) -> str:
    filled = float((made.labels > 0).float().mean())
    noise = f"SNR {rounded(made.snr)} in the particles' boxes" if math.isfinite(made.snr) else "no noise"
    found = f"{name}: {counted(len(made.truth), 'particle')}, {100 * filled:.0f} % of the volume filled, {noise}."
    if made.left_out:
        absent = ", ".join(f"{number} of {label}" for label, number in made.left_out.items())
        found += f" There was no room for {absent}."
    return found


def _check_memory(settings: SimulationSettings) -> None:
    seen = settings.tomogram
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if settings.subtomograms is None:
        wanted = BYTES_A_VOXEL * math.prod(seen.shape)
        x, y, z = reversed(seen.shape)
        what, remedy = f"--size {x}x{y}x{z}: simulating it", "choose a smaller tomogram or larger voxels"
    else:
        side = settings.box + 2 * room_around(seen.optics, seen.voxel_size)
        wanted = BYTES_A_BOX_VOXEL * min(BOXES_AT_ONCE, settings.subtomograms) * side**3
        what = (
            f"--voxel-size {seen.voxel_size:g}: boxes of {settings.box} voxels, with the room to which the CTF spreads detail, "
            f"have {side}, and simulating {min(BOXES_AT_ONCE, settings.subtomograms)} at once"
        )
        remedy = "choose larger voxels, less --defocus or a smaller --size"
    if wanted > present:
        raise HollyError(
            f"{what} takes about {wanted / 2**30:.0f} GiB of memory and this machine has {present / 2**30:.0f}; {remedy}"
        )


def _check_disk(out: Path, settings: SimulationSettings, classes: int) -> None:
    """Refuse a set of subtomograms, whose file has its whole size from the start, for which there is no room."""
    wanted = 4 * settings.box**3 * (settings.subtomograms or 0) * (classes + 1)
    near = next(place for place in (out, *out.absolute().parents) if place.exists())
    free = shutil.disk_usage(near).free + sum(path.stat().st_size for path in _left(out))
    if wanted > free:
        raise HollyError(
            f"--subtomograms {settings.subtomograms}: they take {wanted / 2**30:.0f} GiB and {out} has room for {free / 2**30:.0f}; "
            "choose fewer or smaller ones, or another folder"
        )


def _left(out: Path) -> list[Path]:
    """What an earlier simulation left in a folder, besides its settings."""
    return [path for pattern in WRITTEN for path in out.glob(pattern)]


def _check_folder(out: Path, overwrite: bool) -> None:
    if is_unfinished(out) and not overwrite:
        raise HollyError(f"{out}: holds a simulation that was stopped; go on with --resume, or pass --overwrite")
    check_free(out, overwrite, "simulation")


def _make_place(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            (
                out / SETTINGS
            ).unlink()  # without it, a simulation that was only half replaced can't be taken for a whole one
        for old in _left(out):
            old.unlink()
    except OSError as error:
        raise HollyError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error

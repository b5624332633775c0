"""The deformation of a finished run, in the same folder: stoppable and resumable, with files of its own.

These are amplitudes.csv (of each particle), deformation.ply (the structure, with the displacement of each point),
pictures/deformation.png and the checkpoints.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.checkpoint import load_checkpoint
from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.log import LOG
from holly_triton.core.optional import MissingExtraError
from holly_triton.core.types import Array, Figures
from holly_triton.io.ply import write_ply
from holly_triton.io.run_files import AMPLITUDES, DISPLACED, AmplitudeTable
from holly_triton.particles.classes.score import Preference
from holly_triton.particles.cloud.train import Progress
from holly_triton.particles.data import Localisations
from holly_triton.particles.deformation.state import DeformationState
from holly_triton.particles.deformation.train import DeformationTrainer, first_state
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.view import render_cloud
from holly_triton.view.orientation import upright

from .checkpoints import carry_on
from .run import Run

PICTURE, SAVED = "deformation.png", "checkpoints-deformation"
KIND = "holly-triton deformation 1"
"""What ``core.checkpoint`` writes of a deformation, with its version."""


def open_deformation(run: Run) -> DeformationTrainer:
    """The deformation of a run whose steps are done, in its last saved state or at the start.

    Raises:
        HollyError: There are checkpoints and none can be used, or they are of other data.
    """
    structure, settings = run.trainer, run.config.deforming
    assert isinstance(structure, SpatialTrainer)
    device = find_device(run.config.device)
    state = load_checkpoint(run.folder / SAVED, KIND, DeformationState.from_payload)
    if state is None:
        generator = torch.Generator(device).manual_seed(run.config.seed)
        state = first_state(structure, settings, generator)
    if state.clouds[0].points.shape != structure.state.points.shape or len(state.mean) != len(structure.particles):
        raise HollyError(f"{run.folder / SAVED}: is of another structure; delete that folder")
    return DeformationTrainer(structure, settings, state.to(device))


def deform(
    run: Run, trainer: DeformationTrainer, callback: Callable[[Progress], None], should_stop: Callable[[], bool]
) -> bool:
    """Step to the end or until asked to stop, saving on the way; True when the deformation is finished.

    Raises:
        HollyError: A file can't be written, or a likelihood isn't finite.
    """
    return carry_on(trainer, run.folder / SAVED, KIND, run.config.checkpoint_every, callback, should_stop)


def conclude_deformation(run: Run, trainer: DeformationTrainer) -> Figures:
    """Score the held-out particles and write the files of a deformation; its figures.

    Raises:
        HollyError: A file can't be written.
    """
    state, pictures, preferred = trainer.state, run.pictures, None
    mean, deviation = state.mean.cpu(), state.deviation.cpu()
    if pictures.held_out is not None:
        assert isinstance(pictures.held_out, Localisations)
        others = trainer.score(trainer.particles.others(pictures.held_out))
        mean, deviation = pictures.join(mean, others.mean.cpu()), pictures.join(deviation, others.deviation.cpu())
        preferred = others.preferred
    spread = trainer.spread_nm
    found = AmplitudeTable(
        pictures.names, (mean * trainer.sign * spread).double().numpy(), (deviation * spread).double().numpy(),
        pictures.is_held_out,
    )  # fmt: skip
    write_amplitudes(run.folder / AMPLITUDES, found)
    points, field = (one.cpu().double().numpy() for one in (state.points, trainer.field))
    with replacing(run.folder / DISPLACED) as partial:
        write_ply(partial, points, ["unit nm"], trainer.clouds[0].channels, displacements=field / spread)
    _draw(run.folder / "pictures" / PICTURE, points, field)
    return {
        "sd_nm": spread,
        "error_nm": float(np.median(found.error_nm)),
        "particles": len(state.mean),
        "seconds": state.seconds,
        "held_out": preferred and _figures(preferred, trainer.particles.seen),
        "history": state.history,
    }


def _figures(found: Preference, seen: str) -> Figures:
    return {
        "seen": seen,
        "particles": found.particles,
        "gain": found.difference,
        "standard_error": found.error,
        "preferred": found.preferred,
    }


def _draw(path: Path, points: Array, field: Array) -> None:
    """Draw the structure at two standard deviations over that at minus two; a line of log where pyvista is not installed."""
    frame, front = upright(points)
    try:
        render_cloud(
            (points + 2 * field) @ frame, path, truth=(points - 2 * field) @ frame, title="The structure at two amplitudes", front=front,
            caption="blue, small: two standard deviations above the mean amplitude;  orange, large: two below;  dark is near, pale is far",
        )  # fmt: skip
    except MissingExtraError as error:
        LOG.warning("%s: not drawn; %s", path, error)


def write_amplitudes(path: Path, found: AmplitudeTable) -> None:
    """Write the columns ``particle``, ``amplitude_nm``, ``error_nm`` and ``held_out`` (yes or no).

    Raises:
        HollyError: The file can't be written.
    """
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["particle", "amplitude_nm", "error_nm", "held_out"])
        for name, amplitude, error, held_out in zip(
            found.names, found.amplitude_nm, found.error_nm, found.held_out, strict=True
        ):
            writer.writerow([name, f"{amplitude:.4f}", f"{error:.4f}", "yes" if held_out else "no"])

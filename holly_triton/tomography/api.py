"""From a tomogram to scored picks in a few functions, for notebooks and programs; all of them are in ``holly_triton``.

>>> from holly_triton import evaluate_picks, pick_particles, simulate_tomogram
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from holly_triton.core.device import find_device
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.reading import read_particles

from .config.scoring import Scoring
from .config.simulation import SimulationSettings, TomogramSettings
from .score.evaluate import Score, evaluate
from .segment.command import Options
from .segment.command import pick_particles as pick_in_file
from .segment.model import DEFAULT
from .simulate.command import simulate

__all__ = ["SimulatedTomogram", "evaluate_picks", "pick_particles", "simulate_tomogram"]


class SimulatedTomogram(NamedTuple):
    """A tomogram and what it shows."""

    path: Path
    """Its file, MRC."""
    truth: ParticleList
    """The particles: class, position in Å, rotation."""


def simulate_tomogram(
    folder: str | Path, settings: TomogramSettings | None = None, *, seed: int = 0, overwrite: bool = False
) -> SimulatedTomogram:
    """Simulate a tomogram, as ``holly-triton tomo simulate`` does.

    Args:
        folder: A new folder for the tomogram and the truth.
        settings: Structures, size, voxels, tilts and noise; the defaults if not given.
        seed: Of every random choice.
        overwrite: Replace the simulation in an existing folder.

    Raises:
        HollyError: The folder exists or can't be written, or a structure is not known.

    Example:
        >>> import tempfile
        >>> from holly_triton import TomogramSettings, simulate_tomogram
        >>> settings = TomogramSettings(structures="ribosome:2", size_x=48, size_y=48, size_z=32, voxel_size=16.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = simulate_tomogram(folder + "/made", settings)
        >>> made.truth.classes, made.truth.positions.shape
        (['ribosome'], (2, 3))
    """
    folder = Path(folder)
    asked = SimulationSettings(seed=seed, tomogram=settings or TomogramSettings())
    for _ in simulate(folder, asked, find_device("auto"), overwrite=overwrite):
        pass
    return SimulatedTomogram(folder / "tomogram_1.mrc", read_particles(folder / "truth.star"))


def pick_particles(
    tomogram: str | Path,
    model: str | Path = DEFAULT,
    *,
    voxel_size: float | None = None,
    threshold: float | None = None,
    averaged: bool = True,
    device: str = "auto",
) -> ParticleList:
    """Pick the particles of a tomogram with a trained network, as ``holly-triton tomo pick`` does.

    Args:
        tomogram: Its file, in MRC, EM or HDF5.
        model: What ``tomo train`` has written; ``default`` is the model that ships, for the structures that are simulated by
            default and voxels of 16 Å.
        voxel_size: Å, where the file does not state it.
        threshold: Least score of a particle of any class; by default the model's, for each class.
        averaged: Average the answers for the tomogram turned by 180 degrees about x, y and z; four times the work.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        The picks: labels, positions in Å from the centre of voxel 0, and scores.

    Raises:
        HollyError: A file can't be read, or the model is of another voxel size.

    Example:
        >>> import tempfile
        >>> from holly_triton import TomogramSettings, evaluate_picks, pick_particles, simulate_tomogram
        >>> settings = TomogramSettings(structures="ribosome:4", size_x=72, size_y=72, size_z=40, voxel_size=16.0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = simulate_tomogram(folder + "/made", settings)
        ...     found = pick_particles(made.path, averaged=False)
        >>> evaluate_picks(found, made.truth).overall.counts.recall > 0.5
        True
    """
    options = Options(voxel_size=voxel_size, threshold=threshold, averaged=averaged, device=device)
    return pick_in_file(Path(tomogram), Path(model), options).particles


def evaluate_picks(found: ParticleList, truth: ParticleList, *, tolerance_angstrom: float | None = None) -> Score:
    """Compare picks with the true particles, matched one to one, as ``holly-triton tomo evaluate`` does.

    Args:
        found: From ``pick_particles``.
        truth: From ``simulate_tomogram`` or ``read_particles``.
        tolerance_angstrom: Largest distance of a pick from its particle; that of the command if not given.

    Returns:
        Figures of all and of each class: ``overall.counts`` has f1, recall and precision.
    """
    settings = Scoring()
    if tolerance_angstrom is not None:
        settings = replace(settings, tolerance_angstrom=tolerance_angstrom)
    return evaluate(found, truth, settings)

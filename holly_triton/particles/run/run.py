"""A run and its folder: from a configuration to a structure on disk, stoppable and resumable at any step.

The folder holds config.toml, data.json, cloud.ply, cloud_mirror.ply, poses.csv, metrics.json, report.html, pictures/,
checkpoints/last.pt, with a deformation what ``.deformation`` says, and, where tensorboardX is installed, TensorBoard events.
"""

import csv
import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from holly_triton.core.board import board
from holly_triton.core.config import read_config, write_config
from holly_triton.core.device import find_device
from holly_triton.core.distributed import leads, summed
from holly_triton.core.energy import EnergyMeter
from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing
from holly_triton.core.folder import check_free, make_folder
from holly_triton.core.lock import CHECKPOINTS, check_idle
from holly_triton.core.log import LOG
from holly_triton.core.words import counted, part_of
from holly_triton.io.run_files import is_unfinished, unfinished
from holly_triton.particles.cloud.train import Progress
from holly_triton.particles.config import Config
from holly_triton.particles.data import Dataset, Localisations, open_dataset
from holly_triton.particles.data.dataset import FEWEST_PICTURES
from holly_triton.particles.spatial.state import SpatialState

from .assignment import of_structure
from .checkpoints import load_state, save_state
from .held_out import AnyTrainer, Split, split
from .provenance import DATA, Provenance, check_unchanged, write_provenance
from .trainers import AnyState, notes_of, settled, trainer_for

WRITTEN = (
    "config.toml", "cloud.ply", "cloud_mirror.ply", "poses.csv", "metrics.json", "report.html",
    DATA, "growth.npz", "pictures", CHECKPOINTS, "events.out.tfevents.*", "spread.csv", "structures.csv", "poses_*.csv", "ranking.csv", "amplitudes.csv", "deformation.ply", "checkpoints-deformation", "repeat-[0-9]*", "half-[12]",
    "consensus", "structure-[0-9]*",
)  # fmt: skip
"""All that a run or a study leaves in its folder; ``--overwrite`` removes these and nothing else."""


BOUND = (
    "points", "choose_points", "symmetry", "pose", "dimensions", "channels", "held_out", "axis", "views", "views_per_particle", "part", "structure", "spatial.kept", "deforming.degree", "deforming.poses", "amortised.size", "amortised.heads", "amortised.optimiser", "direct.optimiser"
)  # fmt: skip
"""Settings that a checkpoint's cloud, poses, network and optimiser depend on. The data may move and be read in other ways, but a
view along another direction, or another half of the particles, has other poses in the same number."""


PICTURES = {
    "data", "unit", "pixel_size", "columns", "channel", "where", "weights", "crop", "background", "contrast", "exclude", "assignment",
}  # fmt: skip
"""Other settings by which other pictures may be read."""


@dataclass(frozen=True)
class Run:
    """A folder, its settings, and a trainer in the state of the last checkpoint."""

    folder: Path
    config: Config
    pictures: Split
    trainer: AnyTrainer
    provenance: Provenance

    @property
    def dataset(self) -> Dataset:
        """The pictures that the structure is made from."""
        return self.pictures.training

    @property
    def notes(self) -> list[str]:
        """Sentences: what was skipped and why, what was assumed, what was held out."""
        return [*self.dataset.notes, *self.pictures.notes, *notes_of(self.trainer)]

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return self.trainer.state.step >= self.trainer.plan.total_steps


def start_run(config: Config, folder: Path, *, overwrite: bool = False) -> Run:
    """Open the data, write the resolved configuration into a fresh folder, and set up the first state.

    Raises:
        HollyError: The data are unusable, the folder exists (and ``overwrite`` is not set) or can't be written.
    """
    if leads():
        check_place(folder, overwrite)
    config = absolute(config)
    pictures = split(open_data(config), config.held_out)
    config = settled(config, pictures.training)
    provenance = Provenance.of(Path(config.data), pictures)
    trainer = trainer_for(
        config, pictures.training
    )  # before the folder: settings that don't go together leave none behind
    if leads():
        make_folder(folder, overwrite, WRITTEN)
        write_config(folder / "config.toml", config)
        write_provenance(folder, provenance)
    return Run(folder, config, pictures, trainer, provenance)


def check_place(folder: Path, overwrite: bool) -> None:
    """Refuse a folder as ``check_free`` does; of an unfinished run it says how to go on with that.

    Raises:
        HollyError: As there.
    """
    if not overwrite and is_unfinished(folder):
        check_idle(folder)
        raise HollyError(f"{unfinished(folder)}, or pass --overwrite to replace it")
    check_free(folder, overwrite)


def absolute(config: Config) -> Config:
    """The same settings with absolute paths, so that the run can be resumed from any folder."""
    exclude, assignment = (path and str(Path(path).resolve()) for path in (config.exclude, config.assignment))
    return dataclasses.replace(config, data=str(Path(config.data).resolve()), exclude=exclude, assignment=assignment)


def run_config(folder: Path) -> Config:
    """The settings that a run was made with: its config.toml, which is restored from a checkpoint where it is missing.

    Raises:
        HollyError: Not the folder of a run, or a setting is wrong.
    """
    path = folder / "config.toml"
    return read_config(path, Config) if path.exists() else _lost_config(path)


def _lost_config(path: Path) -> Config:
    state = load_state(path.parent / CHECKPOINTS, torch.device("cpu"))
    if not path.parent.is_dir():
        what = "is a file; pass the folder" if path.parent.exists() else "there is no such folder; pass that"
        raise HollyError(f"{path.parent}: {what} of a run, which train wrote with --out")
    if state is None:
        raise HollyError(
            f"{path.parent}: is not the folder of a run (no {path.name}); pass what train wrote with --out"
        )
    config = Config.of(state.settings, str(path.parent / CHECKPOINTS))
    if leads():
        LOG.warning("%s: is missing; restored from the checkpoint", path)
        write_config(path, config)
    return config


def resume_run(folder: Path) -> Run:
    """Resume a run from its checkpoint, or from the start if there is none yet.

    Raises:
        HollyError: It is not the folder of a run, its data are missing, its checkpoint can't be read, or settings on which
            it depends, such as points, were changed.
    """
    config = run_config(folder)
    state = load_state(folder / CHECKPOINTS, find_device(config.device))
    if state is not None:
        _check_changes(folder / "config.toml", Config.of(state.settings, str(folder / CHECKPOINTS)), config)
    pictures = split(open_data(config), config.held_out)
    if state is not None:
        config = _as_begun(config, state)
    provenance = Provenance.of(Path(config.data), pictures)
    # Settings that choose other pictures have been reported above; a change of the data has not.
    if state is not None and not PICTURES & {*Config.of(state.settings, "settings").differing(config)}:
        check_unchanged(folder, provenance)
    return Run(folder, config, pictures, trainer_for(config, pictures.training, state), provenance)


def _as_begun(config: Config, state: AnyState) -> Config:
    """The settings with what a run of an earlier version followed that did not have them."""
    if config.dimensions is None:
        config = dataclasses.replace(config, dimensions=3 if isinstance(state, SpatialState) else 2)
    if config.channels is None:
        config = dataclasses.replace(config, channels="pooled")
    if "least_dispersion" not in state.settings.get("sparse", {}):
        sparse = dataclasses.replace(config.sparse, least_dispersion=config.search.least_dispersion)
        config = dataclasses.replace(config, sparse=sparse)
    return config


def bound(changed: Iterable[str], now: Config) -> list[str]:
    """Changed settings on which an earlier part of a run depends."""
    # The seed draws the directions of random views; elsewhere other random numbers from here on change no picture.
    held = {*BOUND, "seed"} if now.views == "random" else {*BOUND}
    return [name for name in changed if name in held]


def _check_changes(path: Path, before: Config, now: Config) -> None:
    """Report settings that were changed between two parts of a run; refuse those on which the first part depends."""
    changed = list(before.differing(now))
    if not changed:
        return
    told = f"{path}: changed since the checkpoint: {', '.join(changed)}"
    if held := bound(changed, now):
        raise HollyError(f"{told}; set {', '.join(held)} back, or start another run with --config {path} --out")
    LOG.warning("%s; going on with the new values", told)


def carry_out(run: Run, callback: Callable[[Progress], None], should_stop: Callable[[], bool]) -> bool:
    """Step to the end or until asked to stop, saving on the way; True when the run is finished.

    Raises:
        HollyError: A file can't be written, or a loss isn't finite.
    """
    state = run.trainer.state
    # Long runs have short steps; a hundredth of the run is a small loss, and a checkpoint may hold a network.
    every = max(run.config.checkpoint_every, run.trainer.plan.total_steps // 100)
    meter = EnergyMeter(state.points.device)
    with board(run.folder) as curves:
        for taken, progress in enumerate(run.trainer.run(), state.step + 1):
            callback(progress)
            if curves is not None and state.history and state.history[-1]["step"] == progress.step:
                for name, value in state.history[-1].items():
                    if name != "step":
                        curves.add_scalar(name, value, progress.step)
            stopping = summed(should_stop()) > 0 and not run.finished
            if stopping or run.finished or (progress.step or taken) % every == 0:
                state.joules += summed(meter.joules())
                if leads():
                    save_state(run.folder / CHECKPOINTS, state)
            if stopping:
                break
    return run.finished


def open_particles(config: Config) -> Dataset:
    """The particles of a run in the frame of its data.

    Raises:
        HollyError: They can't be read, or are not what the settings need.
    """
    return _part(open_whole(config), config)


def open_data(config: Config) -> Dataset:
    """The pictures of a run, those that are to be held out too: its particles, but for what ``pictures_of`` leaves out.

    Raises:
        HollyError: They can't be read, or are not what the settings need.
    """
    return pictures_of(open_whole(config), config)


def open_whole(config: Config) -> Dataset:
    """All particles in the data that a configuration names.

    Raises:
        HollyError: They can't be read.
    """
    return open_dataset(
        config.data, unit=config.unit, pixel_size_nm=config.pixel_size, columns=config.columns,
        channel=config.channel, where=config.where, axis=config.axis, weights=config.weights, crop=config.crop,
        background=config.background, contrast=config.contrast,
    )  # fmt: skip


def pictures_of(dataset: Dataset, config: Config) -> Dataset:
    """The particles of a run's data that it uses, as given or projected along random directions, without the excluded ones.

    Raises:
        HollyError: They are not what the settings need.
    """
    dataset = _part(dataset, config)
    if config.views == "random":
        if not isinstance(dataset, Localisations) or not dataset.has_z:
            raise HollyError(f"{config.data}: has no z, which --views random needs; leave that option out")
        dataset = dataset.views(config.views_per_particle, torch.Generator().manual_seed(config.seed))
    return dataset if config.exclude is None else _without_bad(dataset, Path(config.exclude))


def _part(dataset: Dataset, config: Config) -> Dataset:
    if config.assignment is not None:
        dataset = of_structure(dataset, Path(config.assignment), config.structure)
    if config.part == "all":
        return dataset
    every = torch.arange(config.part == "even", len(dataset), 2)
    if len(every) < FEWEST_PICTURES:
        raise HollyError(
            f"{config.data}: half of it is {counted(len(every), 'particle')}; at least {FEWEST_PICTURES} are needed"
        )
    return dataset.select(every)


def _without_bad(dataset: Dataset, table: Path) -> Dataset:
    """The pictures that a table of ``holly-triton rank`` doesn't mark as bad."""
    if not table.is_file():
        raise missing(table, "the ranking.csv that holly-triton rank wrote for this data set")
    with foreign(table, "a table of holly-triton rank"), table.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"picture", "bad"} <= {*(rows.fieldnames or ())}:
            raise HollyError(
                f"{table}: has no columns picture and bad; pass the table that rank wrote for this data set"
            )
        is_bad = {row["picture"]: row["bad"] == "yes" for row in rows}
    good = [index for index, name in enumerate(dataset.names) if not is_bad.get(name)]
    if not is_bad.keys() & {*dataset.names}:
        raise HollyError(
            f"{table}: names none of these {dataset.noun}s; pass the table that rank wrote for this data set"
        )
    if len(good) < FEWEST_PICTURES:
        raise HollyError(f"{table}: leaves {counted(len(good), dataset.noun)}; at least {FEWEST_PICTURES} are needed")
    dataset.notes.append(
        part_of(len(dataset) - len(good), len(dataset), dataset.noun, "{are} marked as bad and {were} left out.")
    )
    return dataset.select(torch.tensor(good))

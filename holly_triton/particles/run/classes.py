"""Several structures of one data set: a study of a consensus run, a classification, and a run of each structure.

Its folder holds the run folders ``consensus`` and ``structure-1``, ``structure-2`` and so on, from the most frequent
structure to the rarest, and in itself the checkpoints of the classification, structures.csv (the probabilities of each
particle), metrics.json and report.html.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from holly_triton.core.checkpoint import LAST, load_checkpoint
from holly_triton.core.config import write_config
from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.folder import make_folder
from holly_triton.core.lock import CHECKPOINTS
from holly_triton.core.words import counted
from holly_triton.io.metrics import METRICS, Metrics, read_metrics, write_metrics
from holly_triton.io.run_files import unfinished
from holly_triton.particles.classes.score import Preference
from holly_triton.particles.classes.split import divide
from holly_triton.particles.classes.state import ClassState
from holly_triton.particles.classes.train import ClassTrainer
from holly_triton.particles.cloud.train import Progress
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.data.dataset import FEWEST_PICTURES
from holly_triton.particles.spatial.choice import check_spatial
from holly_triton.particles.spatial.state import SpatialState
from holly_triton.particles.spatial.train import SpatialTrainer

from .assignment import TABLE, Assignment, in_order, write_assignment
from .checkpoints import carry_on, save_state
from .held_out import FEWEST_HELD_OUT, split
from .run import WRITTEN, Run, absolute, check_place, open_whole, pictures_of, resume_run, run_config, start_run
from .study import Member
from .trainers import settled

KIND = "holly-triton classes 1"
"""What ``core.checkpoint`` writes of a classification, with its version."""


def is_classified(config: Config) -> bool:
    """Whether a configuration is for several structures."""
    return config.structures > 1


def holds_classes(folder: Path) -> bool:
    """Whether a folder is that of several structures."""
    return (folder / "config.toml").is_file() and is_classified(run_config(folder))


def consensus_of(config: Config, folder: Path) -> Member:
    """The run of all particles."""
    return Member(folder / "consensus", dataclasses.replace(config, structures=1, choose_points=False))


def structures_of(config: Config, folder: Path) -> list[Member]:
    """The run of each structure that has enough particles, after the classification.

    Raises:
        HollyError: The figures of the classification are damaged.
    """
    found = read_metrics(folder).classes
    assert found is not None  # the classification is done
    table = str((folder / TABLE).resolve())
    return [
        Member(
            folder / f"structure-{number}",
            dataclasses.replace(config, structures=1, assignment=table, structure=number),
        )
        for number, particles in enumerate(found["particles"], 1)
        if particles >= FEWEST_PICTURES
    ]


def make_classes(config: Config, folder: Path, *, overwrite: bool) -> None:
    """A folder for a study of several structures, and in it its configuration, with the number of points of all clouds.

    Raises:
        HollyError: The data are unusable or too few, settings don't go together, the folder exists (and ``overwrite`` is not
            set) or can't be written.
    """
    check_place(folder, overwrite)
    dataset = pictures_of(open_whole(config), config)
    training = split(dataset, config.held_out).training
    config = settled(config, training)
    check_spatial(config, dataset, "--structures")
    least = config.classes.particles
    if len(training) < config.structures * least:
        most = len(training) // least
        advice = f"ask for {most} at most" if most > 1 else "leave --structures out"
        spare = len(dataset) - config.structures * least
        if spare >= 0:
            share = spare // FEWEST_HELD_OUT and spare / len(dataset)
            advice = f"hold out fewer (--held-out {math.floor(1000 * share) / 1000:g}), or {advice}"
        raise HollyError(
            f"{config.data}: has {counted(len(training), 'particle')} to classify, and --structures {config.structures} needs "
            f"{config.structures * least}, {least} for each structure; {advice}"
        )
    make_folder(folder, overwrite, WRITTEN)
    write_config(folder / "config.toml", absolute(config))


def are_classified(folder: Path) -> bool:
    """Whether the classification in a folder is done."""
    return (folder / METRICS).is_file() and (folder / TABLE).is_file() and read_metrics(folder).classes is not None


@dataclass(frozen=True)
class Classification:
    """The second stage of such a study, in the state of its last checkpoint."""

    folder: Path
    consensus: Run
    trainer: ClassTrainer


def open_classification(config: Config, folder: Path) -> Classification:
    """The classification of the particles of a finished consensus run, in its last saved state or at the start.

    Raises:
        HollyError: The run, its data or the checkpoint can't be read, or the number of structures was changed.
    """
    run = resume_run(consensus_of(config, folder).folder)
    trainer = run.trainer
    assert isinstance(trainer, SpatialTrainer)
    device = trainer.state.points.device
    state = load_classes(folder, device)
    if state is None:
        generator = torch.Generator(device).manual_seed(config.seed)
        weight = divide(trainer, config.structures, config.classes, generator)
        state = ClassState.fresh(trainer.state, weight, generator)
    if len(state.share) != config.structures or len(state.weight) != len(trainer.particles):
        raise HollyError(
            f"{folder}: was classified into {counted(len(state.share), 'structure')}; set structures back to that, or start "
            "again with --overwrite"
        )
    plan = dataclasses.replace(trainer.plan, config=dataclasses.replace(trainer.plan.config, classes=config.classes))
    return Classification(folder, run, ClassTrainer(plan, trainer.particles, state, device))


def load_classes(folder: Path, device: torch.device) -> ClassState | None:
    """The last state of a classification that can be read; None where nothing was saved yet.

    Raises:
        HollyError: There are checkpoints and none can be used.
    """
    state = load_checkpoint(folder / CHECKPOINTS, KIND, ClassState.from_payload)
    return None if state is None else state.to(device)


def classify(work: Classification, callback: Callable[[Progress], None], should_stop: Callable[[], bool]) -> bool:
    """Step to the end or until asked to stop, saving on the way; True when the classification is finished.

    Raises:
        HollyError: A file can't be written, or a likelihood isn't finite.
    """
    every = work.consensus.config.checkpoint_every
    return carry_on(work.trainer, work.folder / CHECKPOINTS, KIND, every, callback, should_stop)


def conclude_classification(work: Classification) -> None:
    """Score the held-out particles, and write structures.csv and the figures of the classification.

    Raises:
        HollyError: A file can't be written.
    """
    pictures, state = work.consensus.pictures, work.trainer.state
    weight, preferred = state.weight.cpu(), None
    if pictures.held_out is not None:
        assert isinstance(pictures.held_out, Localisations)
        others, preferred = work.trainer.score(work.trainer.particles.others(pictures.held_out))
        weight = pictures.join(weight, others.cpu())
    ordered, order = in_order(weight.double().numpy(), state.share.tolist())
    table = Assignment(pictures.names, ordered, pictures.is_held_out)
    write_assignment(work.folder / TABLE, table)
    figures = {
        "structures": len(order),
        "shares": [float(state.share[cloud]) for cloud in order],
        "particles": table.particles,
        "clouds": order,
        "sure": table.sure,
        "held_out": preferred and _figures(preferred, work.trainer.particles.seen),
        "history": state.history,
    }
    write_metrics(work.folder, Metrics(finished=False, seconds=state.seconds, classes=figures))


def _figures(found: Preference, seen: str) -> dict[str, float | int | bool | str]:
    return {
        "seen": seen,
        "particles": found.particles,
        "log_likelihood": found.several,
        "log_likelihood_single": found.single,
        "difference": found.difference,
        "standard_error": found.error,
        "preferred": found.preferred,
    }


def open_structure(member: Member) -> Run:
    """The run of a structure in its last saved state, or where it begins: with the classification's cloud and poses.

    Raises:
        HollyError: The data or a checkpoint can't be read, or the folder can't be written.
    """
    if not (member.folder / CHECKPOINTS / LAST).is_file():
        run, study = start_run(member.config, member.folder, overwrite=True), member.folder.parent
        found = read_metrics(study).classes
        assert found is not None and isinstance(run.trainer, SpatialTrainer) and member.config.structure is not None
        state = load_classes(study, find_device(member.config.device))
        if state is None:
            raise HollyError(f"{study / CHECKPOINTS}: is missing; start again with --overwrite")
        consensus = resume_run(study / "consensus").dataset.names
        begun = _begun(run, state.clouds[found["clouds"][member.config.structure - 1]], consensus)
        (member.folder / CHECKPOINTS).mkdir(exist_ok=True)
        save_state(member.folder / CHECKPOINTS, begun)
    return resume_run(member.folder)


def continues_classes(run: Run) -> bool:
    """Whether a run is that of a structure in the folder of its study, which goes on from the classification."""
    table = run.config.assignment
    return table is not None and Path(table).parent == run.folder.resolve().parent


def _begun(run: Run, cloud: SpatialState, names: list[str]) -> SpatialState:
    """The state of a structure's run that goes on from a cloud of the classification, whose particles have these names."""
    fresh = run.trainer.state
    assert isinstance(fresh, SpatialState)
    row = {name: number for number, name in enumerate(names)}
    pairs = [(own, row[name]) for own, name in enumerate(run.dataset.names) if name in row]
    own, theirs = torch.tensor(pairs, device=cloud.points.device).reshape(-1, 2).unbind(dim=1)
    poses = {name: getattr(fresh, name).clone() for name in ("rotations", "shifts", "scores", "loss", "entropy")}
    for name, values in poses.items():
        values[own] = getattr(cloud, name)[theirs]
    kept = {name: getattr(fresh, name) for name in ("settings", "order", "cursor", "generator")}
    begins = round(run.config.classes.continued * run.config.spatial.steps)
    return dataclasses.replace(
        cloud, **poses, **kept, step=begins, seconds=0.0, joules=0.0, seen=0, optimiser={}, history=[], growth=[]
    )


def finished_classes(folder: Path) -> Config:
    """The settings of a finished study of several structures.

    Raises:
        HollyError: It is not the folder of one, or not finished.
    """
    config = run_config(folder)
    if not is_classified(config):
        raise HollyError(f"{folder}: is of one structure")
    if not are_classified(folder) or not read_metrics(folder).finished:
        raise unfinished(folder)
    return config

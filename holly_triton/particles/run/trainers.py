"""What carries a configuration out on a data set: on pictures, or on localisations in 3D."""

import dataclasses
from collections.abc import Sequence

import torch

from holly_triton.core.device import find_device
from holly_triton.core.distributed import size
from holly_triton.core.errors import HollyError
from holly_triton.core.words import counted
from holly_triton.particles.cloud.relocation import MOST_MERGED
from holly_triton.particles.cloud.schedule import Plan, SparsePlan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.config import DEFAULT_POINTS, Config
from holly_triton.particles.data import Dataset, Localisations, Pictures
from holly_triton.particles.spatial.choice import (
    channels_of,
    check_spatial,
    dimensions_of,
    lacking_channels,
    points_for,
    sizes_of,
)
from holly_triton.particles.spatial.number import explain_number
from holly_triton.particles.spatial.particles import Particles, own_clouds
from holly_triton.particles.spatial.plan import Plan as SpatialPlan
from holly_triton.particles.spatial.plan import by_label
from holly_triton.particles.spatial.state import SpatialState
from holly_triton.particles.spatial.symmetry import check_points, nearest_count
from holly_triton.particles.spatial.train import SpatialTrainer

from .held_out import AnyTrainer

AnyState = TrainingState | SpatialState


def default_points(dataset: Dataset, config: Config) -> int:
    """The number of labels of a typical particle, within what can be resolved and computed in minutes; of all channels."""
    if config.channels == "separate":
        return sum(sizes_of(None, dataset, config.dimensions))
    if not isinstance(dataset, Localisations):
        return DEFAULT_POINTS.pictures
    return points_for(float(dataset.counts.median()), config.dimensions)


def settled(config: Config, dataset: Dataset) -> Config:
    """The same settings with those that follow from the data.

    Raises:
        HollyError: They ask for 3D localisations, which the data are not.
    """
    config = dataclasses.replace(config, dimensions=dimensions_of(config, dataset))
    config = dataclasses.replace(config, channels=channels_of(config, dataset))
    points, chooses = config.points or default_points(dataset, config), config.choose_points
    if chooses is None:
        free = config.points is None and config.symmetry is None and not config.deformation
        chooses = config.dimensions == 3 and free
    if config.symmetry is not None:
        _check_symmetry(config)
        points = nearest_count(config.symmetry, points)
    if config.deformation:
        _check_deformation(config, dataset)
    return dataclasses.replace(config, points=points, choose_points=chooses)


def _check_symmetry(config: Config) -> None:
    """Refuse a symmetry that does not go with the other settings.

    Raises:
        HollyError: It does not.
    """
    option = f"--symmetry {config.symmetry}"
    if config.dimensions == 2:
        raise HollyError(
            f"{option}: is imposed on structures from 3D localisations, and these are reconstructed from projections; leave it "
            "out: a symmetry that the structure has is found without it"
        )
    if config.channels == "separate":
        raise HollyError(f"{option}: is for one channel; add --channels pooled, or choose one with --channel")
    if config.points is not None:
        check_points(config.symmetry or "", config.points)


def _check_deformation(config: Config, dataset: Dataset) -> None:
    """Refuse data to which no deformation can be fitted.

    Raises:
        HollyError: They are of projections, or too few.
    """
    check_spatial(config, dataset, "--deformation")
    if len(dataset) < (least := config.deforming.particles):
        raise HollyError(
            f"{config.data}: has {counted(len(dataset), 'particle')} for the structure, and --deformation needs {least}; leave it out"
        )


def trainer_for(config: Config, dataset: Dataset, state: AnyState | None = None) -> AnyTrainer:
    """What carries a configuration out on a data set, from a state or from the start.

    Raises:
        HollyError: As ``make_trainer`` and ``make_spatial_trainer``.
    """
    config = settled(config, dataset)
    if config.dimensions == 3:
        assert not isinstance(state, TrainingState) and isinstance(dataset, Localisations)
        return make_spatial_trainer(config, dataset, state)
    assert not isinstance(state, SpatialState)
    return make_trainer(config, dataset, state)


def make_trainer(config: Config, dataset: Dataset, state: TrainingState | None = None) -> Trainer:
    """What carries a configuration out on pictures, from a state or from the start.

    Raises:
        HollyError: The device is not there, there are too many points to merge, or the state is of other data.
    """
    device = find_device(config.device)
    config = dataclasses.replace(config, points=config.points or default_points(dataset, config))
    assert config.points is not None
    if config.prune and config.points > MOST_MERGED:
        raise HollyError(
            f"--prune: merges at most {MOST_MERGED} points, not {config.points}; leave it out, or start with fewer"
        )
    plan = Plan.of(config, dataset)
    if state is None:
        state = TrainingState.fresh(plan, config.points, torch.Generator(device).manual_seed(config.seed))
    else:
        _take_up(state, config, dataset, device)
        if state.sizes:
            _check_channels(state, config, dataset.channels)
    if isinstance(dataset, Pictures) and config.channels != "separate":
        dataset = dataclasses.replace(dataset, parts=None)  # as large as the pictures, and never drawn
    return Trainer(plan, dataset.to(device), state, device)


def make_spatial_trainer(config: Config, dataset: Localisations, state: SpatialState | None = None) -> SpatialTrainer:
    """What carries a configuration out on localisations in 3D, from a state or from the start.

    Raises:
        HollyError: The device is not there, there are several processes, or the state is of other data.
    """
    device = find_device(config.device)
    if size() > 1:
        raise HollyError(
            f"{config.data}: 3D localisations are for one process; start without torchrun, or with --dimensions 2"
        )
    config = dataclasses.replace(config, points=config.points or default_points(dataset, config))
    assert config.points is not None
    channels = dataset.channels if config.channels == "separate" else ()
    particles = Particles.of(dataset, channels, None if state is None else state.merging)
    if state is None:
        particles = by_label(config, particles)
    plan = SpatialPlan.of(config, particles)
    if state is None:
        sizes = sizes_of(config.points, dataset, 3) if channels else [config.points]
        state = SpatialState.fresh(plan, sizes, torch.Generator(device).manual_seed(config.seed))
    else:
        _take_up(state, config, dataset, device)
        _check_channels(state, config, channels or ("",))
    return SpatialTrainer(plan, particles, state, device)


def _check_channels(state: AnyState, config: Config, channels: Sequence[str]) -> None:
    """Refuse channels of another number than that of a run whose clouds are theirs.

    Raises:
        HollyError: The data have others.
    """
    if len(state.sizes) != len(channels):
        raise HollyError(
            f"{config.data}: holds {counted(len(channels), 'channel')}, but the run was made with {len(state.sizes)}"
        )


def _take_up(state: AnyState, config: Config, dataset: Dataset, device: torch.device) -> None:
    """Give a state the present settings, and a random generator of the present device.

    Raises:
        HollyError: The state is of other data.
    """
    if len(state.order) != len(dataset):
        raise HollyError(
            f"{config.data}: holds {counted(len(dataset), dataset.noun)}, but the run was made with {len(state.order)}"
        )
    state.take_up(config.table(), device)


def notes_of(trainer: AnyTrainer) -> list[str]:
    """Sentences about what a trainer assumes of its data, and about its method where the data choose it."""
    channels = _of_channels(trainer)
    if isinstance(trainer, SpatialTrainer):
        imposed, count = trainer.plan.config.symmetry, len(trainer.state.points)
        said = [*trainer.particles.notes, *channels]
        if trainer.draws:
            said.append(
                _of_drawn_poses(
                    trainer.plan.power or 1.0, "localisation" if trainer.particles.blinks is None else "label"
                )
            )
        if trainer.plan.numbers:
            said.append(explain_number(trainer.state, trainer.plan.numbers[0]))
        if imposed is not None:
            unit = counted(len(trainer.unit), "point")
            said.append(
                f"The symmetry {imposed} is imposed: the {count} points are {unit} of the asymmetric unit and their images."
            )
        return said
    if isinstance(trainer.plan, SparsePlan):
        return [_of_drawn_poses(1.0), *channels]
    return channels


def _of_drawn_poses(power: float, noun: str = "localisation") -> str:
    """The sentence about particles of few labels; the power is that of the likelihood."""
    said = f"Particles have few {noun}s: their poses are drawn by the likelihood of each {noun}"
    if power < 1:
        said += f", which counts as {power:.2f} of one, as their numbers vary by more than chance"
    return said + "."


def _of_channels(trainer: AnyTrainer) -> list[str]:
    """Sentences about several channels: why they make one cloud, or, of projections, that each has its own."""
    dataset, config = trainer.dataset, trainer.plan.config
    if len(dataset.channels) < 2:
        return []
    if config.channels == "separate":
        separated = isinstance(trainer, Trainer) and trainer.channels is not None  # 3D particles say so themselves
        return [own_clouds(dataset.channels)] if separated else []
    lacking = lacking_channels(config, dataset)
    return ["The channels are pooled in one cloud" + (f" (--channels separate: {lacking})." if lacking else ".")]

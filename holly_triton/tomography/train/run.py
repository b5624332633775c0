"""A training and its folder: from settings to a model's file, stoppable and resumable at any step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from holly_triton.core.config import write_config
from holly_triton.core.device import find_device
from holly_triton.core.training import (
    Step,
    TrainingState,
    Watch,
    check_new,
    folder_of,
    follow,
    make_training_folder,
    read_training,
)
from holly_triton.tomography.config.training import BATCH, Training
from holly_triton.tomography.segment.model import Model, write_model
from holly_triton.tomography.segment.network import build

from .opening import open_source
from .shapes import average_shapes
from .sources import Source
from .targets import Targets
from .trainer import Trainer
from .validation import validated

KIND = "holly-triton tomography training 1"
"""Of the checkpoints, with its version."""


@dataclass(frozen=True)
class Run:
    """A model's file, and a trainer in the state of the last checkpoint."""

    model: Path
    trainer: Trainer

    @property
    def folder(self) -> Path:
        """Where everything but the model is."""
        return folder_of(self.model)


def start_run(model: Path, settings: Training, *, overwrite: bool = False, source: Source | None = None) -> Run:
    """Set up a training in a new folder.

    Args:
        model: Where the model will be written.
        settings: Of the training.
        overwrite: Whether a model of that name, and its training, are replaced.
        source: Of the tomograms; what ``settings.data`` names if not given.

    Raises:
        HollyError: The model or its folder exists (and ``overwrite`` is not set), or the data can't be used.
    """
    check_new(model, overwrite)
    others = None if settings.validation is None else _absolute(settings.validation)
    settings = replace(settings, data=_absolute(settings.data), validation=others)
    run = Run(model, _trainer(settings, source, None))  # before the folder: data that can't be used leave none behind
    write_config(make_training_folder(model) / "config.toml", settings)
    return run


def resume_run(model: Path, *, source: Source | None = None) -> Run:
    """Resume a training from its checkpoint, or from the start if there is none yet.

    Raises:
        HollyError: There is no training of this model, or its files can't be read.
    """
    settings, state = read_training(model, KIND, Training)
    return Run(model, _trainer(settings, source, state))


def carry_out(run: Run, callback: Callable[[Step], None], should_stop: Callable[[], bool]) -> Model:
    """Train to the end or until asked to stop, saving on the way; write and return the model.

    Raises:
        HollyError: A file can't be written.
    """
    trainer = run.trainer

    def measure() -> dict[str, float]:
        return validated(trainer.model({}), trainer.source.validation, averaged=False).figures

    follow(trainer, run.folder, KIND, Watch(measure, trainer.settings.validations, callback, should_stop))
    state = trainer.state
    figures = {"steps": state.step, "patches": state.step * state.batch, "seconds": state.seconds}
    model = validated(trainer.model(figures), trainer.source.validation, averaged=True)
    write_model(run.model, model)
    return model


def _trainer(settings: Training, source: Source | None, state: TrainingState | None) -> Trainer:
    device = find_device(settings.device)
    source = source or open_source(settings, device)
    if state is None:
        state = TrainingState(settings.table(), settings.batch or BATCH[device.type])
    kinds = source.kinds
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build(settings.network, 1 + len(kinds.classes))
    radii = [radius / kinds.voxel for radius in kinds.radii]
    shapes = average_shapes(source.scenes(0), radii) if settings.targets == "shapes" else None
    targets = Targets(settings.targets, torch.tensor([0.0, *radii]), shapes)
    return Trainer(settings, network, source, targets, device, state)


def _absolute(name: str) -> str:
    """The absolute path of what exists, so that the training can be resumed from any folder."""
    return str(Path(name).resolve()) if Path(name).exists() else name

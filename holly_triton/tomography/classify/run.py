"""A training in the folder of a classification: from a labelled set to ``model.pt``, stoppable and resumable at any step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from holly_triton.core.config import write_config
from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
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
from holly_triton.tomography.config.classification import Training

from .baseline import RifSvm
from .model import Model, write_model
from .networks import build
from .opening import open_set
from .sources import Fixed, Source
from .trainer import Trainer, calibrated

KIND = "holly-triton subtomogram training 1"
"""What ``core.checkpoint`` writes, with its version."""
MODEL = "model.pt"
SMALLEST = 8
"""Voxels along the side of the smallest box: the network as published with the most layers halves it twice."""


@dataclass(frozen=True)
class Run:
    """A model's file, and a trainer in the state of the last checkpoint."""

    model: Path
    trainer: Trainer

    @property
    def folder(self) -> Path:
        """Where everything but the model is."""
        return folder_of(self.model)


def start_run(path: Path, settings: Training, *, overwrite: bool = False) -> Run | Model:
    """Set up a training beside a model's file; the baseline, which has no steps, is fitted and written at once.

    Raises:
        HollyError: The model exists (and ``overwrite`` is not set), or the set can't be trained on.
    """
    check_new(path, overwrite)
    settings = replace(settings, data=str(Path(settings.data).resolve()))
    source = source_for(settings)
    settings = settings.planned(source.epoch)
    if settings.network.name == "rif-svm":
        model = fit_baseline(settings, source)
        write_model(path, model)
        return model
    run = Run(path, trainer_for(settings, source, None))
    write_config(make_training_folder(path) / "config.toml", settings)
    return run


def resume_run(path: Path) -> Run:
    """Resume a training from its checkpoint, or from the start if there is none yet.

    Raises:
        HollyError: There is no training of this model, or its files can't be read.
    """
    settings, state = read_training(path, KIND, Training)
    return Run(path, trainer_for(settings, source_for(settings), state))


def carry_out(
    run: Run, callback: Callable[[Step], None] = lambda _: None, should_stop: Callable[[], bool] = lambda: False
) -> Model:
    """Train to the end or until asked to stop, saving on the way; write and return the model.

    Raises:
        HollyError: A file can't be written.
    """
    trainer = run.trainer

    def measure() -> dict[str, float]:
        figures = trainer.model().figures["validation"]
        return {name: figures[name] for name in ("accuracy", "top2", "cross_entropy")}

    follow(trainer, run.folder, KIND, Watch(measure, trainer.settings.validations, callback, should_stop))
    model = trainer.model()
    write_model(run.model, model)
    return model


def source_for(settings: Training) -> Source:
    """What a training is on.

    Raises:
        HollyError: The set can't be read or trained on.
    """
    source = Fixed.of(open_set(Path(settings.data), settings.voxel_size), settings)
    if source.kinds.size < SMALLEST:
        raise HollyError(
            f"{settings.data}: has boxes of {source.kinds.size} voxels; a classifier needs {SMALLEST} or more"
        )
    return source


def trainer_for(settings: Training, source: Source, state: TrainingState | None) -> Trainer:
    """A trainer at the start or in a saved state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = build(settings.network, source.kinds.size, len(source.kinds.classes))
    state = TrainingState(settings.table(), settings.batch) if state is None else state
    return Trainer(settings, network, source, find_device(settings.device), state)


def fit_baseline(settings: Training, source: Source) -> Model:
    """The baseline, fitted to the first epoch of a source."""
    kinds, device = source.kinds, find_device(settings.device)
    volumes, labels = source.batch(0, source.epoch)
    network = RifSvm.fit(settings.invariants, volumes.to(device), labels.to(device))
    figures = {"steps": 0, "subtomograms": len(labels)}
    return calibrated(Model(network, kinds.classes, kinds.size, kinds.voxel, 1.0, settings, figures), source)

"""A training and its folder: from settings to a model's file, stoppable and resumable at any step.

Beside the model ``net.pt`` lies the folder ``net-training``: config.toml, psf.h5, checkpoints/, history.json and, where
tensorboardX is installed, TensorBoard events.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from holly_triton.core.config import write_config
from holly_triton.core.device import find_device
from holly_triton.core.files import absolute
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
from holly_triton.frames.camera import read_camera
from holly_triton.frames.config.localisation import LOWEST_PROBABILITY
from holly_triton.frames.config.training import BATCH, Training
from holly_triton.frames.localise import Model, write_model
from holly_triton.frames.localise.localiser import Localiser
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.psf import Psf, default_psf, read_psf, write_psf

from .stream import Stream
from .trainer import Trainer
from .validation import VALIDATION, Examples, best_threshold, recalibrated

KIND = "holly-triton frames training 1"
"""What ``core.checkpoint`` writes, with its version."""


@dataclass(frozen=True)
class Run:
    """A model's file, the folder beside it, and a trainer in the state of the last checkpoint."""

    model: Path
    trainer: Trainer
    examples: Examples

    @property
    def folder(self) -> Path:
        """Where everything but the model is."""
        return folder_of(self.model)


def start_run(model: Path, settings: Training, *, overwrite: bool = False) -> Run:
    """Set up a training in a new folder.

    Raises:
        HollyError: The model or its folder exists (and ``overwrite`` is not set), or a setting can't be used.
    """
    check_new(model, overwrite)
    settings = replace(
        settings, camera=absolute(settings.camera) or settings.camera, structure=absolute(settings.structure)
    )
    psf = default_psf() if settings.psf is None else read_psf(Path(settings.psf))
    run = Run(
        model, *_trainer(settings, psf, None)
    )  # before the folder: settings that don't go together leave none behind
    folder = make_training_folder(model)
    write_psf(folder / "psf.h5", psf)
    write_config(folder / "config.toml", settings)
    return run


def resume_run(model: Path) -> Run:
    """Resume a training from its checkpoint, or from the start if there is none yet.

    Raises:
        HollyError: There is no training of this model, or its files can't be read.
    """
    settings, state = read_training(model, KIND, Training)
    return Run(model, *_trainer(settings, read_psf(folder_of(model) / "psf.h5"), state))


def carry_out(run: Run, callback: Callable[[Step], None], should_stop: Callable[[], bool]) -> Model:
    """Train to the end or until asked to stop, saving on the way; write and return the model.

    Raises:
        HollyError: A file can't be written, or the loss is not finite.
    """
    trainer = run.trainer

    def measure() -> dict[str, float]:
        found = run.examples.localised(trainer.model({}), LOWEST_PROBABILITY)
        return best_threshold(found, run.examples)[1]

    follow(trainer, run.folder, KIND, Watch(measure, trainer.settings.validation.times, callback, should_stop))
    state = trainer.state
    figures = {"steps": state.step, "frames": state.step * state.batch, "seconds": state.seconds}
    model = recalibrated(trainer.model(figures), trainer.stream)
    write_model(run.model, model)
    return model


def _trainer(settings: Training, psf: Psf, state: TrainingState | None) -> tuple[Trainer, Examples]:
    device = find_device(settings.device)
    stream = Stream.of(settings, psf, read_camera(settings.camera), device)
    if state is None:
        state = TrainingState(settings.table(), settings.batch or BATCH[device.type])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        localiser = Localiser(settings.network, Scales.of(psf.pixel_nm, psf.z_range_nm))
    validation = settings.validation
    examples = Examples.of(stream, VALIDATION, validation.frames, validation.side_px)
    return Trainer(settings, localiser, stream, state), examples

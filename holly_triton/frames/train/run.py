"""A training and its folder: from settings to a model's file, stoppable and resumable at any step.

Beside the model ``net.pt`` lies the folder ``net-training``: config.toml, psf.h5, checkpoints/, history.json and, where
tensorboardX is installed, TensorBoard events.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from holly_triton.core.board import board
from holly_triton.core.checkpoint import load_checkpoint, save_checkpoint
from holly_triton.core.config import read_config, write_config
from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, replacing
from holly_triton.core.lock import CHECKPOINTS, check_idle
from holly_triton.frames.camera import read_camera
from holly_triton.frames.config import BATCH, CHECKPOINT_S, LOWEST_PROBABILITY, Training
from holly_triton.frames.localise import Model, write_model
from holly_triton.frames.localise.localiser import Localiser
from holly_triton.frames.network.outputs import Scales
from holly_triton.frames.psf import Psf, default_psf, read_psf, write_psf

from .state import TrainingState
from .stream import Stream
from .trainer import Step, Trainer
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


def folder_of(model: Path) -> Path:
    """The folder of a model's training."""
    return model.with_name(f"{model.stem}-training")


def start_run(model: Path, settings: Training, *, overwrite: bool = False) -> Run:
    """Set up a training in a new folder.

    Raises:
        HollyError: The model or its folder exists (and ``overwrite`` is not set), or a setting can't be used.
    """
    folder = folder_of(model)
    if (model.exists() or folder.exists()) and not overwrite:
        there = model if model.exists() else folder
        raise HollyError(f"{there}: exists already; choose another name, go on with --resume, or pass --overwrite")
    check_idle(folder)
    settings = replace(settings, camera=_absolute(settings.camera), structure=_absolute(settings.structure))
    psf = default_psf() if settings.psf is None else read_psf(Path(settings.psf))
    run = Run(
        model, *_trainer(settings, psf, None)
    )  # before the folder: settings that don't go together leave none behind
    try:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{CHECKPOINTS}/*.pt"):
            old.unlink()
    except OSError as error:
        raise HollyError(
            f"{folder}: cannot be written ({error.strerror}); choose another place for the model"
        ) from error
    write_psf(folder / "psf.h5", psf)
    write_config(folder / "config.toml", settings)
    return run


def resume_run(model: Path) -> Run:
    """Resume a training from its checkpoint, or from the start if there is none yet.

    Raises:
        HollyError: There is no training of this model, or its files can't be read.
    """
    folder = folder_of(model)
    if not (folder / "config.toml").is_file():
        raise HollyError(
            f"{model}: has no training to resume (no {folder / 'config.toml'}); start one without --resume"
        )
    settings = read_config(folder / "config.toml", Training)
    state = load_checkpoint(folder / CHECKPOINTS, KIND, TrainingState.from_payload)
    if state is not None and (changed := list(Training.of(state.settings, str(folder)).differing(settings))):
        raise HollyError(
            f"{folder / 'config.toml'}: changed since the checkpoint: {', '.join(changed)}; set them back, or start another training"
        )
    return Run(model, *_trainer(settings, read_psf(folder / "psf.h5"), state))


def carry_out(run: Run, callback: Callable[[Step], None], should_stop: Callable[[], bool]) -> Model:
    """Train to the end or until asked to stop, saving on the way; write and return the model.

    Raises:
        HollyError: A file can't be written, or the loss is not finite.
    """
    trainer, saved = run.trainer, time.monotonic()
    with board(run.folder) as curves:
        for step in trainer.run():
            if _due(trainer):
                record = _record(run, step)
                if curves is not None:
                    for name, value in record.items():
                        if math.isfinite(value):  # of no matches there is no error
                            curves.add_scalar(name, value, step.step)
            callback(step)
            stopping = should_stop() or trainer.done >= 1
            if stopping or time.monotonic() - saved > CHECKPOINT_S:
                save_checkpoint(run.folder / CHECKPOINTS, KIND, trainer.save().payload())
                saved = time.monotonic()
            if stopping:
                break
    state = trainer.state
    figures = {"steps": state.step, "frames": state.step * state.batch, "seconds": state.seconds}
    model = recalibrated(trainer.model(figures), trainer.stream)
    write_model(run.model, model)
    with replacing(run.folder / "history.json") as partial:
        partial.write_text(as_json(state.history), encoding="utf-8")
    return model


def _due(trainer: Trainer) -> bool:
    """Whether so much of the training is done that it's time for figures."""
    return trainer.done * trainer.settings.validation.times >= len(trainer.state.history) + 1


def _record(run: Run, step: Step) -> dict[str, float]:
    """Figures of this moment, which are also appended to the history."""
    trainer = run.trainer
    found = run.examples.localised(trainer.model({}), LOWEST_PROBABILITY)
    _, figures = best_threshold(found, run.examples)
    losses = {name: float(value) for name, value in step.figures.items()}
    record = {"step": float(step.step), "seconds": trainer.state.seconds, "rate": step.rate, **losses, **figures}
    trainer.state.history.append(record)
    return record


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


def _absolute(name: str | None) -> Any:
    """A file's absolute path, so that the training can be resumed from any folder; other words as they are."""
    first, *rest = (name or "").split(",")
    return ",".join([str(Path(first).resolve()), *rest]) if first and Path(first).exists() else name

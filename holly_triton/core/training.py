"""A training and its folder: all that changes while it goes on, in one serialisable dataclass, and where it is kept.

Beside the model ``net.pt`` lies the folder ``net-training``, with config.toml, checkpoints/ and history.json.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from .board import board
from .checkpoint import load_checkpoint, save_checkpoint
from .config import Some, read_config
from .errors import HollyError
from .files import as_json, check_writable, replacing
from .lock import CHECKPOINTS, check_idle

CHECKPOINT_S = 60.0
"""Seconds between checkpoints."""


@dataclass
class TrainingState:
    """A training between two steps, from which it continues as if it had not been interrupted."""

    settings: dict[str, Any]  # as config.toml holds them
    batch: int  # examples of a step: the default depends on the device
    step: int = 0
    seconds: float = 0.0
    skipped: int = 0  # steps whose gradient was not finite
    weights: dict[str, Tensor] = field(default_factory=dict)  # the network's state_dict
    average: dict[str, Tensor] = field(default_factory=dict)  # the averaged weights, likewise
    optimiser: dict[str, Any] = field(default_factory=dict)  # its state_dict
    history: list[dict[str, float]] = field(default_factory=list)  # figures of a validation, now and then

    def payload(self) -> dict[str, Any]:
        """Tensors and plain containers of them."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    @staticmethod
    def from_payload(payload: dict[str, Any]) -> "TrainingState":
        """The inverse of ``payload``.

        Raises:
            ValueError: A part is missing or of another type.
        """
        state = TrainingState(**payload)
        sound = isinstance(state.step, int) and isinstance(state.batch, int) and isinstance(state.seconds, float)
        dicts = (state.settings, state.weights, state.average, state.optimiser)
        if not (sound and all(isinstance(part, dict) for part in dicts) and isinstance(state.history, list)):
            raise ValueError("a part of the state is of another type")
        return state


def folder_of(model: Path) -> Path:
    """The folder of a model's training."""
    return model.with_name(f"{model.stem}-training")


def check_new(model: Path, overwrite: bool) -> None:
    """Refuse a model that exists or that can't be written, before any work is done.

    Raises:
        HollyError: It exists, or its folder does, and ``overwrite`` is not set; its training is being worked on; or there is
            no permission to write it.
    """
    folder = folder_of(model)
    if (model.exists() or folder.exists()) and not overwrite:
        there = model if model.exists() else folder
        raise HollyError(f"{there}: exists already; choose another name, go on with --resume, or pass --overwrite")
    check_idle(folder)
    check_writable(model.parent)


def make_training_folder(model: Path) -> Path:
    """The folder of a new training, without the checkpoints of an earlier one.

    Raises:
        HollyError: It can't be written.
    """
    folder = folder_of(model)
    try:
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{CHECKPOINTS}/*.pt"):
            old.unlink()
    except OSError as error:
        raise HollyError(
            f"{folder}: cannot be written ({error.strerror}); choose another place for the model"
        ) from error
    return folder


def read_training(model: Path, kind: str, settings_kind: type[Some]) -> tuple[Some, TrainingState | None]:
    """Settings and last state of a training; None where nothing was saved yet.

    Args:
        model: The model's file, which need not exist.
        kind: Of the checkpoints, as ``core.checkpoint`` takes it.
        settings_kind: Of ``config.toml``.

    Raises:
        HollyError: There is no training of this model, its files can't be read, or its settings have changed.
    """
    folder = folder_of(model)
    config = folder / "config.toml"
    if not config.is_file():
        raise HollyError(f"{model}: has no training to resume (no {config}); start one without --resume")
    settings = read_config(config, settings_kind)
    state = load_checkpoint(folder / CHECKPOINTS, kind, TrainingState.from_payload)
    before = settings if state is None else settings_kind.of(state.settings, str(folder))
    # The device may be another one: a training goes on where its folder was copied to.
    if changed := [name for name in before.differing(settings) if name != "device"]:
        raise HollyError(
            f"{config}: changed since the checkpoint: {', '.join(changed)}; set them back, or start another training"
        )
    return settings, state


class Step(NamedTuple):
    """What a step did."""

    step: int
    done: float
    """Share of the training."""
    rate: float
    figures: dict[str, Tensor]
    """Parts of the loss."""


class Trains(Protocol):
    """A network in training."""

    @property
    def state(self) -> TrainingState:
        """All that changes; up to date after ``save``."""

    @property
    def done(self) -> float:
        """Share of the training that is done, 0 to 1."""

    def run(self) -> Iterator[Step]:
        """Steps until the end."""

    def save(self) -> TrainingState:
        """The state at this step."""


class Watch(NamedTuple):
    """What happens beside the steps of a training."""

    measure: Callable[[], dict[str, float]]
    """Figures on data that it does not train on,"""
    times: int
    """and how often in a training they are wanted."""
    callback: Callable[[Step], None]
    """After every step."""
    should_stop: Callable[[], bool]


def follow(trainer: Trains, folder: Path, kind: str, watch: Watch) -> None:
    """Train to the end or until asked to stop, saving on the way, with figures in history.json and for TensorBoard.

    Args:
        trainer: In the state of the last checkpoint.
        folder: Of the training.
        kind: Of the checkpoints, as ``core.checkpoint`` takes it.
        watch: What happens beside.

    Raises:
        HollyError: A file can't be written.
    """
    saved, history = time.monotonic(), trainer.state.history
    with board(folder) as curves:
        for step in trainer.run():
            if trainer.done * watch.times >= len(history) + 1:
                losses = {name: float(value) for name, value in step.figures.items()}
                times = {"step": float(step.step), "seconds": trainer.state.seconds, "rate": step.rate}
                history.append({**times, **losses, **watch.measure()})
                for name, value in history[-1].items():
                    if curves is not None and math.isfinite(value):  # of no matches there is no error
                        curves.add_scalar(name, value, step.step)
            watch.callback(step)
            stopping = watch.should_stop() or trainer.done >= 1
            if stopping or time.monotonic() - saved > CHECKPOINT_S:
                save_checkpoint(folder / CHECKPOINTS, kind, trainer.save().payload())
                saved = time.monotonic()
            if stopping:
                break
    with replacing(folder / "history.json") as partial:
        partial.write_text(as_json(history), encoding="utf-8")

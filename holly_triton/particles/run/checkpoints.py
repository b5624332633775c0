"""Checkpoints of a run: its training state, as ``core.checkpoint`` keeps it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from holly_triton.core.checkpoint import load_checkpoint, save_checkpoint
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.cloud.train import Progress
from holly_triton.particles.config import Config
from holly_triton.particles.spatial.several import SeveralTrainer
from holly_triton.particles.spatial.state import SpatialState

KIND = "holly-triton state 6"
"""What ``core.checkpoint`` writes of it, with its version."""


def save_state(folder: Path, state: TrainingState | SpatialState) -> None:
    """Save a state in the folder of a run's checkpoints.

    Raises:
        HollyError: The folder can't be written to; the checkpoints that were there are whole.
    """
    save_checkpoint(folder, KIND, state.payload())


def load_state(folder: Path, device: torch.device) -> TrainingState | SpatialState | None:
    """The last state there that can be read, on a device; None where nothing was saved yet.

    Raises:
        HollyError: There are checkpoints and none can be used.
    """

    def restore(payload: dict[str, Any]) -> TrainingState | SpatialState:
        kind = SpatialState if payload.get("dimensions") == 3 else TrainingState
        state = kind.from_payload(payload)
        Config.of(state.settings, "settings")
        return state

    state = load_checkpoint(folder, KIND, restore)
    return None if state is None else state.to(device)


def carry_on(
    trainer: SeveralTrainer, folder: Path, kind: str, every: int, callback: Callable[[Progress], None], should_stop: Callable[[], bool]
) -> bool:  # fmt: skip
    """Fit several clouds to the end or until asked to stop, saving on the way; True when it is finished.

    Args:
        trainer: What is carried on.
        folder: Of its checkpoints.
        kind: What they are of.
        every: Steps between them.
        callback: Called after each step.
        should_stop: Whether to stop, asked after each step.

    Raises:
        HollyError: A file can't be written, or a likelihood isn't finite.
    """
    for progress in trainer.run():
        callback(progress)
        stopping = should_stop() and not trainer.finished
        if stopping or trainer.finished or progress.step % every == 0:
            save_checkpoint(folder, kind, trainer.state.payload())
        if stopping:
            break
    return trainer.finished

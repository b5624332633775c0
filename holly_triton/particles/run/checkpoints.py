"""Checkpoints of a run: its training state, as ``core.checkpoint`` keeps it."""

from pathlib import Path
from typing import Any

import torch

from holly_triton.core.checkpoint import load_checkpoint, save_checkpoint
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config
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

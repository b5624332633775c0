"""Saving a run's state so that no moment of a crash loses it, and reading it back without executing anything."""

import os
import pickle
from pathlib import Path

import torch

from holly_triton.errors import HollyError

from .state import TrainingState

FORMAT = "holly-triton state 2"
CHECKPOINTS = "checkpoints"
"""The folder of them, inside a run's."""

NAME = "last.pt"


def save_checkpoint(folder: Path, state: TrainingState) -> None:
    """Write the state into a folder: to a temporary file, to the disk, then in place of the one before.

    Raises:
        HollyError: The folder can't be written to.
    """
    temporary = folder / (NAME + ".partial")
    try:
        folder.mkdir(exist_ok=True)
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, "state": state.payload()}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder / NAME)
    except OSError as error:
        raise HollyError(
            f"{folder / NAME}: cannot be written ({error.strerror}); free some space or choose another --out"
        ) from error


def load_checkpoint(folder: Path, device: torch.device) -> TrainingState | None:
    """The last saved state, on a device; None where nothing was saved yet.

    Raises:
        HollyError: There is a checkpoint and it can't be used.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        saved = torch.load(path, map_location=device, weights_only=True)
        if not isinstance(saved, dict) or saved.get("format") != FORMAT:
            raise HollyError(f"{path}: is no checkpoint of this version; start the run again with --overwrite")
        state = TrainingState.from_payload(saved["state"])
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise HollyError(f"{path}: the checkpoint is damaged; start the run again with --overwrite") from error
    # Generators keep their state on the CPU, whatever device they draw on.
    state.generator = state.generator.cpu()
    return state

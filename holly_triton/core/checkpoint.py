"""Saving a run's state so that no moment of a crash loses it, and reading it back without executing anything."""

import os
import platform
import shutil
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

import holly_triton
from holly_triton.particles.cloud.state import TrainingState

from .config_file import config_of
from .distributed import leads
from .errors import HollyError
from .log import LOG

FORMAT = "holly-triton state 5"
CHECKPOINTS = "checkpoints"
"""The folder of them, inside a run's."""

LAST, BEFORE = "last.pt", "previous.pt"


def save_checkpoint(folder: Path, state: TrainingState) -> None:
    """Write the state into a folder: to a temporary file, to the disk, then in place of the one before, which stays too.

    Raises:
        HollyError: The folder can't be written to; the checkpoints that were there are whole.
    """
    temporary = folder / (LAST + ".partial")
    try:
        folder.mkdir(exist_ok=True)
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, "versions": versions(), "state": state.payload()}, file)
            file.flush()
            os.fsync(file.fileno())
        if (folder / LAST).exists():
            os.replace(folder / LAST, folder / BEFORE)
        os.replace(temporary, folder / LAST)
        _keep_names(folder)
    # torch.save reports a full disk as a RuntimeError of its own.
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or "is the disk full?"
        raise HollyError(
            f"{folder / LAST}: cannot be written ({reason}); the one before it is whole. "
            f"Free some space, then: holly-triton train --resume {folder.parent}"
        ) from error


def load_checkpoint(folder: Path, device: torch.device) -> TrainingState | None:
    """The last saved state that can be read, on a device; None where nothing was saved yet.

    A damaged last one is named in the log, and the one before it takes its place.

    Raises:
        HollyError: There are checkpoints and none can be used.
    """
    paths = [path for path in (folder / LAST, folder / BEFORE) if path.exists()]
    damages = []
    for path in paths:
        try:
            state = _read(path, device)
        except HollyError as error:
            damages.append(str(error))
            continue
        if damages:
            LOG.warning("%s; going on from %s, step %d", damages[0], path.name, state.step)
            if leads():
                _put_in_its_place(path)
        return state
    if damages:
        raise HollyError(f"{damages[0]}; start the run again with --overwrite")
    return None


def versions() -> dict[str, str]:
    """Of this program and of what decides its numbers."""
    return {
        "holly-triton": holly_triton.__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _read(path: Path, device: torch.device) -> TrainingState:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # PyTorch reads numbers over whose checksum is wrong
                raise ValueError("a wrong checksum")
        with warnings.catch_warnings(action="ignore"):  # of foreign pickles, which fail below
            saved = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(saved, dict) or saved.get("format") != FORMAT:
            raise HollyError(f"{path}: is no checkpoint of this version")
        state = TrainingState.from_payload(saved["state"])
    except HollyError:
        raise
    except Exception as error:  # an unpickler meets foreign bytes with anything, IndexError for one
        raise HollyError(f"{path}: the checkpoint is damaged") from error
    config_of(state.settings, str(path))
    return state.to(device)


def _put_in_its_place(before: Path) -> None:
    """Replace the damaged last checkpoint by the one before, which the next save would else replace by the damaged one.

    A copy, for other ranks may be about to read that file.
    """
    copy = before.with_name(BEFORE + ".partial")
    with suppress(OSError):  # nothing is lost yet; a folder that can't be written to is told of by the next save
        shutil.copyfile(before, copy)
        os.replace(copy, before.with_name(LAST))


def _keep_names(folder: Path) -> None:
    """Put the names of a folder's files on the disk, and its own, so that a power cut doesn't bring old ones back."""
    for place in (folder, folder.parent):
        with suppress(OSError):  # some systems can't do it, and nothing is lost but a few steps
            number = os.open(place, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

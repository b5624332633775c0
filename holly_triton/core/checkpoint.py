"""Saving a run's state so that no moment of a crash loses it, and reading it back without executing anything."""

import os
import platform
import shutil
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

import holly_triton

from .distributed import leads
from .errors import HollyError
from .log import LOG

State = TypeVar("State")

LAST, BEFORE = "last.pt", "previous.pt"


def save_checkpoint(folder: Path, kind: str, payload: dict[str, Any]) -> None:
    """Write a state into a folder: to a temporary file, to the disk, then in place of the one before, which stays too.

    Args:
        folder: Folder of the checkpoints, inside that of the run.
        kind: What the payload is of, with its version; only this kind is read back.
        payload: Tensors and plain containers of them.

    Raises:
        HollyError: The folder can't be written to; the checkpoints that were there are whole.
    """
    temporary = folder / (LAST + ".partial")
    try:
        folder.mkdir(exist_ok=True)
        with temporary.open("wb") as file:
            torch.save({"format": kind, "versions": versions(), "state": payload}, file)
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
            f"Free some space, then go on with --resume {folder.parent}"
        ) from error


def load_checkpoint(folder: Path, kind: str, restore: Callable[[dict[str, Any]], State]) -> State | None:
    """The last saved state that can be read; None where nothing was saved yet.

    A damaged last one is named in the log, and the one before it takes its place.

    Args:
        folder: As ``save_checkpoint`` had it.
        kind: Likewise.
        restore: Makes a state of a payload, on the CPU; whatever it raises says that the file is damaged.

    Raises:
        HollyError: There are checkpoints and none can be used.
    """
    paths = [path for path in (folder / LAST, folder / BEFORE) if path.exists()]
    damages = []
    for path in paths:
        try:
            state = _read(path, kind, restore)
        except HollyError as error:
            damages.append(str(error))
            continue
        if damages:
            LOG.warning("%s; going on from %s", damages[0], path.name)
            if leads():
                _put_in_its_place(path)
        return state
    if damages:
        raise HollyError(f"{damages[0]}; start the run again with --overwrite")
    return None


def versions() -> dict[str, str]:
    """Versions of this program and of the packages that affect its numbers."""
    return {
        "holly-triton": holly_triton.__version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def read_saved(path: Path) -> Any:
    """What ``torch.save`` wrote to a file, on the CPU; raises various errors where it is damaged or of another format."""
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:  # PyTorch reads numbers over whose checksum is wrong
            raise ValueError("a wrong checksum")
    with warnings.catch_warnings(action="ignore"):  # of foreign pickles, which fail below
        return torch.load(path, map_location="cpu", weights_only=True)


def _read(path: Path, kind: str, restore: Callable[[dict[str, Any]], State]) -> State:
    try:
        saved = read_saved(path)
        if not isinstance(saved, dict) or saved.get("format") != kind:
            raise HollyError("is no checkpoint of this version")
        return restore(saved["state"])
    except HollyError as error:
        raise HollyError(f"{path}: {error}") from error
    except Exception as error:  # an unpickler meets foreign bytes with anything, IndexError for one
        raise HollyError(f"{path}: the checkpoint is damaged") from error


def _put_in_its_place(before: Path) -> None:
    """Replace the damaged last checkpoint by the one before, which the next save would else replace by the damaged one.

    A copy, for other ranks may be about to read that file.
    """
    copy = before.with_name(BEFORE + ".partial")
    with suppress(OSError):  # nothing is lost yet; the next save reports a folder that can't be written to
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

"""The files of trained models: written whole or not at all, read without executing anything in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from .checkpoint import read_saved
from .errors import HollyError
from .files import foreign, missing, replacing

Model = TypeVar("Model")


def write_model_file(path: Path, saved: dict[str, Any]) -> None:
    """Write tensors, numbers and text.

    Raises:
        HollyError: The file can't be written.
    """
    with replacing(path) as partial:
        try:
            torch.save(saved, partial)
        except RuntimeError as error:  # a full disk, for one
            raise OSError(str(error)) from error


def read_model_file(path: Path, kind: str, command: str, restored: Callable[[Path, dict[str, Any]], Model]) -> Model:
    """What ``restored`` makes of a file whose ``format`` is ``kind``, and which ``command`` has written.

    Raises:
        HollyError: There is no such file, it is of another kind or version, or it is damaged.
    """
    if not path.is_file():
        raise missing(path, f"a model that {command} has written")
    with foreign(path, f"a model of {command}"):
        saved = read_saved(path)
        if not isinstance(saved, dict) or saved.get("format") != kind:
            raise HollyError(f"{path}: is not a model of this version; train it with {command}")
        return restored(path, saved)

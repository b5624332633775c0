"""Curves of a training for TensorBoard."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from .distributed import leads
from .optional import MissingExtraError, require


def board(folder: Path) -> AbstractContextManager[Any]:
    """What writes the curves into a folder where tensorboardX is installed, else None; a run's own files hold them in any case."""
    try:
        new: Callable[..., AbstractContextManager[Any]] = require("tensorboardX", "TensorBoard").SummaryWriter
    except MissingExtraError:
        return nullcontext()
    return new(str(folder), max_queue=1000, write_to_disk=leads())

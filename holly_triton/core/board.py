"""Curves of a training for TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .distributed import leads
from .optional import MissingExtraError, require


@contextmanager
def board(folder: Path) -> Iterator[Any]:
    """What writes the curves into a folder where tensorboardX is installed, else None.

    A run's own files hold the curves in any case, so a full disk that cuts them short is no error of its own.
    """
    try:
        new: Callable[..., Any] = require("tensorboardX", "TensorBoard").SummaryWriter
    except MissingExtraError:
        yield None
        return
    curves = new(str(folder), max_queue=1000, write_to_disk=leads())
    try:
        yield curves
    finally:
        with suppress(OSError):
            curves.close()

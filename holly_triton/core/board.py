"""Curves of a training for TensorBoard."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .distributed import leads
from .log import LOG
from .optional import MissingExtraError, require

FLUSH_S = 120.0
"""Seconds after which what was added can be seen in TensorBoard."""


class Curves:
    """Writes curves into a folder.

    A run's own files hold the curves in any case, so where the disk is full these end with one warning, and the run goes on. They
    are written in this thread: that of tensorboardX's own ``SummaryWriter`` dies of a full disk, and the run then waits for it.
    """

    def __init__(self, tensorboard: Any, folder: Path) -> None:
        self.tensorboard, self.folder, self.flushed = tensorboard, folder, time.monotonic()
        self.records: Any = None
        with self._warned():
            name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"
            self.records = tensorboard.RecordWriter(str(folder / name))
            self._write(file_version="brain.Event:2")

    def add_scalar(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve."""
        if self.records is not None:
            with self._warned():
                self._write(summary=self.tensorboard.summary.scalar(name, value), step=step)

    def close(self) -> None:
        """Write the rest."""
        if self.records is not None:
            with self._warned():
                self.records.close()

    def _write(self, **event: Any) -> None:
        made = self.tensorboard.proto.event_pb2.Event(wall_time=time.time(), **event)
        self.records.write(made.SerializeToString())
        if time.monotonic() - self.flushed > FLUSH_S:
            self.records.flush()
            self.flushed = time.monotonic()

    @contextmanager
    def _warned(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            LOG.warning("%s: curves for TensorBoard end here (%s); the run goes on", self.folder, error.strerror)
            records, self.records = self.records, None
            if records is not None:
                with suppress(OSError):  # what could not be written before can't be now
                    records.close()


@contextmanager
def board(folder: Path) -> Iterator[Curves | None]:
    """What writes the curves into a folder where tensorboardX is installed, in the process that leads; else None."""
    try:
        curves = Curves(require("tensorboardX", "TensorBoard"), folder) if leads() else None
    except MissingExtraError:
        curves = None
    try:
        yield curves
    finally:
        if curves is not None:
            curves.close()

"""A clean stop of long work at a signal, and the exit codes of what may be stopped."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .log import LOG

DONE, STOPPED = 0, 3


class Stop:
    """Whether a signal requested a stop."""

    asked = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """The first SIGINT or SIGTERM requests a stop after the current step; a second one stops at once."""
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.asked = True
        for known, handler in previous.items():
            signal.signal(known, handler)
        LOG.info("Stopping after this step; once more to stop at once")

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

"""What a person sees of long work, on stderr: words in any case, bars only where there is a terminal to watch them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from threading import Timer
from typing import TypeVar

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from .console import console
from .log import LOG, shows

Item = TypeVar("Item")

PATIENCE_S = 1.0
"""Seconds; shorter work is done without a bar."""
LOG_PATIENCE_S = 10.0
"""Seconds; a shorter part of some work gets no line where there is no terminal."""

EARLY = 0.1
"""Share of a part; before it, the time that is left is not said, as what is read or made once at the start counts in full."""


def watched() -> bool:
    """Whether bars are visible: there is a terminal, and --quiet was not given."""
    return console.is_terminal and shows(logging.INFO)


class _Left(ProgressColumn):
    """Time that the rest of a part takes if it goes on as fast as before; nothing where that is not known yet."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        return Text(_left(task), style="progress.remaining")


def _left(task: Task) -> str:
    return _in_words(task.elapsed or 0, task.completed, task.total or 0)


def _in_words(seconds: float, done: float, total: float) -> str:
    """How long the rest takes if it goes on as fast as what was done in these seconds; empty too early, and at the end."""
    if not 0 < done < total or done < EARLY * total:
        return ""
    return f"about {timedelta(seconds=round(seconds * (total - done) / done))} left"


class Pace:
    """How long the rest of some work takes, from what was done since the first call.

    An earlier part of it may have been done on another machine.
    """

    def __init__(self) -> None:
        self.first: tuple[float, float] | None = None

    def left(self, seconds: float, done: float, total: float) -> str:
        """Such as ``about 0:01:05 left``, from a clock and what is done at it; empty too early, and at the end."""
        self.first = self.first or (seconds, done)
        return _in_words(seconds - self.first[0], done - self.first[1], total - self.first[1])


class _Parts:
    """Which of several parts of some work is being done, and how far it is."""

    def __init__(self, parts: int) -> None:
        columns = (
            TextColumn("{task.description}", markup=False), TextColumn("{task.fields[part]}/{task.fields[parts]}"),
            BarColumn(), TimeElapsedColumn(), _Left(),
        )  # fmt: skip
        self.parts = parts
        self.bar = Progress(*columns, console=console, transient=True, disable=not watched())
        self.part = 0
        self.task = self.bar.add_task("", total=None, part=0, parts=parts)
        self.timer = _timer(PATIENCE_S, self.bar.start) if watched() else None

    def begin(self, part: str) -> None:
        """Go on to the next part."""
        self.part += 1
        self.bar.reset(self.task, total=None, description=part, part=self.part, parts=self.parts)
        if not watched():  # a log holds only what takes long
            self.end()
            self.timer = _timer(LOG_PATIENCE_S, lambda: LOG.info(f"{part} ... {_left(self.bar.tasks[0])}".rstrip()))

    def at(self, done: int, total: int) -> None:
        """How much of the part is done."""
        self.bar.update(self.task, completed=done, total=total)

    def end(self) -> None:
        """Take the bar away."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer.join()  # it may be starting the bar at this moment
        self.bar.stop()


_current: ContextVar[_Parts | None] = ContextVar("current", default=None)
"""The work whose progress is shown."""


@contextmanager
def in_parts(parts: int) -> Iterator[Callable[[str], None]]:
    """Show which of several parts of some work is being done; the block says so by the name of each as it begins it."""
    shown = _Parts(parts)
    token = _current.set(shown)
    try:
        yield shown.begin
    finally:
        _current.reset(token)
        shown.end()


def following(items: Sequence[Item], works: Sequence[int] | None = None) -> Iterator[Item]:
    """The items one after the other; each is a share of the part of ``in_parts`` that is being done, if there is one.

    Args:
        items: The items.
        works: How much work each is, in any unit; None takes all as equal.
    """
    shown, done = _current.get(), 0
    works = [1] * len(items) if works is None else works
    total = sum(works)
    for item, work in zip(items, works, strict=True):
        if shown is not None:
            shown.at(done, total)
        yield item
        done += work


def _timer(seconds: float, work: Callable[[], object]) -> Timer:
    timer = Timer(seconds, work)
    timer.daemon = True
    timer.start()
    return timer

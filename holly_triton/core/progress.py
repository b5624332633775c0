"""What a person sees of long work, on stderr: words in any case, bars only where there is a terminal to watch them."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .log import shows

PATIENCE_S = 1.0
"""Seconds; shorter work is done without a message."""

# Lines are not wrapped: a log has no width, and a terminal wraps them itself. Names of files are not markup.
console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def watched() -> bool:
    """Whether bars are visible: there is a terminal, and --quiet was not given."""
    return console.is_terminal and shows(logging.INFO)


@contextmanager
def in_parts(parts: int) -> Iterator[Callable[[str], None]]:
    """Show which of several parts of some work is being done; the block says so by the name of each as it begins it."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=console, transient=True, disable=not watched())
    task = bar.add_task("", total=parts, completed=-1)
    timer = Timer(PATIENCE_S, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda part: bar.update(task, description=part, advance=1)
    finally:
        timer.cancel()
        timer.join()  # it may be starting the bar at this moment
        bar.stop()

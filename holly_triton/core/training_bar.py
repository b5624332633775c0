"""The progress of a training: a bar where there is a terminal, lines now and then where there is none."""

import time
from collections.abc import Callable
from typing import TypeVar

from rich.progress import BarColumn, Progress, TextColumn

from .console import console
from .log import LOG
from .progress import Pace, watched
from .training import Step, TrainingState
from .types import Figures

Result = TypeVar("Result")

SECONDS_BETWEEN_LINES = 60.0
"""Of the words that replace a bar where there is no terminal."""


def under_bar(
    state: TrainingState, words: Callable[[Figures], str], train: Callable[[Callable[[Step], None]], Result]
) -> Result:
    """Train under a bar.

    Args:
        state: Of the training.
        words: The main figures of a validation, in words.
        train: The work; it calls what it is given after every step.
    """
    columns = (
        BarColumn(bar_width=8), TextColumn("{task.percentage:.0f} %  step {task.fields[step]}"),
        TextColumn("{task.fields[figures]}"), TextColumn("{task.fields[left]}"),
    )  # fmt: skip
    said, shown, pace = time.monotonic(), len(state.history), Pace()
    with Progress(*columns, console=console, disable=not watched()) as bar:
        task = bar.add_task("training", total=1.0, step=state.step, figures="", left="")

        def callback(step: Step) -> None:
            nonlocal said, shown
            left = pace.left(time.monotonic(), step.done, 1.0)
            figures = words(state.history[-1]) if state.history else ""
            bar.update(task, completed=step.done, step=step.step, figures=figures, left=left)
            if not console.is_terminal and (
                len(state.history) > shown or time.monotonic() - said > SECONDS_BETWEEN_LINES
            ):
                said, shown = time.monotonic(), len(state.history)
                loss = float(step.figures["loss"])
                line = f"{100 * step.done:3.0f} %: step {step.step}, loss {loss:.3f}, {figures or 'not yet validated'}"
                LOG.info("%s", f"{line}{left and ', '}{left}")

        return train(callback)

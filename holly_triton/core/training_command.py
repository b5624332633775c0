"""A command that trains a network: a clean stop at a signal, and going on where a training was stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from .lock import alone
from .log import LOG
from .progress import in_parts
from .stop import DONE, STOPPED, Stop, stoppable
from .training import Step, Trains
from .training_bar import under_bar
from .types import Figures

Result = TypeVar("Result")


class TrainingRun(Protocol):
    """A training with its files."""

    @property
    def model(self) -> Path:
        """The file of the model."""

    @property
    def folder(self) -> Path:
        """Where everything but the model is."""

    @property
    def trainer(self) -> Trains:
        """The network in training."""


Run = TypeVar("Run", bound=TrainingRun)


def start(preparing: str, open_run: Callable[[], Run], follow: Callable[[Run, Stop], int]) -> int:
    """Open a new training, which takes a while, and follow it; return the exit code."""
    with stoppable() as stop:
        with in_parts(1) as begin:
            begin(preparing)
            run = open_run()
        return follow(run, stop)


def resume(preparing: str, open_run: Callable[[], Run], follow: Callable[[Run, Stop], int]) -> int:
    """Continue what was stopped; a finished model is not changed."""

    def unless_finished(run: Run, stop: Stop) -> int:
        if run.trainer.done >= 1 and run.model.exists():
            LOG.info("%s: is finished already", run.model)
            return DONE
        LOG.info("%s: going on at step %d", run.model, run.trainer.state.step)
        return follow(run, stop)

    return start(preparing, open_run, unless_finished)


def carried_out(
    run: Run, stop: Stop, words: Callable[[Figures], str],
    carry_out: Callable[[Run, Callable[[Step], None], Callable[[], bool]], Result],
) -> Result:  # fmt: skip
    """The model after a training under a bar, to its end or until a stop is requested.

    Args:
        run: The training.
        stop: The signal.
        words: The main figures of a validation, in words.
        carry_out: Trains, calling what it is given after every step and asking whether to stop.
    """
    with alone(run.folder):
        return under_bar(run.trainer.state, words, lambda callback: carry_out(run, callback, lambda: stop.asked))


def ended(run: TrainingRun, going_on: str) -> int:
    """The exit code; of a training that was stopped, with the command that goes on with it."""
    state = run.trainer.state
    if state.skipped:
        LOG.warning("%d steps were left out, because their gradients were not finite", state.skipped)
    if run.trainer.done >= 1:
        return DONE
    print(f"Stopped at step {state.step}; {run.model} is of the training so far. Go on with: {going_on}")
    return STOPPED

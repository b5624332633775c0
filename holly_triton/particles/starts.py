"""Several random starts of one run, of which the one with the smallest loss is followed."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .state import State

COMPARED = 10
"""Last steps of each start by whose mean log loss the starts are compared."""

S = TypeVar("S", bound=State)


def choose_start(
    state: S, starts: int, begin: Callable[[int], tuple[S, Iterator[Any]]], agree: float | None = None
) -> Iterator[Any]:
    """Make the starts one after the other, with the progress after each step, and put the best into ``state``.

    Until it is chosen nothing of it is in the state.

    Args:
        state: Of the run, changed in place.
        starts: Most starts.
        begin: The state of a start by its number, and its steps.
        agree: Relative difference of the two smallest losses from which on no more starts are made; None to make all.
    """
    found: list[tuple[float, S]] = []
    for number in range(starts):
        one, steps = begin(number)
        losses = []
        for progress in steps:
            losses.append(math.log(progress.loss))
            yield progress._replace(stage="starts", step=0)
        found.append((statistics.fmean(losses[-COMPARED:]), one))
        found.sort(key=lambda start: start[0])
        if agree is not None and number and found[1][0] <= math.log1p(agree) + found[0][0]:
            break
    seconds, seen = sum(one.seconds for _, one in found), sum(one.seen for _, one in found)
    for part in dataclasses.fields(state):
        setattr(state, part.name, getattr(found[0][1], part.name))
    state.seconds, state.seen = seconds, seen

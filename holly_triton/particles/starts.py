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
    state: S, starts: int, begin: Callable[[int], S], steps: Callable[[S], Iterator[Any]], agree: float | None = None
) -> Iterator[Any]:
    """Make the starts one after the other, with the progress after each step, and put the best into ``state``.

    Until it is chosen, ``state.starts`` holds all that was made of them, from which a stopped run goes on.

    Args:
        state: Of the run, changed in place.
        starts: Most starts.
        begin: The first state of a start by its number.
        steps: What is left of the steps of a start, from its state, which they change.
        agree: Relative difference of the two smallest losses from which on no more starts are made; None to make all.
    """
    found: list[tuple[float, S]] = []
    for number in range(starts):
        one, losses = _saved(state, number) or (begin(number), [])
        for progress in steps(one):
            losses = [*losses, math.log(progress.loss)][-COMPARED:]
            state.starts[number:] = [{"state": one.payload(), "losses": losses}]
            yield progress._replace(stage="starts", step=0)
        found.append((statistics.fmean(losses), one))
        found.sort(key=lambda start: start[0])
        if agree is not None and number and found[1][0] <= math.log1p(agree) + found[0][0]:
            break
    kept = {"settings": state.settings, "joules": state.joules}  # of the whole run
    kept |= {name: sum(getattr(one, name) for _, one in found) for name in ("seconds", "seen")}
    for part in dataclasses.fields(state):
        setattr(state, part.name, kept.get(part.name, getattr(found[0][1], part.name)))


def _saved(state: S, number: int) -> tuple[S, list[float]] | None:
    """A start that an earlier part of the run began, with the log losses of its last steps."""
    if number >= len(state.starts):
        return None
    made, device = state.starts[number], state.points.device
    one = type(state).from_payload(made["state"]).to(device)
    one.take_up(state.settings, device)
    return one, made["losses"]

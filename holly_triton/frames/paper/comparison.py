"""Figures of the arms, and differences between two of them, from the sums over frames of the finished evaluations.

The networks of an arm see the same frames, so that their sums are added frame by frame: the figures of an arm are those of all
its networks together. The 95 % intervals are over the frames (paired bootstrap); how far the seeds of the training spread is
given beside them, as the difference of each seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.score.figures import PerFrame, main_figures
from holly_triton.frames.score.intervals import intervals_of, joined

from .cells import SCORING, Cell
from .config import RESAMPLINGS, Arm
from .evaluations import Evaluation

RESAMPLED = replace(SCORING, resamplings=RESAMPLINGS)
UNKNOWN = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Difference:
    """One figure of one arm minus that of another."""

    value: float
    interval: tuple[float, float]
    """Over the frames, 95 %."""
    seeds: tuple[float, ...]
    """That of each seed which both arms have."""

    @property
    def sign(self) -> int:
        """1 or -1 where the interval and every seed are on one side of 0, else 0."""
        low, high = self.interval
        if low > 0 and min(self.seeds, default=-1) > 0:
            return 1
        return -1 if high < 0 and max(self.seeds, default=1) < 0 else 0


class Results:
    """All finished evaluations of a study."""

    def __init__(self, evaluations: Sequence[Evaluation]) -> None:
        self.evaluations = list(evaluations)
        self._of: dict[tuple[Arm, Cell], list[Evaluation]] = {}
        for each in sorted(self.evaluations, key=lambda each: each.seed):
            self._of.setdefault((each.arm, each.cell), []).append(each)
        self._intervals: dict[tuple[Arm, Cell], dict[str, tuple[float, float]]] = {}
        self._differences: dict[tuple[Arm, Arm, Cell], dict[str, Difference]] = {}

    @property
    def cells(self) -> list[Cell]:
        """Those of which something is there."""
        return list(dict.fromkeys(each.cell for each in self.evaluations))

    @property
    def arms(self) -> list[Arm]:
        """Likewise."""
        return list(dict.fromkeys(each.arm for each in self.evaluations))

    def of(self, arm: Arm, cell: Cell) -> list[Evaluation]:
        """The evaluations of an arm in a cell, by seed."""
        return self._of.get((arm, cell), [])

    def figures(self, arm: Arm, cell: Cell) -> dict[str, float]:
        """The figures of an arm, of all its seeds together; empty where there are none."""
        found = self.of(arm, cell)
        return _floats(_figures(_added(found).sums.sum(axis=0))) if found else {}

    def interval(self, arm: Arm, cell: Cell, figure: str) -> tuple[float, float]:
        """The 95 % interval over the frames of a figure of an arm."""
        if (arm, cell) not in self._intervals:
            found = self.of(arm, cell)
            self._intervals[arm, cell] = intervals_of(_added(found).sums, RESAMPLED, _figures) if found else {}
        return self._intervals[arm, cell].get(figure, UNKNOWN)

    def seeds(self, arm: Arm, cell: Cell, figure: str) -> list[float]:
        """The figure of each seed of an arm."""
        return [figures_of(each)[figure] for each in self.of(arm, cell)]

    def difference(self, arm: Arm, other: Arm, cell: Cell, figure: str = "efficiency_3d") -> Difference | None:
        """An arm minus another in a cell, on the seeds that both have; None without any."""
        if (arm, other, cell) not in self._differences:
            self._differences[arm, other, cell] = self._compare(arm, other, cell)
        return self._differences[arm, other, cell].get(figure)

    def _compare(self, arm: Arm, other: Arm, cell: Cell) -> dict[str, Difference]:
        """The differences of all figures."""
        first = {each.seed: each for each in self.of(other, cell)}
        second = {each.seed: each for each in self.of(arm, cell)}
        common = sorted(first.keys() & second.keys())
        if not common:
            return {}
        both = joined(*(_added([side[seed] for seed in common]) for side in (first, second)))
        ends = intervals_of(both, RESAMPLED, _change)
        of_seeds = [_change(joined(first[seed].per_frame, second[seed].per_frame).sum(axis=0)) for seed in common]
        return {
            name: Difference(float(value), ends.get(name, UNKNOWN), tuple(float(each[name]) for each in of_seeds))
            for name, value in _change(both.sum(axis=0)).items()
        }


def _figures(totals: Array) -> dict[str, Array]:
    return main_figures(totals, RESAMPLED, flat=False)


def _change(totals: Array) -> dict[str, Array]:
    """Second minus first of each figure, of totals ``[..., 10]`` side by side."""
    before, after = (_figures(half) for half in np.split(totals, 2, axis=-1))
    return {name: after[name] - before[name] for name in before}


def figures_of(evaluation: Evaluation) -> dict[str, float]:
    """The figures of one evaluation."""
    return _floats(_figures(evaluation.per_frame.sums.sum(axis=0)))


def _floats(figures: dict[str, Array]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items()}


def _added(evaluations: Sequence[Evaluation]) -> PerFrame:
    """The sums of several evaluations of the same frames, added frame by frame."""
    frames = np.unique(np.concatenate([each.per_frame.frame for each in evaluations]))
    sums = np.zeros((len(frames), evaluations[0].per_frame.sums.shape[1]))
    for each in evaluations:
        sums[np.searchsorted(frames, each.per_frame.frame)] += each.per_frame.sums
    return PerFrame(frames, sums)

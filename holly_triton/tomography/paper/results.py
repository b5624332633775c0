"""The figures of the study from all that was found."""

from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from holly_triton.tomography.config.scoring import Scoring
from holly_triton.tomography.score.evaluate import Score, evaluate

from .config import ARMS, CONDITIONS, TOLERANCE, Condition
from .store import Cell, Found

SETTINGS = Scoring(TOLERANCE)
ORACLE = "-oracle"
"""End of the name of an arm whose thresholds take the truth."""


class Results:
    """All finished cells.

    Args:
        found: What is there.
    """

    def __init__(self, found: Mapping[Cell, Found]) -> None:
        self.found = dict(found)
        self._scores: dict[tuple[str, int, Condition], Score] = {}

    @cached_property
    def seeds(self) -> list[int]:
        """Those of which something is there."""
        return sorted({cell.seed for cell in self.found})

    @property
    def conditions(self) -> list[Condition]:
        """Likewise, in the order of ``CONDITIONS``."""
        return [condition for condition in CONDITIONS if any(cell.condition == condition for cell in self.found)]

    @property
    def arms(self) -> list[str]:
        """Likewise, in the order of ``ARMS``."""
        return [arm for arm in ARMS if any(cell.method == method_of(arm) for cell in self.found)]

    def score(self, arm: str, seed: int, condition: Condition) -> Score | None:
        """The figures of an arm with a seed in a condition; None where it is not there."""
        cell = Cell(method_of(arm), seed, condition)  # type: ignore[arg-type]
        if cell not in self.found:
            return None
        if (arm, seed, condition) not in self._scores:
            found = self.found[cell]
            everything = evaluate(found.picks, found.truth, SETTINGS)
            best = {name: each.curve.best[0] for name, each in everything.classes.items()}
            picks = found.taken(best if arm.endswith(ORACLE) else None)
            self._scores[arm, seed, condition] = evaluate(picks, found.truth, SETTINGS)
        return self._scores[arm, seed, condition]

    def scores(self, arm: str, condition: Condition) -> Iterator[Score]:
        """Those of all seeds."""
        for seed in self.seeds:
            score = self.score(arm, seed, condition)
            if score is not None:
                yield score

    def mean_f1(self, arm: str, condition: Condition) -> list[float]:
        """Mean F1 over the classes, of each seed."""
        return [score.macro["f1"] for score in self.scores(arm, condition)]

    def class_f1(self, arm: str, condition: Condition, label: str) -> list[float]:
        """F1 of a class, of each seed."""
        return [score.classes[label].counts.f1 for score in self.scores(arm, condition) if label in score.classes]

    def everything(self, method: str, seed: int, condition: Condition) -> Score | None:
        """The figures of all picks down to low scores: what curves over the threshold are taken from."""
        found = self.found.get(Cell(method, seed, condition))  # type: ignore[arg-type]
        return None if found is None else evaluate(found.picks, found.truth, SETTINGS)

    def seconds(self, method: str) -> list[float]:
        """Time of each tomogram, of all seeds and conditions."""
        return [second for cell, found in self.found.items() if cell.method == method for second in found.seconds]

    def training_seconds(self, method: str) -> list[float]:
        """Time of each training."""
        return sorted({found.training_seconds for cell, found in self.found.items() if cell.method == method and found.training_seconds is not None})  # fmt: skip


def method_of(arm: str) -> str:
    """The method whose picks an arm takes."""
    return arm.removesuffix(ORACLE)


def middle(values: list[float]) -> float:
    """Their mean; NaN of none."""
    return float(np.mean(values)) if values else float("nan")

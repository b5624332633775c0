"""Counts of right and wrong picks, and the figures that follow from them."""

from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array, Figures


class Counts(NamedTuple):
    """Matched pairs, particles without a pick, and picks without a particle."""

    matched: int
    missed: int
    false: int

    @property
    def precision(self) -> float:
        """Share of the picks that are right; NaN without picks."""
        return _ratio(self.matched, self.matched + self.false)

    @property
    def recall(self) -> float:
        """Share of the particles that were found; NaN without particles."""
        return _ratio(self.matched, self.matched + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 0 without a match, NaN without particles and picks."""
        return _ratio(2 * self.matched, 2 * self.matched + self.missed + self.false)

    def figures(self) -> Figures:
        """Figures and counts, as JSON has them."""
        return {"f1": self.f1, "precision": self.precision, "recall": self.recall, **self._asdict()}


class Curve(NamedTuple):
    """Figures of the picks whose score is at least a threshold, at each of S distinct scores, from the largest."""

    threshold: Array
    precision: Array
    recall: Array
    f1: Array

    @property
    def best(self) -> tuple[float, float]:
        """The threshold of the largest F1, and that F1: an oracle's choice, since it takes the truth. NaN without picks."""
        if len(self.f1) == 0:
            return float("nan"), float("nan")
        at = int(np.argmax(self.f1))
        return float(self.threshold[at]), float(self.f1[at])


def curve_of(scores: Array, right: Array, particles: int) -> Curve:
    """Figures over the threshold.

    Args:
        scores: Score of each pick ``[P]``; picks without one are left out.
        right: Whether it was matched ``[P]``, by a matching that takes the surest first.
        particles: Number of true particles.
    """
    known = ~np.isnan(scores)
    order = np.argsort(-scores[known], kind="stable")
    sorted_scores = scores[known][order]
    last = np.flatnonzero(np.append(np.diff(sorted_scores) != 0, True)) if len(order) else order
    matched = np.cumsum(right[known][order])[last]
    picked = last + 1
    recall = matched / particles if particles else np.full(len(last), np.nan)
    return Curve(sorted_scores[last], matched / picked, recall, 2 * matched / np.maximum(picked + particles, 1))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

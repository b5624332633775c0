r"""Two lists of picks as one: what both have, what only one has, and how far each can be relied on.

Moebel et al. 2018 divide the picks of an expert and of a network into those of both, S_E ∩ S_DL, and those of one alone,
S_E \ S_DL and S_DL \ S_E: what both found is very likely right, and what one found is to be looked at. Here every pick has a
number for that, between 0 and 1:

- of both: the probability that they did not come together by chance, exp(-n v / V) for n picks of the class in the second list,
  the volume v of a sphere of the tolerance and the volume V that the picks occupy;
- of one alone: the share of picks of the same list, class and about the same score that the other list has too, as an
  increasing function of the score (isotonic regression). It is low for the scores at which a method is alone with its picks.
  It is not known (NaN) for a class of which the other list has no pick at all: that method may not have searched for it.

Neither knows the truth: two methods may be wrong for the same reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from holly_triton.core.types import Array, Figures
from holly_triton.io.particle_lists.particle_list import ParticleList, joined

from .matching import match

How = Literal["union", "intersection", "only-a", "only-b"]


@dataclass(frozen=True)
class Combined:
    """Two lists, matched within each tomogram and class, the nearest pair first.

    Attributes:
        both: Picks of both, with position and orientation of the first list; here and below the score is the confidence.
        only_a: Picks of the first list alone.
        only_b: Picks of the second list alone.
    """

    both: ParticleList
    only_a: ParticleList
    only_b: ParticleList

    def chosen(self, how: How) -> ParticleList:
        """One of the sets, or all of them: the most reliable first."""
        sets = {"intersection": [self.both], "only-a": [self.only_a], "only-b": [self.only_b]}
        some = joined(sets.get(how, [self.both, self.only_a, self.only_b]))
        return some.take(np.argsort(-some.scores, kind="stable"))

    def figures(self) -> Figures:
        """Counts and mean confidences of each class and of all, as JSON has them."""
        sets = {"both": self.both, "only_a": self.only_a, "only_b": self.only_b}
        labels = sorted({label for each in sets.values() for label in each.classes})
        of_class = {
            label: _figures({name: each.take(each.labels == label) for name, each in sets.items()}) for label in labels
        }
        return {**_figures(sets), "classes": of_class}


def combine(a: ParticleList, b: ParticleList, tolerance: float) -> Combined:
    """Divide two lists into what both have and what only one has.

    Args:
        a: Picks of one method.
        b: Picks of another.
        tolerance: Largest distance of two picks of one particle, Å.
    """
    pairs = match(replace(a, scores=np.full(len(a), np.nan)), b, tolerance)
    in_both = np.zeros(len(a), bool), np.zeros(len(b), bool)
    in_both[0][pairs.pick] = in_both[1][pairs.particle] = True
    alone = [each.take(~shared) for each, shared in zip((a, b), in_both, strict=True)]
    confidence = [
        _confirmed(each, shared, other)[~shared] for each, shared, other in zip((a, b), in_both, (b, a), strict=True)
    ]
    both = a.take(pairs.pick)
    return Combined(
        both=replace(both, scores=1 - _by_chance(both, b, joined([a, b]), tolerance)),
        only_a=replace(alone[0], scores=confidence[0]),
        only_b=replace(alone[1], scores=confidence[1]),
    )


def unconfirmed(picks: ParticleList, other: ParticleList) -> list[str]:
    """Classes of which another list has no pick, so that it says nothing of those."""
    return [label for label in picks.classes if label not in other.classes]


def _confirmed(picks: ParticleList, shared: Array, other: ParticleList) -> Array:
    """For each pick ``[P]`` the share of those of its class and about its score that the other list has; NaN if not known."""
    from scipy.optimize import isotonic_regression

    share = np.full(len(picks), np.nan)
    for label in set(picks.classes).difference(unconfirmed(picks, other)):
        rows = np.flatnonzero(picks.labels == label)
        scores = np.where(np.isnan(picks.scores[rows]), -np.inf, picks.scores[rows])
        _, level, count = np.unique(scores, return_inverse=True, return_counts=True)
        mean = np.bincount(level, weights=shared[rows]) / count
        share[rows] = isotonic_regression(mean, weights=count).x[level]
    return share


def _by_chance(both: ParticleList, b: ParticleList, everything: ParticleList, tolerance: float) -> Array:
    """The probability ``[K]`` that a position at random has a pick of the class in the second list within the tolerance."""
    chance = np.zeros(len(both))
    for tomogram, label in _groups(both):
        rows = (both.tomograms == tomogram) & (both.labels == label)
        occupied = everything.positions[everything.tomograms == tomogram]
        volume = float(np.prod(np.nanmax(occupied, axis=0) - np.nanmin(occupied, axis=0) + 2 * tolerance))
        count = int(((b.tomograms == tomogram) & (b.labels == label)).sum())
        chance[rows] = -np.expm1(-count * 4 / 3 * np.pi * tolerance**3 / volume)
    return chance


def _groups(picks: ParticleList) -> Iterator[tuple[str, str]]:
    yield from sorted(set(zip(map(str, picks.tomograms), map(str, picks.labels), strict=True)))


def _figures(sets: dict[str, ParticleList]) -> Figures:
    counts = {name: len(each) for name, each in sets.items()}
    known = {name: each.scores[~np.isnan(each.scores)] for name, each in sets.items()}
    return {
        "a": counts["both"] + counts["only_a"],
        "b": counts["both"] + counts["only_b"],
        **counts,
        "confidence": {name: float(each.mean()) if len(each) else float("nan") for name, each in known.items()},
    }

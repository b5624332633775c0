"""All figures of a list of picks against the true particles."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from holly_triton.core.types import Array, Figures
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.scoring import Scoring

from .angles import angles_between
from .counts import Counts, Curve, curve_of
from .matching import Pairs, match, match_any_class

BACKGROUND = "background"
"""Last row and column of the confusion matrix: picks without a particle, and particles without a pick."""


@dataclass(frozen=True)
class ClassScore:
    """Figures of one class, or of all.

    Attributes:
        counts: Matched, missed, false.
        distance: Of the matched pairs, Å ``[K]``.
        angle_deg: Of the matched pairs ``[K]``; NaN where an orientation is not known.
        curve: Over the threshold of the score.
    """

    counts: Counts
    distance: Array
    angle_deg: Array
    curve: Curve

    def figures(self) -> Figures:
        """As JSON has them; the best threshold is an oracle's."""
        threshold, f1 = self.curve.best
        return {
            **self.counts.figures(),
            "median_error_angstrom": _quantile(self.distance, 0.5),
            "p90_error_angstrom": _quantile(self.distance, 0.9),
            "median_angle_deg": _quantile(self.angle_deg, 0.5),
            "best_threshold": threshold,
            "best_f1": f1,
        }


@dataclass(frozen=True)
class Score:
    """Picks compared with the truth.

    Attributes:
        settings: When a pick is right.
        classes: Figures of each class that the truth or the picks have, sorted by name.
        overall: Figures of all matches within a class together.
        blind: Counts of a matching that ignores the classes: localisation alone.
        confusion: Particles of each class (row) that were picked as each class (column) ``[C + 1, C + 1]``; the last row holds
            picks without a particle, the last column particles without a pick.
        offset: Mean of picked minus true positions x, y, z of the matched pairs ``[3]``, Å; NaN without any.
        tomograms: Counts in each tomogram.
        pairs: The matches within a class.
    """

    settings: Scoring
    classes: Mapping[str, ClassScore]
    overall: ClassScore
    blind: Counts
    confusion: Array
    offset: Array
    tomograms: Mapping[str, Counts]
    pairs: Pairs

    @cached_property
    def macro(self) -> dict[str, float]:
        """Means of F1, precision and recall over the classes, of those for which they are defined."""
        return {
            name: _mean([getattr(each.counts, name) for each in self.classes.values()])
            for name in ("f1", "precision", "recall")
        }

    def figures(self) -> Figures:
        """All figures, as JSON has them; lengths in Å."""
        micro = self.overall.figures()
        return {
            **{name: {"macro": self.macro[name], "micro": micro.pop(name)} for name in ("f1", "precision", "recall")},
            **micro,
            "tolerance_angstrom": self.settings.tolerance_angstrom,
            "classes": {name: each.figures() for name, each in self.classes.items()},
            "class_blind": self.blind.figures(),
            "confusion": {
                "labels": [*self.classes, BACKGROUND],
                "rows": "truth",
                "columns": "picks",
                "counts": self.confusion.tolist(),
            },
            "offset_angstrom": self.offset.tolist(),
            "tomograms": {name: each.figures() for name, each in self.tomograms.items()},
        }


def evaluate(
    picks: ParticleList,
    truth: ParticleList,
    settings: Scoring | None = None,
    *,
    groups: Mapping[str, Array] | None = None,
) -> Score:
    """Compare picks with the true particles of the same tomograms.

    Args:
        picks: P picks.
        truth: T particles.
        settings: When a pick is right; None takes the defaults.
        groups: Rotations of the point group ``[G, 3, 3]`` of symmetric classes, by name.
    """
    settings = settings or Scoring()
    pairs = match(picks, truth, settings.tolerance_angstrom)
    angle = _angles(picks, truth, pairs, groups or {})
    labels = sorted({*picks.classes, *truth.classes})
    blind = match(picks, truth, settings.tolerance_angstrom, by_class=False)
    shift = picks.positions[pairs.pick] - truth.positions[pairs.particle]
    tomograms = sorted({*map(str, picks.tomograms), *map(str, truth.tomograms)})
    return Score(
        settings=settings,
        classes={label: _part(picks, truth, pairs, angle, label) for label in labels},
        overall=_part(picks, truth, pairs, angle, None),
        blind=_counts(len(blind.pick), picks, truth),
        confusion=_confusion(picks, truth, match_any_class(picks, truth, settings.tolerance_angstrom), labels),
        offset=shift.mean(axis=0) if len(shift) else np.full(3, np.nan),
        tomograms={name: _of_tomogram(picks, truth, pairs, name) for name in tomograms},
        pairs=pairs,
    )


def _part(picks: ParticleList, truth: ParticleList, pairs: Pairs, angle: Array, label: str | None) -> ClassScore:
    """The figures of one class; of all for None."""
    of_picks, of_truth = (
        np.ones(len(each), bool) if label is None else each.labels == label for each in (picks, truth)
    )
    kept = of_picks[pairs.pick]
    right = np.zeros(len(picks), bool)
    right[pairs.pick] = True
    counts = _counts(int(kept.sum()), picks.take(of_picks), truth.take(of_truth))
    curve = curve_of(picks.scores[of_picks], right[of_picks], int(of_truth.sum()))
    return ClassScore(counts, pairs.distance[kept], angle[kept], curve)


def _of_tomogram(picks: ParticleList, truth: ParticleList, pairs: Pairs, name: str) -> Counts:
    matched = int((picks.tomograms[pairs.pick] == name).sum())
    return _counts(matched, picks.take(picks.tomograms == name), truth.take(truth.tomograms == name))


def _counts(matched: int, picks: ParticleList, truth: ParticleList) -> Counts:
    return Counts(matched, len(truth) - matched, len(picks) - matched)


def _angles(picks: ParticleList, truth: ParticleList, pairs: Pairs, groups: Mapping[str, Array]) -> Array:
    angle = np.full(len(pairs.pick), np.nan)
    if picks.rotations is None or truth.rotations is None:
        return angle
    labels = truth.labels[pairs.particle]
    for label in np.unique(labels):
        rows = labels == label
        found, true = picks.rotations[pairs.pick[rows]], truth.rotations[pairs.particle[rows]]
        angle[rows] = angles_between(found, true, groups.get(str(label)))
    return angle


def _confusion(picks: ParticleList, truth: ParticleList, pairs: Pairs, labels: list[str]) -> Array:
    """The matrix ``[C + 1, C + 1]`` int64."""
    count = len(labels)
    names = np.asarray(labels, dtype=np.str_)
    row, column = np.searchsorted(names, truth.labels), np.searchsorted(names, picks.labels)
    found, right = np.ones(len(truth), bool), np.ones(len(picks), bool)
    found[pairs.particle] = right[pairs.pick] = False
    matrix = np.zeros((count + 1, count + 1), np.int64)
    np.add.at(matrix, (row[pairs.particle], column[pairs.pick]), 1)
    np.add.at(matrix, (row[found], np.full(int(found.sum()), count)), 1)
    np.add.at(matrix, (np.full(int(right.sum()), count), column[right]), 1)
    return matrix


def _quantile(values: Array, share: float) -> float:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if len(known) else float("nan")


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")

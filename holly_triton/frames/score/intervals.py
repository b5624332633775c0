"""95 % intervals by resampling whole frames (the bootstrap; Efron 1979), since errors within a frame are not independent."""

from collections.abc import Callable, Mapping

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.config.scoring import Scoring

from .figures import PerFrame, Score, main_figures

ENDS = (0.025, 0.975)
FEWEST_FRAMES = 5
"""Of fewer frames no interval is given: resampling so few understates the spread."""


def resampled(sums: Array, settings: Scoring) -> Array:
    """Sums over frames drawn with replacement ``[R, n]``, from those of each frame ``[F, n]``.

    The draws depend on F and the seed alone: the rows of two tables of the same frames belong together.
    """
    rng = np.random.default_rng(settings.seed)
    frames = len(sums)
    totals = np.empty((settings.resamplings, sums.shape[1]))
    for i in range(settings.resamplings):
        totals[i] = np.bincount(rng.integers(frames, size=frames), minlength=frames) @ sums
    return totals


def intervals_of(
    sums: Array, settings: Scoring, figures: Callable[[Array], Mapping[str, Array]]
) -> dict[str, tuple[float, float]]:
    """The intervals of figures that follow from sums over frames; empty where there are too few frames.

    Args:
        sums: ``[F, n]``, of each frame.
        settings: The number of resamplings, and the seed.
        figures: Gives the figures ``[R]`` by name from totals ``[R, n]``.
    """
    if len(sums) < FEWEST_FRAMES or settings.resamplings == 0:
        return {}
    return {name: interval(values) for name, values in figures(resampled(sums, settings)).items()}


def interval(values: Array) -> tuple[float, float]:
    """The central 95 % of resampled values ``[R]``; NaN where fewer than half of them are defined."""
    defined = values[np.isfinite(values)]
    if 2 * len(defined) < len(values) or len(defined) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, ENDS)
    return float(low), float(high)


def differences(first: Score, second: Score) -> dict[str, tuple[float, float, float]]:
    """Second minus first of each figure, with its 95 % interval: both tables are resampled at the same frames.

    Args:
        first: The score of one table.
        second: That of another table of the same frames against the same truth.

    Raises:
        ValueError: They were compared in other ways, or with other emitters.
    """
    if first.settings != second.settings or first.dimensions != second.dimensions:
        raise ValueError("two scores can be compared only if both were made with the same settings and dimensions")
    if first.emitters != second.emitters:
        raise ValueError(
            f"the scores are against {first.emitters} and {second.emitters} emitters; they must be the same"
        )
    both = joined(first.per_frame, second.per_frame)
    width = first.per_frame.sums.shape[1]

    def change(totals: Array) -> dict[str, Array]:
        before, after = (
            main_figures(half, first.settings, flat=first.dimensions == 2)
            for half in (totals[..., :width], totals[..., width:])
        )
        return {name: after[name] - before[name] for name in before}

    ends = intervals_of(both, first.settings, change)
    unknown = (float("nan"), float("nan"))
    return {name: (float(value), *ends.get(name, unknown)) for name, value in change(both.sum(axis=0)).items()}


def joined(first: PerFrame, second: PerFrame) -> Array:
    """The sums ``[n]`` of both, side by side, for every frame of either ``[F, 2 n]``."""
    frames = np.union1d(first.frame, second.frame)
    sides = []
    for side in (first, second):
        sums = np.zeros((len(frames), side.sums.shape[1]))
        sums[np.searchsorted(frames, side.frame)] = side.sums
        sides.append(sums)
    return np.concatenate(sides, axis=1)

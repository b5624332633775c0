"""Scores of a program's localisations, and the filter of its own columns that suits it best."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from holly_triton.core.types import Array
from holly_triton.frames.score import Score, evaluate, match
from holly_triton.frames.score.figures import main_figures
from holly_triton.frames.score.matching import in_field

from .config import LEAST_KEPT, LEVELS_OF_A_FILTER
from .movies import Clip


class Quality(NamedTuple):
    """A column by which a program's users filter."""

    column: str
    large: bool
    """Whether large values are good."""

    def passes(self, columns: Mapping[str, Array], limit: float | None) -> Array:
        """Which rows ``[L]`` are at least as good as the limit; all where there is none."""
        values = np.asarray(columns[self.column])
        if limit is None:
            return np.ones(len(values), bool)
        return np.asarray(values >= limit if self.large else values <= limit)

    def limits(self, values: Array) -> list[float | None]:
        """No limit, and quantiles of the values from lax to strict."""
        finite = values[np.isfinite(values)]
        if len(finite) == 0:
            return [None]
        shares = np.arange(1, LEVELS_OF_A_FILTER) / LEVELS_OF_A_FILTER
        return [None, *np.quantile(finite, shares if self.large else 1 - shares).tolist()]


class Found(NamedTuple):
    """What a program found in a movie."""

    table: Array
    """In our conventions ``[L]``."""
    columns: Mapping[str, Array]
    """The program's own ``[L]``."""
    limits: Mapping[str, float]
    """By which the program filters by default."""
    seconds: float
    frames: int

    def filtered(self, qualities: Sequence[Quality], limits: Sequence[float | None]) -> Array:
        """The rows that pass a limit of each quality."""
        kept = np.ones(len(self.table), bool)
        for quality, limit in zip(qualities, limits, strict=True):
            kept &= quality.passes(self.columns, limit)
        return self.table[kept]


def score(table: Array, clip: Clip) -> Score:
    """All figures of a table; it is 3D even where nothing was found."""
    return evaluate(table, clip.truth, clip.scoring, flat=False)


def efficiency(table: Array, clip: Clip) -> float:
    """3D efficiency alone, which takes less time; minus infinity where nothing was found."""
    settings = clip.scoring
    field = settings.width_nm, settings.height_nm, settings.border_nm
    near, emitters = (one[in_field(one, *field)] for one in (table, clip.truth))
    pairs = match(near, emitters, lateral_nm=settings.lateral_nm, axial_nm=settings.axial_nm)
    errors = [near[axis][pairs.localisation] - emitters[axis][pairs.emitter] for axis in "xyz"]
    x, y, z = (float((error**2).sum()) for error in errors)
    found = len(pairs.emitter)
    sums = np.array([found, len(emitters) - found, len(near) - found, x + y, z])
    value = float(main_figures(sums, settings, flat=False)["efficiency_3d"])
    return value if np.isfinite(value) else -np.inf


def best_limits(found: Found, clip: Clip, qualities: Sequence[Quality]) -> tuple[float | None, ...]:
    """Of a grid of limits that keep enough, those of the highest 3D efficiency.

    Without the condition, a filter that leaves nothing would be the best one wherever a program does worse than nothing.
    """
    choices = itertools.product(*(quality.limits(np.asarray(found.columns[quality.column])) for quality in qualities))
    least = LEAST_KEPT * len(found.table)
    tables = {limits: found.filtered(qualities, limits) for limits in choices}
    return max(
        (limits for limits, table in tables.items() if len(table) >= least),
        key=lambda limits: efficiency(tables[limits], clip),
    )


def pairs_of(found: Found, clip: Clip) -> tuple[Array, Array]:
    """Errors ``[K, 3]`` nm of matched localisations, and z of both ``[K, 2]``."""
    result = score(found.table, clip)
    z = found.table["z"][result.pairs.localisation], clip.truth["z"][result.pairs.emitter]
    return result.errors, np.stack(z, axis=1)

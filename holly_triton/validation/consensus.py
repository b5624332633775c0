"""Consensus of several runs, and the distances between them.

Every run is aligned to every other. The reference is the medoid: the run whose distance to all others sums to least.
A run agrees when its root-mean-square nearest-neighbour distance to the reference is small against the structure or
against the spacing of its points: two clouds of one shape may place their points differently along it.

The points of each run that agrees are matched one to one with those of the reference; each consensus point is the mean
of the points matched with one of the reference, its own included. Means of nearest points instead would shrink curved
structures, and their distances could not exceed the spacing.

``spread_nm`` has its pattern over the points from the matched pairs and its magnitude from ``positional_error``, which
needs no pairs and so is not limited by the spacing. The runs of ``--repeats`` share their data, so this is
reconstruction variability: errors of the data, or of the method, that all runs share are not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from holly_triton.core.progress import following
from holly_triton.core.types import Array
from holly_triton.geometry.pointset import gyration, spacing

from .alignment import align
from .comparison import Alignment
from .matching import match, positional_error
from .symmetry import SYMMETRIC, Symmetry, find_symmetries, self_distance, thinned

AGREE_SIZE = 0.05
"""Distance to the reference within which a run agrees, as a fraction of the radius of gyration (9 nm for the CEP152 model)."""
AGREE_SPACING = 0.5
"""Distance between two placements of points along one shape, as a fraction of the reference's spacing."""
EXTRA = 2.0
"""A symmetry is extra when it fits the reference this many times worse than the run that has it."""


@dataclass(frozen=True)
class Consensus:
    """K runs in the frame and handedness of the reference run, and the mean of those that agree.

    Attributes:
        points: consensus ``[N, 3]`` nm, in the order of the reference's points; where no two runs agree the reference itself.
        spread_nm: per point ``[N]``, root mean square distance of one run's point from the true one, as far as runs show
            it; NaN for points matched in no second run.
        error_nm: the same of all points together: ``positional_error``; NaN where only one run agrees.
        unmatched: share of points without a partner, mean over the runs that agree, the reference left out.
        aligned: the runs ``[N_k, 3]`` nm, in the reference's frame and handedness.
        mirrored: ``[K]``: which runs have the opposite handedness.
        distance_nm: symmetrised nearest-neighbour RMSD between every two runs ``[K, K]``.
        reference: the medoid's number, from 0.
        agree_nm: that distance to the reference within which a run agrees.
        agrees: ``[K]`` bool.
        extra: per run, the symmetries that it has and the reference lacks: a sign of a false symmetry.
        losses: per run, the mean loss of the pictures; None if not given.
    """

    points: Array
    spread_nm: Array
    error_nm: float
    unmatched: float
    aligned: list[Array]
    mirrored: list[bool]
    distance_nm: Array
    reference: int
    agree_nm: float
    agrees: Array
    extra: list[list[Symmetry]]
    losses: list[float] | None = None

    @property
    def is_consensus(self) -> bool:
        """Whether at least two runs agree."""
        return int(self.agrees.sum()) > 1

    @property
    def to_reference_nm(self) -> Array:
        """Nearest-neighbour RMSD of each run to the reference ``[K]``, nm."""
        return np.asarray(self.distance_nm[self.reference])

    def figures(self) -> dict[str, Any]:
        """Fit for JSON; runs are numbered from 1. ``positional_error`` is 3D, root mean square.

        Where no two runs agree, ``is_consensus`` is false and ``agree`` holds the ``reference`` alone.
        """
        several = self.is_consensus
        return {
            "runs": len(self.aligned),
            "is_consensus": several,
            "reference": self.reference + 1,
            "agree": (np.flatnonzero(self.agrees) + 1).tolist(),
            "agree_within": self.agree_nm,
            "rmsd_to_reference": self.to_reference_nm.tolist(),
            "rmsd_between_runs": self.distance_nm.tolist(),
            "mirrored": self.mirrored,
            "median_spread": float(np.nanmedian(self.spread_nm)) if several else None,
            "positional_error": self.error_nm if several else None,
            "unmatched": self.unmatched if several else None,
            "extra_symmetries": [[s.figures() for s in extra] for extra in self.extra],
            "losses": self.losses,
            "unit": "nm",
        }


def find_consensus(clouds: Sequence[Array], losses: Sequence[float] | None = None, seed: int = 0) -> Consensus:
    """The consensus of runs on the same data; K runs take K (K - 1) / 2 alignments.

    Args:
        clouds: K >= 2 clouds ``[N_k, 3]`` nm, of at least 4 points; in any frame and handedness.
        losses: mean loss of the pictures of each run, all measured alike: stated for a run with an extra symmetry.
        seed: of the alignments.

    Raises:
        ValueError: fewer than two clouds, one that is not finite points ``[N, 3]``, or another number of losses.
    """
    if len(clouds) < 2:
        raise ValueError(f"a consensus needs at least two clouds, got {len(clouds)}")
    if losses is not None and len(losses) != len(clouds):
        raise ValueError(f"{len(clouds)} clouds need as many losses, got {len(losses)}")
    pairs = list(combinations(range(len(clouds)), 2))
    fits = {(i, j): align(clouds[i], clouds[j], seed) for i, j in following(pairs)}
    distance = np.zeros((len(clouds), len(clouds)))
    for (i, j), fit in fits.items():
        distance[i, j] = distance[j, i] = fit.rmsd
    reference = int(np.argmin(distance.sum(axis=1)))
    placed = [_placed(cloud, k, reference, fits) for k, cloud in enumerate(clouds)]
    limit = agreement_limit(placed[reference])
    agrees = distance[reference] <= limit
    others = [cloud for k, cloud in enumerate(placed) if agrees[k] and k != reference]
    points, spread, error, unmatched = average(placed[reference], others)
    return Consensus(
        points=points,
        spread_nm=spread,
        error_nm=error,
        unmatched=unmatched,
        aligned=placed,
        mirrored=[k != reference and fits[min(k, reference), max(k, reference)].mirrored for k in range(len(clouds))],
        distance_nm=distance,
        reference=reference,
        agree_nm=limit,
        agrees=agrees,
        extra=[_extra(cloud, placed[reference]) for cloud in placed],
        losses=None if losses is None else [float(loss) for loss in losses],
    )


def agreement_limit(points: Array) -> float:
    """Nearest-neighbour RMSD, nm, within which another cloud agrees with these points ``[N, 3]`` nm."""
    return max(AGREE_SIZE * gyration(points), AGREE_SPACING * spacing(points))


def _placed(cloud: Array, run: int, reference: int, fits: dict[tuple[int, int], Alignment]) -> Array:
    """A run in the reference's frame and handedness, by the fit that was made or by its inverse."""
    if run == reference:
        return np.asarray(cloud, dtype=np.float64)
    if run < reference:
        return fits[run, reference].aligned
    fit = fits[reference, run]
    back = (np.asarray(cloud, dtype=np.float64) - fit.translation) @ fit.rotation
    return np.asarray(back * [1, 1, -1 if fit.mirrored else 1])


def average(reference: Array, others: Sequence[Array]) -> tuple[Array, Array, float, float]:
    """Mean of a reference cloud ``[N, 3]`` and other runs in its frame, matched one to one.

    Returns:
        The mean ``[N, 3]``, the spread of each point ``[N]``, the positional error, all in nm, and the share of points
        unmatched, as attributes of ``Consensus``.
    """
    if not others:
        return reference, np.full(len(reference), np.nan), float("nan"), float("nan")
    placed = np.full((len(others) + 1, *reference.shape), np.nan)
    placed[0] = reference
    errors, unmatched = [], []
    for row, other in zip(placed[1:], others, strict=True):
        pairs = match(reference, other, gyration(reference)).without_outliers()
        row[pairs.first] = other[pairs.second]
        errors.append(positional_error([reference[pairs.first], other[pairs.second]]))
        unmatched.append(pairs.unmatched)
    whole = ~np.isnan(placed[:, :, 0]).any(axis=0)
    # All pairs of runs together are more precise than each run with the reference.
    common = positional_error(list(placed[:, whole])) if whole.sum() > len(reference) / 2 else float(np.median(errors))
    mean = np.nanmean(placed, axis=0)
    count = (~np.isnan(placed[:, :, 0])).sum(axis=0)
    squared = np.nansum(np.square(placed - mean), axis=(0, 2))
    spread = np.sqrt(np.divide(squared, count - 1, out=np.full(len(mean), np.nan), where=count > 1))
    typical = np.sqrt(np.nanmean(np.square(spread)))
    return mean, spread * (common / typical if typical > 0 else 1.0), common, float(np.mean(unmatched))


def _extra(cloud: Array, reference: Array) -> list[Symmetry]:
    """Symmetries of the cloud that the reference, in the same frame, lacks."""
    if cloud is reference:
        return []
    reference = thinned(reference)
    limit = SYMMETRIC[0] * spacing(reference)
    return [
        symmetry
        for symmetry in find_symmetries(thinned(cloud))
        if symmetry.verdict == "symmetric"
        and self_distance(reference, symmetry.matrix) > max(limit, EXTRA * symmetry.rmsd_nm)
    ]

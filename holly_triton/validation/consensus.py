"""What several runs of the same data have in common, and where they differ.

Every run is aligned to every other. The reference is the medoid: the run whose RMSD to all others sums to least.
A run agrees when its RMSD to the reference is small against the structure or against the spacing of its points:
two clouds of one shape may spread their points differently along it.

Each point of the reference becomes the mean of the nearest points of the runs that agree, its own included; their
spread about that mean is the consensus' uncertainty. The runs share their data, so an error of the data or of the
method that is in all of them does not show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .alignment import Alignment, align
from .symmetry import SYMMETRIC, Symmetry, find_symmetries, self_distance, spacing, thinned

Array = NDArray[Any]

AGREE_SIZE = 0.05
"""Of the radius of gyration: RMSD to the reference within which a run agrees (9 nm for the CEP152 model)."""
AGREE_SPACING = 0.5
"""Of the reference's spacing: what two placements of points along one shape may differ by."""
EXTRA = 2.0
"""A symmetry is extra when it fits the reference this many times worse than the run that has it."""


@dataclass(frozen=True)
class Consensus:
    """K runs in the frame and hand of the reference run, and what those that agree say together.

    Attributes:
        points: consensus ``[N, 3]`` nm, in the order of the reference's points.
        spread_nm: per point ``[N]``, the root mean square distance of the runs' points from it, with k - 1 in the
            denominator for k runs that agree; NaN where only one does.
        aligned: the runs ``[N_k, 3]`` nm, in the reference's frame and hand.
        mirrored: ``[K]``: which runs came in the other hand than the reference.
        distance_nm: symmetric RMSD between every two runs ``[K, K]``.
        reference: the medoid's number, from 0.
        agree_nm: RMSD to the reference within which a run agrees.
        agrees: ``[K]`` bool.
        extra: per run, the symmetries it has and the reference has not: a sign of a false symmetry.
        losses: per run, the mean loss of the pictures; None if not given.
    """

    points: Array
    spread_nm: Array
    aligned: list[Array]
    mirrored: list[bool]
    distance_nm: Array
    reference: int
    agree_nm: float
    agrees: Array
    extra: list[list[Symmetry]]
    losses: list[float] | None = None

    @property
    def to_reference_nm(self) -> Array:
        """RMSD of each run to the reference ``[K]``."""
        return np.asarray(self.distance_nm[self.reference])

    def figures(self) -> dict[str, Any]:
        """Fit for JSON; runs are numbered from 1."""
        median = float(np.median(self.spread_nm))
        return {
            "runs": len(self.aligned),
            "reference": self.reference + 1,
            "agree": (np.flatnonzero(self.agrees) + 1).tolist(),
            "agree_within": self.agree_nm,
            "rmsd_to_reference": self.to_reference_nm.tolist(),
            "rmsd_between_runs": self.distance_nm.tolist(),
            "mirrored": self.mirrored,
            "median_spread": None if np.isnan(median) else median,
            "extra_symmetries": [[s.figures() for s in extra] for extra in self.extra],
            "losses": self.losses,
            "unit": "nm",
        }


def find_consensus(clouds: Sequence[Array], losses: Sequence[float] | None = None, seed: int = 0) -> Consensus:
    """The consensus of runs on the same data; K runs take K (K - 1) / 2 alignments.

    Args:
        clouds: K >= 2 clouds ``[N_k, 3]`` nm, of at least 4 points; in any frame and hand.
        losses: mean loss of the pictures of each run, all measured alike: whether a run with an extra symmetry
            explains the pictures better or worse decides if the symmetry is false.
        seed: of the alignments.

    Raises:
        ValueError: fewer than two clouds, one that is not finite points ``[N, 3]``, or another number of losses.
    """
    if len(clouds) < 2:
        raise ValueError(f"a consensus needs at least two clouds, got {len(clouds)}")
    if losses is not None and len(losses) != len(clouds):
        raise ValueError(f"{len(clouds)} clouds need as many losses, got {len(losses)}")
    fits = {pair: align(clouds[pair[0]], clouds[pair[1]], seed) for pair in combinations(range(len(clouds)), 2)}
    distance = np.zeros((len(clouds), len(clouds)))
    for (i, j), fit in fits.items():
        distance[i, j] = distance[j, i] = fit.rmsd
    reference = int(np.argmin(distance.sum(axis=1)))
    placed = [_placed(cloud, k, reference, fits) for k, cloud in enumerate(clouds)]
    limit = agreement_limit(placed[reference])
    agrees = distance[reference] <= limit
    points, spread = _averaged(placed[reference], [cloud for cloud, ok in zip(placed, agrees, strict=True) if ok])
    return Consensus(
        points=points,
        spread_nm=spread,
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
    """RMSD, nm, within which another cloud agrees with these points ``[N, 3]`` nm."""
    gyration = float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=1).mean()))
    return max(AGREE_SIZE * gyration, AGREE_SPACING * spacing(points))


def explain(consensus: Consensus) -> str:
    """One plain sentence, such as "4 of 5 runs agree within 7.0 nm; run 3 has an extra mirror plane"."""
    to_reference, count = consensus.to_reference_nm, len(consensus.aligned)
    agreeing = int(consensus.agrees.sum())
    if agreeing < 2:
        nearest = np.delete(to_reference, consensus.reference).min()
        parts = [
            f"No two of {count} runs agree: the nearest to run {consensus.reference + 1} differs by "
            f"{nearest:.1f} nm, more than {consensus.agree_nm:.1f} nm"
        ]
    else:
        parts = [f"{agreeing} of {count} runs agree within {to_reference[consensus.agrees].max():.1f} nm"]
    for run in range(count):
        said = []
        if agreeing > 1 and not consensus.agrees[run]:
            said.append(f"differs by {to_reference[run]:.1f} nm")
        if consensus.extra[run]:
            said.append(f"has an extra {' and '.join(_telling(consensus.extra[run]))}{_compared(consensus, run)}")
        if said:
            parts.append(f"run {run + 1} {' and '.join(said)}")
    return "; ".join(parts) + "."


def _compared(consensus: Consensus, run: int) -> str:
    """How a run explains the pictures against the reference."""
    if consensus.losses is None:
        return ""
    its, reference = consensus.losses[run], consensus.losses[consensus.reference]
    how = "worse" if its > reference else "no worse"
    return f", and explains the pictures {how} (loss {its:.4g} against {reference:.4g})"


def _telling(extra: Sequence[Symmetry]) -> list[str]:
    """The mirror plane and the highest axis: lower axes follow from these, C2 also from two mirrors."""
    mirror = ["mirror plane"] if any(s.name == "mirror" for s in extra) else []
    highest = max((int(s.name[1:]) for s in extra if s.name != "mirror"), default=0)
    return mirror + ([f"C{highest} axis"] if highest > 2 or (highest and not mirror) else [])


def _placed(cloud: Array, run: int, reference: int, fits: dict[tuple[int, int], Alignment]) -> Array:
    """A run in the reference's frame and hand, by the fit that was made or by its inverse."""
    if run == reference:
        return np.asarray(cloud, dtype=np.float64)
    if run < reference:
        return fits[run, reference].aligned
    fit = fits[reference, run]
    back = (np.asarray(cloud, dtype=np.float64) - fit.translation) @ fit.rotation
    return np.asarray(back * [1, 1, -1 if fit.mirrored else 1])


def _averaged(reference: Array, runs: Sequence[Array]) -> tuple[Array, Array]:
    """Mean ``[N, 3]`` of the points nearest to each point of the reference, and their spread ``[N]``."""
    nearest = np.stack([run[cKDTree(run).query(reference)[1]] for run in runs])
    mean = nearest.mean(axis=0)
    squared = np.square(nearest - mean).sum(axis=(0, 2))
    return mean, np.sqrt(squared / (len(runs) - 1)) if len(runs) > 1 else np.full(len(mean), np.nan)


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

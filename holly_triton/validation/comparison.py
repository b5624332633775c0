"""Distances between a cloud and the truth onto which it was aligned.

``rmsd`` is a symmetrised root-mean-square nearest-neighbour distance (a Chamfer distance). It has no correspondences, so
it does not exceed about half of the spacing where a dense cloud covers the truth, and two samplings of one structure do
not reach zero: ``sampling_floor``. Beside it stand the RMSD of points assigned one to one, where their numbers allow it,
and the 95th percentile of the distances (Hausdorff 95; Huttenlocher et al. 1993).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from holly_triton.core.types import Array
from holly_triton.io.units import UNIT_NM

from .matching import match

ALIKE_COUNTS = 0.8
"""Least ratio of the numbers of points at which an assignment one to one is a figure of the whole cloud."""


@dataclass(frozen=True)
class Alignment:
    """The best rigid fit of a cloud onto the truth: ``aligned = mirrored(cloud) @ rotation.T + translation``.

    Attributes:
        rotation: ``[3, 3]``, proper (determinant +1).
        mirrored: whether z -> -z was applied first; False when both mirror images fit equally well.
        translation: ``[3]`` nm.
        aligned: the cloud in the truth's frame ``[N, 3]`` nm.
        cloud_to_truth: distance of each point of the cloud to the nearest of the truth ``[N]`` nm.
        truth_to_cloud: distance of each point of the truth to the nearest of the cloud ``[M]`` nm.
        truth: ``[M, 3]`` nm.
    """

    rotation: Array
    mirrored: bool
    translation: Array
    aligned: Array
    cloud_to_truth: Array
    truth_to_cloud: Array
    truth: Array

    @property
    def rmsd_cloud_to_truth(self) -> float:
        """Root mean square distance from the cloud to the truth, nm: large where there are outliers."""
        return float(np.sqrt(np.mean(self.cloud_to_truth**2)))

    @property
    def rmsd_truth_to_cloud(self) -> float:
        """Root mean square distance from the truth to the cloud, nm: large where a part is missing."""
        return float(np.sqrt(np.mean(self.truth_to_cloud**2)))

    @property
    def rmsd(self) -> float:
        """Symmetrised nearest-neighbour RMSD, nm: the root of the mean of both directions' mean squares."""
        return float(np.sqrt((self.rmsd_cloud_to_truth**2 + self.rmsd_truth_to_cloud**2) / 2))

    def rmsd_of(self, points: Array, truth: Array) -> float:
        """``rmsd`` of some points and a part of the truth, such as those of a channel: bool ``[N]`` and ``[M]``."""
        found, true = self.aligned[points], self.truth[truth]
        squares = [cKDTree(one).query(other)[0] ** 2 for one, other in ((true, found), (found, true))]
        return float(np.sqrt(np.mean([each.mean() for each in squares])))

    @property
    def median(self) -> float:
        """Median of the distances of both directions, nm."""
        return float(np.median(np.concatenate([self.cloud_to_truth, self.truth_to_cloud])))

    @cached_property
    def assigned(self) -> Array:
        """Distances of points assigned one to one ``[K]`` nm, K <= min(N, M): ``matching.match``."""
        return match(self.aligned, self.truth).distance

    @property
    def rmsd_assigned(self) -> float | None:
        """Root mean square distance of points assigned one to one, nm; None where the numbers of points differ much."""
        fewer, more = sorted((len(self.cloud_to_truth), len(self.truth_to_cloud)))
        return float(np.sqrt(np.mean(self.assigned**2))) if fewer >= ALIKE_COUNTS * more else None

    @property
    def unmatched(self) -> float:
        """Share of the points of the larger of both clouds that have no partner in that assignment."""
        return 1 - len(self.assigned) / max(len(self.cloud_to_truth), len(self.truth_to_cloud))

    @property
    def hausdorff_95(self) -> float:
        """The larger of both directions' 95th percentiles of the distances, nm."""
        return float(max(np.quantile(self.cloud_to_truth, 0.95), np.quantile(self.truth_to_cloud, 0.95)))

    def figures(self, unit_nm: float | None = None) -> dict[str, Any]:
        """What ``evaluate --json`` prints: lengths in nm, and the RMSD in units of `unit_nm` nm too, as the paper has it.

        Args:
            unit_nm: nm per unit of the truth's coordinates; ``io.units.UNIT_NM`` if not given.
        """
        unit_nm = UNIT_NM if unit_nm is None else unit_nm
        return {
            "rmsd": self.rmsd,
            "rmsd_truth_to_cloud": self.rmsd_truth_to_cloud,
            "rmsd_cloud_to_truth": self.rmsd_cloud_to_truth,
            "median": self.median,
            "largest_truth_to_cloud": float(self.truth_to_cloud.max()),
            "largest_cloud_to_truth": float(self.cloud_to_truth.max()),
            "hausdorff_95": self.hausdorff_95,
            "rmsd_assigned": self.rmsd_assigned,
            "unmatched": self.unmatched,
            "sampling_floor": sampling_floor(self.truth, len(self.cloud_to_truth)),
            "mirrored": self.mirrored,
            "unit": "nm",
            "rmsd_units": self.rmsd / unit_nm,
            "unit_nm": unit_nm,
            "points": len(self.cloud_to_truth),
            "truth_points": len(self.truth_to_cloud),
        }


def sampling_floor(truth: Array, count: int, seed: int = 0) -> float:
    """Nearest-neighbour RMSD that two samplings of the truth have: no cloud of so few points is expected to score less.

    Each sampling draws `count` sites of ``truth [M, 3]``: all of them as often as `count` allows, the rest without
    replacement. It is zero where `count` is a multiple of M, since then a cloud can hold every site.
    """
    rng = np.random.default_rng(seed)
    whole = [np.arange(len(truth))] * (count // len(truth))
    one, other = (truth[np.concatenate([*whole, rng.permutation(len(truth))[: count % len(truth)]])] for _ in range(2))
    to_other, to_one = cKDTree(other).query(one)[0], cKDTree(one).query(other)[0]
    return float(np.sqrt((np.mean(to_other**2) + np.mean(to_one**2)) / 2))

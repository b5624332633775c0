"""What differs between two structures: their distance after alignment, and where it is largest."""

from dataclasses import dataclass

import numpy as np

from holly_triton.core.types import Array

from .alignment import align

FARTHEST = 0.1
"""Share of the points of both, those farthest from the other structure, that say where they differ most."""


@dataclass(frozen=True)
class Difference:
    """One structure beside another, in the frame of that.

    Attributes:
        first: ``[N, 3]`` nm.
        second: ``[M, 3]`` nm, aligned with the first without a mirror image.
        rmsd: Symmetrised nearest-neighbour RMSD, nm.
        distance: From each point of the second and of the first to the nearest of the other ``[M + N]``, nm.
    """

    first: Array
    second: Array
    rmsd: float
    distance: Array

    @property
    def farthest(self) -> Array:
        """Which of the points of the second and of the first are among the ``FARTHEST`` ``[M + N]`` bool."""
        farthest: Array = self.distance >= np.quantile(self.distance, 1 - FARTHEST)
        return farthest

    def figures(self, frame: Array) -> dict[str, float]:
        """Figures in nm; ``frame`` ``[3, 3]`` has the axis, of heights and radii about the centroid, as its last column."""
        points = np.concatenate([self.second, self.first])
        x, y, z = ((points - points.mean(axis=0)) @ frame).T
        radius, height, far = np.hypot(x, y), np.abs(z), self.farthest
        return {
            "rmsd": self.rmsd,
            "farthest": float(np.median(self.distance[far])),
            "farthest_height": float(np.median(height[far])),
            "farthest_radius": float(np.median(radius[far])),
            "height": float(np.median(height)),
            "radius": float(np.median(radius)),
        }


def find_difference(first: Array, second: Array) -> Difference:
    """The second structure ``[M, 3]`` beside the first ``[N, 3]``, nm, both of the handedness that their data determine."""
    fit = align(second, first, handed=True)
    return Difference(first, fit.aligned, fit.rmsd, np.concatenate([fit.cloud_to_truth, fit.truth_to_cloud]))

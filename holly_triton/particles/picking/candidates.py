"""Clusters of a field, and which of them are particles."""

from dataclasses import dataclass

from holly_triton.core.types import Array


@dataclass(frozen=True)
class Candidates:
    """C clusters of a field of E localisations, and which of them are particles.

    Attributes:
        centre: Centroids ``[C, 2]``, nm.
        diameter: Diameter of the circle about the centroid that holds 90 % of the cluster ``[C]``, nm.
        count: Number of localisations ``[C]``.
        roundness: Ratio of the short to the long axis ``[C]``.
        why: The first filter that each failed ``[C]``: ``"small"``, ``"large"``, ``"few"``, ``"many"``, ``"slender"``;
            ``"fiducial"`` for a bead; or ``""`` for a particle.
        group: The particle whose circle each localisation lies in ``[E]``, numbered from 0; -1 for none.
        circle_nm: Diameter of the circles.
        said: Sentences about what was derived, found and left out.
    """

    centre: Array
    diameter: Array
    count: Array
    roundness: Array
    why: Array
    group: Array
    circle_nm: float
    said: list[str]

    @property
    def picked(self) -> Array:
        """Whether each candidate is a particle ``[C]``."""
        kept: Array = self.why == ""
        return kept

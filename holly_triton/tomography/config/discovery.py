"""Defaults of the discovery of structures among subtomograms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from holly_triton.core.config import Bounds, Settings

from .averaging import FEWEST

POSITIVE = Bounds(0, open_least=True)
Embedding = Literal["pca", "tsne"]

CLUSTERS = 100
"""As Xu et al. 2017; fewer where these would be smaller than ``CLUSTER_SIZE`` on average."""
CLUSTER_SIZE = 30
"""Particles of a cluster, on average, below which there are fewer clusters by default."""
STARTS = 4
"""Of k-means, of which the tightest clusters are taken."""
CONSENSUS = 3
"""Iterations in which all particles of a cluster are aligned to one average, from random rotations, before they are divided."""
WIDE = 1
"""Iterations of the classification that search all rotations, before those that search about the rotations so far."""
COMPONENTS = 8
"""Principal components of the aligned particles on which they are first divided into classes."""
BEYOND_SHELLS = 2
"""Shells of frequency, beyond those that took part in the classification, up to which the halves must agree for an average to count
as consistent: the two share those, and the mask spreads them by about one."""
NOISE_DEVIATIONS = 3.0
"""Standard deviations of the correlation of noise that the halves must exceed there: small boxes have few coefficients in a shell."""
SAME_STRUCTURE = 0.8
"""Correlation of two averages, as a share of what is expected of averages of one structure, from which on they are of one. In
boxes of 28 voxels of 13.1 Å, at SNR 0.1 and 0.05, it was 0.86 to 1.02 for 14 pairs of one structure, and at most 0.71, that of GroEL
and 20S, for 50 pairs of two."""
LEAST_AVERAGED = 8
"""Subtomograms of a cluster that is averaged without being named; a few outliers make a cluster that is far from everything."""
REACH_OF_BOX = 0.2
"""Largest shift of a particle from the centre of its box, as a share of the box."""
EMBEDDED = 5000
"""Subtomograms in the picture of the embedding; of more, so many are drawn at random."""
PERPLEXITY = 30.0
"""Of t-SNE (van der Maaten & Hinton 2008)."""
GALLERY = 16
"""Averages in the gallery, those to look at first."""


@dataclass(frozen=True)
class Discovery(Settings):
    """How subtomograms are divided, and what is averaged."""

    clusters: Annotated[int, Bounds(1)] | None = None
    """None: ``CLUSTERS``, or fewer for a small set."""
    averaged: Annotated[int, Bounds(0)] = 10
    """Clusters of at least ``LEAST_AVERAGED`` that are averaged, those first that are furthest from all classes of the training."""
    classes: Annotated[int, Bounds(1, 20)] = 3
    """Of the reference-free classification in each cluster, as published."""
    iterations: Annotated[int, Bounds(1, 100)] = 5
    """Of that classification, as published."""
    most: Annotated[int, Bounds(FEWEST)] = 400
    """Particles of a cluster that are aligned; of a larger one, so many are drawn at random."""
    reach_angstrom: Annotated[float, POSITIVE] | None = None
    """Largest shift from the centre of the box; None for ``REACH_OF_BOX`` of the box."""
    embedding: Embedding = "pca"
    seed: Annotated[int, Bounds(0)] = 0

    @classmethod
    def quick(cls) -> Self:
        """For a first impression."""
        return cls(averaged=3, most=60)

    def changed(self, given: Mapping[str, Any]) -> Self:
        """With other values of some settings."""
        return type(self).of({**self.table(), **given}, "the options")

    def clusters_of(self, count: int) -> int:
        """Number of clusters for so many subtomograms."""
        return self.clusters or max(1, min(CLUSTERS, count // CLUSTER_SIZE))

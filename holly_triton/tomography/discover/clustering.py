"""Clusters of subtomograms in the space of linear activations, numbered by how far they are from every class of the training."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.tomography.classify.features import Activations
from holly_triton.tomography.config.discovery import STARTS, Discovery

NONE = 0
"""Cluster of a subtomogram that holds nothing."""


class Clusters(NamedTuple):
    """The clusters of N subtomograms."""

    of: Array
    """Number of the cluster of each ``[N]`` int64, from 1; ``NONE`` where it has no activations."""
    novelty: Array
    """Distance of each subtomogram from the nearest class ``[N]``, in standard deviations; NaN where it is not known."""
    nearest: Array
    """Name of that class ``[N]``, or of the one with the largest activation where distances are not known; empty for ``NONE``."""

    @property
    def numbers(self) -> range:
        """From the furthest to the nearest."""
        return range(1, int(self.of.max()) + 1)

    def rows(self, number: int) -> Array:
        """The subtomograms of a cluster, in rising order."""
        return np.flatnonzero(self.of == number)

    def novelty_of(self, number: int) -> float:
        """Mean distance of a cluster's subtomograms."""
        return float(self.novelty[self.rows(number)].mean())

    def nearest_of(self, number: int) -> str:
        """The class to which most of a cluster's subtomograms are nearest."""
        names, counts = np.unique(self.nearest[self.rows(number)], return_counts=True)
        return str(names[counts.argmax()])


def find_clusters(source: Path, found: Activations, settings: Discovery) -> Clusters:
    """Divide subtomograms by k-means on their activations.

    Where the classes' Gaussians are known, distances are in units of their standard deviations: directions in which a class
    scatters much then count less. Clusters are numbered from the one with the largest mean distance from its nearest class
    (Mahalanobis; Lee et al. 2018), which is what the paper's choice by the truth is replaced with; without Gaussians, by size.

    Args:
        source: The set, for messages.
        found: Its activations.
        settings: How many clusters.

    Raises:
        HollyError: There are fewer different subtomograms than clusters.
        MissingExtraError: scikit-learn is not installed.
    """
    good = found.linear.isfinite().all(1)
    linear = found.linear[good]
    count = settings.clusters_of(len(linear))
    features, distance, nearest = _features(found, linear)
    different = len(np.unique(features, axis=0)) if len(features) else 0
    if different < count:
        raise HollyError(
            f"{source}: has {counted(different, 'different subtomogram')} that can be used, too few for "
            f"{counted(count, 'cluster')}; give fewer with --clusters, or more subtomograms"
        )
    cluster = require("sklearn.cluster", "Discovering structures")
    with warnings.catch_warnings(action="ignore"):  # of clusters that stay empty, which are left out below
        labels = cluster.KMeans(count, n_init=STARTS, random_state=settings.seed % 2**32).fit(features).labels_
    kinds, labels = np.unique(labels, return_inverse=True)
    sizes = np.bincount(labels)
    far = -np.bincount(labels, weights=distance) / sizes if found.gaussians is not None else -sizes
    number = np.argsort(np.lexsort((kinds, far))) + 1
    rows = np.flatnonzero(good.numpy())
    whole = Clusters(
        np.full(len(found.linear), NONE),
        np.full(len(found.linear), np.nan),
        np.full(len(found.linear), "", dtype=object),
    )
    whole.of[rows], whole.novelty[rows], whole.nearest[rows] = number[labels], distance, nearest
    return whole


def _features(found: Activations, linear: Tensor) -> tuple[Array, Array, Array]:
    """What is clustered ``[M, L]``, and the distance and name of the nearest class ``[M]``."""
    names = np.array(found.classes, dtype=object)
    if found.gaussians is None:
        unknown = np.full(len(linear), np.nan)
        return linear.numpy(), unknown, names[linear.argmax(1).numpy()]
    least = [part.min(1) for part in torch.split(found.gaussians.distances(linear), 2**16)]
    distance = torch.cat([part.values for part in least]).numpy().astype(np.float64)
    return (
        found.gaussians.whitened(linear).numpy(),
        distance,
        names[torch.cat([part.indices for part in least]).numpy()],
    )

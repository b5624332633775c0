"""The paper's way from a label volume to particles: mean-shift clustering of the labelled voxels (Comaniciu & Meer 2002).

DeepFinder clusters the voxels of all classes together, and a cluster is of the class of most of its voxels. It takes half an
hour where there are many voxels; peaks of score maps, ``picking``, take seconds and lie nearer to the particles.
"""

import math

import numpy as np

from holly_triton.core.optional import require
from holly_triton.core.types import Array

from .picking import Candidates


def mean_shift(labels: Array, radii_voxels: Array) -> Candidates:
    """Clusters of the labelled voxels of a volume.

    Args:
        labels: Classes ``[Z, Y, X]``, whole numbers; 0 is the background.
        radii_voxels: Of the classes ``[C]``; their mean is the bandwidth.

    Returns:
        The centres of the clusters; a score is a cluster's number of voxels over that in a sphere of the radius of its class.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    algorithm = require("sklearn.cluster", "mean-shift clustering").MeanShift
    places = np.argwhere(labels > 0)
    if not len(places):
        return Candidates(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0))
    found = algorithm(bandwidth=float(np.mean(radii_voxels)), bin_seeding=True).fit(places)
    count = len(found.cluster_centers_)
    votes = np.zeros((count, 1 + len(radii_voxels)), np.int64)
    np.add.at(votes, (found.labels_, labels[tuple(places.T)].astype(np.int64)), 1)
    sizes = votes.sum(axis=1)
    used = sizes > 0
    classes = votes.argmax(axis=1)[used]
    sphere = 4 / 3 * math.pi * radii_voxels[classes - 1] ** 3
    return Candidates(classes, found.cluster_centers_[used], sizes[used] / sphere)

"""Subtomograms in a plane, for a picture: principal components of their features, or t-SNE."""

import numpy as np
import torch

from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.tomography.classify.features import Activations
from holly_triton.tomography.config.discovery import EMBEDDED, PERPLEXITY, Discovery


def embedded(found: Activations, settings: Discovery) -> tuple[Array, Array]:
    """Rows of subtomograms ``[M]`` and their places ``[M, 2]``, of ``EMBEDDED`` of those with activations at most.

    Raises:
        MissingExtraError: t-SNE was asked for, and scikit-learn is not installed.
    """
    rows = np.flatnonzero(found.linear.isfinite().all(1).numpy())
    rows = np.sort(np.random.default_rng(settings.seed).permutation(rows)[:EMBEDDED])
    linear = found.linear[torch.from_numpy(rows)]
    features = (linear if found.gaussians is None else found.gaussians.whitened(linear)).double().numpy()
    if settings.embedding == "tsne" and len(rows) > 3:
        manifold = require("sklearn.manifold", "t-SNE")
        perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
        placed = manifold.TSNE(perplexity=perplexity, init="pca", random_state=settings.seed % 2**32)
        return rows, placed.fit_transform(features)
    centred = features - features.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    placed = np.zeros((len(rows), 2))
    placed[:, : len(axes[:2])] = centred @ axes[:2].T
    return rows, placed

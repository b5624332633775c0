"""Figures of a classification against known classes, and the temperature that makes its probabilities honest."""

import math

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional

from holly_triton.core.types import Array, Figures
from holly_triton.tomography.config.classification import BINS, TEMPERATURES


def best_temperature(linear: Tensor, truth: Tensor) -> float:
    """The temperature with the least cross-entropy (Guo et al. 2017).

    Args:
        linear: Activations ``[N, L]`` of subtomograms that were not trained on.
        truth: Index of the class of each ``[N]``.
    """
    values = linear.double()

    def entropy(logarithm: float) -> float:
        return float(functional.cross_entropy(values / math.exp(logarithm), truth))

    least, most = (math.log(end) for end in TEMPERATURES)
    return math.exp(float(minimize_scalar(entropy, bounds=(least, most), method="bounded").x))


def confusion(truth: Tensor, found: Tensor, classes: int) -> Array:
    """How many subtomograms of each class (rows) were given to each class (columns)."""
    return np.asarray(torch.bincount(truth * classes + found, minlength=classes**2).view(classes, classes))


def calibration_error(probability: Tensor, right: Tensor) -> float:
    """Expected calibration error: the mean difference between probability and share of right answers in ``BINS`` bins.

    Args:
        probability: Of the class that was chosen ``[N]``.
        right: Whether it was the true one ``[N]``.
    """
    index = (probability * BINS).long().clamp(max=BINS - 1)
    apart = torch.zeros(BINS, dtype=torch.float64).index_add_(0, index, probability.double() - right.double())
    return float(apart.abs().sum()) / max(1, len(right))


def figures_of(linear: Tensor, truth: Tensor, temperature: float, classes: tuple[str, ...]) -> Figures:
    """Accuracy, top-2, per class, confusion, cross-entropy and calibration error, as metrics.json has them.

    Args:
        linear: Activations ``[N, L]``.
        truth: Index of the class of each ``[N]``.
        temperature: Of the model.
        classes: Their names.
    """
    probabilities = torch.softmax(linear.double() / temperature, dim=1)
    most, found = probabilities.max(dim=1)
    second = probabilities.topk(min(2, len(classes)), dim=1).indices
    right = found == truth
    counts = confusion(truth, found, len(classes))
    per_class = np.diag(counts) / np.maximum(counts.sum(1), 1)
    return {
        "subtomograms": len(truth),
        "accuracy": float(right.double().mean()),
        "top2": float((second == truth[:, None]).any(1).double().mean()),
        "accuracy_by_class": {
            name: float(value) for name, value, many in zip(classes, per_class, counts.sum(1), strict=True) if many
        },
        "chance": 1 / len(classes),
        "cross_entropy": float(functional.nll_loss(probabilities.clamp(min=1e-12).log(), truth)),
        "calibration_error": calibration_error(most, right),
        "classes": list(classes),
        "confusion": counts.tolist(),
    }

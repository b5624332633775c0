"""Thresholds of scores."""

import math

import torch
from torch import Tensor


def expected_threshold(false_positives: float, tests: float) -> float:
    """Standard deviations that noise exceeds so many times in as many tests (Rickgauer et al. 2017, eLife 6, e25648).

    It solves ``false_positives = tests * erfc(t / sqrt(2)) / 2``. The tests are the voxels of the search, which are about as
    far apart as the template resolves, times its rotations. Measured after refinement in 64^3 voxels of white noise at 1075
    rotations, without a wedge and with one: 1 and 4 where 1 was expected, 5 and 6 where 3 were, 8 and 10 where 10 were. With
    all voxels of the tomogram in place of those of the search, as is usual, it would be 0 and 1, 1 and 1, 1 and 4.
    """
    share = min(0.5, false_positives / max(tests, 1.0))
    return float(-torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))


def best_threshold(scores: Tensor, right: Tensor, particles: int) -> tuple[float, float]:
    """The threshold at which the F1 score is largest, and that score: an oracle, which needs the truth.

    Args:
        scores: Of picks ``[P]``.
        right: Whether each is one of the particles ``[P]``, bool.
        particles: How many there are.
    """
    if len(scores) == 0 or particles == 0:
        return math.inf, 0.0
    order = scores.argsort(descending=True)
    hits = right[order].double().cumsum(0)
    f1 = 2 * hits / (torch.arange(1, len(scores) + 1, device=hits.device) + particles)
    most = int(f1.argmax())
    return float(scores[order[most]]), float(f1[most])

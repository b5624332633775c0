"""Thresholds of scores."""

import math

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.tomography.config.matching import FEWEST_PEAKS, TAIL_PEAKS


def expected_threshold(false_positives: float, tests: float) -> float:
    """Standard deviations that noise exceeds so many times in as many tests (Rickgauer et al. 2017, eLife 6, e25648).

    It solves ``false_positives = tests * erfc(t / sqrt(2)) / 2``. The tests are the voxels of the search, which are about as
    far apart as the template resolves, times its rotations. Measured after refinement in 64^3 voxels of white noise at 1075
    rotations, without a wedge and with one: 1 and 4 where 1 was expected, 5 and 6 where 3 were, 8 and 10 where 10 were. With
    all voxels of the tomogram in place of those of the search, as is usual, it would be 0 and 1, 1 and 1, 1 and 4.
    """
    share = min(0.5, false_positives / max(tests, 1.0))
    return float(-torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))


def tail_threshold(scores: Array, expected: float) -> float:
    """The threshold that an expected number of the peaks of a decoy exceed, since in a crowd more scores high than in noise.

    In three simulated tomograms of 96 x 96 x 48 voxels with 20 particles of five classes and a membrane each, at a signal to noise
    ratio of 0.1, five templates with one false positive expected for each left 15, 29 and 20 false picks by the threshold of
    noise alone and 0, 1 and 0 by the larger of both; of the 60 particles 2 and 6 were missed. What resembles the template more
    than its decoy does, such as a kindred structure that no other template competes for, is still taken for it. The mirrored
    template is no decoy: at 32 Å it scores as high as the template on most of the particles.

    What exceeds a high score does so by amounts of an exponential distribution (Pickands 1975, Annals of Statistics 3, 119): its
    mean over the ``TAIL_PEAKS`` highest peaks continues them to where the expected number is left. Where there are too few
    peaks, no threshold follows: minus infinity.
    """
    order = np.sort(scores)[::-1]
    count = min(TAIL_PEAKS, len(order) - 1)
    if count < FEWEST_PEAKS:
        return -math.inf
    level = float(order[count])
    return level + float((order[:count] - level).mean()) * math.log(count / expected)


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

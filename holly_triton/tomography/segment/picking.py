"""Particles in a tomogram by a trained model: peaks of its score maps, tile by tile, so that no map is ever whole in memory."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.picking import EXCLUSION, SMOOTHING, SMOOTHING_REACH
from holly_triton.tomography.peaks import around, ball, peaks

from .model import Model
from .normalise import Normalisation
from .tiles import Scores, scores


class Candidates(NamedTuple):
    """Peaks of all classes."""

    labels: Array
    """Classes ``[N]``, numbered from 1."""
    centres: Array
    """z, y, x ``[N, 3]``, voxels."""
    scores: Array
    """``[N]``, 0 to 1."""

    def taken(self, rows: Array) -> "Candidates":
        """Those of some rows."""
        return Candidates(*(part[rows] for part in self))


def margin_of(model: Model) -> int:
    """Voxels about the core of a tile that its peaks depend on."""
    widest = max(model.radii) / model.voxel
    return math.ceil(widest * (1 + SMOOTHING[model.targets] * SMOOTHING_REACH)) + 2


def find_candidates(
    model: Model, values: Array, normalisation: Normalisation, thresholds: Array, *, averaged: bool = True,
    side: int | None = None, watch: Callable[[Scores], None] | None = None,
) -> Candidates:  # fmt: skip
    """Peaks of the score maps, which may still exclude each other.

    Args:
        model: On the device that is to do the work.
        values: ``[Z, Y, X]``, of the model's voxel size; may lie in a file.
        normalisation: Of the values.
        thresholds: Least score of each class ``[C]``.
        averaged: As ``tiles.scores`` takes it.
        side: Likewise.
        watch: Called with the scores of each tile.
    """
    found: list[Candidates] = [Candidates(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0))]
    for answer in scores(model.network, values, normalisation, margin=margin_of(model), side=side, averaged=averaged):
        found.append(_peaks_of(model, answer, thresholds))
        if watch is not None:
            watch(answer)
    return Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _peaks_of(model: Model, answer: Scores, thresholds: Array) -> Candidates:
    """The peaks in the core of a tile: of the share of all classes together, each of the class that has most of it.

    Where a network hesitates between two classes, the share of neither may be high, and that of both together is.
    """
    start = np.array([span.start for span in answer.tile.seen])
    low, high = (np.array([getattr(span, end) for span in answer.tile.core]) for end in ("start", "stop"))
    radii = np.array(model.radii) / model.voxel
    smooth = smoothed(1 - answer.shares[0], SMOOTHING[model.targets] * float(radii.min()))
    found = peaks(smooth, float(radii.min()), float(thresholds.min()))
    # A peak belongs to the tile of its voxel, although its centre may lie beyond the edge.
    owned = found.voxels.cpu().numpy() + start
    labels = 1 + _pooled(model, answer.shares, found.voxels).argmax(1).cpu().numpy()
    values = found.values.cpu().numpy().astype(np.float64)
    kept = ((owned >= low) & (owned < high)).all(axis=1) & (values > thresholds[labels - 1])
    return Candidates(labels[kept], found.positions.cpu().numpy().astype(np.float64)[kept] + start, values[kept])


def _pooled(model: Model, shares: Tensor, voxels: Tensor) -> Tensor:
    """Of each class, its share about voxels ``[P, 3]``: means weighted by Gaussians as wide as the class is ``[P, C]``."""
    means = []
    for label, radius in enumerate(model.radii, 1):
        sigma = SMOOTHING[model.targets] * radius / model.voxel
        offsets = ball(SMOOTHING_REACH * sigma).to(shares.device)
        weights = torch.exp(-offsets.square().sum(1) / (2 * sigma**2))
        means.append(around(shares[label], voxels, offsets).nan_to_num() @ (weights / weights.sum()))
    return torch.stack(means, dim=1)


def smoothed(volume: Tensor, sigma: float) -> Tensor:
    """A volume ``[Z, Y, X]`` after a Gaussian of a standard deviation in voxels; beyond its faces it is 0."""
    reach = math.ceil(SMOOTHING_REACH * sigma)
    weights = [math.exp(-(offset**2) / (2 * sigma**2)) for offset in range(-reach, reach + 1)]
    result = volume.float()
    # Sums of shifted volumes: a convolution of a single channel takes ten times as long on a CPU.
    for axis, size in enumerate(volume.shape):
        before, result = result, torch.zeros_like(result)
        for offset, weight in zip(range(-reach, reach + 1), weights, strict=True):
            count = size - abs(offset)
            if count > 0:
                to, since = max(0, -offset), max(0, offset)
                result.narrow(axis, to, count).add_(before.narrow(axis, since, count), alpha=weight / sum(weights))
    return result


def without_excluded(candidates: Candidates, radii_voxels: Array) -> Candidates:
    """Candidates in the order of their scores, without those too near to one of a higher score, of whichever class."""
    ordered = candidates.taken(np.argsort(-candidates.scores, kind="stable"))
    own = radii_voxels[ordered.labels - 1]
    alive = np.ones(len(own), bool)
    if len(own):
        farthest = EXCLUSION * 2 * float(own.max())
        for first, second in sorted(cKDTree(ordered.centres).query_pairs(farthest)):
            distance = np.linalg.norm(ordered.centres[first] - ordered.centres[second])
            if alive[first] and distance < EXCLUSION * (own[first] + own[second]):
                alive[second] = False
    return ordered.taken(alive)


def as_particles(candidates: Candidates, model: Model, tomogram: str) -> ParticleList:
    """Candidates as a list of particles, in Å."""
    names = np.array(model.classes)
    labels = names[candidates.labels - 1] if len(candidates.labels) else np.zeros(0, np.str_)
    positions = candidates.centres[:, ::-1] * model.voxel
    return ParticleList.of(labels, positions, scores=candidates.scores, tomogram=tomogram)


def pick(
    model: Model, values: Array, normalisation: Normalisation, tomogram: str = "", *, lowest: float | None = None,
    averaged: bool = True, side: int | None = None, watch: Callable[[Scores], None] | None = None,
) -> ParticleList:  # fmt: skip
    """The particles in a tomogram, in the order of their scores.

    Args:
        model: On the device that is to do the work.
        values: ``[Z, Y, X]``, of the model's voxel size; may lie in a file.
        normalisation: Of the values.
        tomogram: Its name, for the list.
        lowest: Least score, in place of the thresholds of the model.
        averaged: As ``tiles.scores`` takes it.
        side: Likewise.
        watch: Called with the scores of each tile.
    """
    thresholds = np.array(model.thresholds) if lowest is None else np.full(len(model.classes), lowest)
    found = find_candidates(model, values, normalisation, thresholds, averaged=averaged, side=side, watch=watch)
    return as_particles(without_excluded(found, np.array(model.radii) / model.voxel), model, tomogram)

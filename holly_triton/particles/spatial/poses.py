"""Weighed poses: candidates from everywhere and from near the best, each weighed by the likelihood of its particle.

Candidates are compared by look-up in a log-density whose precision is the same along every axis (``pose_scores``), which
costs one look-up a localisation. The few that are kept are weighed by the exact likelihood (``mixture``), in which each
localisation has its own precision along each axis of the microscope.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import turned
from holly_triton.kernels import pose_scores

from .density import Lookup
from .mixture import Model, Padded, Weighed, climb, log_likelihood
from .particles import Ragged
from .symmetry import cosines

CROWD = 8
"""Candidates among which those that are apart are chosen, as a multiple of those that are kept."""


class Kept(NamedTuple):
    """The K poses of each of B particles that are kept, the most likely first."""

    rotation: Tensor  # [B, K, 3, 3]
    shift: Tensor  # [B, K, 3] nm
    score: Tensor  # [B, K] log-likelihood

    def joined(self, other: "Kept") -> "Kept":
        """The poses of both."""
        return Kept(*(torch.cat(parts, dim=1) for parts in zip(self, other, strict=True)))

    def best(self, count: int) -> "Kept":
        """The most likely ``count`` of them, the most likely first."""
        score, which = self.score.topk(min(count, self.score.shape[1]), dim=1)
        row = torch.arange(len(score), device=score.device)[:, None]
        return Kept(self.rotation[row, which], self.shift[row, which], score)

    def weights(self) -> Tensor:
        """Weight of each pose ``[B, K]``: its share of the likelihood of the poses that are kept."""
        return self.score.softmax(dim=1)


class Chosen(NamedTuple):
    """The most likely pose of each of B particles."""

    rotation: Tensor  # [B, 3, 3]
    shift: Tensor  # [B, 3] nm, relative to the particle's centroid
    loss: Tensor  # [B] nm^3: ``exp`` of the mean negative log-likelihood of a localisation
    entropy: Tensor  # [B]: of the weights of the particle's orientations, natural logarithm

    def mean_loss(self) -> float:
        """Geometric mean over the particles: their losses are exponents."""
        return float(self.loss.log().mean().exp())


class Reach(NamedTuple):
    """How far poses are perturbed: standard deviations along each axis."""

    turn: float  # of the rotation vector, radians
    shift_nm: float


def looked_up(data: Sequence[Ragged], rotation: Tensor, shift: Tensor | None, grids: Sequence[Lookup]) -> Tensor:
    """Log-likelihood of each particle's localisations under each pose ``[B, R]``: the sum over the channels."""
    first, *others = (
        pose_scores(one.xyz, one.offsets, rotation, shift, *grid) for one, grid in zip(data, grids, strict=True)
    )
    return sum(others, first)


def anywhere(
    data: Sequence[Ragged], rotation: Tensor, grids: Sequence[Lookup], kept: int, apart: float, group: Tensor
) -> Kept:
    """The best of some rotations ``[R, 3, 3]`` that all particles share, none of them shifted.

    Of two that are closer than ``apart``, radians, up to rotations of the cloud's symmetry ``[G, 3, 3]``, the worse is left out as
    long as there are others among the ``CROWD * kept`` best, so that the best orientation does not crowd out the second best.
    """
    scores = looked_up(data, rotation, None, grids)
    score, which = scores.topk(min(CROWD * kept, len(rotation)), dim=1)
    turns = rotation[which]  # [B, C, 3, 3]
    near = cosines(turns, group) > math.cos(apart)
    row, place, chosen = (
        torch.arange(len(score), device=score.device),
        torch.arange(score.shape[1], device=score.device),
        [],
    )
    late = torch.zeros_like(which)  # 1 of one near a chosen one, which comes after all that are not; 2 of a chosen one
    for _ in range(min(kept, len(rotation))):
        chosen.append((len(place) * late + place).argmin(dim=1))  # candidates are in the order of their scores
        late = torch.maximum(late, near[row, chosen[-1]].long())
        late[row, chosen[-1]] = 2
    best = torch.stack(chosen, dim=1)
    return Kept(turns[row[:, None], best], turns.new_zeros(*best.shape, 3), score[row[:, None], best])


def nearby(
    data: Sequence[Ragged], poses: Kept, grids: Sequence[Lookup], reach: Reach, near: int, generator: torch.Generator
) -> Kept:
    """For each pose, one of itself and ``near - 1`` random perturbations of it, drawn by their likelihood.

    A pose stays in the place of the one that it came from, so that poses of other orientations are not crowded out. Drawing
    one by its likelihood, in place of the best, keeps the noise of a particle out of the structure.
    """
    B, K = poses.score.shape
    sigma = torch.tensor([reach.turn, reach.shift_nm], device=poses.score.device).repeat_interleave(3)
    step = torch.randn(B, K, near, 6, generator=generator, device=poses.score.device) * sigma
    step[:, :, 0] = 0  # the pose itself
    rotation = turned(poses.rotation[:, :, None], step[..., :3])
    shift = poses.shift[:, :, None] + step[..., 3:]
    scores = looked_up(data, rotation.flatten(1, 2), shift.flatten(1, 2), grids).view(B, K, near)
    drawn = scores.softmax(dim=2).view(B * K, near).multinomial(1, generator=generator).view(B, K)
    row, place = torch.arange(B, device=drawn.device)[:, None], torch.arange(K, device=drawn.device)
    return Kept(rotation[row, place, drawn], shift[row, place, drawn], scores[row, place, drawn])


def climbed(model: Model, data: Padded, poses: Kept, steps: int) -> Kept:
    """The poses after some steps to the nearest maximum of the exact likelihood; their scores are those from before."""
    pairs = _pairs(poses, torch.ones_like(poses.score))
    for _ in range(steps):
        step = climb(model, data, pairs)
        pairs = pairs._replace(rotation=turned(pairs.rotation, step.turn), shift=pairs.shift + step.move)
    return Kept(pairs.rotation.view_as(poses.rotation), pairs.shift.view_as(poses.shift), poses.score)


def exact(model: Model, data: Padded, poses: Kept) -> Kept:
    """The same poses with their exact log-likelihood, the most likely first."""
    score = log_likelihood(model, data, _pairs(poses, torch.ones_like(poses.score)))
    return poses._replace(score=score.view_as(poses.score)).best(poses.score.shape[1])


def weighed(poses: Kept, least: float, part: Tensor | None = None) -> Weighed:
    """The poses that count (``counting``); the weights of each particle have the sum 1, or ``part`` ``[B]``.

    A particle of which the part is less than ``least``, or than a half where ``least`` is more, is left out.
    """
    weight = counting(poses.weights(), least)
    return _pairs(poses, weight if part is None else weight * torch.where(part >= min(least, 0.5), part, 0)[:, None])


def counting(weight: Tensor, least: float) -> Tensor:
    """Weights ``[B, ...]`` without those below ``least``, scaled to the sum 1; of a particle of which all are, the largest is left."""
    each = weight.flatten(1)
    each = torch.where(each >= each.amax(dim=1, keepdim=True).clamp(max=least), each, 0)
    return (each / each.sum(dim=1, keepdim=True)).view_as(weight)


def _pairs(poses: Kept, weight: Tensor) -> Weighed:
    particle, which = weight.nonzero(as_tuple=True)
    return Weighed(particle, poses.rotation[particle, which], poses.shift[particle, which], weight[particle, which])

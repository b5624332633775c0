"""The search for the poses of some particles under a cloud: candidates first by look-up, then the exact weights."""

import dataclasses
import math
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import orthonormalised, random_rotations
from holly_triton.particles.sparse.posterior import Scales, draw_poses

from .config import PoseEffort
from .density import look_up
from .mixture import Model, Padded, Weighed, background_share
from .particles import Particles
from .plan import Plan
from .poses import Kept, Reach, anywhere, climbed, exact, nearby, weighed
from .symmetry import cosines

SAME_DEG = 10.0
"""Angle within which two orientations are one, as ``validation.pose_error`` counts them."""


class Found(NamedTuple):
    """Poses of B particles, the most likely first, and how well they explain the localisations."""

    poses: Kept
    data: Padded
    """The localisations that were compared."""
    group: Tensor
    """Rotations ``[G, 3, 3]`` under which the cloud is symmetric, identity first."""
    drawn: bool = False
    """Whether the poses are draws from the posterior, all of one weight, rather than the best ones."""

    def select(self, rows: Tensor) -> "Found":
        """Some of the particles."""
        return self._replace(poses=Kept(*(part[rows] for part in self.poses)), data=self.data.select(rows))

    def weighed(self, least: float, part: Tensor | None = None) -> Weighed:
        """The poses that count, as ``poses.weighed``."""
        even = torch.zeros_like(self.poses.score)
        return weighed(self.poses._replace(score=even) if self.drawn else self.poses, least, part)

    @property
    def loss(self) -> Tensor:
        """``exp`` of the mean negative log-likelihood of a localisation in the best pose ``[B]``, nm^3."""
        loss: Tensor = (-self.poses.score[:, 0] / self.data.mask.sum(dim=1)).exp()
        return loss

    @property
    def entropy(self) -> Tensor:
        """Entropy of the weights of each particle's distinct orientations ``[B]``, natural logarithm."""
        entropy: Tensor = torch.special.entr(self._distinct.softmax(dim=1)).sum(dim=1)
        return entropy

    @property
    def log_likelihood(self) -> Tensor:
        """Log of the likelihood of each particle, summed over its distinct orientations ``[B]``.

        Those that a symmetry maps onto one another count as often as there are rotations in its group, as they do without it.
        """
        summed: Tensor = self._distinct.logsumexp(dim=1)
        return summed + math.log(len(self.group))

    @property
    def mean_log_likelihood(self) -> Tensor:
        """The same of a localisation, the mean over those of each particle ``[B]``."""
        return self.log_likelihood / self.data.mask.sum(dim=1)

    @torch.no_grad()
    def under(self, model: Model, climbs: int) -> "Found":
        """The same particles under another cloud, with poses that climb from these to its likelihood's nearest maxima."""
        poses = exact(model, self.data, climbed(model, self.data, self.poses, climbs))
        return self._replace(poses=poses.best(poses.score.shape[1]))

    @property
    def _distinct(self) -> Tensor:
        """Log-likelihood of each pose ``[B, K]``, minus infinity where a better one is closer than ``SAME_DEG``."""
        rotation, score = self.poses.rotation, self.poses.score
        again = (cosines(rotation, self.group) > math.cos(math.radians(SAME_DEG))).tril(diagonal=-1).any(dim=2)
        distinct: Tensor = score.masked_fill(again, -torch.inf)
        return distinct

    def unexplained(self, model: Model) -> Tensor:
        """Share of each particle's localisations ``[B]`` that the background explains rather than the cloud."""
        pairs = weighed(self.poses, 0.0)
        held = (background_share(model, self.data, pairs) * self.data.mask[pairs.particle]).sum(dim=1) * pairs.weight
        share: Tensor = torch.zeros_like(self.loss).index_add_(0, pairs.particle, held) / self.data.mask.sum(dim=1)
        return share

    def unexplained_places(self, model: Model, channel: int) -> tuple[Tensor, Tensor]:
        """Localisations of a channel in the cloud's frame ``[E, 3]``, nm, in the best poses, and the background's part in each ``[E]``."""
        rotation, shift = self.poses.rotation[:, 0], self.poses.shift[:, 0]
        there = (self.data.xyz - shift[:, None]) @ rotation
        pairs = Weighed(torch.arange(len(rotation), device=there.device), rotation, shift, torch.ones_like(self.loss))
        real = (self.data.mask if self.data.membership is None else self.data.membership[..., channel]) > 0
        return there[real], background_share(model, self.data, pairs)[real]


def find_poses(
    plan: Plan, model: Model, particles: Particles, index: Tensor, effort: PoseEffort, generator: torch.Generator,
    *, known: Kept | None = None, everywhere: bool = True,
) -> Found:  # fmt: skip
    """Poses of some particles ``[B]``.

    Args:
        plan: The scales of the data.
        model: The cloud.
        particles: All particles.
        index: Which of them.
        effort: How many poses are compared, with how many localisations.
        generator: Of all random choices.
        known: Poses from which the search goes on.
        everywhere: Whether candidates come from all of SO(3) too; they do where none are known.
    """
    batch, kept = particles.batch(index, effort.localisations, generator), plan.settings.kept
    group = plan.group.to(model.points.device)

    def closer_to(poses: Kept, blur_nm: float, turn: float | None = None, scale: float = 1.0) -> Kept:
        """The poses after a round of perturbations under the cloud blurred further, ``scale`` times as far as at first."""
        blurred = model._replace(variance=model.variance + blur_nm**2)
        sigma = math.sqrt(float(blurred.mean_variance) + plan.variance)
        grids = look_up(blurred, plan.variance, plan.half_nm, plan.settings.voxel * sigma)
        reach = plan.reach(sigma)
        reach = Reach((reach.turn if turn is None else turn) * scale, reach.shift_nm * scale)
        near = nearby(batch.ragged, poses, grids, reach, effort.near, generator)
        return climbed(blurred, batch.padded, near, effort.climbs)

    if everywhere or known is None:
        # Between two candidates that are ``angle`` apart the structure must look alike, so it is blurred as far as a turn by
        # half of that moves it; then both fall together.
        half = (8 * math.pi**2 / (effort.candidates * len(group))) ** (1 / 3) / 2
        coarse = model._replace(variance=model.variance + (half * plan.gyration_nm) ** 2)
        sigma = math.sqrt(float(coarse.mean_variance) + plan.variance)
        grids = look_up(coarse, plan.variance, plan.half_nm, plan.settings.voxel * sigma)
        some = particles.batch(index, effort.few, generator).ragged
        found = anywhere(some, random_rotations(effort.candidates, generator), grids, kept, half, group)
        for rank in range(effort.rounds):
            scale = effort.closer**rank
            found = closer_to(found, half * plan.gyration_nm * scale * effort.closer, half * scale)
        known = found if known is None else known.joined(found)
    poses = known
    for rank in range(effort.rounds):
        poses = closer_to(poses, 0.0, scale=effort.closer**rank)
    poses = exact(model, batch.padded, poses._replace(rotation=orthonormalised(poses.rotation)))
    return Found(poses.best(kept), batch.padded, group)


def sample_poses(
    plan: Plan, model: Model, particles: Particles, index: Tensor, generator: torch.Generator, *, refined: bool
) -> Found:
    """Poses of some particles ``[B]`` of few labels, drawn from their posterior.

    Args:
        plan: The scales of the data, and the power of the likelihood.
        model: The cloud.
        particles: All particles.
        index: Which of them.
        generator: Of all random choices.
        refined: Whether they are drawn with the effort of the last steps.
    """
    assert plan.power is not None
    data = particles.batch(index, plan.settings.search.localisations, generator).padded
    scales = Scales(plan.gyration_nm, plan.half_nm, plan.power)
    spatial = plan.settings
    settings = dataclasses.replace(plan.config.sparse, samples=spatial.samples)
    if refined:
        settings = dataclasses.replace(settings, levels=spatial.refined_levels, moves=spatial.refined_moves)
    drawn = draw_poses(model, data, scales, settings, generator).spaced(spatial.kept)
    poses = Kept(drawn.rotation, drawn.shift, drawn.score).best(spatial.kept)
    return Found(poses, data, plan.group.to(index.device), drawn=True)

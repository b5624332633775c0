"""The search for the poses of some particles under a cloud: candidates first by look-up, then the exact weights."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import orthonormalised, random_rotations
from holly_triton.particles.config import PoseEffort

from .density import look_up
from .mixture import Model, Padded, in_background
from .particles import Particles
from .plan import Plan
from .poses import Kept, Reach, anywhere, exact, nearby, weighed


class Found(NamedTuple):
    """Poses of B particles, the most likely first, and how well they explain the localisations."""

    poses: Kept
    data: Padded
    """The localisations that were compared."""

    @property
    def loss(self) -> Tensor:
        """``exp`` of the mean negative log-likelihood of a localisation in the best pose ``[B]``, nm^3."""
        loss: Tensor = (-self.poses.score[:, 0] / self.data.mask.sum(dim=1)).exp()
        return loss

    @property
    def entropy(self) -> Tensor:
        """Entropy of the weights of each particle's poses ``[B]``, natural logarithm."""
        entropy: Tensor = torch.special.entr(self.poses.weights()).sum(dim=1)
        return entropy

    def unexplained(self, model: Model) -> Tensor:
        """Share of each particle's localisations ``[B]`` that the background explains rather than the cloud."""
        pairs = weighed(self.poses, 0.0)
        held = in_background(model, self.data, pairs) * pairs.weight
        share: Tensor = torch.zeros_like(self.loss).index_add_(0, pairs.particle, held) / self.data.mask.sum(dim=1)
        return share


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
    batch = particles.batch(index, effort.localisations, generator)
    sigma = math.sqrt(float(model.variance) + plan.variance)
    grid = look_up(model, plan.variance, plan.half_nm, plan.settings.voxel * sigma)
    if everywhere or known is None:
        some = particles.batch(index, effort.few, generator).ragged
        found = anywhere(some, random_rotations(effort.candidates, generator), grid, plan.settings.kept)
        known = found if known is None else known.joined(found)
    reach, poses = plan.reach(sigma), known
    for rank in range(effort.rounds):
        closer = Reach(*(length * effort.closer**rank for length in reach))
        poses = nearby(batch.ragged, poses, grid, closer, effort.near, generator).best(plan.settings.kept)
    poses = poses._replace(rotation=orthonormalised(poses.rotation))
    return Found(exact(model, batch.padded, poses), batch.padded)

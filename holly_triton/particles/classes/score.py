"""How likely each particle is under each of several clouds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.particles.spatial.mixture import Model
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.plan import Plan
from holly_triton.particles.spatial.poses import Kept
from holly_triton.particles.spatial.search import Found, find_poses


class Compared(NamedTuple):
    """B particles under C clouds."""

    found: list[Found]
    """The poses under each cloud."""
    log_likelihood: Tensor
    """``[B, C]``: summed over the orientations that are kept."""
    localisations: Tensor
    """``[B]``: how many were compared."""


def compare(
    plan: Plan, models: Sequence[Model], particles: Particles, index: Tensor, seed: int, known: Sequence[Kept] | None = None
) -> Compared:  # fmt: skip
    """Particles ``[B]`` under each cloud, each in the poses that were found under any of them.

    With a search of its own for each cloud the best of several would be the better one by the luck of the search alone.
    Therefore the search under each goes on from the best poses of all; the clouds must lie in one frame.

    Args:
        plan: The scales of the data.
        models: The clouds.
        particles: All particles.
        index: Which of them.
        seed: Of all random choices, which are the same ones for each cloud, such as which localisations are compared.
        known: Poses of each cloud from which the search goes on; None searches all of SO(3) first.
    """
    effort = plan.settings.last

    def find(model: Model, poses: Kept | None) -> Found:
        generator = torch.Generator(index.device).manual_seed(seed)
        return find_poses(plan, model, particles, index, effort, generator, known=poses, everywhere=False)

    first = [find(model, None).poses for model in models] if known is None else known
    joined, *others = (poses.best(max(1, plan.settings.kept // 2)) for poses in first)
    for poses in others:
        joined = joined.joined(poses)
    found = [find(model, joined) for model in models]
    likelihood = torch.stack([one.log_likelihood for one in found], dim=1)
    return Compared(found, likelihood, found[0].data.mask.sum(dim=1))


def probabilities(log_likelihood: Tensor, share: Tensor) -> Tensor:
    """Probability of each structure for each particle ``[B, K]``, from log-likelihoods ``[B, K]`` and shares ``[K]``."""
    weight: Tensor = (log_likelihood + share.log()).softmax(dim=1)
    return weight


class Preference(NamedTuple):
    """Whether particles prefer K structures over one: the difference of their log-likelihoods, of a localisation."""

    several: float
    """Mean log-likelihood of a localisation with K structures, density in nm^-3, natural logarithm."""
    single: float
    """The same with one."""
    error: float
    """Standard error of the difference, over particles."""
    particles: int

    @property
    def difference(self) -> float:
        """How much larger it is with K structures."""
        return self.several - self.single

    @property
    def preferred(self) -> bool:
        """Whether it is larger by more than twice its standard error."""
        return self.difference > 2 * self.error


def preference(log_likelihood: Tensor, share: Tensor, localisations: Tensor) -> Preference:
    """What particles that no cloud was made from say about the number of structures.

    Args:
        log_likelihood: ``[B, K + 1]``: under the K structures, and under the one for all.
        share: Of each structure ``[K]``.
        localisations: Number of each particle's ``[B]``.
    """
    single = log_likelihood[:, -1].double()
    several = (log_likelihood[:, :-1].double() + share.log()).logsumexp(dim=1)
    count = float(localisations.sum())
    gain = several - single
    error = float(gain.std()) * math.sqrt(len(gain)) / count if len(gain) > 1 else math.inf
    return Preference(float(several.sum()) / count, float(single.sum()) / count, error, len(gain))

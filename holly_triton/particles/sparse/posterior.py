"""Poses of particles of few localisations, drawn from their posterior by sequential Monte Carlo.

A particle of eight labels fits very many poses almost equally well. Whatever keeps the best of them puts the noise of the
particle into the structure, which comes out distorted, in projection flattened. So poses are drawn exactly by their likelihood, anew at each visit:

1. Orientations that all particles of a step share, each with a few shifts of its own for each particle, are compared by look-up
   in projections of the cloud, or in its density, at a coarse blur, at which their spacing does not matter, and some are drawn by
   that likelihood.
2. The blur falls to that of the cloud in a few levels. At each, poses are drawn again by the ratio of the new likelihood to the
   old one, and then each makes some steps of a Metropolis walk, which leaves their distribution as it is.

This is annealed importance sampling with resampling (Del Moral, Doucet and Jasra 2006). The product of the mean ratios estimates
the evidence, the likelihood of a particle averaged over all poses.

Localisations of one label are not independent: where several come of each, their likelihood is taken to a power, one over their
number, as overdispersed counts are (quasi-likelihood; Wedderburn 1974). The poses would otherwise be far too certain.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import orthonormalised, random_rotations, turned
from holly_triton.particles.spatial.density import look_up
from holly_triton.particles.spatial.mixture import Model, Padded, Weighed, log_likelihood
from holly_triton.particles.spatial.particles import ragged
from holly_triton.particles.spatial.poses import looked_up

from .config import Sparse
from .projections import project, scores

FIRST_TURN, FIRST_SHIFT = 0.5, 0.4
"""First lengths of the steps of a walk: of a turn at most, radians, and of a shift, in units of its own deviation."""
ACCEPTED = 0.25
"""Share of the steps of a walk that should be accepted, towards which their lengths are adapted (Roberts et al. 1997)."""
ADAPTATION = 0.8
"""How fast."""
LENGTHS = 0.7
"""Standard deviation of the logarithm of a step's length: some are far longer than others, so that no scale is missed."""
LEAST_LENGTH, LARGEST_LENGTH = 0.01, 1.5
"""Bounds on the typical length of a step: of a turn in radians, of a shift in units of its own standard deviation."""


class Scales(NamedTuple):
    """Lengths of the data, nm."""

    gyration_nm: float  # radius of gyration of the structure, 3D
    half_nm: float  # half the side of the projections, or of the density, in which candidates are looked up
    power: float = 1.0  # of the likelihood by which poses are drawn


class Drawn(NamedTuple):
    """Q poses of each of B particles, drawn from the posterior, so that all of them have one weight."""

    rotation: Tensor  # [B, Q, 3, 3]
    shift: Tensor  # [B, Q, A] nm
    score: Tensor  # [B, Q]: log-likelihood
    evidence: Tensor  # [B]: log of the likelihood, to the power by which poses are drawn, averaged over all poses

    def spaced(self, count: int) -> "Drawn":
        """As many of the poses: after resampling and a walk their order means nothing, but neighbours may be copies."""
        drawn = self.score.shape[1]
        which = torch.arange(count, device=self.score.device) * max(1, drawn // count) % drawn
        return Drawn(self.rotation[:, which], self.shift[:, which], self.score[:, which], self.evidence)


class _Walkers(NamedTuple):
    rotation: Tensor
    shift: Tensor
    score: Tensor  # log-likelihood times the power

    def at(self, which: Tensor) -> "_Walkers":
        """Some walkers ``[B, Q]`` of each particle."""
        row = torch.arange(len(which), device=which.device)[:, None]
        return _Walkers(*(part[row, which] for part in self))


def draw_poses(model: Model, data: Padded, scales: Scales, settings: Sparse, generator: torch.Generator) -> Drawn:
    """Poses of B particles of localisations along A axes, 2 or 3, from their posterior under a cloud.

    Orientations are uniform beforehand, and shifts of the particle normal about its centroid.

    Args:
        model: The cloud, at the blur at which poses are wanted.
        data: The particles, about their centroids.
        scales: Lengths of the data, and the power of the likelihood.
        settings: How many poses, and how they are drawn.
        generator: Of all random choices.
    """
    typical = float((data.variance.mean(dim=-1) * data.mask).sum() / data.mask.sum())
    sigma = math.sqrt(float(model.mean_variance) + typical)
    coarse = max(sigma, settings.coarse * scales.gyration_nm)
    independent = scales.power * data.mask.sum(dim=1)
    spread = settings.shift * scales.gyration_nm / independent.sqrt()  # [B]: of the shifts, along each axis
    walkers, evidence = _coarse(model, data, scales, coarse, spread, settings, generator)
    turn = torch.full_like(spread, min(FIRST_TURN, 0.5 * coarse / scales.gyration_nm))
    lengths = torch.stack([turn, torch.full_like(spread, FIRST_SHIFT)], dim=1)
    for level in range(1, settings.levels + 1):
        blur = coarse * (sigma / coarse) ** (level / settings.levels)
        wide = model._replace(variance=model.variance + max(0.0, blur**2 - sigma**2))
        new = _scored(wide, data, walkers, scales.power)
        gain = new.score - walkers.score
        evidence = evidence + gain.logsumexp(dim=1) - math.log(settings.samples)
        walkers = new.at(_resampled(gain, generator))
        for _ in range(settings.moves):
            walkers, lengths = _walked(wide, data, walkers, lengths, spread, scales.power, generator)
    return Drawn(orthonormalised(walkers.rotation), walkers.shift, walkers.score / scales.power, evidence)


def _coarse(
    model: Model,
    data: Padded,
    scales: Scales,
    blur_nm: float,
    spread: Tensor,
    settings: Sparse,
    generator: torch.Generator,
) -> tuple[_Walkers, Tensor]:
    """Poses by look-up at a coarse blur, drawn by their likelihood, and the evidence ``[B]`` at that blur."""
    rotation = random_rotations(settings.candidates, generator)
    normal = torch.randn(
        len(spread), settings.candidates, settings.shifts, data.xyz.shape[-1], generator=generator, device=spread.device
    )
    shift = normal * spread[:, None, None, None]
    further, pixel_nm = max(0.0, blur_nm**2 - float(model.mean_variance)), settings.pixel * blur_nm
    if data.xyz.shape[-1] == 2:
        found = scores(project(model, rotation, further, scales.half_nm, pixel_nm), data, shift).flatten(1)
    else:
        grids = look_up(model, further, scales.half_nm, pixel_nm)
        turns = rotation.repeat_interleave(settings.shifts, dim=0)
        found = looked_up(ragged(data), turns, shift.flatten(1, 2), grids)
    compared = scales.power * found
    evidence = compared.logsumexp(dim=1) - math.log(compared.shape[1])
    which = torch.multinomial(compared.softmax(dim=1), settings.samples, replacement=True, generator=generator)
    row = torch.arange(len(which), device=which.device)[:, None]
    return _Walkers(rotation[which // settings.shifts], shift.flatten(1, 2)[row, which], compared[row, which]), evidence


def _scored(model: Model, data: Padded, walkers: _Walkers, power: float) -> _Walkers:
    """The same poses with their log-likelihood, times the power."""
    B, Q = walkers.score.shape
    particle = torch.arange(B, device=walkers.score.device).repeat_interleave(Q)
    pairs = Weighed(
        particle, walkers.rotation.flatten(0, 1), walkers.shift.flatten(0, 1), torch.ones_like(walkers.score).flatten()
    )
    return walkers._replace(score=power * log_likelihood(model, data, pairs).view(B, Q))


def _resampled(log_weight: Tensor, generator: torch.Generator) -> Tensor:
    """Which walkers ``[B, Q]`` go on: systematic resampling (Kitagawa 1996)."""
    B, Q = log_weight.shape
    bounds = log_weight.softmax(dim=1).cumsum(dim=1)
    first = torch.rand(B, 1, generator=generator, device=log_weight.device)
    ticks = (torch.arange(Q, device=log_weight.device) + first) / Q
    return torch.searchsorted(bounds, ticks).clamp(max=Q - 1)


def _walked(
    model: Model,
    data: Padded,
    walkers: _Walkers,
    lengths: Tensor,
    spread: Tensor,
    power: float,
    generator: torch.Generator,
) -> tuple[_Walkers, Tensor]:
    """One Metropolis step of every walker, and the lengths ``[B, 2]`` of the next: of turns and of shifts."""
    B, Q = walkers.score.shape
    axes = walkers.shift.shape[-1]
    normal = torch.randn(B, Q, 4 + axes, generator=generator, device=spread.device)
    scale = (LENGTHS * normal[..., -1:]).exp()
    turns = normal[..., :3] * (lengths[:, None, :1] * scale)
    moves = normal[..., 3:-1] * (lengths[:, None, 1:] * scale * spread[:, None, None])
    there = _Walkers(turned(walkers.rotation, turns), walkers.shift + moves, walkers.score)
    there = _scored(model, data, there, power)
    prior = (walkers.shift.square() - there.shift.square()).sum(dim=-1) / (2 * spread[:, None] ** 2)
    chance = torch.rand(B, Q, generator=generator, device=spread.device).clamp_min(torch.finfo(torch.float32).tiny)
    accepted = chance.log() < there.score - walkers.score + prior
    walkers = _Walkers(
        torch.where(accepted[..., None, None], there.rotation, walkers.rotation),
        torch.where(accepted[..., None], there.shift, walkers.shift),
        torch.where(accepted, there.score, walkers.score),
    )
    factor = (ADAPTATION * (accepted.float().mean(dim=1, keepdim=True) - ACCEPTED)).exp()
    return walkers, (lengths * factor).clamp(LEAST_LENGTH, LARGEST_LENGTH)

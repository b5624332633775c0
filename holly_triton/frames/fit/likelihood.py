"""Maximum likelihood of single emitters in their regions, many at a time, by the method of Levenberg and Marquardt.

With d the data and m = N p(x, y, z) + b + s what is expected (see ``regions``), the cost is half of the deviance,
sum w (m - d - d ln(m / d)); its gradient is sum w (1 - d / m) dm, and its expected curvature, the Fisher information,
sum (w / m) dm dm^T (Laurence & Chromy 2010, Nature Methods 7, 338; Smith et al. 2010, Nature Methods 7, 373).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.frames.bound import deviations
from holly_triton.frames.config.fitting import DAMPING, LEAST_EXPECTED, MOST_STEPS, SETTLED
from holly_triton.frames.psf import Psf

from .regions import Regions

UNKNOWNS = 5
"""x, y, nm from the outer corner of the region; z, nm; photons; background, photons a pixel."""


class Prior(NamedTuple):
    """What is known beforehand: normal distributions, independent of one another."""

    mean: Tensor
    """``[E, 5]``."""
    precision: Tensor
    """``[E, 5]``: 1 / variance; 0 where nothing is known."""


class Fit(NamedTuple):
    """Where the likelihood of E emitters is largest."""

    unknowns: Tensor
    """``[E, 5]``."""
    cost: Tensor
    """``[E]``: half of the deviance, with the prior's part."""
    information: Tensor
    """``[E, 5, 5]``, without the prior's."""
    settled: Tensor
    """``[E]`` bool: whether the last step was small."""

    def take(self, kept: Tensor) -> "Fit":
        """Those that a mask ``[E]`` or indices name."""
        return Fit(*(part[kept] for part in self))

    def deviations(self) -> Tensor:
        """Standard deviations ``[E, 5]`` by the Cramér-Rao bound."""
        return deviations(self.information.double()).to(self.cost)


class _Place(NamedTuple):
    """The cost at some values of the unknowns."""

    unknowns: Tensor  # [E, 5]
    cost: Tensor  # [E]
    gradient: Tensor  # [E, 5]
    information: Tensor  # [E, 5, 5]


def expected(psf: Psf, unknowns: Tensor, regions: Regions) -> tuple[Tensor, Tensor]:
    """What is expected ``[E, S, S]``, and its derivatives by the unknowns ``[E, 5, S, S]``."""
    share, by_place = psf.patches(unknowns[:, :3], regions.size)
    photons = unknowns[:, 3, None, None]
    mean = photons * share + unknowns[:, 4, None, None] + regions.shift
    by_all = torch.cat([photons[:, None] * by_place, share[:, None], torch.ones_like(share)[:, None]], dim=1)
    return mean.clamp(min=LEAST_EXPECTED), by_all


def cost_of(mean: Tensor, regions: Regions) -> Tensor:
    """Half of the deviance ``[E]`` of the data from what is expected ``[E, S, S]``."""
    data = regions.data
    # Of terms that nearly cancel, the difference is formed pixel by pixel: their sums would lose it in float32.
    term = mean - data - data * torch.log(mean / data.clamp(min=LEAST_EXPECTED))
    return (regions.weight * term).sum(dim=(1, 2))


def maximise(
    psf: Psf,
    regions: Regions,
    start: Tensor,
    limits: tuple[Tensor, Tensor],
    prior: Prior | None = None,
    *,
    steps: int = MOST_STEPS,
) -> Fit:
    """Raise the likelihood from a start ``[E, 5]`` until the steps are small.

    Args:
        psf: How the light spreads.
        regions: The data.
        start: Values of the unknowns.
        limits: Least and largest values ``[E, 5]``, or of all ``[5]``.
        prior: A part of the cost; None is none.
        steps: Largest number of steps.
    """
    least, most = (limit.expand_as(start) for limit in limits)
    at = _place(psf, regions, start.clamp(least, most), prior)
    best = _Place(*(part.clone() for part in at))
    settled = torch.zeros_like(best.cost, dtype=torch.bool)
    damping = torch.full_like(best.cost, DAMPING)
    active = torch.arange(len(start), device=start.device)
    for _ in range(steps):
        if not len(active):
            break
        step = _step(at, damping, None if prior is None else prior.precision[active])
        wanted = torch.minimum(torch.maximum(at.unknowns + step, least[active]), most[active])
        tried = _place(psf, regions.take(active), wanted, _of(prior, active))
        better = tried.cost < at.cost
        moved = (wanted - at.unknowns).abs() * at.information.diagonal(dim1=1, dim2=2).sqrt()
        small = (moved < SETTLED).all(dim=1)
        at = _Place(*(torch.where(_like(better, new), new, old) for new, old in zip(tried, at, strict=True)))
        damping = torch.where(better, damping / 8, damping * 6)
        for whole, part in zip(best, at, strict=True):
            whole[active] = part
        settled[active] = small
        going = ~small & (damping < 1e8)
        active, at, damping = active[going], _Place(*(part[going] for part in at)), damping[going]
    return Fit(best.unknowns, best.cost, best.information, settled)


def _of(prior: Prior | None, kept: Tensor) -> Prior | None:
    return None if prior is None else Prior(prior.mean[kept], prior.precision[kept])


def _like(mask: Tensor, part: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (part.ndim - 1))


def _place(psf: Psf, regions: Regions, unknowns: Tensor, prior: Prior | None) -> _Place:
    mean, by_all = expected(psf, unknowns, regions)
    cost = cost_of(mean, regions)
    by_all = by_all.flatten(2)
    pull = (regions.weight * (1 - regions.data / mean)).flatten(1)
    gradient = (by_all @ pull[:, :, None])[:, :, 0]
    information = by_all * (regions.weight / mean).flatten(1)[:, None] @ by_all.mT
    if prior is not None:
        away = prior.precision * (unknowns - prior.mean)
        cost = cost + (away * (unknowns - prior.mean)).sum(dim=1) / 2
        gradient = gradient + away
    return _Place(unknowns, cost, gradient, information)


def _step(at: _Place, damping: Tensor, precision: Tensor | None) -> Tensor:
    """The damped step ``[E, 5]``, solved with every unknown in units of its own deviation."""
    information = at.information if precision is None else at.information + torch.diag_embed(precision)
    scale = information.diagonal(dim1=1, dim2=2).clamp(min=1e-20).sqrt()
    unit = information / scale[:, :, None] / scale[:, None, :]
    damped = unit + torch.diag_embed((damping[:, None] + 1e-6).expand_as(scale))
    solved: Tensor = torch.linalg.solve(damped, (-at.gradient / scale)[:, :, None])[:, :, 0]
    return solved / scale

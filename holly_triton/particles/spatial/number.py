"""The number of points, chosen by the likelihood.

A cloud that has more points than its structure has sites spreads them over the noise about each. So after the steps points are
merged, those first by which the fit loses least (Ward 1963), and after each merger points, blur and background are fitted again,
by some passes of expectation-maximisation over the particles in the poses that were found. Meanwhile points may differ in
weight: with equal weights numbers between the multiples of that of the sites fit worse, and points could not be merged one at a
time. At the end of a run all points are alike, so a number N is judged by the log-likelihood of such a cloud, less
``3 N / 2 log E``, as it costs to describe them by E localisations (Schwarz 1978). The smallest number is chosen that falls short
of the best one by no more than two standard errors of the difference, over particles. Where that is the number of the beginning,
the cloud stays as it was.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from holly_triton.particles.config import DEFAULT_POINTS

from .config import Counting
from .mixture import Model, Padded, Weighed, expected, log_likelihood
from .state import LARGEST_AXIAL, LEAST_AXIAL, SpatialState

LONGEST = 0.2
"""Largest step of the logarithm of the blur in a pass."""
LEAST_BLUR = 0.1
"""Least blur, in units of the last sigma, which is nothing beside the precision of a localisation."""
LEAST_SHARE = 1e-4
"""Least share of the localisations in the background, and in the points."""
LEAST_LOAD = 1e-3
"""Least weight of the localisations that a point explains."""


@dataclass(frozen=True)
class Posed:
    """Localisations of B particles in the poses that are held while points are merged."""

    data: Padded
    poses: Weighed

    def log_likelihood(self, model: Model) -> Tensor:
        """That of each particle ``[B]``, in the mean over its poses."""
        each = log_likelihood(model, self.data, self.poses) * self.poses.weight
        zero = each.new_zeros(len(self.data.mask))
        return zero.index_add_(0, self.poses.particle, each).double()

    @property
    def localisations(self) -> float:
        """How many there are."""
        return float(self.data.mask.sum())

    def mean(self, values: Tensor) -> float:
        """Mean over the localisations of something that each has along each axis ``[B, M, 3]``."""
        return float((values.mean(dim=-1) * self.data.mask).sum() / self.data.mask.sum())


def compare(state: SpatialState, posed: Posed, number: int, sigma_nm: float, settings: Counting) -> Tensor:
    """Fit the cloud with a number of points, and note in ``state.number`` how well it does, and whether fewer are of no use.

    Args:
        state: Of the run. Its cloud is that of the number before, or of the beginning.
        posed: Localisations of some particles.
        number: Of points, of all channels.
        sigma_nm: Blur of the points in addition to their own.
        settings: How this is done.

    Returns:
        The log-likelihood of each particle ``[B]`` if all points have the same weight.
    """
    known: dict[str, Any] = state.number
    if known:
        merge_(state, known["mass"].to(state.points.device), number)
    else:
        known.update(chosen=_cloud(state), tried=[], mass=torch.ones(number), ended=False)
    mass, count = known["mass"].to(state.points.device), posed.localisations
    for _ in range(settings.passes if known["tried"] else settings.first_passes):
        mass, value = fit_(state, posed, mass, sigma_nm)
    known["mass"] = mass
    alike = dataclasses.replace(state)
    fit_(alike, posed, None, sigma_nm)
    each = posed.log_likelihood(alike.model(sigma_nm))
    # Of the three coordinates of a point and, where it has one, its weight.
    score, weighted = (
        (found - 0.5 * free * number * math.log(count)) / count for found, free in ((float(each.sum()), 3), (value, 4))
    )
    known["tried"].append({"points": number, "log_likelihood": float(each.sum()) / count, "score": score})
    if "best" in known:
        change = (each - known["best"].to(each.device)) / count
        error = float(change.std()) * math.sqrt(len(change)) if len(change) > 1 else 0.0
        if score >= known["score"] - settings.tolerance * error:
            known["chosen"] = _cloud(alike)
        known["ended"] = weighted < known["weighted"] - settings.given_up
    if score > known.get("score", -math.inf):
        known.update(best=each, score=score)
    known["weighted"] = max(weighted, known.get("weighted", -math.inf))
    return each


def take_up_(state: SpatialState) -> None:
    """Make the chosen cloud that of the state; what was needed for the choice alone is dropped."""
    for name, value in state.number["chosen"].items():
        setattr(state, name, value.to(state.points.device) if isinstance(value, Tensor) else value)
    state.number = {"tried": state.number["tried"]}


def _cloud(state: SpatialState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in ("points", "log_blur", "log_axial", "background", "spread", "sizes")}


def fit_(state: SpatialState, posed: Posed, mass: Tensor | None, sigma_nm: float) -> tuple[Tensor, float]:
    """One pass of expectation-maximisation of points, blur and background, with the poses held.

    Args:
        state: Takes the fitted cloud; the tensors that it held stay as they are.
        posed: Localisations of some particles.
        mass: Of each point ``[N]``, as in ``Model``; None where all are alike.
        sigma_nm: Blur of the points in addition to their own.

    Returns:
        The fitted masses ``[N]``, and the log-likelihood before the pass.
    """
    model = state.model(sigma_nm)._replace(mass=mass)
    found = expected(model, posed.data, posed.poses)
    sharpness = 1 / (posed.data.variance + model.variances)
    load = found.load.clamp(min=LEAST_LOAD)
    state.points = state.points + found.points / (load * posed.mean(sharpness))[:, None]
    # Scoring: the information on log s of a localisation is that of three deviations, of which s^2 is a part.
    own = (2 * state.log_blur).exp()
    tiny, part = torch.finfo(own.dtype).tiny, own / model.variance
    lateral, axes = found.log_blur, 3
    if model.further is not None:  # that along z has a step of its own
        lateral, axes = found.log_blur - found.log_axial, 2
        along = own * (2 * state.log_axial).exp()
        information = 2 * load.sum() * posed.mean((along * sharpness[..., 2:]).square())
        axial = found.log_axial * along / model.variance / information.clamp(min=tiny)
        sharpness = sharpness[..., :2]
    information = 2 * axes * load.sum() * posed.mean((own * sharpness).square())
    step = (lateral * part / information.clamp(min=tiny)).clamp(-LONGEST, LONGEST)
    state.log_blur = (state.log_blur + step).clamp(min=math.log(LEAST_BLUR * sigma_nm))
    if model.further is not None:
        moved = state.log_axial + axial.clamp(-LONGEST, LONGEST) - step
        state.log_axial = moved.clamp(LEAST_AXIAL, LARGEST_AXIAL)
    share = found.background / (found.background + load.sum())
    state.background = share.clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit()
    if found.background > 1:
        state.spread = found.squares / found.background / 3
    means = torch.cat([own.mean().expand(len(own)) for own in torch.split(load, state.sizes)])
    return load / means, float(found.value)


def merge_(state: SpatialState, mass: Tensor, number: int) -> None:
    """Merge points of one channel, two at a time, until a number is left; ``state.number`` takes their masses.

    Args:
        state: Whose points are merged.
        mass: Of each point ``[N]``, as in ``Model``.
        number: Of points that are left.
    """
    points, mass = state.points.clone(), mass.clone()
    channel = torch.repeat_interleave(torch.tensor(state.sizes, device=points.device))
    while len(points) > number:
        cost = mass[:, None] * mass / (mass[:, None] + mass) * torch.cdist(points, points).square()
        few = torch.bincount(channel, minlength=len(state.sizes)) <= DEFAULT_POINTS.fewest_of_channel
        cost[(channel[:, None] != channel) | few[channel]] = torch.inf
        cost.fill_diagonal_(torch.inf)
        one, other = sorted(divmod(int(cost.argmin()), len(points)))
        both = mass[[one, other]]
        points[one], mass[one] = both @ points[[one, other]] / both.sum(), both.sum()
        left = torch.arange(len(points), device=points.device) != other
        points, mass, channel = points[left], mass[left], channel[left]
    state.points, state.sizes = points, torch.bincount(channel, minlength=len(state.sizes)).tolist()
    means = torch.cat([own.mean().expand(len(own)) for own in torch.split(mass, state.sizes)])
    state.number["mass"] = mass / means


def explain_number(state: SpatialState, first: int) -> str:
    """How the number of points came about, in a run that began with ``first`` of them."""
    if "ended" in state.number or not state.number:
        return (
            f"{first} points at first: at the end they are merged as far as the likelihood allows (--points N keeps N)."
        )
    tried, chosen = state.number["tried"], len(state.points)
    best = max(tried, key=lambda one: one["score"])["points"]
    said = f"{first} to {tried[-1]['points']} points were compared by the likelihood, with a penalty for each:"
    if chosen == first:
        return f"{said} all {first} stay, as no fewer do as well."
    least = "the best number" if chosen == best else f"the least that does as well as {best} within two standard errors"
    return f"{said} {chosen} is {least} (--points N keeps N)."

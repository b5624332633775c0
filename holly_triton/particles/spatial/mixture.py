"""The exact likelihood of localisations under a cloud in weighed poses, and its gradient.

A localisation ``x`` of a particle in the pose (R, t), which puts the cloud's point ``p`` at ``R p + t``, comes from one of the
N points, or from the background, an isotropic Gaussian about ``t``:

    p(x) = (1 - q) / N sum_j G(x; R p_j + t, diag(v + s^2)) + q G(x; t, b^2)

With several channels each has points of its own, and N and j are those of the localisation's channel.
``v`` are the variances of the localisation along the microscope's axes, which need not be equal: they are not turned, the
points are, so that the covariances stay diagonal and the evaluation is exact for any orientation. ``s`` is the blur that all
points have in common, and where the data state no precision along the microscope's z, the blur along it is another. Where the structure deforms, ``p_j + a d_j`` is in the place of ``p_j``: ``d`` is a field of displacements
that all particles share, and the amplitude ``a`` of a particle, a standard normal variable, is found with its pose.

The exponents of all pairs of a localisation and a point are one matrix product of 7 features, as
``-(x - p)^2 / 2a`` is ``-x^2 / 2a + (x / a) p - (1 / 2a) p^2`` along each axis; a further feature for each further channel
makes the density of points of another one vanish. The gradients are another product of the same features with the
responsibilities, so that nothing is kept for a backward pass.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

AT_ONCE, AT_ONCE_ON_CPU = 2**24, 2**19
"""Pairs of a localisation and a point that are held at a time: 64 MiB in float32; a CPU gains nothing by more than 2 MiB."""


RIDGE = 1e-3
"""Added to the curvature of a pose's likelihood, as a share of its diagonal: a turn about a line of points is not determined."""
ELSEWHERE = 1e9
"""Minus the logarithm of the density, relative to its own, of a localisation at a point of another channel."""
LONGEST = 0.3
"""Largest turn in one step, radians: beyond, a turn is not linear."""


class Model(NamedTuple):
    """A cloud as a density of localisations."""

    points: Tensor  # [N, 3] nm
    variance: Tensor  # [] nm^2: of the blur that all points have in common
    share: Tensor  # [], 0 to 1: of the localisations that are background
    spread: Tensor  # [] nm^2: variance of the background about the particle's centre, along each axis
    sizes: tuple[int, ...] = ()  # points of each channel, one channel after the other; () where there is one
    field: Tensor | None = None  # [N, 3] nm: displacement of the points at amplitude 1; None for a rigid structure
    mass: Tensor | None = None  # [N]: share of each point in the density of its channel, times the number of its points
    further: Tensor | None = (
        None  # [] nm^2: variance of the blur along the microscope's z less that along x and y; None for 0
    )

    @property
    def variances(self) -> Tensor:
        """Variance of the blur along the microscope's axes ``[3]``, nm^2, or of all of them ``[]``."""
        if self.further is None:
            return self.variance
        return torch.stack([self.variance, self.variance, self.variance + self.further])

    @property
    def mean_variance(self) -> Tensor:
        """Mean of it over the axes ``[]``, nm^2."""
        return self.variance if self.further is None else self.variance + self.further / 3

    @property
    def of_channels(self) -> tuple[Tensor, ...]:
        """The points of each of C channels ``[N_c, 3]``."""
        return torch.split(self.points, list(self.sizes)) if self.sizes else (self.points,)

    @property
    def membership(self) -> Tensor:
        """1 for the channel of a point, else 0 ``[N, C]``."""
        membership: Tensor = torch.block_diag(  # type: ignore[no-untyped-call]
            *(points.new_ones(len(points), 1) for points in self.of_channels)
        )
        return membership


class Padded(NamedTuple):
    """Localisations of B particles, M rows for each, along A axes of the microscope: 2, or 3 where there is a z."""

    xyz: Tensor  # [B, M, A] nm, finite in every row
    variance: Tensor  # [B, M, A] nm^2: of each localisation along the microscope's axes
    mask: Tensor  # [B, M]: 1 for a localisation, 0 for none
    membership: Tensor | None = None  # [B, M, C]: 1 for the channel of a localisation, else 0; None where there is one

    def select(self, rows: Tensor) -> "Padded":
        """Some of the particles."""
        membership = None if self.membership is None else self.membership[rows]
        return Padded(self.xyz[rows], self.variance[rows], self.mask[rows], membership)


class Weighed(NamedTuple):
    """K pairs of a particle and a pose, with the weight of each."""

    particle: Tensor  # [K] int64, row of ``Padded``
    rotation: Tensor  # [K, 3, 3]
    shift: Tensor  # [K, A] nm
    weight: Tensor  # [K]
    amplitude: Tensor | None = None  # [K]: of the model's field; None for 0

    def select(self, rows: Tensor | slice) -> "Weighed":
        """Some of the pairs."""
        amplitude = None if self.amplitude is None else self.amplitude[rows]
        return Weighed(self.particle[rows], self.rotation[rows], self.shift[rows], self.weight[rows], amplitude)


class Climb(NamedTuple):
    """A step of each of K pairs towards a more likely pose."""

    turn: Tensor  # [K, 3], radians: rotation vectors to apply after each rotation
    move: Tensor  # [K, 3] nm: what to add to each shift
    amplitude: Tensor  # [K]: what to add to each amplitude; 0 where there is none
    stiffness: (
        Tensor  # [K]: minus the second derivative of the log-likelihood with the amplitude's prior, in the amplitude
    )


class Expected(NamedTuple):
    """The expected log-likelihood, summed over weighed poses and localisations, and its gradient."""

    value: Tensor  # []
    points: Tensor  # [N, 3]
    log_blur: Tensor  # []: with respect to log s
    log_axial: Tensor  # []: the part of it that is of the microscope's last axis
    share: Tensor  # []: with respect to logit q
    background: Tensor  # []: weight of the localisations that the background explains
    squares: Tensor  # []: their squared distance from the particle's centre, times that weight, nm^2
    load: Tensor  # [N]: weight of the localisations that each point explains
    field: Tensor  # [N, 3]: with respect to the field; 0 where poses have no amplitude


def log_likelihood(model: Model, data: Padded, poses: Weighed) -> Tensor:
    """Log-likelihood of the localisations of each pair ``[K]``; the poses' own weights are not used."""
    parts = [_evaluate(model, data, some).total for some in _some(model, data, poses)]
    return torch.cat(parts) if parts else model.points.new_zeros(0)


def background_share(model: Model, data: Padded, poses: Weighed) -> Tensor:
    """How far the background explains each localisation of each pair ``[K, M]``, 0 to 1."""
    held = [model.points.new_zeros(0, data.xyz.shape[1])]
    for some in _some(model, data, poses):
        found = _evaluate(model, data, some)
        held.append((found.outside - found.mixed).exp())
    return torch.cat(held)


def expected(model: Model, data: Padded, poses: Weighed) -> Expected:
    """The expected log-likelihood and its gradient."""
    sums: list[Tensor] | None = None
    for some in _some(model, data, poses):
        found = _gradient(model, data, some)
        sums = list(found) if sums is None else [a + b for a, b in zip(sums, found, strict=True)]
    if sums is None:
        raise ValueError("no pose has a weight")
    return Expected(*sums)


def climb(model: Model, data: Padded, poses: Weighed) -> Climb:
    """One step of expectation-maximisation on each pose, by which its likelihood grows: poses are found to any accuracy.

    With the responsibilities of the points held, the expected log-likelihood is a sum of squares, whose Gauss-Newton step in
    the three angles and the three shifts is taken; and in the amplitude, where poses have one, with its prior.
    """
    steps = [_climb(model, data, some) for some in _some(model, data, poses)]
    return Climb(*(torch.cat(parts) for parts in zip(*steps, strict=True)))


def _climb(model: Model, data: Padded, poses: Weighed) -> Climb:
    found = _evaluate(model, data, poses)
    mask = data.mask[poses.particle]
    blame = (found.joint - found.mixed[..., None]).exp_() * mask[..., None]  # [K, M, N]
    scaled, inverse = found.features[..., :3], -2 * found.features[..., 3:6]
    pull, stiffness = torch.split(blame.mT @ torch.cat([scaled, inverse], dim=-1), [3, 3], dim=-1)  # [K, N, 3]
    places = found.places
    force = pull - stiffness * places
    # A small turn w moves a point by w x p, a shift moves all points alike, an amplitude each along the field.
    x, y, z = places.unbind(-1)
    none = torch.zeros_like(x)
    cross = torch.stack([none, z, -y, -z, none, x, y, -x, none], dim=-1).view(*places.shape, 3)
    along = torch.zeros_like(places) if model.field is None else model.field @ poses.rotation.mT
    lever = torch.cat([cross, torch.eye(3).to(cross).expand_as(cross), along[..., None]], dim=-1)  # [K, N, 3, 7]
    slope = (lever * force[..., None]).sum((1, 2))
    curvature = (lever.mT @ (stiffness[..., None] * lever)).sum(1)
    held = ((found.outside - found.mixed).exp() * mask).sum(-1) / model.spread
    curvature[:, 3:6, 3:6] += held[:, None, None] * torch.eye(3).to(cross)
    curvature[:, 6, 6] += 1
    if poses.amplitude is None:
        slope[:, 6], curvature[:, 6, :6], curvature[:, :6, 6] = 0, 0, 0
    else:
        slope[:, 6] -= poses.amplitude
    scale = curvature.diagonal(dim1=1, dim2=2)
    step = torch.linalg.solve(curvature + torch.diag_embed(RIDGE * scale + torch.finfo(scale.dtype).tiny), slope)
    turn, move, further = torch.split(step, [3, 3, 1], dim=-1)
    long = torch.linalg.vector_norm(turn, dim=-1, keepdim=True)
    return Climb(turn * (LONGEST / long.clamp(min=LONGEST)), move, further[:, 0], curvature[:, 6, 6])


class _Parts(NamedTuple):
    features: Tensor  # [K, M, 2 A + C]
    joint: Tensor  # [K, M, N]: log of each point's share of the density
    mixed: Tensor  # [K, M]: log-density
    outside: Tensor  # [K, M]: log of the background's share of it
    squares: Tensor  # [K, M]: squared distance from the particle's centre, nm^2
    places: Tensor  # [K, N, A]: the points in the particle's frame, nm
    total: Tensor  # [K]


def _some(model: Model, data: Padded, poses: Weighed) -> list[Weighed]:
    at_once = AT_ONCE if model.points.is_cuda else AT_ONCE_ON_CPU
    step = max(1, at_once // (data.xyz.shape[1] * len(model.points)))
    return [poses.select(slice(k, k + step)) for k in range(0, len(poses.weight), step)]


def _evaluate(model: Model, data: Padded, poses: Weighed) -> _Parts:
    xyz = data.xyz[poses.particle]
    axes = xyz.shape[-1]
    total = data.variance[poses.particle] + model.variances
    inverse = 1 / total
    # Relative to the pose's centre the numbers are small, which the differences of squares below need in float32.
    off = xyz - poses.shift[:, None]
    constant = -0.5 * ((off * off * inverse).sum(-1) + total.log().sum(-1)) - 0.5 * axes * math.log(2 * math.pi)
    own = torch.ones_like(constant)[..., None] if data.membership is None else data.membership[poses.particle]
    features = torch.cat([off * inverse, -0.5 * inverse, constant[..., None] * own - ELSEWHERE * (1 - own)], dim=-1)
    turn = poses.rotation[:, :axes].transpose(-1, -2)
    places = model.points @ turn
    if model.field is not None and poses.amplitude is not None:
        places = places + poses.amplitude[:, None, None] * (model.field @ turn)
    of = model.membership
    against = torch.cat([places, places * places, of.expand(len(places), -1, -1)], dim=-1)
    part = (1 - model.share) / (of @ of.sum(0))
    joint = features @ against.transpose(-1, -2) + (part if model.mass is None else part * model.mass).log()
    squares = (off * off).sum(-1)
    outside = model.share.log() - 0.5 * squares / model.spread - 0.5 * axes * (2 * math.pi * model.spread).log()
    mixed = torch.logaddexp(joint.logsumexp(-1), outside)
    whole = (mixed * data.mask[poses.particle]).sum(-1)
    return _Parts(features, joint, mixed, outside, squares, places, whole)


def _gradient(model: Model, data: Padded, poses: Weighed) -> tuple[Tensor, ...]:
    found = _evaluate(model, data, poses)
    weight = poses.weight[:, None] * data.mask[poses.particle]
    blame = (found.joint - found.mixed[..., None]).exp_() * weight[..., None]  # [K, M, N]
    axes = data.xyz.shape[-1]
    scaled, half = found.features[..., :axes], found.features[..., axes : 2 * axes]  # (x - t) / a and -1 / 2a
    # Of the variance: sum over the axes of d^2 / 2a^2 - 1 / 2a, with d = x - t - p.
    own = (0.5 * scaled * scaled + half).sum(-1, keepdim=True)
    columns = torch.cat([scaled, half, 2 * scaled * half, 2 * half * half, own], dim=-1)
    # Each of the first four [K, N, A].
    first, second, crossed, square, alone = torch.split(blame.transpose(-1, -2) @ columns, [*[axes] * 4, 1], dim=-1)
    places = found.places
    turned = first + 2 * places * second  # [K, N, A]
    each = turned @ poses.rotation[:, :axes]
    points = each.sum(0)
    field = torch.zeros_like(points) if poses.amplitude is None else torch.einsum("k,kni->ni", poses.amplitude, each)
    variance = (crossed * places + square * places * places).sum() + alone.sum()
    background = (found.outside - found.mixed).exp() * weight
    along = (crossed * places + square * places * places)[..., -1].sum()
    axial = along + ((0.5 * scaled * scaled + half)[..., -1] * (weight - background)).sum()
    held = background.sum()
    return (
        (found.total * poses.weight).sum(), points, 2 * model.variance * variance, 2 * model.variance * axial,
        held - model.share * weight.sum(), held, (background * found.squares).sum(), blame.sum((0, 1)), field,
    )  # fmt: skip

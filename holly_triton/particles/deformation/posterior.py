"""Poses and amplitudes of particles under a structure that deforms, each pose weighed over all of its amplitudes.

A pose and its amplitude climb together to the maximum of the likelihood times the amplitude's normal prior. There the amplitude
is integrated with the pose held: by the trapezium rule, whose nodes lie within the width of that maximum, so that neither its
height nor its shape is assumed. A rigid structure has one node, and the same steps.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import orthonormalised, turned
from holly_triton.particles.spatial.mixture import Model, Padded, Weighed, climb, log_likelihood
from holly_triton.particles.spatial.poses import Kept, counting

from .config import Deforming

NODES = (-2.5, -1.25, 0.0, 1.25, 2.5)
"""Amplitudes about the maximum in units of its width, at which they are integrated."""


class Flexed(NamedTuple):
    """K poses of each of B particles, the most likely first."""

    poses: Kept
    """Their scores are integrated over the amplitude."""
    amplitude: Tensor
    """Mean of each pose ``[B, K]``, standardised."""
    nodes: Tensor
    """``[B, K, G]``: amplitudes,"""
    weights: Tensor
    """and the share of each in its pose's likelihood ``[B, K, G]``."""

    def pairs(self, least: float) -> Weighed:
        """Poses and amplitudes that count (``spatial.poses.counting``); the weights of each particle have the sum 1."""
        weight = counting(self.poses.weights()[..., None] * self.weights, least)
        particle, which, node = weight.nonzero(as_tuple=True)
        return Weighed(
            particle, self.poses.rotation[particle, which], self.poses.shift[particle, which], weight[particle, which, node],
            self.nodes[particle, which, node],
        )  # fmt: skip

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each particle's amplitude ``[B]``, over poses and amplitudes."""
        weight = self.poses.weights()[..., None] * self.weights
        mean = (weight * self.nodes).sum(dim=(1, 2))
        square = (weight * (self.nodes - mean[:, None, None]).square()).sum(dim=(1, 2))
        return mean, square.sqrt()


def flex(model: Model, data: Padded, poses: Kept, amplitude: Tensor, settings: Deforming, climbs: int) -> Flexed:
    """Poses ``[B, K]`` after some steps to the nearest maximum of the likelihood, and their amplitudes.

    Args:
        model: The structure; of a rigid one all amplitudes stay 0.
        data: Localisations of the particles.
        poses: From which the steps begin.
        amplitude: Likewise ``[B, K]``.
        settings: The largest amplitude, and the least weight of a pose whose amplitudes are integrated; others count for nothing.
        climbs: Number of steps.
    """
    B, K = poses.score.shape
    particle = torch.arange(B, device=amplitude.device).repeat_interleave(K)
    ones = torch.ones_like(amplitude).flatten()
    pairs = Weighed(particle, poses.rotation.flatten(0, 1), poses.shift.flatten(0, 1), ones, amplitude.flatten())
    if model.field is None:
        pairs = pairs._replace(amplitude=None)
    stiffness = ones
    for _ in range(climbs):
        step = climb(model, data, pairs)
        stiffness = step.stiffness
        pairs = pairs._replace(
            rotation=orthonormalised(turned(pairs.rotation, step.turn)), shift=pairs.shift + step.move,
            amplitude=None if pairs.amplitude is None else (pairs.amplitude + step.amplitude).clamp(-settings.most, settings.most),
        )  # fmt: skip
    score = log_likelihood(model, data, pairs)
    if pairs.amplitude is None:
        nodes, each = torch.zeros_like(ones)[:, None], score[:, None]
    else:
        score = score - pairs.amplitude.square() / 2
        width = stiffness.rsqrt()
        nodes = pairs.amplitude[:, None] + width[:, None] * torch.tensor(NODES).to(width)
        each = _integrand(model, data, pairs, nodes, score.view(B, K), settings.least_weight) + width.log()[:, None]
    whole = each.logsumexp(dim=1)
    weights = torch.where(whole[:, None].isfinite(), each - whole[:, None], -torch.inf).exp()
    kept = Kept(pairs.rotation.view(B, K, 3, 3), pairs.shift.view(B, K, 3), whole.view(B, K))
    return _sorted(kept, nodes.view(B, K, -1), weights.view(B, K, -1))


def _integrand(model: Model, data: Padded, pairs: Weighed, nodes: Tensor, score: Tensor, least: float) -> Tensor:
    """Log of the likelihood times the prior at the nodes ``[B K, G]``, but for their widths; only of poses that count."""
    counts = (score - score.max(dim=1, keepdim=True).values >= math.log(max(least, 1e-12))).flatten()
    each = torch.full_like(nodes, -torch.inf)
    G = nodes.shape[1]
    some = pairs.select(counts.nonzero()[:, 0].repeat_interleave(G))
    amplitude = nodes[counts].flatten()
    found = log_likelihood(model, data, some._replace(amplitude=amplitude)) - amplitude.square() / 2
    each[counts] = found.view(-1, G) + math.log((NODES[1] - NODES[0]) / math.sqrt(2 * math.pi))
    return each


def _sorted(poses: Kept, nodes: Tensor, weights: Tensor) -> Flexed:
    order = poses.score.argsort(dim=1, descending=True)
    row = torch.arange(len(order), device=order.device)[:, None]
    kept = Kept(*(part[row, order] for part in poses))
    nodes, weights = nodes[row, order], weights[row, order]
    return Flexed(kept, (nodes * weights).sum(dim=2), nodes, weights)

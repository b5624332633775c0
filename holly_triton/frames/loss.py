r"""The loss of one frame: how likely its emitters are under the network's outputs.

With p_k the probability that pixel k holds an emitter, n emitters u_m, S = sum_k p_k and W(m) the window of pixels about
emitter m::

    count       (n - S)^2 / 2 V + log(V) / 2,   V = sum_k p_k (1 - p_k) + floor
    mixture   - sum_m log sum_{k in W(m)} (p_k / S) prod_a Normal(u_ma; mu_ka, sigma_ka),   a = x, y, z, log photons
    entropy     binary cross-entropy of p_k and "pixel k holds an emitter"; fades out as the training goes on
    background  mean over pixels of |predicted - true| / rough

The first two are those of DECODE (Speiser 2021), whose mixture extends over all pixels; the cross-entropy is that of
FD-DeepLoc (Fu 2023). A window of 5 x 5 has the same optimum, for a good prediction lies near its emitter, at a fraction
of the cost. Frames weigh by a power of their number of emitters: else the most crowded would be nearly all of the sum.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.kernels import emitter_nll

from .config.training import Loss
from .emitters import Emitters
from .network.outputs import BACKGROUND, MEAN, SIGMA, Scales, log_photons

LEAST_VARIANCE = 0.05
"""Of the count: a prediction that is certain would make a single miss infinitely unlikely."""


class Parts(NamedTuple):
    """The loss of a batch, and what it is made of."""

    total: Tensor
    figures: dict[str, Tensor]
    """By name; scalars without gradient."""


class Labels(NamedTuple):
    """The E emitters that a network should find, in the units of its outputs."""

    frame: Tensor  # [E]
    column: Tensor  # [E]: of the pixel that holds it
    row: Tensor  # [E]
    values: Tensor  # [E, 4]: x and y in pixels from the frame's corner, z, log photons
    offsets: Tensor  # [B + 1]: emitters of frame b are offsets[b] to offsets[b + 1] - 1


def labels_of(
    emitters: Emitters, rough: Tensor, scales: Scales, shape: tuple[int, int], fewest_photons: float
) -> Labels:
    """Emitters that lie in their frames of a shape (H, W) and have enough photons; the others only disturb.

    Args:
        emitters: Of B frames.
        rough: Rough background of each frame ``[B]``, photons a pixel.
        scales: Units of the outputs.
        shape: (H, W) of the frames.
        fewest_photons: Emitters with fewer are not labelled.
    """
    height, width = shape
    xy = emitters.xyz[:, :2] / scales.pixel_nm
    size = xy.new_tensor([width, height])
    visible = (xy >= 0).all(1) & (xy < size).all(1) & (emitters.photons >= fewest_photons)
    xy, seen = xy[visible], emitters.take(visible)
    frame = seen.frame()
    z = (seen.xyz[:, 2:] - scales.z_middle_nm) / scales.z_half_nm
    values = torch.cat([xy, z, log_photons(seen.photons, rough[frame])[:, None]], dim=1)
    return Labels(frame, xy[:, 0].long(), xy[:, 1].long(), values, seen.offsets)


def mixture_loss(
    output: Tensor, labels: Labels, background: Tensor, rough: Tensor, settings: Loss, cross_entropy: float
) -> Parts:
    """The loss of a batch.

    Args:
        output: Of the network, ``[B, 10, H, W]``.
        labels: The emitters of its frames.
        background: Photons a pixel, ``[B, H, W]``.
        rough: Rough background, ``[B]``.
        settings: Weights.
        cross_entropy: Weight of the cross-entropy at this step.
    """
    logit = output[:, 0].flatten(1)
    probability = logit.sigmoid()
    total = probability.sum(1)
    counts = labels.offsets.diff().to(logit.dtype)
    spread = (probability * (1 - probability)).sum(1) + LEAST_VARIANCE
    count = (counts - total) ** 2 / (2 * spread) + spread.log() / 2
    if settings.count_times_emitters:
        count = count * counts
    mixture = _mixture(output, labels, settings.window)
    entropy = _cross_entropy(logit, labels, output.shape[3])
    weight = (counts + 1) ** -settings.crop_power
    away = ((output[:, BACKGROUND] - background / rough[:, None, None]).abs()).mean()
    count, mixture_mean, entropy = ((weight * each).mean() for each in (count, mixture, entropy))
    loss = cross_entropy * entropy + count + mixture_mean + settings.background * away
    each = mixture.detach().sum() / counts.sum().clamp(min=1)
    figures = {"cross_entropy": entropy, "count": count, "mixture": each, "background": away}
    return Parts(loss, {name: value.detach() for name, value in figures.items()})


def _cross_entropy(logit: Tensor, labels: Labels, width: int) -> Tensor:
    """Of "this pixel holds an emitter", summed over each frame ``[B]``."""
    target = torch.zeros_like(logit)
    target[labels.frame, labels.row * width + labels.column] = 1
    return functional.binary_cross_entropy_with_logits(logit, target, reduction="none").sum(1)


def _mixture(output: Tensor, labels: Labels, window: int) -> Tensor:
    """Negative log-likelihood of the emitters, summed over each frame ``[B]``."""
    half = output.new_tensor([output.shape[3] / 2, output.shape[2] / 2, 0.0, 0.0])
    nll = emitter_nll(
        output[:, 0], output[:, MEAN], output[:, SIGMA], labels.values - half, labels.offsets, window=window
    )
    return torch.segment_reduce(nll, "sum", offsets=labels.offsets)

"""The distance between the cloud's pictures and the data's: the objective of a run, and the loss that it reports.

A run minimises the cross-entropy: every normalised picture is taken as a sample of the density drawn from the cloud,
part of which is a uniform background. Up to a constant this is the negative log-likelihood of the picture's intensity,
so its optimum is the *mean* of the pictures, weighted by their shot noise, and it is exact where there is no noise.
The optimum of HOLLy's masked L1, which is still reported, is the *median*. A picture of few labels is mostly dark with a few
bright spots; the median of such pictures is darker than their mean wherever labels are rare, and flattens a structure.
"""

import torch
from torch import Tensor

from holly_triton.kernels import reconstruction_divergence, reconstruction_loss
from holly_triton.kernels.gaussians.separable_fused import SMALLEST

from .stage import AnyStage

SCALE = 100.0
"""Intensity of every normalised picture in the masked L1."""
LEAST_BACKGROUND = -9.2
"""Logit of the least share of the background, 1e-4: a localisation must remain possible where nothing is drawn."""


def divergence(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    width: Tensor,
    background: Tensor,
    target: Tensor,
    stage: AnyStage,
) -> tuple[Tensor, Tensor]:
    """The cross-entropy less that of a perfect fit ``[B]``, and the masked L1 ``[B]``, of a cloud under B poses.

    The first is the Kullback-Leibler divergence of the drawn density from the normalised picture.

    Args:
        points: ``[N, 3]``, nm.
        rotation: ``[B, 3, 3]``.
        shift: ``[B, 2]``, nm.
        width: Sigma of the drawn points, nm, one for all or ``[B]``.
        background: Logit ``[]`` of the share of the intensity that is spread evenly over the picture.
        target: Pictures ``[B, S, S]`` on the stage's grid.
        stage: Grid and mask.
    """
    px = stage.grid.to_pixels
    pose = px(points), rotation, px(shift), px(width)
    return reconstruction_divergence(*pose, background, target, scale=SCALE, mask_threshold=stage.mask_threshold)


def log_density(images: Tensor, background: Tensor) -> Tensor:
    """Logarithm of drawn pictures ``[B, S, S]`` that are normalised and mixed with a uniform background.

    Where nothing is drawn it is the same everywhere.
    """
    share = background.clamp_min(LEAST_BACKGROUND).sigmoid()
    total = images.sum((1, 2), keepdim=True).clamp_min(SMALLEST)
    return torch.addcmul(share / images.shape[1:].numel(), images, (1 - share) / total).log()


def masked_l1(
    points: Tensor, rotation: Tensor, shift: Tensor, width: Tensor, target: Tensor, stage: AnyStage
) -> Tensor:
    """HOLLy's loss ``[B]``, of arguments as ``divergence`` takes them."""
    px = stage.grid.to_pixels
    pose = px(points), rotation, px(shift), px(width)
    return reconstruction_loss(*pose, target, scale=SCALE, mask_threshold=stage.mask_threshold)


def unexplained(images: Tensor, target: Tensor) -> Tensor:
    """Share ``[B]`` of the intensity that is in the wrong place: 0 for identical pictures, 1 for disjoint ones.

    The total variation ``0.5 * sum |o - q|`` of normalised pictures ``[B, S, S]``, of which this is another form,
    and 1 where a picture is empty.
    """
    return 1 - torch.minimum(normalised(images), normalised(target)).sum((1, 2))


def normalised(images: Tensor) -> Tensor:
    """Pictures of sum 1; an empty one stays empty."""
    return images / images.sum((1, 2), keepdim=True).clamp_min(SMALLEST)

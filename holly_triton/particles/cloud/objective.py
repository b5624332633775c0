"""How far the cloud's pictures are from the data's, and which distance to follow.

HOLLy's masked L1 asks the drawing to be the *median* of the pictures: where they can be explained almost
entirely, that finds the exact answer. A picture of few labels, though, is mostly dark with a few bright spots; the
median of such pictures is darker than their mean wherever labels are rare, and what follows it comes out flattened
(nuclear pores of 88 localisations each: layers 38 to 58 nm apart in place of 65). Squared distance asks for the
mean, whatever the noise. So the squared distance takes over when a good part of the pictures stays unexplained.
"""

import torch
from torch import Tensor

from holly_triton.kernels import normalised_masked_l1, reconstruction_loss, splat

from .schedule import Stage

SCALE = 100.0
"""Intensity of every normalised picture, so that an L1 of ``2 * SCALE`` is nothing in common."""


def distance(
    points: Tensor, rotation: Tensor, shift: Tensor, width: Tensor, target: Tensor, stage: Stage, *, squared: bool
) -> tuple[Tensor, Tensor]:
    """What to descend ``[B]``, and the masked L1 ``[B]`` to report, of a cloud under B poses.

    Args:
        points: ``[N, 3]``, nm.
        rotation: ``[B, 3, 3]``.
        shift: ``[B, 2]``, nm.
        width: Sigma of the drawn points, nm, one for all or ``[B]``.
        target: Pictures ``[B, S, S]`` on the stage's grid.
        stage: Grid and mask.
        squared: Descend the squared distance in place of the masked L1.
    """
    px = stage.grid.to_pixels
    pose = px(points), rotation, px(shift), px(width)
    if not squared:
        loss = reconstruction_loss(*pose, target, scale=SCALE, mask_threshold=stage.mask_threshold)
        return loss, loss.detach()
    images = splat(*pose, stage.grid.shape)
    reported = normalised_masked_l1(images.detach(), target, scale=SCALE, mask_threshold=stage.mask_threshold)
    return (normalised(images) - normalised(target)).square().sum((1, 2)), reported


def normalised(images: Tensor) -> Tensor:
    """Pictures of sum 1; an empty one stays empty."""
    total = images.sum((1, 2), keepdim=True)
    return images / torch.where(total == 0, torch.ones_like(total), total)

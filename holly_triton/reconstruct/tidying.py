"""Stray points: the masked loss has no gradient where pictures are empty, so what wandered there must be moved."""

import torch
from torch import Tensor

from holly_triton.config import Tidying
from holly_triton.geometry import Grid, project
from holly_triton.kernels import splat

from .distance import normalised
from .schedule import Stage
from .state import TrainingState


@torch.no_grad()
def tidy(
    state: TrainingState,
    optimiser: torch.optim.Optimizer,
    index: Tensor,
    target: Tensor,
    stage: Stage,
    settings: Tidying,
    generator: torch.Generator,
) -> None:
    """Move the points that explain nothing of some pictures ``[B, S, S]`` to where brightness is lacking."""
    rotation, shift, points = state.rotation[index], state.shift[index], state.points
    px = stage.grid.to_pixels
    drawn = splat(px(points), rotation, px(shift), px(state.width(stage.sigma_nm)), stage.grid.shape)
    wanted, drawn = normalised(target), normalised(drawn)
    support = brightness_at(points, rotation, shift, wanted, stage.grid)
    strays = find_strays(support, settings.support)
    if not bool(strays.any()):
        return
    lacking = support - brightness_at(points, rotation, shift, drawn, stage.grid)
    points[strays] = new_places(points, strays, lacking, stage.sigma_nm / 2, generator)
    for moment in optimiser.state[points].values():
        if moment.shape == points.shape:
            moment[strays] = 0


def find_strays(support: Tensor, threshold: float) -> Tensor:
    """Which points ``[N]`` explain nothing: the pictures are dark where they project."""
    return support < threshold * support.median()


def brightness_at(points: Tensor, rotation: Tensor, shift: Tensor, images: Tensor, grid: Grid) -> Tensor:
    """Mean over the pictures of their brightness where each point projects, ``[N]``; outside the frame it is 0.

    Args:
        points: Cloud ``[N, 3]``, nm.
        rotation: ``[B, 3, 3]``.
        shift: ``[B, 2]``, nm.
        images: ``[B, S, S]``.
        grid: Their grid.
    """
    xy = grid.to_pixels(project(points, rotation) + shift[:, None]) / (grid.size / 2)  # -1 .. 1 over the frame
    sampled = torch.nn.functional.grid_sample(images[:, None], xy[:, None], align_corners=False)  # [B, 1, 1, N]
    return sampled[:, 0, 0].mean(0)


def new_places(points: Tensor, strays: Tensor, lacking: Tensor, spread_nm: float, generator: torch.Generator) -> Tensor:
    """Places for the strays ``[strays, 3]``: beside points where pictures are brighter than the cloud explains.

    Args:
        points: Cloud ``[N, 3]``, nm.
        strays: Which of them are stray ``[N]``.
        lacking: How much brightness is missing at each point ``[N]``; may be negative.
        spread_nm: How far beside.
        generator: Source of the choice.
    """
    weight = torch.where(strays, torch.zeros_like(lacking), lacking.clamp_min(0))
    if not bool(weight.sum() > 0):
        weight = (~strays).to(lacking.dtype)
    chosen = torch.multinomial(weight, int(strays.sum()), replacement=True, generator=generator)
    beside = torch.randn(len(chosen), 3, generator=generator, device=points.device)
    return points[chosen] + spread_nm * beside

"""Points that explain nothing, or what others explain already, go where brightness is lacking.

Gradients can't do that: the masked loss has none where pictures are dark, and a point beside another has no reason to
cross the empty space to a site that nobody holds. Such a site shows all the same. Where it projects, pictures are
brighter than the cloud explains, in each of them; so the mean of what is lacking, taken over the pictures where a place
in space projects, has its peak at the site and falls slowly around it. The least worthy point is tried there, and stays
if the pictures are explained better.
"""

import torch
from torch import Tensor

from holly_triton.config import Optimiser, Tidying
from holly_triton.geometry import Grid, project
from holly_triton.kernels import morton_order, splat

from .distance import normalised
from .refine import objective_of
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
    rates: Optimiser,
    generator: torch.Generator,
) -> None:
    """Move points one by one, up to ``settings.most``, while that explains the pictures ``[B, S, S]`` better.

    Half of the pictures say which point and where to, the other half whether it helped: what fits the noise of the one
    does not fit that of the other.
    """
    if len(state.points) >= settings.sorted_from:
        sort_points(state.points, optimiser)
    half = len(index) // 2
    if half < settings.fewest:
        return
    points, px = state.points, stage.grid.to_pixels
    rotation, shift, wanted = state.rotation[index[:half]], state.shift[index[:half]], normalised(target[:half])
    others = state.rotation[index[half:]], state.shift[index[half:]], target[half:]

    def objective() -> float:
        return float(objective_of(state, *others, stage, rates)[0].mean())

    best = objective()
    for _ in range(settings.most):
        width = px(state.width(stage.sigma_nm))
        lacking = wanted - normalised(splat(px(points), rotation, px(shift), width, stage.grid.shape))
        place, lack = find_lack(points, rotation, shift, lacking, stage.grid, settings, generator)
        own = 1 / (2 * torch.pi * len(points) * width**2)  # peak of one point in a picture of sum 1
        worth = brightness_at(points, rotation, shift, lacking + own, stage.grid)
        moved = int(worth.argmin())
        # Where less than half a point is lacking, a whole one is too much; one worth more than half is not.
        if lack < own / 2 or worth[moved] > own / 2:
            return
        before = points[moved].clone()
        points[moved] = place
        after = objective()
        if after >= best:
            points[moved] = before
            return
        best = after
        for moment in _moments(points, optimiser):
            moment[moved] = 0


@torch.no_grad()
def sort_points(points: Tensor, optimiser: torch.optim.Optimizer) -> None:
    """Put a cloud ``[N, 3]`` and what the optimiser holds of it into Morton order, in place.

    Neighbours in space become neighbours in memory, so that the kernels can skip whole blocks of points.
    """
    order = morton_order(points)
    for rows in (points, *_moments(points, optimiser)):
        rows.copy_(rows[order])


def _moments(points: Tensor, optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [moment for moment in optimiser.state[points].values() if moment.shape == points.shape]


def find_lack(
    points: Tensor,
    rotation: Tensor,
    shift: Tensor,
    lacking: Tensor,
    grid: Grid,
    settings: Tidying,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The place ``[3]``, nm, where most is lacking, and how much: random places, then closer about the best of them.

    Args:
        points: Cloud ``[N, 3]``, nm.
        rotation: ``[B, 3, 3]``.
        shift: ``[B, 2]``, nm.
        lacking: What the cloud leaves unexplained of the pictures ``[B, S, S]``; negative where it draws too much.
        grid: Their grid.
        settings: How many places to look at.
        generator: Source of the places.
    """
    spread = points.norm(dim=1).median()  # one point far away must not widen it
    places = spread * torch.randn(settings.places, 3, generator=generator, device=points.device)
    for _ in range(settings.closer):
        best = places[brightness_at(places, rotation, shift, lacking, grid).topk(settings.kept).indices]
        spread = spread / 2
        around = best.repeat(settings.places // settings.kept, 1)
        places = torch.cat(
            [best, around + spread * torch.randn(around.shape, generator=generator, device=points.device)]
        )
    lack = brightness_at(places, rotation, shift, lacking, grid)
    return places[lack.argmax()], lack.max()


def brightness_at(points: Tensor, rotation: Tensor, shift: Tensor, images: Tensor, grid: Grid) -> Tensor:
    """Mean over the pictures of their brightness where each point projects, ``[N]``; outside the frame it is 0.

    Args:
        points: Places ``[N, 3]``, nm.
        rotation: ``[B, 3, 3]``.
        shift: ``[B, 2]``, nm.
        images: ``[B, S, S]``.
        grid: Their grid.
    """
    xy = grid.to_pixels(project(points, rotation) + shift[:, None]) / (grid.size / 2)  # -1 .. 1 over the frame
    sampled = torch.nn.functional.grid_sample(images[:, None], xy[:, None], align_corners=False)  # [B, 1, 1, N]
    return sampled[:, 0, 0].mean(0)

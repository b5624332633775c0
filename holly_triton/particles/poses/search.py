"""Pose search: which rotation of the current cloud looks most like each picture.

Rotations drawn at random from all of SO(3) are drawn once and compared with every picture of the batch; then a few
perturbations of each picture's winner, and of the pose it had before, are compared too. Pictures are compared after
normalisation by their squared distance, which random candidates need: unlike L1 it falls smoothly towards the answer
from far away. Pictures are centred, so shifts need no search; those known already are kept.
"""

import torch
from torch import Tensor

from holly_triton.core.distributed import gather, share
from holly_triton.geometry import Grid, limit_tilt, random_rotations, rotation_from_axis_angle
from holly_triton.kernels import splat
from holly_triton.particles.cloud.objective import normalised
from holly_triton.particles.cloud.schedule import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Search


def search_poses(
    state: TrainingState,
    target: Tensor,
    rotation: Tensor,
    shift: Tensor,
    pictures: int,
    stage: Stage,
    settings: Search,
    generator: torch.Generator,
) -> Tensor:
    """The best rotation found for each picture ``[B, 3, 3]``, never worse than the one it had.

    Ranks share the pictures, and the drawing of the candidates that all pictures are compared with.

    Args:
        state: Cloud, of a very large one a random part is drawn, and blur; nothing else of it is used.
        target: This rank's pictures ``[B, S, S]`` on the stage's search grid at its search sigma.
        rotation: The poses they had ``[B, 3, 3]``.
        shift: Their shifts ``[B, 2]``, nm.
        pictures: How many all ranks have.
        stage: Grid, sigma and reach of this step.
        settings: How many candidates to try.
        generator: Source of the candidates.
    """
    points = state.points
    if len(points) > settings.most_points:
        points = points[torch.randperm(len(points), generator=generator, device=points.device)[: settings.most_points]]
    wanted = normalised(target).flatten(1)  # [B, S*S]
    sigma = (stage.search_sigma_nm**2 + state.blur_nm() ** 2) ** 0.5

    def draw(candidates: Tensor, shifts: Tensor) -> Tensor:
        return normalised(_pictures(points, candidates, shifts, sigma, stage.search_grid)).flatten(1)

    centres = [rotation]
    if stage.global_search:
        candidates = random_rotations(settings.candidates, generator, stage.largest_tilt)
        some = share(candidates)
        drawn = gather(draw(some, shift.new_zeros(len(some), 2)), len(candidates))
        centres.append(candidates[torch.cdist(wanted, drawn).argmin(1)])
    shape = (pictures, settings.neighbours)
    tried = torch.cat([_perturbations(shape, stage.turn, generator) @ centre[:, None] for centre in centres], dim=1)
    tried = limit_tilt(tried, stage.largest_tilt)
    many = tried.shape[1]
    drawn = draw(tried.flatten(0, 1), shift.repeat_interleave(many, dim=0))
    drawn = drawn.reshape(len(tried), many, -1)  # [B, many, S*S]
    best = (drawn - wanted[:, None]).square().sum(2).argmin(1)
    return tried[torch.arange(len(tried), device=tried.device), best]


def _pictures(points: Tensor, rotation: Tensor, shift: Tensor, sigma_nm: float, grid: Grid) -> Tensor:
    return splat(grid.to_pixels(points), rotation, grid.to_pixels(shift), grid.to_pixels(sigma_nm), grid.shape)


def _perturbations(shape: tuple[int, int], turn: float, generator: torch.Generator) -> Tensor:
    """Of a whole batch's small rotations, near and far, the first of each picture none: this rank's, ``[*shape, 3, 3]``."""
    direction = torch.randn(*shape, 3, generator=generator, device=generator.device)
    length = turn * torch.rand(*shape, 1, generator=generator, device=generator.device)
    length[:, 0] = 0
    return rotation_from_axis_angle(share(direction * length))

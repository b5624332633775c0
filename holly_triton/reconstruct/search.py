"""Pose search: which rotation of the current cloud looks most like each picture.

Rotations drawn at random from all of SO(3) are drawn once and compared with every picture of the batch; then a few
perturbations of each picture's winner, and of the pose it had before, are compared too. Pictures are compared after
normalisation by their squared distance, which random candidates need: unlike L1 it falls smoothly towards the answer
from far away. Pictures are centred, so shifts need no search; those known already are kept.
"""

from typing import Any

import torch
from torch import Tensor

from holly_triton.config import Search
from holly_triton.data import Dataset
from holly_triton.geometry import Grid, random_rotations, rotation_from_axis_angle
from holly_triton.kernels import splat

from .distance import normalised
from .refine import step_poses
from .schedule import Plan, Stage
from .state import TrainingState
from .tidying import tidy


class SearchedPoses:
    """A step searches the poses of a batch, then follows the gradient of points and poses together."""

    def __init__(self, plan: Plan, dataset: Dataset, state: TrainingState, generator: torch.Generator) -> None:
        """Set up the optimiser as ``state`` left it."""
        self.config, self.plan, self.dataset, self.state = plan.config, plan, dataset, state
        self.generator = generator
        settings = plan.config.optimiser
        groups: list[dict[str, Any]] = [
            {"params": [state.points.requires_grad_()]},
            {"params": [state.log_blur.requires_grad_()], "lr": settings.blur_rate},
        ]
        self.optimiser = torch.optim.Adam(groups, betas=(settings.momentum, settings.second_moment))
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)

    def step(self, index: Tensor, stage: Stage) -> None:
        """One batch: search its poses, then improve them and the cloud together."""
        state, config = self.state, self.config
        if stage.name == "search":
            target = self.dataset.draw(index, stage.search_grid, stage.search_sigma_nm)
            with torch.no_grad():
                state.rotation[index] = search_poses(
                    state.points, state.blur_nm(), target, state.rotation[index], state.shift[index],
                    stage, config.search, self.generator,
                )  # fmt: skip
        target = self.dataset.draw(index, stage.grid, stage.sigma_nm)
        for _ in range(config.optimiser.gradient_steps):
            self._descend(index, target, stage)
        if self.plan.tidies(state.step):
            tidy(state, self.optimiser, index, target, stage, config.tidying, self.generator)

    def finish(self, stage: Stage) -> None:
        """Every picture's pose is in the state already."""

    def save(self) -> None:
        """Leave the optimiser in the state."""
        self.state.optimiser = self.optimiser.state_dict()

    def _descend(self, index: Tensor, target: Tensor, stage: Stage) -> None:
        """One gradient step on the poses of these pictures and on the cloud."""
        state, rates = self.state, self.config.optimiser
        self.optimiser.zero_grad()
        poses, _ = step_poses(state, target, state.rotation[index], state.shift[index], stage, rates)
        state.rotation[index], state.shift[index] = poses.rotation, poses.shift
        state.note_loss(index, poses.loss, rates.unexplained_rate)
        self.optimiser.param_groups[0]["lr"] = stage.rate * rates.point_rate * stage.sigma_nm
        self.optimiser.step()
        state.centre()


def search_poses(
    points: Tensor,
    blur_nm: float,
    target: Tensor,
    rotation: Tensor,
    shift: Tensor,
    stage: Stage,
    settings: Search,
    generator: torch.Generator,
) -> Tensor:
    """The best rotation found for each picture ``[B, 3, 3]``, never worse than the one it had.

    Args:
        points: Cloud ``[N, 3]``, nm.
        blur_nm: Scatter of the labels about a point.
        target: Pictures ``[B, S, S]`` on the stage's search grid at its search sigma.
        rotation: The poses they had ``[B, 3, 3]``.
        shift: Their shifts ``[B, 2]``, nm.
        stage: Grid, sigma and reach of this step.
        settings: How many candidates to try.
        generator: Source of the candidates.
    """
    wanted = normalised(target).flatten(1)  # [B, S*S]
    sigma = (stage.search_sigma_nm**2 + blur_nm**2) ** 0.5

    def draw(candidates: Tensor, shifts: Tensor) -> Tensor:
        return normalised(_pictures(points, candidates, shifts, sigma, stage.search_grid)).flatten(1)

    centres = [rotation]
    if stage.global_search:
        candidates = random_rotations(settings.candidates, generator)
        drawn = draw(candidates, shift.new_zeros(len(candidates), 2))
        centres.append(candidates[torch.cdist(wanted, drawn).argmin(1)])
    tried = torch.cat([_perturbed(centre, settings.neighbours, stage.turn, generator) for centre in centres], dim=1)
    many = tried.shape[1]
    drawn = draw(tried.flatten(0, 1), shift.repeat_interleave(many, dim=0))
    drawn = drawn.reshape(len(tried), many, -1)  # [B, many, S*S]
    best = (drawn - wanted[:, None]).square().sum(2).argmin(1)
    return tried[torch.arange(len(tried), device=tried.device), best]


def _pictures(points: Tensor, rotation: Tensor, shift: Tensor, sigma_nm: float, grid: Grid) -> Tensor:
    return splat(grid.to_pixels(points), rotation, grid.to_pixels(shift), grid.to_pixels(sigma_nm), grid.shape)


def _perturbed(rotation: Tensor, count: int, turn: float, generator: torch.Generator) -> Tensor:
    """Each rotation itself and ``count - 1`` others around it, near and far: ``[B, 3, 3]`` to ``[B, count, 3, 3]``."""
    shape = (len(rotation), count)
    direction = torch.randn(*shape, 3, generator=generator, device=rotation.device)
    length = turn * torch.rand(*shape, 1, generator=generator, device=rotation.device)
    length[:, 0] = 0
    return rotation_from_axis_angle(direction * length) @ rotation[:, None]

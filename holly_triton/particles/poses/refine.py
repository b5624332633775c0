"""Gradient steps on poses: the same during a search, in the refinement that ends any method, and on new pictures."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import limit_tilt, turned
from holly_triton.particles.cloud.objective import divergence
from holly_triton.particles.cloud.stage import AnyStage
from holly_triton.particles.cloud.state import TrainingState

LEVER = (2 / 3) ** 0.5
"""Root mean square distance of the points from an axis, as a fraction of their radius of gyration."""


class Poses(NamedTuple):
    """Poses of B pictures, and their losses."""

    rotation: Tensor  # [B, 3, 3]
    shift: Tensor  # [B, 2] nm
    loss: Tensor  # [B]: masked L1

    def mean_loss(self) -> float:
        """Mean over the pictures."""
        return float(self.loss.mean())


def step_poses(
    state: TrainingState, target: Tensor, rotation: Tensor, shift: Tensor, stage: AnyStage, noise: Tensor | None = None
) -> tuple[Poses, Tensor]:
    """One step of poses down the gradient; the cloud, its blur and the background get their gradients too, where required.

    Lengths follow from the width that points are drawn with: ``width**2`` times the gradient is the step of expectation
    maximisation, which never overshoots. Half of it, with noise of the matching size, is a step of Langevin dynamics,
    which leaves poses distributed by their likelihood.

    Args:
        state: Cloud, blur and background; nothing else of it is used.
        target: Pictures ``[B, S, S]`` on the stage's grid.
        rotation: ``[B, 3, 3]``.
        shift: ``[B, 2]``, nm.
        stage: Grid, mask and scales.
        noise: Normal numbers ``[B, 5]`` of variance 1 over the localisations of each picture; None for the likeliest pose.

    Returns:
        The new poses with the loss of those before, and what was descended ``[B]``, before too.
    """
    rotation, shift = (rows.detach().requires_grad_() for rows in (rotation, shift))
    cloud = [part for part in (state.points, state.log_blur, state.background) if part.requires_grad]
    width = state.width(stage.sigma_nm)
    objective, loss = divergence(state.points, rotation, shift, width, state.background, target, stage)
    by_rotation, by_shift, *by_cloud = torch.autograd.grad(objective.sum(), [rotation, shift, *cloud])
    with torch.no_grad():
        for part, gradient in zip(cloud, by_cloud, strict=True):
            part.grad = (
                gradient.contiguous()
            )  # as the fused optimiser takes it; those of the kernels are transposed views
        lever = LEVER * stage.gyration_nm
        half = -0.5 * width**2
        # Turning by a small v adds v x c to each column c of the rotation.
        turn = half / lever**2 * torch.linalg.cross(rotation, by_rotation, dim=1).sum(2)
        by = half * by_shift
        if noise is not None:
            turn, by = turn + width / lever * noise[:, :3], by + width * noise[:, 3:]
        moved = limit_tilt(turned(rotation, turn), stage.largest_tilt)
        return Poses(moved, shift + by, loss), objective.detach()


def refine_poses(state: TrainingState, target: Tensor, rotation: Tensor, shift: Tensor, stage: AnyStage) -> Poses:
    """``step_poses`` with the cloud fixed; a step is undone where it does not reduce the objective."""
    fitted = {name: getattr(state, name).detach() for name in ("points", "log_blur", "background")}
    held = dataclasses.replace(state, **fitted)
    moved, before = step_poses(held, target, rotation, shift, stage)
    with torch.no_grad():
        after, loss = objective_of(held, moved.rotation, moved.shift, target, stage)
    worse = after > before
    return Poses(
        torch.where(worse[:, None, None], rotation, moved.rotation),
        torch.where(worse[:, None], shift, moved.shift),
        torch.where(worse, moved.loss, loss),
    )


def objective_of(
    state: TrainingState, rotation: Tensor, shift: Tensor, target: Tensor, stage: AnyStage
) -> tuple[Tensor, Tensor]:
    """The objective ``[B]`` and the masked L1 ``[B]`` of pictures under some poses, with the arguments of ``step_poses``."""
    width = state.width(stage.sigma_nm)
    return divergence(state.points, rotation, shift, width, state.background, target, stage)

"""Gradient steps on poses: the same during a search, in the refinement that ends any method, and on new pictures."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import compose, limit_tilt, rotation_from_axis_angle
from holly_triton.particles.cloud.objective import divergence
from holly_triton.particles.cloud.schedule import Stage
from holly_triton.particles.cloud.state import TrainingState

LEVER = (2 / 3) ** 0.5
"""Root mean square distance of the points from an axis, as a fraction of their radius of gyration."""


class Poses(NamedTuple):
    """Poses of B pictures and their losses."""

    rotation: Tensor  # [B, 3, 3]
    shift: Tensor  # [B, 2] nm
    loss: Tensor  # [B]: masked L1


def step_poses(
    state: TrainingState, target: Tensor, rotation: Tensor, shift: Tensor, stage: Stage, noise: Tensor | None = None
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
    turn = torch.zeros(len(target), 3, device=target.device, requires_grad=True)
    shift = shift.clone().requires_grad_()
    turned = compose(rotation_from_axis_angle(turn), rotation)
    objective, loss = objective_of(state, turned, shift, target, stage)
    torch.autograd.backward(objective.sum())
    assert turn.grad is not None and shift.grad is not None
    with torch.no_grad():
        width = state.width(stage.sigma_nm)
        lever = LEVER * stage.gyration_nm
        by_angle = -0.5 * (width / lever) ** 2 * turn.grad
        by = -0.5 * width**2 * shift.grad
        if noise is not None:
            by_angle, by = by_angle + width / lever * noise[:, :3], by + width * noise[:, 3:]
        moved = limit_tilt(compose(rotation_from_axis_angle(by_angle), rotation), stage.largest_tilt)
        return Poses(moved, shift + by, loss), objective.detach()


def refine_poses(state: TrainingState, target: Tensor, rotation: Tensor, shift: Tensor, stage: Stage) -> Poses:
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
    state: TrainingState, rotation: Tensor, shift: Tensor, target: Tensor, stage: Stage
) -> tuple[Tensor, Tensor]:
    """The objective ``[B]`` and the masked L1 ``[B]`` of pictures under some poses, with the arguments of ``step_poses``."""
    width = state.width(stage.sigma_nm)
    return divergence(state.points, rotation, shift, width, state.background, target, stage)

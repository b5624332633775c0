"""Gradient steps on poses: the same during a search, in the refinement that ends any method, and on new pictures."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.geometry import compose, limit_tilt, rotation_from_axis_angle
from holly_triton.particles.cloud.objective import divergence
from holly_triton.particles.cloud.schedule import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Optimiser


class Poses(NamedTuple):
    """Poses of B pictures and how well they explain them."""

    rotation: Tensor  # [B, 3, 3]
    shift: Tensor  # [B, 2] nm
    loss: Tensor  # [B]: masked L1


def step_poses(
    state: TrainingState, target: Tensor, rotation: Tensor, shift: Tensor, stage: Stage, rates: Optimiser
) -> tuple[Poses, Tensor]:
    """One gradient step on poses; the cloud and its blur get their gradients too, if they ask for them.

    Args:
        state: Cloud, blur and background; nothing else of it is used.
        target: Pictures ``[B, S, S]`` on the stage's grid.
        rotation: ``[B, 3, 3]``.
        shift: ``[B, 2]``, nm.
        stage: Grid, mask and step lengths.
        rates: Step lengths in terms of the stage's.

    Returns:
        The new poses with the loss of those before, and what was descended ``[B]``, before too.
    """
    turn = torch.zeros(len(target), 3, device=target.device, requires_grad=True)
    shift = shift.clone().requires_grad_()
    turned = compose(rotation_from_axis_angle(turn), rotation)
    objective, loss = objective_of(state, turned, shift, target, stage)
    torch.autograd.backward(objective.sum())
    with torch.no_grad():
        angle = -stage.rate * rates.turn_rate * stage.turn * _direction(turn)
        moved = limit_tilt(compose(rotation_from_axis_angle(angle), rotation), stage.largest_tilt)
        step = stage.rate * rates.shift_rate * stage.sigma_nm
        return Poses(moved, shift - step * _direction(shift), loss), objective.detach()


def refine_poses(
    state: TrainingState, target: Tensor, rotation: Tensor, shift: Tensor, stage: Stage, rates: Optimiser
) -> Poses:
    """``step_poses`` with the cloud held, each pose taken back where that didn't help."""
    fitted = {name: getattr(state, name).detach() for name in ("points", "log_blur", "background")}
    held = dataclasses.replace(state, **fitted)
    moved, before = step_poses(held, target, rotation, shift, stage, rates)
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
    """What is descended ``[B]`` and the masked L1 ``[B]`` of pictures under some poses: arguments as ``step_poses``."""
    width = state.width(stage.sigma_nm)
    return divergence(state.points, rotation, shift, width, state.background, target, stage)


def _direction(parameter: Tensor) -> Tensor:
    """The gradient's direction, each row of length 1 (or 0 where there is none)."""
    assert parameter.grad is not None
    return torch.nn.functional.normalize(parameter.grad, dim=1)

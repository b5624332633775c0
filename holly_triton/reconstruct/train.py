"""The reconstruction itself: a step searches poses, then follows the gradient of points and poses together."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from holly_triton.data import Dataset
from holly_triton.errors import HollyError
from holly_triton.geometry import rotation_from_axis_angle
from holly_triton.kernels import splat

from .distance import SCALE, distance, normalised
from .schedule import Plan, Stage
from .search import search_poses
from .state import TrainingState
from .tidying import brightness_at, find_strays, new_places


class Progress(NamedTuple):
    """What a step has to say."""

    stage: str
    step: int
    steps: int
    sigma_nm: float
    loss: float


class Trainer:
    """Runs a plan on a data set from any state of it; between two steps ``state`` is complete."""

    def __init__(self, plan: Plan, dataset: Dataset, state: TrainingState, device: torch.device) -> None:
        """Set up the optimiser and the random generator as ``state`` left them."""
        self.plan, self.dataset, self.state = plan, dataset, state
        self.generator = torch.Generator(device)
        self.generator.set_state(state.generator)
        settings = plan.config.optimiser
        groups: list[dict[str, Any]] = [
            {"params": [state.points.requires_grad_()]},
            {"params": [state.log_blur.requires_grad_()], "lr": settings.blur_rate},
        ]
        self.adam = torch.optim.Adam(groups, betas=(settings.momentum, settings.second_moment))
        if state.optimiser:
            self.adam.load_state_dict(state.optimiser)

    def run(self) -> Iterator[Progress]:
        """Step to the end, telling after each step; whoever stops asking between two steps can go on later."""
        while self.state.step < self.plan.total_steps:
            began = time.perf_counter()
            stage = self.plan.at(self.state.step, self.state.blur_nm())
            loss = self._refine(stage) if stage.name == "refine" else self._step(stage)
            self.state.step += 1
            self.state.seconds += time.perf_counter() - began
            self.state.optimiser = self.adam.state_dict()
            self.state.generator = self.generator.get_state()
            self._record(stage, loss)
            yield Progress(stage.name, self.state.step, self.plan.total_steps, stage.sigma_nm, loss)

    @property
    def final_stage(self) -> Stage:
        """Grid and sigma that the run ends with."""
        return self.plan.at(self.plan.total_steps, self.state.blur_nm())

    @torch.no_grad()
    def reproject(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures ``[B, S, S]`` as they came in, and as the structure explains them, at the final sigma."""
        stage, state = self.final_stage, self.state
        px = stage.grid.to_pixels
        drawn = splat(
            px(state.points), state.rotation[index], px(state.shift[index]), px(self._width(stage)), stage.grid.shape
        )
        return self.dataset.draw(index, stage.grid, stage.sigma_nm), drawn

    def _step(self, stage: Stage) -> float:
        """One batch: search its poses, then improve them and the cloud together."""
        state, settings = self.state, self.plan.config
        index = state.next_batch(settings.schedule.batch, self.generator)
        if stage.name == "search":
            target = self.dataset.draw(index, stage.search_grid, stage.search_sigma_nm)
            with torch.no_grad():
                state.rotation[index] = search_poses(
                    state.points, state.blur_nm(), target, state.rotation[index], state.shift[index],
                    stage, settings.search, self.generator,
                )  # fmt: skip
        target = self.dataset.draw(index, stage.grid, stage.sigma_nm)
        state.seen += len(index)
        for _ in range(settings.optimiser.gradient_steps):
            self._descend(index, target, stage, cloud_too=True)
        tidying = settings.tidying
        if state.step % tidying.every == tidying.every - 1 and state.step + tidying.every < self.plan.steps:
            self._tidy(index, target, stage)
        return float(state.loss[index].mean())

    def _refine(self, stage: Stage) -> float:
        """Every picture's pose, one gradient step with the cloud held, taken back where it didn't help."""
        state, batch = self.state, self.plan.config.schedule.batch
        everything = torch.arange(len(self.dataset), device=self.generator.device)
        for index in torch.split(everything, batch):
            state.seen += len(index)
            target = self.dataset.draw(index, stage.grid, stage.sigma_nm)
            rotation, shift = state.rotation[index], state.shift[index]
            before = self._descend(index, target, stage, cloud_too=False)
            with torch.no_grad():
                after, _ = self._distance(target, stage, state.rotation[index], state.shift[index])
            worse = index[after > before], after > before
            state.rotation[worse[0]], state.shift[worse[0]] = rotation[worse[1]], shift[worse[1]]
        return float(state.loss.mean())

    def _descend(self, index: Tensor, target: Tensor, stage: Stage, *, cloud_too: bool) -> Tensor:
        """One gradient step on the poses of these pictures and, if asked, on the cloud; their distances before."""
        state, rates = self.state, self.plan.config.optimiser
        turn = torch.zeros(len(index), 3, device=target.device, requires_grad=True)
        shift = state.shift[index].requires_grad_()
        self.adam.zero_grad()
        turned = rotation_from_axis_angle(turn) @ state.rotation[index]
        objective, loss = self._distance(target, stage, turned, shift)
        self._check(loss, index)
        torch.autograd.backward(objective.sum())
        with torch.no_grad():
            moved = rotation_from_axis_angle(-stage.rate * rates.turn_rate * stage.turn * _direction(turn))
            state.rotation[index] = moved @ state.rotation[index]
            if stage.move_shift:
                state.shift[index] -= stage.rate * rates.shift_rate * stage.sigma_nm * _direction(shift)
            state.loss[index] = loss
            if cloud_too:
                state.unexplained += rates.unexplained_rate * (float(loss.mean()) / (2 * SCALE) - state.unexplained)
                self.adam.param_groups[0]["lr"] = stage.rate * rates.point_rate * stage.sigma_nm
                self.adam.step()
                state.points -= state.points.mean(0)
        return objective.detach()

    def _distance(self, target: Tensor, stage: Stage, rotation: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        state = self.state
        squared = state.unexplained > self.plan.config.optimiser.squared_above
        return distance(state.points, rotation, shift, self._width(stage), target, stage, squared=squared)

    @torch.no_grad()
    def _tidy(self, index: Tensor, target: Tensor, stage: Stage) -> None:
        """Move the points that explain nothing to where brightness is lacking."""
        state = self.state
        rotation, shift, points = state.rotation[index], state.shift[index], state.points
        px = stage.grid.to_pixels
        drawn = splat(px(points), rotation, px(shift), px(self._width(stage)), stage.grid.shape)
        wanted, drawn = normalised(target), normalised(drawn)
        support = brightness_at(points, rotation, shift, wanted, stage.grid)
        strays = find_strays(support, self.plan.config.tidying.support)
        if not bool(strays.any()):
            return
        lacking = support - brightness_at(points, rotation, shift, drawn, stage.grid)
        points[strays] = new_places(points, strays, lacking, stage.sigma_nm / 2, self.generator)
        for name in ("exp_avg", "exp_avg_sq"):
            self.adam.state[points][name][strays] = 0

    def _width(self, stage: Stage) -> Tensor:
        """Sigma of the drawn points, nm: the targets' sigma widened by the labels' scatter."""
        return (stage.sigma_nm**2 + (2 * self.state.log_blur).exp()).sqrt()

    def _check(self, loss: Tensor, index: Tensor) -> None:
        if not bool(torch.isfinite(loss).all()):
            name = self.dataset.names[int(index[~torch.isfinite(loss)][0])]
            raise HollyError(
                f"{self.dataset.source}: the loss of picture {name} is not finite at step {self.state.step}; "
                "look at that picture's values, or leave it out"
            )

    def _record(self, stage: Stage, loss: float) -> None:
        state = self.state
        state.history.append(
            {"step": state.step, "seconds": state.seconds, "sigma_nm": stage.sigma_nm, "size": stage.grid.size,
             "loss": loss, "blur_nm": state.blur_nm()}
        )  # fmt: skip


def _direction(parameter: Tensor) -> Tensor:
    """The gradient's direction, each row of length 1 (or 0 where there is none)."""
    assert parameter.grad is not None
    return torch.nn.functional.normalize(parameter.grad, dim=1)

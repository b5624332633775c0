"""The reconstruction itself: one loop for all pose methods, and the refinement that ends it."""

import dataclasses
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.core.captured import Captured
from holly_triton.core.distributed import gather, share
from holly_triton.core.errors import HollyError
from holly_triton.io.channels import PointChannels
from holly_triton.kernels import splat
from holly_triton.particles.data import Dataset
from holly_triton.particles.poses.method import choose_method
from holly_triton.particles.poses.refine import Poses, objective_of, refine_poses
from holly_triton.particles.starts import choose_start

from .channels import separate
from .relocation import merge_points
from .schedule import Plan
from .stage import Stage
from .state import TrainingState

RECORDS = 500
"""Approximate number of records of a run's history, which suffices for its curves; long runs have far more steps."""
FRAMES = 60
"""Approximate number of frames of the recorded trajectory of the cloud."""
FRAME_POINTS = 2000
"""Largest number of points that a frame holds."""

SAMPLE = 256
"""Pictures, evenly spaced over the data, on which structures are compared."""


class Progress(NamedTuple):
    """The progress reported after a step."""

    stage: str
    step: int
    steps: int
    sigma_nm: float
    loss: float


class Trainer:
    """Carries out a plan on a data set from any state; between two steps ``state`` is complete."""

    def __init__(self, plan: Plan, dataset: Dataset, state: TrainingState, device: torch.device) -> None:
        """Set up the pose method and the random generator as ``state`` left them."""
        self.plan = dataclasses.replace(plan, sharpens=plan.sharpens * state.sharpens, even_passes=state.even_passes)
        self.dataset, self.state = dataset, state
        self.generator = torch.Generator(device)
        self._set_up()

    def _set_up(self) -> None:
        """What carries out the steps, as the state left it."""
        self.generator.set_state(self.state.generator)
        self.method = choose_method(self.plan, self.dataset, self.state, self.generator)
        self._blur_nm = self.state.blur_nm()
        self._refined: Captured[Stage[float]] = Captured(self._refine_batch, self.generator)

    @property
    def channels(self) -> PointChannels | None:
        """The channel of each point; None where there is one, and before each has points of its own."""
        if not self.state.sizes:
            return None
        return PointChannels.of_sizes(self.state.sizes, self.dataset.channels)

    def run(self) -> Iterator[Progress]:
        """Step to the end, with the progress after each step; a loop that is left between two steps can be continued later."""
        if self.plan.starts > 1 and self.state.step == 0:
            yield from self._choose_start()
        self.state.starts = []  # those of a run that was resumed with settings that choose none
        yield from self._steps()

    def _choose_start(self) -> Iterator[Progress]:
        """Begin from several random clouds and poses until the best two agree, and take up the best."""

        def begin(number: int) -> TrainingState:
            generator = torch.Generator(device).manual_seed(self.plan.config.seed + number)
            return TrainingState.fresh(self.plan, len(self.state.points), generator)

        def steps(state: TrainingState) -> Iterator[Progress]:
            return Trainer(self.plan, self.dataset, state, device)._steps(self.plan.start_steps)

        device = self.state.points.device
        yield from choose_start(self.state, self.plan.starts, begin, steps, self.plan.config.schedule.starts_agree)
        self._set_up()

    def _steps(self, end: int | None = None) -> Iterator[Progress]:
        # The total may become smaller on the way.
        while self.state.step < (self.plan.total_steps if end is None else end):
            began = time.perf_counter()
            self._settle()
            stage = self.plan.at(self.state.step, self._blur_nm)
            index = self._refine(stage) if stage.name == "refine" else self._step(stage)
            loss = self._read(index)
            self.state.step += 1
            self.state.seconds += time.perf_counter() - began
            self.method.save()
            self.state.generator = self.generator.get_state()
            self._record(stage, loss)
            self._record_growth(stage)
            yield Progress(stage.name, self.state.step, self.plan.total_steps, stage.sigma_nm, loss)

    @property
    def final_stage(self) -> Stage[float]:
        """Grid and sigma at the end of the run."""
        return self.plan.at(self.plan.total_steps, self.state.blur_nm())

    @property
    def poses(self) -> Poses:
        """The pose of every picture."""
        return Poses(self.state.rotation, self.state.shift, self.state.loss)

    @torch.no_grad()
    def reproject(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Input pictures ``[B, S, S]`` and the reprojections of the structure, at the final sigma."""
        stage, state = self.final_stage, self.state
        px, width = stage.grid.to_pixels, state.width(stage.sigma_nm)
        drawn = splat(px(state.points), state.rotation[index], px(state.shift[index]), px(width), stage.grid.shape)
        return self.dataset.draw(index, stage.grid, stage.sigma_nm), drawn

    @torch.no_grad()
    def losses_of(self, points: Tensor) -> tuple[float, float]:
        """Mean objective and mean masked L1 over some pictures with these points ``[M, 3]``, nm, in place of the structure."""
        stage, state = self.final_stage, dataclasses.replace(self.state, points=points)
        index = torch.linspace(0, len(self.dataset) - 1, min(SAMPLE, len(self.dataset))).long().to(points.device)
        target = self.dataset.draw(index, stage.grid, stage.sigma_nm)
        objective, loss = objective_of(state, state.rotation[index], state.shift[index], target, stage)
        return float(objective.mean()), float(loss.mean())

    def _settle(self) -> None:
        """Begin the steps of the cloud alone; after the polish, only where its pictures do not show all that the data hold."""
        state = self.state
        if self.plan.sharpens and state.step == self.plan.drawn_steps and not self.plan.is_limited(self._blur_nm):
            state.sharpens = False
            self.plan = dataclasses.replace(self.plan, sharpens=0.0)
        if not self.plan.begins_alone(state.step):
            return
        if state.step >= self.plan.refined_steps:
            separate(state, self.plan, self.dataset, self.generator)
        state.optimiser = {}  # of gradients of another scale
        self.method = choose_method(self.plan, self.dataset, state, self.generator)

    def _step(self, stage: Stage[float]) -> Tensor:
        """One batch ``[B]``, for the cloud and its poses; after the last one, the method's final pose of every picture."""
        state = self.state
        if stage.name == "rescue":
            index = state.worst_fitted(self.plan.rescue_batch, self.generator)
        else:
            alone = self.plan.holds_poses(state.step)
            index = state.next_batch(self.plan.config.sharpen.batch if alone else self.plan.batch, self.generator)
        state.seen += len(index)
        self.method.step(index, stage)
        if stage.name == "separate" and state.step == self.plan.total_steps - 1:
            return self._compare_all(stage)
        if state.step == self.plan.steps - 1:
            self.method.finish(stage)
            if self.plan.config.prune:
                state.points = merge_points(state.points.detach(), stage.sigma_nm)
        return index

    @torch.no_grad()
    def _compare_all(self, stage: Stage[float]) -> Tensor:
        """The loss of every picture ``[P]`` in its pose under the finished cloud."""
        state = self.state
        for index in state.batches(self.plan.config.schedule.batch):
            target = self.dataset.draw(index, stage.grid, stage.sigma_nm)
            _, state.loss[index] = objective_of(state, state.rotation[index], state.shift[index], target, stage)
        return state.order

    def _refine(self, stage: Stage[float]) -> Tensor:
        """One gradient step on the pose of every picture ``[P]`` with the cloud fixed, undone where the objective grows."""
        for index in self.state.batches(self.plan.config.schedule.batch):
            self.state.seen += len(index)
            target = self.dataset.draw(share(index), stage.grid, stage.sigma_nm)
            self._refined(stage.kind, index, stage.lengths(index.device), target)
        return self.state.order

    def _refine_batch(self, kind: Stage[float], index: Tensor, lengths: Tensor, target: Tensor) -> None:
        state, mine = self.state, share(index)
        poses = refine_poses(state, target, state.rotation[mine], state.shift[mine], kind.with_lengths(lengths))
        whole = (gather(rows, len(index)) for rows in poses)
        state.rotation[index], state.shift[index], state.loss[index] = whole

    def _read(self, index: Tensor) -> float:
        """The mean loss of the pictures ``[B]``, and the blur for the next step: the only wait for the device in a step."""
        state = self.state
        loss, log_blur = torch.stack([state.loss[index].mean(), state.log_blur.detach()]).tolist()
        self._blur_nm = math.exp(log_blur)
        if not math.isfinite(loss):
            name = self.dataset.names[int(index[~torch.isfinite(state.loss[index])][0])]
            raise HollyError(
                f"{self.dataset.source}: the loss of picture {name} is not finite at step {state.step}; "
                "check the values of that picture, or leave it out"
            )
        return float(loss)

    def _record_growth(self, stage: Stage[float]) -> None:
        state, total = self.state, self.plan.total_steps
        if state.step % max(1, total // FRAMES) != 0 and state.step < total:
            return
        points = state.points.detach()
        # Merged clouds have fewer points than the other frames of the trajectory.
        if not state.growth or len(points) == self.plan.config.points:
            some = points[:: -(-len(points) // FRAME_POINTS)].cpu().clone()
            state.growth.append({"step": state.step, "sigma_nm": stage.sigma_nm, "points": some})

    def _record(self, stage: Stage[float], loss: float) -> None:
        state, total = self.state, self.plan.total_steps
        if state.step % max(1, total // RECORDS) != 0 and state.step < total:
            return
        state.history.append(
            {"step": state.step, "seconds": state.seconds, "sigma_nm": stage.sigma_nm, "size": stage.grid.size,
             "loss": loss, "blur_nm": self._blur_nm}
        )  # fmt: skip

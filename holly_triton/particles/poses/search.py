"""``pose = "search"``: poses are searched, then followed down the gradient together with the cloud."""

import torch
from torch import Tensor

from holly_triton.core.captured import Captured
from holly_triton.core.distributed import gather, share, sum_gradients
from holly_triton.particles.cloud.objective import LEAST_BACKGROUND
from holly_triton.particles.cloud.optimiser import flatten, optimiser_of, step_cloud
from holly_triton.particles.cloud.relocation import relocate_points
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.stage import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.data import Dataset
from holly_triton.particles.data.counts import noisy_counts

from .candidates import search_poses
from .refine import Poses, step_poses
from .rescue import rescue_poses


class SearchedPoses:
    """A step searches the poses of a batch, then follows the gradient of points and poses together."""

    def __init__(self, plan: Plan, dataset: Dataset, state: TrainingState, generator: torch.Generator) -> None:
        """Set up the optimiser as ``state`` left it."""
        self.config, self.plan, self.dataset, self.state = plan.config, plan, dataset, state
        self.generator = generator
        counts = noisy_counts(dataset.counts, plan.config.search.least_dispersion)
        # Those of a table on the disk are not on the GPU.
        self.counts = None if counts is None else counts.to(state.points.device)
        self.optimiser = optimiser_of(state, plan.config.optimiser)
        self._improve: Captured[Stage[float]] = Captured(self._improved, generator)

    def step(self, index: Tensor, stage: Stage[float]) -> None:
        """One batch: search its poses, then improve them and the cloud together; or search the worst-fitted poses again."""
        state, config = self.state, self.config
        if stage.name == "rescue":
            rescue_poses(self.plan, state, self.dataset, index, stage, self.generator)
            return
        mine = share(index)
        drawn = [self.dataset.draw(mine, stage.grid, stage.sigma_nm)]
        if stage.name == "search" and not stage.searched_as_fitted:
            drawn.append(self.dataset.draw(mine, stage.search_grid, stage.search_sigma_nm))
        self._improve(stage.kind, index, stage.lengths(index.device), *drawn)
        if self.plan.relocates(state.step):
            # Every rank computes this, so that all of them reach the same result.
            target = gather(drawn[0], len(index))
            relocate_points(state, self.optimiser, index, target, stage, config.relocation, self.generator)
            flatten(state, config.tilt)

    def _improved(self, kind: Stage[float], index: Tensor, lengths: Tensor, *drawn: Tensor) -> None:
        """Search the poses of the pictures ``[B]``, then take gradient steps on them and the cloud, in the state.

        ``drawn`` holds this rank's pictures, at the search's grid and sigma too where those are others.
        """
        state, stage, mine = self.state, kind.with_lengths(lengths), share(index)
        rotation, shift = state.rotation[mine], state.shift[mine]
        if stage.name == "search":
            counts = None if self.counts is None else self.counts[mine]
            rotation, shift = search_poses(
                state, drawn[-1], rotation, shift, counts, len(index), stage, self.config.search, self.generator
            )
        for _ in range(self.config.optimiser.gradient_steps):
            rotation, shift, loss = self._descended(index, drawn[0], rotation, shift, stage)
        state.rotation[index], state.shift[index], state.loss[index] = (
            gather(rows, len(index)) for rows in (rotation, shift, loss)
        )
        state.centre(keep_pictures=True)
        state.background.data.clamp_(min=LEAST_BACKGROUND)
        flatten(state, self.config.tilt)

    def _noise(self, index: Tensor, stage: Stage[Tensor]) -> Tensor | None:
        """Noise that keeps this rank's poses of the pictures ``[B]`` distributed by their likelihood during the search.

        None in the polish, where each pose becomes the likeliest, and where poses are not drawn at all.
        """
        if self.counts is None or stage.name != "search":
            return None
        normal = torch.randn(len(index), 5, generator=self.generator, device=index.device)
        return share(normal / (self.config.search.sharpness * self.counts[index, None]).sqrt())

    def finish(self, stage: Stage[float]) -> None:
        """Every picture's pose is in the state already."""

    def save(self) -> None:
        """Leave the optimiser in the state."""
        self.state.optimiser = self.optimiser.state_dict()

    def _descended(self, index: Tensor, target: Tensor, rotation: Tensor, shift: Tensor, stage: Stage[Tensor]) -> Poses:
        """This rank's poses of the pictures ``[B]``, and the cloud in the state, after a gradient step on both."""
        poses, _ = step_poses(self.state, target, rotation, shift, stage, self._noise(index, stage))
        sum_gradients(self.optimiser)
        step_cloud(self.optimiser, stage.rate * self.config.optimiser.point_rate * stage.sigma_nm)
        return poses

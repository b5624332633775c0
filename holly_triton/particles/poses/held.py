"""Steps of the cloud alone, in the poses found, along the likelihood of the data at their finest."""

import dataclasses
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from holly_triton.particles.cloud.optimiser import flatten, optimiser_of, step_cloud
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.stage import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.data import Dataset, Localisations, Pictures
from holly_triton.particles.sparse.likelihood import differentiate, flat_model, flat_particles
from holly_triton.particles.spatial.mixture import Weighed

from .refine import objective_of


class HeldPoses:
    """A step moves the cloud along the gradient of each localisation, or of whole pictures; poses do not change.

    Where each channel has points of its own, these follow the localisations, or the pictures, of their channel.
    """

    def __init__(self, plan: Plan, dataset: Dataset, state: TrainingState, generator: torch.Generator) -> None:
        """Set up the optimiser as ``state`` left it."""
        self.plan, self.dataset, self.state, self.generator = plan, dataset, state, generator
        self.optimiser = optimiser_of(state, plan.config.optimiser)

    @torch.no_grad()
    def step(self, index: Tensor, stage: Stage[float]) -> None:
        """One batch of particles ``[B]``.

        Every rank computes the same, so that random numbers stay alike.
        """
        state, plan = self.state, self.plan
        if isinstance(self.dataset, Localisations):
            self._follow_localisations(self.dataset, index)
        else:
            self._follow_pictures(index, stage)
        length = plan.config.sharpen.point_rate * math.hypot(state.blur_nm(), plan.finest_nm)
        step_cloud(self.optimiser, length * stage.rate)
        state.centre(keep_pictures=True)
        flatten(state, plan.config.tilt)
        target = self.dataset.draw(index, stage.grid, stage.sigma_nm)
        _, state.loss[index] = objective_of(state, state.rotation[index], state.shift[index], target, stage)

    def _follow_localisations(self, dataset: Localisations, index: Tensor) -> None:
        """Leave the gradient of the mean negative log-likelihood of the localisations of some particles in the cloud."""
        state, plan = self.state, self.plan
        model = flat_model(state, plan.config.sparse.background_width * plan.gyration_nm)
        most = max(1, plan.config.sharpen.most_pairs // len(state.points))
        channels = dataset.channels if state.sizes else ()
        data = flat_particles(dataset, index, most, self.generator, channels)
        particle, weight = torch.arange(len(index), device=index.device), torch.ones_like(state.loss[index])
        differentiate(state, model, data, Weighed(particle, state.rotation[index], state.shift[index], weight))

    def _follow_pictures(self, index: Tensor, stage: Stage[float]) -> None:
        """Leave the gradient of the mean divergence of some pictures, as sharp as they are, in the cloud."""
        state, finest = self.state, self.plan.finest(stage)
        cloud = [state.points, state.log_blur, state.background]
        with torch.enable_grad():
            objectives = [
                objective_of(own, state.rotation[index], state.shift[index], target, finest)[0].mean()
                for own, target in self._pictures(index, finest)
            ]
            gradients = torch.autograd.grad(sum(objectives[1:], objectives[0]) / len(objectives), cloud)
        for part, gradient in zip(cloud, gradients, strict=True):
            part.grad = gradient.contiguous()  # as the fused optimiser takes it

    def _pictures(self, index: Tensor, stage: Stage[float]) -> Iterator[tuple[TrainingState, Tensor]]:
        """Some pictures ``[B, S, S]`` and the state with the points that they show; of several channels those of each."""
        state, dataset = self.state, self.dataset
        if not state.sizes or not isinstance(dataset, Pictures):
            yield state, dataset.draw(index, stage.grid, stage.sigma_nm)
            return
        for channel, points in enumerate(torch.split(state.points, state.sizes)):
            drawn = dataset.draw(index, stage.grid, stage.sigma_nm, channel)
            yield dataclasses.replace(state, points=points), drawn

    def finish(self, stage: Stage[float]) -> None:
        """Every picture's pose is in the state already."""

    def save(self) -> None:
        """Leave the optimiser in the state."""
        self.state.optimiser = self.optimiser.state_dict()

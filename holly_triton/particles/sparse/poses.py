"""``pose = "search"`` where particles have few localisations: poses are drawn by the likelihood of each localisation.

Each step draws poses of some particles from their posterior under the present cloud (``posterior``), anew from all
orientations, and moves points, blur and background along the gradient of the expected log-likelihood: stochastic expectation
maximisation without a drawn picture. The cloud is blurred by a sigma that falls. On simulated nuclear pores of which three of
four labels are missing, it finds both rings where a pose for each picture, even one drawn by likelihood, flattens them.
"""

from typing import Any

import torch
from torch import Tensor

from holly_triton.particles.cloud.schedule import SparsePlan
from holly_triton.particles.cloud.stage import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.data import Localisations
from holly_triton.particles.poses.refine import objective_of
from holly_triton.particles.spatial.mixture import Model, Padded, Weighed

from .likelihood import differentiate, flat_model, flat_particles
from .posterior import Drawn, Scales, draw_poses


class SampledPoses:
    """A step draws the poses of a batch from their posterior, then moves the cloud."""

    def __init__(
        self, plan: SparsePlan, dataset: Localisations, state: TrainingState, generator: torch.Generator
    ) -> None:
        """Set up the optimiser as ``state`` left it."""
        self.plan, self.dataset, self.state, self.generator = plan, dataset, state, generator
        self.settings, optimiser = plan.config.sparse, plan.config.optimiser
        self.scales = Scales(plan.gyration_nm, plan.field_nm / 2)
        fitted = (state.points, state.log_blur, state.background)
        groups: list[dict[str, Any]] = [{"params": [tensor], "lr": optimiser.blur_rate} for tensor in fitted]
        self.optimiser = torch.optim.Adam(groups, betas=(optimiser.momentum, optimiser.second_moment))
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)

    @torch.no_grad()
    def step(self, index: Tensor, stage: Stage[float]) -> None:
        """One batch of particles ``[B]``: their poses by the cloud as it was, then the cloud.

        Every rank computes the same: the work is small, and random numbers stay alike.
        """
        state, widened = self.state, self.plan.widened_nm(self.state.step)
        data = flat_particles(self.dataset, index, self.settings.localisations, self.generator)
        drawn = draw_poses(self._model(widened), data, self.scales, self.settings, self.generator)
        best = drawn.score.argmax(dim=1)
        row = torch.arange(len(index), device=index.device)
        rotation, shift = drawn.rotation[row, best], drawn.shift[row, best]
        target = self.dataset.draw(index, stage.grid, stage.sigma_nm)
        _, loss = objective_of(state, rotation, shift, target, stage)
        state.rotation[index], state.shift[index], state.loss[index] = rotation, shift, loss
        for _ in range(self.plan.config.optimiser.gradient_steps):
            self._descend(drawn, data, widened, stage.rate)
        state.centre(keep_pictures=True)

    def _descend(self, drawn: Drawn, data: Padded, widened_nm: float, rate: float) -> None:
        """One step of the cloud along the gradient of the expected log-likelihood of a few of the poses."""
        state, model = self.state, self._model(widened_nm)
        kept = min(self.settings.kept, self.settings.samples)
        particle = torch.arange(len(data.mask), device=data.mask.device).repeat_interleave(kept)
        some = drawn.spaced(kept)
        rotation, shift = some.rotation.flatten(0, 1), some.shift.flatten(0, 1)
        weight = torch.full((len(particle),), 1 / kept, device=particle.device)
        differentiate(state, model, data, Weighed(particle, rotation, shift, weight))
        self.optimiser.param_groups[0]["lr"] = (
            self.plan.config.optimiser.point_rate * rate * float(model.variance.sqrt())
        )
        self.optimiser.step()

    def _model(self, widened_nm: float) -> Model:
        return flat_model(self.state, self.settings.background_width * self.plan.gyration_nm, widened_nm)

    def finish(self, stage: Stage[float]) -> None:
        """Every particle's pose is in the state already."""

    def save(self) -> None:
        """Leave the optimiser in the state."""
        self.state.optimiser = self.optimiser.state_dict()

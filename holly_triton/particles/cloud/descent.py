"""What amortised and direct poses share: the cloud and the pose model follow one gradient.

This is the loop of Blundell et al. 2021, sections 3.1 and 3.2, with these departures:

- the cloud starts as an isotropic Gaussian of the data's own size, not as a cube of side 2 units, so that any structure
  fits;
- it is centred after each step, since the pictures are;
- outliers are relocated once an epoch, since the masked loss has no gradient that brings one back (a short run on the
  teapot ended 0.13 units from the truth, and 0.41 units without relocation).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from holly_triton.core.distributed import average_statistics, gather, share, size, sum_gradients
from holly_triton.geometry import rotation_from_axis_angle
from holly_triton.particles.data import Dataset

from .objective import masked_l1
from .relocation import relocate_points
from .schedule import AnnealedPlan
from .stage import Stage
from .state import TrainingState

OUTPUTS = 6
"""Numbers of a pose: axis-angle, shift along x and y, sigma."""

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}
LEAST_SIGMA = 0.1
"""Least predicted sigma, paper's pixels: softplus can reach 0, at which a Gaussian can't be drawn."""


class Descent:
    """A step follows the gradient of the masked L1 with respect to the points and the pose model."""

    def __init__(
        self,
        model: nn.Module,
        plan: AnnealedPlan,
        dataset: Dataset,
        state: TrainingState,
        generator: torch.Generator,
    ) -> None:
        """Set up the optimiser as ``state`` left it.

        Args:
            model: Outputs of one pose a picture, or of several, ``[B, OUTPUTS]`` or ``[B, heads * OUTPUTS]``, from
                indices ``[B]`` and pictures ``[B, S, S]``.
            plan: Schedule and settings.
            dataset: Where the pictures come from.
            state: State of the run, changed in place.
            generator: Random generator of the run.
        """
        self.generator = generator
        self.model, self.plan, self.settings, self.dataset, self.state = model, plan, plan.settings, dataset, state
        # The paper's rates are for lengths in its unit. Adam's step is the rate itself; SGD's is the rate times a
        # gradient, which is smaller by that unit where lengths are in nm.
        lengths = plan.unit_nm ** (2 if self.settings.optimiser == "sgd" else 1)
        groups: list[dict[str, Any]] = [
            {"params": [*model.parameters(), state.log_blur.requires_grad_()], "lr": self.settings.rate},
            {"params": [state.points.requires_grad_()], "lr": self.settings.point_rate * lengths},
        ]
        self.optimiser = OPTIMISERS[self.settings.optimiser](groups)
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)
            model.load_state_dict(state.pose_model)

    def step(self, index: Tensor, stage: Stage[float]) -> None:
        """One batch: one gradient step on everything."""
        # Batch norm has no statistics for a picture that is alone in its batch, only those of earlier batches.
        self.model.train(len(index) // size() > 1)
        self.optimiser.zero_grad()
        target = self.dataset.draw(share(index), stage.grid, stage.sigma_nm)
        width, objective = self._look(index, target, stage)
        torch.autograd.backward(objective.sum())
        sum_gradients(self.optimiser)
        average_statistics(self.model)
        self.optimiser.step()
        self.state.centre(keep_pictures=False)
        self._tell_blur(width, stage)
        if self.plan.relocates(self.state.step):
            target = gather(target, len(index))
            # Outliers only: redundant points can be identified only where most poses are right.
            outliers = dataclasses.replace(self.plan.config.relocation, most=0)
            relocate_points(self.state, self.optimiser, index, target, stage, outliers, self.generator)

    @torch.no_grad()
    def finish(self, stage: Stage[float]) -> None:
        """The pose of every picture from the final model."""
        self.model.eval()
        widths = []
        for index in self.state.batches(self.settings.batch):
            target = self.dataset.draw(share(index), stage.grid, stage.sigma_nm)
            widths.append(self._look(index, target, stage)[0])
        self._tell_blur(torch.cat(widths), stage)

    def save(self) -> None:
        """Leave optimiser and model in the state."""
        self.state.optimiser, self.state.pose_model = self.optimiser.state_dict(), self.model.state_dict()

    def _look(self, index: Tensor, target: Tensor, stage: Stage[float]) -> tuple[Tensor, Tensor]:
        """Put poses and losses of some pictures ``[B]`` into the state; ``target`` holds those of this rank.

        Returns:
            The sigma of the drawing ``[B]``, and the loss of this rank's pictures, to be differentiated.
        """
        state, unit = self.state, self.plan.unit_nm
        outputs = self.model(share(index), target)
        heads = outputs.shape[1] // OUTPUTS
        outputs = outputs.reshape(-1, OUTPUTS)  # [B * heads, OUTPUTS]
        rotation = rotation_from_axis_angle(outputs[:, :3])
        shift = self.settings.shift_limit * unit * torch.tanh(outputs[:, 3:5])
        width = self._width(outputs[:, 5], stage)
        many = target.repeat_interleave(heads, dim=0)
        objective = masked_l1(state.points, rotation, shift, width, many, stage)
        loss = objective.detach()
        # The best of the proposed poses is the picture's pose, and gradients follow it alone.
        best = loss.view(-1, heads).argmin(1) + heads * torch.arange(len(target), device=index.device)
        found = (gather(rows[best].detach(), len(index)) for rows in (rotation, shift, loss, width))
        state.rotation[index], state.shift[index], state.loss[index], width = found
        return width, objective[best]

    def _width(self, output: Tensor, stage: Stage[float]) -> Tensor:
        if self.settings.output_sigma == "tied":
            return self.state.width(stage.sigma_nm).expand_as(output)
        sigma = nn.functional.softplus(output).clamp(LEAST_SIGMA, self.settings.sigma_limit)
        return sigma * self.plan.pixel_nm

    @torch.no_grad()
    def _tell_blur(self, width: Tensor, stage: Stage[float]) -> None:
        """Where sigma is predicted, the blur is the median excess of the predicted width over the pictures' sigma."""
        if self.settings.output_sigma == "predicted":
            excess = width.median() ** 2 - stage.sigma_nm**2
            self.state.log_blur.copy_(0.5 * excess.clamp_min((0.01 * stage.sigma_nm) ** 2).log())

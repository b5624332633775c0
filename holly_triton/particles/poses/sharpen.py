"""Gradients of the cloud at the finest that the data hold, in the poses found: of each localisation, or of whole pictures."""

import torch
from torch import Tensor

from holly_triton.particles.cloud.schedule import Plan, Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.data import Dataset, Localisations
from holly_triton.particles.sparse.likelihood import differentiate, flat_model, flat_particles
from holly_triton.particles.spatial.mixture import Weighed

from .refine import objective_of


def follow_localisations(
    state: TrainingState, plan: Plan, dataset: Localisations, index: Tensor, generator: torch.Generator
) -> None:
    """Leave the gradient of the mean negative log-likelihood of the localisations of some particles ``[B]`` in the cloud."""
    model = flat_model(state, plan.config.sparse.background_width * plan.gyration_nm)
    most = max(1, plan.config.sharpen.most_pairs // len(state.points))
    data = flat_particles(dataset, index, most, generator)
    particle, weight = torch.arange(len(index), device=index.device), torch.ones_like(state.loss[index])
    differentiate(state, model, data, Weighed(particle, state.rotation[index], state.shift[index], weight))


def follow_pictures(state: TrainingState, plan: Plan, dataset: Dataset, index: Tensor, stage: Stage[float]) -> None:
    """Leave the gradient of the mean divergence of some pictures ``[B]``, as sharp as they are, in the cloud."""
    finest = plan.finest(stage)
    target = dataset.draw(index, finest.grid, finest.sigma_nm)
    with torch.enable_grad():
        objective, _ = objective_of(state, state.rotation[index], state.shift[index], target, finest)
        cloud = [state.points, state.log_blur, state.background]
        gradients = torch.autograd.grad(objective.mean(), cloud)
    for part, gradient in zip(cloud, gradients, strict=True):
        part.grad = gradient.contiguous()  # as the fused optimiser takes it

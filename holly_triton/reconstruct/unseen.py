"""Poses of pictures that had no part in a run: does its cloud explain them as well as those it was made from?"""

import torch

from holly_triton.data import Dataset
from holly_triton.geometry import random_rotations

from .refine import Poses, refine_poses
from .schedule import Plan
from .search import search_poses
from .state import TrainingState


def find_poses(plan: Plan, state: TrainingState, dataset: Dataset, generator: torch.Generator) -> Poses:
    """Poses of new pictures ``[P]`` under a finished cloud, which is held, and the loss that remains.

    Whatever the run's pose method: search at falling sigma, then the refinement that its own pictures had
    (Blundell et al. 2021, figure 2, shows held-out pictures).

    Args:
        plan: The run's, for its field of view and settings.
        state: The run's, finished.
        dataset: The new pictures, on the state's device.
        generator: Source of the candidates, on that device.
    """
    config, blur, rounds = plan.config, state.blur_nm(), plan.config.search.unseen_rounds
    stages = [plan.searching(done / rounds, blur) for done in range(rounds)]
    stages += [plan.at(step, blur) for step in range(plan.steps, plan.total_steps)]
    rotation = random_rotations(len(dataset), generator)
    shift = state.points.new_zeros(len(dataset), 2)
    loss = state.points.new_full((len(dataset),), torch.nan)
    everything = torch.arange(len(dataset), device=generator.device)
    for stage in stages:
        for index in torch.split(everything, config.schedule.batch):
            if stage.name == "search":
                target = dataset.draw(index, stage.search_grid, stage.search_sigma_nm)
                with torch.no_grad():
                    rotation[index] = search_poses(
                        state.points, blur, target, rotation[index], shift[index], stage, config.search, generator
                    )
            target = dataset.draw(index, stage.grid, stage.sigma_nm)
            poses = refine_poses(state, target, rotation[index], shift[index], stage, config.optimiser)
            rotation[index], shift[index], loss[index] = poses
    return Poses(rotation, shift, loss)

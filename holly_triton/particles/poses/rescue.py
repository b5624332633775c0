"""Poses without initial values for a nearly converged cloud: a search denser and finer than a step of a run can afford.

A wrong pose that looks nearly right, such as a teapot with its handle where the spout should be, survives a run's own
search: at a coarse sigma the two can't be distinguished, and at a fine one a candidate some 19 degrees off the right pose
fits worse than the refined wrong pose. Therefore many more candidates are tried here, at fine sigmas only. Of 250
pictures of the noise-free teapot 60 % were right after 20 rounds of 1000 candidates from the coarsest sigma on, 86 %
after 4 rounds of 16 000 from a fine one, in the same time.
"""

import dataclasses

import torch
from torch import Tensor

from holly_triton.core.distributed import gather, share
from holly_triton.core.progress import following
from holly_triton.geometry import random_rotations
from holly_triton.kernels import splat
from holly_triton.particles.cloud.objective import unexplained
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.stage import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.data import Drawable

from .candidates import search_poses
from .refine import Poses, objective_of, refine_poses


def rescue_poses(
    plan: Plan, state: TrainingState, dataset: Drawable, index: Tensor, stage: Stage[float], generator: torch.Generator
) -> None:
    """Search the poses of some pictures ``[B]`` again, and keep those that fit their picture better."""
    known = Poses(state.rotation[index], state.shift[index], state.loss[index])
    found = better_poses(plan, state, dataset, index, known, stage, generator)
    state.rotation[index], state.shift[index], state.loss[index] = found


def find_poses(
    plan: Plan, state: TrainingState, dataset: Drawable, index: Tensor, generator: torch.Generator, *, passes: int
) -> Poses:
    """Poses of some pictures ``[B]`` for a finished cloud, which is fixed, and their loss.

    For any pose method of the run, these are the best of several searches, after the refinement that the training pictures
    had (Blundell et al. 2021, figure 2, shows held-out pictures).

    Args:
        plan: Plan of the run, for its field of view and settings.
        state: State of the finished run.
        dataset: Holds the pictures, on the state's device.
        index: Which of them, ``[B]``.
        generator: Source of the candidates, on that device.
        passes: Searches after the first; each result is kept where it is better.
    """
    config, blur = plan.config, state.blur_nm()
    plan = dataclasses.replace(plan, finest_nm=max(plan.finest_nm, dataset.finest_nm))
    found = []
    for some in following(torch.split(index, config.search.dense_batch)):
        stage = plan.at(plan.steps, blur)
        poses = seek_poses(plan, state, dataset, some, generator)
        for _ in range(passes):
            poses = better_poses(plan, state, dataset, some, poses, stage, generator)
        for step in range(plan.steps, plan.refined_steps):
            stage = plan.at(step, blur)
            target = dataset.draw(some, stage.grid, stage.sigma_nm)
            poses = refine_poses(state, target, poses.rotation, poses.shift, stage)
        found.append(poses)
    return Poses(*(torch.cat(parts) for parts in zip(*found, strict=True)))


@torch.no_grad()
def unexplained_of(plan: Plan, state: TrainingState, dataset: Drawable, index: Tensor, poses: Poses) -> Tensor:
    """Share of the intensity of pictures ``[B]`` that is in the wrong place, in given poses, at the run's final sigma."""
    stage = plan.at(plan.total_steps, state.blur_nm())
    px, width = stage.grid.to_pixels, state.width(stage.sigma_nm)
    shares = []
    for some in torch.split(torch.arange(len(index), device=state.points.device), plan.batch):
        drawn = splat(px(state.points), poses.rotation[some], px(poses.shift[some]), px(width), stage.grid.shape)
        shares.append(unexplained(drawn, dataset.draw(index[some], stage.grid, stage.sigma_nm)))
    return torch.cat(shares)


def better_poses(
    plan: Plan, state: TrainingState, dataset: Drawable, index: Tensor, known: Poses, stage: Stage[float],
    generator: torch.Generator,
) -> Poses:  # fmt: skip
    """The better-fitting of the known poses ``[B]`` and those of a new search."""
    found = seek_poses(plan, state, dataset, index, generator)
    found, known = Poses(*map(share, found)), Poses(*map(share, known))
    target = dataset.draw(share(index), stage.grid, stage.sigma_nm)
    with torch.no_grad():
        before, loss = objective_of(state, known.rotation, known.shift, target, stage)
        after, new_loss = objective_of(state, found.rotation, found.shift, target, stage)
    better = after < before
    best = (
        torch.where(better[:, None, None], found.rotation, known.rotation),
        torch.where(better[:, None], found.shift, known.shift),
        torch.where(better, new_loss, loss),
    )
    return Poses(*(gather(rows, len(index)) for rows in best))


def seek_poses(
    plan: Plan, state: TrainingState, dataset: Drawable, index: Tensor, generator: torch.Generator
) -> Poses:  # fmt: skip
    """Poses of some pictures ``[B]`` from a dense search at falling sigma, a gradient step after each round of it."""
    search, blur = plan.config.search, state.blur_nm()
    dense = dataclasses.replace(search, candidates=search.dense_candidates)
    mine, rotation = share(index), share(random_rotations(len(index), generator, plan.largest_tilt))
    shift, loss = rotation.new_zeros(len(mine), 2), rotation.new_zeros(len(mine))
    for done in torch.linspace(search.dense_from, 1, search.dense_rounds + 1)[:-1].tolist():
        stage = dataclasses.replace(plan.searching(done, blur), global_search=True)
        target = dataset.draw(mine, stage.search_grid, stage.search_sigma_nm)
        rotation, shift = search_poses(state, target, rotation, shift, None, len(index), stage, dense, generator)
        target = dataset.draw(mine, stage.grid, stage.sigma_nm)
        rotation, shift, loss = refine_poses(state, target, rotation, shift, stage)
    return Poses(*(gather(rows, len(index)) for rows in (rotation, shift, loss)))

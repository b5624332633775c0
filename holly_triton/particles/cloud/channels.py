"""A cloud for each channel of projections, from the cloud and the poses of all of them."""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.kernels.gaussians.separable import axis_gaussians, pixel_centres
from holly_triton.kernels.gaussians.separable_fused import SMALLEST
from holly_triton.particles.data import Dataset, Localisations, Pictures
from holly_triton.particles.sparse.likelihood import flat_model, flat_particles
from holly_triton.particles.spatial.choice import sizes_of
from holly_triton.particles.spatial.mixture import Weighed, expected

from .objective import LEAST_BACKGROUND, log_density, normalised
from .optimiser import flatten
from .schedule import Plan
from .state import TrainingState

COMPARED = 1024
"""Particles, evenly spaced over the data, whose localisations, or light, are counted at each point."""
NEIGHBOURS, ONE_SITE = 16, 1.5
"""Most points of one site, and their largest distance in units of the labels' scatter."""


@torch.no_grad()
def separate(state: TrainingState, plan: Plan, dataset: Dataset, generator: torch.Generator) -> None:
    """Put points of each channel, one channel after the other, in the place of the cloud of all.

    Each channel has a share of the points, as many of them at each place as localisations of that channel are there, or as much of
    its light: where two channels have labels at the same place, both have points.
    """
    sizes = sizes_of(len(state.points), dataset, plan.config.dimensions)
    every = torch.arange(0, len(dataset), -(-len(dataset) // COMPARED), device=state.points.device)
    loads = state.points.new_zeros(len(sizes), len(state.points))
    for index in torch.split(every, plan.config.sharpen.batch):
        if isinstance(dataset, Localisations):
            loads += _of_localisations(state, plan, dataset, index, generator)
        else:
            assert isinstance(dataset, Pictures)
            loads += _of_pictures(state, plan, dataset, index)
    clouds, places = [], state.points.detach().cpu().numpy()
    apart_nm = ONE_SITE * state.blur_nm()
    for load, number in zip(loads, sizes, strict=True):
        copies = torch.from_numpy(taken(places, load.cpu().numpy(), number, apart_nm)).to(load.device)
        cloud = state.points.detach().repeat_interleave(copies, dim=0)
        # Two points at one place would have the same gradient for ever.
        moved = torch.randn(cloud.shape, generator=generator, device=cloud.device) * state.blur_nm()
        clouds.append(cloud + moved * (copies.repeat_interleave(copies) > 1)[:, None])
    state.points, state.sizes = torch.cat(clouds), sizes
    flatten(state, plan.config.tilt)


def _of_localisations(
    state: TrainingState, plan: Plan, dataset: Localisations, index: Tensor, generator: torch.Generator
) -> Tensor:
    """Localisations of each channel that each point explains ``[C, N]``, of some particles ``[B]``."""
    model = flat_model(state, plan.config.sparse.background_width * plan.gyration_nm)
    most = max(1, plan.config.sharpen.most_pairs // len(state.points))
    data = flat_particles(dataset, index, most, generator, dataset.channels)
    assert data.membership is not None
    particle, weight = torch.arange(len(index), device=index.device), torch.ones_like(state.loss[index])
    poses = Weighed(particle, state.rotation[index], state.shift[index], weight)
    each = (data._replace(mask=mask, membership=None) for mask in data.membership.unbind(-1))
    return torch.stack([expected(model, own, poses).load for own in each])


def _of_pictures(state: TrainingState, plan: Plan, dataset: Pictures, index: Tensor) -> Tensor:
    """Light of each channel that each point explains ``[C, N]``, of some normalised pictures ``[B]``."""
    stage = plan.finest(plan.at(state.step, state.blur_nm()))
    px, centres = stage.grid.to_pixels, pixel_centres(stage.grid.size, state.points)
    at = px(state.rotation[index, :2] @ state.points.T + state.shift[index, :, None])  # [B, 2, N]
    gx, gy = (axis_gaussians(along, px(state.width(stage.sigma_nm)), centres) for along in at.unbind(1))  # [B, N, S]
    drawn = gy.transpose(1, 2) @ gx
    # A point's share of a pixel is the density that it draws there over that of all and of the background.
    density = log_density(drawn, state.background).exp()
    share = state.background.clamp_min(LEAST_BACKGROUND).sigmoid()
    own = (1 - share) / drawn.sum((1, 2)).clamp_min(SMALLEST)  # [B]
    loads = []
    for channel in range(len(dataset.channels)):
        target = normalised(dataset.draw(index, stage.grid, stage.sigma_nm, channel))
        loads.append(((gy @ (target / density) * gx).sum(2) * own[:, None]).sum(0))
    return torch.stack(loads)


def taken(points: Array, load: Array, number: int, apart_nm: float) -> Array:
    """How many of a channel's points, a number in all, begin at each point ``[N]`` of a cloud ``[N, 3]``.

    They are in proportion to the localisations, or the light, ``[N]`` that a point explains. Of two points of one site, less than ``apart_nm`` from
    each other, that share its localisations, one is taken: each takes a whole share, of its neighbours where its own is less.
    """
    share = np.maximum(load.astype(np.float64), np.finfo(np.float32).tiny)
    left = np.append(share * (number / share.sum()), 0.0)  # the last stands for neighbours that are not there
    closest = [*range(1, min(NEIGHBOURS, len(points)) + 1)]
    near = cKDTree(points).query(points, k=closest, distance_upper_bound=apart_nm)[1]
    copies = np.zeros(len(points), dtype=np.int64)
    for _ in range(number):
        pick = int(left.argmax())
        held = left[near[pick]]
        left[near[pick]] = held - np.diff(np.minimum(held.cumsum(), 1.0), prepend=0.0)
        copies[pick] += 1
    return copies

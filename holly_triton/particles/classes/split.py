"""The first division of the particles, along the directions in which they pull the consensus apart.

The gradient of a particle's log-likelihood with respect to the cloud's points says where its localisations lie beside those of
the consensus. If all particles are of one structure these gradients are noise, and no direction has much more variance than
another; if there are several, the differences between them are the directions of largest variance. So the principal
components of the gradients divide the particles before any cloud has moved. The consensus is blurred, so that a point is
pulled from as far as structures may differ.
"""

import math

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from holly_triton.core.progress import following
from holly_triton.core.types import Array
from holly_triton.particles.spatial.mixture import expected
from holly_triton.particles.spatial.poses import Kept, weighed
from holly_triton.particles.spatial.symmetry import folded
from holly_triton.particles.spatial.train import SpatialTrainer

from .config import Classes

TRIES = 20
"""Random starts of the clustering, of which the tightest result is kept."""


@torch.no_grad()
def divide(consensus: SpatialTrainer, structures: int, settings: Classes, generator: torch.Generator) -> Tensor:
    """First probabilities of each structure for each particle ``[P, K]``.

    Of at most ``settings.divided`` particles, chosen at random; the others are undecided.
    """
    P, device = len(consensus.particles), consensus.state.points.device
    some = torch.randperm(P, generator=generator, device=device)[: settings.divided]
    pulls = pulls_of(consensus, some, settings.split_blur * consensus.plan.gyration_nm, generator)
    seed = int(torch.randint(2**31, (), generator=generator, device=device))
    which = torch.from_numpy(clusters(pulls.cpu().double().numpy(), structures, seed)).long()
    weight = torch.full((P, structures), 1 / structures, device=device)
    decided = torch.nn.functional.one_hot(which, structures).to(weight)
    weight[some] = settings.decided * decided + (1 - settings.decided) / structures
    return weight


def clusters(pulls: Array, structures: int, seed: int) -> Array:
    """Number of the cluster of each particle ``[P]``, from its gradients ``[P, D]``.

    Clusters are searched in as many principal components as can separate them.
    """
    centred = pulls - pulls.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    places = (left * size)[:, : structures - 1]
    random = np.random.default_rng(seed)
    best, spread = np.zeros(len(pulls), dtype=np.int64), math.inf
    for _ in range(TRIES):
        middles, which = kmeans2(places, structures, minit="++", seed=random)
        found = float(((places - middles[which]) ** 2).sum())
        if found < spread:
            best, spread = which, found
    return best


def pulls_of(consensus: SpatialTrainer, index: Tensor, blur_nm: float, generator: torch.Generator) -> Tensor:
    """Gradient of the log-likelihood of some particles ``[B, 3 N / G]``, in units in which its noise is alike for all.

    With a symmetry of G rotations it is that of the points of the unit: any image may be at the place of any other in a particle's pose.
    """
    state, plan, pulls = consensus.state, consensus.plan, []
    model = state.model(blur_nm)
    sigma = math.sqrt(float(model.mean_variance) + plan.variance)
    for some in following(torch.split(index, plan.batch)):
        data = consensus.particles.batch(some, plan.settings.search.localisations, generator).padded
        poses = weighed(Kept(state.rotations[some], state.shifts[some], state.scores[some]), plan.settings.least_weight)
        for row in torch.arange(len(some), device=some.device):
            mine = poses.particle == row
            pairs = poses.select(mine)
            pairs = pairs._replace(particle=torch.zeros_like(pairs.particle))
            found = expected(model, data.select(row[None]), pairs)
            pull = folded(found.points, consensus.group).flatten()
            pulls.append(pull * sigma / found.load.sum().clamp(min=1).sqrt())
    return torch.stack(pulls)

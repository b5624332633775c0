"""Symmetries that the structure of a run has, and whether its data are compatible with them.

Every operation is imposed on the cloud, which is joined with its images. Pictures are compared with it in the poses that were
found for them. The poses of 3D localisations climb on under the joined cloud, and a particle may have any orientation:
the best one alone would favour the cloud as it is, of whose images, which are never quite equal, a particle takes the one that
happens to fit it best. For the same reason pictures of few labels are not asked, whose poses are drawn.
"""

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.particles.cloud.schedule import SparsePlan
from holly_triton.particles.data import Localisations
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.search import Found
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.validation.symmetry import Change, Symmetry, find_symmetries, residual_error, thinned

from .held_out import evenly
from .run import Run

MOST = 32
"""Particles of 3D localisations that are compared, at most, those that were held out first."""
CLIMBS = 3
"""Steps of each of their poses under a joined cloud."""


def symmetries_of(run: Run, points: Array, sigma_nm: float) -> list[Symmetry]:
    """Symmetries that a run's points ``[N, 3]``, nm, have or nearly have, and whether the data are compatible with them.

    Of a run whose symmetry was imposed that is not asked: ``compare_imposed`` answers it.

    Args:
        run: The run.
        points: Its structure.
        sigma_nm: Sigma of the Gaussian that each point stands for.
    """
    trainer, some = run.trainer, thinned(points)
    if isinstance(trainer, SpatialTrainer):
        return find_symmetries(some, None if run.config.symmetry else _Likelihood(run, trainer, some).change)
    if isinstance(trainer.plan, SparsePlan):
        return find_symmetries(some)
    like, least = trainer.state.points, np.finfo(float).tiny
    before = max(trainer.losses_of(_tensor(some, like))[0], least)
    remaining = trainer.losses_of(_tensor(points, like))[1]
    return find_symmetries(
        some,
        lambda joined: Change(trainer.losses_of(_tensor(joined, like))[0] / before - 1),
        residual_error(remaining, sigma_nm),
    )


def held_out_particles(run: Run) -> Particles | None:
    """The held-out particles of 3D localisations, on the device of the run; None where there are none."""
    dataset = run.pictures.held_out
    if not isinstance(dataset, Localisations) or not isinstance(run.trainer, SpatialTrainer):
        return None
    return run.trainer.particles.others(dataset)


def mean_gain(gain: Tensor) -> tuple[float, float]:
    """Mean over particles ``[P]``, at least two, and its standard error."""
    return float(gain.mean()), float(gain.std()) / len(gain) ** 0.5


class _Likelihood:
    """How likely particles are under a cloud, compared with how likely they are under the run's own."""

    def __init__(self, run: Run, trainer: SpatialTrainer, points: Array) -> None:
        self.trainer, self.found, left = trainer, list[Found](), MOST
        for particles in (held_out_particles(run), trainer.particles):
            if particles is not None and (count := min(left, len(particles))):
                index = torch.from_numpy(evenly(len(particles), count)).to(particles.xyz.device)
                self.found.append(trainer.find_afresh(particles, index))
                left -= count
        self.before = self._of(points)

    def change(self, joined: Array) -> Change:
        """Change of the loss, ``exp`` of the mean negative log-likelihood of a localisation, under other points ``[M, 3]``."""
        gain, error = mean_gain(self._of(joined) - self.before)
        after = float(np.exp(-gain))
        return Change(after - 1, after * error)

    def _of(self, points: Array) -> Tensor:
        """Of a localisation of each particle ``[P]``, the mean, where all poses climb on from those under the run's cloud."""
        model = self.trainer.model_of(_tensor(points, self.trainer.state.points))
        return torch.cat([found.under(model, CLIMBS).mean_log_likelihood for found in self.found]).double()


def _tensor(points: Array, like: Tensor) -> Tensor:
    return torch.tensor(points, dtype=torch.float32, device=like.device)

"""What a symmetry that was imposed does to the particles that were held out: the same run is made without it.

A symmetric cloud has fewer free points, each of which more localisations determine. Where the structure has the symmetry,
held-out particles are therefore as likely under it or likelier; where it has not, they are less likely. Both clouds are made
from the same training particles with the same settings, and poses are searched under both in the same way.
"""

import dataclasses
from collections.abc import Callable

from holly_triton.core.progress import following
from holly_triton.io.metrics import Imposed
from holly_triton.particles.data import Localisations
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.poses import Chosen
from holly_triton.particles.spatial.train import SpatialTrainer

from .run import Run
from .trainers import trainer_for


def compare_imposed(run: Run, held_out: Chosen | None, should_stop: Callable[[], bool]) -> Imposed:
    """Compare a finished run with the same one without its symmetry.

    Args:
        run: With a symmetry.
        held_out: Poses of its held-out particles; without any, nothing is compared.
        should_stop: Whether to leave the comparison out, asked before each step.
    """
    name, dataset = run.config.symmetry or "", run.pictures.held_out
    if held_out is None or not isinstance(dataset, Localisations):
        return Imposed(name)
    trainer = trainer_for(dataclasses.replace(run.config, symmetry=None), run.pictures.training)
    assert isinstance(trainer, SpatialTrainer)
    # The poses of the training particles at the end of the run are not needed.
    for _, _ in zip(following(range(trainer.plan.steps)), trainer.run(), strict=False):
        if should_stop():
            return Imposed(name)
    others = Particles.of(dataset).to(trainer.state.points.device)
    free, _ = trainer.search(others)
    # A loss is exp of the mean negative log-likelihood of a localisation.
    gain = free.loss.log().double() - held_out.loss.log().double()
    error = float(gain.std()) / len(gain) ** 0.5
    return Imposed(name, len(gain), float(gain.mean()), error)

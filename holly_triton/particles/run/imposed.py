"""What a symmetry that was imposed does to the particles that were held out: the same run is made without it.

A symmetric cloud has fewer free points, each of which more localisations determine. Where the structure has the symmetry,
held-out particles are therefore as likely under it or likelier; where it has not, they are less likely. Both clouds are made
from the same training particles with the same settings, and poses are searched under both in the same way. A particle may
have any orientation: its likelihood is summed over them. That of the best alone would favour the cloud without the symmetry, of
which it may take the best of several unequal images.
"""

import dataclasses
from collections.abc import Callable

from holly_triton.core.progress import following
from holly_triton.io.metrics import Imposed
from holly_triton.particles.spatial.train import SpatialTrainer

from .classes import continues_classes
from .run import Run
from .symmetries import held_out_particles, mean_gain
from .trainers import trainer_for


def compare_imposed(run: Run, should_stop: Callable[[], bool]) -> Imposed:
    """Compare a finished run with the same one without its symmetry.

    Args:
        run: With a symmetry. Without held-out particles nothing is compared, nor is a structure that goes on from a classification,
            whose clouds have the symmetry.
        should_stop: Whether to leave the comparison out, asked before each step.
    """
    name, others = run.config.symmetry or "", held_out_particles(run)
    if others is None or not isinstance(run.trainer, SpatialTrainer) or continues_classes(run):
        return Imposed(name)
    trainer = trainer_for(dataclasses.replace(run.config, symmetry=None), run.pictures.training)
    assert isinstance(trainer, SpatialTrainer)
    # The poses of the training particles at the end of the run are not needed.
    for _, _ in zip(following(range(trainer.plan.steps)), trainer.run(), strict=False):
        if should_stop():
            return Imposed(name)
    free, imposed = (one.search(others).log_likelihood.double() for one in (trainer, run.trainer))
    gain, error = mean_gain(imposed - free)
    return Imposed(name, len(free), gain, error, run.trainer.particles.seen)

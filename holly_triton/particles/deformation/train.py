"""The fit of a deformation: expectation-maximisation over amplitudes and weighed poses.

Particle i is a rigid motion of ``P + a_i W``. The amplitudes are standard normal variables, so that the size of the field W is
their standard deviation in nm, and both are found at once. A step takes some particles, weighs poses and amplitudes of each,
and moves points, blur, background and field along the gradient of the expected log-likelihood. That is probabilistic principal
component analysis (Tipping and Bishop 1999) of shapes which are seen through their localisations.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.particles.classes.score import Preference, preference
from holly_triton.particles.classes.split import pulls_of
from holly_triton.particles.spatial.mixture import Model, Padded, expected
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.plan import Stage
from holly_triton.particles.spatial.poses import Kept
from holly_triton.particles.spatial.search import Found, find_poses
from holly_triton.particles.spatial.several import SeveralTrainer
from holly_triton.particles.spatial.train import SpatialTrainer

from .config import Deforming
from .field import Fields
from .posterior import Flexed, flex
from .state import DeformationState


class Amplitudes(NamedTuple):
    """Of B particles that no cloud was made from."""

    mean: Tensor  # [B], standardised
    deviation: Tensor  # [B]
    preferred: Preference


def first_state(structure: SpatialTrainer, settings: Deforming, generator: torch.Generator) -> DeformationState:
    """The initial state: the field along which the particles pull a finished structure apart most.

    The gradients of the log-likelihoods of the particles with respect to the points, as sums of the fields, have a direction
    of largest variance, which is the first field.
    """
    plan, fields, device = structure.plan, fields_of(structure, settings), structure.state.points.device
    some = torch.randperm(len(structure.particles), generator=generator, device=device)[: settings.divided]
    pulls = pulls_of(structure, some, settings.split_blur * plan.gyration_nm, generator)
    each = torch.stack([fields.gradient(one.view(-1, 3)) for one in pulls]).flatten(1)
    direction = torch.linalg.svd(each - each.mean(dim=0), full_matrices=False).Vh[0].view(-1, 3)
    size = fields.displacements(direction).square().sum(dim=1).mean().sqrt()
    first = direction * (settings.spread_start * plan.gyration_nm / size)
    return DeformationState.fresh(structure.state, settings.poses, first, generator)


def fields_of(structure: SpatialTrainer, settings: Deforming) -> Fields:
    """The fields of a finished structure."""
    return Fields(structure.state.points, settings.degree, structure.group)


class DeformationTrainer(SeveralTrainer):
    """Fits the deformation of a finished run."""

    state: DeformationState
    settings: Deforming
    moving, comparing = "deform", "amplitudes"
    remedy = "the deformation; leave --deformation out"

    def __init__(self, structure: SpatialTrainer, settings: Deforming, state: DeformationState) -> None:
        """Set up the optimisers and the random generator as ``state`` left them."""
        super().__init__(structure.plan, structure.particles, state, structure.state.points.device)
        self.settings = settings
        self.fields = fields_of(structure, settings)
        optimiser = self.plan.config.optimiser
        self.optimiser = torch.optim.Adam([state.coefficients], betas=(optimiser.momentum, optimiser.second_moment))
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)

    def step(self, stage: Stage) -> Tensor:
        """One batch of particles ``[B]``, whose numbers are returned."""
        return self._move(stage) if stage.name == self.moving else self._compare(stage)

    def save(self) -> None:
        """Leave the random generator and the optimisers in the state."""
        super().save()
        self.state.optimiser = self.optimiser.state_dict()

    def figures_of_step(self) -> dict[str, float]:
        """The standard deviation of the amplitudes."""
        return {"spread_nm": self.spread_nm}

    @property
    def sign(self) -> float:
        """1 or -1: with it a positive amplitude moves the points outwards on the whole."""
        outwards = float((self.fields.displacements(self.state.coefficients) * self.state.points).sum())
        return 1.0 if outwards >= 0 else -1.0

    @property
    def field(self) -> Tensor:
        """Displacements of the points ``[N, 3]``, nm, at one standard deviation of the amplitude; outwards on the whole."""
        return self.sign * self.fields.displacements(self.state.coefficients)

    @property
    def spread_nm(self) -> float:
        """Standard deviation of the amplitudes: root-mean-square displacement of the points."""
        return float(self.field.square().sum(dim=1).mean().sqrt())

    def models(self, sigma_nm: float) -> list[Model]:
        """The structure that deforms and the rigid one, blurred by a further ``sigma_nm``."""
        first, second = (trainer.state.model(sigma_nm) for trainer in self.clouds)
        return [first._replace(field=self.fields.displacements(self.state.coefficients)), second]

    @torch.no_grad()
    def score(self, particles: Particles) -> Amplitudes:
        """Other particles under the final clouds, their poses searched without initial ones."""
        particles = particles.to(self.state.points.device)
        plan, effort = self.plan, self.plan.settings.last
        models, parts = self.models(plan.at(plan.steps).sigma_nm), []
        for index in torch.split(particles.by_size, plan.batch):
            found = []
            for model in models:
                generator = torch.Generator(index.device).manual_seed(plan.config.seed)
                found.append(find_poses(plan, model, particles, index, effort, generator))
            known, data = [one.poses for one in found], found[0].data
            amplitude = torch.zeros(len(index), 1, device=index.device)
            parts.append((*self._compared(models, data, known, amplitude), data.mask.sum(dim=1)))
        place = particles.by_size.argsort()
        flexed, likelihood, counts = zip(*parts, strict=True)
        mean, deviation = (torch.cat(rows)[place] for rows in zip(*(one[0].moments() for one in flexed), strict=True))
        likely, count = torch.cat(likelihood)[place], torch.cat(counts)[place]
        return Amplitudes(mean, deviation, preference(likely, likely.new_ones(1), count))

    def _move(self, stage: Stage) -> Tensor:
        """One batch of particles ``[B]``: its poses and amplitudes under both clouds, and a step of these."""
        settings, plan = self.settings, self.plan
        index = self.clouds[0].state.next_batch(plan.batch, self.generator)
        data = self.particles.batch(index, plan.settings.search.localisations, self.generator).padded
        for trainer, model in zip(self.clouds, self.models(stage.sigma_nm), strict=True):
            poses = self._known(trainer, index)
            found = flex(model, data, poses, self.state.amplitudes[index], settings, settings.climbs)
            self._keep(trainer, index, data, found)
            step = expected(model, data, found.pairs(settings.least_weight))
            count = data.mask.sum()
            if model.field is not None:
                self.state.coefficients.grad = -self.fields.gradient(step.field) / count
                rate = plan.config.optimiser.point_rate * stage.rate * float(model.variance.sqrt())
                self.optimiser.param_groups[0]["lr"] = rate
                self.optimiser.step()
            trainer.descend(stage, model, step, count)
            trainer.settle(step)
        self._standardise()
        return index

    def _standardise(self) -> None:
        """Put the variance of the amplitudes into the field, towards which gradients alone would move it slowly.

        As in parameter-expanded expectation-maximisation (Liu, Rubin and Wu 1998).
        """
        state = self.state
        size = (state.mean.square() + state.deviation.square()).mean().sqrt()
        state.coefficients *= size
        for amplitudes in (state.amplitudes, state.mean, state.deviation):
            amplitudes /= size

    def _compare(self, stage: Stage) -> Tensor:
        """One batch of particles ``[B]`` under both clouds, which are held."""
        index = self.compared()
        data = self.particles.batch(index, self.plan.settings.last.localisations, self.generator).padded
        known = [self._known(trainer, index) for trainer in self.clouds]
        amplitude = self.state.amplitudes[index, :1]
        found, _ = self._compared(self.models(stage.sigma_nm), data, known, amplitude)
        for trainer, one in zip(self.clouds, found, strict=True):
            self._keep(trainer, index, data, one)
        return index

    def _compared(
        self, models: list[Model], data: Padded, known: list[Kept], amplitude: Tensor
    ) -> tuple[list[Flexed], Tensor]:
        """Particles under both clouds, each from the best poses under any of them, and their log-likelihoods ``[B, 2]``."""
        settings, kept = self.settings, self.settings.poses
        joined = known[0].best(kept).joined(known[1].best(kept))
        amplitude = amplitude.expand_as(joined.score)
        found = [flex(model, data, joined, amplitude, settings, settings.last_climbs) for model in models]
        group = self.clouds[0].group
        return found, torch.stack([Found(one.poses, data, group).log_likelihood for one in found], dim=1)

    @staticmethod
    def _known(trainer: SpatialTrainer, index: Tensor) -> Kept:
        state = trainer.state
        return Kept(state.rotations[index], state.shifts[index], state.scores[index])

    def _keep(self, trainer: SpatialTrainer, index: Tensor, data: Padded, found: Flexed) -> None:
        kept = self.state.amplitudes.shape[1]
        trainer.keep(index, Found(found.poses.best(kept), data, trainer.group))
        if trainer is self.clouds[0]:
            self.state.amplitudes[index] = found.amplitude[:, :kept]
            self.state.mean[index], self.state.deviation[index] = found.moments()

    def loss_of(self, index: Tensor) -> float:
        """The loss of some particles ``[B]``: the geometric mean of theirs."""
        return float(self.clouds[0].state.loss[index].log().mean().exp())

"""The classification: expectation-maximisation over structures and weighed poses.

Each structure is a cloud with a blur and a background of its own, and all start as the consensus. A step takes some particles
and weighs poses of each under every cloud; the sum of their likelihoods, times the structure's share, is the structure's
weight for that particle. Each cloud then follows the gradient of its particles by that weight. The clouds are blurred by a
sigma that falls.
"""

import torch
from torch import Tensor

from holly_triton.particles.spatial.mixture import Model
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.plan import Plan, Stage
from holly_triton.particles.spatial.poses import Kept
from holly_triton.particles.spatial.several import SeveralTrainer

from .config import Classes
from .score import Compared, Preference, compare, preference, probabilities
from .state import ClassState

LARGEST_SEED = 2**31
"""Of a step's random choices, which every cloud makes alike."""


class ClassTrainer(SeveralTrainer):
    """Classifies the particles of a consensus run."""

    state: ClassState
    settings: Classes
    moving, comparing = "classify", "compare"
    remedy = "the classification; go on with fewer --structures"

    def __init__(self, plan: Plan, particles: Particles, state: ClassState, device: torch.device) -> None:
        """Set up the optimisers and the random generator as ``state`` left them."""
        super().__init__(plan, particles, state, device)
        self.settings = plan.config.classes

    def step(self, stage: Stage) -> Tensor:
        """One batch of particles ``[B]``, whose numbers are returned."""
        seed = int(torch.randint(LARGEST_SEED, (), generator=self.generator, device=self.generator.device))
        return self._move(stage, seed) if stage.name == self.moving else self._compare(seed)

    def figures_of_step(self) -> dict[str, float]:
        """The shares of the structures."""
        return {f"share_{k + 1}": share for k, share in enumerate(self.state.share.tolist())}

    @property
    def models(self) -> list[Model]:
        """The clouds at the end, as densities: the K structures and the control."""
        return [trainer.final_model for trainer in self.clouds]

    @torch.no_grad()
    def score(self, particles: Particles) -> tuple[Tensor, Preference]:
        """Other particles under the final clouds, their poses searched without initial ones.

        Returns:
            The probability of each structure for each particle ``[B, K]``, and which number of structures they prefer.
        """
        particles = particles.to(self.state.points.device)
        parts = [
            compare(self.plan, self.models, particles, index, self.plan.config.seed)
            for index in torch.split(particles.by_size, self.plan.batch)
        ]
        place = particles.by_size.argsort()
        likelihood = torch.cat([part.log_likelihood for part in parts])[place]
        counts = torch.cat([part.localisations for part in parts])[place]
        share = self.state.share
        return probabilities(likelihood[:, :-1], share), preference(likelihood, share, counts)

    def _move(self, stage: Stage, seed: int) -> Tensor:
        """One batch of particles ``[B]``: its poses under every cloud, their weights, and a step of the clouds."""
        state = self.state
        index = self.clouds[-1].state.next_batch(self.plan.batch, self.generator)
        found = []
        for trainer in self.clouds:
            trainer.generator.manual_seed(seed)  # the same localisations are compared
            found.append(trainer.find(stage, index, self.settings.search))
        settings = self.settings
        epoch = self.plan.particles / self.plan.batch
        if state.step >= max(epoch, settings.held * settings.steps):
            likelihood = torch.stack([one.log_likelihood for one in found[:-1]], dim=1)
            state.weight[index] = probabilities(likelihood, state.share)
            state.share += self.settings.share_rate * (state.weight[index].mean(dim=0) - state.share)
        relocates = state.step % settings.relocate_every == 0 and state.step < settings.relocate_to * settings.steps
        every = torch.ones(len(index), 1, device=index.device)
        for trainer, one, part in zip(
            self.clouds, found, torch.cat([state.weight[index], every], dim=1).T, strict=True
        ):
            trainer.move(stage, one, part, relocates=relocates)
        return index

    def _compare(self, seed: int) -> Tensor:
        """One batch of particles ``[B]`` under the clouds, which are held; at the end the shares are those of all particles."""
        state, index = self.state, self.compared()
        clouds = [trainer.state for trainer in self.clouds]
        known = [Kept(one.rotations[index], one.shifts[index], one.scores[index]) for one in clouds]
        compared = compare(self.plan, self.models, self.particles, index, seed, known)
        state.weight[index] = probabilities(compared.log_likelihood[:, :-1], state.share)
        self._keep(index, compared)
        if state.step + 1 == self.total_steps:
            state.share = state.weight.mean(dim=0)
        return index

    def _keep(self, index: Tensor, compared: Compared) -> None:
        for trainer, found in zip(self.clouds, compared.found, strict=True):
            trainer.keep(index, found)

    def loss_of(self, index: Tensor) -> float:
        """The loss of some particles ``[B]``: the geometric mean of theirs, each under its likeliest structure."""
        each = torch.stack([trainer.state.loss[index] for trainer in self.clouds[:-1]], dim=1)
        return float(each.gather(1, self.state.weight[index].argmax(dim=1)[:, None]).log().mean().exp())

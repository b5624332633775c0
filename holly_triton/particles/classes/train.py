"""The classification: expectation-maximisation over structures and weighed poses.

Each structure is a cloud with a blur and a background of its own, and all start as the consensus. A step takes some particles
and weighs poses of each under every cloud; the sum of their likelihoods, times the structure's share, is the structure's
weight for that particle. Each cloud then follows the gradient of its particles by that weight. The clouds are blurred by a
sigma that falls.
"""

import math
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.particles.cloud.train import RECORDS, Progress
from holly_triton.particles.spatial.mixture import Model
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.plan import Plan, Stage
from holly_triton.particles.spatial.poses import Kept
from holly_triton.particles.spatial.train import SpatialTrainer

from .config import Classes
from .score import Compared, Preference, compare, preference, probabilities
from .state import ClassState

LARGEST_SEED = 2**31
"""Of a step's random choices, which every cloud makes alike."""


class ClassTrainer:
    """Classifies the particles of a consensus run from any state; between two steps ``state`` is complete."""

    def __init__(self, plan: Plan, particles: Particles, state: ClassState, device: torch.device) -> None:
        """Set up the optimisers and the random generator as ``state`` left them."""
        self.plan, self.state = plan, state
        self.clouds = [SpatialTrainer(plan, particles, cloud, device) for cloud in state.clouds]
        self.particles = self.clouds[0].particles
        self.generator = torch.Generator(device)
        self.generator.set_state(state.generator)

    @property
    def settings(self) -> Classes:
        """Those of the classification."""
        return self.plan.config.classes

    @property
    def total_steps(self) -> int:
        """All steps: at the end every particle is compared with all clouds once more, which are held."""
        return self.settings.steps + math.ceil(self.plan.particles / self.plan.batch)

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.state.step >= self.total_steps

    def at(self, step: int) -> Stage:
        """The lengths of a step."""
        settings, done = self.settings, step / self.settings.steps
        end = self.plan.settings.sigma_end
        sigma = (
            self.plan.gyration_nm
            * settings.sigma_start
            * (end / settings.sigma_start) ** min(1.0, done / settings.annealed)
        )
        rate = min(1.0, (1 - done) / (1 - settings.slowing))
        name = "classify" if step < settings.steps else "compare"
        return Stage(name, sigma, everywhere=False, rate=rate)

    @torch.no_grad()
    def run(self) -> Iterator[Progress]:
        """Step to the end, with the progress after each step; a loop that is left between two steps can be continued later."""
        state = self.state
        while not self.finished:
            began = time.perf_counter()
            stage = self.at(state.step)
            seed = int(torch.randint(LARGEST_SEED, (), generator=self.generator, device=self.generator.device))
            index = self._move(stage, seed) if stage.name == "classify" else self._compare(seed)
            loss = self._read(index)
            state.step += 1
            state.seconds += time.perf_counter() - began
            state.generator = self.generator.get_state()
            for trainer in self.clouds:
                trainer.state.optimiser = trainer.optimiser.state_dict()
            if state.step % max(1, self.total_steps // RECORDS) == 0 or self.finished:
                shares = {f"share_{k + 1}": share for k, share in enumerate(state.share.tolist())}
                state.history.append({"step": state.step, "sigma_nm": stage.sigma_nm, "loss": loss, **shares})
            yield Progress(stage.name, state.step, self.total_steps, stage.sigma_nm, loss)

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
        state, start = self.state, self.plan.batch * (self.state.step - self.settings.steps)
        index = self.particles.by_size[start : start + self.plan.batch]
        clouds = [trainer.state for trainer in self.clouds]
        known = [Kept(one.rotations[index], one.shifts[index], one.scores[index]) for one in clouds]
        compared = compare(self.plan, self.models, self.particles, index, seed, known)
        state.weight[index] = probabilities(compared.log_likelihood[:, :-1], state.share)
        self._keep(index, compared)
        if start + self.plan.batch >= self.plan.particles:
            state.share = state.weight.mean(dim=0)
        return index

    def _keep(self, index: Tensor, compared: Compared) -> None:
        for trainer, found in zip(self.clouds, compared.found, strict=True):
            trainer.keep(index, found)

    def _read(self, index: Tensor) -> float:
        """The loss of some particles ``[B]``: the geometric mean of theirs, each under its likeliest structure."""
        each = torch.stack([trainer.state.loss[index] for trainer in self.clouds[:-1]], dim=1)
        loss = float(each.gather(1, self.state.weight[index].argmax(dim=1)[:, None]).log().mean().exp())
        if not math.isfinite(loss):
            raise HollyError(
                f"{self.particles.data.source}: the likelihood of a particle is not finite at step {self.state.step} of the "
                "classification; go on with fewer --structures"
            )
        return loss

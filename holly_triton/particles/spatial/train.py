"""The reconstruction from 3D localisations: expectation-maximisation over weighed poses.

Each step takes some particles, weighs poses of each by the likelihood of its localisations under the present cloud, and moves
points, blur and background along the gradient of the expected log-likelihood. The cloud is blurred by a sigma that falls, so
that poses can't lock onto detail too early.
"""

import math
import time
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.progress import following
from holly_triton.geometry import Grid
from holly_triton.io.channels import PointChannels
from holly_triton.kernels import splat
from holly_triton.particles.cloud.train import FRAME_POINTS, FRAMES, RECORDS, SAMPLE, Progress
from holly_triton.particles.data import Localisations
from holly_triton.particles.starts import choose_start

from .config import PoseEffort
from .mixture import Expected, Model, expected
from .number import Posed, compare, take_up_
from .particles import Particles
from .plan import MOVING, Plan, Stage
from .poses import Chosen, Kept, exact
from .relocation import relocated
from .search import Found, find_poses, sample_poses
from .state import LARGEST_AXIAL, LEAST_AXIAL, SpatialState
from .symmetry import folded, spread_, unit_of

DRAWN = 128
"""Pixels a side of the reprojections that the report shows."""


class View(NamedTuple):
    """How reprojections are drawn."""

    sigma_nm: float
    grid: Grid


class Searched(NamedTuple):
    """Result of a search for the poses of P particles."""

    poses: Chosen
    unexplained: Tensor  # [P]: share of the localisations in the background
    log_likelihood: Tensor  # [P]: of a localisation, the mean, where the particle may have any of its orientations


class SpatialTrainer:
    """Carries out a plan on 3D particles from any state; between two steps ``state`` is complete."""

    def __init__(self, plan: Plan, particles: Particles, state: SpatialState, device: torch.device) -> None:
        """Set up the optimiser and the random generator as ``state`` left them."""
        self.plan, self.particles, self.state = plan, particles.to(device), state
        self.generator = torch.Generator(device)
        self.generator.set_state(state.generator)
        self.group = plan.group.to(device)
        self._set_up()

    def _set_up(self) -> None:
        """The tensors that are fitted, and their optimiser, as the state left it."""
        state, optimiser = self.state, self.plan.config.optimiser
        self.unit = unit_of(state.points, self.group)
        self.fitted = [self.unit, state.log_blur, state.background]
        if self.particles.axial_unknown:
            self.fitted.append(state.log_axial)
        rates = (optimiser.point_rate, *[optimiser.blur_rate] * (len(self.fitted) - 1))
        groups = [{"params": [tensor], "lr": rate} for tensor, rate in zip(self.fitted, rates, strict=True)]
        self.optimiser = torch.optim.Adam(groups, betas=(optimiser.momentum, optimiser.second_moment))
        if state.optimiser:
            self.optimiser.load_state_dict(state.optimiser)

    @property
    def draws(self) -> bool:
        """Whether poses are drawn while the cloud moves."""
        return self.plan.power is not None and self.state.draws

    @property
    def dataset(self) -> Localisations:
        """The particles as read."""
        return self.particles.data

    @property
    def channels(self) -> PointChannels | None:
        """The channel of each point; None where there is one."""
        names = self.particles.channels
        return PointChannels.of_sizes(self.state.sizes, names) if names else None

    def run(self) -> Iterator[Progress]:
        """Step to the end, with the progress after each step; a loop that is left between two steps can be continued later."""
        if self.plan.config.symmetry is not None and self.state.step == 0:
            yield from self._choose_start()
        self.state.starts = []  # those of a run that was resumed with settings that choose none
        yield from self._steps(self.plan.total_steps)

    def _choose_start(self) -> Iterator[Progress]:
        """Begin several times, from other random clouds, and take up the one under which the data are likeliest."""
        settings, device = self.plan.settings, self.state.points.device
        end = max(1, round(settings.chosen_after * self.plan.steps))

        def begin(number: int) -> SpatialState:
            generator = torch.Generator(device).manual_seed(self.plan.config.seed + number)
            return SpatialState.fresh(self.plan, self.state.sizes, generator)

        def steps(state: SpatialState) -> Iterator[Progress]:
            return SpatialTrainer(self.plan, self.particles, state, device)._steps(end)

        yield from choose_start(self.state, settings.starts, begin, steps)
        self.generator.set_state(self.state.generator)
        self._set_up()

    def _steps(self, end: int) -> Iterator[Progress]:
        state = self.state
        while state.step < end:
            began = time.perf_counter()
            stage = self.plan.at(state.step)
            index = self._step(stage)
            loss = self._read(index)
            state.step += 1
            state.seconds += time.perf_counter() - began
            state.optimiser, state.generator = self.optimiser.state_dict(), self.generator.get_state()
            if stage.name != "number":  # of clouds among which one is chosen
                self._record(stage, loss)
            yield Progress(stage.name, state.step, self.plan.total_steps, stage.sigma_nm, loss)

    @property
    def poses(self) -> Chosen:
        """The most likely pose of every particle."""
        state = self.state
        return Chosen(state.rotation, state.shifts[:, 0] + self.particles.middle, state.loss, state.entropy)

    @property
    def final_stage(self) -> View:
        """Grid and sigma of the reprojections."""
        grid = Grid(DRAWN, self.plan.field_nm)
        return View(self.plan.config.schedule.sigma_end * grid.field_nm, grid)

    @property
    def final_model(self) -> Model:
        """The cloud as a density at the end of the run."""
        return self.state.model(self.plan.at(self.plan.steps).sigma_nm)

    @torch.no_grad()
    def reproject(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Particles ``[B, S, S]`` as seen along the microscope's z, and the structure drawn in the poses found for them."""
        stage, state, poses = self.final_stage, self.state, self.poses
        px, width = stage.grid.to_pixels, state.width(stage.sigma_nm)
        drawn = splat(px(state.points), poses.rotation[index], px(poses.shift[index, :2]), px(width), stage.grid.shape)
        return self.dataset.draw(index, stage.grid, stage.sigma_nm), drawn

    @torch.no_grad()
    def losses_of(self, points: Tensor) -> tuple[float, float]:
        """The loss over some particles in their poses, with these points ``[M, 3]``, nm, in place of the structure, twice.

        The trainer of pictures returns the objective of its steps and the loss of its reports, which here are one.
        """
        index = torch.linspace(0, len(self.particles) - 1, min(SAMPLE, len(self.particles))).long().to(points.device)
        data = self.particles.batch(index, self.plan.settings.last.localisations, self.sampler()).padded
        poses = Kept(self.state.rotations[index, :1], self.state.shifts[index, :1], self.state.scores[index, :1])
        score = exact(self.model_of(points), data, poses).score
        loss = float(score.sum().div(-data.mask.sum()).exp())
        return loss, loss

    def model_of(self, points: Tensor) -> Model:
        """The final cloud with these points ``[M, 3]``, nm, of any number, in place of its own, in the order of their channels."""
        model = self.final_model._replace(points=points)
        ends = [round(end * len(points) / len(self.state.points)) for end in accumulate(model.sizes)]
        return model._replace(sizes=tuple(end - start for start, end in pairwise([0, *ends])))

    @torch.no_grad()
    def search(self, particles: Particles) -> Searched:
        """Poses of P other particles, or of the same ones, from a search without initial poses, under the final cloud."""
        generator, chosen, unexplained, likelihood = self.sampler(), [], [], []
        for index in following(torch.split(particles.by_size, self.plan.settings.batch)):
            found = self.find_afresh(particles, index, generator)
            poses = found.poses
            chosen.append(
                Chosen(poses.rotation[:, 0], poses.shift[:, 0] + particles.middle[index], found.loss, found.entropy)
            )
            unexplained.append(found.unexplained(self.final_model))
            likelihood.append(found.mean_log_likelihood)
        # From the order in which they were searched to that of the particles.
        place = particles.by_size.argsort()
        joined = Chosen(*(torch.cat(rows)[place] for rows in zip(*chosen, strict=True)))
        return Searched(joined, torch.cat(unexplained)[place], torch.cat(likelihood)[place])

    @torch.no_grad()
    def find_afresh(self, particles: Particles, index: Tensor, generator: torch.Generator | None = None) -> Found:
        """Poses of some particles ``[B]``, which need not be the run's, under the final cloud, by its sampler if none is given."""
        return find_poses(
            self.plan, self.final_model, particles, index, self.plan.settings.last, generator or self.sampler()
        )

    def sampler(self) -> torch.Generator:
        """Random choices apart from those of the run, the same ones every time."""
        return torch.Generator(self.state.points.device).manual_seed(self.plan.config.seed)

    def _step(self, stage: Stage) -> Tensor:
        """One batch of particles ``[B]``: their poses and, until the last stage, the cloud."""
        state, plan = self.state, self.plan
        if stage.name == "number":
            return self._count(stage)
        last = stage.name == "poses"
        if last:
            start = plan.batch * (state.step - plan.moving_steps)
            index = self.particles.by_size[start : start + plan.batch]
        else:
            index = state.next_batch(plan.batch, self.generator)
        state.seen += len(index)
        found = self.find(stage, index, plan.settings.last if last else plan.settings.search)
        if not last:
            self.move(stage, found, torch.ones_like(found.loss), relocates=plan.relocates(state.step))
        return index

    def _count(self, stage: Stage) -> Tensor:
        """Compare one number of points with those before, by some particles ``[B]``, and take up the chosen one in the end."""
        state, plan = self.state, self.plan
        index, posed = self._posed
        done = state.step - plan.steps
        each = compare(state, posed, plan.numbers[done], stage.sigma_nm, plan.settings.counting)
        state.loss[index] = (-each / posed.data.mask.sum(dim=1)).exp().float()
        if state.number["ended"] or done + 1 == len(plan.numbers):
            take_up_(state)
            state.optimiser = {}  # of points that are no more
            self._set_up()
            state.step = plan.moving_steps - 1
        return index

    @cached_property
    def _posed(self) -> tuple[Tensor, Posed]:
        """Some particles ``[B]``, evenly spaced, in the poses of the end of the steps, weighed by the cloud of then."""
        state, settings = self.state, self.plan.settings
        known = state.loss.isfinite().nonzero().flatten()  # particles that a step has taken
        some = torch.linspace(0, len(known) - 1, min(settings.counting.particles, len(known))).long()
        index = known[some.to(known.device)]
        data = self.particles.batch(index, settings.counting.localisations, self.sampler()).padded
        poses = Kept(state.rotations[index], state.shifts[index], state.scores[index])
        if not state.number:
            poses = exact(self.final_model, data, poses)
            state.rotations[index], state.shifts[index], state.scores[index] = poses
        found = Found(poses, data, self.group, drawn=self.draws)
        return index, Posed(data, found.weighed(settings.least_weight))

    def find(self, stage: Stage, index: Tensor, effort: PoseEffort) -> Found:
        """Search the poses of some particles ``[B]`` under the present cloud, on from those that are known, and keep them.

        Those of few labels are drawn anew while the cloud of one structure moves; classification and deformation take the best.
        """
        state, plan = self.state, self.plan
        model = state.model(stage.sigma_nm)
        if self.draws and stage.name in MOVING:
            found = sample_poses(plan, model, self.particles, index, self.generator, refined=not stage.everywhere)
        else:
            known = Kept(state.rotations[index], state.shifts[index], state.scores[index])
            found = find_poses(
                plan, model, self.particles, index, effort, self.generator, known=known, everywhere=stage.everywhere
            )
        self.keep(index, found)
        return found

    def keep(self, index: Tensor, found: Found) -> None:
        """Take up poses of some particles ``[B]``."""
        state = self.state
        state.rotations[index], state.shifts[index], state.scores[index] = found.poses
        state.loss[index], state.entropy[index] = found.loss, found.entropy

    def move(self, stage: Stage, found: Found, part: Tensor, *, relocates: bool) -> None:
        """Move points, blur and background along the gradient of the expected log-likelihood of some particles.

        ``part`` ``[B]`` is the weight of each particle. With ``relocates`` points that explain little are moved too, by those
        particles that count for the most part.
        """
        state, settings = self.state, self.plan.settings
        model = state.model(stage.sigma_nm)
        poses = found.weighed(settings.least_weight, part)
        if not len(poses.weight):  # these particles are of another structure
            return
        step = expected(model, found.data, poses)
        self.descend(stage, model, step, (found.data.mask.sum(dim=1) * part).sum())
        if relocates and (mostly := part > 0.5).any():
            self._relocate(model, step, found.select(mostly))
        self.settle(step)

    def descend(self, stage: Stage, model: Model, step: Expected, count: Tensor) -> None:
        """A step of points, blur and background along a gradient over ``count`` localisations."""
        blur, axial = self.state.blur_gradients(step, model)
        points = folded(step.points, self.group)
        # The last is fitted, or not, by ``_set_up``.
        for tensor, gradient in zip(self.fitted, (points, blur, step.share, axial), strict=False):
            tensor.grad = -gradient / count
        optimiser = self.plan.config.optimiser
        self.optimiser.param_groups[0]["lr"] = optimiser.point_rate * stage.rate * float(model.variance.sqrt())
        self.optimiser.step()
        self.state.log_axial.clamp_(LEAST_AXIAL, LARGEST_AXIAL)

    def settle(self, step: Expected) -> None:
        """What follows each step: the images of the points, their centre and the width of the background."""
        state = self.state
        spread_(state.points, self.group)
        state.points -= state.points.mean(dim=0)
        # A running mean, of which each step is a small part: a step alone has few localisations in the background.
        fresh = (step.squares / step.background.clamp(min=1)) / 3
        state.spread += self.plan.settings.spread_rate * (fresh - state.spread)

    def _relocate(self, model: Model, step: Expected, found: Found) -> None:
        """Move points that explain little, which start again at rest."""
        settings = self.plan.settings
        sigma = math.sqrt(float(model.variance) + self.plan.variance)
        moments = self.optimiser.state[self.unit]
        first = 0
        for channel, whole in enumerate(model.of_channels):
            points = unit_of(whole, self.group)
            most = max(1, int(settings.relocated * len(points)))
            # Of a point of the unit and its images: the mean.
            load = step.load[first : first + len(whole)].view(len(self.group), -1).mean(0)
            places = found.unexplained_places(model, channel)
            moved = relocated(points, load, places, sigma, settings.idle, most, self.generator)
            self.state.points[first + moved.points] = moved.places
            for moment in ("exp_avg", "exp_avg_sq"):
                moments[moment][first + moved.points] = 0
            first += len(whole)

    def _read(self, index: Tensor) -> float:
        """The loss of some particles ``[B]``: the geometric mean of theirs."""
        state = self.state
        loss = float(state.loss[index].log().mean().exp())
        if not math.isfinite(loss):
            name = self.dataset.names[int(index[~torch.isfinite(state.loss[index])][0])]
            raise HollyError(
                f"{self.dataset.source}: the likelihood of particle {name} is not finite at step {state.step}; "
                "check the values of that particle, or leave it out"
            )
        return loss

    def _record(self, stage: Stage, loss: float) -> None:
        state, total = self.state, self.plan.total_steps
        ends = state.step == total
        if state.step % max(1, total // RECORDS) == 0 or ends:
            state.history.append(
                {"step": state.step, "seconds": state.seconds, "sigma_nm": stage.sigma_nm, "size": DRAWN,
                 "loss": loss, "blur_nm": state.blur_nm(), "background": float(state.background.sigmoid())}
            )  # fmt: skip
        if state.step % max(1, total // FRAMES) == 0 or ends:
            some = state.points[:: -(-len(state.points) // FRAME_POINTS)].cpu().clone()
            if state.growth:  # all frames have as many points, of which some are drawn twice where there are fewer now
                some = some[torch.arange(len(state.growth[0]["points"])) % len(some)]
            state.growth.append({"step": state.step, "sigma_nm": stage.sigma_nm, "points": some})

"""The coarse-to-fine schedule of a run on 3D localisations: the lengths of each step, which follow from the data."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from holly_triton.particles.config import DEFAULT_POINTS, Config
from holly_triton.particles.sparse.choice import has_few_labels, power_of

from .config import Spatial
from .labels import Blinks
from .particles import Particles
from .poses import Reach
from .symmetry import rotations_of

MARGIN = 1.15
"""Half the side of the grid of the log-density, in units of the distance that holds nearly all localisations."""


MOVING = ("search", "refine")
"""Names of the steps in which the cloud moves."""


class Stage(NamedTuple):
    """The lengths of one step."""

    name: str  # one of MOVING, "number" or "poses"
    sigma_nm: float  # blur of the points in addition to their own
    everywhere: bool  # whether candidates come from all of SO(3) too
    rate: float  # factor on the length of the points' step


def are_of_few_labels(config: Config, particles: Particles) -> bool:
    """Whether the poses of particles are drawn."""
    sparse = config.sparse
    return has_few_labels(particles.counts, config.points or 0, sparse, sparse.least_dispersion_in_space)


def by_label(config: Config, particles: Particles) -> Particles:
    """The particles with the localisations of a label merged, where labels are few; else as they are."""
    if float(particles.counts.double().median()) > config.sparse.most_repeated:
        return particles
    merged = particles.by_label()
    return merged if any(are_of_few_labels(config, some) for some in (particles, merged)) else particles


@dataclass(frozen=True)
class Plan:
    """The scales of one data set and the run's settings, which together determine the stage of every step."""

    config: Config
    particles: int
    gyration_nm: float
    half_nm: float  # of the grid of the log-density
    field_nm: float  # of the reprojections
    variance: float  # of a typical localisation, nm^2, mean over the axes
    localisations: float  # of a particle, mean
    fewest: int  # points
    power: float | None  # of the likelihood by which poses are drawn; None where the best ones are taken
    blinks: Blinks | None  # as ``Particles`` has them

    @staticmethod
    def of(config: Config, particles: Particles) -> "Plan":
        """The plan for some particles."""
        few = particles.blinks is not None or are_of_few_labels(config, particles)
        return Plan(
            config, len(particles), particles.gyration_nm(), MARGIN * particles.reach_nm(),
            config.schedule.field_of_view * particles.data.radius_nm, particles.typical_variance,
            float(particles.counts.double().mean()), DEFAULT_POINTS.fewest_of_channel * max(1, len(particles.channels)),
            power_of(particles.counts, config.sparse) if few else None, particles.blinks,
        )  # fmt: skip

    @property
    def settings(self) -> Spatial:
        """Those of this method."""
        return self.config.spatial

    @property
    def group(self) -> Tensor:
        """Rotations ``[G, 3, 3]`` of the symmetry that is imposed, on the CPU; the identity alone for none."""
        return rotations_of(self.config.symmetry)

    @property
    def batch(self) -> int:
        """Particles of a step."""
        return min(self.settings.batch, self.particles)

    @property
    def steps(self) -> int:
        """Steps in which the cloud moves."""
        return self.settings.steps

    @cached_property
    def numbers(self) -> list[int]:
        """The numbers of points that are compared after these, a step for each, the largest first; none where one was given."""
        points, fine = self.config.points, self.settings.counting.fine
        if not self.config.choose_points or points is None:
            return []
        found = [points]
        while found[-1] > self.fewest:
            found.append(max(self.fewest, found[-1] - max(1, found[-1] // fine)))
        return found

    @property
    def moving_steps(self) -> int:
        """Steps after which the cloud is held."""
        return self.steps + len(self.numbers)

    @property
    def total_steps(self) -> int:
        """All steps: at the end every particle's poses are searched once more, with the cloud held."""
        return self.moving_steps + math.ceil(self.particles / self.batch)

    @property
    def sigma_start_nm(self) -> float:
        """First blur of the points in addition to their own."""
        return self.at(0).sigma_nm

    @property
    def sigma_end_nm(self) -> float:
        """Last one."""
        return self.at(self.steps).sigma_nm

    def at(self, step: int) -> Stage:
        """The stage of a step."""
        settings, done = self.settings, step / self.steps
        part = min(1.0, done / settings.annealed)
        sigma = self.gyration_nm * settings.sigma_start * (settings.sigma_end / settings.sigma_start) ** part
        if step >= self.steps:
            return Stage("number" if step < self.moving_steps else "poses", sigma, everywhere=True, rate=0.0)
        searching = done < settings.global_search
        rate = min(1.0, (1 - done) / (1 - settings.slowing))
        return Stage("search" if searching else "refine", sigma, searching, rate)

    def relocates(self, step: int) -> bool:
        """Whether points are relocated after a step; not at first, when nothing is resolved, nor too late to converge."""
        done, every = step / self.steps, self.settings.relocate_every
        return step % every == every - 1 and self.settings.relocate_from <= done < self.settings.relocate_to

    def reach(self, sigma_nm: float) -> Reach:
        """How far poses are perturbed at first, where a localisation lies within ``sigma_nm`` of its point.

        A rotation moves a point at the radius of gyration as far as that; a centre is as uncertain as the mean of the
        particle's localisations.
        """
        settings = self.settings
        turn = max(settings.least_turn, settings.turn * sigma_nm / self.gyration_nm)
        return Reach(
            turn, settings.shift * self.gyration_nm / math.sqrt(self.localisations) + settings.shift_blur * sigma_nm
        )

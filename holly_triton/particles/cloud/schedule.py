"""The coarse-to-fine schedule: the settings of each step of a run, which follow from the extent of the data."""

import math
from dataclasses import dataclass, field, replace

from holly_triton.core.errors import HollyError
from holly_triton.geometry import Grid
from holly_triton.particles.annealed import Amortised, Direct
from holly_triton.particles.config import Config
from holly_triton.particles.data import Dataset, Localisations, Pictures
from holly_triton.particles.sparse.choice import has_few_labels

from .stage import Stage


@dataclass(frozen=True)
class Plan:
    """The scales of one data set and the run's settings, which together determine the stage of every step.

    This is the plan of pose search; ``SparsePlan`` is that of particles of few localisations, ``AnnealedPlan`` that of the
    other methods.
    """

    config: Config
    pictures: int
    gyration_nm: float  # radius of gyration of the structure, 3D
    field_nm: float
    finest_nm: float  # localisation precision: the data have no detail below this sigma
    sharpens: float = field(default=0.0, kw_only=True)  # steps at the finest of the data for each step of the polish
    even_passes: bool = field(default=True, kw_only=True)  # False for a run that an earlier version began

    @staticmethod
    def of(config: Config, dataset: Dataset) -> "Plan":
        """The plan for a data set.

        Raises:
            HollyError: The tilt is limited, which the pose method does not support.
        """
        field = config.schedule.field_of_view * dataset.radius_nm
        scales = config, len(dataset), dataset.gyration_nm, field, dataset.finest_nm
        if config.pose == "search" and is_sparse(config, dataset):
            return SparsePlan(*scales)
        if config.pose == "search":
            return Plan(*scales, sharpens=_sharpens(config, dataset))
        if config.tilt is not None:
            raise HollyError(f"--tilt {config.tilt:g}: needs --pose search; {config.pose} poses can't be limited")
        settings = config.amortised if config.pose == "amortised" else config.direct
        return AnnealedPlan(*scales, settings, stepped=isinstance(dataset, Pictures))

    @property
    def batch(self) -> int:
        """Pictures per step in which the cloud moves."""
        return self.config.schedule.batch

    @property
    def starts(self) -> int:
        """Most random starts among which one is chosen."""
        return self.config.schedule.starts

    @property
    def start_steps(self) -> int:
        """Steps of each start before they are compared."""
        return max(1, round(self.config.schedule.chosen_after * self.config.schedule.search_steps))

    @property
    def largest_tilt(self) -> float:
        """Largest tilt of the viewing direction, radians."""
        return math.pi if self.config.tilt is None else math.radians(self.config.tilt)

    @property
    def rescue_steps(self) -> int:
        """Steps between search and polish in which poses are searched again; each pass is over the worst-fitted half."""
        return self.config.schedule.rescue_passes * self._pass_steps

    @property
    def rescue_batch(self) -> int:
        """Pictures of such a step."""
        return math.ceil(self.pictures / 2 / self._pass_steps) if self.even_passes else self.config.search.dense_batch

    @property
    def _pass_steps(self) -> int:
        batches = self.pictures / 2 / self.config.search.dense_batch
        return max(1, round(batches)) if self.even_passes else math.ceil(batches)

    @property
    def sharpen_steps(self) -> int:
        """Steps of the cloud alone, after the polish."""
        return round(self.sharpens * self.config.schedule.polish_steps)

    @property
    def drawn_steps(self) -> int:
        """Steps in which the cloud follows pictures."""
        return self.config.schedule.search_steps + self.rescue_steps + self.config.schedule.polish_steps

    @property
    def steps(self) -> int:
        """Steps before the refinement of the poses, which holds the cloud."""
        return self.drawn_steps + self.sharpen_steps

    @property
    def refined_steps(self) -> int:
        """Steps before each channel gets a cloud of its own."""
        return self.steps + self.config.schedule.refine_steps

    @property
    def total_steps(self) -> int:
        """All steps."""
        return self.refined_steps + (self.config.sharpen.separating if self.config.channels == "separate" else 0)

    def relocates(self, step: int) -> bool:
        """Whether points are relocated after a step; never too late in the run for them to converge."""
        every = self.config.relocation.every
        return step % every == every - 1 and step + 2 * every < self.drawn_steps

    def holds_poses(self, step: int) -> bool:
        """Whether a step is one of the cloud alone, in the poses found."""
        sharpens = self.drawn_steps <= step < self.drawn_steps + self.sharpen_steps
        return sharpens or self.refined_steps <= step < self.total_steps

    def begins_alone(self, step: int) -> bool:
        """Whether it is the first of such steps, after the polish or after the refinement of the poses."""
        first = self.refined_steps if step >= self.refined_steps else self.drawn_steps
        return step == first and self.holds_poses(step)

    def is_limited(self, blur_nm: float) -> bool:
        """Whether the scatter of the labels limits the finest pictures, so that localisations hold more than these show."""
        finest = self.config.schedule.sharpening
        return self.searching(1.0, blur_nm, sharpened=finest).sigma_nm > finest * self.sigma_end_nm

    @property
    def sigma_end_nm(self) -> float:
        """Last sigma of the search, nm."""
        return max(self.config.schedule.sigma_end * self.field_nm, self.finest_nm)

    @property
    def sigma_start_nm(self) -> float:
        """First sigma, nm."""
        return max(self.config.schedule.sigma_start * self.gyration_nm, self.sigma_end_nm)

    def at(self, step: int, blur_nm: float) -> Stage[float]:
        """The stage of one step, given the fitted label scatter."""
        schedule = self.config.schedule
        rescued = schedule.search_steps + self.rescue_steps
        if step >= self.steps:
            return self.ending(step, blur_nm, schedule.sharpening)
        if step >= self.drawn_steps:
            rate = self.slowed(step, self.drawn_steps, self.steps)
            return self.searching(1.0, blur_nm, "sharpen", rate, schedule.sharpening)
        if step >= rescued:
            done = (step - rescued) / schedule.polish_steps
            return self.searching(1.0, blur_nm, "polish", 1 - done, schedule.sharpening ** min(1.0, 2 * done))
        if step >= schedule.search_steps:
            return self.searching(1.0, blur_nm, "rescue")
        return self.searching(step / schedule.search_steps, blur_nm)

    def ending(self, step: int, blur_nm: float, sharpened: float = 1.0) -> Stage[float]:
        """The stage of a step after those of the cloud: its poses are refined, then its channels separated."""
        if step >= self.refined_steps and self.total_steps > self.refined_steps:
            rate = self.slowed(step, self.refined_steps, self.total_steps)
            return self.searching(1.0, blur_nm, "separate", rate, sharpened)
        left = 1 - (step - self.steps) / max(1, self.config.schedule.refine_steps)
        return self.searching(1.0, blur_nm, "refine", left, sharpened)

    def slowed(self, step: int, first: int, end: int) -> float:
        """Factor on the lengths of the steps along the likelihood at the finest: constant at first, then falling to nothing."""
        return min(1.0, (end - step) / (end - first) / (1 - self.config.sharpen.constant))

    def finest(self, stage: Stage[float]) -> Stage[float]:
        """A stage at the smallest sigma of the data."""
        return replace(stage, sigma_nm=self.finest_nm, grid=self.grid_for(self.finest_nm))

    def searching(
        self, done: float, blur_nm: float, name: str = "search", rate: float = 1.0, sharpened: float = 1.0
    ) -> Stage[float]:
        """The stage after a share ``done`` of the search; with all of it done, that of the steps after it."""
        schedule, search = self.config.schedule, self.config.search
        # Sigma reaches its last value before the search ends, so that the last poses are searched at it.
        sigma = self.sigma_start_nm * (self.sigma_end_nm / self.sigma_start_nm) ** min(1.0, done / 0.9)
        sigma = max(sigma * sharpened, schedule.sigma_per_blur * blur_nm, self.finest_nm)
        search_grid = self.grid_for(sigma, search.size)
        # Where the picture is too small for this sigma, poses are compared at the smallest sigma that it can represent.
        search_sigma = max(sigma, search_grid.pixel_nm / schedule.pixel_per_sigma)
        turn = search.turn * max(search.least_turn, sigma / self.sigma_start_nm)
        return Stage(
            name=name,
            sigma_nm=sigma,
            grid=self.grid_for(sigma),
            search_sigma_nm=search_sigma,
            search_grid=search_grid,
            searched_as_fitted=(search_grid, search_sigma) == (self.grid_for(sigma), sigma),
            global_search=done < schedule.global_search,
            turn=turn,
            shift_nm=search.shift * turn * self.gyration_nm,
            rate=rate,
            gyration_nm=self.gyration_nm,
            largest_tilt=self.largest_tilt,
        )

    def grid_for(self, sigma_nm: float, largest: int | None = None) -> Grid:
        """The smallest of the schedule's grids that can represent a Gaussian of this width, none above ``largest`` pixels."""
        schedule = self.config.schedule
        sizes = [size for size in sorted(schedule.sizes) if largest is None or size <= largest]
        grids = [Grid(size, self.field_nm) for size in sizes or [min(schedule.sizes)]]
        fitting = (grid for grid in grids if grid.pixel_nm <= schedule.pixel_per_sigma * sigma_nm)
        return next(fitting, grids[-1])


@dataclass(frozen=True)
class AnnealedPlan(Plan):
    """HOLLy's own schedule (Blundell et al. 2021, section 3.2), then the refinement that ends a run of any method."""

    settings: Amortised | Direct
    stepped: bool
    """Whether sigma is constant over an epoch, as it must be where pictures are rendered ahead; else it decreases every step."""

    @property
    def starts(self) -> int:
        """One, as in the paper."""
        return 1

    @property
    def batch(self) -> int:
        """Pictures per step in which the cloud moves."""
        return self.settings.batch

    @property
    def steps_an_epoch(self) -> int:
        """Steps that use every picture once; the last one may have fewer than a batch."""
        return math.ceil(self.pictures / self.batch)

    def relocates(self, step: int) -> bool:
        """Whether points are relocated after a step: once an epoch, in its first batch, which is a whole one."""
        every = self.steps_an_epoch
        return step > 0 and step % every == 0 and step + 2 * every < self.steps

    @property
    def steps(self) -> int:
        """Steps in which the cloud moves; the refinement of the poses comes after."""
        return self.settings.epochs * self.steps_an_epoch

    @property
    def sigma_end_nm(self) -> float:
        """Last sigma, nm, which is no less than the localisation precision."""
        return max(self.settings.sigma_end * self.pixel_nm, self.finest_nm)

    @property
    def sigma_start_nm(self) -> float:
        """First sigma, nm."""
        return max(self.settings.sigma_start * self.pixel_nm, self.sigma_end_nm)

    @property
    def pixel_nm(self) -> float:
        """The paper's pixel, nm: the field of view has 128."""
        return self.field_nm / 128

    @property
    def unit_nm(self) -> float:
        """The paper's unit, nm: the field of view is 4 units wide."""
        return self.field_nm / 4

    def at(self, step: int, blur_nm: float) -> Stage[float]:
        """The stage of one step; sigma decreases by the same factor every step or, with ``stepped``, every epoch.

        The sigma file of the paper's bunny decreases in this way: by a tenth every second epoch, interpolated geometrically.
        """
        if step >= self.steps:
            return self.ending(step, blur_nm)
        every = self.steps_an_epoch if self.stepped else 1
        done = (step // every) / max(1, self.steps // every - 1)
        sigma = self.sigma_start_nm * (self.sigma_end_nm / self.sigma_start_nm) ** done
        grid = Grid(self.settings.size, self.field_nm)
        return replace(self.searching(done, blur_nm, "train"), sigma_nm=sigma, grid=grid)


@dataclass(frozen=True)
class SparsePlan(Plan):
    """The plan of particles of few localisations, whose poses are drawn anew at each step; poses are refined at the end."""

    @property
    def starts(self) -> int:
        """One: poses that are drawn anew at each step leave a wrong arrangement."""
        return 1

    @property
    def batch(self) -> int:
        """Particles per step in which the cloud moves."""
        return self.config.sparse.batch

    @property
    def steps(self) -> int:
        """Steps in which the cloud moves."""
        return self.config.sparse.steps

    def relocates(self, step: int) -> bool:
        """Never: the points of a mixture share the localisations among themselves."""
        return False

    def at(self, step: int, blur_nm: float) -> Stage[float]:
        """The stage of one step, whose grid and sigma are those of the pictures in which losses are given."""
        if step >= self.steps:
            return self.ending(step, blur_nm, self.config.schedule.sharpening)
        done, settings = step / self.steps, self.config.sparse
        rate = min(1.0, (1 - done) / (1 - settings.slowing))
        return self.searching(done / settings.annealed, blur_nm, rate=rate)

    def widened_nm(self, step: int) -> float:
        """Blur of the points in addition to their own in one step, nm."""
        settings = self.config.sparse
        part = min(1.0, step / self.steps / settings.annealed)
        fallen: float = (settings.sigma_end / settings.sigma_start) ** part
        return self.gyration_nm * settings.sigma_start * fallen


def _sharpens(config: Config, dataset: Dataset) -> float:
    """Steps of the cloud alone for each step of the polish."""
    if config.prune:
        return 0.0
    if not isinstance(dataset, Localisations):
        return config.sharpen.pictures_per_polish
    return 0.0 if dataset.by_photons else config.sharpen.per_polish


def is_sparse(config: Config, dataset: Dataset) -> bool:
    """Whether particles have so few localisations, and in such varying numbers, that their poses are drawn by each localisation."""
    if not isinstance(dataset, Localisations) or dataset.by_photons or config.tilt is not None or config.prune:
        return False
    return has_few_labels(dataset.counts, config.points or 0, config.sparse, config.sparse.least_dispersion)

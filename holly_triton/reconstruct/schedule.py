"""From coarse to fine: what each step of a run uses, all of it following from the data's own extent."""

from dataclasses import dataclass

from holly_triton.config import MASK_THRESHOLD_128, Config
from holly_triton.data import Dataset
from holly_triton.geometry import Grid


@dataclass(frozen=True)
class Stage:
    """What one step draws and how far it may move things."""

    name: str  # "search", "polish" or "refine"
    sigma_nm: float
    grid: Grid
    search_sigma_nm: float
    search_grid: Grid
    global_search: bool
    turn: float  # largest perturbation of a pose, radians
    rate: float  # factor on every step length, 1 falling to 0
    move_shift: bool

    @property
    def mask_threshold(self) -> float:
        """Normalised intensity falls with the number of pixels, so the mask's threshold does too."""
        return MASK_THRESHOLD_128 * 128**2 / self.grid.size**2


@dataclass(frozen=True)
class Plan:
    """The scales of one data set and the run's settings: together they give every step's stage."""

    config: Config
    pictures: int
    gyration_nm: float  # radius of gyration of the structure, 3D
    field_nm: float
    precision_nm: float | None

    @staticmethod
    def of(config: Config, dataset: Dataset) -> "Plan":
        """The plan that follows from a data set."""
        field = config.schedule.field_of_view * dataset.radius_nm
        return Plan(config, len(dataset), dataset.gyration_nm, field, dataset.precision_nm)

    @property
    def steps(self) -> int:
        """Steps in which the cloud moves; the refinement of the poses comes after."""
        return self.config.schedule.search_steps + self.config.schedule.polish_steps

    @property
    def total_steps(self) -> int:
        """All steps."""
        return self.steps + self.config.schedule.refine_steps

    @property
    def sigma_end_nm(self) -> float:
        """Where sigma stops: finer than the localisation precision there is nothing to see."""
        return max(self.config.schedule.sigma_end * self.field_nm, self.precision_nm or 0.0)

    @property
    def sigma_start_nm(self) -> float:
        """Where sigma starts."""
        return max(self.config.schedule.sigma_start * self.gyration_nm, self.sigma_end_nm)

    def at(self, step: int, blur_nm: float) -> Stage:
        """The stage of one step, search, polish or refine, given how far labels were found to scatter."""
        schedule, search = self.config.schedule, self.config.search
        done = min(1.0, step / max(1, schedule.search_steps))
        # Sigma arrives before the search ends, so that the last poses are sought at the final sigma.
        sigma = self.sigma_start_nm * (self.sigma_end_nm / self.sigma_start_nm) ** min(1.0, done / 0.9)
        sigma = max(sigma, schedule.sigma_per_blur * blur_nm)
        if step < schedule.search_steps:
            name, rate = "search", 1.0
        elif step < self.steps:
            name, rate = "polish", 1 - (step - schedule.search_steps) / schedule.polish_steps
        else:
            name, rate = "refine", 1 - (step - self.steps) / max(1, schedule.refine_steps)
        search_grid = self.grid_for(sigma, search.size)
        return Stage(
            name=name,
            sigma_nm=sigma,
            grid=self.grid_for(sigma),
            # A picture too small for this sigma compares poses at the sigma that it can draw.
            search_sigma_nm=max(sigma, search_grid.pixel_nm / schedule.pixel_per_sigma),
            search_grid=search_grid,
            global_search=done < schedule.global_search,
            turn=search.turn * max(search.least_turn, sigma / self.sigma_start_nm),
            rate=rate,
            move_shift=done >= schedule.global_search,
        )

    def grid_for(self, sigma_nm: float, largest: int | None = None) -> Grid:
        """The smallest of the schedule's grids that draws a Gaussian of this width, none above ``largest`` pixels."""
        schedule = self.config.schedule
        sizes = [size for size in sorted(schedule.sizes) if largest is None or size <= largest]
        grids = [Grid(size, self.field_nm) for size in sizes or [min(schedule.sizes)]]
        fitting = (grid for grid in grids if grid.pixel_nm <= schedule.pixel_per_sigma * sigma_nm)
        return next(fitting, grids[-1])

"""Several clouds fitted to the particles of a finished run, step by step: classification, and deformation with its control."""

import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.particles.cloud.train import RECORDS, Progress

from .particles import Particles
from .plan import Plan, Stage
from .state import SpatialState
from .train import SpatialTrainer


class Annealing(Protocol):
    """The settings of the steps."""

    @property
    def steps(self) -> int:
        """In which the clouds move."""
        ...

    @property
    def sigma_start(self) -> float:
        """First sigma, in units of the radius of gyration."""
        ...

    @property
    def annealed(self) -> float:
        """Share of the steps after which sigma has its last value."""
        ...

    @property
    def slowing(self) -> float:
        """Share of the steps, the last ones, in which steps become shorter."""
        ...


@dataclass(kw_only=True)
class SeveralState:
    """What changes during the fit of several clouds."""

    step: int = 0
    seconds: float = 0.0
    clouds: list[SpatialState]
    generator: Tensor  # state of the random generator
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def points(self) -> Tensor:
        """Points of the first cloud ``[N, 3]``, nm: where the state lies."""
        return self.clouds[0].points

    def payload(self) -> dict[str, Any]:
        """The state as plain containers and tensors, which can be read back without executing code."""
        table = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {**table, "clouds": [cloud.payload() for cloud in self.clouds]}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Self:
        """The inverse of ``payload``.

        Raises:
            KeyError, TypeError, ValueError: The payload is not of this version, or its parts are inconsistent.
        """
        state = cls(**{**payload, "clouds": [SpatialState.from_payload(one) for one in payload["clouds"]]})
        if state.step < 0 or not state.clouds:
            raise ValueError(f"step {state.step}, {len(state.clouds)} clouds")
        for name, shape in state.shapes().items():
            if getattr(state, name).shape != shape:
                raise ValueError(f"{name} is {tuple(getattr(state, name).shape)}, not {shape}")
        return state

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        raise NotImplementedError

    def to(self, device: torch.device) -> Self:
        """The same state on a device."""
        moved = {name: getattr(self, name).to(device) for name in self.shapes()}
        return dataclasses.replace(self, clouds=[cloud.to(device) for cloud in self.clouds], **moved)


class SeveralTrainer(ABC):
    """Fits several clouds from any state; between two steps ``state`` is complete."""

    state: SeveralState
    settings: Annealing
    moving: str
    """Name of the steps in which the clouds move."""
    comparing: str
    """Name of those after them, in which every particle is compared with all clouds once more."""
    remedy: str
    """What to do where a likelihood is not finite."""

    def __init__(self, plan: Plan, particles: Particles, state: SeveralState, device: torch.device) -> None:
        """Set up the optimisers and the random generator as ``state`` left them."""
        self.plan, self.state = plan, state
        self.clouds = [SpatialTrainer(plan, particles, cloud, device) for cloud in state.clouds]
        self.particles = self.clouds[0].particles
        self.generator = torch.Generator(device)
        self.generator.set_state(state.generator)

    @property
    def total_steps(self) -> int:
        """All steps, those among them in which particles are compared with the clouds, which are held then."""
        return self.settings.steps + math.ceil(self.plan.particles / self.plan.batch)

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.state.step >= self.total_steps

    def at(self, step: int) -> Stage:
        """The lengths of a step."""
        settings, end = self.settings, self.plan.settings.sigma_end
        done = step / settings.steps
        sigma = settings.sigma_start * (end / settings.sigma_start) ** min(1.0, done / settings.annealed)
        rate = min(1.0, (1 - done) / (1 - settings.slowing))
        name = self.moving if step < settings.steps else self.comparing
        return Stage(name, self.plan.gyration_nm * sigma, everywhere=False, rate=rate)

    @torch.no_grad()
    def run(self) -> Iterator[Progress]:
        """Step to the end, with the progress after each step; a loop that is left between two steps can be continued later."""
        state = self.state
        while not self.finished:
            began = time.perf_counter()
            stage = self.at(state.step)
            loss = self.loss_of(self.step(stage))
            if not math.isfinite(loss):
                raise HollyError(
                    f"{self.particles.data.source}: the likelihood of a particle is not finite at step {state.step} of "
                    f"{self.remedy}"
                )
            state.step += 1
            state.seconds += time.perf_counter() - began
            self.save()
            if state.step % max(1, self.total_steps // RECORDS) == 0 or self.finished:
                state.history.append(
                    {"step": state.step, "sigma_nm": stage.sigma_nm, "loss": loss, **self.figures_of_step()}
                )
            yield Progress(stage.name, state.step, self.total_steps, stage.sigma_nm, loss)

    def save(self) -> None:
        """Leave the random generator and the optimisers in the state."""
        self.state.generator = self.generator.get_state()
        for trainer in self.clouds:
            trainer.state.optimiser = trainer.optimiser.state_dict()

    def compared(self) -> Tensor:
        """The particles ``[B]`` of a step in which the clouds are held."""
        start = self.plan.batch * (self.state.step - self.settings.steps)
        return self.particles.by_size[start : start + self.plan.batch]

    @abstractmethod
    def step(self, stage: Stage) -> Tensor:
        """One batch of particles ``[B]``, whose numbers are returned."""

    @abstractmethod
    def loss_of(self, index: Tensor) -> float:
        """The loss of some particles ``[B]``: the geometric mean of theirs."""

    @abstractmethod
    def figures_of_step(self) -> dict[str, float]:
        """What is recorded beside sigma and loss."""

"""Everything that changes during a run on 3D localisations, in one serialisable dataclass."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, get_origin, get_type_hints

import torch
from torch import Tensor

from holly_triton.geometry import orthonormality_error, random_rotations
from holly_triton.particles.cloud.state import ORTHONORMAL

from .mixture import Model
from .plan import Plan


@dataclass
class SpatialState:
    """A run between two steps, from which it continues as if it had not been interrupted."""

    dimensions: int  # 3
    settings: dict[str, Any]  # the run's, as config.toml holds them
    step: int
    seconds: float
    joules: float  # energy used, where the device counts it; else 0
    seen: int  # particles processed, each counted as often as it was
    points: Tensor  # [N, 3] nm, centred
    log_blur: Tensor  # [], log nm: standard deviation of the labels about a point
    background: Tensor  # [], logit of the share of the localisations in the background
    spread: Tensor  # [], nm^2: variance of the background about the particles' centres, along each axis
    optimiser: dict[str, Any]  # its state_dict
    rotations: Tensor  # [P, K, 3, 3]: of the poses that are kept of each particle, the most likely first
    shifts: Tensor  # [P, K, 3] nm
    scores: Tensor  # [P, K]: log-likelihood when the particle was last processed
    loss: Tensor  # [P] nm^3: exp of the mean negative log-likelihood of a localisation in the best pose
    entropy: Tensor  # [P]: of the weights of the orientations, natural logarithm
    order: Tensor  # [P]: particles in this epoch's order
    cursor: int  # particles of this epoch already processed
    generator: Tensor  # state of the random generator
    history: list[dict[str, float]]
    growth: list[dict[str, Any]]  # step, sigma_nm and some points [M, 3] nm on the CPU, now and then

    @staticmethod
    def fresh(plan: Plan, points: int, generator: torch.Generator) -> "SpatialState":
        """The initial state: an isotropic Gaussian cloud of the data's radius of gyration, and random poses."""
        device, settings = generator.device, plan.settings
        P, K = plan.particles, settings.kept
        cloud = torch.randn(points, 3, generator=generator, device=device) * (plan.gyration_nm / math.sqrt(3))
        return SpatialState(
            dimensions=3,
            settings=plan.config.table(),
            step=0,
            seconds=0.0,
            joules=0.0,
            seen=0,
            points=cloud - cloud.mean(0),
            log_blur=torch.tensor(math.log(settings.blur_start * plan.gyration_nm), device=device),
            background=torch.tensor(settings.background_start, device=device).logit(),
            spread=torch.tensor(settings.background_width**2 * plan.gyration_nm**2 / 3, device=device),
            optimiser={},
            rotations=random_rotations(P * K, generator).view(P, K, 3, 3),
            shifts=torch.zeros(P, K, 3, device=device),
            scores=torch.zeros(P, K, device=device),
            loss=torch.full((P,), torch.nan, device=device),
            entropy=torch.full((P,), torch.nan, device=device),
            order=torch.randperm(P, generator=generator, device=device),
            cursor=0,
            generator=generator.get_state(),
            history=[],
            growth=[],
        )

    @property
    def rotation(self) -> Tensor:
        """The most likely rotation of each particle ``[P, 3, 3]``."""
        return self.rotations[:, 0]

    def next_batch(self, size: int, generator: torch.Generator) -> Tensor:
        """Indices of the next particles; every particle occurs once an epoch, in a new order each time."""
        if self.cursor >= len(self.order):
            self.order = torch.randperm(len(self.order), generator=generator, device=self.order.device)
            self.cursor = 0
        batch = self.order[self.cursor : self.cursor + size]
        self.cursor += len(batch)
        return batch

    def model(self, sigma_nm: float) -> Model:
        """The cloud as a density, its points blurred by a further ``sigma_nm``."""
        variance = (2 * self.log_blur).exp() + sigma_nm**2
        return Model(self.points, variance, self.background.sigmoid(), self.spread)

    def width(self, sigma_nm: float | Tensor) -> Tensor:
        """Sigma of the drawn points, nm: the pictures' sigma widened by the label scatter."""
        return (sigma_nm**2 + (2 * self.log_blur).exp()).sqrt()

    def blur_nm(self) -> float:
        """Label scatter (standard deviation about a point along each axis), nm."""
        return math.exp(float(self.log_blur))

    def payload(self) -> dict[str, Any]:
        """The state as plain containers and tensors, which can be read back without executing code."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @staticmethod
    def from_payload(payload: dict[str, Any]) -> "SpatialState":
        """The inverse of ``payload``.

        Raises:
            KeyError, TypeError, ValueError: The payload is not of this version, or its parts are inconsistent.
        """
        kinds = get_type_hints(SpatialState)
        for name, kind in kinds.items():
            if not isinstance(payload[name], get_origin(kind) or kind):
                raise TypeError(f"{name} is {type(payload[name]).__name__}, not {kind}")
        state = SpatialState(**{name: payload[name] for name in kinds})
        state._check()
        return state

    def to(self, device: torch.device) -> "SpatialState":
        """The same state on a device; the optimiser moves its own parts when it is set up."""
        return dataclasses.replace(self, **{name: getattr(self, name).to(device) for name in self._shapes()})

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        N, P, K = len(self.points), len(self.order), self.scores.shape[-1]
        fitted: dict[str, tuple[int, ...]] = {"points": (N, 3), "log_blur": (), "background": (), "spread": ()}
        poses: dict[str, tuple[int, ...]] = {"rotations": (P, K, 3, 3), "shifts": (P, K, 3), "scores": (P, K)}
        return {**fitted, **poses, "loss": (P,), "entropy": (P,), "order": (P,)}

    def _check(self) -> None:
        for name, shape in self._shapes().items():
            tensor, kind = getattr(self, name), torch.int64 if name == "order" else torch.float32
            if tensor.shape != shape or tensor.dtype != kind:
                raise ValueError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}, not {kind} {shape}")
        P = len(self.order)
        sound = {
            "dimensions": self.dimensions == 3,
            "step": self.step >= 0,
            "points": len(self.points) > 0,
            "rotations": orthonormality_error(self.rotations) < ORTHONORMAL,
            "order": torch.equal(self.order.sort().values, torch.arange(P)),
            "cursor": 0 <= self.cursor <= P,
            "generator": self.generator.dtype == torch.uint8,
            "history": all(row.keys() >= {"step", "sigma_nm", "loss"} for row in self.history),
            "growth": all(one.keys() >= {"step", "sigma_nm", "points"} for one in self.growth),
        }
        for name, is_sound in sound.items():
            if not is_sound:
                raise ValueError(f"{name} is inconsistent with the rest")

"""Everything that changes during a run, in one serialisable dataclass."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, get_origin, get_type_hints

import torch
from torch import Tensor

from holly_triton.geometry import orthonormalised, orthonormality_error, random_rotations

from .schedule import Plan

ORTHONORMAL = 1e-3
"""Largest element of ``|R R^T - 1|`` that a checkpoint may hold: float32 keeps it at 1e-5, TF32 would bring it to 0.1."""


@dataclass
class TrainingState:
    """A run between two steps, from which it continues as if it had not been interrupted."""

    settings: dict[str, Any]  # the run's, as config.toml holds them
    step: int
    seconds: float
    joules: float  # energy used, where the device counts it; else 0
    seen: int  # pictures processed, each counted as often as it was
    points: Tensor  # [N, 3] nm, centred
    log_blur: Tensor  # [], log nm: standard deviation of the labels about a point
    background: Tensor  # [], logit of the share of the intensity in a uniform background
    optimiser: dict[str, Any]  # its state_dict
    pose_model: dict[str, Any]  # state_dict of the pose model, a network or a table; empty where poses are searched
    rotation: Tensor  # [P, 3, 3]
    shift: Tensor  # [P, 2] nm
    loss: Tensor  # [P]: loss of each picture when it was last processed
    order: Tensor  # [P]: pictures in this epoch's order
    cursor: int  # pictures of this epoch already processed
    generator: Tensor  # state of the random generator
    history: list[dict[str, float]]
    growth: list[dict[str, Any]]  # step, sigma_nm and some points [M, 3] nm on the CPU, now and then

    @staticmethod
    def fresh(plan: Plan, points: int, generator: torch.Generator) -> "TrainingState":
        """The initial state: an isotropic Gaussian cloud of the data's radius of gyration, and a random pose for each picture."""
        device = generator.device
        cloud = torch.randn(points, 3, generator=generator, device=device) * (plan.gyration_nm / math.sqrt(3))
        blur = plan.config.optimiser.blur_start * plan.gyration_nm
        rotation = random_rotations(plan.pictures, generator, plan.largest_tilt)
        return TrainingState(
            settings=plan.config.table(),
            step=0,
            seconds=0.0,
            joules=0.0,
            seen=0,
            points=cloud - cloud.mean(0),
            log_blur=torch.tensor(math.log(blur), device=device),
            background=torch.tensor(plan.config.optimiser.background_start, device=device).logit(),
            optimiser={},
            pose_model={},
            rotation=rotation,
            shift=torch.zeros(plan.pictures, 2, device=device),
            loss=torch.full((plan.pictures,), torch.nan, device=device),
            order=torch.randperm(plan.pictures, generator=generator, device=device),
            cursor=0,
            generator=generator.get_state(),
            history=[],
            growth=[],
        )

    def next_batch(self, size: int, generator: torch.Generator) -> Tensor:
        """Indices of the next pictures; every picture occurs once an epoch, in a new order each time."""
        pictures = len(self.order)
        if self.cursor >= pictures:
            self.rotation.copy_(orthonormalised(self.rotation))  # in place, as everything that a CUDA graph refers to
            self.order = torch.randperm(pictures, generator=generator, device=self.order.device)
            self.cursor = 0
        batch = self.order[self.cursor : self.cursor + size]
        self.cursor += len(batch)
        return batch

    def worst_fitted(self, size: int, generator: torch.Generator) -> Tensor:
        """Indices of some pictures, drawn from the worst-fitted half."""
        half = self.loss.argsort(descending=True)[: math.ceil(len(self.loss) / 2)]
        return half[torch.randperm(len(half), generator=generator, device=half.device)[:size]]

    def width(self, sigma_nm: float | Tensor) -> Tensor:
        """Sigma of the drawn points, nm: the pictures' sigma widened by the label scatter."""
        return (sigma_nm**2 + (2 * self.log_blur).exp()).sqrt()

    def batches(self, size: int) -> tuple[Tensor, ...]:
        """Indices of all pictures, ``size`` at a time."""
        return torch.split(torch.arange(len(self.order), device=self.order.device), size)

    @torch.no_grad()
    def centre(self, *, keep_pictures: bool) -> None:
        """Put the cloud's centroid at the origin.

        While shifts are not known, the pictures have their centroids at the origin too, so the cloud is moved within the
        pictures; once they are known, ``keep_pictures`` adjusts them so that no picture changes.
        """
        centroid = self.points.mean(0)
        self.points -= centroid
        if keep_pictures:
            self.shift += (self.rotation[:, :2] * centroid).sum(2)

    def blur_nm(self) -> float:
        """Label scatter (standard deviation about a point), nm."""
        return math.exp(float(self.log_blur.detach()))

    def payload(self) -> dict[str, Any]:
        """The state as plain containers and tensors, which can be read back without executing code."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @staticmethod
    def from_payload(payload: dict[str, Any]) -> "TrainingState":
        """The inverse of ``payload``.

        Raises:
            KeyError, TypeError, ValueError: The payload is not of this version, or its parts are inconsistent.
        """
        kinds = get_type_hints(TrainingState)
        for name, kind in kinds.items():
            if not isinstance(payload[name], get_origin(kind) or kind):
                raise TypeError(f"{name} is {type(payload[name]).__name__}, not {kind}")
        state = TrainingState(**{name: payload[name] for name in kinds})
        state._check()
        return state

    def to(self, device: torch.device) -> "TrainingState":
        """The same state on a device; networks and optimisers move their own parts when they are set up."""
        moved = {name: getattr(self, name).detach().to(device) for name in self._shapes()}
        return dataclasses.replace(self, **moved)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        N, P = len(self.points), len(self.order)
        fitted = {"points": (N, 3), "log_blur": (), "background": ()}
        return {**fitted, "rotation": (P, 3, 3), "shift": (P, 2), "loss": (P,), "order": (P,)}

    def _check(self) -> None:
        for name, shape in self._shapes().items():
            tensor, kind = getattr(self, name), torch.int64 if name == "order" else torch.float32
            if tensor.shape != shape or tensor.dtype != kind:
                raise ValueError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}, not {kind} {shape}")
        N, P = len(self.points), len(self.order)
        modelled = {(), *(tensor.shape for tensor in self.pose_model.values())}
        moments = [m for some in self.optimiser.get("state", {}).values() for m in some.values() if m is not None]
        M = len(self.growth[0]["points"]) if self.growth else 0
        sound = {
            "step": self.step >= 0,
            "points": N > 0,
            "rotation": orthonormality_error(self.rotation) < ORTHONORMAL,
            "order": torch.equal(self.order.sort().values, torch.arange(P)),
            "cursor": 0 <= self.cursor <= P,
            "generator": self.generator.dtype == torch.uint8,
            # Merged points have fewer rows than their moments, which are no longer used by then.
            "optimiser": all(m.shape in modelled or (m.shape[1:] == (3,) and len(m) >= N) for m in moments),
            "history": all(row.keys() >= {"step", "sigma_nm", "loss"} for row in self.history),
            "growth": all(one.keys() >= {"step", "sigma_nm"} and one["points"].shape == (M, 3) for one in self.growth),
        }
        for name, is_sound in sound.items():
            if not is_sound:
                raise ValueError(f"{name} is inconsistent with the rest")

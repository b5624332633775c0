"""What changes during any run, of pictures or of 3D localisations, and how a checkpoint of it is read and checked."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Self, get_origin, get_type_hints

import torch
from torch import Tensor

ORTHONORMAL = 1e-3
"""Largest element of ``|R R^T - 1|`` that a checkpoint may hold: float32 keeps it at 1e-5, TF32 would bring it to 0.1."""


@dataclass(kw_only=True)
class State:
    """A run between two steps, from which it continues as if it had not been interrupted.

    Its particles are those of 3D localisations, or their pictures.
    """

    settings: dict[str, Any]  # the run's, as config.toml holds them
    step: int = 0
    seconds: float = 0.0
    joules: float = 0.0  # energy used, where the device counts it
    seen: int = 0  # particles processed, each counted as often as it was
    points: Tensor  # [N, 3] nm, centred
    log_blur: Tensor  # [], log nm: standard deviation of the labels about a point
    background: Tensor  # [], logit of its share of the intensity, or of the localisations
    optimiser: dict[str, Any] = field(default_factory=dict)  # its state_dict
    loss: Tensor  # [P]: of each particle when it was last processed
    order: Tensor  # [P]: particles in this epoch's order
    cursor: int = 0  # particles of this epoch already processed
    generator: Tensor  # state of the random generator
    history: list[dict[str, float]] = field(default_factory=list)
    # Now and then: step, sigma_nm and some points [M, 3] nm on the CPU.
    growth: list[dict[str, Any]] = field(default_factory=list)
    # Of each random start, while they are made: its state as a payload, and the log losses of its last steps.
    starts: list[dict[str, Any]] = field(default_factory=list)

    def next_batch(self, size: int, generator: torch.Generator) -> Tensor:
        """Indices of the next particles; every particle occurs once an epoch, in a new order each time."""
        if self.cursor >= len(self.order):
            self.order = torch.randperm(len(self.order), generator=generator, device=self.order.device)
            self.cursor = 0
        batch = self.order[self.cursor : self.cursor + size]
        self.cursor += len(batch)
        return batch

    def width(self, sigma_nm: float | Tensor) -> Tensor:
        """Sigma of the drawn points, nm: the pictures' sigma widened by the label scatter."""
        return (sigma_nm**2 + (2 * self.log_blur).exp()).sqrt()

    def blur_share(self, variance: Tensor) -> Tensor:
        """Share of the label scatter in the variance of the points: the derivative of log width by log scatter."""
        return (2 * self.log_blur).exp() / variance

    def blur_nm(self) -> float:
        """Label scatter (standard deviation about a point along each axis), nm."""
        return math.exp(float(self.log_blur.detach()))

    def take_up(self, settings: dict[str, Any], device: torch.device) -> None:
        """Go on with these settings, and with a random generator of this device."""
        self.settings = settings
        generator = torch.Generator(device)
        try:
            generator.set_state(self.generator)
        except RuntimeError:  # made on another type of device, which has different random numbers
            self.generator = generator.manual_seed(settings["seed"] + self.step).get_state()

    def payload(self) -> dict[str, Any]:
        """The state as plain containers and tensors, which can be read back without executing code."""
        return {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Self:
        """The inverse of ``payload``, which may be of a version that did not keep its random starts.

        Raises:
            KeyError, TypeError, ValueError: The payload is not of this version, or its parts are inconsistent.
        """
        payload = {"starts": [], **payload}
        kinds = get_type_hints(cls)
        for name, kind in kinds.items():
            if not isinstance(payload[name], get_origin(kind) or kind):
                raise TypeError(f"{name} is {type(payload[name]).__name__}, not {kind}")
        state = cls(**{name: payload[name] for name in kinds})
        for name, shape in state.shapes().items():
            tensor, expected = getattr(state, name), torch.int64 if name == "order" else torch.float32
            if tensor.shape != shape or tensor.dtype != expected:
                raise ValueError(f"{name} is {tensor.dtype} {tuple(tensor.shape)}, not {expected} {shape}")
        for name, is_sound in state.checks().items():
            if not is_sound:
                raise ValueError(f"{name} is inconsistent with the rest")
        for start in state.starts:
            cls.from_payload(start["state"])
        return state

    def to(self, device: torch.device) -> Self:
        """The same state on a device; networks and optimisers move their own parts when they are set up."""
        return dataclasses.replace(self, **{name: getattr(self, name).detach().to(device) for name in self.shapes()})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        N, P = len(self.points), len(self.order)
        return {"points": (N, 3), "log_blur": (), "background": (), "loss": (P,), "order": (P,)}

    def checks(self) -> dict[str, bool]:
        """Whether each part is consistent with the rest, of a state whose tensors have their shapes."""
        P, M = len(self.order), len(self.growth[0]["points"]) if self.growth else 0
        return {
            "step": self.step >= 0,
            "points": len(self.points) > 0,
            "order": torch.equal(self.order.sort().values, torch.arange(P)),
            "cursor": 0 <= self.cursor <= P,
            "generator": self.generator.dtype == torch.uint8,
            "history": all(row.keys() >= {"step", "sigma_nm", "loss"} for row in self.history),
            "starts": all(start["losses"] for start in self.starts),
            "growth": all(one.keys() >= {"step", "sigma_nm"} and one["points"].shape == (M, 3) for one in self.growth),
        }


def gaussian_cloud(points: int, gyration_nm: float, generator: torch.Generator) -> Tensor:
    """Points ``[N, 3]``, nm, of an isotropic Gaussian with the data's radius of gyration, about their centroid."""
    cloud = torch.randn(points, 3, generator=generator, device=generator.device) * (gyration_nm / math.sqrt(3))
    return cloud - cloud.mean(0)

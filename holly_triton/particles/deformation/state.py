"""Everything that changes during the fit of a deformation, in one serialisable dataclass."""

import copy
import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from holly_triton.particles.spatial.state import SpatialState


@dataclass(kw_only=True)
class DeformationState:
    """The fit of a deformation to P particles between two steps.

    Of the two clouds the first deforms. The second is a control: it is rigid and takes the same steps, so that the deformation
    is compared with a structure that had as long to improve.
    """

    step: int = 0
    seconds: float = 0.0
    clouds: list[SpatialState]  # 2
    coefficients: Tensor  # [Q, 3] nm: of the field
    optimiser: dict[str, Any] = field(default_factory=dict)  # the field's
    amplitudes: Tensor  # [P, K]: mean of each pose that is kept, standardised
    mean: Tensor  # [P]: of each particle's amplitude over its poses, standardised
    deviation: Tensor  # [P]: its standard deviation
    generator: Tensor  # state of the random generator
    history: list[dict[str, float]] = field(default_factory=list)

    @staticmethod
    def fresh(
        structure: SpatialState, poses: int, coefficients: Tensor, generator: torch.Generator
    ) -> "DeformationState":
        """The initial state: two copies of the structure with its best ``poses``, and no amplitudes yet."""
        best = {name: getattr(structure, name)[:, :poses] for name in ("rotations", "shifts", "scores")}
        alike = dataclasses.replace(structure, **best, optimiser={}, history=[], growth=[])
        return DeformationState(
            clouds=[copy.deepcopy(alike) for _ in range(2)],
            coefficients=coefficients,
            amplitudes=torch.zeros_like(alike.scores),
            mean=torch.zeros_like(structure.loss),
            deviation=torch.ones_like(structure.loss),
            generator=generator.get_state(),
        )

    @property
    def points(self) -> Tensor:
        """Points of the cloud that deforms ``[N, 3]``, nm, at amplitude 0: where the state lies."""
        return self.clouds[0].points

    def payload(self) -> dict[str, Any]:
        """The state as plain containers and tensors, which can be read back without executing code."""
        table = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {**table, "clouds": [cloud.payload() for cloud in self.clouds]}

    @staticmethod
    def from_payload(payload: dict[str, Any]) -> "DeformationState":
        """The inverse of ``payload``.

        Raises:
            KeyError, TypeError, ValueError: The payload is not of this version, or its parts are inconsistent.
        """
        state = DeformationState(**{**payload, "clouds": [SpatialState.from_payload(one) for one in payload["clouds"]]})
        P, K = state.clouds[0].scores.shape
        shapes = {"amplitudes": (P, K), "mean": (P,), "deviation": (P,)}
        for name, shape in shapes.items():
            if getattr(state, name).shape != shape:
                raise ValueError(f"{name} is {tuple(getattr(state, name).shape)}, not {shape}")
        if len(state.clouds) != 2 or state.coefficients.shape[1:] != (3,) or state.step < 0:
            raise ValueError(f"{len(state.clouds)} clouds, coefficients {tuple(state.coefficients.shape)}")
        return state

    def to(self, device: torch.device) -> "DeformationState":
        """The same state on a device."""
        moved = {name: getattr(self, name).to(device) for name in ("coefficients", "amplitudes", "mean", "deviation")}
        return dataclasses.replace(self, clouds=[cloud.to(device) for cloud in self.clouds], **moved)

"""Everything that changes during a classification, in one serialisable dataclass."""

import copy
import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from holly_triton.particles.spatial.state import SpatialState


@dataclass(kw_only=True)
class ClassState:
    """A classification of P particles between two steps.

    The clouds are those of the K structures and, last, one control: a single cloud for all particles that takes the same
    steps, so that K structures are compared with one that had as long to improve.
    """

    step: int = 0
    seconds: float = 0.0
    clouds: list[SpatialState]  # K + 1
    weight: Tensor  # [P, K]: probability of each structure for each particle
    share: Tensor  # [K]: of each structure
    generator: Tensor  # state of the random generator
    history: list[dict[str, float]] = field(default_factory=list)

    @staticmethod
    def fresh(consensus: SpatialState, weight: Tensor, generator: torch.Generator) -> "ClassState":
        """The initial state: copies of the consensus, and the first probabilities ``[P, K]``."""
        alike = dataclasses.replace(consensus, history=[], growth=[])
        return ClassState(
            clouds=[copy.deepcopy(alike) for _ in range(weight.shape[1] + 1)],
            weight=weight,
            share=weight.mean(dim=0),
            generator=generator.get_state(),
        )

    @property
    def points(self) -> Tensor:
        """Points of the first cloud ``[N, 3]``, nm: where the state lies."""
        return self.clouds[0].points

    def payload(self) -> dict[str, Any]:
        """The state as plain containers and tensors, which can be read back without executing code."""
        table = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        return {**table, "clouds": [cloud.payload() for cloud in self.clouds]}

    @staticmethod
    def from_payload(payload: dict[str, Any]) -> "ClassState":
        """The inverse of ``payload``.

        Raises:
            KeyError, TypeError, ValueError: The payload is not of this version, or its parts are inconsistent.
        """
        clouds = [SpatialState.from_payload(one) for one in payload["clouds"]]
        state = ClassState(**{**payload, "clouds": clouds})
        P, K = len(clouds[0].order), len(clouds) - 1
        if state.weight.shape != (P, K) or state.share.shape != (K,) or state.step < 0:
            raise ValueError(f"probabilities {tuple(state.weight.shape)} of {P} particles and {K} structures")
        return state

    def to(self, device: torch.device) -> "ClassState":
        """The same state on a device."""
        return dataclasses.replace(
            self,
            clouds=[cloud.to(device) for cloud in self.clouds],
            weight=self.weight.to(device),
            share=self.share.to(device),
        )

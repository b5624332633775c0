"""Everything that changes during the fit of a deformation, in one serialisable dataclass."""

import copy
import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from holly_triton.particles.spatial.several import SeveralState
from holly_triton.particles.spatial.state import SpatialState


@dataclass(kw_only=True)
class DeformationState(SeveralState):
    """The fit of a deformation to P particles between two steps.

    Of the two clouds the first deforms. The second is a control: it is rigid and takes the same steps, so that the deformation
    is compared with a structure that had as long to improve.
    """

    coefficients: Tensor  # [Q, 3] nm: of the field
    optimiser: dict[str, Any] = field(default_factory=dict)  # the field's
    amplitudes: Tensor  # [P, K]: mean of each pose that is kept, standardised
    mean: Tensor  # [P]: of each particle's amplitude over its poses, standardised
    deviation: Tensor  # [P]: its standard deviation

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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        P, K = self.clouds[0].scores.shape
        return {"coefficients": (len(self.coefficients), 3), "amplitudes": (P, K), "mean": (P,), "deviation": (P,)}

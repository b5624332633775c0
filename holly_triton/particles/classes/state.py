"""Everything that changes during a classification, in one serialisable dataclass."""

import copy
import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from holly_triton.particles.spatial.several import SeveralState
from holly_triton.particles.spatial.state import SpatialState


@dataclass(kw_only=True)
class ClassState(SeveralState):
    """A classification of P particles between two steps.

    The clouds are those of the K structures and, last, one control: a single cloud for all particles that takes the same
    steps, so that K structures are compared with one that had as long to improve.
    """

    weight: Tensor  # [P, K]: probability of each structure for each particle
    share: Tensor  # [K]: of each structure

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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        P, K = len(self.clouds[0].order), len(self.clouds) - 1
        return {"weight": (P, K), "share": (K,)}

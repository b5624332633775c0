"""The interface of pose methods, and the choice of the one that a run uses."""

from typing import Protocol

import torch
from torch import Tensor

from holly_triton.core.distributed import with_common_norm
from holly_triton.particles.cloud.descent import OUTPUTS, Descent
from holly_triton.particles.cloud.schedule import AnnealedPlan, Plan, SparsePlan
from holly_triton.particles.cloud.stage import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.data import Dataset, Localisations
from holly_triton.particles.sparse.poses import SampledPoses

from .amortised import ReadPoses
from .direct import FreePoses
from .held import HeldPoses
from .search import SearchedPoses


class PoseMethod(Protocol):
    """Estimates poses while the cloud moves; the refinement afterwards is the same for all methods."""

    def step(self, index: Tensor, stage: Stage[float]) -> None:
        """Improve the cloud, and the poses of the pictures ``[B]`` of one batch, in the state."""
        ...

    def finish(self, stage: Stage[float]) -> None:
        """After the last step, put every picture's final pose into the state."""
        ...

    def save(self) -> None:
        """Store in the state what is needed to continue."""
        ...


def choose_method(plan: Plan, dataset: Dataset, state: TrainingState, generator: torch.Generator) -> PoseMethod:
    """The method that a run's configuration names, or what moves the cloud alone after it, as ``state`` left it."""
    if plan.holds_poses(state.step):
        return HeldPoses(plan, dataset, state, generator)
    if isinstance(plan, SparsePlan):
        assert isinstance(dataset, Localisations)
        return SampledPoses(plan, dataset, state, generator)
    if not isinstance(plan, AnnealedPlan):
        return SearchedPoses(plan, dataset, state, generator)
    if plan.config.pose == "direct":
        return Descent(FreePoses(state.rotation, OUTPUTS), plan, dataset, state, generator)
    # Not the run's own generator, whose state a resumed run must find unchanged.
    start = torch.Generator(generator.device).manual_seed(plan.config.seed)
    outputs = plan.config.amortised.heads * OUTPUTS
    network = with_common_norm(ReadPoses(plan.settings.size, outputs, start))
    return Descent(network, plan, dataset, state, generator)

"""Everything that changes during a run on pictures, in one serialisable dataclass."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from holly_triton.geometry import orthonormalised, orthonormality_error, random_rotations
from holly_triton.particles.state import ORTHONORMAL, State, gaussian_cloud

from .schedule import Plan


@dataclass(kw_only=True)
class TrainingState(State):
    """The state of a run on pictures. Their background is uniform, and their loss the masked L1."""

    # The state_dict of the pose model, a network or a table; empty where poses are searched.
    pose_model: dict[str, Any] = field(default_factory=dict)
    rotation: Tensor  # [P, 3, 3]
    shift: Tensor  # [P, 2] nm
    sizes: list[int] = field(
        default_factory=list
    )  # points of each channel, one channel after the other; [] before each has its own
    sharpens: bool = True  # False where the steps along each localisation were found to be of no use
    even_passes: bool = True  # False of a run that was begun when a pass of the dense search took more steps

    @staticmethod
    def fresh(plan: Plan, points: int, generator: torch.Generator) -> "TrainingState":
        """The initial state: an isotropic Gaussian cloud of the data's radius of gyration, and a random pose for each picture."""
        device = generator.device
        blur = plan.config.optimiser.blur_start * plan.gyration_nm
        return TrainingState(
            settings=plan.config.table(),
            points=gaussian_cloud(points, plan.gyration_nm, generator),
            log_blur=torch.tensor(math.log(blur), device=device),
            background=torch.tensor(plan.config.optimiser.background_start, device=device).logit(),
            rotation=random_rotations(plan.pictures, generator, plan.largest_tilt),
            shift=torch.zeros(plan.pictures, 2, device=device),
            loss=torch.full((plan.pictures,), torch.nan, device=device),
            order=torch.randperm(plan.pictures, generator=generator, device=device),
            generator=generator.get_state(),
        )

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> "TrainingState":
        """The inverse of ``payload``.

        It may be of a version that had no steps along each localisation, pooled channels, or divided passes unevenly.
        """
        return super().from_payload({"sharpens": False, "sizes": [], "even_passes": False, **payload})

    def next_batch(self, size: int, generator: torch.Generator) -> Tensor:
        """Indices of the next pictures; every picture occurs once an epoch, in a new order each time."""
        if self.cursor >= len(self.order):
            self.rotation.copy_(orthonormalised(self.rotation))  # in place, as everything that a CUDA graph refers to
        return super().next_batch(size, generator)

    def worst_fitted(self, size: int, generator: torch.Generator) -> Tensor:
        """Indices of some pictures, drawn from the worst-fitted half."""
        half = self.loss.argsort(descending=True)[: math.ceil(len(self.loss) / 2)]
        return half[torch.randperm(len(half), generator=generator, device=half.device)[:size]]

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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        P = len(self.order)
        return {**super().shapes(), "rotation": (P, 3, 3), "shift": (P, 2)}

    def checks(self) -> dict[str, bool]:
        """Whether each part is consistent with the rest, of a state whose tensors have their shapes."""
        N, modelled = len(self.points), {(), *(tensor.shape for tensor in self.pose_model.values())}
        moments = [m for some in self.optimiser.get("state", {}).values() for m in some.values() if m is not None]
        return {
            **super().checks(),
            "sizes": not self.sizes or sum(self.sizes) == N,
            "rotation": orthonormality_error(self.rotation) < ORTHONORMAL,
            # Merged points have fewer rows than their moments, which are no longer used by then.
            "optimiser": all(m.shape in modelled or (m.shape[1:] == (3,) and len(m) >= N) for m in moments),
        }

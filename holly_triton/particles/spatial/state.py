"""Everything that changes during a run on 3D localisations, in one serialisable dataclass."""

import math
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from holly_triton.geometry import orthonormality_error, random_rotations
from holly_triton.particles.state import ORTHONORMAL, State, gaussian_cloud

from .labels import Blinks
from .mixture import Expected, Model
from .plan import Plan
from .symmetry import spread_

LEAST_AXIAL, LARGEST_AXIAL = -math.log(3), math.log(4)
"""Bounds on the logarithm of the blur along z over that along x and y. Astigmatic and biplane microscopes are two to three times
as precise along x and y as along z, interferometric ones about half as precise (Shtengel et al. 2009). Beyond, where poses hardly
differ in their direction to z, a blur could take the place of the structure's extent along it."""


@dataclass(kw_only=True)
class SpatialState(State):
    """The state of a run on 3D localisations.

    The loss of a particle is ``exp`` of the mean negative log-likelihood of a localisation in its best pose, nm^3.
    """

    dimensions: int = 3
    sizes: list[int]  # points of each channel, one channel after the other; its sum is N
    log_axial: Tensor  # []: log of the blur along the microscope's z over that along x and y; 0 where it is not fitted
    spread: Tensor  # [], nm^2: variance of the background about the particles' centres, along each axis
    rotations: Tensor  # [P, K, 3, 3]: of the poses that are kept of each particle, the most likely first
    shifts: Tensor  # [P, K, 3] nm
    scores: Tensor  # [P, K]: log-likelihood when the particle was last processed
    entropy: Tensor  # [P]: of the weights of the orientations, natural logarithm
    draws: bool = (
        True  # whether poses are drawn where particles have few labels; not in runs that an earlier version began
    )
    blinks: list[float] = field(default_factory=list)
    """As ``Particles`` has them; empty where no localisations were merged."""
    number: dict[str, Any] = field(default_factory=dict)
    """What was found of the number of points so far; empty until it is chosen by the likelihood (``number``)."""

    @staticmethod
    def fresh(plan: Plan, sizes: list[int], generator: torch.Generator) -> "SpatialState":
        """The initial state: an isotropic Gaussian cloud of the data's radius of gyration, and random poses.

        ``sizes`` are the numbers of points of each channel.
        """
        device, settings = generator.device, plan.settings
        P, K = plan.particles, settings.kept
        cloud = gaussian_cloud(sum(sizes), plan.gyration_nm, generator)
        spread_(cloud, plan.group.to(device))
        return SpatialState(
            settings=plan.config.table(),
            sizes=sizes,
            points=cloud,
            log_blur=torch.tensor(math.log(settings.blur_start * plan.gyration_nm), device=device),
            background=torch.tensor(settings.background_start, device=device).logit(),
            log_axial=torch.tensor(0.0, device=device),
            spread=torch.tensor(settings.background_width**2 * plan.gyration_nm**2 / 3, device=device),
            rotations=random_rotations(P * K, generator).view(P, K, 3, 3),
            shifts=torch.zeros(P, K, 3, device=device),
            scores=torch.zeros(P, K, device=device),
            loss=torch.full((P,), torch.nan, device=device),
            entropy=torch.full((P,), torch.nan, device=device),
            order=torch.randperm(P, generator=generator, device=device),
            generator=generator.get_state(),
            blinks=list(plan.blinks or ()),
        )

    @property
    def merging(self) -> Blinks | None:
        """How localisations were merged; None where none were."""
        return Blinks(*self.blinks) if self.blinks else None

    @property
    def rotation(self) -> Tensor:
        """The most likely rotation of each particle ``[P, 3, 3]``."""
        return self.rotations[:, 0]

    def model(self, sigma_nm: float) -> Model:
        """The cloud as a density, its points blurred by a further ``sigma_nm``."""
        variance = (2 * self.log_blur).exp() + sigma_nm**2
        sizes = tuple(self.sizes) if len(self.sizes) > 1 else ()
        own = (2 * self.log_blur).exp()
        further = own * (2 * self.log_axial).expm1() if float(self.log_axial) else None
        return Model(self.points, variance, self.background.sigmoid(), self.spread, sizes, further=further)

    def blur_gradients(self, step: Expected, model: Model) -> tuple[Tensor, Tensor]:
        """Gradients with respect to the logarithms of the blur, and of that along z over it."""
        share = self.blur_share(model.variance)
        if model.further is None:
            return step.log_blur * share, step.log_axial * share
        axial = step.log_axial * share * (2 * self.log_axial).exp()
        return (step.log_blur - step.log_axial) * share + axial, axial

    def axial_blur_nm(self) -> float:
        """Label scatter along the microscope's z, nm, as ``blur_nm``."""
        return self.blur_nm() * math.exp(float(self.log_axial))

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Self:
        """The inverse of ``payload``.

        Raises:
            KeyError, TypeError, ValueError: As for any ``State``.
        """
        # Earlier versions had one channel, the number of points that a run began with, one blur, and the best poses alone.
        earlier = {"sizes": [len(payload["points"])], "number": {}, "draws": False, "blinks": []}
        if "log_axial" not in payload:
            payload = {**payload, "log_axial": torch.zeros_like(payload["log_blur"]), "optimiser": {}}
        return super().from_payload({**earlier, **payload})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors that lie on the device."""
        P, K = len(self.order), self.scores.shape[-1]
        poses: dict[str, tuple[int, ...]] = {"rotations": (P, K, 3, 3), "shifts": (P, K, 3), "scores": (P, K)}
        return {**super().shapes(), "spread": (), "log_axial": (), **poses, "entropy": (P,)}

    def checks(self) -> dict[str, bool]:
        """Whether each part is consistent with the rest, of a state whose tensors have their shapes."""
        return {
            **super().checks(),
            "dimensions": self.dimensions == 3,
            "sizes": min(self.sizes, default=0) > 0 and sum(self.sizes) == len(self.points),
            "rotations": orthonormality_error(self.rotations) < ORTHONORMAL,
        }

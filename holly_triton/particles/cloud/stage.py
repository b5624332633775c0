"""One step of a run on pictures: its grid, its sigma, and the lengths of its moves."""

from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from holly_triton.geometry import Grid
from holly_triton.particles.config import MASK_THRESHOLD_128

Length = TypeVar("Length", float, Tensor)
"""A number, or a tensor ``[]`` on the device, where the operations of one step serve for the next."""
LENGTHS = ("sigma_nm", "search_sigma_nm", "turn", "shift_nm", "rate")
"""What changes from step to step; the rest changes a few times in a run."""


@dataclass(frozen=True)
class Stage(Generic[Length]):
    """Grid and sigma of one step, and the lengths of its moves."""

    name: str  # "search", "rescue", "polish", "sharpen", "refine" or "separate"; "train" where poses are not searched
    sigma_nm: Length
    grid: Grid
    search_sigma_nm: Length
    search_grid: Grid
    searched_as_fitted: bool  # whether the search's grid and sigma are these
    global_search: bool
    turn: Length  # largest perturbation of a rotation, radians
    shift_nm: Length  # largest perturbation of a shift
    rate: Length  # factor on every step length, 1 falling to 0
    gyration_nm: float  # radius of gyration of the structure, 3D
    largest_tilt: float  # largest angle between the structure's z and the line of sight, radians

    @property
    def mask_threshold(self) -> float:
        """The mask's threshold, which decreases with the number of pixels as normalised intensity does."""
        return MASK_THRESHOLD_128 * 128**2 / self.grid.size**2

    @property
    def kind(self) -> "Stage[float]":
        """The stage without its lengths: steps that share it differ by numbers alone."""
        none: Any = dict.fromkeys(LENGTHS, 0.0)
        return replace(self, **none)  # type: ignore[return-value]

    def lengths(self, device: torch.device) -> Tensor:
        """``LENGTHS`` as a tensor on a device, which is not waited for."""
        numbers = torch.tensor([float(getattr(self, name)) for name in LENGTHS], pin_memory=device.type == "cuda")
        return numbers.to(device, non_blocking=True)

    def with_lengths(self, lengths: Tensor) -> "Stage[Tensor]":
        """The stage with these in place of its own."""
        own: Any = dict(zip(LENGTHS, lengths.unbind(), strict=True))
        return replace(self, **own)  # type: ignore[return-value]


AnyStage = Stage[float] | Stage[Tensor]

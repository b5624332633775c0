"""Particles cut from tomograms, and how each is thought to lie."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from .imaging import Imaging


@dataclass(frozen=True)
class Particles:
    """Boxes about picks; every tensor has N rows.

    Attributes:
        boxes: ``[N, n, n, n]`` float32, each of mean 0 and standard deviation 1.
        imaging: Of the tomograms that they were cut from.
    """

    boxes: Tensor
    imaging: Imaging

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def size(self) -> int:
        """Voxels along a side of a box, n."""
        return self.boxes.shape[-1]

    def take(self, rows: Tensor) -> Self:
        """Some of the particles."""
        return replace(self, boxes=self.boxes[rows])


@dataclass(frozen=True)
class Poses:
    """How N particles lie: a point p of the reference, about its centre, lies at ``rotation @ p + shift`` about the box's.

    Attributes:
        rotation: ``[N, 3, 3]`` float32, reference to tomogram.
        shift: ``[N, 3]`` float32, x y z in voxels.
        score: ``[N]``, the correlation with the reference; NaN where there was none.
    """

    rotation: Tensor
    shift: Tensor
    score: Tensor

    @classmethod
    def of(cls, rotation: Tensor, shift: Tensor | None = None) -> Self:
        """Poses without scores."""
        place = torch.zeros_like(rotation[:, 0]) if shift is None else shift
        return cls(rotation, place, torch.full_like(rotation[:, 0, 0], torch.nan))

    def take(self, rows: Tensor) -> Self:
        """Those of some of the particles."""
        return type(self)(self.rotation[rows], self.shift[rows], self.score[rows])


def normalised(boxes: Tensor) -> Tensor:
    """Boxes ``[N, n, n, n]`` of mean 0 and standard deviation 1; constant ones become 0."""
    centred = boxes - boxes.mean((1, 2, 3), keepdim=True)
    spread = centred.square().mean((1, 2, 3), keepdim=True).sqrt()
    return torch.where(spread > 0, centred / spread.clamp(min=1e-30), 0)

"""Tomograms with their truth, as training and validation take them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.training import Contrast, LabelNoise
from holly_triton.tomography.segment.normalise import Normalisation


@dataclass(frozen=True)
class Scene:
    """A tomogram and the particles in it.

    Attributes:
        name: of the tomogram.
        values: ``[Z, Y, X]``, which may lie in a file.
        normalisation: of the values.
        labels: class of each particle ``[N]`` int64; 0 is the background.
        centres: z, y, x ``[N, 3]`` float32 in voxels.
        rotations: active, reference to tomogram ``[N, 3, 3]`` float32; None where they are not known.
    """

    name: str
    values: Array
    normalisation: Normalisation
    labels: Tensor
    centres: Tensor
    rotations: Tensor | None

    @classmethod
    def of(
        cls, name: str, values: Array, voxel: float, truth: ParticleList, classes: tuple[str, ...], contrast: Contrast
    ) -> Self:
        """A scene of a tomogram with voxels of a side in Å; particles of other classes than ``classes`` are background.

        Raises:
            HollyError: A particle lies outside of the tomogram, or ``Normalisation.of`` fails.
        """
        known = truth.take(np.isin(truth.labels, classes))
        numbers = {label: 1 + i for i, label in enumerate(classes)}
        centres = known.positions[:, ::-1] / voxel
        outside = ((centres < -0.5) | (centres > np.array(values.shape) - 0.5)).any(axis=1)
        if outside.any():
            raise HollyError(
                f"{name}: {outside.sum()} of its {len(known)} particles lie outside of its {' x '.join(map(str, values.shape[::-1]))} "
                f"voxels of {voxel:g} Å; are the positions in Å from the centre of the first voxel?"
            )
        return cls(
            name=name,
            values=values,
            normalisation=Normalisation.of(values, contrast, name),
            labels=torch.tensor([numbers[str(label)] for label in known.labels], dtype=torch.int64),
            centres=torch.from_numpy(np.ascontiguousarray(centres)).float().reshape(-1, 3),
            rotations=None if known.rotations is None else torch.from_numpy(known.rotations.copy()).float(),
        )

    def cut(self, corner: tuple[int, int, int], side: int) -> Tensor:
        """A cube of normalised voxels from a corner on; 0 outside of the tomogram."""
        spans = [(max(0, first), min(size, first + side)) for first, size in zip(corner, self.values.shape, strict=True)]  # fmt: skip
        patch = torch.zeros(side, side, side)
        if all(first < last for first, last in spans):
            inner = tuple(
                slice(first - start, last - start) for (first, last), start in zip(spans, corner, strict=True)
            )
            patch[inner] = self.normalisation.applied(self.values[tuple(slice(*span) for span in spans)])
        return patch

    def mislabelled(self, noise: LabelNoise, voxel: float, classes: int, generator: torch.Generator) -> "Scene":
        """The same tomogram with errors in its labels; ``classes`` counts the background too."""
        count = len(self.labels)
        kept = torch.rand(count, generator=generator) >= noise.missing
        shifts = noise.shift_a / voxel * torch.randn(count, 3, generator=generator)
        swapped = torch.rand(count, generator=generator) < noise.swapped
        labels = torch.where(swapped, torch.randint(1, classes, (count,), generator=generator), self.labels)
        rotations = None if self.rotations is None else self.rotations[kept]
        centres = (self.centres + shifts)[kept]
        return Scene(self.name, self.values, self.normalisation, labels[kept], centres, rotations)

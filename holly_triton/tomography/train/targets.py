"""What a network is to answer for each voxel, drawn from positions: spheres, rotated average shapes, or heat maps.

A target is a class and a share for every voxel: the class has this share, the background the rest. Spheres and shapes, the
targets of DeepFinder (Moebel et al. 2021), have a share of 1; of particles that overlap, the later one is drawn over the
earlier. A heat map has a Gaussian for each particle, whose maximum lies between the voxels where the particle does; of two
that overlap, the larger share counts.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from holly_triton.core.errors import HollyError
from holly_triton.geometry.volumes import centre
from holly_triton.tomography.config.training import HEAT_REACH, HEAT_SIGMA, Target

from .scenes import Scene


@dataclass(frozen=True)
class Targets:
    """How particles are drawn.

    Attributes:
        kind: ``spheres``, ``shapes`` or ``heat``.
        radii: of the classes, voxels ``[C]``; the first is the background, whose radius has no meaning.
        shapes: for ``shapes``, a mask of 0 and 1 for each class ``[n, n, n]`` by its number; its centre is ``n // 2``.
    """

    kind: Target
    radii: Tensor
    shapes: dict[int, Tensor] | None = None

    def draw(self, scene: Scene, corner: tuple[int, int, int], side: int) -> tuple[Tensor, Tensor]:
        """Classes ``[side, side, side]`` int64 and their shares, float32, in a cube of a tomogram from a corner on.

        Raises:
            HollyError: The target is of shapes, and the particles have no rotations.
        """
        labels = torch.zeros(side, side, side, dtype=torch.int64)
        shares = torch.zeros(side, side, side)
        centres = scene.centres - torch.tensor(corner)
        reach = self._reach()[scene.labels]
        near = ((centres + reach[:, None] >= 0) & (centres - reach[:, None] <= side - 1)).all(1)
        for row in near.nonzero()[:, 0].tolist():
            spans = [
                slice(max(0, math.ceil(at - float(reach[row]))), min(side, math.floor(at + float(reach[row])) + 1))
                for at in centres[row].tolist()
            ]
            offsets = [
                torch.arange(span.start, span.stop) - at for span, at in zip(spans, centres[row].tolist(), strict=True)
            ]
            label = int(scene.labels[row])
            share = self._shares(label, offsets, None if scene.rotations is None else scene.rotations[row])
            place = tuple(spans)
            drawn = share > (shares[place] if self.kind == "heat" else 0)
            shares[place] = torch.where(drawn, share, shares[place])
            labels[place] = torch.where(drawn, label, labels[place])
        return labels, shares

    def _reach(self) -> Tensor:
        """How far from its centre a particle of each class is drawn, voxels ``[C]``."""
        if self.kind == "shapes":
            assert self.shapes is not None
            return torch.tensor([0.0] + [math.sqrt(3) * centre(len(self.shapes[i])) for i in range(1, len(self.radii))])
        return self.radii * (HEAT_SIGMA * HEAT_REACH if self.kind == "heat" else 1.0)

    def _shares(self, label: int, offsets: list[Tensor], rotation: Tensor | None) -> Tensor:
        """Shares of a particle at offsets along z, y and x from its centre."""
        z, y, x = torch.meshgrid(*offsets, indexing="ij")
        if self.kind == "shapes":
            if rotation is None:
                raise HollyError("targets of shapes need the rotation of every particle; give truth with rotations, or other targets")  # fmt: skip
            assert self.shapes is not None
            return _turned(self.shapes[label], torch.stack([x, y, z], dim=-1), rotation)
        square = z * z + y * y + x * x
        radius = float(self.radii[label])
        if self.kind == "spheres":
            return (square <= radius**2).float()
        return torch.exp(-square / (2 * (HEAT_SIGMA * radius) ** 2))


def _turned(shape: Tensor, offsets: Tensor, rotation: Tensor) -> Tensor:
    """1 where a shape, turned by a rotation, covers offsets ``[..., 3]`` (x, y, z) from its centre, and 0 elsewhere."""
    size = len(shape)
    # A row times R is R's transpose applied to it: from the tomogram back to the reference.
    places = (offsets @ rotation + centre(size)) * (2 / (size - 1)) - 1
    sampled = functional.grid_sample(shape[None, None], places[None], align_corners=True)
    return (sampled[0, 0] >= 0.5).float()

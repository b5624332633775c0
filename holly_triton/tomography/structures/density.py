"""A structure of the family: a weighted cloud of points in Å, which stands for a density."""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.tomography.config.structures import SIGMA_PER_RESOLUTION


@dataclass(frozen=True, eq=False)
class Density:
    """A macromolecule or a decoy as a weighted cloud.

    Attributes:
        name: what it is called in lists of particles.
        points: ``[N, 3]`` float32, x, y, z in Å about the centre of mass.
        weights: ``[N]`` float32, mass of each point, Da.
        resolution: of what the points blur already, Å; 0 for atoms, about twice the voxel for the voxels of a map.
        symmetry: point group about the centre of mass, its main axis along z: ``C1``, ``D7``, ``O`` …
    """

    name: str
    points: Tensor
    weights: Tensor
    resolution: float = 0.0
    symmetry: str = "C1"

    @classmethod
    def of(cls, name: str, points: Any, weights: Any = None, *, resolution: float = 0.0, symmetry: str = "C1") -> Self:
        """A density from anything that PyTorch takes, moved to its centre of mass; without weights all points weigh the same.

        Raises:
            HollyError: There is no point, a coordinate or weight is not finite, or the weights do not sum to a positive mass.
        """
        places = torch.as_tensor(points, dtype=torch.float64).reshape(-1, 3)
        if weights is None:
            mass = torch.ones(len(places), dtype=torch.float64)
        else:
            mass = torch.as_tensor(weights, dtype=torch.float64).reshape(-1)
        if not (places.isfinite().all() and mass.isfinite().all()):
            raise HollyError(f"{name}: has points or weights that are NaN or infinite; remove them")
        if len(places) == 0 or mass.sum() <= 0:
            raise HollyError(f"{name}: holds no mass; a structure needs points with weights above 0")
        centred = places - (mass[:, None] * places).sum(0) / mass.sum()
        return cls(name, centred.float(), mass.float(), resolution, symmetry)

    @property
    def mass(self) -> float:
        """Sum of the weights, Da."""
        return float(self.weights.double().sum())

    @property
    def radius(self) -> float:
        """Distance of the farthest point from the centre of mass, Å."""
        return float(self.points.norm(dim=1).max())

    @property
    def diameter(self) -> float:
        """Diameter of the sphere about the centre of mass that holds every point, Å."""
        return 2 * self.radius

    @property
    def sigma(self) -> float:
        """Standard deviation of the Gaussian by which the points are blurred already, Å."""
        return SIGMA_PER_RESOLUTION * self.resolution

    def weighing(self, mass: float) -> Self:
        """The same shape with another mass, Da."""
        return replace(self, weights=self.weights * (mass / self.mass))

    def to(self, device: torch.device | str) -> Self:
        """The density on a device."""
        return replace(self, points=self.points.to(device), weights=self.weights.to(device))

    def thinned(self, spacing: float) -> Self:
        """The density on the points of a cubic lattice of a spacing, Å, if these are fewer than its own.

        Each point is shared out by quadratic B-splines, which keep mass and centre of mass and add the same variance to
        every point, a quarter of the squared spacing; ``resolution`` grows by it.
        """
        index, share = [], []
        for place in (self.points.double() / spacing).unbind(1):
            near = place.round()
            apart = place - near
            index.append(torch.stack([near - 1, near, near + 1], dim=1).long())
            share.append(torch.stack([(apart - 0.5) ** 2 / 2, 0.75 - apart**2, (apart + 0.5) ** 2 / 2], dim=1))
        least = torch.stack([one.min() for one in index])
        sides = [int(one.max() - low) + 1 for one, low in zip(index, least, strict=True)]
        x, y, z = (one - low for one, low in zip(index, least, strict=True))
        place = (z[:, :, None, None] * sides[1] + y[:, None, :, None]) * sides[0] + x[:, None, None, :]
        weight = share[2][:, :, None, None] * share[1][:, None, :, None] * share[0][:, None, None, :]
        kept, node = torch.unique(place.flatten(), return_inverse=True)
        if len(kept) >= len(self.points):
            return self
        mass = (weight * self.weights.double().reshape(-1, 1, 1, 1)).flatten()
        lattice = torch.zeros(len(kept), dtype=mass.dtype, device=mass.device).index_add_(0, node, mass)
        number = torch.stack([kept % sides[0], kept // sides[0] % sides[1], kept // (sides[0] * sides[1])], dim=1)
        blurred = math.hypot(self.resolution, spacing / 2 / SIGMA_PER_RESOLUTION)
        return replace(self, points=((number + least) * spacing).float(), weights=lattice.float(), resolution=blurred)

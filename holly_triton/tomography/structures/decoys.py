"""Decoys by formula: bodies of protein's density that are no macromolecule, and gold beads."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from holly_triton.tomography.config.structures import DECOY_SPACING, GOLD_TO_PROTEIN, PROTEIN_DA, SIGMA_PER_RESOLUTION

from .density import Density


def sphere(diameter: float = 150.0, name: str = "sphere") -> Density:
    """A ball of protein's density; diameter in Å."""
    return ellipsoid((diameter,) * 3, name)


def ellipsoid(diameters: tuple[float, float, float] = (220.0, 150.0, 100.0), name: str = "ellipsoid") -> Density:
    """An ellipsoid of protein's density with these diameters along x, y and z, Å."""
    sides = torch.tensor(diameters)
    return _filled(name, sides, lambda unit: unit.square().sum(1) <= 1, math.pi / 6 * math.prod(diameters))


def disc(diameter: float = 220.0, height: float = 50.0, name: str = "disc") -> Density:
    """A flat cylinder about z of protein's density, Å."""
    sides = torch.tensor([diameter, diameter, height])
    volume = math.pi / 4 * diameter**2 * height
    return _filled(name, sides, lambda unit: (unit[:, :2].square().sum(1) <= 1) & (unit[:, 2].abs() <= 1), volume)


def gold(diameter: float = 100.0, name: str = "gold") -> Density:
    """A gold bead, a fiducial marker of tilt series; diameter in Å."""
    bead = sphere(diameter, name)
    return bead.weighing(GOLD_TO_PROTEIN * bead.mass)


def _filled(name: str, sides: Tensor, inside: Callable[[Tensor], Tensor], volume: float) -> Density:
    """A body of protein's density from points on a cubic lattice, given within the cube of -1 to 1 along each axis."""
    step = DECOY_SPACING * float(sides.log().mean().exp())
    axes = [torch.arange(int(side / 2 // step) + 1) * step for side in sides]
    points = torch.cartesian_prod(*(torch.cat([-axis.flip(0)[:-1], axis]) for axis in axes))
    points = points[inside(2 * points / sides)]
    weights = torch.full((len(points),), PROTEIN_DA * volume / len(points))
    # Each point stands for a cube, which blurs by its own second moment.
    blurred = step / 12**0.5 / SIGMA_PER_RESOLUTION
    return Density.of(name, points, weights, resolution=blurred, symmetry="D2")


DECOYS: dict[str, Callable[[], Density]] = {"sphere": sphere, "ellipsoid": ellipsoid, "disc": disc, "gold": gold}
"""Every decoy by its name on the command line."""

"""The nine classes of the study, read from folders of structures."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from holly_triton.tomography.structures import Density, read_density
from holly_triton.tomography.structures.finding import find_structures

from .config import STRUCTURES, Structure


@lru_cache(maxsize=1)
def nine_classes(folders: tuple[Path, ...]) -> list[Density]:
    """The classes, in the order of ``STRUCTURES``; those with a rotation axis have it along z.

    Args:
        folders: Each is searched, and the folders in it.

    Raises:
        HollyError: A file is in none of them, or can't be read.
    """
    places = find_structures([structure.file for structure in STRUCTURES if structure.file], folders)
    return [_read(structure, places.get(structure.file)) for structure in STRUCTURES]


def _read(structure: Structure, path: Path | None) -> Density:
    density = replace(read_density(structure.name if path is None else path), name=structure.name)
    if structure.axis == 1:
        return density
    return replace(density, points=along_axis(density.points, density.weights), symmetry=f"C{structure.axis}")


def along_axis(points: Tensor, weights: Tensor) -> Tensor:
    """Points ``[N, 3]`` turned so that their axis of rotation is z.

    A body with a rotation axis of order 3 or more has two equal moments about the two other axes, so that the axis is the
    principal axis whose second moment differs from the others.
    """
    places = points.double()
    moments = (places * weights.double()[:, None]).T @ places
    values, axes = torch.linalg.eigh(moments)
    apart = (values - values.median()).abs()
    main = axes[:, int(apart.argmax())]
    side = torch.linalg.cross(main, axes[:, int(apart.argmin())])
    turn = torch.stack([torch.linalg.cross(side, main), side, main])  # rows: the new x, y, z, right-handed
    return (places @ turn.T).to(points)

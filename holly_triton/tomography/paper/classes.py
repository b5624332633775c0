"""The nine classes of the study, read from folders of structures."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.tomography.structures import Density, read_density

from .config import STRUCTURES, Structure


@lru_cache(maxsize=1)
def nine_classes(folders: tuple[Path, ...]) -> list[Density]:
    """The classes, in the order of ``STRUCTURES``; those with a rotation axis have it along z.

    Args:
        folders: Each is searched, and the folders in it.

    Raises:
        HollyError: A file is in none of them, or can't be read.
    """
    places = {structure.file: _find(structure.file, folders) for structure in STRUCTURES if structure.file}
    absent = [file for file, path in places.items() if path is None]
    if absent:
        where = ", ".join(map(str, folders)) or "no folder, since none was given"
        raise HollyError(
            f"--structures: {', '.join(absent)} not found in {where}; give the folders that hold the maps and models of the study"
        )
    return [_read(structure, places.get(structure.file)) for structure in STRUCTURES]


def _find(file: str, folders: Sequence[Path]) -> Path | None:
    candidates = (path for folder in folders for path in (folder / file, *sorted(folder.glob(f"*/{file}"))))
    return next((path for path in candidates if path.is_file()), None)


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

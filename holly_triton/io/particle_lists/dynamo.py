"""Tables of Dynamo (``.tbl``): numbers without a header, one particle a row."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign
from holly_triton.geometry.euler import euler_from_rotation, rotation_from_euler

from .particle_list import ParticleList
from .raw import RawList, numbers_of

TAG, ALIGNED, AVERAGED, SHIFT, ANGLES, SCORE, TOMOGRAM, CLASS, PLACE, PIXEL = 0, 1, 2, 3, 6, 9, 19, 21, 23, 35
"""Columns from 0: tag; flags; dx dy dz; tdrot tilt narot; cc; tomo; class; x y z; apix."""
LEAST_COLUMNS, COLUMNS = 26, 36


def read_tbl(path: Path) -> RawList:
    """A table: places with shifts added, in voxels that MATLAB counts from 1.

    Raises:
        HollyError: Rows differ in width, are too short for x, y and z, or hold what is not a number.
    """
    rows: list[list[float]] = []
    with foreign(path, "a table of Dynamo"), path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            cells = line.split("#")[0].split()
            if not cells:
                continue
            if len(cells) < LEAST_COLUMNS:
                raise HollyError(
                    f"{path}: line {number} has {len(cells)} columns; x, y and z are columns 24 to 26 of a table of Dynamo"
                )
            try:
                # Dynamo writes complex numbers in columns that are not used here.
                rows.append([float(cell) if place < COLUMNS and "i" not in cell else 0.0 for place, cell in enumerate(cells)])  # fmt: skip
            except ValueError as error:
                raise HollyError(f"{path}: line {number} holds what is not a number ({error})") from error
    if len({len(row) for row in rows}) > 1:
        raise HollyError(f"{path}: its rows differ in their number of columns; it is damaged")
    table = np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else COLUMNS)
    pixels = {float(one) for one in table[:, PIXEL]} if table.shape[1] > PIXEL else set()
    return RawList(
        table[:, PLACE : PLACE + 3] + table[:, SHIFT : SHIFT + 3],
        "voxel",
        "table of Dynamo",
        labels=_whole(table[:, CLASS]),
        rotations=rotation_from_euler(table[:, ANGLES : ANGLES + 3], "dynamo"),
        scores=table[:, SCORE],
        tomograms=_whole(table[:, TOMOGRAM]),
        side=pixels.pop() if len(pixels) == 1 and min(pixels) > 0 else None,
        first=1,
    )


def _whole(numbers: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[str]:
    return [f"{number:.0f}" for number in numbers]


def write_tbl(path: Path, particles: ParticleList, voxel_size: float) -> None:
    """Write a table; classes and tomograms are numbered from 1 in the order of the alphabet unless they are numbers."""
    table = np.zeros((len(particles), COLUMNS))
    table[:, TAG] = np.arange(1, len(particles) + 1)
    table[:, [ALIGNED, AVERAGED, 12]] = 1
    if particles.rotations is not None:
        table[:, ANGLES : ANGLES + 3] = euler_from_rotation(particles.rotations, "dynamo")
    table[:, SCORE] = np.nan_to_num(particles.scores)
    table[:, CLASS], _ = numbers_of(particles.labels)
    table[:, TOMOGRAM], _ = numbers_of(particles.tomograms)
    table[:, PLACE : PLACE + 3] = particles.positions / voxel_size + 1
    table[:, PIXEL] = voxel_size
    with path.open("w", encoding="utf-8") as file:
        file.writelines(" ".join(f"{value:.7g}" for value in row) + "\n" for row in table)

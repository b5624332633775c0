"""Motive lists (``.em``) of TOM, AV3, STOPGAP's converter and Artiatomi: an EM file of 20 numbers a particle."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.geometry.euler import rotation_from_euler
from holly_triton.io.volumes.em import read_em
from holly_triton.io.volumes.raw import Source

from .raw import RawList

NUMBERS = 20
SCORE, TOMOGRAM, PLACE, SHIFT, ANGLES, CLASS = 0, 4, 7, 10, 16, 19
"""From 0: correlation; tomogram; x y z; their shifts in the tomogram; phi psi theta; class."""


def is_motl(path: Path) -> bool:
    """Whether an EM file has the sides of a motive list.

    Raises:
        HollyError: It is damaged.
    """
    shape = read_em(Source(path)).values.shape
    return bool(shape[0] == 1 and shape[2] == NUMBERS)


def read_motl(path: Path) -> RawList:
    """A list: places with shifts added, in voxels that MATLAB counts from 1.

    Raises:
        HollyError: The file is damaged, or has other sides.
    """
    values = read_em(Source(path)).values
    if values.shape[0] != 1 or values.shape[2] != NUMBERS:
        depth, rows, columns = values.shape
        raise HollyError(f"{path}: has {columns} x {rows} x {depth} numbers, and a motive list {NUMBERS} for each particle; is it a volume?")  # fmt: skip
    table = values[0].astype(np.float64)
    return RawList(
        table[:, PLACE : PLACE + 3] + table[:, SHIFT : SHIFT + 3],
        "voxel",
        "motive list (EM)",
        labels=[f"{number:.0f}" for number in table[:, CLASS]],
        rotations=rotation_from_euler(table[:, ANGLES : ANGLES + 3], "motl"),
        scores=table[:, SCORE],
        tomograms=[f"{number:.0f}" for number in table[:, TOMOGRAM]],
        first=1,
    )

"""Structures that ship as formulas."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holly_triton.config import UNIT_NM

Array = NDArray[Any]

COLUMNS = 8
SPACING = 0.075


def cep152() -> Array:
    """The CEP152/HsSAS-6 model of the paper: a wide cylinder and, at a right angle to it, a narrow one.

    Each has eight columns. They stand for the CEP152 torus about a centriole and the HsSAS-6 cartwheel of its
    daughter (Blundell et al. 2021). The only symmetry of the pair is the reflection x -> -x, so it is its own
    mirror image, turned.

    Returns:
        Sites ``[112, 3]`` float64, nm, in the frame of the paper's mesh (not centred).
    """
    torus = _cylinder(radius=0.6, rings=9, first=-0.3)[:, [0, 2, 1]]  # axis along y
    cartwheel = _cylinder(radius=0.21, rings=5, first=-0.796216) + [0, 0.0628, 0]  # axis along z
    return UNIT_NM * np.concatenate([torus, cartwheel])


def _cylinder(radius: float, rings: int, first: float) -> Array:
    """Sites ``[8 * rings, 3]`` on a cylinder about z with its lowest ring at z = ``first``, paper's unit."""
    angle = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    height, angle = np.meshgrid(first + SPACING * np.arange(rings), angle, indexing="ij")
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1).reshape(-1, 3)

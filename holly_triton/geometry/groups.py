"""Point groups of macromolecules, by their names: C1, C7, D7, T, O, I.

The axis of Cn and Dn is z, and one of the twofold axes of Dn is x. T, O and I have twofold, fourfold and twofold axes
along x, y and z, in this order.
"""

import re

import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

NAME = re.compile(r"C[1-9]\d{0,2}|D[1-9]\d{0,2}|T|O|I")
KNOWN = "C1, C2, ... about z, D1, D2, ... with a twofold axis along x, T, O, or I"


def point_group(name: str) -> Tensor:
    """The rotations ``[G, 3, 3]``, float32, that map a reference of this symmetry onto itself, the identity first.

    Args:
        name: Of the group; its letter may be small.

    Raises:
        ValueError: No such group is known; the message lists those that are.
    """
    if not NAME.fullmatch(name.upper()):
        raise ValueError(f"{name!r} is no known symmetry; known are {KNOWN}")
    group = Rotation.create_group(name.upper())
    order = group.magnitude().argsort(kind="stable")
    return torch.from_numpy(group[order].as_matrix()).float()

"""Euler angles as the programs of subtomogram averaging write them, in degrees, and the rotations that they stand for.

Rotations are active, reference to tomogram: a point ``p`` of the reference, x, y, z about its centre, lies at ``R @ p``
about the particle's centre. ``Rz(a)`` turns x towards y, ``Rx(a)`` y towards z, ``Ry(a)`` z towards x.

Each program with a worked example, in which the three angles of its files are 30, 40 and 50 in that order, and the point
is (7, 3, -4):

=============  =======================  ================================  ======================
program        angles, in this order    R                                 R @ (7, 3, -4)
=============  =======================  ================================  ======================
deepfinder     phi, psi, the            Rz(psi) Rx(the) Rz(phi)           (-0.99, 8.28, 2.10)
pytom, motl    phi, psi, the            as deepfinder                     (-0.99, 8.28, 2.10)
relion, warp   rot, tilt, psi           Rz(-psi) Ry(-tilt) Rz(-rot)       (4.69, -6.99, 1.80)
dynamo         tdrot, tilt, narot       Rz(-tdrot) Rx(-tilt) Rz(-narot)   (3.29, -7.90, -0.86)
=============  =======================  ================================  ======================

DeepFinder's was measured with its own function. RELION's is the matrix of its source (``Euler_angles2matrix``), which takes
particle space to tomogram space; the three rotations are intrinsic about z, y, z and passive. Dynamo's are extrinsic about
z, x, z and take the particle to the reference.
"""

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array

Program = Literal["deepfinder", "pytom", "motl", "relion", "warp", "dynamo"]


class Convention(NamedTuple):
    """How a program composes a rotation, in SciPy's words."""

    axes: str
    """Extrinsic in lower case, intrinsic in upper case."""
    order: tuple[int, int, int]
    """Which of the file's three angles is first, second and third in the sequence of axes."""
    inverse: bool
    """Whether the composed rotation takes the particle to the reference."""


_ZXZ = Convention("zxz", (0, 2, 1), inverse=False)
_ZYZ = Convention("ZYZ", (0, 1, 2), inverse=True)
CONVENTIONS: dict[str, Convention] = {
    "deepfinder": _ZXZ,
    "pytom": _ZXZ,
    "motl": _ZXZ,
    "relion": _ZYZ,
    "warp": _ZYZ,
    "dynamo": Convention("zxz", (0, 1, 2), inverse=True),
}


def rotation_from_euler(angles: Any, program: Program) -> Array:
    """Active rotations ``[N, 3, 3]`` float64, reference to tomogram, from a program's angles ``[N, 3]`` in degrees.

    The order of the three angles is that of the table at the top of this file.
    """
    convention = CONVENTIONS[program]
    ordered = np.asarray(angles, dtype=np.float64).reshape(-1, 3)[:, list(convention.order)]
    rotation = Rotation.from_euler(convention.axes, ordered, degrees=True)
    matrices: Array = (rotation.inv() if convention.inverse else rotation).as_matrix()
    return matrices


def euler_from_rotation(rotation: Any, program: Program) -> Array:
    """A program's angles ``[N, 3]`` in degrees of active rotations ``[N, 3, 3]``; the inverse of ``rotation_from_euler``.

    Where the middle angle is 0 or 180, only the sum or difference of the other two is determined, and one of them is 0.
    """
    convention = CONVENTIONS[program]
    turned = Rotation.from_matrix(np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gimbal lock", UserWarning)
        ordered = (turned.inv() if convention.inverse else turned).as_euler(convention.axes, degrees=True)
    angles: Array = np.empty_like(ordered)
    angles[:, list(convention.order)] = ordered
    return angles


def rotation_from_quaternion(quaternion: Any) -> Array:
    """Rotations ``[N, 3, 3]`` from quaternions ``[N, 4]`` with the scalar last, of any length above 0."""
    matrices: Array = Rotation.from_quat(np.asarray(quaternion, dtype=np.float64).reshape(-1, 4)).as_matrix()
    return matrices


def quaternion_from_rotation(rotation: Any) -> Array:
    """Unit quaternions ``[N, 4]`` with the scalar last and not negative, from rotations ``[N, 3, 3]``."""
    turned = Rotation.from_matrix(np.asarray(rotation, dtype=np.float64).reshape(-1, 3, 3))
    quaternion: Array = turned.as_quat(canonical=True)
    return quaternion

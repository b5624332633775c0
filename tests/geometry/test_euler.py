"""Euler angles of each program: the worked examples, the formulas written out, and the way back."""

import math

import numpy as np
import pytest

from holly_triton.geometry.euler import (
    CONVENTIONS,
    euler_from_rotation,
    quaternion_from_rotation,
    rotation_from_euler,
    rotation_from_quaternion,
)

ANGLES, POINT = (30.0, 40.0, 50.0), (7.0, 3.0, -4.0)
EXAMPLES = {
    "deepfinder": (-0.99, 8.28, 2.10),
    "pytom": (-0.99, 8.28, 2.10),
    "motl": (-0.99, 8.28, 2.10),
    "relion": (4.69, -6.99, 1.80),
    "warp": (4.69, -6.99, 1.80),
    "dynamo": (3.29, -7.90, -0.86),
}


def rz(angle: float) -> np.ndarray:
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def rx(angle: float) -> np.ndarray:
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def relion_matrix(rot: float, tilt: float, psi: float) -> np.ndarray:
    """Element by element, as RELION composes it."""
    (ca, sa), (cb, sb), (cg, sg) = ((math.cos(math.radians(a)), math.sin(math.radians(a))) for a in (rot, tilt, psi))
    return np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )


@pytest.mark.parametrize("program", CONVENTIONS)
def test_the_worked_example_of_each_program(program: str) -> None:
    (rotation,) = rotation_from_euler([ANGLES], program)
    np.testing.assert_allclose(rotation @ POINT, EXAMPLES[program], atol=0.005)


def test_the_conventions_are_the_formulas_written_out() -> None:
    rng = np.random.default_rng(1)
    for a, b, c in rng.uniform(-180, 180, size=(20, 3)):
        expected = {
            "deepfinder": rz(b) @ rx(c) @ rz(a),
            "relion": relion_matrix(a, b, c),
            "dynamo": (rz(c) @ rx(b) @ rz(a)).T,
        }
        for program, matrix in expected.items():
            np.testing.assert_allclose(rotation_from_euler([[a, b, c]], program)[0], matrix, atol=1e-12)


@pytest.mark.parametrize("program", CONVENTIONS)
def test_angles_come_back_also_where_two_axes_coincide(program: str) -> None:
    angles = np.random.default_rng(2).uniform(-180, 180, size=(50, 3))
    middle = CONVENTIONS[program].order[1]
    angles[0, middle], angles[1, middle] = 0, 180
    rotation = rotation_from_euler(angles, program)
    again = rotation_from_euler(euler_from_rotation(rotation, program), program)
    np.testing.assert_allclose(again, rotation, atol=1e-7)
    np.testing.assert_allclose(np.linalg.det(rotation), 1)


def test_quaternions_have_the_scalar_last_and_come_back() -> None:
    rotation = rotation_from_euler(np.random.default_rng(3).uniform(-180, 180, size=(20, 3)), "relion")
    quaternion = quaternion_from_rotation(rotation)
    assert (quaternion[:, 3] >= 0).all()
    np.testing.assert_allclose(rotation_from_quaternion(3 * quaternion), rotation, atol=1e-12)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(rotation_from_quaternion([[0, 0, half, half]])[0], rz(90), atol=1e-12)


def test_no_rotation_at_all() -> None:
    assert rotation_from_euler(np.empty((0, 3)), "dynamo").shape == (0, 3, 3)
    assert euler_from_rotation(np.empty((0, 3, 3)), "dynamo").shape == (0, 3)

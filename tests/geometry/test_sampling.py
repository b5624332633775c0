"""Point groups and grids of rotations."""

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from holly_triton.geometry.groups import point_group
from holly_triton.geometry.sampling import grid_size, local_rotations, rotation_grid


def angles_to_grid(grid, group, count=4000):
    """Angle in degrees of random rotations to the nearest of a grid, modulo the group ``[count]``."""
    full = (grid[:, None] @ group).reshape(-1, 3, 3).numpy().astype(np.float64)
    quaternions = Rotation.from_matrix(full).as_quat()
    tree = KDTree(np.concatenate([quaternions, -quaternions]))
    chord, _ = tree.query(Rotation.random(count, random_state=1).as_quat())
    return np.degrees(4 * np.arcsin(chord / 2))


@pytest.mark.parametrize(
    ("name", "order"), [("C1", 1), ("C7", 7), ("D1", 2), ("d7", 14), ("T", 12), ("O", 24), ("I", 60)]
)
def test_a_group_is_closed_and_starts_with_the_identity(name, order):
    group = point_group(name)
    assert group.shape == (order, 3, 3)
    assert torch.equal(group[0], torch.eye(3))
    products = (group[:, None] @ group[None]).view(-1, 1, 3, 3)
    assert ((products - group).abs().amax((2, 3)).amin(1) < 1e-5).all()
    assert torch.allclose(torch.linalg.det(group), torch.ones(order), atol=1e-5)


def test_axes_of_the_groups():
    def holds(name, axis, degrees):
        turn = torch.from_numpy(Rotation.from_rotvec(np.radians(degrees) * np.array(axis)).as_matrix()).float()
        return bool(((point_group(name) - turn).abs().amax((1, 2)) < 1e-5).any())

    assert holds("C7", (0, 0, 1), 360 / 7) and holds("D7", (1, 0, 0), 180)
    assert all(holds(name, axis, 180) for name in "TOI" for axis in np.eye(3))
    assert holds("O", (1, 0, 0), 90) and not holds("T", (1, 0, 0), 90)


@pytest.mark.parametrize("name", ["", "C0", "7", "D", "X", "C7 ", "I3", "C1000"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="no known symmetry"):
        point_group(name)


@pytest.mark.parametrize(
    ("symmetry", "order", "farthest"), [("C1", 1, 0.93), ("C7", 7, 1.2), ("D7", 14, 1.2), ("O", 24, 1.2)]
)
def test_the_grid_covers_every_rotation_evenly(symmetry, order, farthest):
    angle = 15.0
    grid = rotation_grid(angle, symmetry)
    assert abs(len(grid) * order / grid_size(angle) - 1) < 0.03
    away = angles_to_grid(grid, point_group(symmetry))
    assert 0.47 < away.mean() / angle < 0.53
    assert away.max() <= farthest * angle
    assert torch.allclose(grid @ grid.mT, torch.eye(3).expand_as(grid), atol=1e-5)
    assert (torch.linalg.det(grid) > 0).all()


def test_sizes_are_those_that_the_field_knows():
    assert grid_size(12.85) == pytest.approx(7112, rel=0.02)  # lists of PyTom
    assert grid_size(7) == pytest.approx(45123, rel=0.05)
    assert grid_size(360) == 1


def test_local_rotations_fill_a_ball():
    local = local_rotations(6, 2)
    angle = np.degrees(Rotation.from_matrix(local.numpy()).magnitude())
    assert torch.equal(local[0], torch.eye(3))
    assert len(local) == 123 and angle.max() == pytest.approx(6, abs=1e-3)  # lattice points in a ball of radius 3
    assert (np.diff(angle) > -1e-3).all()
    assert len(local_rotations(1, 2)) == 1

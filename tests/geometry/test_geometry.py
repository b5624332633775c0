import math

import numpy as np
import torch
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode

from holly_triton.geometry import (
    Grid,
    axis_angle_from_rotation,
    compose,
    limit_tilt,
    mirror,
    orthonormalised,
    orthonormality_error,
    project,
    random_rotations,
    rotation_from_axis_angle,
)


def test_a_grid_converts_lengths_to_pixels():
    grid = Grid(128, 1188.0)
    assert grid.pixel_nm == 9.28125
    assert grid.to_pixels(297.0) == 32.0


def test_random_rotations_are_rotations_and_their_angle_is_that_of_uniform_so3():
    rotation = random_rotations(4000, torch.Generator().manual_seed(1)).double()
    assert torch.allclose(rotation @ rotation.transpose(1, 2), torch.eye(3).double(), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(4000).double(), atol=1e-5)
    angle = np.linalg.norm(axis_angle_from_rotation(rotation.numpy()), axis=1)
    # Haar measure: the angle has density (1 - cos a) / pi on [0, pi].
    assert stats.kstest(angle, lambda a: (a - np.sin(a)) / math.pi).pvalue > 1e-3


def test_limited_rotations_are_uniform_within_their_cap_and_in_plane():
    rotation = random_rotations(4000, torch.Generator().manual_seed(1), math.radians(40)).double()
    assert torch.allclose(rotation @ rotation.transpose(1, 2), torch.eye(3).double(), atol=1e-5)
    cosine = rotation[:, 2, 2].numpy()
    least = math.cos(math.radians(40))
    assert cosine.min() >= least - 1e-6
    assert stats.kstest(cosine, lambda c: (c - least) / (1 - least)).pvalue > 1e-3
    flat = random_rotations(4000, torch.Generator().manual_seed(1), 0.0).double().numpy()
    assert flat[:, 2, 2].min() > 1 - 1e-5
    assert stats.kstest(np.arctan2(flat[:, 1, 0], flat[:, 0, 0]), lambda a: (a + math.pi) / (2 * math.pi)).pvalue > 1e-3


def test_a_limited_tilt_turns_back_what_is_beyond_and_leaves_the_rest():
    rotation = random_rotations(200, torch.Generator().manual_seed(2)).double()
    limited = limit_tilt(rotation, 1.0)
    tilt = limited[:, 2, 2].acos()
    inside = rotation[:, 2, 2].acos() <= 1.0
    assert torch.allclose(limited[inside], rotation[inside], atol=1e-6)
    assert torch.allclose(tilt[~inside], torch.ones(int((~inside).sum())).double(), atol=1e-5)
    assert limit_tilt(rotation, math.pi) is rotation


def test_axis_angle_turns_x_towards_y_about_z():
    rotation = rotation_from_axis_angle(torch.tensor([0.0, 0.0, math.pi / 2]))
    assert torch.allclose(rotation @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)


def test_axis_angle_survives_the_way_to_a_matrix_and_back():
    axis_angle = torch.randn(200, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    axis_angle *= (3.0 / axis_angle.norm(dim=1, keepdim=True)).clamp(max=1)  # beyond pi a turn has a shorter name
    axis_angle[:5] *= 1e-6
    back = axis_angle_from_rotation(rotation_from_axis_angle(axis_angle).numpy())
    assert np.allclose(back, axis_angle.numpy(), atol=1e-9)


def test_rotation_from_axis_angle_is_differentiable_at_and_around_zero():
    for size in (0.0, 1e-6, 1e-2, 1.0):
        axis_angle = (size * torch.randn(3, 3, dtype=torch.float64)).requires_grad_()
        assert torch.autograd.gradcheck(rotation_from_axis_angle, (axis_angle,))


def test_the_mirrored_cloud_under_mirrored_poses_gives_the_same_projections():
    generator = torch.Generator().manual_seed(3)
    cloud = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    axis_angle = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    other = axis_angle * torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)
    seen = project(cloud, rotation_from_axis_angle(axis_angle))
    mirrored = project(torch.from_numpy(mirror(cloud.numpy())), rotation_from_axis_angle(other))
    assert torch.allclose(seen, mirrored)


class RoundedProducts(TorchDispatchMode):
    """Matrix products take their factors with 10 bits of mantissa, as TF32 on a GPU's tensor cores."""

    PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.bmm.default, torch.ops.aten.addmm.default)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in self.PRODUCTS:
            args = [rounded(one) if isinstance(one, torch.Tensor) else one for one in args]
        return func(*args, **(kwargs or {}))


def rounded(numbers: torch.Tensor) -> torch.Tensor:
    mantissa, exponent = torch.frexp(numbers)
    return torch.ldexp((mantissa * 2**11).round() / 2**11, exponent)


def test_rotations_stay_rotations_where_matrix_products_are_rounded():
    generator = torch.Generator().manual_seed(0)
    turns = 0.03 * torch.randn(700, 20, 3, generator=generator)
    rotation = other = random_rotations(20, generator)
    with RoundedProducts():
        for turn in turns:  # as many as a run makes
            rotation = compose(rotation_from_axis_angle(turn), rotation)
            other = rotation_from_axis_angle(turn) @ other
    assert orthonormality_error(rotation) < 1e-4
    assert orthonormality_error(other) > 1e-2  # what the mode is there to show


def test_orthonormalised_matrices_are_the_rotations_nearby():
    generator = torch.Generator().manual_seed(0)
    rotation = random_rotations(50, generator)
    off = rotation + 1e-3 * torch.randn(50, 3, 3, generator=generator)
    back = orthonormalised(off)
    assert orthonormality_error(back) < 1e-6
    assert torch.allclose(torch.linalg.det(back), torch.ones(50))
    assert (back - rotation).abs().max() < 1e-2

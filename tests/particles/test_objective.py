"""What a run descends: distances between a cloud's pictures and the data's."""

import pytest
import torch

from holly_triton.geometry import Grid, random_rotations
from holly_triton.kernels import splat
from holly_triton.particles.cloud.objective import distance
from holly_triton.particles.cloud.schedule import Plan, Stage
from holly_triton.particles.config import Config

WIDTH = torch.tensor(12.0)


@pytest.fixture
def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Stage]:
    """A cloud, poses, the pictures that they give, and a stage."""
    generator = torch.Generator().manual_seed(0)
    points = 40 * torch.randn(15, 3, generator=generator)
    rotation = random_rotations(6, generator)
    stage = Plan(Config(), 6, 70.0, 300.0, 0.0).at(0, 0.0)
    grid: Grid = stage.grid
    images = splat(grid.to_pixels(points), rotation, torch.zeros(6, 2), grid.to_pixels(WIDTH), grid.shape)
    return points, rotation, images, stage


@pytest.mark.parametrize("squared", [False, True])
def test_the_right_cloud_is_at_distance_0_whatever_the_intensity(scene, squared: bool) -> None:
    points, rotation, images, stage = scene
    brightness = torch.linspace(1, 6, len(images))[:, None, None]  # pictures may differ sixfold
    descended, reported = distance(
        points, rotation, torch.zeros(6, 2), WIDTH, images * brightness, stage, squared=squared
    )
    assert descended.abs().max() < 1e-3
    assert reported.abs().max() < 1e-2  # of 200, nothing in common


@pytest.mark.parametrize("squared", [False, True])
def test_intensity_does_not_weigh_a_picture(scene, squared: bool) -> None:
    points, rotation, images, stage = scene
    wrong = points + 10.0
    arguments = wrong, rotation, torch.zeros(6, 2), WIDTH
    plain, _ = distance(*arguments, images, stage, squared=squared)
    bright, _ = distance(*arguments, 6 * images, stage, squared=squared)
    assert plain.min() > 0
    torch.testing.assert_close(bright, plain, rtol=1e-4, atol=1e-7)


def test_what_is_reported_is_the_masked_l1_either_way(scene) -> None:
    points, rotation, images, stage = scene
    arguments = points + 10.0, rotation, torch.zeros(6, 2), WIDTH, images, stage
    descended, reported = distance(*arguments, squared=False)
    torch.testing.assert_close(descended, reported)
    _, same = distance(*arguments, squared=True)
    torch.testing.assert_close(same, reported, rtol=1e-4, atol=1e-4)

"""The blur that pictures bring along is measured, and counts as part of the sigma that they are drawn with."""

import math

import pytest
import torch

from holly_triton.geometry import Grid
from holly_triton.kernels import splat
from holly_triton.particles.data.own_blur import own_blur
from holly_triton.particles.data.pictures import pictures_from_pixels

SIDE = 48


def views(sigma: float, pictures: int = 150, points: int = 60) -> torch.Tensor:
    """Point clouds that differ from picture to picture, ``[pictures, SIDE, SIDE]``, each point of this sigma, px."""
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(pictures):
        cloud = torch.randn(points, 3, generator=generator) * SIDE / 8
        drawn.append(splat(cloud, torch.eye(3)[None], torch.zeros(1, 2), sigma, (SIDE, SIDE)))
    return torch.cat(drawn)


@pytest.mark.parametrize("sigma", [0.8, 1.2, 2.0])
def test_the_width_of_points_is_found(sigma: float) -> None:
    assert own_blur(views(sigma)) == pytest.approx(sigma, rel=0.04)


@pytest.mark.parametrize("sigma", [0.8, 1.2])
def test_shot_noise_changes_it_little(sigma: float) -> None:
    images = views(sigma)
    photons = 2e5 * images / images.sum((1, 2), keepdim=True)
    noisy = torch.poisson(photons, generator=torch.Generator().manual_seed(1))
    assert own_blur(noisy) == pytest.approx(sigma, rel=0.15)


def test_where_noise_hides_it_none_is_claimed() -> None:
    images = views(2.0)
    noisy = torch.poisson(2e5 * images / images.sum((1, 2), keepdim=True), generator=torch.Generator().manual_seed(1))
    assert own_blur(noisy) <= 2.3


def test_noise_alone_has_none() -> None:
    assert own_blur(torch.rand(100, SIDE, SIDE, generator=torch.Generator().manual_seed(0))) == 0.0


def test_a_picture_is_drawn_with_the_width_that_was_asked_for() -> None:
    pixel_nm, sigma_nm = 10.0, 30.0
    data = pictures_from_pixels(views(1.5).numpy(), [str(i) for i in range(150)], pixel_nm, source="test")
    point = torch.zeros(1, SIDE, SIDE)
    point[0] = splat(torch.zeros(1, 3), torch.eye(3)[None], torch.zeros(1, 2), 1.5, (SIDE, SIDE))[0]
    one = pictures_from_pixels(point.numpy(), ["point"], pixel_nm, source="test", background="keep")
    one.__dict__["own_blur_nm"] = data.own_blur_nm  # of one point alone nothing can be measured
    grid = Grid(64, 640.0)
    image = one.draw(torch.tensor([0]), grid, sigma_nm)[0]
    offset = torch.arange(64) - 31.5
    width = math.sqrt(float((image.sum(0) * offset**2).sum() / image.sum())) * grid.pixel_nm
    assert width == pytest.approx(sigma_nm, rel=0.03)

"""The blur that pictures bring along is measured, and taken out as far as noise allows."""

import dataclasses
import functools
import math

import pytest
import torch

from holly_triton.geometry import Grid
from holly_triton.kernels import splat
from holly_triton.particles.data.own_blur import NO_BLUR, own_blur
from holly_triton.particles.data.pictures import LATTICE, Pictures, pictures_from_pixels

SIDE, PIXEL_NM, POINTS = 48, 10.0, 60
GRID = Grid(64, SIDE * PIXEL_NM)


@functools.cache
def clouds(sigma: float, pictures: int = 150, points: int = POINTS, size: int = SIDE) -> torch.Tensor:
    """Point clouds that differ from picture to picture, ``[pictures, size, size]``, each point of this sigma, in px of ``SIDE``."""
    generator, zoom = torch.Generator().manual_seed(0), size / SIDE
    drawn = []
    for _ in range(pictures):
        cloud = torch.randn(points, 3, generator=generator).clamp(-2.5, 2.5) * SIDE / 8
        drawn.append(splat(zoom * cloud, torch.eye(3)[None], torch.zeros(1, 2), zoom * sigma, (size, size)))
    return torch.cat(drawn)


def noisy(images: torch.Tensor, photons: float) -> torch.Tensor:
    mean = photons * images / images.sum((1, 2), keepdim=True)
    return torch.poisson(mean, generator=torch.Generator().manual_seed(1))


def opened(images: torch.Tensor) -> Pictures:
    """The same as data about the pictures' middle, whatever their centroid."""
    data = pictures_from_pixels(images.numpy().copy(), [*map(str, range(len(images)))], PIXEL_NM, source="test")
    return dataclasses.replace(data, centroids=torch.zeros(len(data), 2))


def misplaced(images: torch.Tensor, wanted: torch.Tensor) -> float:
    """Share of the intensity that is in the wrong place, mean."""
    one, other = (some / some.sum((1, 2), keepdim=True) for some in (images, wanted))
    return float(0.5 * (one - other).abs().sum((1, 2)).mean())


@pytest.mark.parametrize("sigma", [0.8, 1.2, 2.0])
def test_the_width_of_points_is_found(sigma: float) -> None:
    assert own_blur(clouds(sigma)).sigma == pytest.approx(sigma, rel=0.04)


@pytest.mark.parametrize("sigma", [0.8, 1.2])
def test_shot_noise_changes_it_little(sigma: float) -> None:
    assert own_blur(noisy(clouds(sigma), 2e5)).sigma == pytest.approx(sigma, rel=0.15)


def test_where_noise_hides_it_none_is_claimed() -> None:
    assert own_blur(noisy(clouds(2.0), 2e5)).sigma <= 2.3


def test_noise_alone_has_none() -> None:
    blur = own_blur(torch.rand(100, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    assert blur.sigma == blur.clear == 0


@pytest.mark.parametrize("sigma_nm", [12.5, 14.0, 40.0])
def test_pictures_are_drawn_with_the_width_that_was_asked_for(sigma_nm: float) -> None:
    data = opened(clouds(1.5))
    assert data.finest_nm < 12.5 < data.own_blur_nm
    index = torch.arange(20)
    wanted = clouds(sigma_nm / PIXEL_NM, pictures=20, size=GRID.size)
    image = data.draw(index, GRID, sigma_nm)
    assert misplaced(image, wanted) < 0.035
    assert float(image.min()) >= 0
    torch.testing.assert_close(image.sum((1, 2)), data.images[index].sum((1, 2)), rtol=0.02, atol=0)
    plain = dataclasses.replace(data, blur=NO_BLUR).draw(index, GRID, sigma_nm)
    assert misplaced(plain, wanted) > 3 * misplaced(image, wanted)


def test_noise_is_not_sharpened() -> None:
    """2000 photons leave no frequency clear enough: pictures are drawn as they are."""
    data = opened(noisy(clouds(1.5), 2e3))
    assert data.finest_nm >= LATTICE * PIXEL_NM
    index = torch.arange(20)
    image = data.draw(index, GRID, 1.0)
    plain = dataclasses.replace(data, blur=NO_BLUR).draw(
        index, GRID, math.sqrt(max(0, data.finest_nm**2 - data.own_blur_nm**2))
    )
    torch.testing.assert_close(image, plain)


def test_what_is_said_of_it() -> None:
    clear, hidden = opened(clouds(1.5)), opened(noisy(clouds(1.5), 300))
    assert f"own blur, {clear.own_blur_nm:.3g} nm" in " ".join(clear.notes)
    assert f"{clear.own_blur_nm:.3g} nm" in clear.summary()["own blur"]
    assert "own blur" not in " ".join(hidden.notes) and "nm" not in hidden.summary()["own blur"]


def test_some_of_the_pictures_have_the_blur_of_all() -> None:
    data = opened(clouds(1.5))
    assert data.select(torch.tensor([3])).blur == data.blur

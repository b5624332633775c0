"""What a run descends and what it reports: distances between a cloud's pictures and the data's."""

import pytest
import torch

from holly_triton.geometry import Grid, random_rotations
from holly_triton.kernels import splat
from holly_triton.particles.cloud.objective import divergence, log_density, masked_l1, unexplained
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.stage import Stage
from holly_triton.particles.config import Config

WIDTH = torch.tensor(12.0)
HARDLY_ANY = torch.tensor(-20.0)
"""Logit of a background that is clamped to its least share."""

Scene = tuple[torch.Tensor, torch.Tensor, torch.Tensor, Stage]


@pytest.fixture
def scene() -> Scene:
    """A cloud, poses, the pictures that they give, and a stage."""
    generator = torch.Generator().manual_seed(0)
    points = 40 * torch.randn(15, 3, generator=generator)
    rotation = random_rotations(6, generator)
    stage = Plan(Config(), 6, 70.0, 300.0, 0.0).at(0, 0.0)
    grid: Grid = stage.grid
    images = splat(grid.to_pixels(points), rotation, torch.zeros(6, 2), grid.to_pixels(WIDTH), grid.shape)
    return points, rotation, images, stage


def test_the_right_cloud_is_at_distance_0_whatever_the_intensity(scene: Scene) -> None:
    points, rotation, images, stage = scene
    brightness = torch.linspace(1, 6, len(images))[:, None, None]  # pictures may differ sixfold
    pose = rotation, torch.zeros(6, 2), WIDTH
    descended, reported = divergence(points, *pose, HARDLY_ANY, images * brightness, stage)
    assert descended.abs().max() < 1e-3  # nats; the background takes 1e-4
    assert reported.abs().max() < 1e-2  # of 200, nothing in common


def test_intensity_does_not_weigh_a_picture(scene: Scene) -> None:
    points, rotation, images, stage = scene
    arguments = points + 10.0, rotation, torch.zeros(6, 2), WIDTH, HARDLY_ANY
    plain, _ = divergence(*arguments, images, stage)
    bright, _ = divergence(*arguments, 6 * images, stage)
    assert plain.min() > 0
    torch.testing.assert_close(bright, plain, rtol=1e-4, atol=1e-6)


def test_what_is_reported_is_the_masked_l1(scene: Scene) -> None:
    points, rotation, images, stage = scene
    pose = points + 10.0, rotation, torch.zeros(6, 2), WIDTH
    _, reported = divergence(*pose, HARDLY_ANY, images, stage)
    torch.testing.assert_close(reported, masked_l1(*pose, images, stage), rtol=1e-4, atol=1e-4)


def test_sparse_pictures_draw_the_cloud_to_their_mean() -> None:
    """The optimum over intensities is the mean picture; the median is dark where labels are rare."""
    generator = torch.Generator().manual_seed(1)
    seen = (torch.rand(4000, 1, 2, generator=generator) < torch.tensor([0.8, 0.3])).float()  # two sites, two pixels
    seen = seen[seen.sum((1, 2)) > 0]
    target = seen / seen.sum((1, 2), keepdim=True)
    drawn = torch.full((1, 1, 2), 0.5, requires_grad=True)
    optimiser = torch.optim.Adam([drawn], lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        torch.autograd.backward(-(target * log_density(drawn, HARDLY_ANY)).sum((1, 2)).mean())
        optimiser.step()
    share = (drawn / drawn.sum()).detach()[0, 0, 1]
    torch.testing.assert_close(share, target.mean(0)[0, 1], rtol=0.02, atol=0.0)


def test_a_cloud_off_the_frame_gives_a_finite_loss_without_a_gradient(scene: Scene) -> None:
    points, rotation, images, stage = scene
    shift = torch.full((6, 2), 1e6, requires_grad=True)
    descended, _ = divergence(points, rotation, shift, WIDTH, torch.tensor(0.0), images, stage)
    torch.autograd.backward(descended.sum())
    assert descended.isfinite().all()
    assert shift.grad is not None
    assert (shift.grad == 0).all()


def test_an_empty_target_has_no_say(scene: Scene) -> None:
    points, rotation, images, stage = scene
    asked = points.clone().requires_grad_()
    pose = rotation, torch.zeros(6, 2), WIDTH, torch.tensor(-3.0)
    descended, _ = divergence(asked, *pose, torch.zeros_like(images), stage)
    torch.autograd.backward(descended.sum())
    assert (descended == 0).all()
    assert asked.grad is not None
    assert (asked.grad == 0).all()


def test_the_share_unexplained_is_the_total_variation() -> None:
    one, other = torch.zeros(2, 1, 8, 8)
    one[:, :, :4], other[:, :, 4:] = 3.0, 0.5
    assert unexplained(one, 7 * one).item() == pytest.approx(0)
    assert unexplained(one, other).item() == pytest.approx(1)
    assert unexplained(one, one / 3 + 2 * other).item() == pytest.approx(0.5)
    assert unexplained(torch.zeros_like(one), one).item() == 1  # nothing at all is explained
    picture, drawn = torch.rand(2, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    total = [images / images.sum((1, 2), keepdim=True) for images in (picture, drawn)]
    torch.testing.assert_close(unexplained(drawn, picture), 0.5 * (total[0] - total[1]).abs().sum((1, 2)))

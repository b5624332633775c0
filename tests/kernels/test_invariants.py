"""What must hold for any cloud and any pose."""

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from holly_triton.geometry import random_rotations
from holly_triton.kernels import splat

HEIGHT, WIDTH = 32, 27
ROUNDING: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-13}
"""All here in float64, whose rounding is 1e-16."""

seeds = st.integers(0, 2**31)
widths = st.floats(0.3, 14)
few = settings(max_examples=25, deadline=None)


def scene(seed: int, points: int = 12, images: int = 3, spread: float = 4.0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    cloud = torch.randn(points, 3, generator=generator).double().clamp(-2, 2) * spread
    rotation = random_rotations(images, generator).double()
    return cloud, torch.linalg.qr(rotation)[0], torch.randn(images, 2, generator=generator).double()


@few
@given(seeds, widths)
def test_the_order_of_points_does_not_matter(seed: int, sigma: float) -> None:
    points, rotation, shift = scene(seed)
    shuffled = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))]
    drawn, again = (splat(cloud, rotation, shift, sigma, (HEIGHT, WIDTH)) for cloud in (points, shuffled))
    torch.testing.assert_close(again, drawn, **ROUNDING)


@few
@given(seeds, widths, st.floats(-20, 20), st.floats(-20, 20))
def test_moving_the_points_and_shifting_back_cancels(seed: int, sigma: float, x: float, y: float) -> None:
    points, rotation, shift = scene(seed)
    by = torch.tensor([x, y, 0.0]).double()
    moved = points + (rotation[0].T @ by)
    drawn = splat(points, rotation[:1], shift[:1], sigma, (HEIGHT, WIDTH))
    again = splat(moved, rotation[:1], shift[:1] - by[:2], sigma, (HEIGHT, WIDTH))
    torch.testing.assert_close(again, drawn, **ROUNDING)


@few
@given(seeds, st.floats(1.0, 1.8))
def test_the_intensity_of_a_cloud_inside_the_frame_is_the_sum_of_its_weights(seed: int, sigma: float) -> None:
    # Sampling at pixel centres errs by 2 exp(-2 pi^2 sigma^2): 5e-9 at sigma 1, and more below.
    points, rotation, shift = scene(seed, spread=1.0)
    weights = torch.rand(len(points), generator=torch.Generator().manual_seed(seed)).double() - 0.2
    images = splat(points, rotation, shift.clamp(-1, 1), sigma, (HEIGHT, WIDTH), weights=weights)
    torch.testing.assert_close(images.sum((1, 2)), weights.sum().expand(3), rtol=0, atol=1e-5)


@few
@given(seeds, widths)
def test_turning_the_cloud_and_turning_the_pose_back_cancels(seed: int, sigma: float) -> None:
    points, rotation, shift = scene(seed)
    turn = scene(seed + 1)[1][0]
    drawn = splat(points, rotation, shift, sigma, (HEIGHT, WIDTH))
    torch.testing.assert_close(
        splat(points @ turn.T, rotation @ turn.T, shift, sigma, (HEIGHT, WIDTH)), drawn, **ROUNDING
    )


@few
@given(seeds, widths)
def test_a_point_of_weight_0_feels_no_pull(seed: int, sigma: float) -> None:
    points, rotation, shift = scene(seed)
    weights = torch.ones(len(points)).double()
    weights[::3] = 0
    points.requires_grad_()
    splat(points, rotation, shift, sigma, (HEIGHT, WIDTH), weights=weights).square().sum().backward()
    assert points.grad is not None
    assert not bool(points.grad[::3].any())
    assert bool(points.grad[1::3].any(1).all())

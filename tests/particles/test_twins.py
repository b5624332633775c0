"""Twin poses of a nearly symmetric structure: what they are, and that the search prefers the better of the two."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from holly_triton.geometry import compose, project, random_rotations, rotation_from_axis_angle
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config
from holly_triton.particles.poses.candidates import search_poses
from holly_triton.particles.poses.twins import APART, near_symmetries, twin_poses
from holly_triton.particles.simulate import Simulation, simulate

HALF_TURN = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
"""By 180 degrees about z."""


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def twofold(extra: int = 0) -> torch.Tensor:
    """Sites of exact twofold symmetry about z and of no mirror plane, and a few more that have none of it."""
    some = torch.randn(12, 3, generator=generator(3)) * torch.tensor([70.0, 40.0, 30.0])
    more = torch.randn(extra, 3, generator=generator(4)) * 40.0
    return torch.cat([some, some @ HALF_TURN, more])


def degrees(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Angles between rotations ``[..., 3, 3]``."""
    return torch.rad2deg((((first * second).sum((-1, -2)) - 1) / 2).clamp(-1, 1).acos())


def test_the_axis_of_a_symmetric_cloud_is_found():
    found = near_symmetries(twofold(), 10.0, generator())
    rotations = found[torch.linalg.det(found) > 0]
    assert degrees(rotations, HALF_TURN).min() < 4


def test_near_symmetries_are_orthogonal_and_far_apart():
    found = near_symmetries(twofold(2), 20.0, generator())
    assert torch.allclose(compose(found, found.transpose(1, 2)), torch.eye(3).expand_as(found), atol=1e-5)
    identity = degrees(found[torch.linalg.det(found) > 0], torch.eye(3))
    assert (identity > math.degrees(APART)).all()
    assert len(found) > 1


def test_the_twin_of_a_mirror_symmetric_cloud_has_the_same_picture():
    plane = torch.diag(torch.tensor([1.0, -1.0, 1.0]))
    some = torch.randn(15, 3, generator=generator(5)) * 50.0
    cloud = torch.cat([some, some @ plane])
    rotation = random_rotations(4, generator())
    twins = twin_poses(rotation, plane[None])[:, 0]
    assert torch.allclose(torch.linalg.det(twins), torch.ones(4), atol=1e-5)
    before, after = project(cloud, rotation), project(cloud, twins)
    # The same projections, in another order: each site is where its mirror image was.
    assert torch.allclose(after, before.roll(15, dims=1), atol=1e-3)


@pytest.fixture(scope="module")
def made() -> Simulation:
    return simulate(twofold(3).numpy().astype(np.float64), 60, generator=generator())


def test_a_search_that_knows_the_twin_finds_the_better_pose(made):
    """The known poses are refined and wrong by half a turn; one random candidate can't compete with them."""
    config = Config(points=27)
    plan = Plan.of(
        dataclasses.replace(config, search=dataclasses.replace(config.search, candidates=1)), made.localisations
    )
    state = TrainingState.fresh(plan, 27, generator())
    state.points = torch.from_numpy(made.points).float()
    state.log_blur.fill_(-2.0)
    turned = compose(made.rotation, HALF_TURN.expand(60, 3, 3))
    stage = plan.at(plan.config.schedule.search_steps // 2, state.blur_nm())
    target = made.localisations.draw(torch.arange(60), stage.search_grid, stage.search_sigma_nm)
    found, _ = search_poses(
        state, target, turned, torch.zeros(60, 2), None, 60, stage, plan.config.search, generator()
    )  # fmt: skip
    assert degrees(turned, made.rotation).min() > 170
    assert (degrees(found, made.rotation) < 20).float().mean() > 0.95


def test_a_single_point_and_a_flat_cloud_are_no_special_cases():
    flat = torch.randn(9, 3, generator=generator()) * torch.tensor([50.0, 50.0, 0.0])
    for cloud in (torch.zeros(1, 3), flat):
        assert torch.isfinite(near_symmetries(cloud, 5.0, generator())).all()


def test_a_turned_cloud_has_turned_symmetries():
    turn = rotation_from_axis_angle(torch.tensor([0.4, -0.9, 0.3]))
    found = near_symmetries(twofold() @ turn.T, 10.0, generator())
    wanted = compose(compose(turn, HALF_TURN), turn.T)
    assert degrees(found[torch.linalg.det(found) > 0], wanted).min() < 4

"""The number of points that the likelihood chooses, from clouds that have too many of them in the true poses."""

import copy
import dataclasses
import math

import pytest
import torch
from torch import Tensor

from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.deformation.config import Deforming
from holly_triton.particles.run.trainers import make_spatial_trainer, notes_of, settled
from holly_triton.particles.simulate import Precision, simulate
from holly_triton.particles.spatial.config import Counting, PoseEffort, Spatial
from holly_triton.particles.spatial.number import merge_
from holly_triton.particles.spatial.state import SpatialState
from holly_triton.particles.spatial.train import SpatialTrainer
from holly_triton.structures import nuclear_pore, tetrahedron

EFFORT = PoseEffort(candidates=50, few=10, rounds=1, near=4)
BRIEF = Spatial(steps=4, kept=2, counting=Counting(localisations=60), search=EFFORT, last=EFFORT)
CORNERS = torch.from_numpy(tetrahedron()[:4]).float()


def before_the_choice(sites: Tensor, points: Tensor, particles: int, **options: object) -> SpatialTrainer:
    """A run that has taken its steps: particles of some sites in their true poses, and a cloud of ``points`` about the sites."""
    usual = {"missing": 0.2, "max_spawn": 4, "spawn_rate": 0.8, "precision": Precision(5.0, 10.0)}
    made = simulate(
        sites.numpy(),
        particles,
        dimensions=3,
        generator=torch.Generator().manual_seed(0),
        **{**usual, **options},  # type: ignore[arg-type]
    )
    config = settled(Config(data="d", device="cpu", spatial=BRIEF), made.localisations)
    config = dataclasses.replace(config, points=len(points))
    return begun(made.localisations, config, points, made.rotation, made.shift)


def begun(data: Localisations, config: Config, points: Tensor, rotation: Tensor, shift: Tensor) -> SpatialTrainer:
    trainer = make_spatial_trainer(config, data)
    state = trainer.state
    state.points = points
    state.log_blur = torch.tensor(math.log(2.0))
    state.rotations[:] = rotation[:, None].float()
    state.shifts[:] = (shift.float() - data.centres.float() - trainer.particles.middle)[:, None]
    state.loss[:] = 1.0
    state.step = trainer.plan.steps
    return make_spatial_trainer(config, data, state)


def scattered(sites: Tensor, each: int, seed: int = 1) -> Tensor:
    """Points about some sites, as many of each."""
    return sites.repeat(each, 1) + 6 * torch.randn(each * len(sites), 3, generator=torch.Generator().manual_seed(seed))


def finish(trainer: SpatialTrainer) -> SpatialTrainer:
    for _ in trainer.run():
        pass
    assert trainer.state.step == trainer.plan.total_steps
    return trainer


def test_four_sites_are_found_from_forty_points() -> None:
    trainer = finish(before_the_choice(CORNERS, scattered(CORNERS, 10), 30))
    nearest = torch.cdist(CORNERS - CORNERS.mean(dim=0), trainer.state.points).min(dim=1).values
    assert len(trainer.state.points) == 4 and float(nearest.max()) < 2.0
    tried = trainer.state.number["tried"]
    assert tried[0]["points"] == 40 and tried[-1]["points"] == 4
    assert max(tried, key=lambda one: one["score"])["points"] == 4
    assert "4 is the best number" in notes_of(trainer)[-1]


def test_the_blur_along_z_is_fitted_with_the_number_where_no_precision_is_stated() -> None:
    made = simulate(
        CORNERS.numpy(), 60, max_spawn=4, precision=Precision(4.0, 12.0), dimensions=3, generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    data = dataclasses.replace(made.localisations, precision=None, precision_z=None)
    config = dataclasses.replace(settled(Config(data="d", device="cpu", spatial=BRIEF), data), points=8)
    trainer = begun(data, config, scattered(CORNERS, 2), made.rotation, made.shift)
    trainer.state.log_axial += 0.1  # the steps leave it different from 0
    for progress in trainer.run():
        if progress.stage == "poses":
            break
    assert len(trainer.state.points) == 4
    assert trainer.state.blur_nm() == pytest.approx(4.0, rel=0.1)
    assert trainer.state.axial_blur_nm() == pytest.approx(12.0, rel=0.1)


def test_as_many_points_as_sites_stay_and_no_fewer_are_tried_for_long() -> None:
    pore = torch.from_numpy(nuclear_pore()).float()
    many = torch.cat([pore, scattered(pore[::2], 1)])
    trainer = finish(before_the_choice(pore, many, 40))
    assert len(pore) - 2 <= len(trainer.state.points) <= len(pore) + 2
    assert trainer.state.number["tried"][-1]["points"] > 12


def test_a_line_keeps_its_points_as_they_were() -> None:
    """Of a continuous ring no fewer points do as well, and the cloud of the steps is the result."""
    turns = torch.arange(240) * (2 * math.pi / 240)
    ring = 50 * torch.stack([turns.cos(), turns.sin(), 0.3 * (2 * turns).cos()], dim=1)
    points = ring[::6].clone()
    trainer = finish(before_the_choice(ring, points.clone(), 30, missing=0.3, precision=Precision(0.5, 1.0)))
    assert torch.equal(trainer.state.points, points) and "all 40 stay" in notes_of(trainer)[-1]


def test_a_number_that_was_given_is_kept_and_so_is_a_symmetry() -> None:
    data = simulate(
        CORNERS.numpy(), 20, dimensions=3, precision=Precision(5.0, 10.0), generator=torch.Generator().manual_seed(0)
    ).localisations
    assert settled(Config(data="d"), data).choose_points
    for given in (
        {"points": 40},
        {"symmetry": "C3"},
        {"dimensions": 2},
        {"deformation": True, "deforming": Deforming(particles=8)},
    ):
        config = settled(Config(data="d", **given), data)
        assert config.choose_points is False and settled(config, data) == config
    assert not make_spatial_trainer(settled(Config(data="d", points=40, device="cpu"), data), data).plan.numbers


def test_a_choice_that_is_stopped_goes_on_to_the_same_result() -> None:
    whole = before_the_choice(CORNERS, scattered(CORNERS, 4), 20)
    half = make_spatial_trainer(
        whole.plan.config, whole.dataset, SpatialState.from_payload(copy.deepcopy(whole.state.payload()))
    )
    finish(whole)
    for progress in half.run():
        if progress.step == half.plan.steps + 5:
            break
    assert "mass" in half.state.number and "at first" in notes_of(half)[-1]
    again = finish(
        make_spatial_trainer(
            half.plan.config, half.dataset, SpatialState.from_payload(copy.deepcopy(half.state.payload()))
        )
    )
    assert again.state.number == whole.state.number
    for name in ("points", "log_blur", "background", "spread", "rotations", "shifts", "loss"):
        assert torch.equal(getattr(whole.state, name), getattr(again.state, name)), name


def test_points_of_different_channels_are_not_merged_and_each_keeps_a_few() -> None:
    trainer = before_the_choice(CORNERS, scattered(CORNERS, 3), 20)
    state = trainer.state
    state.number = {}
    state.points, state.sizes = torch.cat([CORNERS, CORNERS, CORNERS + 1]), [4, 8]
    merge_(state, torch.ones(12), 8)
    assert state.sizes == [4, 4]
    torch.testing.assert_close(state.points[:4], CORNERS)
    torch.testing.assert_close(state.points[4:], CORNERS + 0.5)
    torch.testing.assert_close(state.number["mass"], torch.ones(8))


@pytest.mark.parametrize("number", [40, 160])
def test_the_numbers_that_are_compared_fall_one_by_one_in_the_end(number: int) -> None:
    trainer = before_the_choice(CORNERS, scattered(CORNERS, number // 4), 10)
    numbers = trainer.plan.numbers
    assert numbers[0] == number and numbers[-29:] == list(range(32, 3, -1)) and sorted(set(numbers)) == numbers[::-1]

"""What mends a run that is nearly right: points that are of no use, poses that are plainly wrong."""

import dataclasses

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.geometry import project, random_rotations
from holly_triton.particles.cloud.relocation import merge_points, relocate_points, sort_points
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.stage import Stage
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config
from holly_triton.particles.poses.rescue import rescue_poses
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import Simulation, simulate

SITES = 20


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def made() -> Simulation:
    sites = np.random.default_rng(5).normal(size=(SITES, 3)) * (60, 40, 25)
    return simulate(sites, 300, generator=generator())


@pytest.fixture
def solved(made: Simulation) -> tuple[Plan, TrainingState]:
    """A run that knows the answer."""
    plan = Plan.of(Config(points=SITES), made.localisations)
    state = TrainingState.fresh(plan, SITES, generator())
    state.points = torch.from_numpy(made.points).float()
    state.rotation = made.rotation.clone()
    # Pictures are centred on their own centroid, which is the projected centroid of all sites.
    state.log_blur.fill_(-2.0)
    return plan, state


def relocated(made: Simulation, plan: Plan, state: TrainingState) -> Stage:
    """Look for useless points once, at the end of the search; the stage of that step."""
    index = torch.arange(200)
    stage = plan.at(plan.config.schedule.search_steps - 1, state.blur_nm())
    target = made.localisations.draw(index, stage.grid, stage.sigma_nm)
    optimiser = torch.optim.Adam([state.points.requires_grad_()])
    relocate_points(state, optimiser, index, target, stage, plan.config.relocation, generator())
    return stage


@pytest.mark.parametrize(
    ("point", "place"),
    [(3, (1e4, 0.0, 0.0)), (3, (0.0, 0.0, 200.0)), (3, "on another")],
    ids=["off the frame", "in the dark", "on another"],
)
def test_a_useless_point_goes_to_the_site_that_nobody_holds(made, solved, point: int, place) -> None:
    plan, state = solved
    site = state.points[point].clone()
    state.points[point] = state.points[7] if place == "on another" else torch.tensor(place)
    stage = relocated(made, plan, state)
    nearest = (state.points.detach() - site).norm(dim=1).min()
    assert nearest < stage.sigma_nm / 2


def test_where_points_lack_two_near_sites_share_one() -> None:
    """A point between two near sites costs less than a distant site without any."""
    sites = np.random.default_rng(5).normal(size=(SITES, 3)) * (60, 40, 25)
    sites[1] = sites[0] + (2.0, 0.0, 0.0)
    made = simulate(sites, 300, generator=generator())
    plan = Plan.of(Config(points=SITES - 1), made.localisations)
    state = TrainingState.fresh(plan, SITES - 1, generator())
    alone = int(np.argmax(np.linalg.norm(made.points - made.points.mean(axis=0), axis=1)))
    assert alone > 1
    state.points = torch.from_numpy(np.delete(made.points, alone, axis=0)).float()
    state.rotation, middle = made.rotation.clone(), state.points[:2].mean(0)
    state.log_blur.fill_(-2.0)
    stage = relocated(made, plan, state)
    wanted = torch.stack([torch.from_numpy(made.points[alone]).float(), middle])
    assert (torch.cdist(wanted, state.points.detach()).amin(1) < stage.sigma_nm / 2).all()


def test_two_points_share_a_site_while_two_sites_are_closer_to_each_other() -> None:
    """The closest pair is that of two sites, so that another one has to give a point to the empty site."""
    sites = np.random.default_rng(5).normal(size=(SITES, 3)) * (60, 40, 25)
    sites[1] = sites[0] + (6.0, 0.0, 0.0)
    made = simulate(sites, 300, generator=generator())
    plan = Plan.of(Config(points=SITES), made.localisations)
    state = TrainingState.fresh(plan, SITES, generator())
    state.points = torch.from_numpy(made.points).float()
    state.rotation = made.rotation.clone()
    state.log_blur.fill_(-2.0)
    wanted = state.points.clone()
    alone, shared = (int(row) for row in np.linalg.norm(made.points, axis=1).argsort()[[-1, -3]])
    state.points[[alone, shared]] = wanted[shared] + torch.tensor([[0.0, 0.0, 3.5], [0.0, 0.0, -3.5]])
    stage = relocated(made, plan, state)
    assert (torch.cdist(wanted, state.points.detach()).amin(1) < stage.sigma_nm / 2).all()


def test_points_that_are_right_stay(made, solved) -> None:
    plan, state = solved
    before = state.points.clone()
    relocated(made, plan, state)
    assert torch.equal(state.points, before)


def test_wrong_poses_are_found_again_and_right_ones_stay(made, solved) -> None:
    plan, state = solved
    wrong = torch.arange(0, 300, 3)
    state.rotation[wrong] = random_rotations(len(wrong), generator(1))
    stage = plan.at(plan.config.schedule.search_steps, state.blur_nm())
    assert stage.name == "rescue"
    rescue_poses(plan, state, made.localisations, torch.arange(300), stage, generator(2))
    trace = (state.rotation.transpose(1, 2) @ made.rotation).diagonal(dim1=1, dim2=2).sum(1)
    degrees = torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
    # Some pictures of 20 sites look nearly alike from two sides, so not every one must be found.
    assert (degrees[wrong] < 10).float().mean() > 0.85
    assert (degrees < 10).float().mean() > 0.95


def test_centring_a_cloud_whose_shifts_are_known_changes_no_picture(solved) -> None:
    _, state = solved
    state.points += torch.tensor([7.0, -3.0, 5.0])
    before = project(state.points, state.rotation) + state.shift[:, None]
    state.centre(keep_pictures=True)
    assert state.points.mean(0).abs().max() < 1e-4
    torch.testing.assert_close(project(state.points, state.rotation) + state.shift[:, None], before, rtol=0, atol=1e-3)


def test_only_the_worse_half_is_sought_anew(solved) -> None:
    _, state = solved
    state.loss = torch.arange(300.0)
    chosen = state.worst_fitted(50, generator())
    assert len(chosen.unique()) == 50
    assert chosen.min() >= 150


@pytest.mark.parametrize("pictures", [1, 300, 2000, 2328, 3000, 5001, 40_000])
def test_a_pass_covers_half_of_the_pictures(pictures: int) -> None:
    plan = Plan(Config(), pictures, 70.0, 300.0, 0.0)
    schedule, search = plan.config.schedule, plan.config.search
    covered = plan.rescue_steps * plan.rescue_batch
    assert covered == pytest.approx(schedule.rescue_passes * pictures / 2, rel=0.001, abs=schedule.rescue_passes)
    assert plan.rescue_batch < 1.5 * search.dense_batch + 1


def test_a_run_that_an_earlier_version_began_keeps_its_steps(solved) -> None:
    plan, state = solved
    plan = dataclasses.replace(plan, pictures=2328)
    payload = state.payload()
    assert TrainingState.from_payload(payload).even_passes
    del payload["even_passes"]
    before = dataclasses.replace(plan, even_passes=TrainingState.from_payload(payload).even_passes)
    assert before.rescue_batch == plan.config.search.dense_batch == 1024
    assert before.total_steps == plan.total_steps + plan.config.schedule.rescue_passes


def test_surplus_points_are_not_thrown_out_of_the_frame(made, solved) -> None:
    plan, state = solved
    state.points = torch.cat([state.points, state.points[:5], state.points[:5]])
    before = state.points.clone()
    stage = relocated(made, plan, state)
    assert (state.points.detach() - before).norm(dim=1).max() < made.points.std() * 5
    # Three points on a site are one too many; two have no better place.
    nearest = torch.cdist(state.points.detach(), torch.from_numpy(made.points).float()).min(1).values
    assert nearest.max() < stage.sigma_nm


def test_sorting_a_cloud_takes_the_optimiser_s_moments_along() -> None:
    points = torch.randn(50, 3, generator=generator(), requires_grad=True)
    optimiser = torch.optim.Adam([points])
    points.square().sum().backward()
    optimiser.step()
    pairs = {tuple(p.tolist()): m.tolist() for p, m in zip(points, optimiser.state[points]["exp_avg"], strict=True)}
    before = points.detach().clone()
    sort_points(points, optimiser)
    assert not torch.equal(points, before)
    for point, moment in zip(points, optimiser.state[points]["exp_avg"], strict=True):
        assert pairs[tuple(point.tolist())] == moment.tolist()


def test_points_that_lie_together_become_one_in_their_middle():
    sites = torch.tensor([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])
    points = torch.cat([sites, sites[:2] + torch.tensor([0.2, 0, 0])])
    merged = merge_points(points, 1.0)
    assert len(merged) == 3
    assert torch.allclose(merged[merged.norm(dim=1).argsort()[0]], torch.tensor([0.1, 0, 0]))
    assert len(merge_points(points, 0.1)) == 5


def test_more_points_than_can_be_merged_are_refused_before_the_work(made: Simulation) -> None:
    with pytest.raises(HollyError, match="--prune: merges at most 10000 points, not 20000"):
        make_trainer(Config(points=20_000, prune=True, device="cpu"), made.localisations)

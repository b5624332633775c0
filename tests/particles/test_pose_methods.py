"""Amortised and direct poses: schedule, training, stopping and going on; and poses of pictures never seen."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import read_config
from holly_triton.core.errors import HollyError
from holly_triton.geometry import Grid
from holly_triton.particles.cloud.descent import OUTPUTS
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.config import Amortised, Config, Direct, Schedule
from holly_triton.particles.data import Localisations, Pictures
from holly_triton.particles.data.own_blur import NO_BLUR
from holly_triton.particles.data.pictures import pictures_from_pixels
from holly_triton.particles.poses.rescue import find_poses
from holly_triton.particles.run.checkpoints import load_state, save_state
from holly_triton.particles.simulate import Simulation, simulate
from holly_triton.particles.simulated_files import write_simulation

POSES = ("amortised", "direct")
SITES = np.random.default_rng(5).normal(size=(20, 3)) * (60, 40, 25)
CPU = torch.device("cpu")


def simulated(images: int = 65, seed: int = 1) -> Simulation:
    return simulate(SITES, images, generator=torch.Generator().manual_seed(seed))


def brief(pose: str, **settings: object) -> Config:
    """A run of seconds: 65 pictures make batches of 32, 32 and 1."""
    settings = {"epochs": 4, "size": 32, "rate": 2e-3, "point_rate": 1e-2, **settings}
    config = Config(pose=pose, points=20, schedule=Schedule(refine_steps=2))
    return dataclasses.replace(config, **{pose: dataclasses.replace(getattr(config, pose), **settings)})


def trainer(config: Config, data: Localisations | Pictures, state: TrainingState | None = None) -> Trainer:
    plan = Plan.of(config, data)
    state = state or TrainingState.fresh(plan, config.points or 20, torch.Generator().manual_seed(3))
    return Trainer(plan, data, state, CPU)


@pytest.mark.parametrize("pose", POSES)
def test_the_loss_falls_and_every_picture_has_a_pose_at_the_end(pose):
    # One sigma throughout: the loss of finer pictures is higher.
    config = brief(pose, epochs=12, output_sigma="tied", sigma_start=10.0, sigma_end=10.0)
    work = trainer(config, simulated().localisations)
    told = list(work.run())
    trained = [step.loss for step in told if step.stage == "train"]
    assert {step.stage for step in told} == {"train", "refine"}
    assert np.mean(trained[-6:]) < 0.85 * np.mean(trained[:6])
    state = work.state
    assert torch.isfinite(state.loss).all()
    assert torch.allclose(state.rotation @ state.rotation.transpose(1, 2), torch.eye(3).expand(65, 3, 3), atol=1e-5)
    assert torch.linalg.det(state.rotation).allclose(torch.ones(65), atol=1e-5)
    assert state.points.mean(0).abs().max() < 1e-3


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("output_sigma", ["predicted", "tied"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(pose, output_sigma, tmp_path):
    config, data = brief(pose, output_sigma=output_sigma), simulated().localisations
    whole = trainer(config, data)
    for _ in whole.run():
        pass
    stopped = trainer(config, data)
    for progress in stopped.run():
        if progress.step == 7:
            break
    save_state(tmp_path, stopped.state)
    resumed = trainer(config, data, load_state(tmp_path, CPU))
    for _ in resumed.run():
        pass
    for name in ("points", "rotation", "shift", "loss", "log_blur"):
        assert torch.equal(getattr(resumed.state, name), getattr(whole.state, name)), name
    for name, value in whole.state.pose_model.items():
        assert torch.equal(resumed.state.pose_model[name], value), name


def test_the_last_poses_are_those_of_the_finished_network():
    data = simulated().localisations
    work = trainer(dataclasses.replace(brief("amortised"), schedule=Schedule(refine_steps=0)), data)
    for _ in work.run():
        pass
    before = work.state.rotation.clone()
    assert any(name.endswith("running_mean") for name in work.state.pose_model)
    work.method.finish(work.plan.at(work.plan.steps - 1, 0.0))
    assert torch.equal(work.state.rotation, before)


@pytest.mark.parametrize("pose", POSES)
def test_outputs_stay_within_their_limits(pose):
    config = brief(pose, shift_limit=0.05, sigma_limit=2.0, output_sigma="predicted")
    work = trainer(config, simulated().localisations)
    stage = work.plan.at(0, 0.0)
    with torch.no_grad():
        for parameter in work.method.model.parameters():
            parameter.mul_(100)
    index = torch.arange(8)
    width, _ = work.method._look(index, work.dataset.draw(index, stage.grid, stage.sigma_nm), stage)
    # A float32 product may be one rounding off.
    assert work.state.shift[index].abs().max() <= 0.05 * work.plan.unit_nm * (1 + 1e-6)
    assert width.max() <= 2.0 * work.plan.pixel_nm * (1 + 1e-6)


def test_of_several_poses_the_best_is_followed():
    work = trainer(brief("amortised", heads=3), simulated().localisations)
    stage, index = work.plan.at(0, 0.0), torch.arange(8)
    target = work.dataset.draw(index, stage.grid, stage.sigma_nm)
    _, objective = work.method._look(index, target, stage)
    outputs = work.method.model(index, target)
    assert outputs.shape == (8, 3 * OUTPUTS)
    alone = []
    for head in outputs.split(OUTPUTS, dim=1):
        work.method.model.forward = lambda index, target, head=head: head
        alone.append(work.method._look(index, target, stage)[1])
    assert torch.allclose(objective, torch.stack(alone).min(0).values, rtol=1e-4)
    assert (torch.stack(alone).argmin(0) > 0).any()


def test_sigma_falls_by_one_factor_a_step_from_10_to_141_pixels():
    plan = Plan.of(brief("amortised"), simulated().localisations)
    sigma = [plan.at(step, 0.0).sigma_nm * 128 / plan.field_nm for step in range(plan.steps)]
    assert len(sigma) == 4 * 3
    assert sigma[0] == pytest.approx(10)
    assert sigma[-1] == pytest.approx(1.41)
    assert np.diff(np.log(sigma)) == pytest.approx(np.log(0.141) / 11)


def test_sigma_of_pictures_stays_for_an_epoch():
    made = simulated()
    images = made.localisations.draw(torch.arange(65), Grid(64, made.grid.field_nm), 10.0).numpy()
    data = pictures_from_pixels(images, made.localisations.names, made.grid.field_nm / 64, source="test")
    data = dataclasses.replace(data, blur=NO_BLUR)  # which would be the least sigma
    plan = Plan.of(brief("direct"), data)
    sigma = np.array([plan.at(step, 0.0).sigma_nm for step in range(plan.steps)]).reshape(4, 3)
    assert (sigma == sigma[:, :1]).all()
    assert sigma[:, 0] * 128 / plan.field_nm == pytest.approx(10 * 0.141 ** (np.arange(4) / 3))


@pytest.mark.parametrize("pose", ["search", "amortised"])
def test_new_pictures_find_their_poses_under_the_true_cloud(pose):
    seen, unseen = simulated(), simulated(images=40, seed=9)
    config = Config(pose=pose, points=20)
    plan = Plan.of(config, seen.localisations)
    state = TrainingState.fresh(plan, 20, torch.Generator().manual_seed(3))
    state.points = torch.from_numpy(seen.points).float()
    state.log_blur.fill_(-2.0)
    cloud = state.points.clone()
    found = find_poses(plan, state, unseen.localisations, torch.arange(40), torch.Generator().manual_seed(4), passes=3)
    between = found.rotation.transpose(1, 2) @ unseen.rotation
    trace = between.diagonal(dim1=1, dim2=2).sum(1)
    degrees = torch.rad2deg(((trace - 1) / 2).clamp(-1, 1).acos())
    # Some pictures of 20 sites look nearly alike from two sides, so not every one must be found.
    assert degrees.median() < 3
    assert (degrees < 10).float().mean() > 0.9
    assert found.loss.median() < 10  # of 200, nothing in common
    assert found.shift.shape == (40, 2)
    assert torch.equal(state.points, cloud)


def test_a_quick_run_is_brief_whatever_the_method():
    quick = Config().quick()
    assert quick.schedule.search_steps < Schedule().search_steps
    assert quick.amortised.epochs < Amortised().epochs
    assert quick.direct.epochs < Direct().epochs


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[amortised]\noptimiser = 'sgd'", "must be one of adam, adamw"),
        ("[direct]\noutput_sigma = 3", "must be one of predicted, tied"),
        ("[amortised]\nepochs = 0", "at least 1"),
    ],
)
def test_a_setting_that_a_method_lacks_is_named(text, says, tmp_path):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(HollyError, match=says):
        read_config(tmp_path / "c.toml", Config)


def test_the_command_line_runs_a_method_to_the_end(tmp_path):
    write_simulation(tmp_path / "data", simulated())
    words = ["train", tmp_path / "data", "--out", tmp_path / "run", "--points", 20, "--pose", "direct", "--quick"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["finished"]
    assert read_config(tmp_path / "run" / "config.toml", Config).pose == "direct"
    assert read_config(tmp_path / "run" / "config.toml", Config).pose == "direct"

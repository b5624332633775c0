"""A run on pictures begins several times and follows the best start."""

import dataclasses
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import write_config
from holly_triton.geometry import random_rotations
from holly_triton.io.clouds import write_cloud
from holly_triton.particles.config import Config, Schedule
from holly_triton.particles.data import Localisations
from holly_triton.particles.run.run import carry_out, resume_run, start_run
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.report import find_warnings

BRIEF = Schedule(search_steps=20, chosen_after=0.2, polish_steps=3, refine_steps=1, rescue_passes=0, batch=60)
SITES = 40 * random_rotations(12, torch.Generator().manual_seed(3))[:, 0].double().numpy()


@pytest.fixture(scope="module")
def data() -> Localisations:
    return simulate(SITES, 120, scatter_nm=5.0, generator=torch.Generator().manual_seed(0)).localisations


@pytest.fixture
def config() -> Callable[..., Config]:
    def of(seed: int = 0, **schedule: float) -> Config:
        return Config(points=10, seed=seed, device="cpu", schedule=dataclasses.replace(BRIEF, **schedule))  # type: ignore[arg-type]

    return of


def test_the_start_with_the_smallest_loss_is_taken_up(data: Localisations, config: Callable[..., Config]) -> None:
    points, losses = {}, {}
    for seed in (3, 4, 5):
        trainer = make_trainer(config(seed, starts=1), data)
        steps = trainer.run()
        losses[seed] = sum(next(steps).loss for _ in range(4))
        points[seed] = trainer.state.points.detach().clone()
    assert min(losses, key=lambda seed: losses[seed]) != 3  # else the first start would do
    trainer = make_trainer(config(3, starts=3, starts_agree=0.0), data)
    assert [step.stage for step in trainer._choose_start()] == 12 * ["starts"]
    assert trainer.state.step == 4
    assert torch.equal(trainer.state.points, points[min(losses, key=lambda seed: losses[seed])])


def test_no_more_starts_are_made_once_two_agree(data: Localisations, config: Callable[..., Config]) -> None:
    trainer = make_trainer(config(starts=4, starts_agree=1.0), data)
    assert sum(1 for _ in takewhile(lambda step: step.step < 1, trainer.run())) == 2 * 4


@pytest.mark.parametrize("stopped", [6, 17], ids=["among the starts", "after their choice"])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    config: Callable[..., Config], tmp_path: Path, stopped: int
) -> None:
    write_cloud(tmp_path / "sites.ply", SITES)
    options = ("--images", "120", "--scatter", "5")
    made = CliRunner().invoke(main, ["simulate", str(tmp_path / "sites.ply"), str(tmp_path / "data"), *options])
    assert made.exit_code == 0, made.output
    settings = dataclasses.replace(config(starts=3, starts_agree=0.0), data=str(tmp_path / "data"), held_out=0.0)
    whole, steps = start_run(settings, tmp_path / "whole"), 0
    assert carry_out(whole, lambda _: None, lambda: False)

    def after_some() -> bool:
        nonlocal steps
        steps += 1
        return steps == stopped

    parts = start_run(settings, tmp_path / "parts")
    assert not carry_out(parts, lambda _: None, after_some)
    assert bool(parts.trainer.state.step) is (stopped == 17)
    again = resume_run(tmp_path / "parts")
    assert carry_out(again, lambda _: None, lambda: False)
    assert torch.equal(whole.trainer.state.points, again.trainer.state.points)


def test_a_run_stopped_among_its_starts_claims_no_structure(
    config: Callable[..., Config], tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    write_cloud(tmp_path / "sites.ply", SITES)
    made = CliRunner().invoke(main, ["simulate", str(tmp_path / "sites.ply"), str(tmp_path / "data"), "--images", "60"])
    assert made.exit_code == 0, made.output
    settings = dataclasses.replace(config(starts=3, starts_agree=0.0), data=str(tmp_path / "data"), held_out=0.0)
    write_config(tmp_path / "config.toml", settings)
    stop_after(6)
    options = ["--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "run")]
    said = CliRunner().invoke(main, ["train", *options])
    assert said.exit_code == 3 and "random start 2" in said.output and "so far" not in said.output
    warnings = find_warnings(tmp_path / "run")
    assert "random starts" in warnings[0] and "so far" not in warnings[0]
    stop_after(10**6)
    assert CliRunner().invoke(main, ["train", "--resume", str(tmp_path / "run")]).exit_code == 0
    assert not any("stopped" in warning for warning in find_warnings(tmp_path / "run"))

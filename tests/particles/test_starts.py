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
from holly_triton.particles.cloud.state import TrainingState
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


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write_cloud(folder / "sites.ply", SITES)
    options = ("--images", "120", "--scatter", "5")
    made = CliRunner().invoke(main, ["simulate", str(folder / "sites.ply"), str(folder / "data"), *options])
    assert made.exit_code == 0, made.output
    return folder / "data"


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
    data_folder: Path, config: Callable[..., Config], tmp_path: Path, stopped: int
) -> None:
    settings = dataclasses.replace(config(starts=3, starts_agree=0.0), data=str(data_folder), held_out=0.0)
    whole, steps = start_run(settings, tmp_path / "whole"), 0
    assert carry_out(whole, lambda _: None, lambda: False)

    def after_some() -> bool:
        nonlocal steps
        steps += 1
        return steps == stopped

    parts = start_run(settings, tmp_path / "parts")
    assert not carry_out(parts, lambda _: None, after_some)
    assert bool(parts.trainer.state.step) is (stopped == 17)
    again, left = resume_run(tmp_path / "parts"), []
    assert carry_out(again, left.append, lambda: False)
    assert len(left) == 3 * 4 + (whole.trainer.plan.total_steps - 4) - stopped  # no step of a start is taken twice
    assert torch.equal(whole.trainer.state.points, again.trainer.state.points)
    assert not again.trainer.state.starts


def test_a_crash_among_the_starts_costs_the_steps_since_the_last_checkpoint(
    data_folder: Path, config: Callable[..., Config], tmp_path: Path
) -> None:
    settings = dataclasses.replace(config(starts=3, starts_agree=0.0), data=str(data_folder), checkpoint_every=3)
    seen: list[object] = []

    def crash(step: object) -> None:
        seen.append(step)
        if len(seen) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(start_run(settings, tmp_path / "run"), crash, lambda: False)
    started = resume_run(tmp_path / "run").trainer.state.starts
    assert [start["state"]["step"] for start in started] == [4, 2]


@pytest.mark.parametrize("schedule", [{"starts": 1}, {"starts": 2, "polish_steps": 5}])
def test_settings_may_change_among_the_starts(
    schedule: dict[str, int], data_folder: Path, config: Callable[..., Config], tmp_path: Path
) -> None:
    settings = dataclasses.replace(config(starts=3, starts_agree=0.0), data=str(data_folder), held_out=0.0)
    run = start_run(settings, tmp_path / "run")
    carry_out(run, lambda _: None, lambda: True)
    changed = dataclasses.replace(run.config, schedule=dataclasses.replace(settings.schedule, **schedule))  # type: ignore[arg-type]
    write_config(tmp_path / "run" / "config.toml", changed)
    again = CliRunner().invoke(main, ["train", "--resume", str(tmp_path / "run")])
    assert again.exit_code == 0 and (tmp_path / "run" / "cloud.ply").is_file(), again.output
    run = resume_run(tmp_path / "run")
    assert run.finished and Config.of(run.trainer.state.settings, "settings").schedule == changed.schedule


def test_starts_go_on_with_the_random_numbers_of_another_device(
    data: Localisations, config: Callable[..., Config]
) -> None:
    trainer = make_trainer(config(starts=3, starts_agree=0.0), data)
    for _, _ in zip(trainer.run(), range(6), strict=False):
        pass
    payload = trainer.state.payload()
    for state in (payload, *(start["state"] for start in payload["starts"])):
        state["generator"] = torch.zeros(16, dtype=torch.uint8)  # as long as that of a GPU
    again = make_trainer(trainer.plan.config, data, TrainingState.from_payload(payload))
    assert [*again.run()][-1].step == trainer.plan.total_steps
    assert torch.isfinite(again.state.points).all()


def test_the_energy_of_all_starts_is_counted(data: Localisations, config: Callable[..., Config]) -> None:
    trainer = make_trainer(config(starts=3, starts_agree=0.0), data)
    for progress in trainer.run():
        trainer.state.joules += 1.0
        if progress.step:
            break
    assert trainer.state.joules == 3 * 4 + 1


def test_a_damaged_start_is_found_when_the_checkpoint_is_read(
    data: Localisations, config: Callable[..., Config]
) -> None:
    trainer = make_trainer(config(starts=3, starts_agree=0.0), data)
    next(trainer.run())
    payload = trainer.state.payload()
    assert TrainingState.from_payload(payload).starts == trainer.state.starts
    payload["starts"][0]["state"]["rotation"] = torch.zeros(1)
    with pytest.raises(ValueError, match="rotation"):
        TrainingState.from_payload(payload)


def test_a_run_stopped_among_its_starts_claims_no_structure(
    data_folder: Path, config: Callable[..., Config], tmp_path: Path, stop_after: Callable[[int], None]
) -> None:
    settings = dataclasses.replace(config(starts=3, starts_agree=0.0), data=str(data_folder), held_out=0.0)
    write_config(tmp_path / "config.toml", settings)
    stop_after(6)
    options = ["--config", str(tmp_path / "config.toml"), "--out", str(tmp_path / "run")]
    said = CliRunner().invoke(main, ["train", *options])
    assert said.exit_code == 3 and "random start 2" in said.output and "so far" not in said.output
    assert not [*(tmp_path / "run").glob("*.ply"), *(tmp_path / "run").glob("report*")]
    going_on = f"is not finished; go on with: holly-triton train --resume {tmp_path / 'run'}"
    for command in (["measure"], ["render"], ["report"], ["train", *options[:2], "--out"]):
        asked = CliRunner().invoke(main, [*command, str(tmp_path / "run")])
        assert asked.exit_code == 1 and going_on in asked.output
    asked = CliRunner().invoke(main, ["info", str(tmp_path / "run")])
    assert asked.exit_code == 1 and "is the folder of a run, not data" in asked.output
    stop_after(10**6)
    again = CliRunner().invoke(main, ["train", "--resume", str(tmp_path / "run")])
    assert again.exit_code == 0 and "random start 2" in again.output
    (tmp_path / "run" / "cloud.ply").rename(tmp_path / "kept.ply")
    lost = CliRunner().invoke(main, ["measure", str(tmp_path / "run")])
    assert (
        lost.exit_code == 1 and "holds no cloud.ply" in lost.output
    )  # of a finished run, which --resume would not make again
    assert not any("stopped" in warning for warning in find_warnings(tmp_path / "run"))

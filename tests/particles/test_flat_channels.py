"""Channels of localisations in projection: a cloud for each, in the poses that all of them determine."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.channels import PointChannels
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.particles.cloud.channels import taken
from holly_triton.particles.cloud.schedule import SparsePlan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.config import Config, Schedule, Sharpen
from holly_triton.particles.run.run import carry_out, resume_run, start_run
from holly_triton.particles.run.trainers import make_trainer, notes_of, settled
from holly_triton.particles.simulate import Simulation, simulate
from holly_triton.particles.sparse.config import Sparse
from holly_triton.particles.spatial.choice import sizes_of

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

NAMES = ("A", "B")
SCATTER_NM = 8.0
BRIEF = Config(
    dimensions=2, device="cpu", held_out=0.0, schedule=Schedule(search_steps=4, rescue_passes=0, polish_steps=2, refine_steps=2, starts=1),
    sharpen=Sharpen(separating=6), sparse=Sparse(steps=4),
)  # fmt: skip


def sphere(sites: int) -> Array:
    """Sites on a sphere, three to four times the scatter from each other."""
    height = (2 * np.arange(sites) + 1) / sites - 1
    angle = np.arange(sites) * np.pi * (1 + 5**0.5)
    return 60 * np.column_stack([*(np.sqrt(1 - height**2) * np.array([np.cos(angle), np.sin(angle)])), height])


def simulated(sites: Array, channels: PointChannels, images: int = 300, missing: float = 0.2) -> Simulation:
    return simulate(
        sites, images, scatter_nm=SCATTER_NM, missing=missing, channels=channels, generator=torch.Generator().manual_seed(0)
    )  # fmt: skip


def refined(made: Simulation, points: int) -> Trainer:
    """A run of all channels whose poses are refined, the true ones: a cloud of as many points in groups at the sites."""
    config = Config(points=points, dimensions=2, device="cpu", channels="separate", sharpen=Sharpen(separating=80))
    config = settled(config, made.localisations)
    trainer, generator = make_trainer(config, made.localisations), torch.Generator().manual_seed(1)
    state, sites = trainer.state, torch.from_numpy(made.points).float()
    near = sites[torch.arange(points) % len(sites)]
    state.points.data = near + 0.3 * SCATTER_NM * torch.randn(near.shape, generator=generator)
    state.log_blur.data.fill_(np.log(SCATTER_NM))
    state.rotation.copy_(made.rotation)
    state.shift.copy_(made.shift - made.localisations.centres[:, :2])
    state.loss.zero_()
    state.step = trainer.plan.refined_steps
    return make_trainer(config, made.localisations, state)


def distances(trainer: Trainer, sites: Array, channel: str) -> tuple[float, float]:
    """Root mean square distance of a channel's points from the nearest of some sites, and of these from its points."""
    found = trainer.channels
    assert found is not None
    cloud = trainer.state.points.detach().double().numpy()
    own = cloud[found.named(channel)]
    apart = np.linalg.norm(own[:, None] - sites[None], axis=-1)
    return float(np.sqrt((apart.min(1) ** 2).mean())), float(np.sqrt((apart.min(0) ** 2).mean()))


def test_each_channel_has_points_at_its_sites_and_nowhere_else() -> None:
    sites, of = sphere(40), np.arange(40) % 3 == 0
    made = simulated(sites, PointChannels(of.astype(int), NAMES))
    trainer = refined(made, 40)
    assert {progress.stage for progress in trainer.run()} == {"separate"}
    known = made.points
    for name, own in (("A", ~of), ("B", of)):
        assert max(distances(trainer, known[own], name)) < 0.5 * SCATTER_NM
        assert distances(trainer, known[~own], name)[0] > 1.5 * SCATTER_NM
    assert trainer.state.blur_nm() == pytest.approx(SCATTER_NM, rel=0.05)


def test_channels_at_the_same_sites_have_points_at_all_of_them() -> None:
    sites = sphere(20)
    made = simulated(np.concatenate([sites, sites]), PointChannels.of_sizes([20, 20], NAMES))
    trainer = refined(made, 40)
    for _ in trainer.run():
        pass
    assert trainer.state.sizes == [20, 20]
    for name in NAMES:
        assert max(distances(trainer, made.points[:20], name)) < 0.5 * SCATTER_NM


def test_each_channel_has_enough_points_for_a_cloud() -> None:
    made = simulated(sphere(40), PointChannels((np.arange(40) == 0).astype(int), NAMES), images=60, missing=0)
    assert sizes_of(None, made.localisations, 2) == [76, 4]
    assert settled(Config(dimensions=2), made.localisations).channels == "separate"
    with pytest.raises(HollyError, match="--points 7 leaves a channel fewer than 4 points"):
        settled(Config(dimensions=2, channels="separate", points=7), made.localisations)


def test_points_are_taken_in_proportion_and_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, load = rng.normal(size=(50, 3)), rng.random(50)
    for number in (1, 7, 50, 123):
        assert taken(points, load, number, 0.5).sum() == number
    assert taken(points[:4], np.zeros(4), 8, 0.1).tolist() == [2] * 4
    own = rng.random(50) < 0.4
    leaked = np.where(own, rng.uniform(0.8, 1.2, 50), rng.uniform(0, 0.1, 50))
    assert np.array_equal(taken(points, leaked, own.sum(), 0.1) > 0, own)


def test_one_of_two_points_at_a_site_is_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = np.repeat(sphere(20), 2, axis=0) + rng.normal(size=(40, 3))
    assert (taken(pairs, rng.uniform(0.4, 0.6, 40), 20, 8.0).reshape(20, 2).sum(axis=1) == 1).mean() > 0.85


@pytest.mark.parametrize("missing", [0.0, 0.8])
def test_a_run_that_is_stopped_goes_on_to_the_same_points(missing: float, tmp_path: Path) -> None:
    """Of many labels a particle, and of so few that poses are drawn; stopped before and within the steps of the channels."""
    folder = tmp_path
    write_cloud(folder / "sites.csv", sphere(30), PointChannels.of_sizes([20, 10], NAMES))
    assert call("simulate", folder / "sites.csv", folder / "data", "--images", 40, "--missing", missing, "--scatter", 5)
    config = dataclasses.replace(BRIEF, data=str(folder / "data"), points=30)
    whole = start_run(config, folder / "whole")
    assert isinstance(whole.trainer.plan, SparsePlan) == (missing == 0.8)
    assert whole.config.channels == "separate" and carry_out(whole, lambda _: None, lambda: False)
    steps: list[int] = []
    carry_out(start_run(config, folder / "stopped"), lambda step: steps.append(step.step), lambda: True)
    for _ in range(whole.trainer.plan.total_steps - 1):
        again = resume_run(folder / "stopped")
        carry_out(again, lambda step: steps.append(step.step), lambda: True)
    assert steps == [*range(1, whole.trainer.plan.total_steps + 1)] and again.finished
    assert torch.equal(again.trainer.state.points, whole.trainer.state.points)
    assert again.trainer.state.sizes == whole.trainer.state.sizes and len(again.trainer.state.sizes) == 2


@pytest.mark.parametrize(
    "how", [{"tilt": 0.0}, {"views": "random", "views_per_particle": 2}, {"pose": "direct"}, {"pose": "amortised"}]
)
def test_other_ways_to_find_poses_end_in_a_cloud_of_each_channel(how: dict[str, Any], tmp_path: Path) -> None:
    write_cloud(tmp_path / "sites.csv", sphere(30), PointChannels.of_sizes([20, 10], NAMES))
    dimensions = 3 if "views" in how else 2
    call("simulate", tmp_path / "sites.csv", tmp_path / "data", "--images", 40, "--dimensions", dimensions)
    brief = dataclasses.replace(BRIEF.quick(), schedule=BRIEF.schedule, sharpen=BRIEF.sharpen)
    brief = dataclasses.replace(brief, amortised=dataclasses.replace(brief.amortised, epochs=1, size=32))
    run = start_run(dataclasses.replace(brief, data=str(tmp_path / "data"), points=30, **how), tmp_path / "run")
    assert carry_out(run, lambda _: None, lambda: False)
    state = run.trainer.state
    assert run.trainer.channels is not None and run.trainer.channels.names == NAMES and sum(state.sizes) == 30
    assert torch.isfinite(state.points).all() and torch.isfinite(state.loss).all()
    assert "tilt" not in how or (state.points[:, 2] == 0).all()


@pytest.mark.parametrize(("missing", "times"), [(0.0, 2), (0.8, 1)])
def test_the_steps_of_the_cloud_alone_begin_once_of_each_kind(missing: float, times: int) -> None:
    """Those of the finest detail and those of the channels; of few labels the latter, within which the former would have begun."""
    made = simulated(sphere(30), PointChannels.of_sizes([20, 10], NAMES), images=40, missing=missing)
    plan = make_trainer(settled(Config(dimensions=2, device="cpu"), made.localisations), made.localisations).plan
    assert isinstance(plan, SparsePlan) == (missing == 0.8)
    begun = [step for step in range(plan.total_steps) if plan.begins_alone(step)]
    assert len(begun) == times and begun[-1] == plan.refined_steps
    assert all(plan.holds_poses(step) and not plan.holds_poses(step - 1) for step in begun)


def test_results_and_figures_name_the_channels(tmp_path: Path) -> None:
    folder = tmp_path
    write_cloud(folder / "sites.csv", sphere(30), PointChannels.of_sizes([20, 10], NAMES))
    call("simulate", folder / "sites.csv", folder / "data", "--images", 40, "--scatter", 3)
    (folder / "brief.toml").write_text(
        "[schedule]\nsearch_steps = 4\nrescue_passes = 0\npolish_steps = 2\nrefine_steps = 1\nstarts = 1\n[sharpen]\nseparating = 3\n"
    )
    said = call("train", folder / "data", "--out", folder / "run", "--points", 30, "--config", folder / "brief.toml")
    cloud = read_cloud(folder / "run" / "cloud.ply")
    assert cloud.channels is not None and cloud.channels.names == NAMES and {*cloud.channels.of} == {0, 1}
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert [(one["name"], one["points"]) for one in metrics["channels"]] == [("A", 20), ("B", 10)]
    assert any("A, B" in note and "same frame and poses" in note for note in metrics["notes"]), said
    figures = json.loads(call("evaluate", folder / "run", "--truth", folder / "sites.csv", "--json"))
    assert {*figures["channels"]} == {*NAMES}
    call("export", folder / "run", folder / "b.csv", "--channel", "B")
    assert len(read_cloud(folder / "b.csv").points) == 10


def test_what_allows_no_cloud_each_is_pooled_and_said(tmp_path: Path) -> None:
    made = simulated(sphere(30), PointChannels.of_sizes([20, 10], NAMES), images=20)
    data = made.localisations
    assert settled(Config(dimensions=2), data).channels == "separate"
    bright = dataclasses.replace(data, photons=torch.ones(len(data.xyz)), by_photons=True)
    for config, dataset, why in (
        (Config(dimensions=2, prune=True), data, "--prune"),
        (Config(dimensions=2), bright, "--weights photons"),
    ):
        assert settled(config, dataset).channels == "pooled"
        assert any(why in note for note in notes_of(make_trainer(settled(config, dataset), dataset)))
        with pytest.raises(HollyError, match=why):
            settled(dataclasses.replace(config, channels="separate"), dataset)


def test_a_localisation_of_no_channel_is_background_and_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        [f"{x:.2f}", f"{y:.2f}", str(k // 20), "AB"[k % 2]] for k, (x, y) in enumerate(rng.normal(size=(240, 2)) * 30)
    ]
    rows[5][-1] = ""
    with (tmp_path / "some.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["x [nm]", "y [nm]", "particle", "channel"], *rows])
    run = start_run(dataclasses.replace(BRIEF, data=str(tmp_path / "some.csv"), points=10), tmp_path / "run")
    assert carry_out(run, lambda _: None, lambda: False)
    assert any("1 of 240 localisations" in note and "no channel" in note for note in run.notes)
    assert any("a cloud of its own" in note for note in run.notes)


def test_other_channels_than_those_of_a_run_are_refused(tmp_path: Path) -> None:
    made = simulated(sphere(30), PointChannels.of_sizes([20, 10], NAMES), images=20)
    config = settled(BRIEF, made.localisations)
    trainer = make_trainer(config, made.localisations)
    assert not any("cloud of its own" in note for note in notes_of(trainer))  # before each has one
    for _ in trainer.run():
        pass
    # The last loss is that of all pictures under the finished clouds.
    assert trainer.state.history[-1]["loss"] == pytest.approx(float(trainer.state.loss.mean()), rel=1e-5)
    three = dataclasses.replace(made.localisations, channels=("A", "B", "C"))
    with pytest.raises(HollyError, match="holds 3 channels, but the run was made with 2"):
        make_trainer(config, three, trainer.state)


def test_checkpoints_of_earlier_versions_are_pooled() -> None:
    made = simulated(sphere(30), PointChannels.of_sizes([20, 10], NAMES), images=10)
    payload = make_trainer(settled(BRIEF, made.localisations), made.localisations).state.payload()
    del payload["sizes"]
    assert TrainingState.from_payload(payload).sizes == []
    with pytest.raises(ValueError, match="sizes"):
        TrainingState.from_payload({**payload, "sizes": [4, 7]})


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def call(*words: object) -> str:
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in words else result.output

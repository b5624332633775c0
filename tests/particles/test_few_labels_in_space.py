"""3D particles of few labels: when poses are drawn, how much a localisation counts, the structure, and older runs."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.core.lock import CHECKPOINTS
from holly_triton.harness.few_labels import rings
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.run.checkpoints import save_state
from holly_triton.particles.run.run import carry_out, resume_run, start_run
from holly_triton.particles.run.trainers import make_spatial_trainer, notes_of
from holly_triton.particles.simulate import Precision, Simulation, simulate
from holly_triton.particles.simulated_files import write_simulation
from holly_triton.particles.sparse.config import Sparse
from holly_triton.particles.spatial.config import Spatial
from holly_triton.particles.spatial.state import SpatialState
from holly_triton.particles.spatial.train import SpatialTrainer

CONFIG = Config(points=32, device="cpu", spatial=Spatial(steps=6, batch=20))


def particles(count: int, missing: float, fluorophores: int = 1) -> Simulation:
    """Two rings of 16 sites, 60 nm apart, of radius 50 nm, of which a share is not seen."""
    return simulate(
        rings(), count, missing=missing, max_spawn=fluorophores, precision=Precision(5.0, 5.0), dimensions=3,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip


def trainer_of(data: Localisations, config: Config = CONFIG) -> SpatialTrainer:
    return make_spatial_trainer(config, data)


@pytest.mark.parametrize(("missing", "fluorophores", "power"), [(0.7, 1, 1.0), (0.7, 4, 1 / 2.8), (0.9, 8, 1.0)])
def test_localisations_of_one_label_count_together(missing: float, fluorophores: int, power: float) -> None:
    """Of a Bernoulli number of labels the dispersion is the share that is missing times the localisations of each."""
    data = particles(2000, missing, fluorophores).localisations
    if missing == 0.9:  # one over 7.2 would leave fewer than eight independent ones of 24
        power = 8 / float(data.counts.median())
    assert trainer_of(data).plan.power == pytest.approx(power, rel=0.1)


def test_the_best_poses_are_taken_where_labels_are_seen() -> None:
    assert (
        trainer_of(particles(200, 0.2).localisations).plan.power is None
    )  # 26 localisations, of which few are missing
    assert trainer_of(particles(200, 0.7, 8).localisations).plan.power is None  # 80 localisations


def test_poses_that_were_drawn_count_alike() -> None:
    trainer = trainer_of(particles(40, 0.7).localisations)
    index = torch.arange(10)
    found = trainer.find(trainer.plan.at(0), index, trainer.plan.settings.search)
    weights = found.weighed(trainer.plan.settings.least_weight).weight
    assert weights.tolist() == [1 / trainer.plan.settings.kept] * 10 * trainer.plan.settings.kept
    assert found.poses.score.std(dim=1).min() > 0
    held = trainer.find(trainer.plan.at(trainer.plan.steps), index, trainer.plan.settings.last)
    assert not held.drawn and held.weighed(0.02).weight.unique().numel() > 1


def test_rings_keep_their_distance_where_most_labels_are_missing() -> None:
    """The best poses bring them to 35 to 40 nm in as many steps."""
    config = dataclasses.replace(CONFIG, spatial=Spatial(steps=120))
    trainer = trainer_of(particles(300, 0.7).localisations, config)
    assert any("each localisation" in note for note in notes_of(trainer))
    for progress in trainer.run():
        if progress.step == 120:
            break
    points = trainer.state.points.double().numpy()
    spread, axes = np.linalg.eigh(np.cov(points.T))
    height = (points - points.mean(axis=0)) @ axes[:, np.argmax(np.abs(spread - np.median(spread)))]
    assert 52 < np.median(height[height > 0]) - np.median(height[height < 0]) < 65


def test_a_stopped_run_goes_on_with_the_same_bits() -> None:
    data = particles(40, 0.7, 4).localisations
    whole, part = trainer_of(data), trainer_of(data)
    for _ in whole.run():
        pass
    for progress in part.run():
        if progress.step == 3:
            break
    again = make_spatial_trainer(CONFIG, data, SpatialState.from_payload(part.state.payload()))
    for _ in again.run():
        pass
    for name in ("points", "rotations", "shifts", "loss", "log_blur"):
        assert torch.equal(getattr(whole.state, name), getattr(again.state, name)), name


def test_a_run_of_an_earlier_version_goes_on_with_the_best_poses(tmp_path: Path) -> None:
    write_simulation(tmp_path / "data", particles(40, 0.7))
    run = start_run(dataclasses.replace(CONFIG, data=str(tmp_path / "data"), sparse=Sparse(most=40)), tmp_path / "run")
    carry_out(run, lambda _: None, lambda: True)
    assert run.trainer.plan.power is not None  # type: ignore[union-attr]
    state, settings = run.trainer.state, tmp_path / "run" / "config.toml"
    earlier = ("independent", "least_dispersion_in_space")
    for name in earlier:
        del state.settings["sparse"][name]
    save_state(tmp_path / "run" / CHECKPOINTS, state)
    kept = [line for line in settings.read_text().splitlines() if not line.startswith(earlier)]
    settings.write_text("\n".join(kept))
    assert resume_run(tmp_path / "run").trainer.plan.power is None  # type: ignore[union-attr]

"""3D particles of few labels: when poses are drawn, how much a localisation counts, the structure, and older runs."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.lock import CHECKPOINTS
from holly_triton.harness.few_labels import rings
from holly_triton.io.metrics import read_metrics
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
from holly_triton.particles.spatial.symmetry import rotations_of
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


def without_precision(data: Localisations) -> Localisations:
    """The same, of which it is not known what comes of one label."""
    return dataclasses.replace(data, precision=None, precision_z=None)


@pytest.mark.parametrize(("fluorophores", "power"), [(1, 1.0), (4, 1 / 2.8)])
def test_localisations_of_one_label_count_together(fluorophores: int, power: float) -> None:
    """Of a Bernoulli number of labels the dispersion is the share that is missing times the localisations of each."""
    data = without_precision(particles(2000, 0.7, fluorophores).localisations)
    assert trainer_of(data).plan.power == pytest.approx(power, rel=0.1)


def test_labels_whose_localisations_are_merged_are_independent() -> None:
    assert trainer_of(particles(200, 0.7, 4).localisations).plan.power == 1.0


def test_particles_count_as_eight_localisations_at_least() -> None:
    # 24 in the median; one over the dispersion of 7.2 would leave three
    data = without_precision(particles(2000, 0.9, 8).localisations)
    assert trainer_of(data).plan.power == pytest.approx(8 / float(data.counts.median()))


def test_equal_numbers_of_localisations_are_independent() -> None:
    data = particles(40, 0.0).localisations
    config = dataclasses.replace(CONFIG, sparse=Sparse(least_dispersion_in_space=0.0))
    assert trainer_of(data, config).plan.power == 1.0


def test_the_best_poses_are_taken_where_labels_are_seen() -> None:
    assert (
        trainer_of(particles(200, 0.2).localisations).plan.power is None
    )  # 26 localisations, of which few are missing
    assert trainer_of(without_precision(particles(200, 0.7, 8).localisations)).plan.power is None  # 80 localisations
    config = dataclasses.replace(CONFIG, sparse=Sparse(most_repeated=60))
    assert trainer_of(particles(200, 0.7, 8).localisations, config).plan.power is None
    trainer = trainer_of(particles(200, 0.2, 4).localisations)  # 26 labels, of which few are missing
    assert trainer.plan.power is None and trainer.particles.blinks is None


def test_ten_labels_are_few_however_often_each_is_localised() -> None:
    trainer = trainer_of(particles(200, 0.7, 8).localisations)
    assert (
        trainer.draws and trainer.particles.blinks is not None and float(trainer.particles.counts.double().mean()) < 12
    )


def test_a_run_states_its_labels(tmp_path: Path) -> None:
    write_simulation(tmp_path / "data", particles(60, 0.7, 4))
    words = ["train", str(tmp_path / "data"), "--quick", "--points", "12", "--held-out", "0.2", "--device", "cpu"]
    assert CliRunner().invoke(main, [*words, "--out", str(tmp_path / "run")], catch_exceptions=False).exit_code == 0
    metrics = read_metrics(tmp_path / "run")
    assert metrics.labels == pytest.approx(9.6, rel=0.1) and metrics.localisations_a_label == pytest.approx(4, rel=0.1)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "likelihood of a label" in page and "likelihood of a localisation" not in page


@pytest.mark.parametrize("words", [["--structures", "2"], ["--deformation"], ["--symmetry", "C2"]], ids=" ".join)
def test_what_held_out_particles_prefer_is_stated_of_labels(words: list[str], tmp_path: Path) -> None:
    """Every way in which held-out particles judge, where labels were merged."""
    write_simulation(tmp_path / "data", particles(80, 0.7, 4))
    config = tmp_path / "short.toml"
    config.write_text("[spatial]\nsteps = 6\n[classes]\nsteps = 4\n[deforming]\nsteps = 4\n")
    command = ["train", str(tmp_path / "data"), "--config", str(config), "--points", "12", "--held-out", "0.2", *words]
    result = CliRunner().invoke(
        main, [*command, "--device", "cpu", "--out", str(tmp_path / "run")], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    pages = "".join(page.read_text() for page in (tmp_path / "run").glob("*.html"))
    for said in (result.output, pages):
        assert "log-likelihood of a label" in said and "likelihood of a localisation" not in said


def test_poses_that_were_drawn_count_alike() -> None:
    trainer = trainer_of(particles(40, 0.7).localisations)
    index = torch.arange(10)
    found = trainer.find(trainer.plan.at(0), index, trainer.plan.settings.search)
    weights = found.weighed(trainer.plan.settings.least_weight).weight
    assert weights.tolist() == [1 / trainer.plan.settings.kept] * 10 * trainer.plan.settings.kept
    assert found.poses.score.std(dim=1).min() > 0
    held = trainer.find(trainer.plan.at(trainer.plan.steps), index, trainer.plan.settings.last)
    assert not held.drawn and held.weighed(0.02).weight.unique().numel() > 1


def test_poses_are_drawn_near_the_true_ones_at_last() -> None:
    """In the median over 60 particles and draws, one of the 32 orientations in which the rings look alike is near the drawn one."""
    simulated = particles(60, 0.7, 4)
    trainer = trainer_of(simulated.localisations, dataclasses.replace(CONFIG, spatial=Spatial(steps=100)))
    trainer.state.points.copy_(torch.from_numpy(rings()))
    trainer.state.log_blur.zero_()
    alike = torch.einsum("bij,gjk->bgik", simulated.rotation.float(), rotations_of("D16"))
    apart = []
    for step in (79, 80):  # the blur is the same, and only then are candidates from everywhere no longer wanted
        found = trainer.find(trainer.plan.at(step), torch.arange(60), trainer.plan.settings.search)
        cosine = (torch.einsum("bqij,bgij->bqg", found.poses.rotation, alike).amax(dim=2) - 1) / 2
        apart.append(float(torch.rad2deg(cosine.clamp(-1, 1).acos()).median()))
    coarse, fine = apart
    assert fine < 0.8 * coarse < 8


def test_rings_keep_their_distance_where_most_labels_are_missing() -> None:
    data, apart = particles(300, 0.7).localisations, []
    for sparse in (Sparse(), Sparse(most=0)):
        trainer = trainer_of(data, dataclasses.replace(CONFIG, spatial=Spatial(steps=120), sparse=sparse))
        assert any("each localisation" in note for note in notes_of(trainer)) == trainer.draws == (sparse.most > 0)
        for progress in trainer.run():
            if progress.step == 120:
                break
        points = trainer.state.points.double().numpy()
        spread, axes = np.linalg.eigh(np.cov(points.T))
        height = (points - points.mean(axis=0)) @ axes[:, np.argmax(np.abs(spread - np.median(spread)))]
        apart.append(np.median(height[height > 0]) - np.median(height[height < 0]))
    drawn, best = apart
    assert 52 < drawn < 65 and best < 48


@pytest.mark.parametrize(
    "changes", [{"symmetry": "C8"}, {"choose_points": True}, {"spatial": Spatial(steps=6, kept=20)}]
)
def test_runs_with_drawn_poses_end(changes: dict[str, Any]) -> None:
    """With a symmetry, with the number of points chosen, and with more poses kept than drawn."""
    trainer = trainer_of(particles(40, 0.7).localisations, dataclasses.replace(CONFIG, **changes))
    for _ in trainer.run():
        pass
    assert trainer.draws and trainer.state.points.isfinite().all() and trainer.state.loss.isfinite().all()


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
    run = start_run(dataclasses.replace(CONFIG, data=str(tmp_path / "data")), tmp_path / "run")
    carry_out(run, lambda _: None, lambda: True)
    assert resume_run(tmp_path / "run").trainer.draws  # type: ignore[union-attr]
    state = run.trainer.state
    assert isinstance(state, SpatialState)
    earlier = {name: value for name, value in state.payload().items() if name != "draws"}
    save_state(tmp_path / "run" / CHECKPOINTS, SpatialState.from_payload(earlier))
    for _ in range(2):  # what it follows is kept when it is stopped again
        run = resume_run(tmp_path / "run")
        assert not run.trainer.draws  # type: ignore[union-attr]
        carry_out(run, lambda _: None, lambda: True)

"""The last steps of a run along the likelihood of each localisation, where labels scatter more than pictures resolve."""

import dataclasses

import numpy as np
import pytest
import torch

from holly_triton.geometry import Grid
from holly_triton.kernels import splat_emitters
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config, Schedule, Sharpen
from holly_triton.particles.data import Dataset
from holly_triton.particles.data.pictures import pictures_from_pixels
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import Simulation, simulate
from holly_triton.validation.alignment import align

SCATTER_NM = 15.0


def _trainer(simulation: Simulation, config: Config, misplaced: float = 0.5, data: Dataset | None = None):
    """A run at the end of its polish: the true poses, and points misplaced by some of the labels' scatter."""
    data, generator = data or simulation.localisations, torch.Generator().manual_seed(1)
    trainer = make_trainer(config, data)
    state, points = trainer.state, torch.from_numpy(simulation.points).float()
    state.points.data = points + misplaced * SCATTER_NM * torch.randn(points.shape, generator=generator)
    state.log_blur.data.fill_(np.log(simulation.scatter_nm or 0.1))
    state.rotation.copy_(simulation.rotation)
    state.shift.copy_(simulation.shift - data.centres[:, :2])
    state.loss.zero_()
    state.step = trainer.plan.drawn_steps
    return make_trainer(config, data, state)


@pytest.fixture(scope="module")
def points():
    """Sites on a sphere, about three times the scatter from each other."""
    height = (np.arange(60) + 0.5) / 30 - 1
    angle = np.arange(60) * np.pi * (1 + 5**0.5)
    return 110 * np.column_stack([*(np.sqrt(1 - height**2) * np.array([np.cos(angle), np.sin(angle)])), height])


def _config(**settings):
    return Config(points=60, dimensions=2, device="cpu", schedule=Schedule(refine_steps=1), **settings)


def _sharpened(simulation, misplaced):
    trainer = _trainer(simulation, _config(), misplaced)
    assert {progress.stage for progress in trainer.run()} == {"sharpen", "refine"}
    return trainer.state


def test_points_come_to_where_the_likelihood_has_its_maximum(points):
    simulation = simulate(points, 600, scatter_nm=SCATTER_NM, generator=torch.Generator().manual_seed(0))
    found, from_truth = (_sharpened(simulation, misplaced) for misplaced in (0.5, 0.0))
    found_points, best = (state.points.detach().double().numpy() for state in (found, from_truth))
    assert found.blur_nm() == pytest.approx(SCATTER_NM, rel=0.03)
    assert torch.isfinite(found.loss).all()
    assert (
        align(found_points, simulation.points).rmsd < 0.35 * SCATTER_NM
    )  # from 0.87 on, the root of three times a half
    assert align(found_points, best).rmsd < 0.05 * SCATTER_NM


def test_pictures_of_pixels_follow_their_own_likelihood(points):
    simulation = simulate(points, 400, scatter_nm=SCATTER_NM, generator=torch.Generator().manual_seed(0))
    grid = Grid(40, simulation.grid.field_nm)
    drawn = splat_emitters(grid.to_pixels(simulation.positions), simulation.offsets, 1.0, grid.shape)
    data = pictures_from_pixels(drawn.numpy(), [*map(str, range(400))], grid.pixel_nm, source="test")
    trainer = _trainer(simulation, _config(), data=data)
    began = align(trainer.state.points.detach().double().numpy(), simulation.points).rmsd
    assert {progress.stage for progress in trainer.run()} == {"sharpen", "refine"}
    ended = align(trainer.state.points.detach().double().numpy(), simulation.points).rmsd
    assert ended < 0.5 * began
    assert trainer.state.blur_nm() == pytest.approx(SCATTER_NM, rel=0.1)


def test_the_steps_are_left_out_where_labels_hardly_scatter(points):
    simulation = simulate(points, 100, generator=torch.Generator().manual_seed(0))
    trainer = _trainer(simulation, _config())
    began = trainer.state.points.detach().clone()
    assert {progress.stage for progress in trainer.run()} == {"refine"}
    assert torch.equal(trainer.state.points, began)
    assert trainer.state.step == trainer.plan.total_steps == trainer.plan.drawn_steps + 1
    again = make_trainer(
        trainer.plan.config, simulation.localisations, TrainingState.from_payload(trainer.state.payload())
    )
    assert again.plan.total_steps == trainer.plan.total_steps


def test_no_steps_are_planned_for_photons_merged_points_or_no_passes(points):
    data = simulate(points, 100, scatter_nm=SCATTER_NM, generator=torch.Generator().manual_seed(0)).localisations
    photons = dataclasses.replace(data, by_photons=True)
    for config, dataset in (
        (_config(prune=True), data),
        (_config(sharpen=Sharpen(per_polish=0)), data),
        (_config(), photons),
    ):
        assert make_trainer(config, dataset).plan.sharpen_steps == 0
    assert make_trainer(_config(), data).plan.sharpen_steps == 200

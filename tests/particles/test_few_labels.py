"""Poses drawn by the likelihood of single localisations: their distribution, the structure, and when this is done."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from holly_triton.core.lock import CHECKPOINTS
from holly_triton.geometry import random_rotations
from holly_triton.particles.cloud.schedule import AnnealedPlan, Plan, SparsePlan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config
from holly_triton.particles.run.checkpoints import save_state
from holly_triton.particles.run.run import carry_out, resume_run, start_run
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import Simulation, simulate
from holly_triton.particles.simulated_files import write_simulation
from holly_triton.particles.sparse.config import Sparse
from holly_triton.particles.sparse.poses import SampledPoses
from holly_triton.particles.sparse.posterior import Scales, draw_poses
from holly_triton.particles.spatial.mixture import Model, Padded, Weighed, expected, log_likelihood
from holly_triton.structures import read_structure

SITES = torch.tensor([[40.0, 0, 10], [-20, 30, 0], [-10, -35, -25], [0, 10, 30]])
SITES -= SITES.mean(0)
MODEL = Model(SITES, torch.tensor(64.0), torch.tensor(0.05), torch.tensor(2500.0))
SCATTER_NM = 4.0
GYRATION_NM = float(SITES.square().sum(1).mean().sqrt())


def pores(particles: int, missing: float, seed: int = 0) -> Simulation:
    sites = read_structure("nuclear-pore").points
    generator = torch.Generator().manual_seed(seed)
    return simulate(sites, particles, scatter_nm=SCATTER_NM, missing=missing, generator=generator)


def some_particles(generator: torch.Generator, axes: int = 2) -> Padded:
    """Three particles of 2, 4 and 5 localisations of the model, along so many axes."""
    turn = random_rotations(3, generator)
    which = torch.randint(len(SITES), (3, 5), generator=generator)
    xyz = torch.einsum("bij,bmj->bmi", turn[:, :axes], SITES[which]) + 8 * torch.randn(3, 5, axes, generator=generator)
    mask = torch.arange(5) < torch.tensor([2, 4, 5])[:, None]
    centre = (xyz * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return Padded(xyz - centre[:, None], torch.full((3, 5, axes), 9.0), mask.float())


@pytest.mark.parametrize(("axes", "power"), [(2, 1.0), (3, 0.5)])
def test_drawn_poses_and_the_evidence_are_those_of_the_posterior(axes: int, power: float) -> None:
    """Against the mean over 400 000 poses that are drawn without regard to the data."""
    generator = torch.Generator().manual_seed(0)
    data, settings = some_particles(generator, axes), Sparse(candidates=40_000, samples=12_000)
    drawn = draw_poses(MODEL, data, Scales(GYRATION_NM, 120.0, power), settings, generator)
    many = 400_000
    for particle in range(3):
        spread = settings.shift * GYRATION_NM / math.sqrt(power * float(data.mask[particle].sum()))
        alone = Padded(*(part[particle : particle + 1] for part in data[:3]))
        rotation, shift = random_rotations(many, generator), spread * torch.randn(many, axes, generator=generator)
        score = log_likelihood(MODEL, alone, Weighed(torch.zeros(many).long(), rotation, shift, torch.ones(many)))
        weight = (power * score).softmax(0)
        evidence = (power * score).logsumexp(0) - math.log(many)
        # What is drawn differs between processors; in 3D a pose has one more parameter.
        drawn_score, within = power * float(drawn.score[particle].mean()), 0.1 if axes == 2 else 0.25
        assert float(drawn.evidence[particle]) == pytest.approx(float(evidence), abs=0.2)
        assert drawn_score == pytest.approx(power * float((weight * score).sum()), abs=within)
        squares = (weight * shift.square().sum(1)).sum().sqrt()
        assert float(drawn.shift[particle].square().sum(1).mean().sqrt()) == pytest.approx(float(squares), rel=0.1)


def test_the_likelihood_of_2d_localisations_is_that_of_the_projection(seed: int) -> None:
    """The formula of ``mixture`` in two dimensions, and its gradient by differences in float64."""
    generator = torch.Generator().manual_seed(seed)
    data = Padded(*(part.double() for part in some_particles(generator)[:3]))
    turn, shift = random_rotations(3, generator).double(), torch.randn(3, 2, generator=generator).double() * 5
    poses = Weighed(torch.arange(3), turn, shift, torch.tensor([0.2, 0.5, 1.0]).double())
    points = SITES.double().requires_grad_()
    model = Model(points, *(part.double() for part in MODEL[1:4]))
    places = points @ turn[:, :2].mT + shift[:, None]
    squares = (data.xyz[:, :, None] - places[:, None]).square().sum(-1)
    variance = 64.0 + 9.0
    seen = ((squares / (-2 * variance)).exp() / (2 * math.pi * variance)).mean(-1)
    outside = ((data.xyz - shift[:, None]).square().sum(-1) / (-2 * 2500.0)).exp() / (2 * math.pi * 2500.0)
    total = ((0.95 * seen + 0.05 * outside).log() * data.mask).sum(1)
    (gradient,) = torch.autograd.grad((total * poses.weight).sum(), points)
    held = model._replace(points=points.detach())
    torch.testing.assert_close(log_likelihood(held, data, poses), total.detach())
    torch.testing.assert_close(expected(held, data, poses).points, gradient)


@pytest.mark.parametrize(
    ("missing", "settings", "sparse"),
    [
        (0.75, {}, True),
        (0.5, {}, True),
        (0.3, {}, False),
        (0.75, {"sparse": Sparse(most=0)}, False),
        (0.75, {"tilt": 30.0}, False),
        (0.75, {"points": 1000}, False),
        (0.0, {}, False),
    ],
)
def test_poses_are_drawn_by_each_localisation_where_these_are_few_and_vary(missing, settings, sparse) -> None:
    config = Config(**{"points": 32, "device": "cpu", **settings})
    assert isinstance(Plan.of(config, pores(400, missing).localisations), SparsePlan) == sparse


def test_other_methods_keep_their_plan() -> None:
    config = Config(points=32, pose="amortised", device="cpu")
    assert isinstance(Plan.of(config, pores(60, 0.75).localisations), AnnealedPlan)


def test_drawn_poses_leave_the_true_structure_and_its_scatter_as_they_are() -> None:
    """8 of 32 labels a particle. From poses that fit best, scatter shrinks and the rings move towards each other."""
    made = pores(300, 0.75)
    config = Config(
        points=32, device="cpu", sparse=Sparse(steps=24, batch=100, samples=24, candidates=400, sigma_start=0.03)
    )
    plan = Plan.of(config, made.localisations)
    state = TrainingState.fresh(plan, 32, torch.Generator().manual_seed(0))
    state.points.copy_(torch.tensor(read_structure("nuclear-pore").points, dtype=torch.float32))
    state.log_blur.fill_(math.log(SCATTER_NM))
    trainer = make_trainer(config, made.localisations, state)
    assert isinstance(trainer.method, SampledPoses)
    for progress in trainer.run():
        if progress.step == config.sparse.steps:
            break
    points = trainer.state.points.detach().double().numpy()
    axis = np.linalg.eigh(np.cov(points.T))[1][:, 0]
    height = points @ axis
    radius = np.median(np.linalg.norm(points - np.outer(height, axis), axis=1))
    assert 2 * np.median(np.abs(height)) == pytest.approx(59.1, rel=0.05)
    assert radius == pytest.approx(48.2, rel=0.05)
    # Two dozen samples a particle do not reach every pose that explains it, which leaves the scatter too large by a half.
    assert 0.8 < trainer.state.blur_nm() / SCATTER_NM < 1.6


def test_a_run_goes_on_from_its_state_as_if_it_had_not_been_stopped() -> None:
    brief = Sparse(steps=6, batch=20, samples=8, candidates=50)
    config = Config(points=8, device="cpu", sparse=brief)
    config = dataclasses.replace(config, schedule=dataclasses.replace(config.schedule, refine_steps=1))
    data = pores(30, 0.7).localisations
    whole, part = make_trainer(config, data), make_trainer(config, data)
    for _ in whole.run():
        pass
    for progress in part.run():
        if progress.step == 3:
            break
    again = make_trainer(config, data, TrainingState.from_payload(part.state.payload()))
    for _ in again.run():
        pass
    for name in ("points", "rotation", "shift", "loss", "log_blur"):
        assert torch.equal(getattr(whole.state, name), getattr(again.state, name)), name


def test_a_run_of_an_earlier_version_goes_on_by_each_localisation(tmp_path: Path) -> None:
    """When it began, poses were drawn where a fifth of the labels was missing."""
    write_simulation(tmp_path / "data", pores(40, 0.3))
    brief = Sparse(steps=4, least_dispersion=0.2)
    run = start_run(Config(data=str(tmp_path / "data"), points=32, device="cpu", sparse=brief), tmp_path / "run")
    carry_out(run, lambda _: None, lambda: True)
    state, settings = run.trainer.state, tmp_path / "run" / "config.toml"
    del state.settings["sparse"]["least_dispersion"]
    save_state(tmp_path / "run" / CHECKPOINTS, state)
    before, sparse = settings.read_text().split("[sparse]")
    lines = [*before.splitlines(), "[sparse]"]
    lines += [line for line in sparse.splitlines() if not line.startswith("least_dispersion")]
    settings.write_text("\n".join(lines))
    assert isinstance(resume_run(tmp_path / "run").trainer.plan, SparsePlan)

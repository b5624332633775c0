"""A training on a GPU: it ends, finds something, and its rotations stay rotations."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from holly_triton.core import captured
from holly_triton.geometry import Grid
from holly_triton.io.tables import scratch
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.config import Config
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate

SITES = np.random.default_rng(5).normal(size=(30, 3)) * (60, 40, 25)
PICTURES = 200


def trained(**changed: object) -> Trainer:
    dataset = simulate(SITES, PICTURES, generator=torch.Generator().manual_seed(1)).localisations
    config = dataclasses.replace(Config(points=30, seed=1, device="cuda").quick(), **changed)  # type: ignore[arg-type]
    trainer = make_trainer(config, dataset)
    for _ in trainer.run():
        pass
    return trainer


@pytest.fixture
def products_in_tf32() -> Iterator[None]:
    """As NVIDIA's containers have it, and ``torch.set_float32_matmul_precision("high")``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


def test_a_quick_training_explains_the_pictures_better_than_points_at_random() -> None:
    trainer = trained()
    points = trainer.state.points.detach()
    assert points.is_cuda and bool(points.isfinite().all())
    generator = torch.Generator(points.device).manual_seed(0)
    random = points.std(0) * torch.randn(points.shape, generator=generator, device=points.device)
    assert trainer.losses_of(points)[1] < trainer.losses_of(random)[1]


def test_where_products_run_in_tf32_rotations_stay_orthonormal(products_in_tf32: None) -> None:
    singular = torch.linalg.svdvals(trained().state.rotation.detach().cpu().double())
    assert float((singular - 1).abs().max()) < 1e-4


def test_steps_from_a_graph_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    replayed = trained()
    monkeypatch.setattr(captured, "ENABLED", False)
    launched = trained()
    for name in ("points", "log_blur", "background", "rotation", "shift", "loss", "generator"):
        assert torch.equal(getattr(replayed.state, name), getattr(launched.state, name)), name


def test_all_but_the_first_steps_of_a_kind_come_from_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    replays = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(graph) or replay(graph))
    trainer = trained()
    # Quick runs have no rescue; each grid, and each end of an epoch, has a graph of its own.
    assert len(replays) > 0.6 * trainer.plan.total_steps


def test_particles_of_unequal_size_are_drawn_as_on_a_cpu() -> None:
    """On a GPU the rows of a batch are not counted: there are as many as if every particle were the largest."""
    data = simulate(SITES, 20, missing=0.7, generator=torch.Generator().manual_seed(2)).localisations
    index, grid = torch.tensor([3, 0, 19, 3, 7]), Grid(48, 600.0)
    drawn = data.to("cuda").draw(index.cuda(), grid, 20.0).cpu()
    torch.testing.assert_close(drawn, data.draw(index, grid, 20.0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pose", ["amortised", "direct"])
def test_the_other_ways_to_poses_run_too(pose: str) -> None:
    assert bool(trained(pose=pose).state.loss.isfinite().all())


@pytest.mark.parametrize("most", [0, 40], ids=["pictures", "few-labels"])
def test_a_table_on_the_disk_trains_as_one_on_the_gpu(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows stay off the GPU; so do its counts, which the index of a batch is not on the device of."""
    settings = {"sparse": dataclasses.replace(Config().quick().sparse, most=most)}
    held = trained(**settings).state.loss
    monkeypatch.setattr(scratch, "IN_MEMORY", 0)
    assert float(trained(**settings).state.loss.mean()) == pytest.approx(float(held.mean()), rel=0.2)

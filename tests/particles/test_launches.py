"""What a training step costs the processor of a GPU: operations that each launch a kernel, and waits for the device.

Both are counted on a CPU. The kernels are stubs, counted as the launches that Triton makes of them.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from holly_triton.core.captured import Captured
from holly_triton.harness.step_worker import Costs, counted
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.config import Config, Sharpen
from holly_triton.particles.poses.search import SearchedPoses
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.structures import read_structure


@pytest.fixture
def trainer() -> Trainer:
    """A run of the demo's settings on some of its pictures, without steps along each localisation."""
    generator = torch.Generator().manual_seed(0)
    made = simulate(read_structure("cep152").points, 300, scatter_nm=3.0, missing=0.1, generator=generator)
    return make_trainer(Config(points=112, device="cpu", sharpen=Sharpen(per_polish=0)), made.localisations)


def costs_of(trainer: Trainer, step: int) -> Costs:
    """What the second of two steps costs."""
    trainer.state.step = step
    steps = trainer.run()
    next(steps)
    with counted(112) as costs:
        next(steps)
    return costs


@pytest.mark.parametrize(
    ("step", "sparse", "most"),
    [(6, False, 441), (200, False, 426), (6, True, 375), (260, False, 199), (330, False, 256)],
)
def test_a_step_launches_little_and_waits_once(trainer: Trainer, step: int, sparse: bool, most: int) -> None:
    """A search step once took 1471 launches and 52 waits, a step of the polish 602 and 10."""
    if sparse:
        assert isinstance(trainer.method, SearchedPoses)
        trainer.method.counts = trainer.dataset.counts  # poses are drawn, not chosen
    costs = costs_of(trainer, step)
    assert costs.launches.total() <= most
    assert costs.waits <= 1


@pytest.mark.parametrize("step", [6, 200, 260, 330])
def test_with_a_graph_next_to_nothing_is_left_to_launch(
    trainer: Trainer, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replay(self: Captured[Any], kind: object, *tensors: Tensor) -> None:
        torch.ones(())  # the graph
        for tensor in tensors:
            tensor.clone()

    monkeypatch.setattr(Captured, "__call__", replay)
    trainer.state.loss.zero_()
    costs = costs_of(trainer, step)
    assert costs.launches.total() <= 46
    assert costs.waits <= 1

"""A table that is left on the disk stays off the GPU: what a batch takes of it comes to the device of its index.

The GPU is a pretence on the CPU: tensors of one marked device may not meet those of the other.
"""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.poses.search import SearchedPoses
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.particles.sparse.likelihood import flat_particles
from holly_triton.structures import read_structure

GPU = torch.device("cuda")


class OnGpu(Tensor):
    """A tensor of the CPU that says that it is on a GPU."""

    device = GPU


class Pretence(TorchFunctionMode):
    """What is made on the GPU or moved there is marked, and an operation on tensors of both devices is an error."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do an operation on the CPU, and mark its result."""
        kwargs = dict(kwargs or {})
        if func is Tensor.to and isinstance(args[1], torch.device):
            return args[0].as_subclass(OnGpu if args[1] == GPU else Tensor)
        tensors = [
            part
            for arg in (*args, *kwargs.values())
            for part in (arg if isinstance(arg, tuple | list) else [arg])
            if isinstance(part, Tensor)
        ]
        on_gpu = {isinstance(part, OnGpu) for part in tensors if part.ndim}
        assert len(on_gpu) < 2, f"{func.__name__} of tensors on two devices"
        made = kwargs.pop("device", None)
        found = func(*args, **kwargs)
        if isinstance(found, Tensor) and (True in on_gpu or made == GPU):
            return found.as_subclass(OnGpu)
        return found


@pytest.fixture
def data() -> Localisations:
    """Particles of unequal size."""
    generator = torch.Generator().manual_seed(0)
    made = simulate(read_structure("cep152").points, 40, scatter_nm=3.0, missing=0.5, generator=generator)
    return made.localisations


def test_localisations_of_a_batch_come_to_the_device_of_its_index(data: Localisations) -> None:
    index, drawn = torch.tensor([3, 0, 17]), []
    for one in (index, index.as_subclass(OnGpu)):
        with Pretence():
            drawn.append(flat_particles(data, one, 20, torch.Generator().manual_seed(1)))
    for plain, moved in zip(*(found[:3] for found in drawn), strict=True):
        assert isinstance(moved, OnGpu) and not isinstance(plain, OnGpu)
        assert torch.equal(plain, moved.as_subclass(Tensor))


def test_the_counts_of_a_search_are_on_the_device_of_its_state(
    data: Localisations, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(Config(points=30, device="cpu"), data)
    state = trainer.state
    assert isinstance(trainer.method, SearchedPoses) and isinstance(state, TrainingState)
    assert trainer.method.counts is not None and not isinstance(trainer.method.counts, OnGpu)
    state.points = state.points.detach().as_subclass(OnGpu)
    monkeypatch.setattr(torch.optim, "Adam", lambda *_, **__: None)
    with Pretence():
        method = SearchedPoses(trainer.plan, data, state, trainer.generator)
    assert isinstance(method.counts, OnGpu)

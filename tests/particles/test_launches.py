"""What a training step costs the processor of a GPU: operations that each launch a kernel, and waits for the device.

Both are counted on a CPU. The kernels are stubs, counted as the launches that Triton makes of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from holly_triton.core.captured import Captured
from holly_triton.particles.cloud import objective
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.config import Config
from holly_triton.particles.data import localisations
from holly_triton.particles.poses import candidates
from holly_triton.particles.poses.search import SearchedPoses
from holly_triton.particles.run.run import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.structures import read_structure

NOTHING = {
    "_record_function_enter_new", "_record_function_exit", "_reshape_alias", "_unsafe_view", "alias",
    "as_strided", "detach", "empty", "empty_like", "expand", "lift_fresh", "new_empty", "permute", "select", "slice", "split",
    "squeeze", "t", "transpose", "unbind", "unsqueeze", "view",
}  # fmt: skip
"""Operations without a kernel."""
READS = ("__bool__", "__float__", "__index__", "__int__", "cpu", "item", "nonzero", "numpy", "tolist")


class Costs(TorchDispatchMode):
    """Counts launches by operation."""

    def __init__(self) -> None:
        super().__init__()
        self.launches: Counter[str] = Counter()
        self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name not in NOTHING:
            self.launches[name] += 1
        return func(*args, **(kwargs or {}))


class _Stub(torch.autograd.Function):
    """A kernel that gives and takes nothing, with a gradient of every float that it was given."""

    @staticmethod
    def forward(ctx: Any, shape: tuple[int, ...], costs: Costs, launches: int, *tensors: Tensor) -> Tensor:
        ctx.costs, ctx.shapes = costs, [tensor.shape for tensor in tensors]
        costs.launches["triton"] += launches
        return torch.ones(()).expand(shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        ctx.costs.launches["triton"] += 3
        return None, None, None, *(torch.zeros(()).expand(shape) for shape in ctx.shapes)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Costs]:
    """Count what happens inside, with stubs for the kernels."""
    costs = Costs()

    def splat(points: Tensor, rotation: Tensor, shift: Tensor, sigma: Tensor, shape: tuple[int, int]) -> Tensor:
        return _Stub.apply((len(rotation), *shape), costs, 2, points, rotation, shift, sigma)  # type: ignore[no-any-return]

    def splat_emitters(xy: Tensor, offsets: Tensor, sigma: object, shape: tuple[int, int], **_: object) -> Tensor:
        return _Stub.apply((len(offsets) - 1, *shape), costs, 3)  # type: ignore[no-any-return]

    def normalised_masked_l1(images: Tensor, target: Tensor, **_: object) -> Tensor:
        return _Stub.apply((len(images),), costs, 1)  # type: ignore[no-any-return]

    def uncounted(starts: Tensor, counts: Tensor, total: int | None = None) -> localisations.Runs:
        return runs(starts, counts, 112 * len(starts))  # as on a GPU

    def read(name: str) -> Callable[..., Any]:
        original = getattr(Tensor, name)

        def reading(tensor: Tensor, *arguments: Any) -> Any:
            costs.waits += 1
            return original(tensor, *arguments)

        return reading

    runs = localisations.runs
    with monkeypatch.context() as patch, costs:
        for module in (candidates, objective):
            patch.setattr(module, "splat", splat)
        patch.setattr(objective, "normalised_masked_l1", normalised_masked_l1)
        patch.setattr(localisations, "splat_emitters", splat_emitters)
        patch.setattr(localisations, "runs", uncounted)
        for name in READS:
            patch.setattr(Tensor, name, read(name))
        yield costs


@pytest.fixture
def trainer() -> Trainer:
    """A run of the demo's settings on some of its pictures."""
    generator = torch.Generator().manual_seed(0)
    made = simulate(read_structure("cep152").points, 300, scatter_nm=3.0, missing=0.1, generator=generator)
    return make_trainer(Config(points=112, device="cpu"), made.localisations)


def costs_of(trainer: Trainer, step: int, monkeypatch: pytest.MonkeyPatch) -> Costs:
    """What the second of two steps costs."""
    trainer.state.step = step
    steps = trainer.run()
    next(steps)
    with counted(monkeypatch) as costs:
        next(steps)
    return costs


@pytest.mark.parametrize(
    ("step", "sparse", "most"),
    [(6, False, 435), (200, False, 420), (6, True, 369), (260, False, 195), (330, False, 254)],
)
def test_a_step_launches_little_and_waits_once(
    trainer: Trainer, step: int, sparse: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search step once took 1471 launches and 52 waits, a step of the polish 602 and 10."""
    if sparse:
        assert isinstance(trainer.method, SearchedPoses)
        trainer.method.counts = trainer.dataset.counts  # poses are drawn, not chosen
    costs = costs_of(trainer, step, monkeypatch)
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
    costs = costs_of(trainer, step, monkeypatch)
    assert costs.launches.total() <= 46
    assert costs.waits <= 1

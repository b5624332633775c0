"""A process that trains by request, one step at a time, and measures each; ``steps`` starts and directs it.

It stands alone, since ``steps`` also runs it in the environment of another commit: of this package it imports only what a
training needs. It reads a step's number from each line of its input, does that step, and answers with a line of JSON.
"""

import dataclasses
import importlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

PROFILED = 5
"""Steps of a training under the profiler."""
NOTHING = {
    "_record_function_enter_new", "_record_function_exit", "_reshape_alias", "_unsafe_view", "alias",
    "as_strided", "detach", "empty", "empty_like", "expand", "lift_fresh", "new_empty", "permute", "select", "slice", "split",
    "squeeze", "t", "transpose", "unbind", "unsqueeze", "view",
}  # fmt: skip
"""Operations without a kernel."""
READS = ("__bool__", "__float__", "__index__", "__int__", "cpu", "item", "nonzero", "numpy", "tolist")
"""Functions of a tensor on a GPU that wait for it."""
LAUNCH_CALLS = ("cudaLaunchKernel", "cuLaunchKernel", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaMemsetAsync")
WAIT_CALLS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


class Costs(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Counts launches by operation, and waits."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.launches: Counter[str] = Counter()
        self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation, and do it."""
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
def counted(longest: int) -> Iterator[Costs]:
    """Count on a CPU what a step would cost the processor of a GPU: launches, with stubs for the kernels, and waits.

    Args:
        longest: The most localisations that a picture holds.
    """
    costs = Costs()

    def splat(
        points: Tensor, rotation: Tensor, shift: Tensor, sigma: Tensor, shape: tuple[int, int], **_: object
    ) -> Tensor:
        return _Stub.apply((len(rotation), *shape), costs, 2, points, rotation, shift, sigma)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]

    def splat_emitters(xy: Tensor, offsets: Tensor, sigma: object, shape: tuple[int, int], **_: object) -> Tensor:
        return _Stub.apply((len(offsets) - 1, *shape), costs, 3)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]

    def normalised_masked_l1(images: Tensor, target: Tensor, **_: object) -> Tensor:
        return _Stub.apply((len(images),), costs, 1)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]

    def read(name: str) -> Callable[..., Any]:
        original = getattr(Tensor, name)

        def reading(tensor: Tensor, *arguments: Any) -> Any:
            costs.waits += 1
            return original(tensor, *arguments)

        return reading

    candidates, localisations = (
        importlib.import_module(f"holly_triton.particles.{name}") for name in ("poses.candidates", "data.localisations")
    )
    divergence = importlib.import_module("holly_triton.kernels.gaussians.divergence")
    runs = localisations.runs

    def uncounted(starts: Tensor, counts: Tensor, total: int | None = None) -> Any:
        return runs(starts, counts, longest * len(starts))  # as on a GPU

    stubs: list[tuple[Any, str, Any]] = [
        (candidates, "splat", splat), (divergence, "splat", splat), (localisations, "splat_emitters", splat_emitters),
        (divergence, "normalised_masked_l1", normalised_masked_l1), (divergence, "choose_backend", lambda *_: "triton"),
        (candidates, "CACHED", 2**62), (localisations, "runs", uncounted),
    ]  # fmt: skip
    with ExitStack() as stack:
        for owner, name, stub in [*stubs, *((Tensor, name, read(name)) for name in READS)]:
            stack.enter_context(mock.patch.object(owner, name, stub))
        stack.enter_context(costs)
        yield costs


def union(spans: Sequence[tuple[float, float]]) -> float:
    """Total length covered by spans, which overlap on different streams."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def profiled(call: Callable[[], int]) -> dict[str, float | None]:
    """Of the steps that ``call`` does and counts, per step: milliseconds in which the GPU is busy, launches and waits."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        steps = call()
        torch.cuda.synchronize()
    events = list(profiler.events() or ())
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in events
        if event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
    ]
    names = Counter(event.name for event in events if event.device_type.name == "CPU")
    launches, waits = (
        sum(count for name, count in names.items() if name.startswith(calls)) for calls in (LAUNCH_CALLS, WAIT_CALLS)
    )
    if not steps:
        return {"device_ms": None, "launches": None, "waits": None}
    # The last wait is this function's own.
    return {"device_ms": union(spans) / 1e3 / steps, "launches": launches / steps, "waits": (waits - 1) / steps}


class Worker:
    """A training on simulated pictures."""

    def __init__(
        self, sites: list[list[float]], pictures: int, scatter_nm: float, missing: float, points: int, seed: int, device: str
    ) -> None:  # fmt: skip
        """Simulate pictures of the sites ``[N, 3]``, nm, and set a training up."""
        import numpy as np

        from holly_triton.particles.config import Config
        from holly_triton.particles.run.trainers import make_trainer
        from holly_triton.particles.simulate import simulate

        self.device = device
        generator = torch.Generator().manual_seed(seed)
        data = simulate(
            np.array(sites), pictures, scatter_nm=scatter_nm, missing=missing, generator=generator
        ).localisations
        self.longest = int(data.counts.max())
        config = Config(points=points, seed=seed, device=device)  # type: ignore[arg-type]
        if hasattr(config.schedule, "starts"):  # as earlier commits have not; the steps of one start are timed
            config = dataclasses.replace(config, schedule=dataclasses.replace(config.schedule, starts=1))
        self.trainer = make_trainer(config, data)
        for name in (
            "sharpens",
            "localised",
        ):  # its name in earlier commits, or none; a run on these data leaves these steps out
            if hasattr(self.trainer.plan, name):
                self.trainer.plan = dataclasses.replace(self.trainer.plan, **{name: 0})  # type: ignore[arg-type]
        self.steps = self.trainer.run()

    def kinds(self) -> list[str]:
        """Stage and picture size of each step of the run: steps of the same kind do the same work."""
        plan, blur, words = self.trainer.plan, self.trainer.state.blur_nm(), []
        for step in range(plan.total_steps):
            stage = plan.at(step, blur)
            one = f"{stage.name} {stage.grid.size}"
            one += " global" if stage.name == "search" and stage.global_search else ""
            words.append(one + (" + relocation" if plan.relocates(step) and stage.name != "refine" else ""))
        return words

    def step(self, number: int) -> dict[str, Any]:
        """Do a step of the run, and measure it."""
        self.trainer.state.step, seen = number, self.trainer.state.seen
        began, began_cpu = self._clock(), time.process_time()
        next(self.steps)
        wall, cpu = self._clock() - began, time.process_time() - began_cpu
        return {"wall_s": wall, "cpu_s": cpu, "pictures": self.trainer.state.seen - seen, "peak_mib": self._peak_mib()}

    def cost(self, number: int) -> dict[str, Any]:
        """Launches and waits of a step and, on a GPU, its busy time. On a CPU the state is of no use any more."""
        self.trainer.state.step = number
        if self.device == "cuda":
            return dict(profiled(lambda: sum(1 for _ in map(self._again, [number] * PROFILED))))
        with counted(self.longest) as costs:
            next(self.steps)
        return {"device_ms": None, "launches": costs.launches.total(), "waits": costs.waits}

    def _again(self, number: int) -> None:
        self.trainer.state.step = number
        next(self.steps)

    def _clock(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _peak_mib(self) -> float:
        if self.device == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20
        import resource  # Windows has none

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (20 if sys.platform == "darwin" else 10)


def main() -> None:
    """Answer requests until the input ends. The first line holds the arguments of ``Worker``."""
    worker = Worker(**json.loads(input()))
    _answer({"kinds": worker.kinds()})
    for line in sys.stdin:
        request = json.loads(line)
        _answer(worker.cost(request["cost"]) if "cost" in request else worker.step(request["step"]))


def _answer(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

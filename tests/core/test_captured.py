"""When a function is called, captured and replayed; what a graph computes is tested on a GPU (tests/gpu)."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from holly_triton.core import captured
from holly_triton.core.captured import Captured


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in order, with stand-ins for CUDA's graphs."""
    happened: list[str] = []

    class Graph:
        def register_generator_state(self, generator: object) -> None:
            happened.append("registered")

        def pool(self) -> None: ...

        def replay(self) -> None:
            happened.append("replayed")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, pool: nullcontext())
    return happened


def function_of(events: list[str], device: str) -> Captured[str]:
    generator: Any = SimpleNamespace(device=torch.device(device))
    return Captured(lambda kind, *tensors: events.append(kind), generator)


def test_the_second_call_of_a_kind_and_shape_is_captured_and_replayed(events: list[str]) -> None:
    function, three, two = function_of(events, "cuda"), torch.zeros(3), torch.zeros(2)
    for kind, tensor in (("a", three), ("a", three), ("a", three), ("a", two), ("b", three)):
        function(kind, tensor)
    assert events == ["a", "registered", "a", "replayed", "replayed", "a", "b"]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_nothing_is_captured_without_a_gpu_or_where_it_is_turned_off(
    events: list[str], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captured, "ENABLED", device == "cpu")
    function = function_of(events, device)
    for _ in range(3):
        function("a", torch.zeros(3))
    assert events == ["a", "a", "a"]

"""Functions of tensors whose operations a GPU repeats from a CUDA graph, without the processor that launched them once."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from .distributed import size

ENABLED = True
"""Whether anything is captured; results are the same without."""

Kind = TypeVar("Kind", bound=Hashable)


class Captured(Generic[Kind]):
    """A function of a kind and of tensors, captured once for each kind and shape, on a GPU that a single process uses.

    The first call of a kind is an ordinary one, which compiles the kernels; the second is captured. The function must not
    wait for the device, and may keep results only in tensors that exist before the call.
    """

    def __init__(self, function: Callable[..., None], generator: torch.Generator) -> None:
        """A function of a kind and tensors, and the random generator that it draws from."""
        self._function, self._generator = function, generator
        self._called: set[Hashable] = set()
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, list[Tensor]]] = {}

    def __call__(self, kind: Kind, *tensors: Tensor) -> None:
        """Call the function, or repeat what it did with other values of the tensors."""
        key = kind, *(tensor.shape for tensor in tensors)
        if key not in self._called or not ENABLED or self._generator.device.type != "cuda" or size() > 1:
            self._called.add(key)
            self._function(kind, *tensors)
            return
        if key not in self._graphs:
            self._graphs[key] = self._capture(kind, tensors)
        graph, inputs = self._graphs[key]
        for into, tensor in zip(inputs, tensors, strict=True):
            into.copy_(tensor)
        graph.replay()

    def _capture(self, kind: Kind, tensors: tuple[Tensor, ...]) -> tuple[torch.cuda.CUDAGraph, list[Tensor]]:
        # Graphs are replayed one after the other, so all of them use the same memory.
        pool = next(iter(self._graphs.values()))[0].pool() if self._graphs else None
        graph, inputs = torch.cuda.CUDAGraph(), [tensor.clone() for tensor in tensors]
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, pool=pool):
            self._function(kind, *inputs)
        return graph, inputs

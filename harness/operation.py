"""The harness's interface to an operation: its functions, its inputs, its exact answer and its least work.

A family of kernels describes its operations in a file of ``ops/``; the rest of the harness is independent of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

Answer = tuple[Tensor, dict[str, Tensor]]
"""The result of an operation, and its gradients by argument."""


@dataclass(frozen=True)
class Case:
    """One operation on one size of input. A family may derive a class with more attributes.

    Attributes:
        op: Name of a public function of ``holly_triton.kernels``.
        points: Number of points of the cloud, or of emitters in an average picture.
        images: Number of pictures.
        height: Height of a picture, pixels.
        width: Width of a picture, pixels.
        sigma_px: Sigma of the Gaussians, pixels.
        precision: Precision of the products: tf32, tf32x3, bf16x3 or ieee.
        label: The special property of the case; empty for a timed case.
    """

    op: str
    points: int
    images: int = 32
    height: int = 128
    width: int = 128
    sigma_px: float = 1.41
    precision: str = "ieee"
    label: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        """Name of the case in test ids and messages."""
        size = f"{self.images}x{self.points}pt-{self.height}x{self.width}px-sigma{self.sigma_px:g}"
        return "-".join(part for part in (self.op, self.label.replace(" ", "_"), size, self.precision) if part)


@dataclass(frozen=True)
class Inputs:
    """Keyword arguments of an operation and their relation to pictures.

    Attributes:
        arguments: Arguments by name.
        differentiable: Names of those with a gradient.
        cotangent: dLoss/d(result of the operation).
        per_picture: Names of those whose first axis is that of the pictures.
        ragged: Names of those whose first axis is split into pictures by the argument ``offsets``.
    """

    arguments: dict[str, Any]
    differentiable: tuple[str, ...]
    cotangent: Tensor
    per_picture: tuple[str, ...] = ()
    ragged: tuple[str, ...] = ()

    def with_arguments(self, arguments: dict[str, Any], cotangent: Tensor) -> "Inputs":
        """Other arguments of the same form."""
        return Inputs(arguments, self.differentiable, cotangent, self.per_picture, self.ragged)

    def to(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> "Inputs":
        """The same numbers on another device or in another dtype; differentiable ones become leaves."""

        def moved(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return value.detach().to(device, dtype if value.is_floating_point() else value.dtype)

        arguments = {name: moved(value) for name, value in self.arguments.items()}
        for name in self.differentiable:
            arguments[name] = arguments[name].clone().requires_grad_()
        return self.with_arguments(arguments, moved(self.cotangent))

    def pictures(self, chosen: slice) -> "Inputs":
        """A contiguous range of the pictures."""
        arguments = dict(self.arguments)
        for name in self.per_picture:
            arguments[name] = arguments[name][chosen]
        if self.ragged:
            start, stop, _ = chosen.indices(len(self.cotangent))
            offsets = arguments["offsets"][start : stop + 1]
            block = slice(int(offsets[0]), int(offsets[-1]))
            arguments["offsets"] = offsets - offsets[0]
            for name in self.ragged:
                arguments[name] = arguments[name][block]
        return self.with_arguments(arguments, self.cotangent[chosen])


class Work(NamedTuple):
    """The least work of one pass: floating-point operations of products, exponentials, bytes moved."""

    flop: float
    exponentials: float
    bytes: float


class Bare(NamedTuple):
    """Calls that do nothing but the least work of the forward and of the backward pass on a sample of a case."""

    forward: Sequence[Callable[[], None]]
    backward: Sequence[Callable[[], None]]
    samples: float  # number of samples in the case


@dataclass(frozen=True)
class Operation:
    """An operation in the harness; all of its functions take the public one's keyword arguments.

    Attributes:
        public: The function that is measured; it takes ``backend``.
        dense: The specification, plain and slow.
        naive: The straightforward version in PyTorch.
        timed: Cases of a benchmark for numbers of points, pictures, their side, sigma and a precision.
        edges: Small cases at the limits of its domain, for a precision.
        make_inputs: Float64 inputs on the CPU, which float32 holds exactly, of a case and a seed.
        oracle: The exact answer in float64, in little memory.
        needed_values: Floats that the naive and the dense version hold in memory, for a case and a number of pictures.
        work: Work of the forward pass, and of both passes (None where there is no backward); None for no floor.
        bare: The same work as calls, for a device whose rates are not known.
        settled: Inputs moved away from values at which rounding decides (which may be searched on the device).
        has_precision: Whether it takes ``precision``.
        summed: Arguments whose gradient is a sum that can cancel by chance, with that whose gradient bounds its terms.
    """

    public: Callable[..., Tensor]
    dense: Callable[..., Tensor]
    naive: Callable[..., Tensor]
    timed: Callable[[Sequence[int], int, int, float, str], list[Case]]
    edges: Callable[[str], list[Case]]
    make_inputs: Callable[[Any, int], Inputs]
    oracle: Callable[[Any, Inputs], Answer]
    needed_values: Callable[[Any, int], dict[str, int]]
    work: Callable[[Any], tuple[Work, Work | None] | None]
    bare: Callable[[Any], Bare | None]
    settled: Callable[[Any, Inputs, str], Inputs] = lambda case, inputs, device: inputs
    has_precision: bool = False
    summed: dict[str, str] = field(default_factory=dict)


def edge_cases(
    kind: type[Case], op: str, precision: str, common: dict[str, Any], variants: dict[str, dict[str, Any]]
) -> list[Case]:
    """A small case for each variant of what all have in common, of an operation in float32's own precision alone."""
    if precision != "ieee":
        return []
    return [kind(op, **{**common, **changed}, precision="ieee", label=label) for label, changed in variants.items()]


def differentiate(function: Callable[..., Tensor], inputs: Inputs) -> Answer:
    """The result of a function, and the gradient of every differentiable argument."""
    out = function(**inputs.arguments)
    leaves = [inputs.arguments[name] for name in inputs.differentiable]
    if not leaves:
        return out, {}
    gradients = torch.autograd.grad(out, leaves, inputs.cotangent, materialize_grads=True, allow_unused=True)
    return out.detach(), dict(zip(inputs.differentiable, gradients, strict=True))

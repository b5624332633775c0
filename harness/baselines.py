"""One runner for all backends that are compared: each is a function with the public signature."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from .operation import Answer, Case, Inputs, differentiate
from .ops import OPERATIONS

BACKENDS = ("triton", "separable", "naive", "dense")


def operation(case: Case, backend: str) -> Callable[..., Tensor]:
    """A function with the signature of the case's public operation."""
    known = OPERATIONS[case.op]
    if backend in ("dense", "naive"):
        return known.dense if backend == "dense" else known.naive
    options: dict[str, Any] = {"backend": backend}
    if known.has_precision:
        options["precision"] = case.precision
    return functools.partial(known.public, **options)


def forward(case: Case, backend: str, inputs: Inputs) -> Tensor:
    """The result of the operation, without gradients."""
    with torch.no_grad(), products(case.precision, inputs.cotangent.device):
        return operation(case, backend)(**inputs.arguments)


def forward_backward(case: Case, backend: str, inputs: Inputs) -> Answer:
    """The result of the operation, and the gradient of every differentiable argument."""
    with products(case.precision, inputs.cotangent.device):
        return differentiate(operation(case, backend), inputs)


@contextlib.contextmanager
def products(precision: str, device: torch.device) -> Iterator[None]:
    """PyTorch's own matrix products at the kernels' precision: tf32, or all 24 bits."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def needed_bytes(case: Case, backend: str, images: int) -> int:
    """Approximate memory of a backend's forward and backward pass; 0 for those that work in chunks."""
    return 4 * OPERATIONS[case.op].needed_values(case, images).get(backend, 0)

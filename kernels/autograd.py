"""The operations in PyTorch's own machinery: in full precision, not traced by ``torch.compile``, differentiable once."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")
HALF = (torch.float16, torch.bfloat16)


def public_operation(operation: Callable[P, T]) -> Callable[P, T]:
    """Run an operation outside ``torch.autocast`` and outside the graphs of ``torch.compile``.

    Half-precision tensors are cast to float32 where autocast is enabled, since positions in bfloat16 would be wrong by
    pixels; without autocast half precision is refused, not cast. Dynamo cannot trace the launches of the kernels: it
    breaks the graph before an operation and begins another one after it.
    """

    @functools.wraps(operation)
    def outside(*args: P.args, **kwargs: P.kwargs) -> T:
        if torch.compiler.is_dynamo_compiling():
            from .untraced import untraced

            out: T = untraced(in_full_precision, operation, args, kwargs)
            return out
        return in_full_precision(operation, args, kwargs)

    return outside


def in_full_precision(operation: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    """``operation(*args, **kwargs)`` outside autocast."""
    device = next((part.device.type for part in (*args, *kwargs.values()) if isinstance(part, Tensor)), "cpu")
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return operation(*args, **kwargs)
    with torch.autocast(device, enabled=False):
        return operation(*map(_widened, args), **{name: _widened(part) for name, part in kwargs.items()})


def differentiable_once(backward: Callable[..., T]) -> Callable[..., T]:
    """The backward pass of a ``torch.autograd.Function`` that has no derivative of its own, and raises where one is needed.

    PyTorch's ``once_differentiable`` checks only the incoming gradient, so that a Hessian would silently be 0.
    """

    @functools.wraps(backward)
    def once(ctx: Any, *grads: Tensor) -> T:
        if torch.is_grad_enabled():
            raise NotImplementedError(
                "second derivatives (create_graph=True, torch.func) of holly_triton.kernels are not implemented; "
                "holly_triton.kernels.gaussians.reference has them, densely"
            )
        device = grads[0].device.type
        if not torch.is_autocast_enabled(device):
            return backward(ctx, *grads)
        with torch.autocast(device, enabled=False):
            return backward(ctx, *grads)

    return once


def _widened(part: object) -> object:
    return part.float() if isinstance(part, Tensor) and part.dtype in HALF else part

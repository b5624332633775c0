"""The operations under autograd: they compute in full precision and are differentiable once."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")
HALF = (torch.float16, torch.bfloat16)


def in_full_precision(operation: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Run an operation outside ``torch.autocast``, with half-precision tensors cast to float32 where it is enabled.

    Positions in bfloat16 would be wrong by pixels. Without autocast half precision is refused, not cast.
    """

    @functools.wraps(operation)
    def outside(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        device = next((part.device.type for part in args if isinstance(part, Tensor)), None)
        device = device or next((part.device.type for part in kwargs.values() if isinstance(part, Tensor)), "cpu")
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return operation(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            wide: Any = [_widened(part) for part in args]
            named: Any = {name: _widened(part) for name, part in kwargs.items()}
            return operation(*wide, **named)

    return outside


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
        with torch.autocast(grads[0].device.type, enabled=False):
            return backward(ctx, *grads)

    return once


def _widened(part: object) -> object:
    return part.float() if isinstance(part, Tensor) and part.dtype in HALF else part

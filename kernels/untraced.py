"""A call that ``torch.compile`` does not trace; only Dynamo imports this, as importing Dynamo takes over a second."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


@torch.compiler.disable  # type: ignore[untyped-decorator,unused-ignore]
def untraced(call: Callable[..., Tensor], *args: Any) -> Tensor:
    """``call(*args)``, between two graphs."""
    return call(*args)

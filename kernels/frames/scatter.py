"""Sums over ragged lists of emitters, in a fixed order on every device."""

import torch
from torch import Tensor


def frame_of_emitters(offsets: Tensor, emitters: int) -> Tensor:
    """The frame ``[E]`` of each emitter, from ``[B + 1]`` offsets on the same device; within 0 to B - 1 whatever they are."""
    found = torch.searchsorted(offsets, torch.arange(emitters, device=offsets.device), right=True) - 1
    return found.clamp_(0, max(0, len(offsets) - 2))


def add_at(into: Tensor, index: Tensor, values: Tensor) -> None:
    """Add values to the elements ``index`` of a flat tensor, of which some may be the same.

    On a CPU the sum over an index of one axis is sequential; on CUDA it would use atomics, where assignment sorts.
    """
    index, values = index.reshape(-1), values.reshape(-1)
    if into.is_cuda:
        into.index_put_((index,), values, accumulate=True)
    else:
        into.index_add_(0, index, values)

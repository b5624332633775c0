"""Rows of particles that have different numbers of emitters, one after the other."""

from typing import NamedTuple

import torch
from torch import Tensor


def offsets_from_counts(counts: Tensor) -> Tensor:
    """First row of each particle ``[P + 1]`` int64, from the number of emitters of each ``[P]``."""
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0))


class Runs(NamedTuple):
    """The rows of several runs, one after the other."""

    rows: Tensor  # [E']
    offsets: Tensor  # [B + 1]: the first of each run among these
    owner: Tensor  # [E']: the run of each


def runs(starts: Tensor, counts: Tensor, total: int | None = None) -> Runs:
    """All rows of runs, given their starts ``[B]`` and lengths ``[B]``.

    With a ``total``, at least the sum of the lengths, there are so many rows, the last one repeatedly; without it the rows
    are counted, for which this waits for the device.
    """
    offsets = offsets_from_counts(counts)
    place = torch.arange(int(offsets[-1]) if total is None else total, device=counts.device)
    if total is not None:
        place = torch.minimum(place, offsets[-1] - 1)
    owner = torch.searchsorted(offsets[1:], place, right=True)
    return Runs((starts - offsets[:-1])[owner] + place, offsets, owner)

"""The least time of an operation: that of its matrix products and exponentials alone.

On a GPU they overlap, so the floor is the longest of these at the device's rates. On a CPU they do not: the bare
calls are timed in the same run, in chunks that fit the cache, and added.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from .measure import time_call
from .operation import Case, Work
from .ops import OPERATIONS


class Rates(NamedTuple):
    """Rates of a device, per second: floating-point operations of products by precision, exponentials, and bytes."""

    products: dict[str, float]
    exponentials: float
    bytes: float


def hopper(tf32: float, ieee: float, memory: float) -> Rates:
    """Rates of a Hopper device from its data sheet's dense tf32, float32 and memory rates, each times 1e12.

    Of the first 0.79 is attained on an H200 and 0.9 of the last. tf32x3 is three products, bf16x3 three at twice the rate;
    ieee runs on the ordinary units, of which a multiprocessor has 128, each two operations a clock, beside 16 for exponentials.
    """
    attained = 0.79e12 * tf32
    products = {"tf32": attained, "tf32x3": attained / 3, "bf16x3": 2 * attained / 3, "ieee": 1e12 * ieee}
    return Rates(products, 1e12 * ieee / 16, 0.9e12 * memory)


RATES = {
    "NVIDIA H100 80GB HBM3": hopper(494, 67, 3.35),  # SXM, 132 multiprocessors
    "NVIDIA H100 NVL": hopper(417, 60, 3.9),
    "NVIDIA H100 PCIe": hopper(378, 51, 2.0),  # 114 multiprocessors
    "NVIDIA H200": hopper(494, 67, 4.8),  # SXM
    "NVIDIA H200 NVL": hopper(417, 60, 4.8),
}
"""Rates by the device's name. A device that is not listed, such as a slice of a GPU, has no floor rather than a guess."""


class Floor(NamedTuple):
    """Milliseconds for all of a case's pictures; None where unknown."""

    forward_ms: float | None
    forward_backward_ms: float | None


def unknown(device: str) -> str | None:
    """The reason why a device has no floor, or None."""
    if device == "cpu" or torch.cuda.get_device_name() in RATES:
        return None
    return f"no floor: the rates of {torch.cuda.get_device_name()} are not in harness/floor.py"


def floor_of(case: Case, device: str) -> Floor:
    """The floor of a case; none for pictures alone, and forward only where there is no gradient."""
    return _bare(case) if device == "cpu" else at_rates(case, torch.cuda.get_device_name())


def at_rates(case: Case, name: str) -> Floor:
    """The floor on a device of a name."""
    rates, work = RATES.get(name), OPERATIONS[case.op].work(case)
    if rates is None or work is None:
        return Floor(None, None)

    def longest(least: Work) -> float:
        return 1e3 * max(
            least.flop / rates.products[case.precision],
            least.exponentials / rates.exponentials,
            least.bytes / rates.bytes,
        )

    forward, both = work
    return Floor(longest(forward), None if both is None else longest(both))


def _bare(case: Case) -> Floor:
    """The least work alone, timed on a sample and scaled to the case."""
    bare = OPERATIONS[case.op].bare(case)
    if bare is None:
        return Floor(None, None)
    forward = bare.samples * _total(bare.forward)
    return Floor(forward, forward + bare.samples * _total(bare.backward) if bare.backward else None)


def _total(calls: Sequence[Callable[[], None]]) -> float:
    return sum(time_call(call, "cpu").median for call in calls)

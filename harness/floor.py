"""The least time an operation can take: its matrix products and exponentials, and nothing else.

On a GPU they overlap, so the floor is the longest of these at the rates of DESIGN section 3. On a CPU they
don't: the bare calls are timed in the same run, in chunks that stay in the cache, and added.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from holly_triton.kernels.gaussians.separable import CHUNK_BYTES

from .cases import Case
from .measure import time_call


class Rates(NamedTuple):
    """Of a device: floating-point operations of products by precision, exponentials, bytes; each a second."""

    products: dict[str, float]
    exponentials: float
    bytes: float


RATES = {
    # tf32x3 is three products; ieee runs on the ordinary units.
    "H200": Rates({"tf32": 390e12, "tf32x3": 390e12 / 3, "ieee": 67e12}, 4.2e12, 4.3e12),
}
"""By a word in the device's name. Where a device isn't here there is no floor, rather than a guessed one."""

PICTURES_MOVED = 3
"""Pictures read or written by the forward and backward pass together."""


class Floor(NamedTuple):
    """Milliseconds for all of a case's pictures; None where nothing is known."""

    forward_ms: float | None
    forward_backward_ms: float | None


def floor_of(case: Case, device: str) -> Floor:
    """The floor of a case; none for pictures alone, and forward only where there is no gradient."""
    if case.op == "normalised_masked_l1" or case.images * case.points == 0:
        return Floor(None, None)
    forward, both = _bare(case) if device == "cpu" else _at_rates(case, torch.cuda.get_device_name())
    return Floor(forward, None if case.op == "splat_emitters" else both)


def _at_rates(case: Case, name: str) -> Floor:
    rates = next((rates for word, rates in RATES.items() if word in name), None)
    if rates is None:
        return Floor(None, None)
    pairs, pixels = case.images * case.points, case.height * case.width
    picture_bytes = 4 * case.images * pixels
    cloud_bytes = 4 * (3 * case.points + 12 * case.images)

    def longest(products: int, passes: int, pictures: int) -> float:
        return 1e3 * max(
            2 * products * pairs * pixels / rates.products[case.precision],
            passes * pairs * (case.height + case.width) / rates.exponentials,
            (pictures * picture_bytes + passes * cloud_bytes) / rates.bytes,
        )

    return Floor(longest(1, 1, 1), longest(3, 2, PICTURES_MOVED))


def _bare(case: Case) -> Floor:
    """Products and exponentials alone, each sampled on one chunk and scaled to the case."""
    height, width = case.height, case.width
    points = min(case.points, max(1, CHUNK_BYTES // (4 * (height + width))))
    images = min(case.images, max(1, CHUNK_BYTES // (4 * (height + width) * points)))
    gx, gy = torch.rand(images, points, width), torch.rand(images, points, height)
    picture, product_x, product_y = (
        torch.rand(images, height, width),
        torch.empty_like(gx),
        torch.empty_like(gy),
    )

    def exponentials() -> None:
        torch.exp(gx, out=product_x)
        torch.exp(gy, out=product_y)

    def draw() -> None:
        torch.bmm(gy.transpose(1, 2), gx, out=picture)

    def back() -> None:
        torch.bmm(gy, picture, out=product_x)
        torch.bmm(gx, picture.transpose(1, 2), out=product_y)

    chunks = case.images * case.points / (images * points)
    sampled, drawn, pulled = (chunks * _median(call) for call in (exponentials, draw, back))
    # Exponentials count once: a small cloud's need not be computed again for the backward pass.
    return Floor(sampled + drawn, sampled + drawn + pulled)


def _median(call: Callable[[], None]) -> float:
    return time_call(call, "cpu").median

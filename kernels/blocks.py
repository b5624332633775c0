"""Block sizes of the Triton kernels: a committed table, so that the order of sums is the same in every process.

A row is for pictures up to ``SIZES`` pixels a side. Tiles are square. The rows, for both shipped
architectures, are exactly what ``ahead_of_time`` compiles and inspects; devices in between take the row of
the older architecture.
"""

import functools
from typing import NamedTuple


class Blocks(NamedTuple):
    """Tile side (pixels), points a block, warps a program: of the drawing and of the gradient kernel."""

    tile: int
    points: int
    warps: int
    back_tile: int
    back_points: int
    back_warps: int


SIZES: dict[str, int] = {"small": 16, "medium": 32, "large": 2**31}
"""Size class to the longest side of a picture in that class."""

ARCHITECTURES: tuple[int, ...] = (80, 90)

TABLE: dict[tuple[int, str, str], Blocks] = {
    (80, "tf32", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (80, "tf32", "medium"): Blocks(32, 32, 2, 32, 64, 4),
    (80, "tf32", "large"): Blocks(64, 32, 4, 32, 64, 4),
    (80, "tf32x3", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (80, "tf32x3", "medium"): Blocks(32, 32, 2, 16, 32, 2),
    (80, "tf32x3", "large"): Blocks(32, 32, 4, 16, 32, 2),
    (80, "bf16x3", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (80, "bf16x3", "medium"): Blocks(32, 32, 2, 16, 32, 2),
    (80, "bf16x3", "large"): Blocks(32, 32, 4, 16, 32, 2),
    (80, "ieee", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (80, "ieee", "medium"): Blocks(32, 32, 2, 32, 32, 4),
    (80, "ieee", "large"): Blocks(32, 32, 2, 32, 32, 4),
    (90, "tf32", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (90, "tf32", "medium"): Blocks(32, 32, 2, 32, 64, 4),
    (90, "tf32", "large"): Blocks(64, 64, 4, 64, 64, 4),
    (90, "tf32x3", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (90, "tf32x3", "medium"): Blocks(32, 32, 2, 32, 64, 4),
    (90, "tf32x3", "large"): Blocks(64, 64, 4, 32, 64, 4),
    (90, "bf16x3", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (90, "bf16x3", "medium"): Blocks(32, 32, 2, 32, 64, 4),
    (90, "bf16x3", "large"): Blocks(64, 64, 4, 64, 64, 4),
    (90, "ieee", "small"): Blocks(16, 32, 1, 16, 32, 2),
    (90, "ieee", "medium"): Blocks(32, 32, 2, 32, 32, 4),
    (90, "ieee", "large"): Blocks(32, 32, 4, 32, 32, 4),
}

CULL_GROUP = 16
"""Blocks of points tested against a tile at a time with culling."""

CULL_FROM = 2048
"""Fewer points than this are drawn without culling: the launch that bounds their blocks would cost more."""

PROGRAMS = 2048
"""Target number of programs of a launch: about three rounds of five programs on each of an H200's 132 multiprocessors."""


def blocks_for(architecture: int, precision: str, height: int, width: int) -> Blocks:
    """The row for a device, a precision and a picture."""
    row, size = _row_and_size(architecture, max(height, width))
    return TABLE[row, precision, size]


@functools.cache
def _row_and_size(architecture: int, side: int) -> tuple[int, str]:
    row = max(known for known in ARCHITECTURES if known <= max(architecture, min(ARCHITECTURES)))
    return row, next(name for name, longest in SIZES.items() if side <= longest)


def split_evenly(items: int, most: int) -> int:
    """Number of shares, at most ``most``, into which items are split; all but the last have equal length."""
    share = -(-items // max(1, min(items, most)))
    return -(-items // max(1, share))

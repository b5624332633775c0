"""Times candidates for the committed table of block sizes; nothing is tuned at run time."""

import functools
import itertools
from collections.abc import Callable, Iterator

import torch
from rich.console import Console

from holly_triton.core.errors import HollyError
from holly_triton.kernels import blocks

from .baselines import forward, forward_backward
from .cases import Case, make_inputs
from .compare import compare, validation_inputs
from .measure import time_call

POINTS = (1000, 30_000)
"""A row serves all sizes of cloud: it is judged by its times on a small and on a large one together."""
CANDIDATES = tuple(itertools.product((16, 32, 64), (32, 64), (1, 2, 4, 8)))
"""Tile, points, warps."""


def tune_blocks(images: int, size: int, sigma_px: float, precision: str, device: str) -> None:
    """Print the fastest row for this device, a precision and a size of picture: it goes into ``blocks.py``.

    Raises:
        HollyError: no CUDA device.
    """
    if device != "cuda":
        raise HollyError("--tune: block sizes are those of a GPU, and PyTorch sees no CUDA device here")
    major, minor = torch.cuda.get_device_capability()
    known = [row for row in blocks.ARCHITECTURES if row <= 10 * major + minor]
    sides = next(name for name, side in blocks.SIZES.items() if size <= side)
    key = (max(known, default=min(blocks.ARCHITECTURES)), precision, sides)
    cases = [Case("reconstruction_loss", count, images, size, size, sigma_px, precision) for count in POINTS]
    before = blocks.TABLE[key]
    console = Console()
    try:
        drawn = best(key, _drawing(before), lambda: score(cases, device, backward=False), console)
        final = best(key, _gradients(drawn), lambda: score(cases, device, backward=True), console)
    finally:
        blocks.TABLE[key] = before
    console.print(f"was  {key}: {before}\nbest {key}: {final}")
    console.print("Put it into kernels/blocks.py, then run the ahead-of-time tests: they refuse a row that spills.")


def best(
    key: tuple[int, str, str], rows: Iterator[blocks.Blocks], measure: Callable[[], float], console: Console
) -> blocks.Blocks:
    """The row with the least measure, each put into the table in turn; rows that fail are passed over."""
    found: list[tuple[float, blocks.Blocks]] = []
    for row in rows:
        blocks.TABLE[key] = row
        try:
            found.append((measure(), row))
        except Exception as error:  # a candidate may fail in any part of the compiler
            console.print(f"{row}: {type(error).__name__}")
            continue
        console.print(f"{row}: {found[-1][0]:.3f} ms")
    if not found:
        raise HollyError(f"--tune: no candidate for {key} runs on this device")
    blocks.TABLE[key] = min(found)[1]
    return min(found)[1]


def score(cases: list[Case], device: str, backward: bool) -> float:
    """Geometric mean of the milliseconds that the cases take; infinite if the smallest is wrong."""
    checked = compare(cases[0], "triton", validation_inputs(cases[0], 0, 2, device), device)
    if checked.wrong:
        return float("inf")
    run = forward_backward if backward else forward
    times = []
    for case in cases:
        inputs = make_inputs(case).to(torch.float32, device)
        times.append(time_call(functools.partial(run, case, "triton", inputs), device).median)
    return float(torch.tensor(times).log().mean().exp())


def _drawing(row: blocks.Blocks) -> Iterator[blocks.Blocks]:
    return (row._replace(tile=tile, points=points, warps=warps) for tile, points, warps in CANDIDATES)


def _gradients(row: blocks.Blocks) -> Iterator[blocks.Blocks]:
    for tile, points, warps in CANDIDATES:
        yield row._replace(back_tile=tile, back_points=points, back_warps=warps)

"""Timing of candidates for the committed table of block sizes; nothing is tuned at run time.

Every candidate is first compiled and inspected, several at a time: one that spills or does not use tensor cores is
never timed, and one that is timed is in Triton's cache.
"""

import functools
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch
from rich.console import Console

from holly_triton.core.errors import HollyError
from holly_triton.kernels import ahead_of_time, blocks

from .baselines import forward, forward_backward
from .cases import Case, make_inputs
from .compare import compare, validation_inputs
from .measure import time_call
from .ops.gaussians import GaussianCase

POINTS = (1000, 30_000)
"""A row is for all sizes of the cloud: it is evaluated by its times on a small and on a large one together."""
CANDIDATES = tuple(itertools.product((16, 32, 64), (32, 64), (1, 2, 4, 8)))
"""Candidates of (tile, points, warps)."""
Variants = Callable[[int, str, str, blocks.Blocks], list[ahead_of_time.Variant]]
COMPILERS = min(16, os.cpu_count() or 1)
Key = tuple[int, str, str]


def tune_blocks(images: int, size: int, sigma_px: float, precision: str, device: str) -> None:
    """Print the fastest rows for this device and a precision, for ``blocks.py``: one a size class of pictures.

    Training draws small pictures first, then medium and large ones; the large are ``size`` pixels a side.

    Raises:
        HollyError: There is no CUDA device.
    """
    if device != "cuda":
        raise HollyError("--tune: block sizes are those of a GPU, and PyTorch sees no CUDA device here")
    major, minor = torch.cuda.get_device_capability()
    known = [row for row in blocks.ARCHITECTURES if row <= 10 * major + minor]
    for name, side in blocks.SIZES.items():
        key = (max(known, default=min(blocks.ARCHITECTURES)), precision, name)
        tune_row(key, images, max(size, 33) if name == "large" else side, sigma_px, device)


def tune_row(key: Key, images: int, size: int, sigma_px: float, device: str) -> None:
    """Print the fastest row of the table for a size of picture."""
    precision = key[1]
    cases = [GaussianCase("reconstruction_loss", count, images, size, size, sigma_px, precision) for count in POINTS]
    before = blocks.TABLE[key]
    console = Console()
    try:
        drawing = shippable(key, _drawing(before), ahead_of_time.drawing_variants)
        drawn = best(key, drawing, lambda: score(cases, device, backward=False), console)
        gradients = shippable(key, _gradients(drawn), ahead_of_time.gradient_variants)
        final = best(key, gradients, lambda: score(cases, device, backward=True), console)
    finally:
        blocks.TABLE[key] = before
    console.print(f"was  {key}: {before}\nbest {key}: {final}")
    console.print("Put it into kernels/blocks.py, then run the ahead-of-time tests: they refuse a row that spills.")


def shippable(key: Key, rows: Iterable[blocks.Blocks], variants: Variants) -> list[blocks.Blocks]:
    """The rows whose variants do not spill and use tensor cores. This needs no GPU."""
    every = list(rows)
    with ProcessPoolExecutor(COMPILERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        faulty = list(pool.map(functools.partial(_is_faulty, key, variants), every))
    return [row for row, fault in zip(every, faulty, strict=True) if not fault]


def _is_faulty(key: Key, variants: Variants, row: blocks.Blocks) -> bool:
    try:
        return any(ahead_of_time.inspect_variant(variant).fault(variant) for variant in variants(*key, row))
    except Exception:  # a candidate may fail in any part of the compiler; it is then left out
        return True


def best(key: Key, rows: Iterable[blocks.Blocks], measure: Callable[[], float], console: Console) -> blocks.Blocks:
    """The row with the smallest measure, each put into the table in turn; rows that fail are skipped."""
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


def score(cases: Sequence[Case], device: str, backward: bool) -> float:
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

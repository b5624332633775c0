"""Timing of candidates for the committed table of block sizes; nothing is tuned at run time.

Every candidate is first compiled and inspected, all of them side by side: one that spills or does not use tensor cores
is never timed, and one that is timed is in Triton's cache.
"""

import functools
import itertools
import math
import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch
from rich.console import Console

from holly_triton.core.errors import HollyError
from holly_triton.kernels import ahead_of_time, blocks

from .baselines import forward, forward_backward
from .cases import Case, make_inputs
from .compare import compare, oracle, validation_inputs
from .measure import time_call, time_on_device
from .ops.gaussians import GaussianCase

POINTS = (1000, 30_000)
"""A row is for all sizes of the cloud: it is evaluated by its times on a small and on a large one together."""
CANDIDATES = {
    "small": tuple(itertools.product((16,), (32, 64), (1, 2, 4))),
    "medium": tuple(itertools.product((16, 32), (32, 64, 128), (1, 2, 4))),
    "large": tuple(itertools.product((64, 128), (32, 64, 128), (4, 8))),
}
"""Candidates of (tile, points, warps) by the size class of the pictures. Hopper's products of a warpgroup take four warps
and 64 rows."""
PARTS: dict[str, Callable[[int, str, str, blocks.Blocks], list[ahead_of_time.Variant]]] = {
    "drawing": ahead_of_time.drawing_variants,
    "gradients": ahead_of_time.gradient_variants,
}
FORWARD, BACKWARD = blocks.Blocks._fields[:3], blocks.Blocks._fields[3:]
COMPILERS = min(16, os.cpu_count() or 1)
Key = tuple[int, str, str]


def tune_blocks(images: int, size: int, sigma_px: float, precision: str) -> None:
    """Print the fastest row of ``blocks.py`` for the CUDA device, a precision and pictures of ``size`` pixels a side.

    Training draws small pictures first, then medium and large ones: each size class has a row of its own.

    Raises:
        HollyError: No candidate gives a right result.
    """
    major, minor = torch.cuda.get_device_capability()
    known = [row for row in blocks.ARCHITECTURES if row <= 10 * major + minor]
    name = next(name for name, side in blocks.SIZES.items() if size <= side)
    tune_row((max(known, default=min(blocks.ARCHITECTURES)), precision, name), images, size, sigma_px, "cuda")


def tune_row(key: Key, images: int, size: int, sigma_px: float, device: str) -> None:
    """Print the fastest row of the table for a size of picture, drawing and gradients each."""
    cases = [GaussianCase("reconstruction_loss", count, images, size, size, sigma_px, key[1]) for count in POINTS]
    before = blocks.TABLE[key]
    console = Console()
    console.print(f"{before} is the row of today; milliseconds are for {' and '.join(map(str, POINTS))} points")
    try:
        drawing, gradients = shippable(key, before)
        measured = Measured(cases, device)
        drawn = best(key, drawing, functools.partial(measured.score, backward=False), console)
        both = [drawn._replace(**dict(zip(BACKWARD, row[3:], strict=True))) for row in gradients]
        final = best(key, both, functools.partial(measured.score, backward=True), console)
    finally:
        blocks.TABLE[key] = before
    console.print("Put it into kernels/blocks.py, then run the ahead-of-time tests: they refuse a row that spills.")
    print(f'    ({key[0]}, "{key[1]}", "{key[2]}"): Blocks({", ".join(map(str, final))}),')


def shippable(key: Key, before: blocks.Blocks) -> tuple[list[blocks.Blocks], list[blocks.Blocks]]:
    """Rows of candidates for the drawing, and for the gradients, that neither spill nor leave the tensor cores.

    They are compiled and inspected side by side, without a GPU. The row of today comes first in each.
    """
    candidates = [before, *(blocks.Blocks(*one, *one) for one in CANDIDATES[key[2]])]
    every = [(part, row) for part in PARTS for row in candidates]
    with ProcessPoolExecutor(COMPILERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        faulty = list(pool.map(functools.partial(_is_faulty, key), every))
    kept = [one for one, fault in zip(every, faulty, strict=True) if not fault]
    drawing, gradients = ([row for part, row in kept if part == wanted] for wanted in PARTS)
    return [before._replace(**dict(zip(FORWARD, row[:3], strict=True))) for row in drawing], gradients


def _is_faulty(key: Key, candidate: tuple[str, blocks.Blocks]) -> bool:
    part, row = candidate
    try:
        return any(ahead_of_time.inspect_variant(variant).fault(variant) for variant in PARTS[part](*key, row))
    except Exception:  # a candidate may fail in any part of the compiler; it is then left out
        return True


def best(
    key: Key, rows: Iterable[blocks.Blocks], measure: Callable[[], list[float]], console: Console
) -> blocks.Blocks:
    """The row whose times have the smallest geometric mean, each put into the table in turn.

    Rows that fail, or whose result is wrong, are skipped.

    Raises:
        HollyError: None is left.
    """
    found: list[tuple[float, blocks.Blocks]] = []
    for row in rows:
        blocks.TABLE[key] = row
        try:
            times = measure()
        except Exception as error:  # a candidate may fail in any part of the compiler
            console.print(f"{tuple(row)}: {type(error).__name__}")
            continue
        if not times:
            console.print(f"{tuple(row)}: its result is wrong", highlight=False)
            continue
        found.append((math.prod(times), row))
        console.print(f"{tuple(row)}: {', '.join(f'{ms:.3f}' for ms in times)} ms", highlight=False)
    if not found:
        raise HollyError(f"--tune: no candidate for {key} gives a right result on this device")
    blocks.TABLE[key] = min(found)[1]
    return min(found)[1]


class Measured:
    """The cases on the device, and the exact answer of the smallest, for all candidates."""

    def __init__(self, cases: Sequence[Case], device: str) -> None:
        self.device = device
        self.inputs = [(case, make_inputs(case).to(torch.float32, device)) for case in cases]
        self.checked = validation_inputs(cases[0], 0, 2, device)
        self.answer = oracle(cases[0], self.checked.to(torch.float64, device))

    def score(self, backward: bool) -> list[float]:
        """Milliseconds of the device's own work in each case; none if the smallest is wrong."""
        if compare(self.inputs[0][0], "triton", self.checked, self.device, answer=self.answer).wrong:
            return []
        run = forward_backward if backward else forward
        times = []
        for case, inputs in self.inputs:
            call = functools.partial(run, case, "triton", inputs)
            times.append(time_on_device(call, self.device) or time_call(call, self.device).median)
        return times

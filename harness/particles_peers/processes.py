"""Processor time of other processes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from holly_triton.core.types import Array
from holly_triton.harness.frames_peers.environments import call
from holly_triton.io.run_files import read_run_cloud


def timed(command: Sequence[str | Path], limit_s: float) -> float:
    """Run a process with one thread, and return the seconds of a processor that it took.

    Raises:
        UnavailableError: It fails or takes too long.
    """
    before = _children()
    call(command, limit_s)
    return _children() - before


def train(data: Path, run: Path, seed: int, limit_s: float, *options: str) -> tuple[Array, float]:
    """Our reconstruction in a process of its own: the cloud ``[N, 3]``, nm, and the seconds of a processor."""
    command = (
        sys.executable,
        "-m",
        "holly_triton",
        "train",
        data,
        "--out",
        run,
        "--seed",
        str(seed),
        "--device",
        "cpu",
    )
    seconds = timed((*command, *options), limit_s)
    return read_run_cloud(run), seconds


def _children() -> float:
    used = os.times()
    return used.children_user + used.children_system

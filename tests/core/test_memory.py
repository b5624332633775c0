"""Tests of what becomes of freed memory."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton import cli
from holly_triton.core import jobs

FAULTS = """
import resource
import statistics
import torch
from holly_triton.core.memory import keep_freed

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed()
print(statistics.median(faults() for _ in range(41)))  # other allocations split what is kept, until there is enough
"""


def _page_faults(**environment: str) -> float:
    """Pages of 4 KiB that an array of 64 MB takes anew after others of its size."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(command, env={**others, **environment}, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the option is one of the GNU C library")
def test_memory_of_a_freed_array_serves_the_next_one() -> None:
    assert _page_faults() == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the option is one of the GNU C library")
def test_choice_of_the_user_stands() -> None:
    assert _page_faults(MALLOC_ARENA_MAX="2") == pytest.approx(15_625, rel=0.1)


@pytest.mark.parametrize(
    "start",
    [
        lambda: CliRunner().invoke(cli.main, ["info", str(Path(__file__).with_name("missing"))]),
        jobs._Work(partial(str), "slurm"),
    ],
    ids=["a command", "a job"],
)
def test_commands_and_jobs_keep_it(start: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    for module in (cli, jobs):
        monkeypatch.setattr(module, "keep_freed", lambda: called.append(True))
        monkeypatch.setattr(module, "configure", lambda **_: None)
    start()
    assert called == [True]

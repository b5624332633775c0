"""Clocks, busy share and records of the steps of a GPU session."""

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from holly_triton.core.files import as_json

from .step_worker import PROFILED, profiled

MIB = 2**20
BUSY = (
    "device_busy_share = device_ms / step_ms. device_ms: of a step, the time in which at least one kernel, copy or fill "
    f"runs on the device, by torch.profiler, mean of {PROFILED} steps. step_ms: wall clock of a step, the median of the "
    "same stage's steps outside the profiler."
)

Figures = dict[str, Any]


class Journal:
    """A JSON record in parts. It is written after each part, so that a step that is cut short keeps those before."""

    def __init__(self, path: Path, device: str) -> None:
        self.path, self.device = path, device
        self.parts: dict[str, Figures] = {}
        self.faults: list[str] = []

    def part(self, name: str, measure: Callable[[], Figures]) -> None:
        """Measure a part, with its duration and its peak memory. One that fails is recorded as such, and the next one may follow."""
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        began = time.monotonic()
        try:
            found = measure()
        except Exception as error:  # any error of a compiler or a driver: the next part may still be measured
            found = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
            self.faults.append(f"{name}: {found['error']}")
        found["part_s"] = time.monotonic() - began
        found["peak_mib"] = torch.cuda.max_memory_allocated() / MIB if self.device == "cuda" else None
        self.parts[name] = found
        self.path.write_text(as_json({"device": self.device, **self.parts}), encoding="utf-8")
        print(name, " ".join(as_json(found).split()), flush=True)


def clock(device: str) -> float:
    """Seconds of a monotonic clock, after all that the device was given is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(call: Callable[[], Any], device: str) -> float:
    """How long a call takes, with what it leaves to the device."""
    began = clock(device)
    call()
    return clock(device) - began


def paced(steps: Iterator[Any], seconds: float, warm_up: int, device: str) -> Figures:
    """Rate and busy share of the steps of a training, over so many seconds after a warm-up.

    The clock is read after every step, without waiting for the device: each of these trainings does so itself once a step.
    """
    for _ in range(warm_up):
        next(steps)
    began, count = clock(device), 0
    while count == 0 or time.perf_counter() - began < seconds:
        next(steps)
        count += 1
    step_ms = 1e3 * (clock(device) - began) / count
    busy = device_ms(lambda: sum(1 for _, _ in zip(range(PROFILED), steps, strict=False))) if device == "cuda" else None
    return {
        "steps_timed": count, "step_ms": step_ms, "steps_per_s": 1e3 / step_ms, "device_ms": busy,
        "device_busy_share": None if busy is None else busy / step_ms,
    }  # fmt: skip


def device_ms(call: Callable[[], int]) -> float | None:
    """Milliseconds per step of ``call`` in which the device is busy; None for no step."""
    return profiled(call)["device_ms"]

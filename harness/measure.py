"""Time of a call, by GPU events or wall-clock time after a warm-up, that of its work on a GPU alone, and its memory."""

import ctypes
import dataclasses
import functools
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, NamedTuple

import torch

from .baselines import forward_backward
from .cases import Case, Inputs, make_inputs

MIB = 2**20
FEWEST = 3
"""Repetitions of a call, however long it takes."""
MOST = 50
"""The same on a CPU, however short it is; on a GPU the double."""
SECONDS = 0.7
"""Seconds for the repetitions of one call on a CPU, after the least number."""
GPU_SECONDS = 0.05
"""The same on a GPU."""
CACHE_BYTES = 2**28
"""More than the second-level cache of a GPU holds: zeros of this size are written before each repetition."""


class Timing(NamedTuple):
    """Milliseconds: median, and the quantiles 0.2 and 0.8."""

    median: float
    p20: float
    p80: float


def time_call(call: Callable[[], Any], device: str) -> Timing:
    """Time a call after a warm-up."""
    seconds = _by_events if device == "cuda" else _by_clock
    call()
    times = torch.tensor(seconds(call), dtype=torch.float64)
    return Timing(*(1e3 * times.quantile(torch.tensor([0.5, 0.2, 0.8]).double())).tolist())


def _by_clock(call: Callable[[], Any]) -> list[float]:
    times: list[float] = []
    while len(times) < FEWEST or (len(times) < MOST and sum(times) < SECONDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def _by_events(call: Callable[[], Any]) -> list[float]:
    """Seconds between events about a call, in a queue that is never empty: the host waits only after the last."""
    cache = torch.empty(CACHE_BYTES, dtype=torch.int8, device="cuda")
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    fitting = int(GPU_SECONDS / max(time.perf_counter() - start, 1e-9))
    new_event: Callable[[], Any] = functools.partial(torch.cuda.Event, enable_timing=True)
    pairs = [(new_event(), new_event()) for _ in range(min(2 * MOST, max(FEWEST, fitting)))]
    for begin, end in pairs:
        cache.zero_()
        begin.record()
        call()
        end.record()
    torch.cuda.synchronize()
    return [begin.elapsed_time(end) / 1e3 for begin, end in pairs]


def time_on_device(call: Callable[[], Any], device: str) -> float | None:
    """Milliseconds of the device's own work: median of replays of a CUDA graph of the call, which has no host in it.

    None on a CPU, and where the call waits for the host, so that it cannot be captured.
    """
    if device != "cuda":
        return None
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call,unused-ignore]
    stream.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(stream):
            call()
            torch.cuda.set_sync_debug_mode("error")  # a wait inside a capture would leave PyTorch's allocator in it
            call()
            torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            call()
    except RuntimeError:
        return None
    finally:
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()
    return 1e3 * float(torch.tensor(_by_events(graph.replay)).median())


def in_groups(case: Case, backend: str, inputs: Inputs, at_once: int) -> None:
    """Forward and backward, ``at_once`` pictures at a time."""
    for start in range(0, len(inputs.cotangent), at_once):
        whole = at_once >= len(inputs.cotangent)
        forward_backward(case, backend, inputs if whole else inputs.pictures(slice(start, start + at_once)))


def available_bytes(device: str) -> float:
    """Memory available to a process; infinite where the system does not state it."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    return min(_field("/proc/meminfo", "MemAvailable:"), _cgroup_room())


def peak_mib(case: Case, backend: str, images: int, at_once: int, device: str) -> float | None:
    """Peak memory of a forward and backward pass above the initial memory; None where it can't be read.

    On a CPU it is that of the process, which never releases all of its memory, so it is read in a new process.

    Raises:
        MemoryError: The memory is not sufficient.
    """
    if device == "cuda":
        inputs = make_inputs(case).pictures(slice(0, images)).to(torch.float32, device)
        return _peak_cuda(lambda: in_groups(case, backend, inputs, at_once))
    if sys.platform != "linux":
        return None
    # A server that has imported torch, but never run it, forks clean processes without delay.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(1, mp_context=context) as fresh:
        try:
            return fresh.submit(_peak_here, case, backend, images, at_once, torch.get_num_threads()).result()
        except BrokenProcessPool as error:
            raise MemoryError(f"{case}, {backend}: the process was killed") from error


def _peak_cuda(call: Callable[[], None]) -> float:
    call()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MIB


def _peak_here(case: Case, backend: str, images: int, at_once: int, threads: int) -> float | None:
    """Growth of this process's resident memory, after a warm-up of threads and libraries and the release of free memory."""
    torch.set_num_threads(threads)
    tiny = dataclasses.replace(case, points=4, images=2, height=8, width=8)
    forward_backward(tiny, backend, make_inputs(tiny).to(torch.float32))
    inputs = make_inputs(case).pictures(slice(0, images)).to(torch.float32)
    ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    except OSError:
        return None
    before = _field("/proc/self/status", "VmRSS:")
    in_groups(case, backend, inputs, at_once)
    return max(0.0, (_field("/proc/self/status", "VmHWM:") - before) / MIB)


def _field(path: str, name: str) -> float:
    """A size in bytes from one of the kernel's tables, infinite if it is missing."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return float("inf")
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith(name)), float("inf"))


def _cgroup_room() -> float:
    try:
        most, now = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
    except OSError:
        return float("inf")
    return float("inf") if most == "max" else float(int(most) - int(now))

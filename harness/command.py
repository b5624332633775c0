"""``holly-triton bench``: validate every case, then time it, and print a summary."""

import functools
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console

from holly_triton.core.errors import HollyError
from holly_triton.kernels.arguments import choose_backend

from .baselines import BACKENDS, forward, needed_bytes
from .cases import TIMED_POINTS, Answer, Case, Inputs, make_inputs, timed_cases
from .compare import Comparison, compare, oracle, validation_inputs
from .floor import floor_of, unknown
from .measure import MIB, Timing, available_bytes, in_groups, peak_mib, time_call, time_on_device
from .records import Record, make_record, write_json
from .table import PLOT_FORMATS, plot, terminal, title

FEW = 2
"""Pictures that are validated."""
LARGE = 2**26
"""Gaussian values in ``FEW`` pictures above which only one picture is validated."""
DENSE_VALUES = {"cpu": 2**24, "cuda": 2**27}
"""Gaussian values on which the dense backend is timed, at least one picture: half a second on a CPU; enough to fill a GPU."""
MOST_SEPARABLE = 10_000
"""Points up to which separable is timed on a GPU among others; a call of it on 1 000 000 takes seven seconds there."""
LONGEST_CAPTURED_MS = 100.0
"""Of a call whose work on the device is timed apart; longer ones are not limited by the host."""
SEED = 0


class Measured(NamedTuple):
    """The records of a case, and its faults: a line for each backend that differs from the oracle or fails."""

    records: list[Record]
    faults: list[str]


def bench(
    points: Sequence[int],
    images: int,
    size: int,
    sigma_px: float,
    precision: str,
    backends: Sequence[str],
    device: str,
    json_path: Path | None,
    plot_path: Path | None,
    tune: bool = False,
) -> int:
    """Benchmark all operations and print a table. A wrong result is recorded as such and not timed; the others are measured.

    Args:
        points: Sizes of the cloud; none for the defaults of the device.
        images: Pictures in a batch.
        size: Side of the pictures, pixels.
        sigma_px: Width of the Gaussians, pixels.
        precision: tf32, tf32x3, bf16x3 or ieee; a CPU always computes in ieee.
        backends: Some of triton, separable, naive, dense; none for all that the device has.
        device: auto, cpu or cuda.
        json_path: Where to write the records, or None.
        plot_path: Where to write a plot (a picture format by its suffix), or None.
        tune: Instead, time candidates for the committed table of block sizes, and print the best rows.

    Returns:
        Exit code: 0, or 1 where any result is wrong or any backend failed.

    Raises:
        HollyError: The device is missing or lacks a backend, sigma is not finite, or a file can't be written.
    """
    if not math.isfinite(sigma_px):
        raise HollyError(f"--sigma {sigma_px}: must be a number of pixels above 0")
    _check_outputs(json_path, plot_path)
    device = resolve_device(device)
    if tune:
        if "triton" not in resolve_backends([], device):
            raise HollyError(
                f"--tune: block sizes are those of a GPU that Triton's kernels run on, which device {device} is not"
            )
        from .tune import tune_blocks

        tune_blocks(images, size, sigma_px, precision)
        return 0
    chosen = resolve_backends(backends, device)
    precision = precision if device == "cuda" else "ieee"
    cases = timed_cases(tuple(points) or TIMED_POINTS[device], images, size, sigma_px, precision)
    records: list[Record] = []
    faults: list[str] = []
    for measured in measure(cases, chosen, device):
        records += measured.records
        faults += measured.faults
        if json_path is not None:  # after each case, so that an interrupted benchmark keeps its records
            _write(json_path, functools.partial(write_json, json_path, records))
    console = Console()
    console.print(f"{title(records)}\n{images} pictures, fewer for dense; x: times as fast, picture for picture")
    if note := unknown(device):
        console.print(note)
    console.print(*terminal(records), sep="\n")
    if plot_path is not None:
        _write(plot_path, lambda: plot(records, plot_path))
    return complain(faults)


def complain(faults: Sequence[str]) -> int:
    """Report the faults in one line, and return the exit code."""
    if faults:
        print(f"{len(faults)} wrong or failed, so not timed: {'; '.join(faults)}", file=sys.stderr)
    return int(bool(faults))


def _check_outputs(json_path: Path | None, plot_path: Path | None) -> None:
    """Check the output paths before the measurements."""
    for path in (json_path, plot_path):
        if path is not None and not path.parent.is_dir():
            raise HollyError(f"{path}: cannot be written, there is no folder {path.parent}")
        if path is not None and path.is_dir():
            raise HollyError(f"{path}: cannot be written, it is a folder")
    if plot_path is not None and plot_path.suffix.lower() not in PLOT_FORMATS:
        raise HollyError(f"{plot_path}: a plot's name ends in {', '.join(PLOT_FORMATS)}")


def _write(path: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise HollyError(f"{path}: cannot be written ({error})") from error


def resolve_device(device: str) -> str:
    """``cpu`` or ``cuda``."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise HollyError("device cuda: PyTorch sees no CUDA device here; device cpu works anywhere")
    return device


def resolve_backends(backends: Sequence[str], device: str) -> tuple[str, ...]:
    """The requested backends, or all that the device has: Triton's only where it draws by default."""
    known = BACKENDS if choose_backend(None, torch.empty(0, device=device)) == "triton" else BACKENDS[1:]
    for backend in backends:
        if backend not in known:
            raise HollyError(f"backend {backend}: on {device} there are {', '.join(known)}")
    return tuple(backend for backend in known if not backends or backend in backends)


def measure(cases: Sequence[Case], backends: Sequence[str], device: str) -> Iterator[Measured]:
    """Validate and time every case, one after the other."""
    with _progress() as say:
        for number, case in enumerate(cases, start=1):
            name = f"{number}/{len(cases)} {case}"
            say(f"{name}: float64 oracle")
            inputs = validation_inputs(case, SEED, _few(case), device)
            answer = oracle(case, inputs.to(torch.float64, device))
            say(f"{name}: floor")
            floor, records = floor_of(case, device), []
            if floor.forward_ms is not None:
                least, both = (None if ms is None else Timing(ms, ms, ms) for ms in floor)
                records.append(make_record(case, "floor", device, case.images, forward=least, forward_backward=both))
            faults = []
            for backend in worth_timing(case, backends, device):
                say(f"{name}: {backend}")
                record, fault = measure_backend(case, backend, device, inputs, answer)
                records.append(record)
                faults += [fault] if fault else []
            yield Measured(records, faults)


def worth_timing(case: Case, backends: Sequence[str], device: str) -> list[str]:
    """The backends, without separable where it only stands beside others, on a GPU and on many points."""
    many = device == "cuda" and case.points > MOST_SEPARABLE and len(backends) > 1
    return [backend for backend in backends if not (many and backend == "separable")]


def measure_backend(
    case: Case, backend: str, device: str, validation: Inputs, answer: Answer
) -> tuple[Record, str | None]:
    """One backend on one case, validated, then timed, and its fault.

    The record's status is ``ok``, ``wrong`` (with its errors, not timed), ``failed`` or, where it doesn't fit, ``oom``.
    """
    images = dense_pictures(case, device) if backend == "dense" else case.images
    at_once = pictures_at_once(case, backend, images, device)
    if at_once == 0:
        return make_record(case, backend, device, images, status="oom"), None
    try:
        checked = _validate(case, backend, device, validation, answer)
        errors = (checked.out.relative_l2, checked.error_gradient)
        if checked.wrong:
            return make_record(case, backend, device, images, status="wrong", errors=errors), str(checked)
        inputs = make_inputs(case, SEED).pictures(slice(0, images)).to(torch.float32, device)
        forward_ms, both_ms = _time(case, backend, inputs, at_once, device)
        peak = peak_mib(case, backend, images, at_once, device)
        device_ms = _time_on_device(case, backend, inputs, at_once, device, both_ms or forward_ms, peak)
    except (torch.OutOfMemoryError, MemoryError):
        return make_record(case, backend, device, images, status="oom"), None
    except Exception as error:  # any error of a compiler or a driver: the next case may still be measured
        fault = f"{case}, {backend}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return make_record(case, backend, device, images, status="failed"), fault
    return make_record(
        case, backend, device, images, forward=forward_ms, forward_backward=both_ms, device_ms=device_ms,
        peak_mib=peak, errors=errors,
    ), None  # fmt: skip


def dense_pictures(case: Case, device: str) -> int:
    """Number of pictures on which the dense backend is timed."""
    values = max(1, case.points) * case.height * case.width
    return min(case.images, max(1, DENSE_VALUES[device] // values))


def pictures_at_once(case: Case, backend: str, images: int, device: str) -> int:
    """Number of pictures that fit in half of the free memory; dense draws all of its few pictures or none (0)."""
    room = available_bytes(device) / 2
    one = needed_bytes(case, backend, 1)
    if backend == "dense" and one * images > room:
        return 0
    return images if one == 0 else int(min(images, room // one))


def _validate(case: Case, backend: str, device: str, validation: Inputs, answer: Answer) -> Comparison:
    checked = len(validation.cotangent)
    if pictures_at_once(case, backend, checked, device) < checked:
        first = slice(0, 1)
        validation = validation.pictures(first)
        answer = oracle(case, validation.to(torch.float64, device))
    return compare(case, backend, validation, device, answer=answer)


def _time(case: Case, backend: str, inputs: Inputs, at_once: int, device: str) -> tuple[Timing, Timing | None]:
    groups = [
        inputs if at_once >= len(inputs.cotangent) else inputs.pictures(slice(start, start + at_once))
        for start in range(0, len(inputs.cotangent), at_once)
    ]
    forward_ms = time_call(lambda: [forward(case, backend, group) for group in groups][-1:], device)
    if not inputs.differentiable:
        return forward_ms, None
    return forward_ms, time_call(lambda: in_groups(case, backend, inputs, at_once), device)


def _time_on_device(
    case: Case, backend: str, inputs: Inputs, at_once: int, device: str, caller: Timing, peak: float | None
) -> float | None:
    """Milliseconds of the device's own work; None where it does not matter, does not fit, or cannot be captured."""
    if caller.median > LONGEST_CAPTURED_MS or 4 * (peak or 0.0) * MIB > available_bytes(device):
        return None
    return time_on_device(lambda: in_groups(case, backend, inputs, at_once), device)


def _few(case: Case) -> int:
    values = FEW * case.points * case.height * case.width
    return min(case.images, 1 if values > LARGE and case.op != "normalised_masked_l1" else FEW)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    with Console(stderr=True).status("") as status:
        yield status.update

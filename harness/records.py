"""Records of each operation and backend, with what makes them traceable."""

import dataclasses
import functools
import json
import math
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from holly_triton.core.origin import commit
from holly_triton.core.words import counted

from .cases import Case
from .measure import Timing


@dataclass(frozen=True)
class Record:
    """One backend on one case. Milliseconds for all ``images`` pictures; null where there is none.

    The times of both passes are a caller's, with what the host does; ``device_ms`` is the device's own work in the
    forward pass and in the backward pass where there is one. ``status`` is ok, wrong (differs from the oracle: errors, no times), failed or oom.
    """

    op: str
    backend: str
    status: str
    device: str
    points: int
    images: int
    height: int
    width: int
    sigma_px: float
    precision: str
    forward_ms: float | None
    forward_ms_p20: float | None
    forward_ms_p80: float | None
    forward_backward_ms: float | None
    forward_backward_ms_p20: float | None
    forward_backward_ms_p80: float | None
    peak_mib: float | None
    error_forward: float | None
    error_gradient: float | None
    torch: str
    triton: str | None
    commit: str
    device_ms: float | None

    @property
    def shape(self) -> tuple[Any, ...]:
        """The conditions shared by records of a run that may be compared, picture for picture."""
        return self.op, self.device, self.points, self.height, self.width, self.sigma_px, self.precision


FIELDS = tuple(field.name for field in dataclasses.fields(Record))


def make_record(
    case: Case,
    backend: str,
    device: str,
    images: int,
    *,
    status: str = "ok",
    forward: Timing | None = None,
    forward_backward: Timing | None = None,
    device_ms: float | None = None,
    peak_mib: float | None = None,
    errors: tuple[float | None, float | None] = (None, None),
) -> Record:
    """A record of a case, with the device and the versions filled in."""
    forward_ms, forward_p20, forward_p80 = forward or (None, None, None)
    both_ms, both_p20, both_p80 = forward_backward or (None, None, None)
    return Record(
        case.op, backend, status, device_name(device), case.points, images, case.height, case.width,
        case.sigma_px, case.precision, forward_ms, forward_p20, forward_p80, both_ms, both_p20, both_p80,
        peak_mib, *errors, str(torch.__version__), installed("triton"), commit(), device_ms,
    )  # fmt: skip


def write_json(path: Path, records: list[Record]) -> None:
    """A list of records, without the floors; JSON has no infinity, so an infinite error (a NaN) is null."""
    measured = [dataclasses.asdict(record) for record in records if record.backend != "floor"]
    for one in measured:
        one.update({name: None for name, value in one.items() if isinstance(value, float) and not math.isfinite(value)})
    path.write_text(json.dumps(measured, indent=1) + "\n")


def device_name(device: str) -> str:
    """Name of the device; for a CPU with the number of threads, on which every figure depends."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{_processor()}, {counted(torch.get_num_threads(), 'thread')}"


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def installed(package: str) -> str | None:
    """Version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None

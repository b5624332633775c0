"""Raw records in ``reports/raw``, and the tables and plots made from them.

``python -m holly_triton.harness.report`` generates ``reports/kernels_*.md`` and ``.png`` from the raw records, and
``reports/gpu.md`` from those of a session on a GPU. With
``--measure`` it first benchmarks this machine and adds the records. Both need a checkout.
"""

import argparse
import csv
import dataclasses
import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints

from holly_triton.core.errors import HollyError
from holly_triton.core.origin import commit

from .cases import OPS, TIMED_POINTS, timed_cases
from .command import complain, measure, resolve_backends, resolve_device
from .gpu_report import write_gpu_report
from .records import FIELDS, Record, device_name
from .table import LEGEND, markdown, plot, title

PARSERS: dict[object, Any] = {
    str: str,
    int: int,
    float: float,
    float | None: lambda text: float(text) if text else None,
    str | None: lambda text: text or None,
}
HOW = """<!-- Generated from {raw}. To generate it again: python -m holly_triton.harness.report
     To measure this machine first: python -m holly_triton.harness.report --measure -->"""


def append(path: Path, records: Sequence[Record]) -> None:
    """Add records to a table of raw ones, all of which must state their commit.

    Raises:
        HollyError: The table has other columns.
    """
    new = not path.exists()
    if not new and tuple(path.read_text().splitlines()[0].split(",")) != FIELDS:
        raise HollyError(f"{path}: has other columns than {', '.join(FIELDS)}; move it away to start another")
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(dataclasses.asdict(record) for record in records)


def read(path: Path) -> list[Record]:
    """The newest record of each measurement, in the order of measurement; a column that a table lacks is empty."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = get_type_hints(Record)
    records = [Record(**{name: PARSERS[kinds[name]](row.get(name) or "") for name in FIELDS}) for row in rows]
    newest = {(*record.shape, record.backend): record for record in records}
    return list(newest.values())


def write_report(raw: Path, folder: Path) -> Path:
    """Table and plot of one device, a section for each set of conditions."""
    name = f"kernels_{raw.stem}"
    parts = [
        HOW.format(raw=raw.relative_to(folder)),
        "",
        f"# Kernels on {raw.stem.replace('_', ' ')}",
        "",
        LEGEND,
    ]
    records = sorted(read(raw), key=lambda record: (_conditions(record), OPS.index(record.op), record.points))
    for number, (_, group) in enumerate(itertools.groupby(records, key=_conditions)):
        some = list(group)
        picture = folder / f"{name}{number or ''}.png"
        plot(some, picture)
        parts += [
            f"## {title(some)}",
            "",
            f"![time and memory over points]({picture.name})",
            "",
            markdown(some),
        ]
    parts += [_versions(records), ""]
    path = folder / f"{name}.md"
    path.write_text("\n".join(parts))
    return path


def _versions(records: Sequence[Record]) -> str:
    """The last line: commits and versions of all records."""
    names = {
        "Commit": (record.commit[:7] for record in records), "PyTorch": (record.torch for record in records),
        "Triton": (record.triton or "none" for record in records),
    }  # fmt: skip
    return "; ".join(f"{name} {', '.join(dict.fromkeys(found))}" for name, found in names.items()) + "."


def _conditions(record: Record) -> tuple[Any, ...]:
    return record.device, record.height, record.width, record.sigma_px, record.precision


def raw_name(device: str) -> str:
    """``cpu``, or the GPU's name in small letters."""
    return "cpu" if device == "cpu" else re.sub(r"[^a-z0-9]+", "_", device_name(device).lower()).strip("_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.report", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="benchmark this machine first")
    parser.add_argument("--points", type=int, nargs="+", help="sizes of cloud (default: what suits the device)")
    parser.add_argument("--sigma", type=float, nargs="+", default=[1.41], help="pixels (default: 1.41)")
    parser.add_argument("--precision", default="tf32x3", help="of the products on a GPU (default: tf32x3)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--reports", type=Path, default=Path(__file__).resolve().parents[1] / "reports")
    options = parser.parse_args(arguments)
    raw = options.reports / "raw"
    faults: list[str] = []
    try:
        if options.measure:
            faults = _measure(options, raw)
        if not raw.is_dir():
            raise HollyError(f"{raw}: no such folder; it lies in a checkout, or --measure makes it")
        for path in sorted(raw.glob("*.csv")):
            print(write_report(path, options.reports))
        if (sessions := write_gpu_report(raw, options.reports)) is not None:
            print(sessions)
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    return complain(faults)


def _measure(options: argparse.Namespace, raw: Path) -> list[str]:
    """Add to the raw records, and return their faults."""
    if commit().startswith("release"):
        raise HollyError("--measure: raw records name a commit, and this is no checkout")
    device = resolve_device(options.device)
    raw.mkdir(parents=True, exist_ok=True)
    precision = options.precision if device == "cuda" else "ieee"
    faults: list[str] = []
    for sigma in options.sigma:
        cases = timed_cases(tuple(options.points or TIMED_POINTS[device]), 32, 128, sigma, precision)
        for measured in measure(cases, resolve_backends([], device), device):
            append(raw / f"{raw_name(device)}.csv", measured.records)  # after each case: a run may be interrupted
            faults += measured.faults
    return faults


if __name__ == "__main__":
    sys.exit(main())

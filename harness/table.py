"""Presentation of records: tables on the terminal and in Markdown, and a plot over points."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .records import Record

HEADER = (
    "operation", "points", "backend", "pictures", "forward ms", "forward + backward ms", "device ms", "peak MiB",
    "error forward", "error gradient", "times dense", "times naive", "share of floor",
)  # fmt: skip

LEGEND = """Milliseconds are for all pictures of a row: medians, with the quantiles 0.2 and 0.8 in brackets. They are what a
caller waits, with what the host does; device ms is the GPU's own work in the same passes, replayed as a CUDA graph.
Memory is that of the forward and backward pass above the initial memory, MiB of 2^20 bytes. Errors are relative L2
against float64, for gradients the largest of all arguments. Times dense and times naive are the speedups per picture,
with the backward pass where there is one. The floor is the time of the bare matrix products and exponentials; the share
of it is that of the device's own work where this is known.
"""

UNTIMED = {"oom": "does not fit in memory", "wrong": "wrong, not timed", "failed": "failed"}
"""Text in place of the times of a record without any, by its status."""

PLOT_FORMATS = (".png", ".pdf", ".svg")

COLOURS = {"triton": "C2", "separable": "C0", "naive": "C1", "dense": "C3", "floor": "0.5"}


def rows(records: Sequence[Record]) -> list[tuple[str, ...]]:
    """One row per record, without the floors, which are a column."""
    return [_row(record, records) for record in records if record.backend != "floor"]


def _row(record: Record, records: Sequence[Record]) -> tuple[str, ...]:
    start = (
        record.op,
        _thousands(record.points) if record.points else "",
        record.backend,
        str(record.images),
    )
    errors = _number(record.error_forward, ".1e"), _number(record.error_gradient, ".1e")
    if record.status != "ok":
        return (*start, UNTIMED[record.status], "", "", "", *errors, *[""] * 3)
    return (
        *start,
        _spread(record.forward_ms, record.forward_ms_p20, record.forward_ms_p80),
        _spread(record.forward_backward_ms, record.forward_backward_ms_p20, record.forward_backward_ms_p80),
        _milliseconds(record.device_ms),
        _number(record.peak_mib, ".1f"),
        *errors,
        _number(ratio(records, record, "dense"), ".2f"),
        _number(ratio(records, record, "naive"), ".2f"),
        _number(share_of_floor(records, record), ".0%"),
    )


def share_of_floor(records: Sequence[Record], record: Record) -> float | None:
    """The floor over the time of the device's own work, or of a call where this is not known."""
    share = ratio(records, record, "floor")
    if share is None or record.device_ms is None:
        return share
    call = record.forward_ms if record.forward_backward_ms is None else record.forward_backward_ms
    return None if call is None else share * call / record.device_ms


def ratio(records: Sequence[Record], record: Record, backend: str) -> float | None:
    """Speedup over another record per picture, with the backward pass where there is one."""
    other = next((r for r in records if r.shape == record.shape and r.backend == backend), None)
    if other is None or not (other.images and record.images):
        return None
    pair = (other.forward_backward_ms, record.forward_backward_ms)
    if None in pair:
        pair = (other.forward_ms, record.forward_ms)
    if pair[0] is None or pair[1] is None:
        return None
    return pair[0] / other.images / (pair[1] / record.images)


def terminal(records: Sequence[Record]) -> Iterator[Table]:
    """For the terminal, 80 columns wide: a table for each operation and number of points."""
    on_device = any(record.device_ms is not None for record in records)
    times = ("fwd ms", "fwd+bwd", "gpu ms", "MiB") if on_device else ("forward ms", "fwd+bwd ms", "peak MiB")
    columns = ("backend", *times, "error", "x dense", "x naive", "floor")
    measured = [record for record in records if record.backend != "floor"]
    for (op, points), some in itertools.groupby(measured, key=lambda record: (record.op, record.points)):
        title = f"{op}, {_thousands(points)} points" if points else op
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for name in columns:
            table.add_column(name, justify="left" if name == "backend" else "right", no_wrap=True, min_width=6)
        for record in some:
            table.add_row(*_short_row(record, records, on_device))
        yield table


def _short_row(record: Record, records: Sequence[Record], on_device: bool) -> tuple[str, ...]:
    errors = [error for error in (record.error_forward, record.error_gradient) if error is not None]
    error = _number(max(errors, default=None), ".0e")
    device = (_milliseconds(record.device_ms),) if on_device else ()
    if record.status != "ok":
        status = "no memory" if record.status == "oom" else record.status
        return record.backend, status, "", *device, "", error, *[""] * 3
    return (
        record.backend,
        _milliseconds(record.forward_ms),
        _milliseconds(record.forward_backward_ms),
        *device,
        _number(record.peak_mib, ".1f" if (record.peak_mib or 0) < 1000 else ".0f"),
        error,
        _number(ratio(records, record, "dense"), ".3g"),
        _number(ratio(records, record, "naive"), ".3g"),
        _number(share_of_floor(records, record), ".0%"),
    )


def markdown(records: Sequence[Record]) -> str:
    """For a report."""
    lines = [HEADER, ("---",) * len(HEADER), *rows(records)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def title(records: Sequence[Record]) -> str:
    """The conditions that all records of a table share."""
    first = records[0]
    return (
        f"{first.device}; pictures of {first.height} x {first.width} px, sigma {first.sigma_px:g} px, "
        f"products in {first.precision}"
    )


def _thousands(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.{1 if value >= 100 else 2 if value >= 1 else 3}f}"


def _spread(median: float | None, p20: float | None, p80: float | None) -> str:
    return f"{_milliseconds(median)} ({_milliseconds(p20)} to {_milliseconds(p80)})" if median is not None else ""


def plot(records: Sequence[Record], path: Path) -> None:
    """Time of a picture and peak memory over the number of points, log-log, with the floor."""
    from matplotlib.figure import Figure

    ops = [op for op in ("splat", "reconstruction_loss") if any(r.op == op for r in records)] or [records[0].op]
    figure = Figure(figsize=(5 * len(ops), 7.5), layout="constrained")
    axes = figure.subplots(2, len(ops), squeeze=False)
    for column, op in enumerate(ops):
        passes = "forward + backward" if any(r.op == op and r.forward_backward_ms for r in records) else "forward"
        for backend, colour in COLOURS.items():
            some = sorted((r for r in records if r.op == op and r.backend == backend), key=lambda r: r.points)
            line, marker = ("--", "_") if backend == "floor" else ("-", "o")
            style: dict[str, Any] = {"color": colour, "label": backend, "linestyle": line, "marker": marker}
            both = passes == "forward + backward"
            times = [(r.points, r.images, r.forward_backward_ms if both else r.forward_ms) for r in some]
            timed = [(points, ms / images) for points, images, ms in times if ms]
            weighed = [(r.points, r.peak_mib) for r in some if r.peak_mib]
            for row, pairs in enumerate((timed, weighed)):
                if pairs:
                    axes[row][column].plot(*zip(*pairs, strict=True), **style)
        axes[0][column].set_title(op)
        axes[0][column].set_ylabel(f"{passes}, ms a picture")
        axes[1][column].set_ylabel("peak memory, MiB\n(dense: of fewer pictures)")
        for row in range(2):
            axes[row][column].set(xlabel="points", xscale="log", yscale="log")
            axes[row][column].grid(True, which="both", alpha=0.3)
    if axes[0][0].has_data():
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle(title(records).replace("; ", "\n").replace(", products", "\nproducts"), fontsize=9)
    figure.savefig(path, dpi=120)

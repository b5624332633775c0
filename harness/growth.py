"""``python -m holly_triton.harness.growth``: how the time of a step grows with points and pictures, ``reports/growth.md``.

The report is made from the raw records; with ``--measure`` this machine is measured first, and its records replace those
of the same device.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json

from .command import resolve_device
from .report import raw_name
from .steps import StepCase, StepRecord, bunny_sites, measure_case

POINTS, PICTURES = (350, 1000, 10_000, 100_000, 1_000_000), (2000, 5000, 10_000, 20_000, 40_000)
FEW_POINTS, FEW_PICTURES = 350, 2000
"""Of the other cases."""
TURNS = 3
HOW = """<!-- Generated from {raw}: python -m holly_triton.harness.growth
     To measure this machine first: python -m holly_triton.harness.growth --measure -->

# Growth of a step with points and pictures
"""
LEGEND = """Pictures of {structure}. A step is one of the search on its coarsest grid: 256 pictures are drawn, their poses searched, and
two gradient steps taken on poses and points. Seconds are medians of {timed} steps, CPU s those of all threads of the processor.
Memory is the largest that the process has used, with the data and the libraries. Of it the data take 8 bytes a localisation
(354 a picture here), and to simulate them takes some 30 more at first. Measured on {device}, torch {torch}.
"""
SHARED = """Other work shared the processor, so that seconds a step cannot be compared between rows; CPU seconds can.
"""
WAITED = 2.0
"""Seconds a step over CPU seconds of one thread, above which other work had the processor for most of the time."""


def cases(points: Sequence[int], pictures: Sequence[int]) -> Iterator[StepCase]:
    """The trainings, of which the first kind of step is measured."""
    structure, sites = bunny_sites()
    sizes = dict.fromkeys(
        [*((FEW_PICTURES, many) for many in points), *((many, FEW_POINTS) for many in pictures)]
    )  # fmt: skip
    for some, many in sizes:
        yield StepCase(f"{some} pictures, {many} points", structure, sites, some, many, most=1)


def table(records: Sequence[StepRecord]) -> list[str]:
    """Two tables in Markdown, over points and over pictures."""
    lines: list[str] = []
    for name, few in (("points", FEW_PICTURES), ("pictures", FEW_POINTS)):
        held = "pictures" if name == "points" else "points"
        some = sorted((one for one in records if getattr(one, held) == few), key=lambda one: int(getattr(one, name)))
        lines += [
            f"With {few} {held}:", "",
            f"| {name} | s a step | CPU s a step | CPU µs a {name[:-1]} | peak MiB | commit |", f"|{' ---: |' * 6}",
        ]  # fmt: skip
        for one in some:
            each = 1e6 * one.cpu_s / getattr(one, name)
            lines.append(
                f"| {getattr(one, name)} | {one.step_s:.3f} | {one.cpu_s:.3f} | {each:.2f} | {one.peak_mib:.0f} | "
                f"{one.commit[:7]} |"
            )
        lines.append("")
    return lines


def notes(records: Sequence[StepRecord]) -> list[str]:
    """What a reader has to know before rows are compared: a shared processor, and records of several commits."""
    shared = (
        [SHARED] if "thread" in records[0].device and any(one.step_s > WAITED * one.cpu_s for one in records) else []
    )
    by_commit: dict[str, list[StepRecord]] = {}
    for one in records:
        by_commit.setdefault(one.commit, []).append(one)
    most = max(by_commit, key=lambda name: len(by_commit[name]))
    others = [
        f"The row of {one.points} points and {one.pictures} pictures is of another commit than the most, {name[:7]}.\n"
        for name, some in by_commit.items() if name != most for one in some
    ]  # fmt: skip
    return [*shared, *others]


def write_growth(raw: Path, path: Path) -> None:
    """The report of the records in a folder."""
    found = sorted(raw.glob("growth_*.json"))
    if not found:
        raise HollyError(f"{raw}: holds no records of growth; --measure makes them")
    lines = [HOW.format(raw=", ".join(f"{raw.name}/{one.name}" for one in found))]
    for one in found:
        records = [StepRecord(**record) for record in json.loads(one.read_text())]
        lines += [LEGEND.format(**dataclasses.asdict(records[0])), *notes(records), *table(records)]
    path.write_text("\n".join(lines), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a script."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.growth", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure this machine first")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--points", type=int, nargs="*", default=POINTS)
    parser.add_argument("--pictures", type=int, nargs="*", default=PICTURES)
    parser.add_argument("--reports", type=Path, default=Path(__file__).resolve().parents[1] / "reports")
    options = parser.parse_args(arguments)
    raw = options.reports / "raw"
    try:
        if options.measure:
            device = resolve_device(options.device)
            raw.mkdir(parents=True, exist_ok=True)
            records: list[StepRecord] = []
            for case in cases(options.points, options.pictures):
                records += measure_case(case, [sys.executable], device, turns=TURNS)
                print(case.name, f"{records[-1].step_s:.3f} s, CPU {records[-1].cpu_s:.3f} s", flush=True)
                # After each case: a run may be interrupted.
                text = as_json([dataclasses.asdict(record) for record in records])
                (raw / f"growth_{raw_name(device)}.json").write_text(text)
        write_growth(raw, options.reports / "growth.md")
        print(options.reports / "growth.md")
    except HollyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

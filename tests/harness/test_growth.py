"""The report of how a step grows with points and pictures, from its records."""

import dataclasses
import json
from pathlib import Path

from holly_triton.harness import growth
from holly_triton.harness.steps import StepRecord


def record(pictures: int, points: int, cpu_s: float) -> StepRecord:
    return StepRecord(
        case="", structure="ellipsoid", kind="search 16 global", pictures=pictures, points=points, steps=90, timed=3,
        step_s=2 * cpu_s, cpu_s=cpu_s, pictures_per_s=1.0, launches=435, waits=1, device_ms=None, device_busy_share=None,
        peak_mib=400.0, against=None, wall_ratio=None, cpu_ratio=None, device="a device", torch="2", triton=None, commit="abc",
    )  # fmt: skip


def test_the_tables_hold_each_size_once_in_order(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    records = [record(2000, 100_000, 5.0), record(2000, 350, 0.1), record(40_000, 350, 0.12)]
    (raw / "growth_cpu.json").write_text(json.dumps([dataclasses.asdict(one) for one in records]))
    assert growth.main(["--reports", str(tmp_path)]) == 0
    rows = [
        line
        for line in (tmp_path / "growth.md").read_text().splitlines()
        if line.startswith("| ") and "---" not in line
    ]
    numbers = [line.split(" | ")[0].strip("| ") for line in rows]
    assert numbers == ["points", "350", "100000", "pictures", "2000", "40000"]
    assert rows[2].endswith("| 10.000 | 5.000 | 50.00 | 400 | abc |")


def test_a_shared_processor_and_rows_of_another_commit_are_said() -> None:
    alone = [
        dataclasses.replace(record(2000, points, 1.0), device="CPU, 1 thread", step_s=1.1) for points in (350, 1000)
    ]
    assert growth.notes(alone) == []
    shared = dataclasses.replace(alone[0], step_s=2.5)
    assert growth.notes([shared, alone[1]]) == [growth.SHARED]
    other = dataclasses.replace(record(2000, 10_000, 1.0), commit="def")
    assert growth.notes([*alone, other]) == [
        "The row of 10000 points and 2000 pictures is of another commit than the most, def.\n"
    ]


def test_every_pair_of_sizes_is_measured_once() -> None:
    sizes = [(case.pictures, case.points) for case in growth.cases((350, 1000), (2000, 5000))]
    assert sizes == [(2000, 350), (2000, 1000), (5000, 350)]


def test_without_records_the_command_fails(tmp_path: Path) -> None:
    assert growth.main(["--reports", str(tmp_path)]) == 1

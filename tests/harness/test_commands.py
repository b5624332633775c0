"""Short commands beside those of another commit: what is run, and the table."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from holly_triton.harness import commands
from holly_triton.io.clouds import write_cloud
from holly_triton.particles.info import describe


def test_table_has_the_size_and_is_read_as_particles(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    commands.write_table(path, 4_000_000)
    assert path.stat().st_size == pytest.approx(4e6, rel=0.1)
    found = describe(path)
    rows = path.read_text().count("\n") - 1
    assert found["particles"] == str(rows // 90) and found["emitters per particle"] == "90"


def test_both_commits_are_asked_as_often_and_only_what_lacks_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Sequence[str], ...]] = []

    def together(commands: Mapping[Path, Sequence[str]]) -> list[float]:
        asked.append(tuple(commands.values()))
        assert all(Path(word).exists() for command in commands.values() for word in command if word.startswith("/"))
        return [2.0 + len(asked), 10.0]

    monkeypatch.setattr(commands, "environment_of", lambda commit: nullcontext("another/python"))
    monkeypatch.setattr(commands, "together", together)
    place = tmp_path / "runs" / "demo" / "abc-0"
    for side in ("here", "there", "data"):
        (place / side).mkdir(parents=True)
        write_cloud(place / side / ("truth.ply" if side == "data" else "cloud.ply"), np.eye(4, 3))
    shutil.copytree(place, tmp_path / "runs" / "demo" / "def-0")  # of another commit
    (tmp_path / "runs" / "pore" / "abc-0").mkdir(parents=True)  # no truth is known
    report = tmp_path / "commands.md"
    words = ["abc", str(tmp_path / "figures"), "--runs", str(tmp_path / "runs"), "--megabytes", "0.1"]
    words += ["--report", str(report)]
    assert commands.main([*words, "--repeats", "2"]) == 0
    assert len(asked) == 6  # each command thrice: the first time fills caches
    for number, (ours, theirs) in enumerate(asked):
        assert (ours[0], theirs[0]) == (sys.executable, "another/python")
        assert ours[4] == theirs[4] == ("info", "evaluate")[number // 3]
    assert asked[-1][0][5].endswith("abc-0/here") and asked[-1][1][5].endswith("abc-0/there")
    assert "| info, 0.1 MB | 2 | 4.5 | abc | 10.0 | 0.45 |" in report.read_text()
    assert "| evaluate, demo, 4 points | 2 | 7.5 | abc | 10.0 | 0.75 |" in report.read_text()
    assert commands.main([*words, "--repeats", "3"]) == 0
    assert len(asked) == 10 and "| info, 0.1 MB | 3 | " in report.read_text()
    assert len((tmp_path / "figures" / "seconds.jsonl").read_text().splitlines()) == 6


def test_median_is_of_the_ratios(tmp_path: Path) -> None:
    pairs = ((1.0, 10.0), (2.0, 4.0), (3.0, 5.0))
    lines = [
        json.dumps({"commit": "c", "machine": "m", "other": "0123456789", "command": "info", "seconds": pair})
        for pair in pairs
    ]
    (tmp_path / "seconds.jsonl").write_text("\n".join(lines))
    assert "| info | 3 | 2.0 | 0123456 | 5.0 | 0.50 |" in commands.report(tmp_path)

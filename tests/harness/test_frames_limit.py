"""The report on isolated emitters and empty frames."""

from pathlib import Path

import pytest

from holly_triton.frames.localise.shipped import SHIPPED
from holly_triton.harness import frames_limit


def test_the_model_that_ships_is_near_the_limit_and_finds_nothing_in_empty_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_limit, "FRAMES", 120)
    monkeypatch.setattr(frames_limit, "EMPTY", 4)
    monkeypatch.setattr(frames_limit, "LEVELS", ((5000.0, 50.0),))
    monkeypatch.setattr(frames_limit, "VARIATIONS", (0.0,))
    assert frames_limit.main([str(SHIPPED), "--report", str(tmp_path / "limit.md")]) == 0
    report = (tmp_path / "limit.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in report.splitlines() if line.startswith("| 5000")]
    assert [row[2] for row in rows] == ["as it comes", "not polished"]
    polished, network = ([float(value) for value in row[4].split(", ")] for row in rows)
    assert max(polished) < 1.3
    assert min(network) > 1.1
    assert "0 at 50" in report

"""The report on stated deviations: what it computes, and that it runs on a model."""

from pathlib import Path

import numpy as np
import pytest

from holly_triton.frames.localise.shipped import SHIPPED
from holly_triton.harness import frames_deviations


def test_pulls_of_right_deviations_are_1_and_far_ones_are_counted_apart(seed: int) -> None:
    pull = np.random.default_rng(seed).normal(size=(20000, 3))
    right = frames_deviations.figures(pull)
    assert [float(text) for text in right[:4]] == pytest.approx([1] * 4, abs=0.03)
    assert int(right[5].rstrip("%")) == pytest.approx(68, abs=2)
    pull[:200, :2] = 20.0
    far = frames_deviations.figures(pull)
    assert float(far[0]) > 2
    assert float(far[2]) == pytest.approx(1, abs=0.03)
    assert far[4] == "1.0%"


def test_every_kind_of_frames_has_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_deviations, "FRAMES", {0.38: 2})
    monkeypatch.setattr(frames_deviations, "PHOTONS", (5000.0,))
    assert frames_deviations.main([str(SHIPPED), "--report", str(tmp_path / "deviations.md")]) == 0
    rows = [line for line in (tmp_path / "deviations.md").read_text().splitlines() if "| 0.38 |" in line]
    assert [row.split(" | ")[2] for row in rows] == ["5000", "all"] * 2

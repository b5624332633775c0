"""The table of real pores over seeds, from clouds and runs whose figures are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holly_triton.harness.few_labels import rings
from holly_triton.harness.pores import _of_points, main


def test_figures_of_two_rings_with_a_point_in_the_hole() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    found = _of_points(np.vstack([rings(), [[5.0, 0.0, 30.0]]]) @ turn)
    assert found["radius"] == pytest.approx(50, abs=0.5)
    assert found["layers"] == pytest.approx(60, abs=0.5)
    assert found["inside"] == pytest.approx(1 / 33)


def test_figures_of_one_ring_have_its_order_and_no_layers() -> None:
    angle = 2 * np.pi * np.arange(8) / 8
    found = _of_points(np.column_stack([80 * np.cos(angle), 80 * np.sin(angle)]))
    assert found["orders"] == "8"
    assert found["radius"] == pytest.approx(80)
    assert np.isnan(found["layers"])


def test_the_table_has_the_median_over_seeds_and_runs_are_not_repeated(tmp_path: Path) -> None:
    for seed, radius in enumerate((48.0, 51.0, 50.0)):
        place = tmp_path / f"fig-{seed}"
        place.mkdir()
        (place / "figures.json").write_text(json.dumps({**_figures(), "seed": seed, "radius": radius}))
    report = tmp_path / "pores.md"
    assert main(["fig.mat", str(tmp_path), "--seeds", "0", "1", "2", "--report", str(report)]) == 0
    rows = [line.split(" | ") for line in report.read_text().splitlines() if line.startswith("| ")]
    assert "layers apart (nm)" not in rows[0]
    assert [row[1] for row in rows if row[0] in ("| 0", "| median")] == ["48.0", "50.0"]


def _figures() -> dict[str, Any]:
    return {
        "commit": "abc", "particles": 306, "localisations": 88.0, "seconds": 50.0, "layers": float("nan"), "inside": 0.0, "orders": "8", "points": 89, "model": "ring", "order": 8,
        "amplitude": 0.5, "stands_out": "yes", "held_out": 45.0, "training": 44.0, "placed_radius": 82.0, "placed_layers": float("nan"),
        "placed_amplitude": 0.16,
    }  # fmt: skip

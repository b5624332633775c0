"""What is seen from one side only comes out flat, and is told as what it is."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.geometry.plane import plane_frame
from holly_triton.io.clouds import write_cloud
from holly_triton.report import find_figures, write_report
from holly_triton.report.measurements import explain
from holly_triton.validation import group
from holly_triton.validation.measure import measure_points
from holly_triton.validation.symmetry import find_symmetries
from holly_triton.view.orientation import upright

LETTER = np.array([*((0, y, 0) for y in range(0, 121, 15)), *((x, y, 0) for x in (15, 30, 45) for y in (0, 60))], float)
"""An F, which in the plane is not its own mirror image."""
SQUARE = np.array([(x, y, 0) for x in (-30, 30) for y in (-30, 30)], float)
TILTED = Rotation.from_rotvec([0.3, -0.4, 1.0]).as_matrix()


def ring(sites: int) -> Array:
    angle = 2 * np.pi * np.arange(sites) / sites
    return 50 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)


@pytest.mark.parametrize("turn", [np.eye(3), TILTED], ids=["upright", "tilted"])
def test_the_plane_of_a_flat_cloud_is_found_and_not_turned_over(turn: Array) -> None:
    frame = plane_frame(LETTER @ turn.T)
    assert frame is not None
    assert np.ptp((LETTER @ turn.T) @ frame, axis=0)[2] < 1e-9
    assert np.linalg.det(frame) == pytest.approx(1)
    assert frame[2, 2] > 0


@pytest.mark.parametrize("thickness", [(1, 1, 0.01), (1, 0, 0)], ids=["thick", "a line"])
def test_what_has_depth_or_no_breadth_is_not_flat(thickness: Array) -> None:
    assert plane_frame(np.random.default_rng(0).normal(size=(50, 3)) * thickness) is None


def test_a_structure_seen_from_one_side_is_drawn_from_that_side() -> None:
    for letter in (LETTER, LETTER * [-1, 1, 1]):
        assert upright(letter).frame[2, 2] == pytest.approx(1)


@pytest.mark.parametrize("turn", [np.eye(3), TILTED], ids=["upright", "tilted"])
def test_only_turns_and_mirrors_within_the_plane_count_as_symmetries(turn: Array) -> None:
    assert [s.name for s in find_symmetries(LETTER @ turn.T) if s.verdict != "not"] == []
    found = [s for s in find_symmetries(SQUARE @ turn.T) if s.verdict == "symmetric"]
    assert [s.name for s in found] == ["C2", "C4", *["mirror"] * 4]
    in_plane = [abs(s.axis @ turn[:, 2]) for s in found]
    np.testing.assert_allclose(in_plane, [1, 1, 0, 0, 0, 0], atol=1e-6)


def test_poses_of_a_flat_truth_are_scored_from_both_faces() -> None:
    assert len(group.find_group(SQUARE)) == 16  # the eight of a square, each also turned over


def test_so_are_those_of_a_truth_whose_outermost_points_are_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "MOST_POINTS", len(SQUARE))
    assert len(group.find_group(np.concatenate([SQUARE, [(0, 0, 9), (0, 0, -9)]]))) == 16
    assert len(group.find_group(np.concatenate([SQUARE, [(0, 0, 9)]]))) == 8


def test_a_flat_cloud_has_two_extents_and_no_handedness() -> None:
    said = explain(measure_points(LETTER))
    assert said.startswith("A flat structure of 124 x 53 nm")
    assert "0.0" not in said
    assert "hand" not in said
    assert "mirror" not in said


def test_a_flat_ring_is_a_ring() -> None:
    rng = np.random.default_rng(1)
    figures = measure_points(np.repeat(ring(8), 4, axis=0) + rng.normal(size=(32, 3)) * (2, 2, 0))
    assert figures["model"] == "ring"
    assert figures["diameter_nm"] == pytest.approx(100, abs=2)
    assert figures["turns"]["order"] == 8


def one_sided(folder: Path) -> Path:
    write_cloud(folder / "cloud.ply", LETTER)
    (folder / "config.toml").write_text('data = "flat.csv"\ntilt = 0.0\n')
    (folder / "metrics.json").write_text(json.dumps({"finished": True, "pictures": 500, "notes": []}))
    poses = "".join(f"{i},0,0,{i},0,0,5,30\n" for i in range(40))
    (folder / "poses.csv").write_text("picture,rx,ry,rz,tx_nm,ty_nm,sigma_nm,loss\n" + poses)
    return folder


def test_the_report_of_a_run_that_saw_one_side_states_no_depth_or_handedness(tmp_path: Path) -> None:
    page = write_report(one_sided(tmp_path)).read_text().partition("<script")[0]
    assert "A flat structure of 124 x 53 nm" in page
    assert "seen from one side" in page
    assert "axial dimension is undetermined" in page
    for word in ("0.000", "handedness", "unknown direction", "Mirror image", "Map of the viewing directions"):
        assert word not in page


def test_one_side_is_no_warning(tmp_path: Path) -> None:
    figures = find_figures(one_sided(tmp_path))
    assert figures["warnings"] == []
    assert figures["height_seen"] is False
    assert len(figures["axes_nm"]) == len(figures["axes_interval_nm"]) == 2

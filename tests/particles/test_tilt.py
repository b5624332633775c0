"""Flat structures, and such as are always seen from the top."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.io.clouds import write_cloud

BRIEF = "[schedule]\nsearch_steps = 100\nrescue_passes = 0\npolish_steps = 20\nrefine_steps = 2\n"


def call(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in words else result.output  # progress goes to stderr


def write_turned(path: Path, sites: np.ndarray) -> None:
    """120 particles of a flat structure, each turned in its plane, one label in ten missing."""
    rng = np.random.default_rng(1)
    rows = []
    for particle in range(120):
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        seen = sites[rng.random(len(sites)) < 0.9, :2] @ turn.T
        rows.append(np.column_stack([seen, np.full(len(seen), particle)]))
    np.savetxt(path, np.concatenate(rows), delimiter=",", header="x [nm],y [nm],particle", comments="")


def test_a_flat_structure_is_found_flat_when_the_tilt_is_limited(tmp_path: Path) -> None:
    sites = np.random.default_rng(0).normal(size=(12, 3)) * (60, 40, 0)
    write_cloud(tmp_path / "sites.ply", sites)
    write_turned(tmp_path / "flat.csv", sites)
    (tmp_path / "brief.toml").write_text(BRIEF)
    run = tmp_path / "run"
    said = call(
        "train", tmp_path / "flat.csv", "--out", run, "--points", 12, "--tilt", 0, "--config", tmp_path / "brief.toml"
    )
    assert "one viewing direction" in said
    assert "cloud_mirror" not in said
    assert "projections" not in call("evaluate", run, "--truth", tmp_path / "sites.ply")
    figures = json.loads(call("evaluate", run, "--truth", tmp_path / "sites.ply", "--json"))
    assert figures["rmsd"] < 3  # of a structure 72 nm in radius of gyration
    turns = np.loadtxt(run / "poses.csv", delimiter=",", skiprows=1, usecols=(1, 2))
    assert np.abs(turns).max() < 1e-3


def test_only_searched_poses_can_be_limited(tmp_path: Path) -> None:
    write_turned(tmp_path / "flat.csv", np.random.default_rng(0).normal(size=(12, 3)) * 50)
    words = ["train", tmp_path / "flat.csv", "--out", tmp_path / "run", "--tilt", 0, "--pose", "direct"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 1
    assert not (tmp_path / "run").exists()
    assert "--tilt 0: needs --pose search" in result.output

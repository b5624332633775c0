"""Fiducial beads and folders of fields, as pick meets them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial import cKDTree

from holly_triton.cli import main
from holly_triton.io.tables.reading import Reading
from holly_triton.particles.data import open_dataset
from holly_triton.particles.picking.fiducials import find_fiducials
from holly_triton.particles.picking.pick import PickSettings, find_particles, pick

FRAMES = 4000


def pores(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pores 110 nm wide of 60 localisations each, 350 nm or more apart, and where they are."""
    side = int(np.ceil(count**0.5))
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)[:count]
    centres = 500.0 * places + rng.uniform(-75, 75, (count, 2))
    angle = np.pi / 4 * rng.integers(0, 8, (count, 60)) + rng.uniform(0, 1, (count, 1))
    rings = 55 * np.stack([np.cos(angle), np.sin(angle)], axis=2) + rng.normal(0, 5, (count, 60, 2))
    return (centres[:, None] + rings).reshape(-1, 2), centres


def field(beads: int = 6, count: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Positions, frames, centres of the pores and places of the beads, each of which is there in all frames."""
    rng = np.random.default_rng(seed)
    rings, centres = pores(count, rng)
    spots = centres.max(axis=0) * rng.uniform(0.1, 0.9, (beads, 2)) // 500 * 500 + 250
    spots = np.unique(spots, axis=0)
    shining = (spots[:, None] + rng.normal(0, 4, (len(spots), FRAMES, 2))).reshape(-1, 2)
    frame = np.concatenate([rng.integers(0, FRAMES, len(rings)), np.tile(np.arange(FRAMES), len(spots))])
    return np.concatenate([rings, shining]), frame, centres, spots


@pytest.mark.parametrize("known", [True, False], ids=["frames", "no frames"])
def test_beads_neither_rule_the_size_nor_are_picked(known: bool) -> None:
    xy, frame, centres, spots = field()
    found = find_particles(xy, PickSettings(), frame if known else None)
    assert 100 <= found.circle_nm / 1.3 <= 150
    assert (found.why == "fiducial").sum() == len(spots)
    assert cKDTree(spots).query(found.centre[found.why == "fiducial"])[0].max() < 5
    distance = cKDTree(found.centre[found.picked]).query(centres)[0]
    assert (distance < 20).mean() >= 0.95 and found.picked.sum() <= len(centres)
    assert f"{len(spots)} fiducial beads" in found.said[0]
    assert cKDTree(spots).query(xy[found.group >= 0])[0].min() > 50


def test_what_blinks_is_no_bead() -> None:
    rng = np.random.default_rng(1)
    rings, _ = pores(25, rng)
    assert not find_fiducials(rings, rng.integers(0, FRAMES, len(rings))).rows
    # One site that was bright for a while: as many localisations as a bead, but in few of the frames.
    sticky = 250 + rng.normal(0, 5, (600, 2))
    frame = np.concatenate([rng.integers(0, FRAMES, len(rings)), np.arange(600)])
    assert not find_fiducials(np.concatenate([rings, sticky]), frame).rows
    # Particles that are points themselves are not beads: none stands out among them.
    dots = (500.0 * rng.integers(0, 9, (40, 2)))[:, None] + rng.normal(0, 5, (40, 400, 2))
    assert not find_fiducials(dots.reshape(-1, 2)).rows


def write_fields(folder: Path, seeds: range) -> Path:
    folder.mkdir()
    for seed in seeds:
        xy, frame, _, _ = field(beads=1, count=25, seed=seed)
        rows = np.column_stack([frame, xy + 1000])
        np.savetxt(
            folder / f"FOV{seed}.csv", rows, "%.2f", delimiter=",", header='"frame","x [nm]","y [nm]"', comments=""
        )
    return folder


def test_a_folder_of_fields_is_picked_field_by_field(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "fields", range(1, 4))
    picked = pick(folder, tmp_path / "out.hdf5", Reading(), PickSettings())
    assert 71 <= picked.particles <= 75
    assert len(open_dataset(picked.path)) == picked.particles
    assert "3 fiducial beads" in " ".join(picked.said)
    with picked.table.open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [row["group"] for row in rows] == [str(group) for group in range(picked.particles)]
    assert {row["particle"].split("/")[0] for row in rows} == {"FOV1", "FOV2", "FOV3"}
    for seed in (1, 3):
        own = np.array(
            [[float(row["x [nm]"]), float(row["y [nm]"])] for row in rows if row["particle"].startswith(f"FOV{seed}/")]
        )
        assert (cKDTree(own).query(field(beads=1, count=25, seed=seed)[2] + 1000)[0] < 20).mean() >= 0.9


def test_limits_have_the_names_of_the_field_and_the_old_ones_work() -> None:
    said = CliRunner().invoke(main, ["pick", "--help"]).output
    for name in ("--min-diameter", "--max-diameter", "--min-localisations", "--max-localisations"):
        assert name in said
    for name in ("--smallest", "--largest", "--fewest", "--most "):
        assert name not in said
    for low, high in (("--fewest", "--most"), ("--min-localisations", "--max-localisations")):
        result = CliRunner().invoke(main, ["pick", "nowhere.csv", "out.hdf5", low, "9", high, "5"])
        assert "--min-localisations 9: is above" in str(result.exception) + result.output

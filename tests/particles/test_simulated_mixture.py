"""Particles of several structures in one simulated data set, and the truth about them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.particles.data import open_dataset
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_mixture import mixed

PLUS = np.array([[40, 0, 0], [-20, 30, 0], [-20, -30, 0], [0, 0, 20], [0, 0, -20]], dtype=float)
ARC = np.array([[-60, 0, 9], [-20, 0, -9], [20, 0, -9], [60, 0, 9]], dtype=float)


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def clouds(tmp_path: Path) -> Path:
    write_cloud(tmp_path / "plus.ply", PLUS)
    write_cloud(tmp_path / "arc.ply", ARC)
    return tmp_path


def test_every_particle_keeps_its_localisations_its_pose_and_its_structure(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    parts = [
        simulate(points, count, shift_nm=5, in_plane=2, dimensions=3, generator=generator)
        for points, count in ((PLUS, 12), (ARC, 8))
    ]
    made = mixed(parts, generator, in_plane=2)
    assert made.structure is not None and made.structure.bincount().tolist() == [24, 16]
    assert made.structure[0::2].equal(made.structure[1::2]) and not made.structure.equal(made.structure.sort().values)
    for particle, structure in enumerate(made.structure.tolist()):
        points = torch.from_numpy(made.structures[structure]).float()
        expected = points @ made.rotation[particle].T + made.shift[particle]
        here = made.positions[made.offsets[particle] : made.offsets[particle + 1]]
        torch.testing.assert_close(here, expected, atol=1e-3, rtol=0)


def test_the_folder_holds_the_truth_about_each_particle(clouds: Path) -> None:
    out = clouds / "data"
    assert invoke("simulate", clouds / "arc.ply", out).exit_code == 0 and (out / "truth.ply").is_file()
    words = [
        "simulate",
        clouds / "plus.ply",
        out,
        "--also",
        clouds / "arc.ply",
        0.25,
        "--images",
        80,
        "--dimensions",
        3,
    ]
    said = invoke(*words, "--overwrite")
    assert said.exit_code == 0 and "--structures 2" in said.output
    assert sorted(path.name for path in out.glob("truth*.ply")) == ["truth-1.ply", "truth-2.ply"]
    assert len(read_cloud(out / "truth-2.ply").points) == len(ARC)
    with (out / "truth_poses.csv").open() as file:
        structure = [int(row["structure"]) for row in csv.DictReader(file)]
    assert np.bincount(structure).tolist() == [0, 60, 20]
    counts = open_dataset(out).counts
    assert counts is not None and counts.tolist() == [len((PLUS, ARC)[one - 1]) for one in structure]


def test_shares_that_leave_nothing_for_the_first_structure_are_refused(clouds: Path) -> None:
    said = invoke("simulate", clouds / "arc.ply", clouds / "none", "--also", clouds / "plus.ply", 0.99, "--images", 20)
    assert said.exit_code == 1 and "--also" in said.output and not (clouds / "none").exists()

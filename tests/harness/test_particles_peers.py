"""The comparison of reconstructions with other programs, without those programs."""

import math

import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial.transform import Rotation

from holly_triton.harness.frames_peers.environments import UnavailableError
from holly_triton.harness.particles_peers import __main__ as command
from holly_triton.harness.particles_peers import averages, mesh, relion
from holly_triton.harness.particles_peers.averages import Particles, in_poses, turned
from holly_triton.harness.particles_peers.figures import ring_figures
from holly_triton.harness.particles_peers.records import AverageRow
from holly_triton.harness.rows import read_table

RADIUS, APART = 50.0, 65.0


def pore(count, rng, scatter=4.0):
    """Localisations of two rings of eight spots ``[count, 3]``, one turned by 15 degrees against the other."""
    upper = rng.random(count) < 0.5
    angle = 2 * np.pi * rng.integers(8, size=count) / 8 + np.where(upper, np.radians(15), 0)
    places = np.column_stack([RADIUS * np.cos(angle), RADIUS * np.sin(angle), APART * (upper - 0.5)])
    return places + scatter * rng.normal(size=(count, 3))


def test_the_figures_of_a_pore_are_found_in_any_orientation():
    rng = np.random.default_rng(0)
    points = pore(4000, rng) @ Rotation.random(random_state=1).as_matrix().T + [300, -20, 5]
    ring = ring_figures(points)
    expected = math.exp(-((8 * 4 / RADIUS) ** 2) / 2)  # of normal scatter along the ring
    assert ring.radius_nm == pytest.approx(RADIUS, abs=1) and ring.width_nm == pytest.approx(4, abs=0.6)
    assert ring.layers_nm == pytest.approx(APART, abs=1.5) and ring.amplitude == pytest.approx(expected, abs=0.06)
    flat = ring_figures(pore(4000, rng)[:, :2] + [7, 7])
    assert flat.radius_nm == pytest.approx(RADIUS, abs=1) and math.isnan(flat.layers_nm)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_poses_of_a_run_put_turned_particles_back(tmp_path, dimensions):
    rng = np.random.default_rng(2)
    particle = np.repeat(np.arange(20), 30)
    centred = np.concatenate([part - part.mean(0) for part in pore(600, rng)[:, :dimensions].reshape(20, 30, -1)])
    registered = Particles("pores", centred, particle, -1)
    given = turned(registered, 3)
    assert not np.allclose(given.xyz, registered.xyz)
    lines = ["picture,rx,ry,rz,tx_nm,ty_nm,tz_nm"]
    for number in range(20):
        own, moved = (some.xyz[some.particle == number] for some in (registered, given))
        solid = [np.column_stack([part, np.zeros(len(part))])[:, :3] for part in (moved, own)]
        turn = Rotation.align_vectors(*solid)[0]
        lines.append(",".join(map(str, [number, *turn.as_rotvec(), 0, 0, 0])))
    (tmp_path / "poses.csv").write_text("\n".join(lines))
    assert np.allclose(in_poses(given, tmp_path / "poses.csv"), registered.xyz, atol=1e-6)


def test_points_are_made_of_a_volume_and_its_resolution_is_read():
    rng = np.random.default_rng(4)
    truth = rng.uniform(-8, 8, (12, 3)) * 10  # nm
    volume = mesh.drawn(truth, 32, 10.0)
    for way, points in relion.points_of(volume, 12, 5).items():
        from_truth = np.linalg.norm((points - 16)[:, None] * 10 - truth, axis=2).min(1)
        assert len(points) <= 12 and np.median(from_truth) < 20, way
    assert math.isnan(mesh.half_correlation(volume, truth, 10.0))  # alike at every resolution
    coarse = mesh.half_correlation(volume, truth + 12 * rng.normal(size=truth.shape), 10.0)
    worse = mesh.half_correlation(volume, truth + 30 * rng.normal(size=truth.shape), 10.0)
    assert 20 < coarse < worse


def test_relion_is_given_the_half_pixel_between_the_conventions(tmp_path):
    relion._write(np.random.default_rng(0).random((3, 8, 8)), tmp_path / "p.star")
    rows = (tmp_path / "p.star").read_text().splitlines()[-3:]
    assert [row.split()[2:] for row in rows] == [["2", "2"]] * 3  # of pixels of 4 Å
    assert rows[1].split()[0].startswith("000002@")


def test_programs_that_are_not_there_are_left_out_with_the_reason(tmp_path, monkeypatch):
    def absent(*_):
        raise UnavailableError("not to be had")

    rng = np.random.default_rng(6)
    cells = np.empty(9, dtype=object)
    cells[:] = [pore(20, rng)[:, :2].T for _ in range(9)]
    savemat(tmp_path / "pores.mat", {"Superparticle": cells})
    for module, name in ((averages, "run_picasso"), (averages, "run_ours"), (mesh, "run_relion"), (mesh, "run_ours")):
        monkeypatch.setattr(module, name, absent)
    (tmp_path / "mesh.xyz").write_text("\n".join(f"{x} {y} {z}" for x, y, z in rng.random((20, 3))))
    given = ["--particles", str(tmp_path / "pores.mat"), "--mesh", str(tmp_path / "mesh.xyz"), "--pictures", "3"]
    for _ in range(2):  # a second run replaces the rows of the first
        assert command.main([*given, "--reports", str(tmp_path / "reports")]) == 0
    (row,) = read_table(tmp_path / "reports" / "averages.csv", AverageRow)
    assert row.program.startswith("as registered") and row.radius_nm == pytest.approx(RADIUS, abs=1)
    # About the centroids of so few localisations, the order would be blurred.
    assert row.amplitude == pytest.approx(math.exp(-((8 * 4 / RADIUS) ** 2) / 2) * math.cos(math.radians(60)), abs=0.1)
    report = (tmp_path / "reports" / "peers.md").read_text()
    for program in ("Picasso", "RELION", "holly-triton"):
        assert f"{program} was left out: not to be had" in report

"""Results in the files of other programs, read back with their own conventions."""

import csv
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

from holly_triton.cli import main
from holly_triton.core.config import write_config
from holly_triton.core.errors import HollyError
from holly_triton.geometry import mirror
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.ply import write_ply
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.config import Config
from holly_triton.particles.run import export
from holly_triton.particles.run.export import FORMATS, density, export_run, run_sigma_nm, write_star, write_volume

NAMES = ["17", "4/0", "of cell 3", 'a "quoted" one', "#9", "data_x"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run: 30 points, 6 poses, one of them seen along z and one from behind."""
    rng = np.random.default_rng(0)
    run = tmp_path / "run"
    run.mkdir()
    write_cloud(run / "cloud.ply", rng.normal(scale=(60, 40, 20), size=(30, 3)))
    write_figures(run, sigma_nm=4.0, blur_nm=3.0)
    turns = Rotation.random(6, rng).as_rotvec()
    turns[0], turns[1] = 0, [np.pi, 0, 0]
    with (run / "poses.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "rx", "ry", "rz", "tx_nm", "ty_nm", "sigma_nm", "loss"])
        writer.writerows([name, *turn, *rng.normal(size=2), 5, 1] for name, turn in zip(NAMES, turns, strict=True))
    return run


def write_figures(folder: Path, **figures: Any) -> None:
    (folder / "metrics.json").write_text(json.dumps(figures))


def read_star(path: Path) -> tuple[list[str], list[list[str]]]:
    """Labels and rows of the table of particles."""
    lines = path.read_text().split("\ndata_particles\n")[1].split("loop_\n")[1].splitlines()
    labels = [line.split()[0] for line in lines if line.startswith("_")]
    words = [re.findall(r'"[^"]*"|\S+', line) for line in lines if line and not line.startswith("_")]
    return labels, [[word.strip('"') for word in row] for row in words]


def relion_matrix(rot: float, tilt: float, psi: float) -> np.ndarray:
    """Heymann et al. 2005, equation 3: positions in the volume to positions in the picture; degrees."""
    (ca, cb, cg), (sa, sb, sg) = (f(np.deg2rad([rot, tilt, psi])) for f in (np.cos, np.sin))
    about_z = np.array([[ca, sa, 0], [-sa, ca, 0], [0, 0, 1]])
    about_y = np.array([[cb, 0, -sb], [0, 1, 0], [sb, 0, cb]])
    about_new_z = np.array([[cg, sg, 0], [-sg, cg, 0], [0, 0, 1]])
    return about_new_z @ about_y @ about_z


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".xyz", ".csv"])
@pytest.mark.parametrize("mirror", [False, True])
def test_clouds_come_in_both_hands(run: Path, tmp_path: Path, suffix: str, mirror: bool) -> None:
    out = tmp_path / f"out{suffix}"
    export_run(run, out, mirror=mirror)
    points, hand = read_cloud(run / "cloud.ply").points, [1, 1, -1 if mirror else 1]
    np.testing.assert_allclose(read_cloud(out).points, points * hand, atol=1e-6)


def test_picasso_gets_the_points_and_their_sigma(run: Path, tmp_path: Path) -> None:
    export_run(run, tmp_path / "out.hdf5")
    field, points = read_rows(tmp_path / "out.hdf5", Reading()).whole(), read_cloud(run / "cloud.ply").points
    camera, own = yaml.safe_load_all((tmp_path / "out.yaml").read_text())
    moved = camera["Pixelsize"] * np.array([*own["Moved by (cam. pixels)"], 0])
    np.testing.assert_allclose(field.xyz - moved, points, atol=1e-3)
    assert field.precision is not None and field.photons is None
    np.testing.assert_allclose(field.precision, 5, rtol=1e-6)


def test_a_volume_lies_where_the_points_are(tmp_path: Path) -> None:
    one = np.array([[30.0, -20.0, 10.0]])
    write_volume(tmp_path / "out.mrc", one, sigma_nm=4.0, voxel_nm=2.0)
    assert mrcfile.validate(tmp_path / "out.mrc")
    with mrcfile.open(tmp_path / "out.mrc") as file:
        origin, voxel = (np.array([value.x, value.y, value.z]) for value in (file.header.origin, file.voxel_size))
        section, row, column = np.unravel_index(file.data.argmax(), file.data.shape)
        axes = [int(file.header[name]) for name in ("mapc", "mapr", "maps")]
        labels = b" ".join(file.header.label).decode()
        # RELION turns a volume about voxel size // 2: that is where the cloud has its origin.
        np.testing.assert_allclose(origin, -voxel * (file.data.shape[0] // 2))
    np.testing.assert_allclose(voxel, 20)  # Angstrom
    np.testing.assert_allclose(origin + voxel * [column, row, section], 10 * one[0], atol=1e-3)
    assert axes == [1, 2, 3] and "points per nm^3" in labels and "sigma 4 nm" in labels


@pytest.mark.parametrize("voxel_nm", [1.0, 4.0, 15.0])
def test_a_volume_holds_every_point_once_whatever_its_voxels(voxel_nm: float) -> None:
    volume = density(np.array([[3.3, -8.1, 20.2], [1.1, 5.7, -0.4]]), 4.0, voxel_nm, int(50 / voxel_nm) + 1)
    assert volume.sum(dtype=float) * voxel_nm**3 == pytest.approx(2, rel=1e-5)


def test_a_point_is_as_wide_as_sigma() -> None:
    point, voxel_nm, half = np.array([3.3, -8.1, 20.2]), 2.0, 30
    share = density(point[None], 4.0, voxel_nm, half).astype(float) * voxel_nm**3
    ticks = (np.arange(2 * half) - half) * voxel_nm
    for axis, others in enumerate([(0, 1), (0, 2), (1, 2)]):  # x is the last axis of the array
        profile = share.sum(axis=others)
        middle = profile @ ticks
        assert middle == pytest.approx(point[axis], abs=1e-3)
        # The mean over a voxel adds the variance of its box.
        assert profile @ (ticks - middle) ** 2 == pytest.approx(4.0**2 + voxel_nm**2 / 12, rel=1e-4)


def test_voxels_are_a_third_of_sigma_unless_asked_for(run: Path, tmp_path: Path) -> None:
    for voxel_nm, expected in ((None, 5 / 3), (2.5, 2.5)):
        export_run(run, tmp_path / "out.mrc", voxel_nm=voxel_nm)
        with mrcfile.open(tmp_path / "out.mrc") as file:
            assert file.voxel_size.x == pytest.approx(10 * expected, rel=1e-5)


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    for suffix in FORMATS:
        outs = [tmp_path / f"{name}{suffix}" for name in ("a", "b")]
        for out in outs:
            export_run(run, out)
        assert outs[0].read_bytes() == outs[1].read_bytes()


def test_voxels_too_small_to_hold_are_refused_and_a_size_that_fits_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LARGEST_SIDE", 60)
    export_run(run, tmp_path / "default.mrc")
    with mrcfile.open(tmp_path / "default.mrc") as volume:
        assert volume.data.shape[0] <= 63  # a voxel or two are added at the rim
    with pytest.raises(HollyError, match="use voxels of") as error:
        export_run(run, tmp_path / "out.mrc", voxel_nm=0.01)
    named = re.search(r"voxels of ([0-9.]+) nm or more", str(error.value))
    assert named
    export_run(run, tmp_path / "out.mrc", voxel_nm=float(named[1]))
    with pytest.raises(HollyError, match="show nothing") as error:
        export_run(run, tmp_path / "out.mrc", voxel_nm=1e6)
    named = re.search(r"voxels of ([0-9.]+) nm or less", str(error.value))
    assert named
    export_run(run, tmp_path / "out.mrc", voxel_nm=float(named[1]))
    for voxel_nm in (0.0, -1.0, float("nan")):
        with pytest.raises(HollyError, match="above 0 nm"):
            export_run(run, tmp_path / "out.mrc", voxel_nm=voxel_nm)


@pytest.mark.parametrize("mirror", [False, True])
def test_projecting_in_the_poses_of_the_star_file_gives_the_same_pictures(
    run: Path, tmp_path: Path, mirror: bool
) -> None:
    out, other = tmp_path / "poses.star", tmp_path / "cloud.ply"
    export_run(run, out, mirror=mirror)
    export_run(run, other, mirror=mirror)
    own, exported = read_cloud(run / "cloud.ply").points, read_cloud(other).points
    labels, rows = read_star(out)
    with (run / "poses.csv").open() as file:
        poses = [*csv.DictReader(file)]
    assert len(rows) == len(poses)
    for pose, row in zip(poses, rows, strict=True):
        turn = Rotation.from_rotvec([float(pose[name]) for name in ("rx", "ry", "rz")]).as_matrix()
        seen = (own @ turn.T)[:, :2] + [float(pose["tx_nm"]), float(pose["ty_nm"])]
        cell = dict(zip(labels, row, strict=True))
        angles = (float(cell[f"_rlnAngle{name}"]) for name in ("Rot", "Tilt", "Psi"))
        origin = np.array([float(cell[f"_rlnOrigin{axis}Angst"]) for axis in "XY"])
        # RELION moves the picture by the origin, after which the particle lies in its middle.
        projected = 10 * (exported @ relion_matrix(*angles).T)[:, :2] - origin
        np.testing.assert_allclose(projected, 10 * seen, atol=1e-3)


def test_names_stay_one_word_each(run: Path, tmp_path: Path) -> None:
    export_run(run, tmp_path / "poses.star")
    labels, rows = read_star(tmp_path / "poses.star")
    found = [row[labels.index("_rlnImageName")] for row in rows]
    assert found == ["17", "4/0", "of cell 3", "a 'quoted' one", "#9", "data_x"]


def test_no_poses_are_a_table_without_rows(tmp_path: Path) -> None:
    write_star(tmp_path / "poses.star", [], np.empty((0, 3)), np.empty((0, 2)))
    assert read_star(tmp_path / "poses.star")[1] == []


def test_sigma_of_a_study_is_its_resolution_or_the_widest_of_its_repeats(run: Path) -> None:
    assert run_sigma_nm(run) == pytest.approx(5)
    # FSC = exp(-4 pi^2 sigma^2 k^2) = 0.143 at k = 1 / 18 nm.
    write_figures(run, resolution={"resolution": 18.0, "limit": 2.0})
    assert run_sigma_nm(run) == pytest.approx(18 / 4.505, rel=1e-3)
    write_figures(run, resolution={"resolution": None, "limit": 9.0})
    assert run_sigma_nm(run) == pytest.approx(9 / 4.505, rel=1e-3)

    write_figures(run, consensus={})
    write_config(run / "config.toml", dataclasses.replace(Config(data="d.csv"), repeats=2))
    for repeat, sigma in ((1, 4.0), (2, 6.0)):
        (run / f"repeat-{repeat}").mkdir()
        write_figures(run / f"repeat-{repeat}", sigma_nm=sigma, blur_nm=0.0)
    assert run_sigma_nm(run) == pytest.approx(6)


def test_what_is_not_there_is_said_in_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="nowhere: is no folder"):
        export_run(tmp_path / "nowhere", tmp_path / "cloud.unknown")
    with pytest.raises(HollyError, match=r"no format that is known; those are \.obj, .*\.hdf5, \.mrc, \.star"):
        export_run(run, tmp_path / "out.stl")
    with pytest.raises(HollyError, match="has no voxels"):
        export_run(run, tmp_path / "out.ply", voxel_nm=2.0)
    with pytest.raises(HollyError, match=r"holds no cloud\.ply"):
        export_run(tmp_path, tmp_path / "out.ply")
    (run / "poses.csv").unlink()
    with pytest.raises(HollyError, match=r"holds no poses\.csv.*half-1"):
        export_run(run, tmp_path / "out.star")
    write_figures(run, sigma_nm=None)
    with pytest.raises(HollyError, match="does not say sigma_nm"):
        export_run(run, tmp_path / "out.mrc")
    (run / "metrics.json").unlink()
    with pytest.raises(HollyError, match=r"metrics\.json: cannot be read"):
        export_run(run, tmp_path / "out.hdf5")
    with pytest.raises(HollyError, match="cannot be written"):
        export_run(run, tmp_path / "none" / "out.ply")


@pytest.mark.parametrize("mirrored", [False, True])
def test_an_amplitude_moves_the_points_by_so_many_standard_deviations(
    run: Path, tmp_path: Path, mirrored: bool
) -> None:
    points = read_cloud(run / "cloud.ply").points + 1  # of amplitude 0, which the cloud is near
    displacement = np.random.default_rng(1).normal(size=points.shape)
    write_ply(run / "deformation.ply", points, ["unit nm"], displacements=displacement)
    write_figures(run, sigma_nm=4.0, blur_nm=3.0, deformation={"sd_nm": 5.0})
    for amplitude in (-1.5, 0.0, 2.0):
        export_run(run, tmp_path / "out.ply", amplitude=amplitude, mirror=mirrored)
        moved = points + amplitude * 5.0 * displacement
        np.testing.assert_allclose(read_cloud(tmp_path / "out.ply").points, mirror(moved) if mirrored else moved)
    with pytest.raises(HollyError, match="holds poses"):
        export_run(run, tmp_path / "out.star", amplitude=1.0)


def test_an_amplitude_of_a_run_without_a_deformation_is_one_line(run: Path, tmp_path: Path) -> None:
    for words in (["export", str(run), str(tmp_path / "out.ply")], ["render", str(run)]):
        result = CliRunner().invoke(main, [*words, "--amplitude", "-2"])
        assert result.exit_code == 1 and "holds no deformation" in result.output
        assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out.ply").exists()


def test_a_file_that_is_there_is_replaced_only_if_asked(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ply"
    out.write_text("another")
    words = ["export", str(run), str(out)]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1 and "--overwrite" in refused.output and out.read_text() == "another"
    assert CliRunner().invoke(main, [*words, "--overwrite"]).exit_code == 0
    assert out.read_bytes().startswith(b"ply")

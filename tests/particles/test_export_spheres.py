"""Clouds as spheres for ChimeraX and Blender, read back by what those formats define."""

import json
from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.channels import PointChannels
from holly_triton.io.clouds import write_cloud
from holly_triton.particles.run import spheres
from holly_triton.particles.run.export import export_run
from holly_triton.particles.run.spheres import sphere_colours, write_bild, write_gltf

POINTS = np.random.default_rng(0).normal(scale=(60, 40, 20), size=(30, 3))


def test_bild_has_a_sphere_for_each_point_in_angstrom(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_cloud(tmp_path / "run" / "cloud.ply", POINTS)
    export_run(tmp_path / "run", tmp_path / "out.bild")
    rows = [line.split() for line in (tmp_path / "out.bild").read_text().splitlines()]
    drawn = np.array([row[1:] for row in rows if row[0] == ".sphere"], float)
    assert drawn[:, :3] == pytest.approx(10 * POINTS, abs=1e-3)
    assert (drawn[:, 3] > 0).all() and len(set(drawn[:, 3])) == 1
    assert {row[0] for row in rows} == {".comment", ".color", ".sphere"}


def test_colours_show_the_spread_where_it_is_known(tmp_path: Path) -> None:
    spread = np.linspace(1, 9, 30)
    spread[4] = np.nan
    write_bild(tmp_path / "a.bild", POINTS, sphere_colours(POINTS, spread))
    colours = [line for line in (tmp_path / "a.bild").read_text().splitlines() if line.startswith(".color")]
    assert len(set(colours)) > 20
    assert colours[4] == colours[-1]


def test_colours_show_the_channels_where_there_are_several(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write_cloud(tmp_path / "run" / "cloud.ply", POINTS, PointChannels.of_sizes([20, 10], ["Nup", "Tub"]))
    export_run(tmp_path / "run", tmp_path / "all.bild")
    colours = [line for line in (tmp_path / "all.bild").read_text().splitlines() if line.startswith(".color")]
    assert colours[0] == colours[19] != colours[20] == colours[29]
    export_run(tmp_path / "run", tmp_path / "one.bild", channel="Tub")
    assert (tmp_path / "one.bild").read_text().count(".sphere") == 10


def test_gltf_is_a_mesh_of_coloured_spheres_in_nm(tmp_path: Path) -> None:
    pytest.importorskip("pyvista", reason="pyvista makes the mesh")
    write_gltf(tmp_path / "a.gltf", POINTS, sphere_colours(POINTS, None))
    about = json.loads((tmp_path / "a.gltf").read_text())
    assert all(buffer["uri"].startswith("data:") for buffer in about["buffers"])
    (primitive,) = [one for mesh in about["meshes"] for one in mesh["primitives"]]
    places = about["accessors"][primitive["attributes"]["POSITION"]]
    assert places["count"] > 30 * spheres.FACETS
    radius = spheres.sphere_radius(POINTS)
    assert np.array(places["max"]) == pytest.approx(POINTS.max(axis=0) + radius, abs=0.1 * radius)
    assert "COLOR_0" in primitive["attributes"]


def test_too_many_points_for_a_mesh_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spheres, "MOST_SPHERES", 29)
    with pytest.raises(HollyError, match=r"30 points.*\.ply"):
        write_gltf(tmp_path / "a.gltf", POINTS, sphere_colours(POINTS, None))
    assert list(tmp_path.iterdir()) == []

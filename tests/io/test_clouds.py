"""Clouds in files, and the structure that ships as a formula."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from plyfile import PlyData, PlyElement

from holly_triton.core.errors import HollyError
from holly_triton.io.clouds import FORMATS, read_cloud, write_cloud
from holly_triton.particles.config import UNIT_NM
from holly_triton.structures import cep152

OBJS = Path(__file__).parents[2] / "../shared/data/holly/objs"

TETRAHEDRON = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])

ROUNDING_NM = {".ply": 0.0, ".obj": 5.1e-7, ".xyz": 5.1e-7, ".csv": 5.1e-7}
"""PLY is binary; text keeps six decimals."""

clouds = arrays.arrays(
    np.float64, st.tuples(st.integers(0, 16), st.just(3)), elements=st.floats(-1e4, 1e4, allow_nan=False)
).map(lambda points: np.concatenate([points, 1e3 * TETRAHEDRON]))


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=clouds)
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, points: np.ndarray) -> None:
    path = tmp_path / f"cloud{suffix}"
    write_cloud(path, points)
    cloud = read_cloud(path, unit_nm=123.0)
    assert cloud.unit_nm == 1.0, "a file that says nm ignores unit_nm"
    np.testing.assert_allclose(cloud.points, points, rtol=0, atol=ROUNDING_NM[suffix])


@pytest.mark.parametrize("suffix", FORMATS)
def test_bytes_follow_from_the_points_alone(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in ("one", "another")]
    for path in paths:
        write_cloud(path, cep152())
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert b"nm" in paths[0].read_bytes()[:100]


def test_a_cloud_without_a_unit_is_scaled_by_the_paper_s_unit_or_the_given_one(tmp_path: Path) -> None:
    path = tmp_path / "cloud.xyz"
    np.savetxt(path, TETRAHEDRON)
    np.testing.assert_allclose(read_cloud(path).points, TETRAHEDRON * UNIT_NM)
    cloud = read_cloud(path, unit_nm=2.5)
    np.testing.assert_allclose(cloud.points, TETRAHEDRON * 2.5)
    assert (cloud.unit_nm, cloud.source) == (2.5, str(path))


def test_obj_reads_vertices_only_and_keeps_those_that_repeat(tmp_path: Path) -> None:
    path = tmp_path / "mesh.OBJ"
    path.write_text("# mesh\nvn 9 9 9\nv 0 0 0\nv 1 0 0 1.0\nvt 0 0\nv 0 1 0\nv 0 0 1\nv 0 0 1\nf 1 2 3\n")
    np.testing.assert_array_equal(read_cloud(path, 1.0).points, TETRAHEDRON[[0, 1, 2, 3, 3]])


@pytest.mark.parametrize(("text", "byte_order"), [(True, "="), (False, "<"), (False, ">")])
def test_ply_of_a_mesh_program_is_read(tmp_path: Path, text: bool, byte_order: str) -> None:
    fields = [("nx", "f4"), ("x", "f4"), ("y", "f4"), ("z", "f4"), ("red", "u1")]
    vertices = np.array([(7.0, *point, 255) for point in TETRAHEDRON], dtype=fields)
    faces = np.array([([0, 1, 2],), ([0, 1, 3],)], dtype=[("vertex_indices", "i4", (3,))])
    elements = [PlyElement.describe(vertices, "vertex"), PlyElement.describe(faces, "face")]
    PlyData(elements, text=text, byte_order=byte_order).write(str(tmp_path / "mesh.ply"))
    np.testing.assert_array_equal(read_cloud(tmp_path / "mesh.ply", 1.0).points, TETRAHEDRON)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("counted.xyz", "4\na molecule\nC 0 0 0\nC 1 0 0\nH 0 1 0\nO 0 0 1\n"),
        ("counted_plain.xyz", "4\n\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n\n"),
        ("plain.xyz", "# points\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n"),
        ("no_header.csv", "0,0,0\n1,0,0\n0,1,0\n0,0,1\n"),
        ("header.csv", "x,y,z\n0,0,0\n1,0,0\n0,1,0\n0,0,1\n"),
        ("more_columns.csv", "# made by hand\nname;Z;X;Y\na;0;0;0\nb;0;1;0\nc;0;0;1\nd;1;0;0\n"),
        ("windows.csv", "\ufeffx,y,z\r\n0,0,0\r\n1,0,0\r\n0,1,0\r\n0,0,1\r\n"),
    ],
)
def test_text_clouds_are_read_in_every_dialect(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_cloud(tmp_path / name, 1.0).points, TETRAHEDRON)


@pytest.mark.parametrize("unit", ["um", "µm", "micron"])
def test_a_stated_micrometre_is_a_thousand_nanometres(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "cloud.csv"
    path.write_text(f"x [{unit}],y [{unit}],z [{unit}]\n0,0,0\n1,0,0\n0,1,0\n0,0,1\n", encoding="utf-8")
    np.testing.assert_array_equal(read_cloud(path).points, TETRAHEDRON * 1000)


BAD_CLOUDS = [
    ("two.csv", "0,0,0\n1,0,0\n", "holds 2 points; a cloud needs at least 4"),
    ("one_line.xyz", "0 0 0\n", "holds 1 points"),
    ("empty.obj", "", "holds 0 points"),
    ("empty.csv", "", "is empty"),
    ("nan.csv", "0,0,0\n1,0,nan\n0,inf,0\n0,0,1\n", "2 of 4 points hold NaN or infinity"),
    ("cloud.stl", "solid", "not a cloud format that is known; those are .obj, .ply, .xyz, .csv"),
    ("promise.xyz", "99999999999\n\nC 0 0 0\n", "promises 99999999999 points in its first line and holds 1"),
    ("frames.xyz", "1\n\nC 0 0 0\n1\n\nC 0 0 0\n", "promises 1 points in its first line"),
    ("words.xyz", "0 0 0\none two three\n", "cannot be read as a point cloud"),
    ("short.obj", "v 0 0 0\nv 1 0\n", "cannot be read as a point cloud"),
    ("columns.csv", "a,b\n1,2\n", "needs the columns x, y and z; found a, b"),
    ("units.csv", "x [nm],y [um],z [nm]\n0,0,0\n", "must share one unit"),
    ("inches.csv", "x [in],y [in],z [in]\n0,0,0\n", "must share one unit, nm or um"),
    ("cell.csv", "x,y,z\n0,0,0\n1,many,0\n", "could not convert string 'many' to float64 in line 3"),
    ("text.ply", "not a ply at all\n", "cannot be read as PLY"),
    (
        "faces.ply",
        "ply\nformat ascii 1.0\nelement face 0\nproperty int a\nend_header\n",
        "cannot be read as PLY",
    ),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_CLOUDS, ids=[name for name, _, _ in BAD_CLOUDS])
def test_a_bad_cloud_ends_in_one_line_that_names_it(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(HollyError) as caught:
        read_cloud(tmp_path / name)
    line = str(caught.value)
    assert line.startswith(str(tmp_path / name)) and message in line and "\n" not in line


@pytest.mark.parametrize("form", ["ascii 1.0", "binary_little_endian 1.0"])
def test_a_ply_that_promises_more_than_it_can_hold_is_refused_before_memory_is_asked_for(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "promise.ply"
    properties = "".join(f"property double {axis}\n" for axis in "xyz")
    path.write_text(f"ply\nformat {form}\nelement vertex 1000000000000\n{properties}end_header\n0 0 0\n")
    with pytest.raises(HollyError, match="promises 1000000000000 rows, more than its [0-9]+ bytes can hold"):
        read_cloud(path)


def test_a_truncated_binary_ply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.ply"
    write_cloud(path, cep152())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(HollyError, match="cannot be read as PLY"):
        read_cloud(path)


def test_a_missing_cloud_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.ply", tmp_path):
        with pytest.raises(HollyError, match="is no file; give a cloud"):
            read_cloud(path)


def test_a_cloud_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HollyError, match=r"cloud\.ply: cannot be written \(Not a directory\)"):
        write_cloud(tmp_path / "file" / "cloud.ply", TETRAHEDRON)
    with pytest.raises(HollyError, match="not a cloud format"):
        write_cloud(tmp_path / "cloud.png", TETRAHEDRON)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cloud.csv"
    write_cloud(path, TETRAHEDRON)
    before = path.read_bytes()

    def disk_full(file: Path, *_: object, **__: object) -> None:
        file.write_text("half a")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savetxt", disk_full)
    with pytest.raises(HollyError, match="No space left on device"):
        write_cloud(path, TETRAHEDRON + 1)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["cloud.csv"]


def test_cep152_is_two_cylinders_at_the_paper_s_scale() -> None:
    points = cep152() / UNIT_NM
    assert points.shape == (112, 3)
    torus, cartwheel = points[:72], points[72:]
    np.testing.assert_allclose(np.hypot(torus[:, 0], torus[:, 2]), 0.6)
    np.testing.assert_allclose(np.hypot(cartwheel[:, 0], cartwheel[:, 1] - 0.0628), 0.21)
    assert len(np.unique(points.round(6), axis=0)) == 112


def test_cep152_is_the_mesh_of_the_paper() -> None:
    path = OBJS / "susan_scaled_gt.obj"
    if not path.exists():
        pytest.skip("the paper's mesh is not beside this repository")
    mesh = np.unique(read_cloud(path).points, axis=0)
    assert mesh.shape == (112, 3)
    distance = np.linalg.norm(mesh[:, None] - cep152(), axis=2)
    # The mesh is written with six decimals of 297 nm.
    assert max(distance.min(axis=0).max(), distance.min(axis=1).max()) < 1e-3


@pytest.mark.parametrize("points", [np.ones((5, 3)), np.outer(np.arange(5.0), (1, 2, 3))], ids=["equal", "in a line"])
def test_points_that_look_the_same_from_everywhere_are_refused(tmp_path: Path, points: np.ndarray) -> None:
    np.savetxt(tmp_path / "cloud.xyz", points)
    with pytest.raises(HollyError, match="all equal or in one line"):
        read_cloud(tmp_path / "cloud.xyz")


def test_ply_with_other_elements_before_its_vertices_is_read(tmp_path: Path) -> None:
    before = np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "u1"), ("b", "f4")])
    vertices = TETRAHEDRON.astype("<f8").view([(axis, "<f8") for axis in "zyx"]).ravel()
    for text in (True, False):
        elements = [PlyElement.describe(before, "camera"), PlyElement.describe(vertices, "vertex")]
        PlyData(elements, text=text, byte_order="<").write(str(tmp_path / "a.ply"))
        np.testing.assert_array_equal(read_cloud(tmp_path / "a.ply", 1.0).points, TETRAHEDRON[:, ::-1])


@pytest.mark.parametrize("count", [4, 9], ids=["lists before the vertices", "too few rows"])
def test_ply_whose_vertices_cannot_be_found_is_refused(tmp_path: Path, count: int) -> None:
    faces = np.array([([0, 1, 2],)], dtype=[("vertex_indices", "i4", (3,))])
    vertices = TETRAHEDRON.astype("<f8").view([(axis, "<f8") for axis in "xyz"]).ravel()
    elements = [PlyElement.describe(faces, "face"), PlyElement.describe(vertices, "vertex")]
    PlyData(elements, text=count == 9).write(str(tmp_path / "a.ply"))
    content = (tmp_path / "a.ply").read_bytes().replace(b"vertex 4", b"vertex %d" % count)
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(HollyError, match=r"lists come before its vertices|ends after 4 of 9 vertices"):
        read_cloud(tmp_path / "a.ply", 1.0)

"""Structures by formula: their dimensions and symmetries, and how they are asked for by name."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import loadmat
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.units import UNIT_NM
from holly_triton.structures import STRUCTURES, read_structure
from holly_triton.validation.alignment import align

SHARED = Path(__file__).parents[2] / "../shared/data"
MIRROR = np.diag([1.0, 1.0, -1.0])


def spread(points: np.ndarray, other: np.ndarray) -> float:
    """Largest distance from a point of either cloud to the other, nm."""
    return max(cKDTree(points).query(other)[0].max(), cKDTree(other).query(points)[0].max())


def about_z(degrees: float) -> np.ndarray:
    return Rotation.from_euler("z", degrees, degrees=True).as_matrix()


@pytest.mark.parametrize("name", STRUCTURES)
def test_sites_are_distinct_finite_and_in_nm(name: str) -> None:
    points = STRUCTURES[name]()
    assert points.ndim == 2
    assert points.shape[1] == 3
    assert points.dtype == np.float64
    assert np.isfinite(points).all()
    assert cKDTree(points).query(points, k=2)[0][:, 1].min() > 3  # nm
    assert 50 < np.ptp(points, axis=0).max() < 600


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("nuclear-pore", about_z(45)),
        ("nuclear-pore", about_z(-0.59) @ np.diag([1.0, -1.0, -1.0])),
        ("centriole", about_z(40)),
        ("centriole", MIRROR),
        ("tetrahedron", Rotation.from_rotvec(np.array([1, 1, 1]) / np.sqrt(3) * 2 * np.pi / 3).as_matrix()),
        ("tetrahedron", np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])),
        ("cep152", np.diag([-1.0, 1.0, 1.0])),
    ],
)
def test_symmetric_structures_fall_onto_themselves(name: str, operation: np.ndarray) -> None:
    points = STRUCTURES[name]()
    assert spread(points, points @ operation.T) < 1e-9


@pytest.mark.parametrize("name", ["tripod", "microtubule", "nuclear-pore"])
def test_handed_structures_are_not_their_own_mirror_image(name: str) -> None:
    points = STRUCTURES[name]()
    fit = align(points @ MIRROR, points)
    assert fit.mirrored
    assert fit.rmsd < 1e-6


def test_the_pore_has_the_published_model_s_sites() -> None:
    path = SHARED / "npc-simulated-gt" / "NPCModel.mat"
    if not path.exists():
        pytest.skip("the published model is not beside this repository")
    model = loadmat(path)["NPCModel"] * 130.0  # camera pixels
    # The model is written to a hundredth of a pixel or so; angles follow from the same figures.
    assert align(STRUCTURES["nuclear-pore"](), model).rmsd < 0.05


def test_the_cep152_model_is_the_paper_s() -> None:
    path = SHARED / "holly" / "objs" / "susan_scaled_gt.obj"
    if not path.exists():
        pytest.skip("the paper's mesh is not beside this repository")
    assert spread(STRUCTURES["cep152"](), read_cloud(path, UNIT_NM).points) < 1e-3


def test_the_microtubule_winds_to_the_left_with_three_monomers_a_turn() -> None:
    points = STRUCTURES["microtubule"]()
    np.testing.assert_allclose(np.hypot(points[:, 0], points[:, 1]), 12.5)
    filaments = points.reshape(13, 16, 3)
    np.testing.assert_allclose(np.diff(filaments[:, :, 2], axis=1), 8)
    step = filaments[1, 0] - filaments[0, 0]
    assert step[2] == pytest.approx(12 / 13)
    assert np.cross(filaments[0, 0], filaments[1, 0])[2] < 0  # up and clockwise: a left-handed helix


def test_the_torus_is_covered_evenly() -> None:
    points = STRUCTURES["torus"]()
    tube = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 100, points[:, 2])
    np.testing.assert_allclose(tube, 30)
    nearest = cKDTree(points).query(points, k=2)[0][:, 1]
    assert nearest.max() < 3 * nearest.min()
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1)


def test_a_tetrahedron_has_edges_of_100_nm() -> None:
    corners = STRUCTURES["tetrahedron"]()[:4]
    distance = np.linalg.norm(corners[:, None] - corners, axis=2)
    np.testing.assert_allclose(distance[~np.eye(4, dtype=bool)], 100)


def test_a_file_is_read_and_a_name_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(read_structure("torus").points) == 233
    write_cloud("cloud.xyz", np.eye(5, 3))
    Path("cloud.xyz").rename("torus.xyz")
    assert len(read_structure("torus.xyz").points) == 5
    assert read_structure("tripod").unit_nm == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [("cep125", "did you mean cep152?"), ("nowhere.obj", "cep152, nuclear-pore"), ("xx", "neither a file nor")],
)
def test_a_name_that_is_neither_is_answered_with_the_known_ones(name: str, says: str) -> None:
    with pytest.raises(HollyError) as caught:
        read_structure(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_answered_with_the_file_of_a_cloud_in_it(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match=r"is a folder; give the file of a cloud$"):
        read_structure(tmp_path)
    write_cloud(tmp_path / "truth.ply", np.eye(5, 3))
    with pytest.raises(HollyError, match=r"is a folder; .*, such as .*truth\.ply$"):
        read_structure(tmp_path)


def test_simulate_takes_a_name_and_its_scatter_in_nm(tmp_path: Path) -> None:
    words = ["simulate", "tripod", str(tmp_path / "data"), "--images", "10", "--scatter", "5"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    truth = read_cloud(tmp_path / "data" / "truth.ply").points
    expected = STRUCTURES["tripod"]()
    np.testing.assert_allclose(truth, expected - expected.mean(axis=0), atol=1e-9)
    table = np.loadtxt(tmp_path / "data" / "localisations.csv", delimiter=",", skiprows=1)
    assert np.abs(table[:, 1:3]).max() < 120 + 5 * 5  # with units of 297 nm the scatter would be 1485 nm

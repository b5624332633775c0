"""Sizes, shapes and symmetry of structures that are known, turned at random, with scatter and missing points."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.io.clouds import write_cloud
from holly_triton.report.headline import headline
from holly_triton.report.measurements import explain
from holly_triton.structures import STRUCTURES
from holly_triton.validation.angular_order import confirm_order
from holly_triton.validation.measure import measure_points, measure_run
from holly_triton.validation.shape import fit_shape

NPC = Path(__file__).parents[2] / "../shared/data/npc-particles/fig5k_306_3DNUP_PAINT.mat"


def seen(name: str, *, seed: int = 0, scatter: float = 0.0, missing: float = 0.0) -> Array:
    """A structure as a run might find it: anywhere, turned, incomplete, a little off."""
    rng = np.random.default_rng(seed)
    sites = STRUCTURES[name]()
    sites = sites[rng.random(len(sites)) >= missing]
    sites = sites + rng.normal(0, scatter, sites.shape)
    return np.asarray(sites @ Rotation.random(random_state=seed).as_matrix().T + rng.normal(0, 300, 3))


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        ("nuclear-pore", "ring", (96.3, 59.1, None)),  # means of its two radii and of its two heights
        ("torus", "torus", (200.0, None, 60.0)),
        ("microtubule", "cylinder", (25.0, 131.0, None)),  # 15 steps of 8 nm and 12/13 of a helix' 12 nm
        ("centriole", "cylinder", (228.0, 500.0, None)),  # the mean over a triplet's three tubules
    ],
)
@pytest.mark.parametrize(("scatter", "missing"), [(0.0, 0.0), (3.0, 0.3)])
@pytest.mark.parametrize("seed", [1, 2])
def test_known_shapes_are_found_and_measured_however_they_lie(
    name: str, model: str, expected: tuple[float, float | None, float | None], scatter: float, missing: float, seed: int
) -> None:
    diameter, height, tube = expected
    shape = fit_shape(seen(name, seed=seed, scatter=scatter, missing=missing))
    assert shape is not None and shape.name == model and shape.against == ""
    within = 0.03 if scatter == 0 else 0.08
    assert 2 * shape.radius == pytest.approx(diameter, rel=within)
    assert shape.height == (None if height is None else pytest.approx(height, rel=max(within, 0.05)))
    assert shape.tube == (None if tube is None else pytest.approx(tube, rel=within))
    assert shape.residual < 10 if name == "centriole" else shape.residual < 2.3 + 1.2 * scatter


@pytest.mark.parametrize("name", ["tetrahedron", "tripod"])
@pytest.mark.parametrize("scatter", [0.0, 3.0])
def test_what_is_neither_ring_nor_torus_nor_cylinder_is_not_called_one(name: str, scatter: float) -> None:
    figures = measure_points(seen(name, scatter=scatter), symmetries=[])
    assert figures["model"] is None and figures["diameter_nm"] is None and figures["diameter_interval_nm"] is None
    assert figures["against_model"] and figures["residual_nm"] > 0
    assert headline(figures).startswith("A structure of ")
    assert figures["against_model"] in explain(figures)


@pytest.mark.parametrize("shape", ["full ball", "hollow sphere", "full cube", "full disc", "a blob of 30"])
def test_full_and_round_bodies_are_refused(shape: str) -> None:
    rng = np.random.default_rng(3)
    unit = rng.normal(size=(200, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    ball = 50 * unit * rng.random((200, 1)) ** (1 / 3)
    points = {
        "full ball": ball,
        "hollow sphere": 50 * unit,
        "full cube": rng.uniform(-50, 50, (200, 3)),
        "full disc": ball * [1, 1, 0.1],
        "a blob of 30": rng.normal(size=(30, 3)) * (60, 40, 25),
    }[shape]
    found = fit_shape(points)
    assert found is not None and found.against


def test_a_single_ring_has_no_height() -> None:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 100)
    ring = 50 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    figures = measure_points(ring + np.random.default_rng(1).normal(0, 5, ring.shape), symmetries=[])
    assert figures["model"] == "ring" and figures["height_nm"] is None
    assert figures["diameter_nm"] == pytest.approx(100, rel=0.03)


def test_outliers_change_nothing() -> None:
    points = seen("torus", scatter=2.0)
    far = points.mean(axis=0) + np.array([[2000.0, 0, 0], [0, 900, 900]])
    near = points.mean(axis=0) + np.array([[250.0, 0, 0], [0, 200, 100]])
    with_outliers = measure_points(np.concatenate([points, far, near]), symmetries=[])
    without = measure_points(points, symmetries=[])
    assert with_outliers["left_out"] == 2 and with_outliers["points"] == len(points) + 2
    assert "2 points" in explain(with_outliers)
    for name in ("diameter_nm", "thickness_nm"):
        assert with_outliers[name] == pytest.approx(without[name], rel=0.02)
    assert with_outliers["axes_nm"] == pytest.approx(without["axes_nm"], rel=0.1)


def test_extents_are_the_middle_98_percent_along_the_principal_axes_largest_first() -> None:
    box = np.random.default_rng(0).uniform(-0.5, 0.5, (20_000, 3)) * (90, 210, 180)
    figures = measure_points(box @ Rotation.random(random_state=4).as_matrix(), symmetries=[])
    assert figures["axes_nm"] == pytest.approx([0.98 * 210, 0.98 * 180, 0.98 * 90], rel=0.02)
    assert figures["gyration_nm"] == pytest.approx(np.sqrt((90**2 + 210**2 + 180**2) / 12), rel=0.01)


def test_nearest_neighbours_of_a_lattice() -> None:
    lattice = 10.0 * np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3)
    figures = measure_points(lattice, symmetries=[])
    assert figures["nearest_neighbour_nm"] == {"median": 10.0, "quartiles": [10.0, 10.0]}


def test_a_single_run_has_no_interval_and_runs_of_their_own_have() -> None:
    figures = measure_points(seen("torus"), symmetries=[])
    assert figures["errors_from"] is None and figures["diameter_interval_nm"] is None
    assert "±" not in explain(figures) and "200 nm" in headline(figures)
    assert "--repeats" in explain(figures) and "--half-sets" in explain(figures)
    several = {**figures, "diameter_nm": 98.2, "diameter_interval_nm": [95.1, 101.3], "errors_from": "repeats"}
    assert "98 ± 4 nm" in headline({**several, "members": 5})


def test_an_error_as_large_as_the_value_is_said_in_words() -> None:
    figures = {**measure_points(seen("nuclear-pore"), symmetries=[]), "height_interval_nm": [0.0, 377.0]}
    assert "of two layers 59 nm (very uncertain) apart" in headline(figures)


def test_intervals_come_from_the_members_where_there_are_two() -> None:
    points = seen("torus")
    centre = points.mean(axis=0)
    turned = Rotation.random(random_state=9).as_matrix()
    # Members 1 % smaller and larger, in frames of their own: Student's t of one degree of freedom is 12.7.
    members = [0.99 * (points - centre) @ turned, 1.01 * (points - centre) * [1, 1, -1]]
    figures = measure_points(points, members=members, symmetries=[])
    assert figures["errors_from"] == "repeats" and figures["members"] == 2
    half = 12.706 * 2.0  # the standard error of the mean of 198 and 202 is 2
    assert figures["diameter_interval_nm"] == pytest.approx([200 - half, 200 + half], abs=0.1)
    assert "reconstruction variability (2 runs of the same data" in explain(figures) and "±" in headline(figures)
    one = measure_points(points, members=members[:1], symmetries=[])
    assert one["errors_from"] is None and "±" not in explain(one)


def test_coincident_points_are_reported_with_their_distance() -> None:
    figures = measure_points(seen("nuclear-pore"))
    assert figures["symmetry"]["order"] == 8 and figures["symmetry"]["verdict"] == "symmetric"
    assert figures["symmetry"]["p_value"] is None
    said = headline(figures)
    assert said.startswith("A ring, 96") and "layers 59" in said
    assert "C8 symmetry" in said and "handedness undetermined" in said
    assert "rotation by 45 degrees" in explain(figures) and "not tested" in explain(figures)
    json.dumps(figures, allow_nan=False)


def pores(count: int, seed: int = 0) -> Array:
    """Many pores of one orientation pooled, 4 nm off: no points coincide, and eight corners stand out."""
    sites = np.tile(STRUCTURES["nuclear-pore"](), (count, 1))
    return np.asarray(sites + np.random.default_rng(seed).normal(0, 4, sites.shape))


def test_an_angular_order_is_claimed_only_with_independent_half_sets() -> None:
    alone = measure_points(pores(10), symmetries=[])
    assert alone["turns"]["order"] == 8 and alone["turns"]["p_value"] is None
    assert alone["symmetry"] is None and "fold" not in headline(alone)
    assert "--half-sets" in explain(alone)
    confirmed = confirm_order(pores(10), pores(10, seed=1))
    assert confirmed is not None and confirmed["order"] == 8 and confirmed["p_value"] < 1e-3
    figures = measure_points(pores(10), symmetries=[], confirmed=confirmed)
    assert figures["symmetry"]["order"] == 8 and figures["symmetry"]["p_value"] == confirmed["p_value"]
    assert "8-fold" in headline(figures) and f"{confirmed['p_value']:.1g}" in headline(figures)


def test_data_that_disfavour_a_symmetry_overrule_it() -> None:
    known = {"name": "C8", "axis": [0, 0, -1], "verdict": "nearly", "rmsd": 1.0, "spacing": 12.0, "loss_change": 0.2}
    known["positional_error"] = None
    confirmed = confirm_order(pores(10), pores(10, seed=1))
    against = measure_points(pores(10), symmetries=[{**known, "supported": False}], confirmed=confirmed)
    assert against["symmetry"] is None and "fold" not in headline(against)
    allowed = {**known, "loss_change": -0.01, "supported": True}
    for_it = measure_points(pores(10), symmetries=[allowed], confirmed=confirmed)
    assert for_it["symmetry"]["order"] == 8 and "(loss -1%" in explain(for_it)


def test_a_tetrahedron_has_three_fold_axes_and_is_achiral() -> None:
    said = headline(measure_points(seen("tetrahedron")))
    assert "C3 symmetry" in said and "; achiral" in said


@pytest.mark.skipif(not NPC.is_file(), reason="the real nuclear pores are not on this machine")
def test_306_real_pores_pooled() -> None:
    particles = loadmat(NPC)["Superparticle"][:, 0]
    figures = measure_points(np.concatenate([particle.T for particle in particles]), symmetries=[])
    assert figures["model"] == "ring" and figures["turns"]["order"] == 8
    assert figures["diameter_nm"] == pytest.approx(101, rel=0.03)
    assert figures["height_nm"] == pytest.approx(64.8, rel=0.08)


def test_members_whose_principal_axes_are_arbitrary_agree_on_their_extents(seed: int) -> None:
    """A ring of eight is as wide along any axis in its plane, but not as its own widest: 111 or 120 nm."""
    angle, rng = np.arange(8) * np.pi / 4, np.random.default_rng(seed)
    ring = 60 * np.column_stack([np.cos(angle), np.sin(angle), 0.1 * np.cos(4 * angle)])
    members = [ring @ Rotation.random(rng=rng).as_matrix() + rng.normal(0, 0.05, ring.shape) for _ in range(2)]
    figures = measure_points(ring, members=members, symmetries=[])
    for size, (low, high) in zip(figures["axes_nm"], figures["axes_interval_nm"], strict=True):
        assert low <= size <= high and high - low < 4


def test_a_folder_of_runs_is_measured_with_its_runs_as_members(tmp_path: Path) -> None:
    write_cloud(folder(tmp_path) / "cloud.ply", seen("torus"))
    alone = measure_run(tmp_path)
    assert alone["errors_from"] is None and alone["symmetry_from"] == "the cloud alone"
    for half in (1, 2):
        write_cloud(folder(tmp_path / f"half-{half}") / "cloud.ply", seen("torus", seed=half, scatter=2.0))
    (tmp_path / "metrics.json").write_text(json.dumps({"symmetry": [], "findings": []}))
    figures = measure_run(tmp_path)
    assert figures["errors_from"] == "half sets" and figures["members"] == 2
    assert figures["symmetry_from"] == "metrics.json"
    assert "2 half sets, each with half of the particles" in explain(figures)


def folder(path: Path) -> Path:
    path.mkdir(exist_ok=True)
    return path


def test_a_folder_without_a_cloud_is_named(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="holds no cloud.ply"):
        measure_run(tmp_path)


@pytest.mark.parametrize(
    "bad", [np.zeros((9, 3)), np.outer(np.arange(9.0), [1, 2, 3]), np.full((9, 3), np.nan), np.eye(3)]
)
def test_what_has_no_extent_is_refused(bad: Array) -> None:
    with pytest.raises(ValueError, match="points must"):
        measure_points(bad)


def test_few_points_are_measured_without_a_model() -> None:
    figures = measure_points(np.random.default_rng(0).normal(size=(6, 3)) * 50, symmetries=[])
    assert figures["model"] is None and figures["residual_nm"] is None and figures["axes_nm"][0] > 0
    assert "too few points" in explain(figures)

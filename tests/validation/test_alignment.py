from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.io.clouds import read_cloud
from holly_triton.report.evaluation import explain_alignment
from holly_triton.structures import cep152
from holly_triton.validation.alignment import align
from holly_triton.validation.comparison import Alignment, sampling_floor

OBJS = Path(__file__).parents[2] / "../shared/data/holly/objs"
UNIT_NM = 297.0
EXACT_NM = 1e-3 * UNIT_NM
"""An exact copy must score less; the nearest alias of any cloud here is some ten times as far."""


def ring(count: int, radius: float = 1.0, turned: float = 0.0, height: float = 0.0) -> Array:
    angle = 2 * np.pi * np.arange(count) / count + turned
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(count, height)], axis=1)


def torus() -> Array:
    tube, turn = 2.4 * np.arange(400), 2 * np.pi * 7 / 400 * np.arange(400)
    across = 1 + 0.3 * np.cos(tube)
    return np.stack([across * np.cos(turn), across * np.sin(turn), 0.3 * np.sin(tube)], axis=1)


def helix() -> Array:
    """One turn: sliding along by one point, which the screw allows, is an alias 0.003 units away."""
    angle = np.linspace(0, 2 * np.pi, 100)
    return np.stack([0.3 * np.cos(angle), 0.3 * np.sin(angle), np.linspace(-1, 1, 100)], axis=1)


FORMULAS: dict[str, Callable[[], Array]] = {
    "cep152": lambda: cep152() / UNIT_NM,
    "torus": torus,
    "eightfold double ring": lambda: np.concatenate([ring(8, height=-0.4), ring(8, 0.9, 0.3, 0.4)]),
    "helix": helix,
    "16-gon with a point missing": lambda: ring(16)[1:],
    "16-gon with a point displaced": lambda: np.concatenate([ring(16)[1:], [[1.15, 0.0, 0.0]]]),
}
FILES = ("bunny_large.obj", "teapot_large.obj", "susan_scaled_gt.obj", "bunny_detailed.ply")


def structure(name: str) -> Array:
    """A cloud in nm, by the name of its formula or its file."""
    if name in FORMULAS:
        return FORMULAS[name]() * UNIT_NM
    if not (OBJS / name).is_file():
        pytest.skip(f"needs {name} of HOLLy, which is not here")
    return read_cloud(OBJS / name, UNIT_NM).points


def moved(points: Array, rng: np.random.Generator, mirrored: bool) -> Array:
    """The same structure in another order, place, orientation and hand."""
    turned = rng.permutation(points) @ Rotation.random(1, rng).as_matrix()[0].T
    return np.asarray(turned * [1, 1, -1 if mirrored else 1] + rng.normal(size=3) * UNIT_NM)


@pytest.mark.parametrize("name", [*FORMULAS, *FILES])
def test_an_exact_turned_shifted_mirrored_copy_scores_zero(name: str, seed: int) -> None:
    truth = structure(name)
    fit = align(moved(truth, np.random.default_rng(seed), mirrored=True), truth, seed=seed)
    assert fit.rmsd < EXACT_NM
    assert max(fit.cloud_to_truth.max(), fit.truth_to_cloud.max()) < EXACT_NM


def test_the_hand_is_told_only_where_the_truth_has_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    handed = rng.normal(size=(8, 3))
    assert not align(moved(handed, rng, False), handed, seed).mirrored
    assert align(moved(handed, rng, True), handed, seed).mirrored
    assert not align(moved(ring(16), rng, True), ring(16), seed).mirrored


def test_map_and_score_are_what_they_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(20, 3)) * 100 + 5000
    cloud = moved(truth, rng, True)[3:] + rng.normal(0, 20, (17, 3))
    fit = align(cloud, truth, seed)
    assert fit.rmsd == pytest.approx(unmoved_rmsd(fit.aligned, truth))
    assert np.linalg.det(fit.rotation) == pytest.approx(1)
    handed = cloud * [1, 1, -1] if fit.mirrored else cloud
    np.testing.assert_allclose(handed @ fit.rotation.T + fit.translation, fit.aligned, atol=1e-6)


@pytest.mark.parametrize("count", [100, 1000])
def test_noise_and_another_number_of_points_cost_no_more_than_in_the_true_pose(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, noise = structure("cep152"), 6.0
    spread = truth[rng.integers(0, len(truth), count)] + rng.normal(0, noise, (count, 3))
    fit = align(moved(spread, rng, True), truth, seed)
    # Few points leave sites empty: another pose may fit both directions a little better, but none fits worse.
    assert fit.rmsd < unmoved_rmsd(spread, truth) * 1.01


def test_strays_are_counted_and_do_not_spoil_the_pose(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = structure("cep152")
    strays = np.array([[900.0, 300.0, -200.0], [-700.0, 500.0, 400.0]])
    cloud = np.concatenate([np.repeat(truth, 3, axis=0), strays])
    fit = align(moved(cloud, rng, True), truth, seed)
    assert fit.cloud_to_truth.max() > 500
    # No point is left out, so the best fit leans a little towards the strays, by no more than their share.
    assert fit.rmsd < unmoved_rmsd(cloud, truth) * 1.01
    assert fit.median < 20


def unmoved_rmsd(cloud: Array, truth: Array) -> float:
    """The symmetric RMSD as the clouds lie, by all distances: the plain definition."""
    squared = np.square(cloud[:, None] - truth).sum(axis=-1)
    return float(np.sqrt((squared.min(axis=0).mean() + squared.min(axis=1).mean()) / 2))


def test_a_large_cloud_is_aligned_with_every_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(1200, 3)) * [3, 2, 1]
    assert align(moved(truth, rng, True), truth, seed).rmsd < 1e-9


def test_the_same_seed_gives_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    cloud, truth = rng.normal(size=(8, 3)), rng.normal(size=(9, 3))
    np.testing.assert_array_equal(align(cloud, truth, seed=3).aligned, align(cloud, truth, seed=3).aligned)


@pytest.mark.parametrize("truth", [np.zeros((1, 3)), np.eye(3)[:2], np.arange(9)[:, None] * np.ones(3)])
def test_degenerate_clouds_fit_onto_themselves(truth: Array) -> None:
    assert align(truth + 7, truth).rmsd < 1e-9


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((4, 2)), np.full((4, 3), np.nan)])
def test_what_is_no_cloud_is_refused(bad: Array) -> None:
    with pytest.raises(ValueError, match="cloud must be finite points"):
        align(bad, np.eye(3))


def test_score_has_the_keys_that_others_script_against() -> None:
    truth = ring(12, 100.0)
    figures = align(truth + [0, 0, 3.0], truth).figures(50.0)
    assert figures.keys() == {
        "rmsd", "rmsd_truth_to_cloud", "rmsd_cloud_to_truth", "median", "largest_truth_to_cloud",
        "largest_cloud_to_truth", "mirrored", "unit", "rmsd_units", "unit_nm", "points", "truth_points",
        "rmsd_assigned", "unmatched", "hausdorff_95", "sampling_floor",
    }  # fmt: skip
    assert (figures["unit"], figures["unit_nm"], figures["points"], figures["truth_points"]) == ("nm", 50.0, 12, 12)


def test_distances_of_assigned_points_and_percentiles_stand_beside_the_nearest() -> None:
    """Two points share their nearest: only an assignment shows that a site is empty."""
    truth = np.array([[0.0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100]])
    cloud = np.array([[0.0, 0, 0], [3, 0, 0], [0, 100, 0], [0, 0, 100]])
    to_truth, to_cloud = np.array([0.0, 3, 0, 0]), np.array([0.0, 97, 0, 0])
    fit = Alignment(np.eye(3), False, np.zeros(3), cloud, to_truth, to_cloud, truth)
    assert fit.rmsd_assigned == pytest.approx(np.sqrt(97**2 / 4)) and fit.unmatched == 0
    assert fit.hausdorff_95 == pytest.approx(np.quantile(to_cloud, 0.95))
    fewer = Alignment(np.eye(3), False, np.zeros(3), cloud[:3], to_truth[:3], to_cloud, truth)
    assert fewer.rmsd_assigned is None and fewer.unmatched == pytest.approx(0.25)


def test_the_floor_of_two_samplings_is_zero_only_where_every_site_fits_in() -> None:
    truth = structure("cep152")
    assert sampling_floor(truth, 112) == sampling_floor(truth, 224) == 0
    few, some = sampling_floor(truth, 28), sampling_floor(truth, 84)
    assert few > some > 0
    # Sites that one sampling lacks are about a spacing, 22 nm, from those that it has.
    assert 5 < some < 22


def test_explain_states_the_figures_and_that_handedness_is_unknown() -> None:
    offsets = np.array([3.0, 4.0])
    fit = Alignment(np.eye(3), True, np.zeros(3), np.zeros((2, 3)), offsets, 2 * offsets, np.ones((2, 3)))
    words = explain_alignment(fit.figures(unit_nm=100.0))
    for figure in ("5.59 nm", "largest 8 nm", "largest 4 nm", "1.73 nm"):
        assert figure in words
    assert "handedness" in words and "units" not in words

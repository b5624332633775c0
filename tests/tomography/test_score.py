"""Picks against the truth: matching, figures, confusion, angles, thresholds."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.tomography.config.scoring import Scoring
from holly_triton.tomography.score.angles import angles_between
from holly_triton.tomography.score.doubts import doubts
from holly_triton.tomography.score.evaluate import evaluate
from holly_triton.tomography.score.matching import match
from holly_triton.tomography.score.words import explain

TEN = Scoring(tolerance_angstrom=10)


def crowd(count: int, seed: int, labels: tuple[str, ...] = ("70S", "FAS", "GroEL")) -> ParticleList:
    """Particles on a jittered grid, at least 100 Å apart."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation(8**3)[:count]
    places = np.stack(np.unravel_index(cells, (8, 8, 8)), axis=1) * 300.0 + rng.uniform(-100, 100, (count, 3))
    rotations = Rotation.random(count, random_state=seed).as_matrix()
    return ParticleList.of(rng.choice(labels, count), places, rotations=rotations, tomogram="t0")


def test_the_figures_of_a_hand_example() -> None:
    truth = ParticleList.of(["a", "a", "a", "b", "b"], [[0, 0, 0], [100, 0, 0], [200, 0, 0], [300, 0, 0], [400, 0, 0]])
    picks = ParticleList.of(
        ["a", "a", "a", "b", "b"],
        [[3, 4, 0], [2, 0, 0], [300, 0, 0], [400, 6, 8], [900, 0, 0]],
        scores=[5, 4, 3, 2, 1],
    )
    score = evaluate(picks, truth, TEN)
    figures = score.figures()
    assert figures["classes"]["a"]["matched"] == 1 and figures["classes"]["a"]["false"] == 2
    assert figures["classes"]["a"]["recall"] == pytest.approx(1 / 3)
    assert figures["classes"]["b"]["precision"] == figures["classes"]["b"]["recall"] == 0.5
    assert figures["f1"]["micro"] == pytest.approx(0.4)
    assert figures["f1"]["macro"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert figures["confusion"]["counts"] == [[1, 0, 2], [1, 1, 0], [1, 1, 0]]
    assert figures["class_blind"]["matched"] == 3
    # The surest pick takes the particle, although the second one is nearer.
    assert figures["classes"]["a"]["median_error_angstrom"] == pytest.approx(5)
    assert figures["classes"]["b"]["median_error_angstrom"] == pytest.approx(10)
    assert "background" in explain(score) and figures["median_angle_deg"] is not None


def test_the_confusion_matrix_holds_every_particle_and_every_pick_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = crowd(120, seed)
    picks = truth.take(rng.permutation(120)[:90])
    picks = ParticleList.of(
        np.where(rng.random(90) < 0.2, "70S", picks.labels),
        picks.positions + rng.normal(0, 5, (90, 3)),
        scores=rng.random(90),
        tomogram="t0",
    )
    score = evaluate(picks, truth, TEN)
    labels = list(score.classes)
    assert score.confusion[:-1].sum(axis=1).tolist() == [(truth.labels == label).sum() for label in labels]
    assert score.confusion[:, :-1].sum(axis=0).tolist() == [(picks.labels == label).sum() for label in labels]
    assert np.diag(score.confusion)[:-1].tolist() == [score.classes[label].counts.matched for label in labels]


def test_picks_above_a_threshold_have_the_figures_of_the_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = crowd(80, seed, ("70S",))
    near = truth.positions[rng.integers(0, 80, 100)] + rng.normal(0, 6, (100, 3))
    false = rng.uniform(0, 2400, (40, 3))
    scores = np.round(np.concatenate([rng.normal(1, 1, 100), rng.normal(0, 1, 40)]), 1)  # with ties
    picks = ParticleList.of("70S", np.concatenate([near, false]), scores=scores, tomogram="t0")
    curve = evaluate(picks, truth, TEN).classes["70S"].curve
    assert (np.diff(curve.threshold) < 0).all()
    for at in (0, len(curve.threshold) // 2, len(curve.threshold) - 1):
        counts = evaluate(picks.take(scores >= curve.threshold[at]), truth, TEN).overall.counts
        assert (counts.precision, counts.recall, counts.f1) == pytest.approx(
            (curve.precision[at], curve.recall[at], curve.f1[at])
        )
    assert curve.best[1] == curve.f1.max()


def test_without_scores_the_nearest_pair_comes_first() -> None:
    truth = ParticleList.of("a", [[0, 0, 0], [8, 0, 0]])
    picks = ParticleList.of("a", [[5, 0, 0], [7.5, 0, 0]])
    pairs = match(picks, truth, 10)
    assert pairs.pick.tolist() == [1, 0] and pairs.particle.tolist() == [1, 0]


def test_tomograms_are_kept_apart() -> None:
    truth = joined(
        [ParticleList.of("a", [[0, 0, 0]], tomogram="t0"), ParticleList.of("a", [[50, 0, 0]], tomogram="t1")]
    )
    picks = ParticleList.of("a", [[50, 0, 0], [50, 0, 0]], tomogram=["t0", "t1"])
    score = evaluate(picks, truth, TEN)
    assert score.overall.counts == (1, 1, 1)
    assert score.tomograms["t0"].matched == 0 and score.tomograms["t1"].f1 == 1


def test_the_angle_is_taken_up_to_the_point_group(seed: int) -> None:
    true = Rotation.random(30, random_state=seed).as_matrix()
    turn = Rotation.from_rotvec([0, 0, np.pi / 2]).as_matrix()
    small = Rotation.from_rotvec(np.deg2rad([3.0, 0, 0])).as_matrix()
    found = true @ small @ turn
    fourfold = Rotation.from_rotvec(np.pi / 2 * np.arange(4)[:, None] * [0, 0, 1]).as_matrix()
    assert angles_between(found, true) == pytest.approx(np.full(30, 90.0), abs=0.2)
    assert angles_between(found, true, fourfold) == pytest.approx(np.full(30, 3.0))
    truth = ParticleList.of("a", 300.0 * np.arange(90).reshape(30, 3), rotations=true)
    picks = ParticleList.of("a", truth.positions, rotations=found)
    assert evaluate(picks, truth, groups={"a": fourfold}).figures()["median_angle_deg"] == pytest.approx(3.0)
    assert np.isnan(angles_between(found, true, np.empty((0, 3, 3)))).all()
    unknown = ParticleList.of("a", truth.positions)
    assert np.isnan(evaluate(unknown, truth).figures()["median_angle_deg"])


def test_nothing_to_compare_is_undefined_and_no_error() -> None:
    none, one = ParticleList.of("a", np.empty((0, 3))), ParticleList.of("a", [[0, 0, 0]])
    assert np.isnan(evaluate(none, none).overall.counts.f1)
    assert evaluate(none, one).figures()["f1"]["micro"] == 0
    assert np.isnan(evaluate(one, none).overall.counts.recall)
    lost = ParticleList.of("a", [[np.nan, 0, 0]])
    assert evaluate(lost, one).overall.counts == (0, 1, 1)
    for picks, truth in ((none, none), (none, one), (one, none)):
        assert explain(evaluate(picks, truth))


def test_axes_and_units_that_differ_are_noticed(seed: int) -> None:
    truth = crowd(60, seed)
    narrow = Scoring(60.0)  # within the default of 136.8 Å a fifth of so dense particles are found by chance
    swapped = ParticleList.of(truth.labels, truth.positions[:, ::-1], tomogram="t0")
    assert any("z, y, x" in doubt for doubt in doubts(swapped, truth, evaluate(swapped, truth, narrow)))
    voxels = ParticleList.of(truth.labels, truth.positions / 13.68, tomogram="t0")
    assert any("--voxel-size 13.68" in doubt for doubt in doubts(voxels, truth, evaluate(voxels, truth)))
    assert doubts(truth, truth, evaluate(truth, truth)) == []


@pytest.mark.parametrize("count", [1, 5, 60])
@pytest.mark.parametrize("label", ["70S", "other"])
def test_picks_of_another_tomogram_are_noticed_whatever_their_class(count: int, label: str, seed: int) -> None:
    truth = crowd(60, seed)
    other = ParticleList.of(label, crowd(60, seed + 1000).positions[:count] + 1e5, tomogram="t0")
    assert "same tomogram" in doubts(other, truth, evaluate(other, truth))[-1]
    # Two tomograms of one extent: some picks lie near a particle by chance.
    rng = np.random.default_rng(seed)
    first, second = (
        ParticleList.of("70S", rng.uniform(0, (5000, 5000, 2000), (60, 3)), tomogram="t0") for _ in range(2)
    )
    assert "same tomogram" in doubts(first, second, evaluate(first, second))[-1]


def test_poor_picks_that_find_more_than_chance_does_are_not_called_unrelated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = ParticleList.of("70S", rng.uniform(0, (5000, 5000, 2000), (100, 3)), tomogram="t0")
    poor = np.concatenate([truth.positions[:18], rng.uniform(0, (5000, 5000, 2000), (40, 3))])
    picks = ParticleList.of("70S", poor, tomogram="t0")
    assert not doubts(picks, truth, evaluate(picks, truth, Scoring(60.0)))


def test_correct_picks_of_a_part_are_not_called_unrelated(seed: int) -> None:
    """A filament of several, a part of a sheet, whose mirror images lie on particles too, and a few of a dense crowd."""
    along, across = np.meshgrid(np.arange(20) * 250.0, np.arange(8) * 600.0)
    filaments = np.stack([along.ravel(), across.ravel(), np.zeros(160)], axis=1)
    dense = np.random.default_rng(seed).uniform(0, (5120, 5120, 2000), (2000, 3))
    for places, count in ((filaments, 20), (dense, 8), (dense, 12)):
        truth, picks = (ParticleList.of("70S", some, tomogram="t0") for some in (places, places[:count]))
        assert not doubts(picks, truth, evaluate(picks, truth))

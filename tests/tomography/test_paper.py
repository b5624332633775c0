"""The study: classes along their axes, what is kept, and the figures taken from it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.paper.averages import PICKS, TRUTH, Averaged
from holly_triton.tomography.paper.classes import along_axis, nine_classes
from holly_triton.tomography.paper.config import REFERENCE, SCALES, Condition
from holly_triton.tomography.paper.results import Results
from holly_triton.tomography.paper.store import Cell, Found, read_found, write_found
from holly_triton.tomography.paper.verdict import verdict


def test_the_axis_of_rotation_is_turned_to_z_without_a_mirror(seed: int) -> None:
    rng = np.random.default_rng(seed)
    motif = rng.normal(size=(6, 3)) * (10, 10, 40) + (60, 0, 5)
    turns = Rotation.from_rotvec(2 * np.pi / 7 * np.arange(7)[:, None] * [0, 0, 1])
    ring = np.concatenate([turn.apply(motif) for turn in turns])
    turned = Rotation.random(random_state=seed).apply(ring)
    found = along_axis(torch.from_numpy(turned), torch.ones(len(ring))).numpy()
    seventh = Rotation.from_rotvec([0, 0, 2 * np.pi / 7]).apply(found)
    apart = np.linalg.norm(seventh[:, None] - found[None], axis=2)
    assert apart.min(axis=1).max() < 1e-6
    # The same triple products of neighbouring points: rotated and not mirrored.
    assert np.linalg.det(found[:3]) == pytest.approx(np.linalg.det(ring[:3]), rel=1e-6)


def test_absent_structures_are_named(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "4v4r.mrc").write_bytes(b"")
    with pytest.raises(HollyError, match=r"2uv8\.mrc") as caught:
        nine_classes((tmp_path,))
    assert "4v4r" not in str(caught.value)


def found_of(scores: list[float]) -> Found:
    """Two classes; the picks of a are right at high scores, and one of b is false at a high score."""
    truth = ParticleList.of(["a", "a", "b"], [[0, 0, 0], [1000, 0, 0], [0, 1000, 0]], tomogram="t0")
    picks = ParticleList.of(
        ["a", "a", "b", "b"], [[0, 0, 0], [5000, 0, 0], [0, 1000, 0], [5000, 5000, 0]], scores=scores, tomogram="t0"
    )
    return Found(picks, {"a": 0.1, "b": 0.1}, truth, [2.0], 60.0)


def test_results_are_kept_and_read_only_for_the_same_settings(tmp_path: Path) -> None:
    cell, found = Cell("network", 0, REFERENCE), found_of([0.9, 0.5, 0.8, 0.3])
    write_found(tmp_path / cell.name, {"scale": 1}, found)
    again = read_found(tmp_path / cell.name, {"scale": 1})
    assert again is not None and again.truth.rotations is None and again.seconds == [2.0]
    assert again.picks.scores.tolist() == [0.9, 0.5, 0.8, 0.3] and again.picks.labels.tolist() == ["a", "a", "b", "b"]
    assert read_found(tmp_path / cell.name, {"scale": 2}) is None
    assert read_found(tmp_path / "other", {}) is None
    (tmp_path / cell.name).write_text("{")
    with pytest.raises(HollyError):
        read_found(tmp_path / cell.name, {"scale": 1})


def test_the_oracle_takes_the_best_threshold_of_each_class() -> None:
    found = {Cell("matching", 0, REFERENCE): found_of([0.9, 0.5, 0.8, 0.3])}
    results = Results(found)
    own, oracle = (results.score(arm, 0, REFERENCE) for arm in ("matching", "matching-oracle"))
    assert own is not None and oracle is not None
    assert own.overall.counts == (2, 1, 2) and oracle.overall.counts == (2, 1, 0)
    assert results.class_f1("matching-oracle", REFERENCE, "b") == [1.0]
    assert results.score("network", 0, REFERENCE) is None
    assert results.mean_f1("matching", Condition(0.05, 60)) == []
    assert results.arms == ["matching", "matching-oracle"] and results.conditions == [REFERENCE]


@pytest.mark.parametrize(
    ("picks", "count", "reached"),
    [(43.9, 100, True), (44.1, 100, False), (43.9, 99, False)],
    ids=["fine", "coarse", "few"],
)
def test_averages_of_enough_picks_are_compared_with_those_of_the_truth(picks: float, count: int, reached: bool) -> None:
    empty = np.empty(0)
    made = Averaged(0, [PICKS, TRUTH], [count, 100], [picks, 40.0], empty, empty, empty)
    (sentence,) = verdict(Results({}), SCALES["small"], [made])
    assert ("(reached" in sentence) == reached

"""Figures beyond the challenge's: errors against the bound and stated uncertainties, and bias within a pixel."""

from typing import Any

import numpy as np
import pytest

from holly_triton.core.types import Array
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.localisations import localisations
from holly_triton.frames.score import evaluate
from holly_triton.frames.score.words import explain

SIGMA = np.array([8.0, 9.0, 20.0])
EMITTERS = 12_000
QUICK = Scoring(resamplings=0)
RARE = 4.5
"""Standard errors that a seeded figure may be off."""


def scene(seed: int) -> tuple[Array, np.random.Generator]:
    """One emitter a frame, in the field."""
    rng = np.random.default_rng(seed)
    truth = localisations(EMITTERS)
    truth["frame"] = np.arange(EMITTERS) + 1
    truth["x"], truth["y"] = rng.uniform(600, 5800, (2, EMITTERS))
    truth["z"] = rng.uniform(-600, 600, EMITTERS)
    return truth, rng


def observed(truth: Array, rng: np.random.Generator, stated: float = 1.0) -> Array:
    found = truth.copy()
    for axis, sigma in zip("xyz", SIGMA, strict=True):
        found[axis] += rng.normal(0, sigma, len(truth))
        found[f"sigma_{axis}"] = stated * sigma
    return found


def bias(found: Array, truth: Array, **settings: Any) -> Any:
    return evaluate(found, truth, Scoring(resamplings=200, **settings)).checkerboard


@pytest.mark.parametrize("stated", [1.0, 0.5])
def test_pull_and_coverage(seed: int, stated: float) -> None:
    truth, rng = scene(seed)
    score = evaluate(observed(truth, rng, stated), truth, QUICK)
    assert score.pull is not None
    for axis in "xyz":
        pull = score.pull[axis]
        assert pull["deviation"] == pytest.approx(1 / stated, rel=RARE / np.sqrt(2 * EMITTERS))
        expected = {1.0: (0.6827, 0.95), 0.5: (0.3829, 0.6729)}[stated]
        assert pull["within_68"] == pytest.approx(expected[0], abs=0.025)
        assert pull["within_95"] == pytest.approx(expected[1], abs=0.025)
    assert ("honest" if stated == 1 else "too small") in explain(score)


def test_without_uncertainties_there_is_no_pull(seed: int) -> None:
    truth, _ = scene(seed)
    assert evaluate(truth, truth, QUICK).pull is None
    partly = truth.copy()
    partly["sigma_z"][:100] = 5.0
    assert {*(evaluate(partly, truth, QUICK).pull or {})} == {"z"}


def test_errors_over_the_bound_of_isolated_emitters_and_of_all(seed: int) -> None:
    truth, rng = scene(seed)
    pairs = EMITTERS // 4
    truth["frame"][1 : 2 * pairs : 2] = truth["frame"][0 : 2 * pairs : 2]
    truth["x"][1 : 2 * pairs : 2] = truth["x"][0 : 2 * pairs : 2] + 700
    truth["y"][1 : 2 * pairs : 2] = truth["y"][0 : 2 * pairs : 2]
    crowded = np.arange(EMITTERS) < 2 * pairs
    found = truth.copy()
    bound = np.broadcast_to(np.append(SIGMA, 50.0), (EMITTERS, 4)).copy()
    bound[-10:] = np.inf, np.inf, np.inf, 1.0
    for axis, sigma in zip("xyz", SIGMA, strict=True):
        found[axis] += rng.normal(0, 1, EMITTERS) * sigma * np.where(crowded, 2.0, 1.0)
    figures = evaluate(found, truth, QUICK, deviations=bound).bound
    assert figures is not None
    assert figures["unresolvable"] == 10
    for i, axis in enumerate("xyz"):
        assert figures["isolated"][axis] == pytest.approx(1, abs=0.05)
        assert 1.4 < figures["all"][axis] < 1.7  # the root of (4 + 1) / 2, less those that the border takes
        assert figures["all"]["bound"][axis] == pytest.approx(SIGMA[i])


def test_honest_positions_show_no_checkerboard(seed: int) -> None:
    truth, rng = scene(seed)
    found = bias(observed(truth, rng), truth)
    for axis in "xy":
        assert found[axis]["amplitude"] < 0.05
        assert found[axis]["bias"]["p_value"] > 1e-4
        assert found[axis]["bias"]["peak_to_peak"] < 1.5
        low, high = found[axis]["c1"]["interval"]
        assert low < 0 < high and high - low < 0.02


def test_a_bias_within_the_pixel_is_measured(seed: int) -> None:
    truth, rng = scene(seed)
    found = observed(truth, rng)
    found["x"] -= 10 * np.sin(2 * np.pi * truth["x"] / 100)  # drawn to the edges of pixels
    figures = bias(found, truth)
    assert figures["x"]["bias"]["peak_to_peak"] == pytest.approx(20, abs=RARE * 2 * 8 * np.sqrt(2 / EMITTERS) * 2)
    low, high = figures["x"]["bias"]["interval"]
    assert low < 20 < high and high - low < 2
    assert figures["x"]["bias"]["p_value"] < 1e-50 and figures["y"]["bias"]["p_value"] > 1e-4
    # Jacobi-Anger: the mean of exp(i f - i b sin f) is J_1(b); the noise of 8 nm damps it by exp(-(2 pi 0.08)^2 / 2).
    assert figures["x"]["c1"]["difference"] == pytest.approx(0.2994 * np.exp(-((2 * np.pi * 0.08) ** 2) / 2), abs=0.03)
    assert figures["x"]["amplitude"] > 0.25 and figures["y"]["amplitude"] < 0.05
    middle = [figures["x"]["curve"]["mean"][i] for i in (4, 5, 14, 15)]
    assert middle[0] < -8 and middle[1] < -8 and middle[2] > 8 and middle[3] > 8


def test_a_structure_with_phases_of_its_own_is_no_checkerboard(seed: int) -> None:
    truth, rng = scene(seed)
    truth["x"] = 100 * np.round(truth["x"] / 100) + rng.normal(30, 12, EMITTERS)
    exact = bias(truth, truth)["x"]
    assert exact["amplitude"] == 0 and exact["c1"]["difference"] == 0 and exact["chi2"] == 0
    assert bias(observed(truth, rng), truth)["x"]["bias"]["p_value"] > 1e-4


def test_a_quarter_pixel_grid_shows_in_its_own_order(seed: int) -> None:
    truth, rng = scene(seed)
    found = truth.copy()
    found["x"] = 25 * np.round(truth["x"] / 25) + rng.normal(0, 1, EMITTERS)
    figures = bias(found, truth)["x"]
    assert figures["c4"]["difference"] > 0.9
    assert abs(figures["c1"]["difference"]) < 0.05 and abs(figures["c2"]["difference"]) < 0.05


def test_false_localisations_on_a_grid_show_among_all(seed: int) -> None:
    truth, rng = scene(seed)
    found = observed(truth, rng)
    extra = found[: EMITTERS // 2].copy()
    extra["x"], extra["y"] = (50 + 100 * np.round((extra[axis] + 1500) % 5000 / 100) + 600 for axis in "xy")
    figures = bias(np.concatenate([found, extra]), truth)
    assert figures["x"]["amplitude"] < 0.05 < 0.5 < figures["x"]["amplitude_all"]


def test_the_pixel_is_that_of_the_settings(seed: int) -> None:
    truth, rng = scene(seed)
    found = observed(truth, rng)
    found["y"] += 10 * np.sin(2 * np.pi * truth["y"] / 160)
    assert bias(found, truth, pixel_nm=160.0)["y"]["bias"]["peak_to_peak"] == pytest.approx(20, abs=1.5)
    assert bias(found, truth)["y"]["bias"]["peak_to_peak"] < 3


def test_few_pairs_give_no_checkerboard(seed: int) -> None:
    truth, _ = scene(seed)
    assert bias(truth[:40], truth[:40])["x"] is None

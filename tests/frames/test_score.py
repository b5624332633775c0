"""The challenge's figures: by hand-made cases, and against a plain loop over frames."""

import math

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json
from holly_triton.core.types import Array
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.localisations import localisations
from holly_triton.frames.score import differences, evaluate, match
from holly_triton.frames.score.evaluate import is_flat
from holly_triton.frames.score.matching import neighbour_nm
from holly_triton.frames.score.words import explain

NAN = float("nan")
QUICK = Scoring(resamplings=0)


def table(*rows: tuple[float, ...]) -> Array:
    """Rows of frame, x, y, z and perhaps photons."""
    made = localisations(len(rows))
    for i, (frame, *values) in enumerate(rows):
        made["frame"][i] = frame
        for name, value in zip(("x", "y", "z", "photons"), values, strict=False):
            made[name][i] = value
    return made


def crowd(rng: np.random.Generator, frames: int, mean: float, side: float = 6400.0) -> Array:
    counts = rng.poisson(mean, frames)
    made = localisations(int(counts.sum()))
    made["frame"] = np.repeat(np.arange(1, frames + 1), counts)
    made["x"], made["y"] = rng.uniform(0, side, (2, len(made)))
    made["z"] = rng.uniform(-700, 700, len(made))
    made["photons"] = rng.lognormal(8, 0.5, len(made))
    return made


def noisy(rng: np.random.Generator, truth: Array, nm: float = 60.0, kept: float = 0.8) -> Array:
    found = np.concatenate([truth[rng.random(len(truth)) < kept], crowd(rng, int(truth["frame"].max(initial=1)), 0.7)])
    for axis in "xyz":
        found[axis] += rng.normal(0, nm, len(found))
    return rng.permutation(found)


def by_loops(found: Array, truth: Array, settings: Scoring, flat: bool) -> dict[str, float]:
    """The challenge's assessment, written as plainly as it can be: loops over frames and pairs, no sorting."""
    low, wide, high = settings.border_nm, settings.width_nm, settings.height_nm
    inside = [
        [row for row in rows if low < row["x"] < wide - low and low < row["y"] < high - low] for rows in (found, truth)
    ]
    near, emitters = inside
    photons = sorted(row["photons"] for row in emitters)
    threshold = -1.0
    if settings.dim_quantile and photons:
        place = min(max(settings.dim_quantile * len(photons) - 0.5, 0), len(photons) - 1)
        below = int(place)
        above = min(below + 1, len(photons) - 1)
        threshold = math.floor(photons[below] + (place - below) * (photons[above] - photons[below]))
    tp = on_dim = 0
    lateral = axial = 0.0
    for frame in {row["frame"] for row in emitters}:
        here, there = ([row for row in rows if row["frame"] == frame] for rows in inside)
        while True:
            best = None
            for j, emitter in enumerate(there):
                for i, row in enumerate(here):
                    dx, dy, dz = (row[axis] - emitter[axis] for axis in "xyz")
                    if dx * dx + dy * dy > settings.lateral_nm**2 or not (flat or abs(dz) <= settings.axial_nm):
                        continue
                    distance = math.sqrt(dx * dx + dy * dy + (0 if flat else dz * dz))
                    if best is None or distance < best[0]:
                        best = distance, i, j, dx * dx + dy * dy, dz * dz
            if best is None:
                break
            _, i, j, square, depth = best
            if there[j]["photons"] > threshold or threshold < 0:
                tp, lateral, axial = tp + 1, lateral + square, axial + depth
            else:
                on_dim += 1
            del here[i], there[j]
    bright = len(emitters) if threshold < 0 else sum(photon > threshold for photon in photons)
    fn, fp = bright - tp, len(near) - tp - on_dim
    jaccard = tp / (tp + fn + fp)
    rmse = math.sqrt(lateral / tp)
    return {
        "matched": tp,
        "missed": fn,
        "false": fp,
        "jaccard": jaccard,
        "rmse_lateral": rmse,
        "rmse_axial": NAN if flat else math.sqrt(axial / tp),
        "rmse_volume": NAN if flat else math.sqrt((lateral + axial) / tp),
        "efficiency_lateral": 1 - math.sqrt((1 - jaccard) ** 2 + (rmse / 100) ** 2),
        "efficiency_axial": NAN if flat else 1 - math.sqrt((1 - jaccard) ** 2 + (0.005 * math.sqrt(axial / tp)) ** 2),
    }


@pytest.mark.parametrize("flat", [False, True], ids=["3D", "2D"])
@pytest.mark.parametrize("quantile", [0.0, 0.25])
@pytest.mark.parametrize("mean", [1.2, 25.0])
def test_the_figures_are_those_of_a_plain_loop(seed: int, mean: float, quantile: float, flat: bool) -> None:
    rng = np.random.default_rng(seed + int(mean))
    truth = crowd(rng, 100 if mean < 2 else 6, mean)
    found = noisy(rng, truth)
    settings = Scoring(dim_quantile=quantile, resamplings=0)
    figures = evaluate(found, truth, settings, flat=flat).figures()
    for name, value in by_loops(found, truth, settings, flat).items():
        assert figures[name] == pytest.approx(value, rel=1e-9, nan_ok=True), name


def test_a_hand_made_case() -> None:
    truth = table((1, 1000, 1000, 0, 500), (1, 3000, 3000, 100, 900), (2, 2000, 2000, -50, 700))
    found = table((1, 1030, 1040, 0, 500), (1, 5000, 5000, 0, 100), (2, 2000, 2000, 10, 700))
    figures = evaluate(found, truth, QUICK).figures()
    assert (figures["matched"], figures["missed"], figures["false"]) == (2, 1, 1)
    assert figures["jaccard"] == 0.5
    assert figures["recall"] == figures["precision"] == figures["f1"] == pytest.approx(2 / 3)
    assert figures["rmse_lateral"] == pytest.approx(50 / math.sqrt(2))
    assert figures["rmse_axial"] == pytest.approx(60 / math.sqrt(2))
    assert figures["rmse_volume"] == pytest.approx(math.sqrt((2500 + 3600) / 2))
    assert figures["efficiency_lateral"] == pytest.approx(1 - math.sqrt(0.25 + 0.125))
    assert figures["efficiency_axial"] == pytest.approx(1 - math.sqrt(0.25 + 0.25 * 0.18))
    assert figures["efficiency_3d"] == pytest.approx((figures["efficiency_lateral"] + figures["efficiency_axial"]) / 2)
    assert figures["mean_error"] == {"x": 15, "y": 20, "z": 30}
    assert (figures["mad_lateral"], figures["mad_axial"], figures["mad_volume"]) == (35, 30, 65)
    assert figures["photon_ratio"] == 1


def test_greedy_is_not_the_least_total() -> None:
    # The least total pairs 0 with 100 and 90 with 190 (200 nm); greedy takes 90 and 100 first and leaves 190 nm.
    truth = table((1, 1000, 1000, 0), (1, 1090, 1000, 0))
    found = table((1, 1100, 1000, 0), (1, 1190, 1000, 0))
    pairs = match(found, truth, lateral_nm=250, axial_nm=500)
    assert pairs.emitter.tolist() == [0, 1]
    assert pairs.localisation.tolist() == [1, 0]


def test_the_tolerance_is_a_cylinder_with_its_edge() -> None:
    truth = table(*((frame, 1000, 1000, 0) for frame in range(1, 6)))
    found = table(
        (1, 1250, 1000, 0), (2, 1250.001, 1000, 0), (3, 1000, 1000, 500), (4, 1000, 1000, -500.001), (5, 1150, 1200, 500)
    )  # fmt: skip
    assert match(found, truth, lateral_nm=250, axial_nm=500).emitter.tolist() == [0, 2, 4]


def test_the_nearest_pair_beyond_the_cylinder_leaves_the_rest_free() -> None:
    # In 3D the nearest is (0, 0, 501), which is too deep; the farther one within the cylinder is matched.
    truth = table((1, 1000, 1000, 0))
    found = table((1, 1000, 1000, 501), (1, 1249, 1000, 499))
    assert match(found, truth, lateral_nm=250, axial_nm=500).localisation.tolist() == [1]


def test_localisations_of_other_frames_are_never_matched() -> None:
    truth, found = (
        table((1, 1000, 1000, 0), (10**9, 1000, 1000, 0)),
        table((2, 1000, 1000, 0), (10**9 - 1, 1000, 1000, 0)),
    )
    assert len(match(found, truth, lateral_nm=250, axial_nm=500).emitter) == 0


def test_equal_distances_are_matched_in_the_order_of_the_truth_then_of_the_table() -> None:
    truth = table((1, 1000, 1000, 0), (1, 1200, 1000, 0))
    found = table((1, 1100, 1000, 0))
    assert match(found, truth, lateral_nm=250, axial_nm=500).emitter.tolist() == [0]
    twins = table((1, 1100, 1000, 0), (1, 900, 1000, 0))
    assert match(twins, truth[:1], lateral_nm=250, axial_nm=500).localisation.tolist() == [0]
    assert match(twins, twins, lateral_nm=250, axial_nm=500).localisation.tolist() == [0, 1]


def test_dim_emitters_are_set_aside() -> None:
    truth = table(*((1, 1000.0 * i, 1000, 0, photons) for i, photons in enumerate((100, 200, 300, 400), 1)))
    found = table((1, 1000, 1000, 0, 90), (1, 2000, 1000, 0, 90), (1, 5000, 5000, 0, 1))
    score = evaluate(found, truth, Scoring(dim_quantile=0.25, resamplings=0))
    # MATLAB's quantile of 100, 200, 300, 400 at 0.25 is 150: the first is dim, and what was matched with it is not false.
    assert (score.set_aside, score.on_dim, score.emitters) == (1, 1, 3)
    assert score.counts == {"matched": 1, "missed": 2, "false": 1}
    # A dim emitter takes the nearest localisation although a bright one would have had it.
    rivals = table((1, 1000, 1000, 0, 10), (1, 1100, 1000, 0, 900))
    taken = evaluate(table((1, 1010, 1000, 0)), rivals, Scoring(dim_quantile=0.5, resamplings=0))
    assert taken.counts == {"matched": 0, "missed": 1, "false": 0}


def test_dim_emitters_need_photons() -> None:
    with pytest.raises(HollyError, match="photons"):
        evaluate(table((1, 1000, 1000, 0)), table((1, 1000, 1000, 0)), Scoring(dim_quantile=0.25))


def test_the_border_is_left_out_on_both_sides() -> None:
    truth = table((1, 450, 3000, 0), (1, 450.1, 2000, 0), (1, 3000, 5950, 0), (1, 7000, 1000, 0), (1, -5, 1000, 0))
    score = evaluate(truth, truth, QUICK)
    assert score.counts == {"matched": 1, "missed": 0, "false": 0}
    assert score.at_border == (4, 4)
    wide = evaluate(truth, truth, Scoring(width_nm=12800, border_nm=0, resamplings=0))
    assert wide.counts["matched"] == 4
    # An emitter just outside the border has its localisation just inside: it is false, as in the challenge.
    assert evaluate(table((1, 455, 3000, 0)), truth, QUICK).counts == {"matched": 0, "missed": 1, "false": 1}


@pytest.mark.parametrize(
    ("found", "truth", "counts", "jaccard"),
    [
        (table(), table(), (0, 0, 0), NAN),
        (table(), table((1, 1000, 1000, 0)), (0, 1, 0), 0.0),
        (table((1, 1000, 1000, 0)), table(), (0, 0, 1), 0.0),
        (table((7, 1000, 1000, 0)), table((3, 1000, 1000, 0)), (0, 1, 1), 0.0),
    ],
    ids=["both empty", "nothing found", "no emitters", "empty frames"],
)
def test_empty_tables_and_frames(found: Array, truth: Array, counts: tuple[int, ...], jaccard: float) -> None:
    score = evaluate(found, truth)
    assert tuple(score.counts.values()) == counts
    assert score.main["jaccard"] == pytest.approx(jaccard, nan_ok=True)
    text = as_json(score.figures())
    assert "NaN" not in text and '"rmse_lateral": null' in text
    assert explain(score)


def test_positions_that_are_not_finite_match_nothing() -> None:
    truth = table((1, 1000, 1000, 0), (1, NAN, 2000, 0))
    found = table((1, 1000, 1000, NAN), (1, NAN, 1000, 0), (1, math.inf, 1000, 0), (1, 1020, 1000, 0))
    score = evaluate(found, truth, QUICK)
    # One without a z stays in the field and is false; those without x are nowhere.
    assert score.counts == {"matched": 1, "missed": 0, "false": 1}


def test_without_z_only_lateral_figures_are_given() -> None:
    truth = table((1, 1000, 1000, 600), (2, 2000, 2000, -600))
    found = table((1, 1030, 1040, NAN), (2, 2000, 2000, NAN))
    figures = evaluate(found, truth, QUICK).figures()
    assert figures["dimensions"] == 2
    assert figures["jaccard"] == 1
    assert figures["rmse_lateral"] == pytest.approx(50 / math.sqrt(2))
    assert '"rmse_axial": null' in as_json(figures) and '"efficiency_3d": null' in as_json(figures)
    assert figures["against_z"] is None


def test_a_constant_z_is_that_of_a_2d_method(seed: int) -> None:
    truth = crowd(np.random.default_rng(seed), 10, 5)
    level = truth.copy()
    level["z"] = 0
    assert is_flat(level, truth)
    assert not is_flat(level, level)
    assert not is_flat(truth, truth)
    assert not is_flat(level[:2], truth)  # two may be equal by chance


def test_neighbours_are_those_of_the_same_frame() -> None:
    truth = table((1, 0, 0, 0), (1, 300, 400, 600), (2, 0, 0, 0), (3, 5, 0, 0), (3, 5, 0, 900))
    assert neighbour_nm(truth).tolist() == [500, 500, math.inf, 0, 0]
    assert neighbour_nm(truth[:1]).tolist() == [math.inf]
    assert neighbour_nm(truth[:0]).tolist() == []


def test_intervals_cover_the_figure_and_shrink_with_the_frames(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = crowd(rng, 800, 2)
    found = noisy(rng, truth)
    few = found["frame"] <= 50
    wide = evaluate(found[few], truth[truth["frame"] <= 50]).intervals
    narrow = evaluate(found, truth)
    for name, (low, high) in narrow.intervals.items():
        assert low < narrow.main[name] < high, name
        assert 0.1 < (high - low) / (wide[name][1] - wide[name][0]) < 0.6, name  # 0.25 by the root of 16
    assert evaluate(found, truth).intervals == narrow.intervals


def test_a_paired_interval_is_narrower_than_two_of_their_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = crowd(rng, 300, 3)
    found = noisy(rng, truth, nm=20)
    worse = found.copy()
    worse["x"] += rng.normal(0, 15, len(worse))
    first, second = evaluate(found, truth), evaluate(worse, truth)
    change, low, high = differences(first, second)["rmse_lateral"]
    assert change == pytest.approx(second.main["rmse_lateral"] - first.main["rmse_lateral"])
    assert 0 < low < change < high
    alone = [score.intervals["rmse_lateral"] for score in (first, second)]
    assert high - low < sum(end - start for start, end in alone) / 2
    assert differences(first, first)["jaccard"] == (0, 0, 0)
    with pytest.raises(ValueError, match="emitters"):
        differences(first, evaluate(found, truth[5:]))


def test_recall_by_z_gives_the_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = crowd(rng, 4000, 3)
    found = truth[np.abs(truth["z"] - 100) < 400]
    by_z = evaluate(found, truth, QUICK).against_z
    assert by_z is not None
    assert by_z.low == pytest.approx(-300, abs=20) and by_z.high == pytest.approx(500, abs=20)  # bins of 30 nm
    assert by_z.consolidated == pytest.approx(800, abs=30)
    assert np.nansum(by_z.rmse_axial) == 0
    assert int(by_z.emitters.sum()) == evaluate(found, truth, QUICK).emitters

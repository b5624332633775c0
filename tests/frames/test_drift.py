"""Drift of the sample: measured and taken away, left alone where there is none."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.config.drift import Drifting
from holly_triton.frames.drift.correlation import pairs_of
from holly_triton.frames.drift.drift import _positions, find_drift
from holly_triton.frames.localisations import localisations
from holly_triton.frames.score.reading import read_localisations

FRAMES, SIDE_NM, DEPTH_NM = 600, 4000.0, 300.0
PRECISION_NM = (12.0, 12.0, 30.0)
BRIEF = Drifting(localisations=800)


def sample(drift_nm: float, *, rows: int = 6400, seed: int = 0) -> tuple[Array, Array]:
    """Localisations of 400 fluorophores that drift, and the drift about its mean ``[F, 3]``."""
    rng = np.random.default_rng(seed)
    sites = rng.uniform((0, 0, -DEPTH_NM), (SIDE_NM, SIDE_NM, DEPTH_NM), (400, 3))
    time = np.linspace(0, 1, FRAMES)
    walk = drift_nm * np.stack([time, 0.3 * np.sin(3 * time), 0.4 * time**2], axis=1)
    table = localisations(rows)
    table["frame"] = np.sort(rng.integers(1, FRAMES + 1, rows))
    table["photons"] = 1000
    xyz = sites[rng.integers(len(sites), size=rows)] + rng.normal(size=(rows, 3)) * PRECISION_NM
    for index, axis in enumerate("xyz"):
        table[axis] = xyz[:, index] + walk[table["frame"] - 1, index]
    return table, walk - walk.mean(axis=0)


def rms(values: Array) -> Array:
    return np.sqrt((values**2).mean(axis=0))


@pytest.mark.parametrize("seed", [0, 1])
def test_drift_is_found_within_its_stated_error(seed: int) -> None:
    """120 nm are followed to a tenth of the localisation precision, and the stated error is of the true one's size."""
    table, true = sample(120.0, seed=seed)
    drift = find_drift(table, FRAMES, BRIEF)
    wrong = rms(drift.path - true)
    assert drift.axes.all()
    assert (wrong < (1.5, 1.5, 3.5)).all(), wrong
    assert (wrong < 2 * drift.error).all() and (drift.error < 6 * wrong).all(), (wrong, drift.error)
    assert rms(true).max() > 20
    still = drift.taken_from(table)
    again = find_drift(still, FRAMES, BRIEF)
    assert (again.rms < 2).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_sample_at_rest_is_left_as_it_is(seed: int) -> None:
    table, _ = sample(0.0, seed=seed)
    drift = find_drift(table, FRAMES, BRIEF)
    assert not drift.axes.any(), (drift.rms, drift.error)
    for axis in "xyz":
        np.testing.assert_array_equal(drift.taken_from(table)[axis], table[axis])


def test_a_table_in_2d_has_no_drift_along_z() -> None:
    table, true = sample(120.0)
    table["z"] = np.nan
    drift = find_drift(table, FRAMES, BRIEF)
    assert drift.axes[:2].all() and not drift.axes[2]
    assert (rms(drift.path - true)[:2] < 1.5).all()


def test_pairs_that_contradict_the_others_do_not_count() -> None:
    pairs, rng = pairs_of(8), np.random.default_rng(0)
    true = rng.normal(size=(8, 2)) * 50
    true -= true.mean(axis=0)
    shifts = true[pairs[:, 1]] - true[pairs[:, 0]] + rng.normal(size=(len(pairs), 2))
    shifts[rng.choice(len(pairs), 5, replace=False)] += 500
    assert rms(_positions(shifts, 8) - true).max() < 1


def test_too_few_localisations_are_refused_in_words() -> None:
    with pytest.raises(HollyError, match="0 localisations in 1 frame are too few"):
        find_drift(localisations(0), 1)
    table, _ = sample(50.0, rows=900)
    with pytest.raises(HollyError, match="900 localisations in 600 frames are too few"):
        find_drift(table, FRAMES, BRIEF)


def test_a_simulated_movie_drifts_as_its_file_states_and_the_command_takes_it_away(tmp_path: Path) -> None:
    movie, still = tmp_path / "movie", tmp_path / "still.csv"
    asked = (
        "frames simulate --sampling structure --structure nuclear-pore --frames 600 --size 40 --density 0.8 --drift 90"
    )
    ran = CliRunner().invoke(main, [*asked.split(), str(movie)])
    assert ran.exit_code == 0, ran.output
    true = np.loadtxt(movie / "drift.csv", delimiter=",", skiprows=1)[:, 1:]
    assert np.hypot(*true[:, :2].T).max() == pytest.approx(90, abs=0.01)
    command = ["frames", "undrift", str(movie / "truth.csv"), str(still), "--segment", "500"]
    ran = CliRunner().invoke(main, command)
    assert ran.exit_code == 0, ran.output
    assert f"holly-triton pick {still}" in ran.output.splitlines()[-1]
    found = np.loadtxt(tmp_path / "still-drift.csv", delimiter=",", skiprows=1)[:, 1:]
    assert (rms(found - (true - true.mean(axis=0))) < 3).all()
    before, after = (read_localisations(path).table for path in (movie / "truth.csv", still))
    moved = np.stack([before[axis] - after[axis] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(moved, found[before["frame"] - 1], atol=0.002)
    assert (tmp_path / "still-drift.png").stat().st_size > 1000
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 1 and "--overwrite" in again.output


def test_fewer_frames_than_the_table_has_are_refused_in_words(tmp_path: Path) -> None:
    rows = "".join(f"{frame},{frame % 7 * 100},{frame % 5 * 100},500\n" for frame in range(1, 200))
    (tmp_path / "found.csv").write_text("frame,x [nm],y [nm],intensity [photon]\n" + rows)
    words = ["frames", "undrift", str(tmp_path / "found.csv"), str(tmp_path / "still.csv"), "--frames", "100"]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 1 and "up to frame 199; --frames must be at least that, not 100" in ran.output
    assert not (tmp_path / "still.csv").exists()

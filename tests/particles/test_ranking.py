"""Ranking a run's pictures, where junk among them is known."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.core.lock import CHECKPOINTS
from holly_triton.particles.config import Config
from holly_triton.particles.run.checkpoints import save_state
from holly_triton.particles.run.ranking import Ranking, rank_pictures, standardised
from holly_triton.particles.run.run import start_run
from holly_triton.particles.simulate import simulate

Array = NDArray[np.float64]
GOOD, JUNK = 240, 60


def lopsided_cross(rng: np.random.Generator) -> Array:
    """60 sites on three arms of 100, 80 and 60 nm."""
    arms = np.diag([100.0, 80.0, 60.0])[rng.integers(0, 3, 60)]
    return arms * rng.uniform(0, 1, (60, 1))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with the true structure and poses; of its pictures the last 60 are blobs with the pose of none."""
    folder = tmp_path_factory.mktemp("ranking")
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    simulation = simulate(lopsided_cross(rng), GOOD + JUNK, scatter_nm=4, generator=generator)
    particles = []
    for picture in range(GOOD + JUNK):
        count = int(np.exp(rng.uniform(np.log(20), np.log(200))))
        labels = simulation.positions[simulation.offsets[picture] : simulation.offsets[picture + 1]].numpy()
        blob = rng.normal(0, 35, 2) + rng.normal(0, rng.uniform(15, 40), (count, 2))
        particles.append(labels[rng.integers(0, len(labels), count)] if picture < GOOD else blob)
    rows = np.concatenate([np.column_stack([xy, np.full(len(xy), name)]) for name, xy in enumerate(particles)])
    np.savetxt(folder / "data.csv", rows, fmt="%.3f,%.3f,%d", header='"x [nm]","y [nm]","particle"', comments="")
    made = start_run(Config(data=str(folder / "data.csv"), points=60, device="cpu", held_out=0), folder / "run")
    state = made.trainer.state
    with torch.no_grad():
        state.points.copy_(torch.from_numpy(simulation.points))
    state.rotation = simulation.rotation
    # A particle is centred on its centroid, the structure on its own.
    state.shift = simulation.shift - made.dataset.centres[:, :2].float()
    state.step = made.trainer.plan.total_steps
    save_state(made.folder / CHECKPOINTS, state)
    return made.folder


def is_junk(ranking: Ranking) -> NDArray[np.bool_]:
    return np.array([int(name) >= GOOD for name in ranking.names])


def area_under_curve(score: Array, junk: NDArray[np.bool_]) -> float:
    """Chance that a junk picture scores above a good one."""
    return float(np.mean(score[junk][:, None] > score[~junk]))


def test_junk_scores_worse_whatever_its_count(run: Path) -> None:
    ranking = rank_pictures(run)
    junk = is_junk(ranking)
    with (run.parent / "data.csv").open() as file:
        names = [int(float(row[2])) for row in list(csv.reader(file))[1:]]
    few = np.bincount(names) < 60
    for which in (few, ~few):
        assert area_under_curve(ranking.score[which], junk[which]) > 0.9
    assert junk[ranking.bad].mean() > 0.9


def test_good_pictures_of_few_localisations_are_not_marked_for_that(run: Path) -> None:
    ranking = rank_pictures(run)
    assert ranking.bad[~is_junk(ranking)].mean() < 0.05


def test_a_share_can_be_asked_for(run: Path) -> None:
    ranking = rank_pictures(run, bad_share=0.1)
    assert ranking.bad.sum() == pytest.approx(30, abs=1)
    assert ranking.score[ranking.bad].min() > ranking.score[~ranking.bad].max()
    assert not rank_pictures(run, bad_share=0).bad.any()


def test_the_table_holds_every_picture_worst_first_and_nothing_is_deleted(run: Path) -> None:
    before = (run.parent / "data.csv").read_bytes()
    ranking = rank_pictures(run)
    with ranking.table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["picture"] for row in rows} == set(ranking.names)
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert [row["picture"] for row in rows if row["bad"] == "yes"] == [
        ranking.names[place] for place in np.argsort(-ranking.score, kind="stable") if ranking.bad[place]
    ]
    assert all(bool(row["reason"]) == (row["bad"] == "yes") for row in rows)
    assert ranking.gallery.read_bytes().startswith(b"\x89PNG")
    assert (run.parent / "data.csv").read_bytes() == before


def test_scores_are_robust_to_the_worst() -> None:
    values = np.concatenate([np.random.default_rng(1).normal(5, 2, 1000), np.full(200, 1e6)])
    score = standardised(values, np.zeros(1200, dtype=int))
    assert abs(np.median(score[:1000])) < 0.5
    assert 0.6 < score[:1000].std() < 1.1


def test_equal_values_score_nothing() -> None:
    assert not standardised(np.ones(10), np.zeros(10, dtype=int)).any()


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(HollyError, match="--bad-share"):
        rank_pictures(tmp_path, share)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="config.toml"):
        rank_pictures(tmp_path)


def test_the_command_answers_to_its_former_name_too() -> None:
    call = CliRunner().invoke
    assert "\n  rank " in call(main, ["--help"]).output and "\n  sort " not in call(main, ["--help"]).output
    assert "Rank the pictures" in call(main, ["sort", "--help"]).output

"""Experiments on a tiny scale: what is written, what is repeated, what happens when one is stopped."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.io.units import UNIT_NM
from holly_triton.particles.config import Config, Schedule, Search
from holly_triton.particles.data import open_dataset
from holly_triton.particles.paper import reproduce
from holly_triton.particles.paper import table as paper_table
from holly_triton.particles.paper.config import SCALES, Scale
from holly_triton.particles.paper.presets import Preset, read_preset
from holly_triton.particles.paper.table import random_rmsd, read_score
from holly_triton.particles.run.training import DONE, STOPPED, Stop
from holly_triton.structures import cep152
from holly_triton.validation.alignment import align
from holly_triton.view import sheet

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

BRIEF = {
    "schedule": Schedule(search_steps=6, rescue_passes=1, polish_steps=2, refine_steps=1),
    "search": Search(candidates=100, dense_candidates=200),
    "checkpoint_every": 2,
}


def brief(name: str) -> Preset:
    """A row of the paper with a training of a few steps, which only has to end."""
    preset = read_preset(name)
    return dataclasses.replace(preset, train=dataclasses.replace(preset.train, **BRIEF))


def run(out: Path, *names: str, seeds: int = 1, clouds: Path = Path("nowhere")) -> int:
    presets = [brief(name) for name in names]
    return reproduce.reproduce(presets, seeds=seeds, pose="search", scale="small", clouds=clouds, out=out)


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Few pictures, one random cloud in the baseline, and montages of views as small as those that are drawn."""
    patch.setitem(SCALES, "small", Scale(images=40, in_plane=1, size=16, faster=1.0))
    patch.setattr(paper_table, "RANDOM_CLOUDS", 1)
    patch.setattr(paper_table, "PANEL_PX", sheet.PANEL_PX)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of one row of two seeds."""
    out = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        assert run(out, "cep152", seeds=2) == DONE
    return out


def test_the_table_holds_what_the_runs_scored(made: Path) -> None:
    scores = [read_score(made / "runs" / f"cep152-search-small-{seed}") for seed in (0, 1)]
    rmsd = [score.rmsd for score in scores if score]
    text = (made / "5.1.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("| CEP152")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:5] == ["CEP152", "cep152", "none", "search", "180"]
    assert cells[5] == f"{np.mean(rmsd):.4f}"
    assert cells[7] == ", ".join(f"{value:.4f}" for value in rmsd)
    assert cells[8] == "0 of 2"  # a few steps on 40 pictures find nothing
    assert "40 pictures; on " in text
    assert "Not run: bunny, teapot." in text


def test_a_row_has_its_montage(made: Path) -> None:
    path = made / "pictures" / "cep152-search-small.png"
    assert f"]({path.relative_to(made)})" in (made / "5.1.md").read_text()
    assert path.stat().st_size < 300 * 1024
    with Image.open(path) as picture:
        assert picture.size == (2 * paper_table.MONTAGE_PX, 2 * paper_table.MONTAGE_PX)
        colours = np.asarray(picture.convert("RGB"), dtype=int).reshape(-1, 3)
    assert (colours[:, 0] - colours[:, 2] > 60).any()  # orange
    assert (colours[:, 2] - colours[:, 0] > 60).any()  # blue


def test_the_score_is_that_of_evaluate_in_the_paper_s_units(made: Path) -> None:
    folder = made / "runs" / "cep152-search-small-0"
    evaluation = json.loads((folder / "metrics.json").read_text())["evaluation"]
    score = read_score(folder)
    assert score is not None
    assert score.rmsd == pytest.approx(evaluation["rmsd"] / UNIT_NM)
    assert evaluation["truth_points"] == len(cep152())


def test_runs_keep_out_of_git_and_the_pictures_are_removed(made: Path) -> None:
    assert (made / "runs" / ".gitignore").read_text() == "*\n"
    assert not list(made.glob("runs/*/data"))


def test_what_is_finished_is_not_repeated(made: Path) -> None:
    clouds = list(made.glob("runs/*/cloud.ply"))
    before = [cloud.stat().st_mtime_ns for cloud in clouds]
    assert run(made, "cep152", seeds=2) == DONE
    assert [cloud.stat().st_mtime_ns for cloud in clouds] == before


def test_energy_has_a_column_where_a_run_knows_it(made: Path, tmp_path: Path) -> None:
    assert "Wh" not in (made / "5.1.md").read_text()
    shutil.copytree(made, tmp_path / "paper")
    metrics = tmp_path / "paper" / "runs" / "cep152-search-small-1" / "metrics.json"
    metrics.write_text(json.dumps({**json.loads(metrics.read_text()), "energy_wh": 2.5}))
    lines = paper_table.write_table("5.1", tmp_path / "paper" / "runs", tmp_path / "paper").read_text().splitlines()
    assert next(line for line in lines if line.startswith("| row")).endswith("| Wh, median |")
    assert next(line for line in lines if line.startswith("| CEP152")).endswith("| 2.5 |")


def test_a_stopped_run_goes_on_to_the_same_bytes(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    follow = reproduce.follow

    def interrupted(run: object, stop: Stop) -> bool:
        stop.asked = True
        return follow(run, stop)

    with monkeypatch.context() as patch:
        patch.setattr(reproduce, "follow", interrupted)
        assert run(tmp_path, "cep152") == STOPPED
    assert "same command" in capsys.readouterr().out
    assert read_score(tmp_path / "runs" / "cep152-search-small-0") is None
    assert run(tmp_path, "cep152") == DONE
    name = "runs/cep152-search-small-0/cloud.ply"
    assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_a_row_whose_file_is_missing_is_left_out_and_named(
    made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "holly_triton")
    assert run(made, "bunny", "cep152") == DONE
    said = caplog.text
    assert "bunny: left out" in said
    assert "bunny_large.obj" in said
    with pytest.raises(HollyError, match="bunny_large.obj"):
        run(tmp_path / "none", "bunny")
    assert not (tmp_path / "none").exists()


def test_a_cloud_that_is_a_file_is_read_in_the_paper_s_units(tmp_path: Path) -> None:
    corners = np.random.default_rng(2).uniform(-1, 1, (30, 3))
    (tmp_path / "bunny_large.obj").write_text("".join(f"v {x} {y} {z}\n" for x, y, z in corners))
    truth = reproduce._truth(read_preset("bunny"), tmp_path)
    assert truth is not None
    np.testing.assert_allclose(truth.points, corners * UNIT_NM)


def test_the_seed_and_the_row_decide_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALES, "small", Scale(images=400, in_plane=2, size=16, faster=1.0))
    preset = dataclasses.replace(read_preset("spawn-6.H"), cloud="cep152")
    truth = reproduce._truth(preset, tmp_path)
    assert truth is not None

    def labels(seed: int, name: str) -> torch.Tensor:
        experiment = reproduce.Experiment(preset, "search", "small", seed, tmp_path)
        reproduce._simulate(experiment, truth, tmp_path / name)
        data = open_dataset(tmp_path / name)
        assert len(data) == 800
        return data.counts

    first = labels(0, "a")
    assert torch.equal(first, labels(0, "b"))
    assert not torch.equal(first, labels(1, "c"))
    # 112 sites, 0.7 labelled, 4 fluorophores at rate 0.6; five standard errors of 400 pictures.
    assert float(first.float().mean()) == pytest.approx(112 * 0.7 * 4 * 0.6, abs=5 * 14.6 / 20)


def test_the_paper_s_scale_has_its_pictures_epochs_and_steps() -> None:
    scale = SCALES["paper"]
    assert (scale.images, scale.in_plane) == (2000, 20)
    config = reproduce._scaled(Config(), scale)
    assert config.schedule.search_steps == 20 * Config().schedule.search_steps
    assert (config.amortised.epochs, config.amortised.size, config.direct.size) == (40, 128, 128)


def test_a_random_cloud_has_the_truth_s_size_and_scores_far_from_it() -> None:
    truth = cep152()
    cloud = paper_table._random_cloud(truth, 180, seed=0)
    centred = truth - truth.mean(axis=0)
    assert np.square(cloud).sum(axis=1).mean() == pytest.approx(np.square(centred).sum(axis=1).mean())
    assert random_rmsd(truth, 180) == pytest.approx(align(cloud, truth).rmsd)
    assert 0.1 < random_rmsd(truth, 180) / UNIT_NM < 0.4


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "--table"),
        (["--table", "5.1", "--preset", "bunny"], 2, "--table"),
        (["--table", "9"], 1, "5.1 baselines"),
        (["--preset", "buny"], 1, "did you mean bunny"),
        (["--preset", "bunny", "--clouds", "nowhere"], 1, "bunny_large.obj"),
        (["--preset", "bunny", "--scale", "huge"], 2, "small"),
    ],
)
def test_bad_use_ends_in_one_line(words: list[str], code: int, says: str) -> None:
    result = CliRunner().invoke(main, ["reproduce", *words])
    assert result.exit_code == code
    assert says in result.output
    assert "Traceback" not in result.output

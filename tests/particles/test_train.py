"""A small run from the command line, start to end: what it writes, stopping, going on, refusing."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import read_config
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.particles.config import Config

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

ROOT = Path(__file__).resolve().parents[2]
BRIEF = "[schedule]\nsearch_steps = 150\nrescue_passes = 1\npolish_steps = 10\nrefine_steps = 2\n[search]\ndense_candidates = 4000\n"
BRIEFER = """
checkpoint_every = 5
[schedule]
search_steps = 30
rescue_passes = 1
polish_steps = 6
refine_steps = 2
[search]
candidates = 200
dense_candidates = 400
"""
SIGNALLED = """
import os, sys
from holly_triton.cli import main

def watch(event, details):
    global left
    if event == "os.rename" and str(details[1]).endswith("last.pt"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), number)

number, left = int(sys.argv.pop(1)), int(sys.argv.pop(1))
sys.addaudithook(watch)
main()
"""
"""The command line, whose process gets a signal as it writes a checkpoint: its number, and how many checkpoints there are by then."""


def call(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in words else result.output  # progress goes to stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A finished run on 200 pictures of an asymmetric cloud of 20 sites."""
    folder = tmp_path_factory.mktemp("train")
    sites = np.random.default_rng(5).normal(size=(20, 3)) * (60, 40, 25)
    write_cloud(folder / "sites.ply", sites)
    (folder / "brief.toml").write_text(BRIEF)
    call("simulate", folder / "sites.ply", folder / "data", "--images", 200)
    call("train", folder / "data", "--out", folder / "run", "--points", 20, "--config", folder / "brief.toml")
    return folder


@pytest.fixture(scope="module")
def brief(made) -> Path:
    """A finished run of fewer steps, all of whose stages take part."""
    (made / "briefer.toml").write_text(BRIEFER)
    call("train", made / "data", "--out", made / "brief", "--points", 20, "--config", made / "briefer.toml")
    return made / "brief"


def test_it_finds_the_structure(made):
    figures = json.loads(call("evaluate", made / "run", "--truth", made / "sites.ply", "--json"))
    assert figures["unit"] == "nm"
    assert figures["rmsd"] < 12  # of a structure 75 nm in radius of gyration; random clouds score about 25


def test_it_writes_the_run_folder_of_the_contract(made):
    run = made / "run"
    points, other = (read_cloud(run / name).points for name in ("cloud.ply", "cloud_mirror.ply"))
    assert points.shape == (20, 3)
    assert np.allclose(points * (1, 1, -1), other)
    assert np.allclose(points.mean(0), 0, atol=1e-3)
    with (run / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["picture", "rx", "ry", "rz", "tx_nm", "ty_nm", "sigma_nm", "loss"]
    assert len(rows) == 200
    config = read_config(run / "config.toml", Config)
    assert Path(config.data).is_absolute()
    assert config.points == 20
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["finished"]
    assert metrics["seconds"] > 0
    assert (run / "report.html").is_file()
    assert (run / "pictures" / "cloud.png").is_file()
    assert list(run.glob("events.out.tfevents.*"))


def test_the_same_seed_gives_the_same_bytes(brief, tmp_path):
    call("train", "--config", brief / "config.toml", "--out", tmp_path / "again")
    for name in ("cloud.ply", "poses.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (brief / name).read_bytes()


def test_an_existing_folder_is_refused_without_overwrite(made):
    result = CliRunner().invoke(main, ["train", str(made / "data"), "--out", str(made / "run")])
    assert result.exit_code == 1
    assert "--overwrite" in result.output


def test_a_simulation_replaces_an_existing_folder_only_if_asked(tmp_path):
    words = ["simulate", "tripod", str(tmp_path / "data"), "--images", "9"]
    assert CliRunner().invoke(main, [*words, "--seed", "1"]).exit_code == 0
    before = (tmp_path / "data" / "localisations.csv").read_bytes()
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1 and "--overwrite" in result.output
    assert (tmp_path / "data" / "localisations.csv").read_bytes() == before
    assert CliRunner().invoke(main, [*words, "--overwrite"]).exit_code == 0
    assert (tmp_path / "data" / "localisations.csv").read_bytes() != before


def test_resuming_a_finished_run_changes_nothing(made):
    before = (made / "run" / "cloud.ply").stat().st_mtime_ns
    call("train", "--resume", made / "run")
    assert (made / "run" / "cloud.ply").stat().st_mtime_ns == before


def test_the_growth_of_the_cloud_is_kept(made):
    growth = np.load(made / "run" / "growth.npz")
    assert growth["points"].shape == (len(growth["step"]), 20, 3)
    assert 50 <= len(growth["step"]) <= 100
    assert np.array_equal(growth["points"][-1], read_cloud(made / "run" / "cloud.ply").points.astype(np.float32))


def test_a_place_that_may_not_be_written_to_is_named(made, tmp_path, monkeypatch):
    def refuse(folder: Path, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere, so the system can't be asked
    for words in (["train", str(made / "data")], ["demo"], ["simulate", str(made / "sites.ply")]):
        out = [str(tmp_path / "new")] if words[0] == "simulate" else ["--out", str(tmp_path / "new")]
        result = CliRunner().invoke(main, [*words, *out])
        assert result.exit_code == 1, result.output
        assert re.search(r"new.*(permission|Permission denied)", result.output)


def test_a_demonstration_that_was_stopped_says_how_it_goes_on(made, tmp_path):
    (tmp_path / "demo" / "pictures").mkdir(parents=True)
    shutil.copy(made / "run" / "config.toml", tmp_path / "demo")
    result = CliRunner().invoke(main, ["demo", "--quick", "--out", str(tmp_path / "demo")])
    assert result.exit_code == 1 and f"train --resume {tmp_path / 'demo'}" in result.output


def test_a_folder_inside_a_file_is_refused(made):
    result = CliRunner().invoke(main, ["train", str(made / "data"), "--out", str(made / "sites.ply" / "run")])
    assert result.exit_code == 1
    assert "sites.ply" in result.output


@pytest.mark.parametrize(
    ("number", "checkpoint"), [(signal.SIGINT, 1), (signal.SIGTERM, 4)], ids=["among the starts", "later"]
)
def test_a_signal_saves_and_the_run_goes_on_to_the_same_bytes(brief, tmp_path, number, checkpoint):
    words = [sys.executable, "-c", SIGNALLED, int(number), checkpoint, "train", "--config", brief / "config.toml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = tmp_path / "run"
    stopped = subprocess.run([*map(str, words), "--out", run], env=environment, capture_output=True, text=True)
    assert stopped.returncode == 3, stopped.stderr
    assert "--resume" in stopped.stdout
    results = [(run / name).is_file() for name in ("cloud.ply", "report.html")]
    if checkpoint == 1:
        assert "random start 2" in stopped.stdout and not any(results)
    else:
        assert "report.html" in stopped.stdout and all(results)
        assert "This run was stopped before its end" in (run / "report.html").read_text()
    call("train", "--resume", run)
    assert "This run was stopped" not in (run / "report.html").read_text()
    assert (run / "cloud.ply").read_bytes() == (brief / "cloud.ply").read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["train", "nowhere.csv"], 1, "nowhere.csv"),
        (["train"], 2, "give DATA"),
        (["train", "x", "--resume", "y"], 2, "--resume"),
        (["train", "--resume", "nowhere"], 1, "nowhere: there is no such folder"),
        (["train", "--resume", __file__], 1, "is a file; pass the folder of a run"),
        (["evaluate", "nowhere", "--truth", "x.ply"], 1, "nowhere: there is no such folder"),
        (["render", "nowhere"], 1, "nowhere: there is no such folder"),
        (["evaluate", "nowhere"], 1, "nowhere: there is no such folder"),
        (["train", "x", "--preset", "scater-0.03"], 1, "did you mean scatter-0.03"),
        (["train", "x", "--preset", "sponge"], 1, "--preset sponge: is not known; known are bunny"),
        (["train", "x", "--preset", "bunny", "--config", "c.toml"], 2, "--config and --preset"),
        (["train", "x", "--points", "2000000"], 2, "1000000"),
        (["train", "x", "--points", "3"], 2, "4<=x"),
        (["train", "x", "--pixel-size", "nan"], 2, "nan"),
        (["simulate", "nuclear-poor", "out"], 1, "nuclear-pore"),
        (
            ["simulate", "nuclear-pore", "out", "--images", "3", "--missing", "1"],
            1,
            "nothing is labelled in any of 3 pictures",
        ),
        (["simulate", "nowhere.ply", "out"], 1, "nowhere.ply: there is no such file"),
        (["pick", "field.csv", "out.hdf5", "--crop", "20"], 2, "no such option"),
    ],
)
def test_bad_use_ends_in_one_line(words, code, says):
    result = CliRunner().invoke(main, words)
    assert result.exit_code == code
    assert says in result.output
    assert "Traceback" not in result.output

"""Several runs of the same data: their folders, what they agree on, stopping and going on."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton import training
from holly_triton.cli import main
from holly_triton.cloud import read_cloud, write_cloud

BRIEF = "[schedule]\nsearch_steps = 60\npolish_steps = 10\nrefine_steps = 2\n"


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_cloud(folder / "sites.ply", np.random.default_rng(5).normal(size=(20, 3)) * (60, 40, 25))
    (folder / "brief.toml").write_text(BRIEF)
    call("simulate", folder / "sites.ply", folder / "data", "--images", 60)
    assert "runs agree" in call(*study(folder, folder / "whole", "--repeats", 2))
    return folder


def study(made: Path, out: Path, *words: object) -> list[object]:
    return ["train", made / "data", "--out", out, "--points", 20, "--config", made / "brief.toml", *words]


def test_repeats_differ_in_their_seed_and_leave_what_they_agree_on(made: Path) -> None:
    whole = made / "whole"
    runs = [read_cloud(whole / f"repeat-{k}" / "cloud.ply").points for k in (1, 2)]
    assert not np.allclose(*runs)
    assert len(read_cloud(whole / "cloud.ply").points) == 20
    with (whole / "spread.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["x [nm]", "y [nm]", "z [nm]", "spread [nm]"]
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["consensus"]["runs"] == 2
    assert metrics["findings"][0] in (whole / "report.html").read_text().replace("&#39;", "'")
    before = (whole / "cloud.ply").stat().st_mtime_ns
    call("train", "--resume", whole)
    assert (whole / "cloud.ply").stat().st_mtime_ns == before
    scored = json.loads(call("evaluate", whole, "--truth", made / "sites.ply", "--json"))
    assert scored["points"] == 20


def test_half_sets_share_no_particle_and_give_a_resolution(made: Path, tmp_path: Path) -> None:
    said = call(*study(made, tmp_path / "run", "--half-sets"))
    assert "halves" in said
    names = []
    for half in (1, 2):
        with (tmp_path / "run" / f"half-{half}" / "poses.csv").open() as file:
            names.append({row["picture"] for row in csv.DictReader(file)})
    assert len(names[0]) == len(names[1]) == 30
    assert not names[0] & names[1]
    assert "limit" in json.loads((tmp_path / "run" / "metrics.json").read_text())["resolution"]


def test_a_stopped_study_goes_on(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        follow = training.follow

        def stop_after_the_first(run: training.Run, stop: training.Stop) -> bool:
            stop.asked = True
            return follow(run, training.Stop())

        patched.setattr(training, "follow", stop_after_the_first)
        said = call(*study(made, tmp_path / "run", "--repeats", 2), code=3)
    assert f"--resume {tmp_path / 'run'}" in said
    call("train", "--resume", tmp_path / "run")
    for name in ("cloud.ply", "spread.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (made / "whole" / name).read_bytes()


def test_the_two_studies_are_not_mixed(made: Path) -> None:
    assert "two studies" in call("train", made / "data", "--repeats", 2, "--half-sets", code=2)

"""Several runs of the same data: their folders, what they agree on, stopping and going on."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.stop import Stop
from holly_triton.io.clouds import read_cloud, write_cloud
from holly_triton.io.metrics import read_metrics
from holly_triton.particles.config import Config
from holly_triton.particles.data import open_dataset
from holly_triton.particles.run import run as run_of_particles
from holly_triton.particles.run import training
from holly_triton.particles.run.run import start_run
from holly_triton.particles.run.study import Member, check_begun, make_study, members

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

BRIEF = "[schedule]\nsearch_steps = 30\nrescue_passes = 0\npolish_steps = 10\nrefine_steps = 2\n[search]\ncandidates = 100\n"


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.stdout if "--json" in words else result.output  # progress goes to stderr


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
    assert "FSC 0.143" in said
    (note,) = read_metrics(tmp_path / "run" / "half-1").notes or ()
    assert said.count(note) == 1  # of both
    for part in (1, 2):
        assert f"left in part {part} of 2\n" in said
    names = []
    for half in (1, 2):
        with (tmp_path / "run" / f"half-{half}" / "poses.csv").open() as file:
            names.append({row["picture"] for row in csv.DictReader(file)})
    assert len(names[0]) == len(names[1]) == 30
    assert not names[0] & names[1]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "limit" in metrics["resolution"] and "positional_sd" in metrics["resolution"]
    assert "angular_order" in metrics


def test_a_stopped_study_goes_on(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        follow = training.follow

        def stop_after_the_first(run: training.Run, stop: training.Stop, part: str) -> bool:
            stop.asked = True
            return follow(run, training.Stop(), part)

        patched.setattr(training, "follow", stop_after_the_first)
        said = call(*study(made, tmp_path / "run", "--repeats", 2), code=3)
    assert f"--resume {tmp_path / 'run'}" in said
    call("train", "--resume", tmp_path / "run")
    for name in ("cloud.ply", "spread.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (made / "whole" / name).read_bytes()


def test_halves_have_as_many_points_and_their_data_are_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [90 if row % 2 else 200 for row in range(40)]  # of the odd particles and of the even ones
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{y:.3f},{row}" for row, count in enumerate(counts) for x, y in rng.normal(size=(count, 2)) * 50]
    (tmp_path / "data.csv").write_text("\n".join(["x [nm],y [nm],particle", *rows]) + "\n")
    opened = []
    monkeypatch.setattr(run_of_particles, "open_dataset", lambda *a, **o: opened.append(a) or open_dataset(*a, **o))
    make_study(Config(data=str(tmp_path / "data.csv"), half_sets=True), tmp_path / "run", overwrite=False)
    assert len(opened) == 1
    config = read_config(tmp_path / "run" / "config.toml", Config)
    assert config.points is not None
    assert {member.config.points for member in members(config, tmp_path / "run")} == {config.points}


def test_the_two_studies_are_not_mixed(made: Path) -> None:
    assert "different studies" in call("train", made / "data", "--repeats", 2, "--half-sets", code=2)


def test_halves_start_from_clouds_of_their_own(made: Path) -> None:
    config = Config(data=str(made / "data"), points=20, half_sets=True)
    starts = [start_run(one.config, made / one.folder.name).trainer.state.points for one in members(config, made)]
    assert abs(np.corrcoef(*(points.detach().flatten().numpy() for points in starts))[0, 1]) < 0.5


def test_data_that_cannot_be_read_cost_no_old_study(made: Path) -> None:
    before = sorted(path.name for path in (made / "whole").iterdir())
    words = ["train", made / "nowhere.csv", "--out", made / "whole", "--repeats", 2, "--overwrite"]
    assert "nowhere.csv" in call(*words, code=1)
    assert sorted(path.name for path in (made / "whole").iterdir()) == before


def test_a_member_that_was_killed_before_its_results_is_finished(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "whole", tmp_path / "run")
    for name in ("report.html", "repeat-2/report.html", "repeat-2/cloud.ply"):
        (tmp_path / "run" / name).unlink()
    call("train", "--resume", tmp_path / "run")
    assert (tmp_path / "run" / "cloud.ply").read_bytes() == (made / "whole" / "cloud.ply").read_bytes()


def test_new_pictures_are_explained_by_one_run_not_by_a_study(made: Path) -> None:
    assert "repeat-1" in call("evaluate", made / "whole", "--pictures", made / "data", code=1)
    assert "60 new pictures" in call("evaluate", made / "whole" / "repeat-1", "--pictures", made / "data")
    assert (made / "whole" / "repeat-1" / "poses_data.csv").is_file()


def test_settings_that_earlier_versions_left_to_each_run_are_not_changed_ones(tmp_path: Path) -> None:
    config = Config(data="a.csv", repeats=2, points=20, dimensions=2, channels="pooled", choose_points=False)
    for member in members(config, tmp_path):
        member.folder.mkdir()
        earlier = dataclasses.replace(member.config, dimensions=None, channels=None, choose_points=None)
        write_config(member.folder / "config.toml", earlier)
    check_begun(tmp_path, members(config, tmp_path))
    for change in ({"points": 21}, {"views": "random"}, {"pose": "direct"}):
        with pytest.raises(HollyError, match=f"since repeat-1 was begun: {next(iter(change))}; set"):
            check_begun(tmp_path, members(dataclasses.replace(config, **change), tmp_path))  # type: ignore[arg-type]


def test_a_note_on_the_consensus_is_not_said_again_of_a_structure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = Config(structures=2)
    parts = [Member(tmp_path / name, config) for name in ("consensus", "structure-1", "structure-2")]
    runs = {part.folder: SimpleNamespace(notes=["shared", f"of {part.folder.name}"]) for part in parts}
    for name in ("open_member", "open_structure"):
        monkeypatch.setattr(training, name, lambda member: runs[member.folder])
    monkeypatch.setattr(training, "consensus_of", lambda *_: parts[0])
    monkeypatch.setattr(training, "structures_of", lambda *_: parts[1:])
    for name, result in (("follow", True), ("_classify", True), ("conclude_classes", [])):
        monkeypatch.setattr(training, name, lambda *_, result=result: result)
    with caplog.at_level("INFO", "holly_triton"):
        training._follow_classes(config, tmp_path, Stop())
    said = [message.strip() for message in caplog.messages]
    assert said.count("shared") == 1
    assert {"of consensus", "of structure-1", "of structure-2"} <= {*said}

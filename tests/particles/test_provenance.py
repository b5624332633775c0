"""What a run records of its data, and what it does when these change."""

import json
from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.particles.config import Config
from holly_triton.particles.data.dataset import data_files
from holly_triton.particles.run.checkpoints import save_state
from holly_triton.particles.run.run import Run, resume_run, start_run

COUNTS = (10, 12) * 10


def write(path: Path, moved: float = 0.0, left_out: int = 0) -> Path:
    rng = np.random.default_rng(0)
    rows = [
        f"{x + moved:.3f},{y:.3f},{one}"
        for one, count in enumerate(COUNTS)
        for x, y in rng.normal(size=(count, 2)) * 50
    ]
    path.write_text("\n".join(["x [nm],y [nm],particle", *rows[: len(rows) - left_out]]) + "\n")
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = start_run(Config(data=str(write(tmp_path / "data.csv")), points=20, device="cpu"), tmp_path / "run")
    save_state(run.folder / "checkpoints", run.trainer.state)
    return run


def test_a_run_names_its_files_and_its_particles(run: Run) -> None:
    table = json.loads((run.folder / "data.json").read_text())
    assert Path(table["path"]).name == "data.csv" and Path(table["path"]).is_absolute()
    (file,) = table["files"]
    assert file["name"] == "data.csv" and file["bytes"] == Path(table["path"]).stat().st_size
    assert table["pictures"] == [str(one) for one in range(20)] and table["localisations"] == [*COUNTS]
    assert table["held_out"] == [False] * 20


def test_data_that_are_the_same_are_no_remark(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    write(Path(run.config.data))
    resume_run(run.folder)
    assert not caplog.records


def test_particles_that_moved_are_a_warning(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    write(Path(run.config.data), moved=1.0)
    resume_run(run.folder)
    assert "data.csv: has changed since the run was started" in caplog.text


def test_other_particles_are_refused_since_the_poses_are_not_theirs(run: Run) -> None:
    write(Path(run.config.data), left_out=1)
    with pytest.raises(
        HollyError, match="20 particles of 220 localisations then, 20 particles of 219 localisations now"
    ):
        resume_run(run.folder)


def test_the_files_of_a_folder_are_those_of_its_format(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}.csv").write_text("x [nm],y [nm]\n1,2\n30,40\n5,80\n")
    (tmp_path / "preview.png").write_bytes(b"\x89PNG")
    assert [file.name for file in data_files(tmp_path)] == [f"{number}.csv" for number in range(9)]

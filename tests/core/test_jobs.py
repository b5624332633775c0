"""Runs as jobs: by submitit's local executor, and by Slurm's commands as far as they can be played here."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core import jobs
from holly_triton.core.config import read_config
from holly_triton.core.errors import HollyError
from holly_triton.core.jobs import Cluster, run_all
from holly_triton.io.clouds import Cloud, write_cloud
from holly_triton.io.units import UNIT_NM
from holly_triton.particles.config import Config
from holly_triton.particles.paper import reproduce
from holly_triton.particles.paper import table as paper_table
from holly_triton.particles.run import training
from holly_triton.particles.run.study import make_study

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

ROOT = Path(__file__).resolve().parents[2]
BRIEF = "[schedule]\nsearch_steps = 20\nrescue_passes = 0\npolish_steps = 4\nrefine_steps = 1\n"
SLURM = {
    "sbatch": (
        "#!/bin/bash\ncp $1 $SUBMITTED\nown=$(mktemp $SUBMITTED.XXXX)\ncp $1 $own\n"  # submitit renames its own at once
        "echo Submitted batch job 7\n(SLURM_JOB_ID=7 bash $own >/dev/null 2>&1 &)\n"
    ),
    "srun": '#!/bin/bash\nexec "${@:6}"\n',  # after --unbuffered, --output FILE and --error FILE
    "sacct": "#!/bin/bash\n",
}
"""Programs that take what Slurm's take, and start each job at once."""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(jobs, "POLL_S", 0.1)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the last job's script is left by programs that stand in for Slurm's."""
    (tmp_path / "bin").mkdir()
    for name, script in SLURM.items():
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITTED", str(tmp_path / "script"))
    return tmp_path / "script"


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def hand_over(
    work: Mapping[Path, Callable[[], object]], where: Cluster, should_stop: Callable[[], bool] = lambda: False
) -> tuple[bool, list[str]]:
    """Whether all ended, and what was said; a folder is finished when it holds a file ``done``."""
    said: list[str] = []
    finished = lambda folder: (folder / "done").is_file()  # noqa: E731
    return run_all(work, where, finished=finished, say=said.append, should_stop=should_stop), said


def test_a_job_that_fails_is_one_line_with_its_log_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    good, bad = tmp_path / "good", tmp_path / "bad"
    devices = partial(subprocess.run, f"echo $CUDA_VISIBLE_DEVICES > '{good / 'done'}'", shell=True, check=True)
    ended, said = hand_over({bad: partial(Path.read_text, bad / "nowhere"), good: devices}, Cluster("local"))
    assert ended
    assert (good / "done").read_text() == "3,5\n"  # a job sees the GPUs that it would have seen here
    (failed,) = (line for line in said if "failed" in line)
    assert "FileNotFoundError" in failed
    assert "Traceback" in Path(failed.split("see ")[1]).read_text()
    assert f"{good}: done" in said


def test_local_jobs_end_with_the_wait_for_them(tmp_path: Path) -> None:
    started = tmp_path / "run" / "started"
    sleeping = partial(subprocess.run, f"touch '{started}'; exec sleep 100", shell=True, check=True)
    begun = time.monotonic()
    ended, _ = hand_over({tmp_path / "run": sleeping, tmp_path / "next": sleeping}, Cluster("local"), started.exists)
    assert not ended
    assert time.monotonic() - begun < 60


def test_slurm_gets_its_options_and_never_two_jobs_at_once_in_a_folder(tmp_path: Path, slurm: Path) -> None:
    scripts = []
    for name in ("a", "a", "b"):
        work = {tmp_path / name: partial(Path.touch, tmp_path / name / "done")}
        ended, said = hand_over(work, Cluster("slurm", "partition=gpu,gpus_per_node=1,time=60"))
        assert ended
        assert said[-1] == f"{tmp_path / name}: done"
        scripts.append(slurm.read_text().splitlines())
    for line in ("--partition=gpu", "--gpus-per-node=1", "--time=60", "--dependency=singleton"):
        assert f"#SBATCH {line}" in scripts[0]
    names = [next(line for line in script if "--job-name" in line) for script in scripts]
    assert names[0] == names[1] != names[2]


def test_jobs_of_slurm_outlive_the_wait_for_them(tmp_path: Path, slurm: Path) -> None:
    folder = tmp_path / "run"
    late = partial(subprocess.run, f"sleep 1; touch '{folder / 'done'}'", shell=True, check=True)
    ended, said = hand_over({folder: late}, Cluster("slurm"), slurm.exists)
    assert not ended
    assert said[-1].endswith("go on in Slurm: 1")
    while not (folder / "done").exists():  # or the test hangs
        time.sleep(0.1)


def test_a_job_that_slurm_refuses_is_one_line(tmp_path: Path, slurm: Path) -> None:
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/bash\necho 'sbatch: error: invalid partition: gpuu' >&2\nexit 1\n")
    said = call("reproduce", "--preset", "cep152", "--out", tmp_path / "out", "--cluster", "slurm", code=1)
    assert "invalid partition" in said


def test_at_its_time_limit_a_job_asks_to_be_started_again() -> None:
    work = jobs._Work(partial(print), "slurm")
    assert work.checkpoint().function == work


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    write_cloud(folder / "sites.ply", np.random.default_rng(5).normal(size=(20, 3)) * (60, 40, 25))
    call("simulate", folder / "sites.ply", folder / "data", "--images", 20)
    (folder / "brief.toml").write_text(f"data = '{folder / 'data'}'\npoints = 20\nrepeats = 2\n" + BRIEF)
    return folder


def test_what_is_left_of_a_study_goes_to_jobs_and_ends_with_the_same_bytes(made: Path, tmp_path: Path) -> None:
    config = read_config(made / "brief.toml", Config)
    here, folder = tmp_path / "here", tmp_path / "jobs"
    assert training.start_training(config, here, overwrite=False) == 0
    make_study(config, folder, overwrite=False)
    shutil.copytree(here / "repeat-1", folder / "repeat-1")
    damaged = folder / "repeat-2" / "config.toml"
    damaged.parent.mkdir()
    damaged.write_text("nonsense")
    said = call("train", "--resume", folder, "--cluster", "local", code=1)
    assert f"failed ({damaged}" in said
    assert f"holly-triton train --resume {folder} --cluster local" in said
    damaged.unlink()
    said = call("train", "--resume", folder, "--cluster", "local")
    assert f"{folder / 'repeat-2'}: done" in said
    assert "repeat-1: job" not in said
    for name in ("repeat-2/cloud.ply", "cloud.ply"):
        assert (folder / name).read_bytes() == (here / name).read_bytes()


def score(experiment: reproduce.Experiment, truth: Cloud, stop: training.Stop) -> bool:
    """Leave what an experiment leaves for the table; that of seed 1 fails."""
    if experiment.seed:
        raise HollyError("no luck")
    figures = {"finished": True, "seed": 0, "seconds": 1.0, "points": len(truth.points), "pictures": 40}
    machine = {"device": "abacus", "threads": 1, "versions": {"holly-triton": "0"}}
    evaluation = {"rmsd": UNIT_NM / 100, "mirrored": stop.asked}
    write_cloud(experiment.folder / "cloud.ply", truth.points)
    write_cloud(experiment.folder / "truth.ply", truth.points)
    (experiment.folder / "metrics.json").write_text(json.dumps({**figures, **machine, "evaluation": evaluation}))
    return True


def test_experiments_go_to_jobs_and_into_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "_perform", score)
    monkeypatch.setattr(paper_table, "RANDOM_CLOUDS", 1)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no module that a job can import
    said = call("reproduce", "--preset", "cep152", "--seeds", 2, "--out", tmp_path, "--cluster", "local", code=1)
    assert "cep152-search-small-0: done" in said
    assert "cep152-search-small-1: failed (no luck)" in said
    (line,) = [line for line in (tmp_path / "5.1.md").read_text().splitlines() if line.startswith("| CEP152")]
    assert "0.0100" in line
    assert "1 of 1" in line


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--cluster", "local"], 1, "--repeats"),
        (["--repeats", 2, "--cluster", "local", "--cluster-options", "time=60"], 2, "--cluster slurm"),
        (["--repeats", 2, "--cluster", "slurm", "--cluster-options", "time=1:00:00"], 1, "whole minutes"),
        (["--repeats", 2, "--cluster", "slurm", "--cluster-options", "partitoin=gpu"], 1, "partition"),
    ],
)
def test_what_cannot_be_handed_over_is_refused_before_anything_is_written(
    made: Path, tmp_path: Path, slurm: Path, words: list[object], code: int, says: str
) -> None:
    assert says in call("train", made / "data", "--out", tmp_path / "run", *words, code=code)
    assert not (tmp_path / "run").exists()


def test_a_machine_without_submitit_or_slurm_is_told_what_is_missing(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("train", made / "data", "--repeats", 2, "--cluster", "slurm")
    monkeypatch.setenv("PATH", "/nowhere")
    assert "srun" in call(*words, code=1)
    monkeypatch.setitem(sys.modules, "submitit", None)
    assert "holly-triton[cluster]" in call(*words, code=1)

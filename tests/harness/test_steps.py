"""Steps of a training, measured alone and in turns with another commit."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.harness import steps
from holly_triton.harness.step_worker import Worker
from holly_triton.harness.steps import StepCase, bench_steps, environment_of, measure_case
from holly_triton.structures import tetrahedron

ROOT = Path(__file__).resolve().parents[2]
SMALL = StepCase("small", "tetrahedron", tetrahedron().tolist(), pictures=12, points=4, most=1)


def is_checkout() -> bool:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def worker() -> Worker:
    return Worker(SMALL.sites, SMALL.pictures, 0.0, 0.0, SMALL.points, seed=0, device="cpu")


def test_kinds_tell_apart_what_differs_in_work(worker: Worker) -> None:
    kinds = worker.kinds()
    assert len(kinds) == worker.trainer.plan.total_steps
    assert kinds[0].startswith("search") and kinds[0].endswith("global") and kinds[-1].startswith("refine")
    assert kinds[11].endswith("relocation") and any(kind.startswith("rescue") for kind in kinds)


def test_the_step_that_is_asked_for_is_done_and_measured(worker: Worker) -> None:
    found = worker.step(200)
    assert worker.trainer.state.step == 201
    assert found["pictures"] == SMALL.pictures
    assert 0 < found["cpu_s"] and 0 < found["wall_s"] and found["peak_mib"] > 50
    cost = worker.cost(200)
    assert 100 < cost["launches"] < 600 and cost["waits"] >= 1 and cost["device_ms"] is None


@pytest.mark.skipif(not is_checkout(), reason="no checkout")
def test_two_commits_take_turns_and_their_times_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(steps, "step_cases", lambda device: {"small": SMALL})
    path = tmp_path / "steps.json"
    assert bench_steps([], "cpu", "HEAD", path, turns=3) == 0
    (record,) = json.loads(path.read_text())
    assert record["against"] == "HEAD" and record["timed"] == 3 and record["kind"] == "search 16 global"
    assert 0.1 < record["cpu_ratio"] < 10 and record["pictures_per_s"] > 0
    assert record.keys() == {field.name for field in dataclasses.fields(steps.StepRecord)}


@pytest.mark.skipif(not is_checkout(), reason="no checkout")
def test_another_commit_is_imported_in_its_environment_and_an_unknown_one_is_refused() -> None:
    with environment_of("HEAD") as python:
        code = "import importlib.util as found; print(found.find_spec('holly_triton').origin)"
        done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, check=True)
        assert Path(done.stdout).is_relative_to(python.parents[2] / "tree")
    with pytest.raises(HollyError, match="nonesuch"), environment_of("nonesuch"):
        pass


def test_a_training_that_fails_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text("print(1 / 0)")
    monkeypatch.setattr(steps, "WORKER", tmp_path / "worker.py")
    with pytest.raises(HollyError, match="^bench --step, small: ZeroDivisionError: division by zero$"):
        measure_case(SMALL, [sys.executable], "cpu")


def test_options_of_steps_are_refused_without_them() -> None:
    for words in (["--case", "demo"], ["--against", "HEAD"]):
        assert CliRunner().invoke(main, ["bench", *words]).exit_code == 2

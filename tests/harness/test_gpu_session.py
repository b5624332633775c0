"""The session on a GPU, rehearsed without one: every step works, and none that fails takes another with it."""

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from holly_triton.harness import command, gpu_session, gpu_steps, measure, report
from holly_triton.harness.gpu_session import Step

ROOT = Path(__file__).resolve().parents[2]


def python(name: str, code: str, limit_s: float = 60.0) -> Step:
    return Step(name, [sys.executable, "-c", code], limit_s)


def outcomes_of(monkeypatch: pytest.MonkeyPatch, out: Path, steps: list[Step], *words: str) -> tuple[int, list[Any]]:
    monkeypatch.setattr(gpu_session, "plan", lambda *_: steps)
    code = gpu_session.main(["--out", str(out), *words])
    return code, json.loads((out / "raw" / "session.json").read_text())


def test_a_step_that_fails_is_recorded_and_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [python("bad", "print('so far'); raise SystemExit(3)"), python("good", "print('done')")]
    code, outcomes = outcomes_of(monkeypatch, tmp_path, steps)
    assert code == 1 and [(one["name"], one["status"], one["exit_code"]) for one in outcomes] == [
        ("bad", "failed", 3),
        ("good", "ok", 0),
    ]
    assert (tmp_path / "raw" / "logs" / "bad.log").read_text() == "so far\n"
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert outcomes_of(monkeypatch, tmp_path, steps, "--only", "good")[0] == 0


def test_a_step_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_session, "GRACE_S", 0.5)
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {stubborn!r}])"
    began = time.monotonic()
    code, outcomes = outcomes_of(monkeypatch, tmp_path, [python("hangs", child, 2.0), python("next", "")])
    assert code == 1 and [one["status"] for one in outcomes] == ["timeout", "ok"]
    assert time.monotonic() - began < 50


def test_what_finds_no_time_left_is_skipped_and_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, outcomes = outcomes_of(monkeypatch, tmp_path, [python("late", "")], "--budget", "1")
    assert code == 1 and outcomes[0]["status"] == "skipped" and outcomes[0]["log"] is None


def test_the_session_fits_its_budget_of_nine_minutes_in_order_of_value() -> None:
    names = [step.name for step in gpu_session.plan("cuda", False, Path("raw"))]
    assert gpu_session.BUDGET_S <= 540
    assert names[:4] == ["environment", "warm-up", "tests", "train-demo"] and names[-1] == "report"
    assert {f"bench-{n}-sigma{s}" for n in (100_000, 1_000_000) for s in ("1.41", "4", "10")} <= set(names)


def test_the_script_starts_the_session_and_the_tests_of_the_gpu_can_be_collected_without_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / ".ci" / "gpu", "--device", "cpu", "--quick", "--only", "environment", "tests"],
        env={**os.environ, "OUT": str(tmp_path), "PYTHON": sys.executable, "HOLLY_TRITON_COMMIT": "abc"},
        capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + (tmp_path / "raw" / "logs" / "tests.log").read_text()
    found = json.loads((tmp_path / "raw" / "environment.json").read_text())
    assert found["commit"] == "abc" and found["packages"]["torch"]
    assert "skipped" in (tmp_path / "raw" / "logs" / "tests.log").read_text()


def test_the_steps_measure_train_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "SECONDS", 0.0)
    monkeypatch.setattr(command, "peak_mib", lambda *_: 1.5)
    raw = tmp_path / "raw"
    raw.mkdir()
    common = ["--device", "cpu", "--raw", str(raw)]
    assert gpu_steps.main([*common, "bench", "--sigma", "1.41", "--points", "20", "--quick"]) == 0
    assert gpu_steps.main([*common, "train", "demo", "--quick"]) == 0
    assert gpu_steps.main([*common, "report"]) == 0
    records = report.read(raw / "cpu.csv")
    assert {record.backend for record in records} == {"floor", "separable", "naive", "dense"}
    trained = json.loads((raw / "train-demo.json").read_text())
    assert trained["rmsd_nm"] > 0 and trained["steps"] == 23 and trained["seconds_first_step"] > 0
    assert trained["stages"]["search"]["step_ms"] > 0 and trained["stages"]["search"]["device_busy_share"] is None
    assert (tmp_path / "kernels_cpu.md").is_file()


def test_without_the_bunny_a_formula_stands_in_and_the_record_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bunny = tmp_path / "bunny_large.obj"
    monkeypatch.setenv(gpu_steps.BUNNY, str(bunny))
    assert gpu_steps._structure("bunny")[0] == "nuclear-pore (no bunny_large.obj here)"
    bunny.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n")
    name, points = gpu_steps._structure("bunny")
    assert name == "bunny_large.obj" and points.shape == (4, 3)


def test_busy_time_counts_what_overlaps_once() -> None:
    assert gpu_steps.union([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.6)]) == 4.0
    assert gpu_steps.union([]) == 0.0


AT_HAND = {
    "torch", "triton", "numpy", "scipy", "sklearn", "tifffile", "h5py", "click", "rich", "matplotlib", "pytest",
    "filelock", "jinja2", "PIL",
}  # fmt: skip
"""What a machine with a GPU that is lent for minutes has: what is said in ``.ci/gpu``, and what these bring."""

LACKING = {"pyvista", "plyfile", "mrcfile", "astropy", "tomli_w", "tensorboardX", "imageio_ffmpeg", "submitit"}
"""What is imported by name where a command needs it."""

PROBE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Blocker())
from holly_triton.harness import gpu_steps
common = ["--device", "cpu", "--raw", sys.argv[1]]
assert gpu_steps.main([*common, "environment"]) == 0
assert gpu_steps.main([*common, "train", "demo", "--quick"]) == 0
import holly_triton.harness.command, holly_triton.harness.report
"""


def test_the_session_needs_no_package_that_a_bare_machine_lacks(tmp_path: Path) -> None:
    imported = set()
    for path in (*(ROOT / "holly_triton").rglob("*.py"), *(ROOT / "harness").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            imported |= {name.split(".")[0] for name in names}
    blocked = (imported | LACKING) - set(sys.stdlib_module_names) - AT_HAND - {"holly_triton"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(blocked=blocked), str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

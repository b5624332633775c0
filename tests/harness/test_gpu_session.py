"""The session on a GPU, rehearsed without one: every step works, and none that fails takes another with it."""

import ast
import dataclasses
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holly_triton.frames.localise import read_model
from holly_triton.harness import command, gpu_session, gpu_steps, measure, report
from holly_triton.harness.gpu_session import Outcome, Step
from holly_triton.harness.gpu_timing import Journal
from holly_triton.harness.gpu_tomography import tiled
from holly_triton.harness.step_worker import union

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
    assert outcomes[1]["command"] == ["python", "-c", "print('done')"]
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


def test_the_records_of_several_sessions_and_an_archive_of_all_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "raw.tar.gz"
    monkeypatch.setattr(gpu_session, "GRACE_S", 0.5)
    steps = [python("one", "print('first')"), python("two", "import time; time.sleep(60)", 1.0)]
    outcomes_of(monkeypatch, tmp_path, steps[:1], "--archive", str(archive))
    code, outcomes = outcomes_of(monkeypatch, tmp_path, steps[1:], "--archive", str(archive))
    assert code == 1 and [(one["name"], one["status"]) for one in outcomes] == [("one", "ok"), ("two", "timeout")]
    with tarfile.open(archive) as packed:
        assert {"raw/session.json", "raw/logs/one.log", "raw/logs/two.log"} <= set(packed.getnames())
        assert json.load(packed.extractfile("raw/session.json")) == outcomes  # type: ignore[arg-type]


def test_the_session_does_the_most_valuable_first_and_the_longest_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = gpu_session.plan("cuda", False, Path("raw"), 120.0)
    names = [step.name for step in steps]
    assert gpu_session.BUDGET_S <= 540
    assert names[:7] == [
        "environment", "warm-up", "tests", "train-demo", "bench-100000-sigma1.41", "frames", "tomography"
    ]  # fmt: skip
    assert {"bench-100000-sigma4", "bench-100000-sigma10", "bench-1000000-sigma1.41", "tune"} <= set(names)
    assert names[-1] == "report"
    assert [(step.name, step.command[-1]) for step in steps if step.on_request] == [("frames-train", "120.0")]
    long = dataclasses.replace(python("long", ""), on_request=True)
    assert [one["name"] for one in outcomes_of(monkeypatch, tmp_path, [python("short", ""), long])[1]] == ["short"]
    assert outcomes_of(monkeypatch, tmp_path, [long], "--only", "long")[1][-1]["name"] == "long"


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
    assert gpu_steps.main([*common, "bench", "--sigma", "4", "--gaussians", "--points", "20", "--quick"]) == 0
    assert gpu_steps.main([*common, "train", "demo", "--quick"]) == 0
    assert gpu_steps.main([*common, "report"]) == 0
    records = report.read(raw / "cpu.csv")
    assert {record.backend for record in records} == {"floor", "separable", "naive", "dense"}
    assert {record.op for record in records if record.sigma_px == 4} == {*gpu_steps.GAUSSIANS}
    trained = json.loads((raw / "train-demo.json").read_text())
    assert trained["rmsd_nm"] > 0 and trained["steps"] == 12 + 11 + 28 and trained["seconds_first_step"] > 0
    assert trained["stages"]["search"]["step_ms"] > 0 and trained["stages"]["search"]["device_busy_share"] is None
    assert (tmp_path / "kernels_cpu.md").is_file()


def test_tuning_is_refused_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_steps.main(["--device", "cpu", "--raw", str(tmp_path), "tune"]) == 1
    assert capsys.readouterr().err == "tune: block sizes are those of a GPU, and this is a CPU\n"


def test_a_part_that_fails_is_recorded_and_the_next_one_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> dict[str, Any]:
        raise RuntimeError("out of\nsomething")

    journal = Journal(tmp_path / "a.json", "cpu")
    journal.part("bad", fails)
    kept = json.loads((tmp_path / "a.json").read_text())
    assert kept["bad"]["error"] == "RuntimeError: out of something"
    journal.part("good", lambda: {"rate": 2.0, "undefined": float("nan")})
    kept = json.loads((tmp_path / "a.json").read_text())
    assert kept["good"]["rate"] == 2.0 and kept["good"]["undefined"] is None and kept["bad"]
    assert journal.faults == ["bad: RuntimeError: out of something"]


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
    assert union([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.6)]) == 4.0
    assert union([]) == 0.0


def test_copies_of_a_volume_fill_a_larger_one() -> None:
    volume = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    whole = tiled(volume, (3, 7, 4))
    assert whole.shape == (3, 7, 4) and (whole[2, 6] == volume[0, 0]).all() and (whole[1, 4] == volume[1, 1]).all()


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
import holly_triton.harness.command, holly_triton.harness.report
for words in {steps!r}:
    assert gpu_steps.main(["--device", "cpu", "--raw", sys.argv[1], *words]) == 0
"""


def on_a_bare_machine(raw: Path, *steps: list[str]) -> None:
    """Do some steps where only the packages ``AT_HAND`` can be imported."""
    imported = set()
    for path in (*(ROOT / "holly_triton").rglob("*.py"), *(ROOT / "harness").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            imported |= {name.split(".")[0] for name in names}
    blocked = (imported | LACKING) - set(sys.stdlib_module_names) - AT_HAND - {"holly_triton"}
    code = PROBE.format(blocked=blocked, steps=steps)
    done = subprocess.run([sys.executable, "-c", code, str(raw)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_bare_machine_measures_frames_and_tomograms_and_what_is_missing_is_said(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    steps = [["train", "demo"], ["frames"], ["frames-train", "--seconds", "0.3"], ["tomography"]]
    on_a_bare_machine(raw, ["environment"], *([*step, "--quick"] for step in steps))
    frames, trained, tomography = (
        json.loads((raw / f"{name}.json").read_text()) for name in ("frames", "frames-train", "tomography")
    )
    for width in (48, 24):
        one = frames[f"train-{width}"]
        assert one["frames_per_s"] == pytest.approx(one["batch"] * one["steps_per_s"]) and one["width"] == width
        assert set(one["parts_ms"]) == {"simulate", "network", "loss", "backward", "optimiser"}
    assert frames["localise-crowded"]["emitters_per_frame"] > 5 * frames["localise-sparse"]["emitters_per_frame"] > 0
    assert frames["localise-sparse-polished"]["frames_per_s"] > 0
    assert trained["density-2.22"]["emitters_per_frame"] > 10 and trained["empty"]["frames"] == 75
    assert read_model(raw / "frames-train.pt").localiser.settings.features == trained["training"]["width"] == 4
    assert tomography["match"]["rotations"] == 24 and tomography["match"]["parts_s"].keys() == {
        "turning", "searching", "refining"
    }  # fmt: skip
    assert tomography["align"]["median_error_deg"]["refined"] < tomography["align"]["median_error_deg"]["search"] < 60
    assert tomography["train-deepfinder"]["patches_per_s"] > 0 and tomography["inference"]["scores_averaged_s"] > 0
    tomography["align"] = {"error": "RuntimeError: no more memory"}
    (raw / "tomography.json").write_text(json.dumps(tomography))
    skipped = Outcome("train-bunny", "skipped", None, 0.0, 30.0, [], None)
    (raw / "session.json").write_text(json.dumps([dataclasses.asdict(skipped)]))
    assert gpu_steps.main(["--device", "cpu", "--raw", str(raw), "report"]) == 0
    text = (tmp_path / "gpu.md").read_text()
    missing = text[text.index("## Not measured") :].splitlines()[2:]
    assert set(filter(None, missing)) == {
        "- tests: not run", "- train-bunny: no time was left for it",
        "- tomography, match-large: not reached", "- tomography, align: RuntimeError: no more memory",
    }  # fmt: skip
    assert "particles of 24³ voxels" not in text and "at 24 rotations" in text

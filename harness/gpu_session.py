"""One bounded session on a GPU: tests, benchmarks and trainings, whose records are kept if a step fails.

``.ci/gpu`` starts it. Each step is a process with its own time limit, and all of them share one deadline.
The output of a step, its exit code and its duration are written as soon as it ends; then the next one starts.
``--device cpu --quick`` runs the same steps in little time, as a test.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUDGET_S = 540.0
GRACE_S = 5.0
"""Seconds between the request to stop and the forced end; a step with less time than this is not started."""
REHEARSAL_S = 300.0
SIGMA, WIDER = 1.41, (4.0, 10.0)
"""Widths of the Gaussians, pixels: that of all operations, and those of the operations that draw Gaussians."""
USUAL, LARGEST = (350, 1000, 10_000, 100_000), (1_000_000,)
TRAIN_S, AFTER_TRAIN_S = 480.0, 75.0
"""Length of the training of a localiser, and the limit of what follows it."""
SESSION = "session.json"
"""How the steps ended."""
SLOW_ANYWHERE = ("warm-up", "tune")
"""Steps that are left out of a rehearsal: they compile for minutes, whatever the sizes."""
STEPS = "holly_triton.harness.gpu_steps"


@dataclass(frozen=True)
class Step:
    """A process of the session; one that takes long is done on request alone."""

    name: str
    command: list[str]
    limit_s: float
    on_request: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a step ended. ``status`` is ok, failed, timeout or skipped (no time was left)."""

    name: str
    status: str
    exit_code: int | None
    seconds: float
    limit_s: float
    command: list[str]
    log: str | None


def plan(device: str, quick: bool, raw: Path, train_s: float = TRAIN_S) -> list[Step]:
    """The steps, most valuable first, so that a session that is cut short has the most valuable results."""
    python = sys.executable

    def step(name: str, limit_s: float, *words: object, on_request: bool = False) -> Step:
        command = [python, "-m", STEPS, "--device", device, "--raw", str(raw), *map(str, words)]
        return Step(name, command + ["--quick"] * quick, REHEARSAL_S if quick else limit_s, on_request)

    def bench(points: tuple[int, ...], sigma: float, limit_s: float, *words: str) -> Step:
        some = (20,) if quick else points
        return step(
            f"bench-{max(points)}-sigma{sigma:g}", limit_s, "bench", "--sigma", sigma, *words, "--points", *some
        )

    # The options of pyproject.toml need plugins, and make errors of warnings from unknown versions.
    plain = ["-o", "addopts=", "-o", "filterwarnings=default", "-p", "no:cacheprovider", "--import-mode=importlib"]
    tests = [python, "-m", "pytest", *plain, "-ra", "--durations=10", f"--junitxml={raw / 'tests.xml'}", "tests/gpu"]
    steps = [
        step("environment", 30, "environment"),
        step("warm-up", 60, "warm-up"),
        Step("tests", tests, REHEARSAL_S if quick else 120),
        step("train-demo", 60, "train", "demo"),
        bench(USUAL, SIGMA, 75),
        step("frames", 75, "frames"),
        step("tomography", 90, "tomography"),
        step("train-bunny", 60, "train", "bunny"),
        *(bench(USUAL, sigma, 45, "--gaussians") for sigma in WIDER),
        bench(LARGEST, SIGMA, 45),
        step("tune", 60, "tune"),
        step("frames-train", train_s + AFTER_TRAIN_S, "frames-train", "--seconds", train_s, on_request=True),
        step("report", 30, "report"),
    ]
    return [one for one in steps if not (quick and one.name in SLOW_ANYWHERE)]


def carry_out(step: Step, left_s: float, logs: Path) -> Outcome:
    """Run a step within its limit and the remaining time of the session."""
    limit = min(step.limit_s, left_s)
    # Records are committed, and paths of a machine mean nothing elsewhere.
    said = ["python" if word == sys.executable else word.replace(str(logs.parent), "raw") for word in step.command]
    if limit < GRACE_S:
        return Outcome(step.name, "skipped", None, 0.0, step.limit_s, said, None)
    log, began = logs / f"{step.name}.log", time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOLLY_TRITON_GPU": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            step.command, stdout=file, stderr=subprocess.STDOUT, cwd=ROOT, env=environment, start_new_session=True
        )
        code = _end_of(process, limit)
    seconds = round(time.monotonic() - began, 2)
    status = "timeout" if code is None else "failed" if code else "ok"
    return Outcome(step.name, status, process.returncode, seconds, limit, said, str(log.relative_to(logs.parent)))


def _end_of(process: "subprocess.Popen[bytes]", limit_s: float) -> int | None:
    """The exit code, or None where the process and its children had to be stopped."""
    for seconds, force in ((limit_s, signal.SIGTERM), (GRACE_S, signal.SIGKILL)):
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, force)
        else:
            return code if force == signal.SIGTERM else None
    process.wait()
    return None


def _earlier(path: Path) -> dict[str, dict[str, Any]]:
    """How the steps of earlier sessions with these records ended, by name."""
    return {one["name"]: one for one in json.loads(path.read_text())} if path.is_file() else {}


def _pack(raw: Path, archive: Path) -> None:
    """Everything recorded so far, whole or not at all."""
    partial = archive.with_name(archive.name + ".partial")
    with tarfile.open(partial, "w:gz") as file:
        file.add(raw, arcname=raw.name)
    partial.replace(archive)


def main(arguments: list[str] | None = None) -> int:
    """Run the session; 1 where any step failed, was cut short or skipped."""
    parser = argparse.ArgumentParser(prog="python -m holly_triton.harness.gpu_session", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports"), help="records go to OUT/raw (default: reports)")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help=f"seconds for all steps (default: {BUDGET_S:g})")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether the session itself works")
    parser.add_argument("--only", nargs="+", metavar="STEP", help="some of the steps, by name")
    parser.add_argument("--train-seconds", type=float, default=TRAIN_S, metavar="S", help=f"of frames-train, which is done only if --only names it (default: {TRAIN_S:g})")  # fmt: skip
    parser.add_argument(
        "--archive", type=Path, metavar="FILE", help="a .tar.gz of OUT/raw, written anew after each step"
    )
    options = parser.parse_args(arguments)
    raw = options.out.resolve() / "raw"
    logs = raw / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    steps = plan(options.device, options.quick, raw, options.train_seconds)
    if unknown := set(options.only or ()) - {step.name for step in steps}:
        parser.error(f"--only {' '.join(sorted(unknown))}: the steps are {' '.join(step.name for step in steps)}")
    deadline = time.monotonic() + options.budget
    outcomes: list[Outcome] = []
    before = _earlier(raw / SESSION)
    for step in steps:
        if step.on_request if not options.only else step.name not in options.only:
            continue
        last = carry_out(step, deadline - time.monotonic(), logs)
        outcomes.append(last)
        before[step.name] = asdict(last)
        (raw / SESSION).write_text(json.dumps(list(before.values()), indent=1) + "\n")
        if options.archive is not None:
            _pack(raw, options.archive)
        print(f"{last.name}: {last.status}, {last.seconds:.1f} s of {last.limit_s:.0f}", flush=True)
    missed = [f"{outcome.name} ({outcome.status})" for outcome in outcomes if outcome.status != "ok"]
    if missed:
        print(f"not all steps succeeded: {', '.join(missed)}; logs in {logs}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())

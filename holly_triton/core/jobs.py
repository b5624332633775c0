"""Independent runs as jobs of a Slurm cluster, or as processes of this machine, submitted by submitit.

A job leaves its results in the folder of its run and its log in ``jobs`` therein; nothing else comes back from it.
"""

import os
import shlex
import signal
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from .errors import HollyError
from .log import configure
from .memory import keep_freed
from .optional import require

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job
    from submitit.core.utils import DelayedSubmission

Where = Literal["slurm", "local"]

MINUTES = 480
"""Time limit of a job where ``time`` doesn't say; one that reaches it is started again, three times at most."""
AT_ONCE = {"local": 2, "slurm": sys.maxsize}
"""Jobs handed over before one has ended: Slurm has a queue, this machine has not."""
POLL_S = 1.0
JOBS = "jobs"


@dataclass(frozen=True)
class Cluster:
    """Where jobs go."""

    where: Where
    options: str | None = None
    """Slurm's own, as submitit spells them: ``partition=gpu,gpus_per_node=1,time=60``."""

    def __str__(self) -> str:
        return f"--cluster {self.where}" + (f" --cluster-options {shlex.quote(self.options)}" if self.options else "")

    def check(self) -> None:
        """Try whether jobs could be handed over, before anything is written.

        Raises:
            HollyError: submitit or Slurm is not there, or it has no such option.
        """
        with TemporaryDirectory() as scratch:
            _executor(self, Path(scratch))


@dataclass(frozen=True)
class _Work:
    """What a job carries out."""

    call: Callable[[], object]
    where: Where

    def __call__(self) -> None:
        if self.where == "local":  # submitit has it ignored, as Slurm warns with it
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        configure()  # a job has no command line
        keep_freed()
        self.call()

    def checkpoint(self) -> "DelayedSubmission":
        """The job for a requeue at the time limit or a preemption: the same work, which continues from the run's checkpoint."""
        again: DelayedSubmission = require("submitit.helpers", "a job").DelayedSubmission(self)
        return again


def run_all(
    work: Mapping[Path, Callable[[], object]],
    cluster: Cluster,
    *,
    finished: Callable[[Path], bool],
    say: Callable[[str], None],
    should_stop: Callable[[], bool],
) -> bool:
    """Fill each folder by a separate job and wait for all; False if stopped before all have ended.

    A job that fails is reported in one line and does not affect the others. Jobs of Slurm outlive the wait.

    Args:
        work: What to call for a folder: a function of a module, which goes on with what lies in the folder.
        cluster: Where the jobs go.
        finished: Whether a folder holds all that it should.
        say: Takes one line for each job that starts or ends.
        should_stop: Called every ``POLL_S`` seconds; True ends the wait.

    Raises:
        HollyError: The cluster refuses a job; those that it took go on.
    """
    waiting = dict(work)
    running: dict[Path, Job[None]] = {}
    try:
        while (waiting or running) and not should_stop():
            for folder in list(waiting)[: AT_ONCE[cluster.where] - len(running)]:
                running[folder] = _submit(folder, waiting.pop(folder), cluster)
                say(f"{folder}: job {running[folder].job_id}, log {running[folder].paths.stderr}")
            for folder in [folder for folder, job in running.items() if job.done()]:
                say(_outcome(folder, running.pop(folder), finished))
            time.sleep(POLL_S if running else 0)
    finally:
        if cluster.where == "local":
            for job in running.values():
                os.kill(int(job.job_id), signal.SIGTERM)
                job.wait()
        elif running:
            say(f"Not waiting any longer; jobs that go on in Slurm: {len(running)}")
    return not (waiting or running)


def _executor(cluster: Cluster, folder: Path) -> "AutoExecutor":
    submitit = require("submitit", str(cluster))
    # A job waits for those of its name, so that a folder that is handed over twice never has two at once.
    options = {"time": MINUTES, "dependency": "singleton", **_options(cluster)}
    # submitit would hide all GPUs from local jobs; they may see what this process sees.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = "-u CUDA_VISIBLE_DEVICES" if visible is None else shlex.quote(f"CUDA_VISIBLE_DEVICES={visible}")
    try:
        executor: AutoExecutor = submitit.AutoExecutor(
            folder / JOBS, cluster=cluster.where, local_python=f"env {devices} {shlex.quote(sys.executable)}"
        )
        executor.update_parameters(
            name=f"{folder.name}-{zlib.crc32(bytes(folder.resolve())):08x}",
            timeout_min=MINUTES,
            **{f"slurm_{name}": value for name, value in options.items()},
        )
    except (AssertionError, NameError, RuntimeError) as error:
        raise HollyError(f"{cluster}: {str(error).splitlines()[0]}") from error
    return executor


def _options(cluster: Cluster) -> dict[str, str | int]:
    pairs = [pair.partition("=") for pair in (cluster.options or "").split(",") if pair]
    options = {name.strip(): int(value) if value.isdecimal() else value for name, _, value in pairs}
    if "" in options.values() or not isinstance(options.get("time", MINUTES), int):
        raise HollyError(f"{cluster}: must be like partition=gpu,time=60, with time in whole minutes")
    return options


def _submit(folder: Path, call: Callable[[], object], cluster: Cluster) -> "Job[None]":
    executor = _executor(cluster, folder)
    refused = require("submitit.core.utils", str(cluster))
    ctrl_c = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is for this process alone; local jobs inherit it
    try:
        return executor.submit(_Work(call, cluster.where))
    except (refused.FailedJobError, refused.FailedSubmissionError, OSError) as error:
        reason = " ".join(str(error).split())
        raise HollyError(f"{cluster}: took no job for {folder} ({reason})") from error
    finally:
        signal.signal(signal.SIGINT, ctrl_c)


def _outcome(folder: Path, job: "Job[None]", finished: Callable[[Path], bool]) -> str:
    folder.chmod(folder.stat().st_mode)  # makes a network file system refresh its view
    if finished(folder):
        return f"{folder}: done"
    log = job.paths.stderr
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    reason = lines[-1].removeprefix(f"{HollyError.__module__}.{HollyError.__name__}: ") if lines else job.state
    return f"{folder}: failed ({reason}); see {log}"

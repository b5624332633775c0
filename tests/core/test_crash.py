"""A run that is killed, again and again, ends with the bytes of one that never was; and so does one in another process.

HOLLY_TRITON_KILLS=100 kills it a hundred times. This file is also what the killed processes are forked from: one process
that has loaded PyTorch, so that a kill costs a fraction of a second.
"""

import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("HOLLY_TRITON_KILLS", "20"))
SEED = 6
BRIEF = """
checkpoint_every = 1
[schedule]
search_steps = 30
rescue_passes = 1
polish_steps = 10
refine_steps = 2
[search]
candidates = 100
dense_candidates = 200
[sharpen]
per_polish = 0.5
"""
SAME = ("config.toml", "cloud.ply", "cloud_mirror.ply", "poses.csv", "growth.npz", "pictures/reprojections.npz")
TOUCHES = ("open", "os.rename", "os.remove")
"""What Python tells of when it deals with files; a step with its checkpoint does so five times or six."""
TOUCHES_A_KILL = 18
"""Of files in the run's folder before a process is killed, in the mean: so kills come all over a run and its results."""
LATER_S = 0.02
"""After that, at most: about a step. Half of the kills come at once, as files are written; the others anywhere."""
PATIENCE_S = 600
LOADED = (
    "holly_triton.particles.run.training", "torch._dynamo", "tensorboardX", "pyvista.plotting", "matplotlib.backends.backend_svg",
)  # fmt: skip
"""What a run needs and takes seconds to load; the second by PyTorch's optimisers."""


def environment(hash_seed: int) -> dict[str, str]:
    """Sets and dictionaries of texts have another order under each hash seed."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crash")
    xy = np.random.default_rng(SEED).normal(size=(60, 12, 2)) * (40, 20)
    rows = "".join(f"{x:.2f},{y:.2f},{picture}\n" for picture, some in enumerate(xy) for x, y in some)
    (folder / "data.csv").write_text("x [nm],y [nm],particle\n" + rows)
    (folder / "brief.toml").write_text(BRIEF)
    return folder


@pytest.fixture(scope="module")
def fork(folder: Path) -> Iterator[Callable[..., int]]:
    """``fork_and_kill`` in the process that has loaded PyTorch; ``said`` has what the forked ones say."""
    with (folder / "said").open("w") as said:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": said}
        command = [sys.executable, __file__]
        with subprocess.Popen(command, env=environment(0), text=True, **pipes) as process:  # type: ignore[call-overload]

            def ask(words: list[object], run: Path, touches: int = 0, delay_s: float = 0.0) -> int:
                print(json.dumps([[*map(str, words)], str(run), touches, delay_s]), file=process.stdin, flush=True)
                return int(process.stdout.readline())

            yield ask


@pytest.fixture(scope="module")
def whole(folder: Path, fork: Callable[..., int]) -> Path:
    """A folder with the same run twice, made by two processes."""
    words = ["train", folder / "data.csv", "--points", 12, "--config", folder / "brief.toml", "--out"]
    assert fork([*words, folder / "one"], folder / "one") == 0, (folder / "said").read_text()
    command = [sys.executable, "-m", "holly_triton", *map(str, words), str(folder / "other")]
    done = subprocess.run(command, env=environment(1), capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return folder


def test_two_processes_write_the_same_bytes(whole: Path) -> None:
    assert_same(whole / "one", whole / "other")


def test_a_run_that_is_killed_ends_with_the_same_bytes(whole: Path, fork: Callable[..., int]) -> None:
    rng = random.Random(SEED)
    run = whole / "killed"

    def train(touches: int = 0) -> int:
        fresh = ["--config", whole / "one" / "config.toml", "--out", run, "--overwrite"]
        words = ["train", *(["--resume", run] if (run / "config.toml").exists() else fresh)]
        return fork(words, run, touches, max(0.0, rng.uniform(-LATER_S, LATER_S)))

    killed, in_results = 0, 0
    while killed < KILLS or not in_results:  # how far a process comes before its end depends on the machine
        assert killed < 10 * KILLS, "none was killed while it wrote its results"
        code = train(1 + int(rng.expovariate(1 / TOUCHES_A_KILL)))
        assert code in (0, -signal.SIGKILL), (whole / "said").read_text()
        if code == 0:  # it came to its end first: the next are of a new run
            assert_same(whole / "one", run)
            shutil.rmtree(run)
        else:
            killed += 1
            in_results += (run / "cloud.ply").exists()
    assert in_results < killed
    assert train() == 0, (whole / "said").read_text()
    assert_same(whole / "one", run)


def assert_same(one: Path, other: Path) -> None:
    differing = [name for name in SAME if (one / name).read_bytes() != (other / name).read_bytes()]
    assert not differing


def fork_and_kill(words: list[str], run: str, touches: int, delay_s: float) -> int:
    """Give a command in a forked process and kill that a while after its n-th dealing with a file of the run's folder.

    Returns:
        Its exit code; 0 touches don't kill.
    """
    from holly_triton.cli import main

    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:

        def count(event: str, details: tuple[object, ...]) -> None:
            nonlocal touches
            if event in TOUCHES and run in str(details[0]):
                touches -= 1
                if touches == 0:
                    os.write(tell, b"!")

        os.close(told)
        signal.alarm(PATIENCE_S)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.addaudithook(count)
        main(words)  # ends this process
    os.close(tell)
    if os.read(told, 1):  # nothing when it ended before
        time.sleep(delay_s)
        os.kill(pid, signal.SIGKILL)
    os.close(told)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    for name in LOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        print(fork_and_kill(*json.loads(line)), flush=True)

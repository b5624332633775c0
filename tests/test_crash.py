"""A run that is killed, again and again, ends with the bytes of one that never was; and so does one in another process.

HOLLY_TRITON_KILLS=20 kills it twenty times.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
KILLS = int(os.environ.get("HOLLY_TRITON_KILLS", "3"))
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
"""
SAME = ("config.toml", "cloud.ply", "cloud_mirror.ply", "poses.csv", "growth.npz", "pictures/reprojections.npz")
PATIENCE_S = 600


def train(*words: object, hash_seed: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "holly_triton", "train", *map(str, words)]
    # Sets and dictionaries of texts have another order under each hash seed.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    said = process.communicate(timeout=PATIENCE_S)[1].decode()
    assert process.returncode == 0, said


def began(process: subprocess.Popen[bytes]) -> float:
    """When its first line came: Python and PyTorch are loaded, and it turns to the run."""
    assert process.stderr is not None and process.stderr.readline()
    return time.monotonic()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A folder with the same run twice, made by two processes, and the seconds that one took."""
    folder = tmp_path_factory.mktemp("crash")
    xy = np.random.default_rng(SEED).normal(size=(60, 12, 2)) * (40, 20)
    rows = "".join(f"{x:.2f},{y:.2f},{picture}\n" for picture, some in enumerate(xy) for x, y in some)
    (folder / "data.csv").write_text("x [nm],y [nm],particle\n" + rows)
    (folder / "brief.toml").write_text(BRIEF)
    words = [folder / "data.csv", "--points", 12, "--config", folder / "brief.toml", "--out"]
    both = [train(*words, folder / name, hash_seed=seed) for seed, name in enumerate(("one", "other"), start=1)]
    start = began(both[0])
    finish(both[0])
    seconds = time.monotonic() - start
    finish(both[1])
    return folder, seconds


def test_two_processes_write_the_same_bytes(whole: tuple[Path, float]) -> None:
    folder, _ = whole
    assert_same(folder / "one", folder / "other")


def test_a_run_that_is_killed_ends_with_the_same_bytes(whole: tuple[Path, float]) -> None:
    folder, seconds = whole
    rng = random.Random(SEED)
    run = folder / "killed"
    fresh = ["--config", folder / "one" / "config.toml", "--out", run, "--overwrite"]
    killed = 0
    while killed < KILLS:
        process = train("--resume", run) if (run / "config.toml").exists() else train(*fresh)
        began(process)
        time.sleep(rng.uniform(0, 1.5 * seconds / KILLS))
        process.kill()
        said = process.communicate()[1].decode()
        if process.returncode == 0:  # it came to its end first: the next are of a new run
            assert_same(folder / "one", run)
            shutil.rmtree(run)
        else:
            assert process.returncode == -signal.SIGKILL, said
            killed += 1
    finish(train("--resume", run))
    assert_same(folder / "one", run)


def assert_same(one: Path, other: Path) -> None:
    differing = [name for name in SAME if (one / name).read_bytes() != (other / name).read_bytes()]
    assert not differing

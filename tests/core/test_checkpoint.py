"""Checkpoints: what they hold, what harms them, what they cost, and that one process at a time writes them."""

import dataclasses
import errno
import os
import pickle
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core import lock
from holly_triton.core.config import read_config, write_config
from holly_triton.core.errors import HollyError
from holly_triton.core.lock import CHECKPOINTS, alone
from holly_triton.particles.cloud.schedule import Plan
from holly_triton.particles.cloud.state import TrainingState
from holly_triton.particles.config import Config, Schedule, Search
from holly_triton.particles.run.checkpoints import load_state, save_state
from holly_triton.particles.run.run import carry_out, resume_run, start_run
from holly_triton.particles.run.trainers import make_trainer
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation

CPU = torch.device("cpu")
SITES = np.random.default_rng(6).normal(size=(12, 3)) * (40, 30, 20)
BRIEF = Config(
    points=12,
    device="cpu",
    checkpoint_every=5,
    schedule=Schedule(search_steps=20, rescue_passes=0, polish_steps=4, refine_steps=2),
    search=Search(candidates=100),
)
STOP, BEFORE = 12, 10
"""Steps of the last two checkpoints of a run that was stopped at the first of them."""
HOLD = (
    "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(flush=True); sys.stdin.read()"
)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped on its way."""
    folder = tmp_path_factory.mktemp("checkpoint")
    write_simulation(folder / "data", simulate(SITES, 60, generator=torch.Generator().manual_seed(1)))
    run = start_run(dataclasses.replace(BRIEF, data=str(folder / "data")), folder / "run")
    assert not carry_out(run, lambda progress: None, lambda: run.trainer.state.step >= STOP)
    return run.folder


@pytest.fixture(scope="module")
def end(stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingState:
    """What that run ends with."""
    return resume(shutil.copytree(stopped, tmp_path_factory.mktemp("end") / "run"))


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    return shutil.copytree(stopped, tmp_path / "run")


def resume(run: Path) -> TrainingState:
    taken_up = resume_run(run)
    assert carry_out(taken_up, lambda progress: None, lambda: False)
    return taken_up.trainer.state


def load(run: Path) -> TrainingState:
    state = load_state(run / CHECKPOINTS, CPU)
    assert state is not None
    return state


def edit(run: Path, **settings: Any) -> None:
    write_config(run / "config.toml", dataclasses.replace(read_config(run / "config.toml", Config), **settings))


def test_a_lost_configuration_is_written_anew(
    stopped: Path, run: Path, end: TrainingState, caplog: pytest.LogCaptureFixture
) -> None:
    path = run / "config.toml"
    path.unlink()
    assert torch.equal(resume(run).points, end.points)
    assert caplog.messages == [f"{path}: is missing; restored from the checkpoint"]
    assert path.read_bytes() == (stopped / "config.toml").read_bytes()


@pytest.mark.parametrize(
    ("slip", "told"), [('device = "cdua"', "device is 'cdua'"), ('device = "cpu', "not a TOML file")]
)
def test_a_wrong_setting_is_left_to_the_person_who_made_it(run: Path, slip: str, told: str) -> None:
    path = run / "config.toml"
    path.write_text(path.read_text().replace('device = "cpu"', slip))
    with pytest.raises(HollyError, match=told):
        resume_run(run)
    assert slip in path.read_text()


def test_data_may_move_and_what_was_changed_is_told_once(
    run: Path, end: TrainingState, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(read_config(run / "config.toml", Config).data, run.parent / "moved")
    edit(run, data=str(run.parent / "moved"), search=dataclasses.replace(BRIEF.search, most_points=900))
    assert torch.equal(resume(run).points, end.points)
    (said,) = caplog.messages
    assert "changed since the checkpoint: data, search.most_points; going on with the new values" in said
    caplog.clear()
    resume_run(run)
    assert not caplog.messages


@pytest.mark.parametrize(
    "settings", [{"points": 13}, {"pose": "direct"}, {"axis": "x"}, {"part": "odd"}, {"views": "random"}]
)
def test_what_a_checkpoint_hangs_on_is_not_to_be_changed(run: Path, settings: dict[str, Any]) -> None:
    edit(run, **settings)
    (name,) = settings
    with pytest.raises(HollyError, match=f"config.toml: changed since the checkpoint: {name}; set {name} back"):
        resume_run(run)


def test_another_seed_is_refused_where_it_would_draw_other_views(run: Path, tmp_path: Path) -> None:
    """Elsewhere it changes no picture, and the run goes on."""
    made = simulate(SITES, 60, dimensions=3, generator=torch.Generator().manual_seed(1))
    write_simulation(tmp_path / "data", made)
    random = dataclasses.replace(BRIEF, data=str(tmp_path / "data"), views="random", views_per_particle=2)
    started = start_run(random, tmp_path / "views")
    carry_out(started, lambda progress: None, lambda: started.trainer.state.step >= 1)
    for folder in (run, started.folder):
        edit(folder, seed=5)
    with pytest.raises(HollyError, match=r"config.toml: changed since the checkpoint: seed; set seed back"):
        resume_run(started.folder)
    assert not resume_run(run).finished


def test_a_run_goes_on_on_another_kind_of_device(run: Path) -> None:
    """There the state of a random generator has another length."""
    state = load(run)
    save_state(run / CHECKPOINTS, dataclasses.replace(state, generator=torch.zeros(16, dtype=torch.uint8)))
    assert bool(resume(run).points.isfinite().all())


@pytest.mark.parametrize("harm", ["truncated", "missing", "foreign"])
def test_the_checkpoint_before_takes_the_place_of_a_damaged_one(
    run: Path, end: TrainingState, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    last = run / CHECKPOINTS / "last.pt"
    if harm == "missing":  # killed between the two renames
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[:-1000] if harm == "truncated" else pickle.dumps({"format": "of another"}))
    assert torch.equal(resume(run).points, end.points)
    told = "" if harm == "missing" else "last.pt: the checkpoint is damaged; going on from previous.pt"
    assert told in caplog.text


def test_without_a_checkpoint_that_can_be_read_a_run_ends_in_one_line(run: Path) -> None:
    for name in ("last.pt", "previous.pt"):
        (run / CHECKPOINTS / name).write_bytes(b"nothing of the kind")
    result = CliRunner().invoke(main, ["train", "--resume", str(run)])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "last.pt: the checkpoint is damaged; start the run again with --overwrite" in result.output


FRAME = {"step": 1, "sigma_nm": 2.0}
WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "points in 2D": lambda state: state["points"][:, :2],
    "points of another type": lambda state: {"points": state["points"].double()},
    "no points": lambda state: {"points": state["points"][:0]},
    "a blur a point": lambda state: {"log_blur": state["points"][:, 0]},
    "a rotation too few": lambda state: {"rotation": state["rotation"][1:]},
    "rotations as vectors": lambda state: {"rotation": state["rotation"][:, 0]},
    "shifts in 3D": lambda state: {"shift": state["rotation"][:, 0]},
    "a loss too few": lambda state: {"loss": state["loss"][1:]},
    "a picture twice": lambda state: {"order": state["order"].clamp_min(1)},
    "order of fractions": lambda state: {"order": state["order"].float()},
    "a cursor beyond the pictures": lambda state: {"cursor": 61},
    "steps below 0": lambda state: {"step": -1},
    "a generator of fractions": lambda state: {"generator": state["generator"].float()},
    "moments of fewer points": lambda state: {"optimiser": {"state": {0: {"exp_avg": state["points"][1:]}}}},
    "a history of nothing": lambda state: {"history": [{}]},
    "a film in 2D": lambda state: {"growth": [FRAME | {"points": state["points"][:, :2]}]},
    "a film of two clouds": lambda state: {"growth": [FRAME | {"points": state["points"][i:]} for i in range(2)]},
    "a film without time": lambda state: {"growth": [{"points": state["points"]}]},
    "settings of another program": lambda state: {"settings": {"colour": "red"}},
    "settings of other kinds": lambda state: {"settings": {"seed": state["points"]}},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_parts_that_do_not_go_together_are_found(run: Path, wrong: str, caplog: pytest.LogCaptureFixture) -> None:
    path = run / CHECKPOINTS / "last.pt"
    saved = torch.load(path, weights_only=True)
    state = {
        name: value.detach() if isinstance(value, torch.Tensor) else value for name, value in saved["state"].items()
    }
    changed = WRONG[wrong](state)
    torch.save({**saved, "state": {**state, **(changed if isinstance(changed, dict) else {"points": changed})}}, path)
    assert load(run).step == BEFORE
    assert f"{path}: " in caplog.text


@pytest.mark.parametrize("harm", [b"", b"cut off"], ids=["whole", "damaged"])
def test_no_moment_of_a_save_leaves_nothing_that_can_be_read(
    run: Path, harm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if harm:
        (run / CHECKPOINTS / "last.pt").write_bytes(harm)
    state = load(run)
    moments = 0

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def die_or_call(*words: object) -> object:
            nonlocal moments
            moments += 1
            if moments == last:
                raise KeyboardInterrupt
            return call(*words)

        return die_or_call

    for last in range(1, 6):
        moments, copy = 0, shutil.copytree(run, run.parent / f"{last}")
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            for name in ("replace", "fsync"):
                patched.setattr(os, name, dying(getattr(os, name)))
            save_state(copy / CHECKPOINTS, state)
        assert load(copy).step == state.step


def test_a_full_disk_leaves_the_checkpoint_before_it(run: Path) -> None:
    """A limit on the size of files stands for the disk: both fail in the middle of a write."""
    resource = pytest.importorskip("resource", reason="this system limits no sizes of files")
    folder = run / CHECKPOINTS
    state, before = load(run), {path.name: path.read_bytes() for path in folder.iterdir()}
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["last.pt"]) // 2, limits[1]))
    try:
        with pytest.raises(HollyError, match=r"last.pt: cannot be written .*the one before it is whole.*--resume"):
            save_state(folder, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_second_process_is_refused_until_the_first_is_gone(run: Path, end: TrainingState) -> None:
    command = [sys.executable, "-c", HOLD, str(run / lock.LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline()
        files = sorted(run.rglob("*"))
        for words in (
            ["--resume", str(run)],
            [read_config(run / "config.toml", Config).data, "--out", str(run), "--overwrite"],
            [read_config(run / "config.toml", Config).data, "--out", str(run.parent), "--overwrite", "--repeats", "2"],
        ):
            result = CliRunner().invoke(main, ["train", *words])
            assert result.exit_code == 1
            assert (
                f"{run}: another process is working on this run; wait until it ends, or stop it first" in result.output
            )
        assert load(run).step == resume_run(run).trainer.state.step == STOP  # looking on is free
        assert sorted(path for path in run.rglob("*") if "events" not in path.name) == [
            path for path in files if "events" not in path.name
        ]
        first.kill()
    assert torch.equal(resume(run).points, end.points)


def test_a_rank_ends_where_the_first_was_refused(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "leads", lambda: False)
    monkeypatch.setattr(lock, "summed", lambda said: said + 1)
    with pytest.raises(HollyError, match="another process"), alone(run):
        pass


def test_a_file_system_without_locks_does_without(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl", reason="Windows locks files in another way, and always can")

    def refuse(*words: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone(run), alone(run):
        pass


def seconds(call: Callable[[], object], times: int = 5) -> float:
    """Median processor time."""

    def once() -> float:
        began = time.process_time()
        call()
        return time.process_time() - began

    return statistics.median(once() for _ in range(times))


def test_a_checkpoint_costs_little_beside_the_steps_between_two(tmp_path: Path) -> None:
    """2 % at most. The first steps, which draw the smallest pictures, are the cheapest."""
    made = simulate(SITES, 2000, generator=torch.Generator().manual_seed(1))
    config = dataclasses.replace(Config(), points=100, device="cpu")
    work = make_trainer(config, made.localisations)
    steps = work.run()
    step_s = seconds(lambda: next(steps))
    save_s = seconds(lambda: save_state(tmp_path, work.state))
    assert save_s < 0.02 * config.checkpoint_every * step_s


def test_a_large_state_is_read_back_at_once(tmp_path: Path) -> None:
    state = TrainingState.fresh(Plan(Config(), 40_000, 30.0, 100.0, 1.0), 500, torch.Generator().manual_seed(0))
    assert seconds(lambda: save_state(tmp_path, state)) < 1
    assert seconds(lambda: load_state(tmp_path, CPU)) < 1


def test_a_run_steps_soon_after_it_is_taken_up(run: Path) -> None:
    assert seconds(lambda: next(resume_run(run).trainer.run())) < 3
